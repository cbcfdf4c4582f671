"""What a run can be told: defaults, limits, unknown keys, and options without effect."""

from __future__ import annotations

import inspect

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from recurra.config import CONFIGS, ClassifyConfig, RunConfig, make_run_config, parse_run_config, section_model
from recurra.errors import SettingsError
from recurra.estimators.classifier import Classifier


def fields_of(config: type[RunConfig]) -> dict[str, FieldInfo]:
    """Every option of a task by its name."""
    return {n: field for section in config.sections for n, field in section_model(config, section).model_fields.items()}


FIELDS = fields_of(ClassifyConfig)


def test_an_option_is_put_into_its_section():
    run = make_run_config("classify", data="a.csv", tokens="bpe", hidden_size=7, epochs=3, test_share=0.0)
    assert (run.data.data, run.vocabulary.tokens, run.model.hidden_size, run.train.epochs) == ("a.csv", "bpe", 7, 3)
    assert run.data.test_share == 0
    assert run.task == "classify"


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_every_option_is_in_one_section_and_described(config):
    fields = fields_of(config)
    assert len(fields) == sum(len(section_model(config, section).model_fields) for section in config.sections)
    for name, field in fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_classifier_defaults_are_the_config_fields_defaults():
    told = inspect.signature(Classifier.__init__).parameters
    arguments = {name: argument for name, argument in told.items() if name != "self"}
    assert arguments
    for name, argument in arguments.items():
        assert argument.default == FIELDS[name].default, name
    of_files = set(section_model(ClassifyConfig, "data").model_fields) - {"valid_share"}
    assert set(FIELDS) - set(arguments) == of_files | {"tensorboard"}


@pytest.mark.parametrize("section", ClassifyConfig.sections)
def test_settings_are_frozen(section):
    settings = getattr(make_run_config("classify", data="a.csv"), section)
    name = next(iter(type(settings).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, name, "other")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hiden_size": 4}, "unknown option 'hiden_size', did you mean 'hidden_size'?"),
        ({"learning-rate": 4}, "unknown option 'learning-rate', did you mean 'learning_rate'?"),
        ({"zzzz": 4}, "unknown option 'zzzz'"),
    ],
)
def test_unknown_option_is_refused_with_the_nearest(options, message):
    with pytest.raises(SettingsError) as caught:
        make_run_config("classify", data="a.csv", **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": {"data": "a"}, "modle": {}}, "config.json: unknown key 'modle', did you mean 'model'?"),
        ({"data": {"data": "a"}, "model": {"cel": 1}}, "config.json: unknown key 'cel', did you mean 'cell'?"),
        ({"data": {}}, "config.json: 'data' is missing"),
        ({}, "config.json: 'data' is missing"),
        (
            {"data": {"data": "a", "tag_column": "b"}},
            "config.json: unknown key 'tag_column', did you mean 'text_column'?",
        ),
    ],
)
def test_unknown_and_missing_keys_of_a_file(values, message):
    with pytest.raises(SettingsError) as caught:
        parse_run_config({"task": "classify", **values}, source="config.json")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("valid_share", 0.0, "greater than 0"),
        ("valid_share", 1.0, "less than 1"),
        ("test_share", -0.1, "greater than or equal to 0"),
        ("test_share", 1.0, "less than 1"),
        ("delimiter", "", "at least 1 character"),
        ("tokens", "syllables", "'words', 'spaces', 'characters' or 'bpe'"),
        ("vocabulary_size", 2, "greater than or equal to 3"),
        ("min_count", 0, "greater than or equal to 1"),
        ("max_length", 0, "greater than or equal to 1"),
        ("cell", "transformer", "'lstm', 'gru', 'rnn', 'rnn_relu' or 'feedforward'"),
        ("embedding_size", 0, "greater than or equal to 1"),
        ("hidden_size", -3, "greater than or equal to 1"),
        ("num_layers", 0, "greater than or equal to 1"),
        ("dropout", 1.0, "less than 1"),
        ("dropout", -0.5, "greater than or equal to 0"),
        ("word_dropout", 1.0, "less than 1"),
        ("pooling", "last", "'final', 'mean', 'max' or 'attention'"),
        ("epochs", 0, "greater than or equal to 1"),
        ("batch_size", 0, "greater than or equal to 1"),
        ("learning_rate", 0.0, "greater than 0"),
        ("weight_decay", -1.0, "greater than or equal to 0"),
        ("clip_norm", 0.0, "greater than 0"),
        ("schedule", "step", "'constant', 'linear' or 'cosine'"),
        ("patience", 0, "greater than or equal to 1"),
        ("class_weights", "auto", "'none' or 'balanced'"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", 2**31, "less than 2147483648"),
        ("device", "tpu", "pattern"),
        ("hidden_size", "many", "integer"),
    ],
)
def test_impossible_value_is_named(name, value, expected):
    with pytest.raises(SettingsError) as caught:
        make_run_config("classify", data="a.csv", **{name: value})
    message = str(caught.value)
    assert message.startswith(f"options: '{name}': ")
    assert expected in message
    assert message.endswith(f"found {value!r}")


def test_several_faults_are_told_together():
    with pytest.raises(SettingsError, match=r"'hidden_size'.*; .*'epochs'"):
        make_run_config("classify", data="a.csv", hidden_size=0, epochs=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "feedforward", "bidirectional": True}, "'bidirectional' (True)|a feedforward model has no direction"),
        ({"cell": "feedforward", "bidirectional": False}, "'bidirectional' (False)|has no direction"),
        ({"cell": "feedforward", "pooling": "final"}, "'pooling' (final)|a feedforward model has no final state"),
        ({"vectors": "glove.txt", "embedding_size": 50}, "'embedding_size' (50)|--vectors sets the size"),
        ({"vectors": "glove.txt", "tokens": "bpe"}, "'vectors' (glove.txt)|the vectors are of words"),
        ({"vectors": "glove.txt", "tokens": "characters"}, "'vectors' (glove.txt)|the vectors are of words"),
        ({"patience": 5, "epochs": 6}, "'patience' (5)|the run ends before"),
        ({"patience": 2, "epochs": 3}, "'patience' (2)|the run ends before"),
        ({"valid": "v.csv", "valid_share": 0.2}, "'valid_share' (0.2)|--valid gives the validation examples"),
        ({"test": "t.csv", "test_share": 0.2}, "'test_share' (0.2)|--test gives the test examples"),
        ({"split_column": "s", "valid": "v.csv"}, "'valid' (v.csv)|--split-column divides the examples"),
        ({"split_column": "s", "test": "t.csv"}, "'test' (t.csv)|--split-column divides the examples"),
        ({"nonmonotone": 5}, "'nonmonotone' (5)|only --optimizer nt-asgd averages"),
        ({"nonmonotone": 3, "optimizer": "sgd"}, "'nonmonotone' (3)|only --optimizer nt-asgd averages"),
        ({"init_from": "lm", "tokens": "words"}, "'tokens' (words)|--init-from takes the language model's"),
        ({"init_from": "lm", "vectors": "glove.txt"}, "'vectors' (glove.txt)|--init-from takes the language model's"),
        ({"cell": "rnn", "chrono_steps": 50}, "'chrono_steps' (50)|only the gates of lstm and gru can be drawn so"),
        ({"cell": "feedforward", "chrono_steps": 50}, "'chrono_steps' (50)|only the gates of lstm and gru"),
        ({"init_from": "lm", "hidden_size": 128}, "'hidden_size' (128)|--init-from takes the language model's"),
    ],
)
def test_option_without_effect_is_refused(options, message):
    option, why = message.split("|")
    with pytest.raises(SettingsError) as caught:
        make_run_config("classify", data="a.csv", **options)
    assert str(caught.value).startswith(f"option {option} would have no effect: ")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "feedforward", "pooling": "mean"},
        {"cell": "feedforward", "num_layers": 2},
        {"vectors": "glove.txt"},
        {"cell": "gru", "chrono_steps": 50},
        {"patience": 1, "epochs": 3},
        {"patience": None, "epochs": 1},
        {"valid": "v.csv", "test_share": 0.2},
        {"test": "t.csv", "valid_share": 0.2},
        {"split_column": "s"},
        {"nonmonotone": 3, "optimizer": "nt-asgd"},
        {"init_from": "lm", "dropout": 0.1, "pooling": "mean"},
    ],
)
def test_option_with_effect_is_taken(options):
    run = make_run_config("classify", data="a.csv", **options)
    flat = {name: value for section in run.sections for name, value in getattr(run, section).model_dump().items()}
    assert {name: flat[name] for name in options} == options


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("tag", {"characters": False, "character_embedding_size": 9}, "'character_embedding_size' (9)|--no-characters"),
        ("tag", {"characters": False, "character_hidden_size": 9}, "'character_hidden_size' (9)|--no-characters"),
        ("tag", {"cell": "feedforward", "bidirectional": True}, "'bidirectional' (True)|a feedforward model has none"),
        ("tag", {"vectors": "glove.txt", "embedding_size": 50}, "'embedding_size' (50)|--vectors sets the size"),
        ("tag", {"init_from": "lm", "cell": "gru"}, "'cell' (gru)|--init-from takes the language model's"),
        ("tag", {"nonmonotone": 1}, "'nonmonotone' (1)|only --optimizer nt-asgd averages"),
        ("language-model", {"tokens": "bpe", "min_count": 1}, "'min_count' (1)|every byte is a symbol"),
        ("language-model", {"patience": 3, "epochs": 3}, "'patience' (3)|the run ends before"),
    ],
)
def test_option_without_effect_on_another_task_is_refused(task, options, message):
    option, why = message.split("|")
    with pytest.raises(SettingsError) as caught:
        make_run_config(task, data="a", **options)
    assert str(caught.value).startswith(f"option {option} would have no effect: ")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("task", "option", "hint"),
    [
        ("classify", "crf", ""),
        ("classify", "characters", ""),
        ("classify", "tag_column", ", did you mean 'text_column'?"),
        ("classify", "tied", ""),
        ("tag", "pooling", ""),
        ("tag", "text_column", ", did you mean 'token_column'?"),
        ("tag", "class_weights", ""),
        ("tag", "tokens", ""),
        ("language-model", "label_column", ", did you mean 'text_column'?"),
        ("language-model", "bidirectional", ""),
        ("language-model", "init_from", ""),
    ],
)
def test_options_of_one_task_are_unknown_to_another(task, option, hint):
    assert any(option in fields_of(config) for name, config in CONFIGS.items() if name != task)
    with pytest.raises(SettingsError) as caught:
        make_run_config(task, data="a", **{option: True})
    assert str(caught.value).startswith(f"unknown option '{option}'")
    assert hint in str(caught.value)


@pytest.mark.parametrize(("task", "config"), CONFIGS.items())
def test_a_run_of_each_task_is_what_its_file_says(task, config):
    made = make_run_config(task, data="a", epochs=4, hidden_size=5)
    assert type(made) is config
    assert made.task == task
    assert parse_run_config(made.model_dump(), source="config.json") == made


@pytest.mark.parametrize("values", [{"data": {"data": "a"}}, {"task": "sing", "data": {"data": "a"}}])
def test_a_file_of_no_known_task(values):
    with pytest.raises(SettingsError) as caught:
        parse_run_config(values, source="config.json")
    expected = (
        "config.json: 'task': expected one of classify, tag, language-model, translate, forecast, transcribe, found "
    )
    assert str(caught.value) == f"{expected}{values.get('task')!r}"


@pytest.mark.parametrize("task", CONFIGS)
@pytest.mark.parametrize(
    ("optimizer", "expected"), [("adamw", (None, 0.01, 1.0)), ("sgd", (10, 0, 0.25)), ("nt-asgd", (10, 0, 0.25))]
)
def test_each_optimizer_has_its_defaults(task, optimizer, expected):
    rates = {"tag": 0.004, "language-model": 0.003, "forecast": 0.0005}
    rate = expected[0] or rates.get(task, 0.002)
    expected = (rate, *expected[1:])
    told = make_run_config(task, data="a", optimizer=optimizer).train
    assert (told.learning_rate, told.weight_decay, told.clip_norm) == expected
    values = {"learning_rate": 0.002, "weight_decay": 0.01, "clip_norm": 1.0}
    told = make_run_config(task, data="a", optimizer=optimizer, **values).train
    assert (told.learning_rate, told.weight_decay, told.clip_norm) == (0.002, 0.01, 1.0)
    told = make_run_config(task, data="a", optimizer=optimizer, learning_rate=3.0).train
    assert (told.learning_rate, told.weight_decay, told.clip_norm) == (3.0, *expected[1:])
