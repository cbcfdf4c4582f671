"""What the training of a classifier of texts or of series of numbers can be told."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from recurra.config.sections import (
    INIT_FROM,
    SET_BY_INIT_FROM,
    FilesConfig,
    ModelConfig,
    NoEffect,
    RunConfig,
    TrainConfig,
    VocabularyConfig,
)

__all__ = ["OF_TEXTS", "ClassifyConfig", "ClassifyDataConfig", "ClassifyModelConfig", "InputsName", "PoolingName"]

InputsName = Literal["text", "series"]
PoolingName = Literal["final", "mean", "max", "attention"]


class ClassifyDataConfig(FilesConfig):
    """Where the examples come from and how they are divided."""

    data: str = Field(
        description="File of texts, folder with one sub-folder per class, hf:owner/name[:config], or series of "
        "numbers: a .ts file, or a table with a series in each row, or a step of a series."
    )
    inputs: InputsName | None = Field(
        None, description="Whether 'text' or 'series' of numbers are classified (default: found, and said)."
    )
    split_column: str | None = Field(None, description="Column that says train, valid or test for each row.")
    text_column: str | None = Field(None, description="Column with the text (default: found, and said).")
    label_column: str | None = Field(None, description="Column with the label (default: found, and said).")
    id_column: str | None = Field(
        None, description="Column that tells series apart, where a row is a step (default: unique_id, if there)."
    )
    delimiter: str | None = Field(None, min_length=1, description="Field delimiter (default: by file name).")
    header: bool | None = Field(None, description="Whether the first row names the columns (default: found, and said).")


class ClassifyVocabularyConfig(VocabularyConfig):
    """How text becomes symbols."""

    max_length: int | None = Field(None, ge=1, description="Tokens kept of a longer text (default: all).")
    vectors: str | None = Field(None, description="GloVe or fastText text file with pretrained word vectors.")


class ClassifyModelConfig(ModelConfig):
    """The network."""

    cell: Literal["lstm", "gru", "rnn", "rnn_relu", "feedforward"] = Field(
        "lstm", description="Recurrent cell, or 'feedforward' for a bag of embeddings."
    )
    bidirectional: bool = Field(True, description="Whether a second net reads from the end.")
    word_dropout: float = Field(0.2, ge=0, lt=1, description="Share of symbols made unknown in training.")
    pooling: PoolingName = Field("max", description="How the outputs over time become one vector.")
    init_from: str | None = INIT_FROM


class ClassifyTrainConfig(TrainConfig):
    """How the network learns."""

    epochs: int | None = Field(
        None,
        ge=1,
        description="Passes over the training data (default: enough for 1200 steps, 3 to 50, series 200).",
    )
    class_weights: Literal["none", "balanced"] = Field("none", description="Weight of each class in the loss.")


def _feedforward(run: ClassifyConfig) -> bool:
    return run.model.cell == "feedforward"


# What is about symbols has no effect on series of numbers, which have none.
OF_TEXTS = {
    "data": ("text_column",),
    "vocabulary": ("tokens", "lowercase", "vocabulary_size", "min_count", "max_length", "vectors"),
    "model": ("embedding_size", "word_dropout", "init_from"),
}


def _series(run: ClassifyConfig) -> bool:
    return run.data.inputs == "series"


def _texts(run: ClassifyConfig) -> bool:
    return run.data.inputs == "text" or run.data.text_column is not None


def _own_splits(run: ClassifyConfig) -> bool:
    return run.data.split_column is not None


class ClassifyConfig(RunConfig):
    """All that a run of `recurra train classify` was told."""

    summary: ClassVar[str] = "Train a classifier: one of several classes for each text, or series of numbers."
    no_effect: ClassVar[tuple[NoEffect, ...]] = (
        *(
            NoEffect(section, option, _series, "series of numbers have no symbols")
            for section, options in OF_TEXTS.items()
            for option in options
        ),
        NoEffect("data", "id_column", _texts, "the examples are texts, one a row"),
        NoEffect("model", "bidirectional", _feedforward, "a feedforward model has no direction"),
        NoEffect(
            "model",
            "pooling",
            lambda run: _feedforward(run) and run.model.pooling == "final",
            "a feedforward model has no final state; choose mean, max or attention",
        ),
        NoEffect("model", "embedding_size", lambda run: run.vocabulary.vectors is not None, "--vectors sets the size"),
        NoEffect(
            "vocabulary",
            "vectors",
            lambda run: run.vocabulary.tokens not in ("words", "spaces"),
            "the vectors are of words",
        ),
        *SET_BY_INIT_FROM,
        NoEffect("data", "valid", _own_splits, "--split-column divides the examples"),
        NoEffect("data", "test", _own_splits, "--split-column divides the examples"),
    )

    task: Literal["classify"] = "classify"
    data: ClassifyDataConfig
    vocabulary: ClassifyVocabularyConfig = ClassifyVocabularyConfig()
    model: ClassifyModelConfig = ClassifyModelConfig()
    train: ClassifyTrainConfig = ClassifyTrainConfig()
