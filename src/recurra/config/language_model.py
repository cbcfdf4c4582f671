"""What the training of a language model can be told."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from recurra.config.sections import (
    FilesConfig,
    ModelConfig,
    NoEffect,
    RecurrentCell,
    RunConfig,
    TrainConfig,
    VocabularyConfig,
)

__all__ = ["LanguageModelConfig", "LanguageModelDataConfig", "LanguageModelNetworkConfig"]


class LanguageModelDataConfig(FilesConfig):
    """Where the text comes from and how it is divided."""

    data: str = Field(description="Text file, a file with a text column, or hf:owner/name[:config].")
    text_column: str | None = Field(None, description="Column with the text, where there are columns.")
    valid_share: float = Field(0.05, gt=0, lt=1, description="Share of the text held out for validation.")
    test_share: float = Field(0.05, ge=0, lt=1, description="Share held out for the test, from the end; 0 for none.")


class LanguageModelVocabularyConfig(VocabularyConfig):
    """How text becomes symbols."""

    lowercase: bool = Field(False, description="Whether upper and lower case are the same.")
    min_count: int = Field(2, ge=1, description="A symbol seen less often in training is unknown.")


class LanguageModelNetworkConfig(ModelConfig):
    """The network."""

    cell: RecurrentCell = Field("lstm", description="Recurrent cell.")
    embedding_size: int = Field(256, ge=1, description="Size of a symbol's vector.")
    hidden_size: int = Field(256, ge=1, description="Size of the state.")
    num_layers: int = Field(2, ge=1, description="Stacked layers.")
    dropout: float = Field(
        0.2, ge=0, lt=1, description="Share of values dropped at embeddings, layers and output, alike at all steps."
    )
    word_dropout: float = Field(0.0, ge=0, lt=1, description="Share of symbols whose embeddings are zero in a step.")
    weight_dropout: float = Field(0.0, ge=0, lt=1, description="Share of the recurrent weights dropped in a step.")
    tied: bool = Field(True, description="Whether the output layer has the embeddings as its weights.")
    softmax: Literal["auto", "full", "adaptive"] = Field(
        "auto", description="Over all symbols at once, or over frequent ones and clusters of rare ones; auto: by size."
    )


class LanguageModelTrainConfig(TrainConfig):
    """How the network learns."""

    epochs: int | None = Field(
        None, ge=1, description="Passes over the training text (default: enough for 4000 steps, 3 to 50)."
    )
    learning_rate: float = Field(3e-3, gt=0, description="Peak step size (default: 0.003, of SGD 10).")
    batch_size: int = Field(32, ge=1, description="Pieces of the text that are read side by side.")
    steps: int = Field(70, ge=1, description="Symbols of each piece in a step; gradients do not reach further back.")
    activation: float = Field(0.0, ge=0, description="Weight of the outputs' mean square in the loss.")
    temporal_activation: float = Field(
        0.0, ge=0, description="Weight of the mean square of the outputs' change over time in the loss."
    )


class LanguageModelConfig(RunConfig):
    """All that a run of `recurra train language-model` was told."""

    summary: ClassVar[str] = "Train a language model: the next word, character or byte pair of a text."
    no_effect: ClassVar[tuple[NoEffect, ...]] = (
        NoEffect(
            "vocabulary",
            "min_count",
            lambda run: run.vocabulary.tokens == "bpe" and run.vocabulary.min_count == 1,
            "every byte is a symbol, and pairs are learnt from two on",
        ),
    )

    task: Literal["language-model"] = "language-model"
    data: LanguageModelDataConfig
    vocabulary: LanguageModelVocabularyConfig = LanguageModelVocabularyConfig()
    model: LanguageModelNetworkConfig = LanguageModelNetworkConfig()
    train: LanguageModelTrainConfig = LanguageModelTrainConfig()
