"""What every run can be told, whatever its task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "GATED",
    "INIT_FROM",
    "NO_EFFECT",
    "OF_SGD",
    "SET_BY_INIT_FROM",
    "CellName",
    "DataConfig",
    "FilesConfig",
    "ModelConfig",
    "NetworkConfig",
    "NoEffect",
    "RecurrentCell",
    "RunConfig",
    "Settings",
    "SymbolsConfig",
    "TrainConfig",
    "VocabularyConfig",
    "section_model",
]

CellName = Literal["lstm", "gru", "rnn", "rnn_relu", "feedforward"]
RecurrentCell = Literal["lstm", "gru", "rnn", "rnn_relu"]
GATED = ("lstm", "gru")


class Settings(BaseModel):
    """A part of what a run is told: frozen, and no key is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(Settings):
    """Where the examples come from and how they are divided."""

    data: str = Field(description="File with the training examples.")
    valid_share: float = Field(0.1, gt=0, lt=1, description="Share of the examples held out for validation.")
    test_share: float = Field(0.1, ge=0, lt=1, description="Share held out for the test; 0 for none.")


class FilesConfig(DataConfig):
    """The same, where validation and test may have files of their own."""

    valid: str | None = Field(None, description="File with the validation examples.")
    test: str | None = Field(None, description="File with the test examples.")


class SymbolsConfig(Settings):
    """Which symbols are known."""

    lowercase: bool = Field(True, description="Whether upper and lower case are the same.")
    vocabulary_size: int | None = Field(None, ge=3, description="Most symbols kept (default: 50000, for bpe 8000).")
    min_count: int = Field(1, ge=1, description="A symbol seen less often in training is unknown.")


class VocabularyConfig(SymbolsConfig):
    """How text becomes symbols."""

    tokens: Literal["words", "spaces", "characters", "bpe"] = Field(
        "words", description="What a token is; 'spaces': what stands between white space, as it is."
    )


class NetworkConfig(Settings):
    """The network."""

    cell: CellName = Field("lstm", description="Recurrent cell, or 'feedforward' for none.")
    hidden_size: int = Field(128, ge=1, description="Size of the state, for each direction.")
    num_layers: int = Field(1, ge=1, description="Stacked layers.")
    chrono_steps: int | None = Field(
        None, ge=3, description="Over how many steps the gates are to keep from the start (default: no such start)."
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="Share of values dropped at embeddings, layers and output.")


class ModelConfig(NetworkConfig):
    """The network of a task whose sequences are symbols."""

    embedding_size: int = Field(128, ge=1, description="Size of a token's vector.")


OF_SGD = {"learning_rate": 10.0, "weight_decay": 0.0, "clip_norm": 0.25}


class TrainConfig(Settings):
    """How the network learns."""

    epochs: int | None = Field(
        None, ge=1, description="Passes over the training data (default: enough for 1200 steps, 3 to 50)."
    )
    batch_size: int = Field(32, ge=1, description="Examples in a step.")
    optimizer: Literal["adamw", "sgd", "nt-asgd"] = Field(
        "adamw", description="AdamW, SGD, or SGD whose weights are averaged once validation no longer gains."
    )
    nonmonotone: int = Field(
        5, ge=1, description="Epochs without gain of the validation loss after which nt-asgd begins to average."
    )
    learning_rate: float = Field(2e-3, gt=0, description="Peak step size (default: 0.002, of SGD 10).")
    weight_decay: float = Field(
        0.01, ge=0, description="Decoupled weight decay of AdamW (default: 0.01), or that of SGD (default: 0)."
    )
    clip_norm: float = Field(
        1.0, gt=0, description="Largest gradient norm, to which longer ones are scaled (default: 1, of SGD 0.25)."
    )
    schedule: Literal["constant", "linear", "cosine"] = Field("cosine", description="Learning rate over the run.")
    patience: int | None = Field(None, ge=1, description="Stop after so many epochs without gain (default: never).")
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of everything random.")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda|mps)$", description="auto, cpu, cuda or mps.")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Of what enters products in training; weights, states and sums stay float32."
    )
    tensorboard: bool = Field(False, description="Whether to write TensorBoard files too.")

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_sgd(cls, values: Any) -> Any:
        """SGD takes steps of another size than AdamW: those of language models (Merity et al., ICLR 2018)."""
        if isinstance(values, dict) and values.get("optimizer", "adamw") != "adamw":
            return {**OF_SGD, **values}
        return values


class RunConfig(Settings):
    """All that a run was told; `config.json` of a model directory holds it.

    Attributes:
        sections: the names of the parts; an option's name is in one of them alone.
        summary: what the command that trains it says of itself.
        no_effect: the options that do nothing in some runs of this task; every task has those of `NO_EFFECT` too.
    """

    sections: ClassVar[tuple[str, ...]] = ("data", "vocabulary", "model", "train")
    summary: ClassVar[str]
    no_effect: ClassVar[tuple[NoEffect, ...]] = ()

    task: str
    data: DataConfig
    model: NetworkConfig = NetworkConfig()
    train: TrainConfig = TrainConfig()


class NoEffect(NamedTuple):
    """An option, the runs in which it would do nothing, and why."""

    section: str
    option: str
    when: Callable[[Any], bool]
    why: str


def _ungated(run: RunConfig) -> bool:
    return run.model.cell not in GATED


def _ends_first(run: RunConfig) -> bool:
    """Patience counts from the first epoch at the earliest, which is always the best so far."""
    patience, epochs = run.train.patience, run.train.epochs
    return patience is not None and epochs is not None and patience >= epochs - 1


def _has_file(run: RunConfig, part: str) -> bool:
    return getattr(run.data, part, None) is not None


NO_EFFECT = (
    NoEffect("model", "chrono_steps", _ungated, "only the gates of lstm and gru can be drawn so"),
    NoEffect("train", "patience", _ends_first, "the run ends before it could stop it"),
    NoEffect("train", "nonmonotone", lambda run: run.train.optimizer != "nt-asgd", "only --optimizer nt-asgd averages"),
    NoEffect("data", "valid_share", lambda run: _has_file(run, "valid"), "--valid gives the validation examples"),
    NoEffect("data", "test_share", lambda run: _has_file(run, "test"), "--test gives the test examples"),
)

INIT_FROM = Field(
    None, description="Language model whose vocabulary, embeddings and recurrent weights the network starts with."
)
SET_BY_INIT_FROM = tuple(
    NoEffect(section, option, lambda run: run.model.init_from is not None, "--init-from takes the language model's")
    for section, options in {
        "vocabulary": ("tokens", "lowercase", "vocabulary_size", "min_count", "vectors"),
        "model": ("cell", "embedding_size", "hidden_size", "num_layers", "chrono_steps"),
    }.items()
    for option in options
)


def section_model(config: type[RunConfig], section: str) -> type[BaseModel]:
    """Return the model of one section of a run's configuration."""
    model = config.model_fields[section].annotation
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    return model
