"""Explanations of texts against predictions of changed texts, torch.nn with the same weights, and sums by hand."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from recurra.batch import make_pair_batch
from recurra.config import make_run_config
from recurra.data import Splits, TaggedSentences, Texts
from recurra.data.corpus import corpus_in_memory
from recurra.data.pair_splits import pairs_in_memory
from recurra.data.tag_splits import TagSplits
from recurra.diagnose import Explained, explain, token_influences
from recurra.diagnose.explained import as_json
from recurra.diagnose.explained_figures import explained_figures
from recurra.diagnose.explained_sections import explained_page
from recurra.diagnose.explained_terminal import print_explained
from recurra.diagnose.readings.tag import paths_through
from recurra.errors import DataError, RecurraError, SettingsError
from recurra.files import to_json
from recurra.kernels.layout import Layout
from recurra.nn.crf import CRF, Moves
from recurra.tasks import TASKS
from recurra.tasks.classify import Classify
from recurra.tasks.language_model import ModelLanguage
from recurra.tasks.tag import Tag
from recurra.tasks.translate import Translate
from recurra.vocabulary import END

SMALL: dict[str, Any] = {"embedding_size": 5, "hidden_size": 6, "min_count": 1}
TEXTS = ["good film", "bad", "a good plot", "bad bad film", "so so", "not so good a film"]
TEXT = "not so good zebra a film"
WORDS = TEXT.split()
CELLS = ("lstm", "gru", "rnn", "feedforward")


def shaken(task: Any, spread: float = 0.7) -> Any:
    """Weights as large as after training: fresh ones are all but linear."""
    generator = torch.Generator().manual_seed(3)
    for parameter in task.network.parameters():
        nn.init.normal_(parameter, std=spread, generator=generator)
    task.network.eval()
    return task


def classifier(**options: Any) -> Classify:
    texts = Texts.from_lists(TEXTS, ["pos", "neg", "pos", "neg", "mid", "mid"])
    return shaken(
        Classify.from_splits(
            make_run_config("classify", data="memory", **{**SMALL, **options}), Splits(texts, texts, None)
        )
    )


def tagger(**options: Any) -> Tag:
    tokens = [text.split() for text in TEXTS]
    tags = [[("D", "N", "V")[(len(word) + number) % 3] for number, word in enumerate(words)] for words in tokens]
    sentences = TaggedSentences.from_lists(tokens, tags, "training")
    return shaken(
        Tag.from_splits(
            make_run_config("tag", data="memory", **{**SMALL, **options}), TagSplits(sentences, sentences, None)
        )
    )


def language_model(**options: Any) -> ModelLanguage:
    config = make_run_config("language-model", data="memory", **{**SMALL, "batch_size": 2, "steps": 5, **options})
    return shaken(ModelLanguage.from_corpus(config, corpus_in_memory(TEXTS * 4, None, 0.2)))


def translator(**options: Any) -> Translate:
    config = make_run_config("translate", data="memory", **{**SMALL, "tokens": "spaces", **options})
    targets = [" ".join(reversed(text.upper().split())) for text in TEXTS]
    held = ["film good"], ["GOOD FILM"]
    return shaken(Translate.from_splits(config, pairs_in_memory(TEXTS, targets, held, 0.1, 0)))


def check(found: Explained) -> Explained:
    """What holds of any explanation."""
    answers, pieces = len(found.answers), len(found.pieces)
    assert found.influences.shape == found.left_out.shape == (answers, pieces)
    assert len(found.told) == len(found.scores) == len(found.start) == len(found.gap) == answers
    assert len(found.known) == pieces
    change = found.scores - found.start
    np.testing.assert_allclose(found.influences.sum(1) - change, found.gap, atol=1e-9)
    assert (np.abs(found.gap) <= 0.01 * np.abs(found.influences).sum(1) + 1e-9).all()
    if found.attention is not None:
        assert found.attention.shape == (answers, pieces)
        np.testing.assert_allclose(found.attention.sum(1), 1, atol=1e-5)
    for layer in found.layers:
        assert {values.shape for values in layer.values.values()} == {(len(layer.pieces), len(layer.order))}
        spread = layer.values["h"].std(axis=0)[layer.order]
        assert (np.diff(spread) <= 0).all()
    read = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert read["influences"] == found.influences.tolist()
    assert [one["answer"] for one in read["forming"]] == [one.answer for one in found.forming]
    return found


KINDS: list[tuple[Any, dict[str, Any]]] = [
    *((classifier, {"cell": cell, "pooling": pooling}) for cell in CELLS for pooling in ("mean", "max", "attention")),
    *((tagger, {"cell": cell}) for cell in CELLS),
    (tagger, {"crf": True}),
    *((language_model, {"cell": cell}) for cell in CELLS[:3]),
    (language_model, {"tied": False, "embedding_size": 4}),
    *((translator, {"attention": kind, "hidden_size": 6}) for kind in ("additive", "dot", "general", "none")),
    (translator, {"input_feeding": True, "coverage": True, "num_layers": 2}),
    (translator, {"copying": True, "cell": "gru"}),
]


@pytest.mark.parametrize(("make", "options"), KINDS)
def test_what_holds_of_any_explanation(make: Any, options: dict[str, Any]) -> None:
    task = make(**options)
    before = {name: weights.clone() for name, weights in task.network.state_dict().items()}
    task.network.train()
    found = check(explain(task, TEXT))
    assert found.task == task.name
    assert found.source == TEXT
    assert found.is_text
    assert found.surprise == (make is language_model)
    assert list(found.pieces)[:6] == WORDS
    assert [word for word, known in zip(WORDS, found.known) if not known] == ["zebra"]
    assert bool(found.layers) == (options.get("cell") != "feedforward")
    assert task.network.training
    assert all(torch.equal(before[name], weights) for name, weights in task.network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in task.network.parameters())


def test_every_task_can_be_explained() -> None:
    from recurra.diagnose.readings import READINGS

    assert set(READINGS) == set(TASKS)


# classify


def log_odds(task: Classify, texts: list[str], answer: str) -> np.ndarray:
    share = task.probabilities(task.encode(Texts.from_lists(texts)))[:, task.classes.index(answer)].astype(float)
    return np.asarray(np.log(share / (1 - share)))


def test_a_classifiers_scores_are_those_of_its_probabilities() -> None:
    task = classifier()
    found = explain(task, TEXT)
    without = [" ".join(WORDS[:number] + WORDS[number + 1 :]) for number in range(len(WORDS))]
    whole, *others = log_odds(task, [TEXT, *without], found.answers[0])
    assert found.scores[0] == pytest.approx(whole, abs=1e-4)
    np.testing.assert_allclose(found.left_out[0], whole - np.array(others), atol=1e-4)
    (start,) = log_odds(task, [" ".join(["zebra"] * len(WORDS))], found.answers[0])
    assert found.start[0] == pytest.approx(start, abs=1e-4)
    assert found.influences[0, 3] == 0  # what the vocabulary does not know


def test_the_answer_forms_as_first_parts_are_predicted() -> None:
    task = classifier()
    parts = [" ".join(WORDS[: number + 1]) for number in range(len(WORDS))]
    (expected,) = task.predictions([parts])
    found = explain(task, TEXT).forming
    assert [(one.read, one.answer) for one in found] == [(n, each.label) for n, each in enumerate(expected, 1)]
    np.testing.assert_allclose([one.value for one in found], [max(e.probabilities.values()) for e in expected], 1e-5)


def test_of_a_long_text_a_hundred_first_parts_are_answered() -> None:
    found = explain(classifier(), "good film bad " * 80).forming
    assert [found[0].read, found[-1].read, len(found)] == [1, 240, 100]


def test_where_the_pooling_looks_is_its_softmax() -> None:
    task = classifier(pooling="attention", cell="feedforward")
    encoder, (ids,) = task.network.encoder, task.vocabulary.encode([TEXT])
    with torch.no_grad():
        scores = encoder.pooling.score(torch.tanh(encoder.pooling.hidden(encoder.embedding.weight[ids])))
    found = explain(task, TEXT).attention
    assert found is not None
    np.testing.assert_allclose(found[0], scores[:, 0].softmax(0).numpy(), atol=1e-6)
    assert explain(classifier(), TEXT).attention is None


def test_the_demos_influences_are_the_same_integral() -> None:
    task = classifier()
    np.testing.assert_allclose(token_influences(task, TEXT).influences, explain(task, TEXT).influences[0], atol=0.02)


def test_a_text_that_is_cut_and_one_of_unknown_words_and_one_token() -> None:
    task = classifier(max_length=3)
    found = check(explain(task, TEXT))
    assert (list(found.pieces), found.truncated) == (WORDS[:3], 3)
    unknown = check(explain(task, "zebra zyzzy"))
    assert not unknown.influences.any()
    assert unknown.start == unknown.scores
    assert len(check(explain(task, "good")).forming) == 1


# tag


@pytest.mark.parametrize("options", [{}, {"crf": True}, {"bidirectional": False}])
def test_a_taggers_scores_are_those_of_its_probabilities(options: dict[str, Any]) -> None:
    task = tagger(characters=False, **options)
    found = explain(task, TEXT)
    chosen = [task.known.tags.index(tag) for tag in found.answers]

    def odds(words: list[str]) -> np.ndarray:
        (rows,) = task.responses([words])
        return np.asarray(torch.logit(rows[range(len(words)), chosen].double()).numpy())

    np.testing.assert_allclose(found.scores, odds(WORDS), atol=1e-3)
    for number in range(len(WORDS)):
        replaced = [*WORDS[:number], "zyzzy", *WORDS[number + 1 :]]
        np.testing.assert_allclose(found.left_out[:, number], odds(WORDS) - odds(replaced), atol=2e-3)
    if options.get("bidirectional") is False:
        assert not np.triu(found.influences, 1).any()  # it knows nothing of what comes


def test_a_taggers_answers_are_those_of_predict() -> None:
    for options in ({}, {"crf": True}):
        task = tagger(**options)
        (line,) = [json.loads(line) for line in task.predict([TEXT])]
        found = explain(task, TEXT)
        assert list(found.answers) == line["tags"]
        assert found.told[0].startswith(f"not: {line['tags'][0]} (")


@pytest.mark.parametrize("constrained", [False, True])
def test_paths_through_a_tag_give_the_marginals(constrained: bool) -> None:
    torch.manual_seed(0)
    between = torch.ones(3, 3, dtype=torch.bool)
    between[2, 1] = between[0, 0] = False
    moves = Moves(torch.tensor([True, False, True]), torch.tensor([True, True, False]), between)
    crf = CRF(3, moves if constrained else None).double()
    for parameter in crf.parameters():
        nn.init.normal_(parameter)
    emissions = torch.randn(4, 5, 3, dtype=torch.float64, requires_grad=True)
    layout = Layout.full(5, 4)
    expected = layout.unpack(crf.marginals(layout.pack(emissions, True), layout), 5, True)
    found = paths_through(crf, emissions).softmax(2)
    torch.testing.assert_close(found, expected.detach())
    (gradient,) = torch.autograd.grad(paths_through(crf, emissions)[:, 2].logsumexp(1).sum(), emissions)
    assert bool(gradient.isfinite().all())
    torch.testing.assert_close(gradient, expected.detach())  # of log Z, by the emissions


def test_a_sentence_of_a_file_is_tagged(tmp_path: Path) -> None:
    path = tmp_path / "new.conll"
    path.write_text("good O\nfilm O\n\nbad O\n", encoding="utf-8")
    for item, words in enumerate((["good", "film"], ["bad"]), start=1):
        found = check(explain(tagger(), str(path), item))
        assert list(found.pieces) == words
        assert found.source == f"sentence {item} of {path}"
    with pytest.raises(DataError, match="expected a sentence number 3, found 2 in all"):
        explain(tagger(), str(path), 3)


# language-model


def test_a_language_models_scores_are_the_surprise_that_it_tells() -> None:
    task = language_model()
    found = explain(task, TEXT)
    told = task.surprise([TEXT])[0]["tokens"]
    assert list(found.pieces) == list(found.answers) == [token["token"] for token in told]
    np.testing.assert_allclose(found.scores, [token["log_probability"] for token in told], atol=1e-5)
    for number in range(len(WORDS)):
        (changed,) = task.surprise([" ".join(WORDS[:number] + WORDS[number + 1 :])])
        later = [token["log_probability"] for token in changed["tokens"]][number:]
        np.testing.assert_allclose(found.scores[number + 1 :] - found.left_out[number + 1 :, number], later, atol=1e-5)
    assert found.unit == "nats"


@pytest.mark.parametrize("text", [TEXT, "good", "zebra", "good\nfilm"])
def test_no_symbol_is_moved_by_itself_or_by_what_comes_later(text: str) -> None:
    found = check(explain(language_model(), text))
    future = np.triu(np.ones(found.influences.shape, bool))
    assert not found.influences[future].any()
    np.testing.assert_allclose(found.left_out[future], 0, atol=1e-5)  # but for what rounding does
    assert found.influences[1:, 0].all()
    assert found.scores[0] == pytest.approx(found.start[0], abs=1e-6)


def test_a_language_models_states_are_those_of_torch() -> None:
    task = language_model(num_layers=2)
    ids = [END, *task.vocabulary.encode([TEXT])[0], END]
    theirs = nn.LSTM(5, 6, num_layers=2)
    theirs.load_state_dict(task.network.recurrent.state_dict())
    outputs, (_, cell) = theirs(task.network.embed(torch.tensor(ids)).detach())
    first, last = explain(task, TEXT).layers
    assert [first.name, last.name] == ["layer 1", "layer 2"]
    np.testing.assert_allclose(last.values["h"], outputs.detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(first.values["c"][-1], cell[0].detach().numpy(), atol=1e-6)
    assert set(first.values) == {"h", "c", "i", "f", "g", "o"}
    assert list(last.pieces) == ["\n", *WORDS, "\n"]


def test_a_long_text_is_read_in_part() -> None:
    found = check(explain(language_model(), " ".join(WORDS * 30)))
    assert len(found.pieces) == 100
    assert found.truncated == 81


def test_a_large_vocabulary_in_clusters() -> None:
    words = [f"w{number}" for number in range(1200)]
    config = make_run_config("language-model", data="memory", **{**SMALL, "batch_size": 2, "softmax": "adaptive"})
    task = shaken(ModelLanguage.from_corpus(config, corpus_in_memory([" ".join(words)] * 2, None, 0.5)))
    found = check(explain(task, "w3 w900 w1199 w5"))
    told = task.surprise(["w3 w900 w1199 w5"])[0]["tokens"]
    np.testing.assert_allclose(found.scores, [token["log_probability"] for token in told], atol=1e-4)


@pytest.mark.parametrize("make", [classifier, tagger])
def test_a_text_of_digits_is_a_text(make: Any) -> None:
    assert explain(make(), "911").is_text


def test_a_tag_stands_behind_its_token() -> None:
    found = explain(tagger(), "so 911")
    assert list(found.names) == [f"so:\u00a0{found.answers[0]}", f"911:\u00a0{found.answers[1]}"]


# translate


@pytest.mark.parametrize("options", [{}, {"input_feeding": True}, {"copying": True}, {"attention": "none"}])
def test_a_translators_scores_add_up_to_its_log_probability(options: dict[str, Any]) -> None:
    task = translator(**options)
    found = explain(task, TEXT)
    (line,) = [json.loads(line) for line in task.predict([TEXT])]
    assert found.scores.sum() == pytest.approx(line["log_probability"], abs=1e-3)
    assert [one.answer for one in found.forming] == [line["translation"]] == [found.whole]
    assert line.get("capped", False) == (found.answers[-1] != "(end)")
    ids = task.vocabulary.encode([TEXT])[0]
    best = task.translate([TEXT], task.search())[0][0]
    if options.get("copying"):
        return
    targets = [*best.ids, *([] if best.capped else [END])]
    for number in range(len(WORDS)):
        batch = make_pair_batch([ids[:number] + ids[number + 1 :]], [targets])
        without = task.network.eval().score(batch)[0].numpy()
        np.testing.assert_allclose(found.scores - found.left_out[:, number], without, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"coverage": True, "input_feeding": True}, {"attention": "dot"}])
def test_alignment_is_the_attention_that_predict_tells(options: dict[str, Any]) -> None:
    task = translator(**options)
    (line,) = [json.loads(line) for line in task.predict([TEXT], attention=Path("unused"))]
    found = explain(task, TEXT)
    assert found.attention is not None
    told = np.array(line["alignment"]["weights"]).reshape(-1, len(WORDS))
    np.testing.assert_allclose(found.attention[: len(told)], told, atol=1e-5)
    assert len(found.attention) - len(told) == (found.answers[-1] == "(end)")
    assert list(found.answers)[: len(told)] == line["alignment"]["target"]


def test_a_source_of_one_symbol() -> None:
    for options in ({}, {"copying": True}, {"attention": "none"}):
        assert list(check(explain(translator(**options), "zebra")).pieces) == ["zebra"]


# what is given


def test_of_a_long_text_the_pieces_with_the_most_influence_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    task, text = classifier(), " ".join(["the", "film", "was", "good", "and", "bad"] * 20)
    whole = explain(task, text)
    monkeypatch.setattr(import_module("recurra.diagnose.explain"), "_WORK", 0.0)
    found = explain(task, text)
    measured = np.flatnonzero(np.isfinite(found.left_out[0]))
    assert len(measured) == 40
    np.testing.assert_array_equal(found.influences, whole.influences)
    np.testing.assert_allclose(found.left_out[0, measured], whole.left_out[0, measured], atol=1e-6)
    least = np.abs(found.influences[0, measured]).min()
    assert np.abs(np.delete(found.influences[0], measured)).max() <= least
    told = io.StringIO()
    print_explained(found, Console(file=told, width=100))
    said = "The 40 pieces with the most influence were left out, one at a time; all 120 would take too long."
    assert said in told.getvalue()
    figures = explained_figures(found)
    assert said in explained_page(found, figures, "m", {})
    assert json.loads(to_json(as_json(found)))["left_out"][0].count(None) == 80


def test_a_text_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("text\nbad film\ngood\n", encoding="utf-8")
    lines = tmp_path / "lines.txt"
    lines.write_text("bad film\ngood\n", encoding="utf-8")
    for make, file in ((classifier, path), (language_model, path), (translator, lines)):
        for item, words in enumerate((["bad", "film"], ["good"]), start=1):
            found = explain(make(), str(file), item)
            assert list(found.pieces)[: len(words)] == words
            assert found.source == f"text {item} of {file}"
        with pytest.raises(DataError, match="expected a text number 3, found 2 in all"):
            explain(make(), str(file), 3)
        with pytest.raises(DataError, match="good: expected a text number 2, found 1 in all"):
            explain(make(), "good", 2)
    with pytest.raises(SettingsError, match="item: expected a whole number from 1, got 0"):
        explain(classifier(), "good", 0)


def cases() -> Iterator[Any]:
    for make in (classifier, tagger, language_model, translator):
        yield make, "", DataError, "explain: expected a (text of at least one symbol|sentence of at least one token)"
        yield make, "half \ud800", DataError, "surrogate"
        yield make, "nowhere/missing.csv", RecurraError, "missing.csv"


@pytest.mark.parametrize(("make", "given", "error", "message"), list(cases()))
def test_bad_input_is_said(make: Any, given: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        explain(make(), given)


@pytest.mark.parametrize("make", [classifier, tagger, language_model, translator])
def test_weights_that_are_no_numbers_are_said(make: Any) -> None:
    task = make()
    with torch.no_grad():
        next(task.network.parameters())[0, 0] = torch.nan
    with pytest.raises(DataError, match=r"the network's answer is no number: 1 of its weights.*--learning-rate"):
        explain(task, TEXT)


def test_weights_too_large_for_an_answer_are_said() -> None:
    task = classifier()
    with torch.no_grad():
        task.network.output.weight.fill_(3e38)
    with pytest.raises(DataError, match="the network's answer is no number"):
        explain(task, TEXT)


@pytest.mark.parametrize("make", [classifier, tagger, language_model, translator])
def test_options_without_effect_are_said(make: Any) -> None:
    with pytest.raises(SettingsError, match="option 'beam'"):
        explain(make(), TEXT, beam=3)
    option = make().reading[0]
    with pytest.raises(SettingsError, match=f"option '{option}' .* would have no effect: no file is read"):
        explain(make(), TEXT, **{option: "x"})
