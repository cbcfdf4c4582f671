"""What a run can be told: one validated, frozen model per concern.

Every option exists once, here: its name, type, default, limits and help text. The command line is made from these
fields, `recurra.Classifier` takes the same names, and a model directory's `config.json` is a :class:`RunConfig`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recurra.errors import SettingsError, nearest

__all__ = ["DataConfig", "ModelConfig", "RunConfig", "TrainConfig", "VocabularyConfig", "make_run_config"]

CellName = Literal["lstm", "gru", "rnn", "rnn_relu", "feedforward"]
PoolingName = Literal["final", "mean", "max", "attention"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(_Settings):
    """Where the examples come from and how they are divided."""

    data: str = Field(description="File, folder with one sub-folder per class, or hf:owner/name[:config].")
    valid: str | None = Field(None, description="File with the validation examples.")
    test: str | None = Field(None, description="File with the test examples.")
    split_column: str | None = Field(None, description="Column that says train, valid or test for each row.")
    text_column: str | None = Field(None, description="Column with the text (default: found, and said).")
    label_column: str | None = Field(None, description="Column with the label (default: found, and said).")
    delimiter: str | None = Field(None, min_length=1, description="Field delimiter (default: by file name).")
    header: bool | None = Field(None, description="Whether the first row names the columns (default: found, and said).")
    valid_share: float = Field(0.1, gt=0, lt=1, description="Share of the examples held out for validation.")
    test_share: float = Field(0.1, ge=0, lt=1, description="Share held out for the test; 0 for none.")


class VocabularyConfig(_Settings):
    """How text becomes symbols."""

    tokens: Literal["words", "characters", "bpe"] = Field("words", description="What a token is.")
    lowercase: bool = Field(True, description="Whether upper and lower case are the same.")
    vocabulary_size: int | None = Field(None, ge=3, description="Most symbols kept (default: 50000, for bpe 8000).")
    min_count: int = Field(1, ge=1, description="A symbol seen less often in training is unknown.")
    max_length: int | None = Field(None, ge=1, description="Tokens kept of a longer text (default: all).")
    vectors: str | None = Field(None, description="GloVe or fastText text file with pretrained word vectors.")


class ModelConfig(_Settings):
    """The network."""

    cell: CellName = Field("lstm", description="Recurrent cell, or 'feedforward' for a bag of embeddings.")
    embedding_size: int = Field(128, ge=1, description="Size of a token's vector.")
    hidden_size: int = Field(128, ge=1, description="Size of the state, for each direction.")
    num_layers: int = Field(1, ge=1, description="Stacked layers.")
    bidirectional: bool = Field(True, description="Whether a second net reads from the end.")
    dropout: float = Field(0.5, ge=0, lt=1, description="Share of values dropped at embeddings, layers and output.")
    word_dropout: float = Field(0.2, ge=0, lt=1, description="Share of symbols made unknown in training.")
    pooling: PoolingName = Field("max", description="How the outputs over time become one vector.")


class TrainConfig(_Settings):
    """How the network learns."""

    epochs: int | None = Field(
        None, ge=1, description="Passes over the training data (default: enough for 1200 steps, 3 to 50)."
    )
    batch_size: int = Field(32, ge=1, description="Examples in a step.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak step size of AdamW.")
    weight_decay: float = Field(0.01, ge=0, description="Decoupled weight decay of AdamW.")
    clip_norm: float = Field(1.0, gt=0, description="Largest gradient norm; a longer gradient is scaled down to it.")
    schedule: Literal["constant", "linear", "cosine"] = Field("cosine", description="Learning rate over the run.")
    patience: int | None = Field(None, ge=1, description="Stop after so many epochs without gain (default: never).")
    class_weights: Literal["none", "balanced"] = Field("none", description="Weight of each class in the loss.")
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of everything random.")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda|mps)$", description="auto, cpu, cuda or mps.")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Of what enters products in training; weights, states and sums stay float32."
    )
    tensorboard: bool = Field(False, description="Whether to write TensorBoard files too.")


class RunConfig(_Settings):
    """All that a run was told; `config.json` of a model directory holds it."""

    sections: ClassVar[tuple[str, ...]] = ("data", "vocabulary", "model", "train")

    task: Literal["classify"] = "classify"
    data: DataConfig
    vocabulary: VocabularyConfig = VocabularyConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()


class _NoEffect(NamedTuple):
    """An option, the runs in which it would do nothing, and why."""

    section: str
    option: str
    when: Callable[[RunConfig], bool]
    why: str


def _feedforward(run: RunConfig) -> bool:
    return run.model.cell == "feedforward"


def _ends_first(run: RunConfig) -> bool:
    """Patience counts from the first epoch at the earliest, which is always the best so far."""
    patience, epochs = run.train.patience, run.train.epochs
    return patience is not None and epochs is not None and patience >= epochs - 1


def _own_splits(run: RunConfig) -> bool:
    return run.data.split_column is not None


_NO_EFFECT = [
    _NoEffect("model", "bidirectional", _feedforward, "a feedforward model has no direction"),
    _NoEffect(
        "model",
        "pooling",
        lambda run: _feedforward(run) and run.model.pooling == "final",
        "a feedforward model has no final state; choose mean, max or attention",
    ),
    _NoEffect("model", "embedding_size", lambda run: run.vocabulary.vectors is not None, "--vectors sets the size"),
    _NoEffect("vocabulary", "vectors", lambda run: run.vocabulary.tokens != "words", "the vectors are of words"),
    _NoEffect("train", "patience", _ends_first, "the run ends before it could stop it"),
    _NoEffect("data", "valid_share", lambda run: run.data.valid is not None, "--valid gives the validation examples"),
    _NoEffect("data", "test_share", lambda run: run.data.test is not None, "--test gives the test examples"),
    _NoEffect("data", "valid", _own_splits, "--split-column divides the examples"),
    _NoEffect("data", "test", _own_splits, "--split-column divides the examples"),
]


def make_run_config(**options: Any) -> RunConfig:
    """Build a run's configuration from options given by name.

    Args:
        options: any field of the four sections; a section is found by the option's name.

    Raises:
        SettingsError: an option is unknown (the nearest known one is named), has an impossible value, or would have
            no effect in this run.

    >>> make_run_config(data="reviews.csv", hidden_size=64).model.hidden_size
    64
    >>> make_run_config(data="reviews.csv", hiden_size=64)
    Traceback (most recent call last):
    recurra.errors.SettingsError: unknown option 'hiden_size', did you mean 'hidden_size'?
    """
    owner = {name: section for section in RunConfig.sections for name in section_model(section).model_fields}
    nested: dict[str, dict[str, Any]] = {section: {} for section in RunConfig.sections}
    for name, value in options.items():
        if name not in owner:
            raise SettingsError(f"unknown option '{name}'{nearest(name, owner)}")
        nested[owner[name]][name] = value
    run = parse_run_config(nested, source="options")
    for rule in _NO_EFFECT:
        if rule.option in getattr(run, rule.section).model_fields_set and rule.when(run):
            value = getattr(getattr(run, rule.section), rule.option)
            raise SettingsError(f"option '{rule.option}' ({value}) would have no effect: {rule.why}")
    return run


def section_model(section: str) -> type[BaseModel]:
    """Return the model of one section of :class:`RunConfig`."""
    model = RunConfig.model_fields[section].annotation
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    return model


def parse_run_config(values: Mapping[str, Any], source: str) -> RunConfig:
    """Validate a nested mapping, such as a `config.json`, and name the first fault in plain words.

    Raises:
        SettingsError: naming the key, what was expected and what was found.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(fault, source) for fault in error.errors())) from None


def _explain(fault: Mapping[str, Any], source: str) -> str:
    key = str(fault["loc"][-1]) if fault["loc"] else "settings"
    if fault["type"] == "extra_forbidden":
        known: list[str] = list(RunConfig.model_fields)
        if len(fault["loc"]) > 1:
            known = list(section_model(str(fault["loc"][0])).model_fields)
        return f"{source}: unknown key '{key}'{nearest(key, known)}"
    if fault["type"] == "missing":
        return f"{source}: '{key}' is missing"
    return f"{source}: '{key}': {fault['msg'][0].lower()}{fault['msg'][1:]}, found {fault['input']!r}"
