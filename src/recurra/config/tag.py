"""What the training of a sequence tagger can be told."""

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
    SymbolsConfig,
    TrainConfig,
)

__all__ = ["TagConfig", "TagDataConfig", "TagModelConfig"]


class TagDataConfig(FilesConfig):
    """Where the sentences come from and how they are divided."""

    data: str = Field(
        description="File of sentences: CoNLL-U, CoNLL columns, JSONL, or CSV or TSV of sentence, token, tag."
    )
    format: Literal["conllu", "conll", "jsonl", "csv", "tsv"] | None = Field(
        None, description="Form of the files: conllu, conll, jsonl, csv or tsv (default: by file name and content)."
    )
    token_column: str | None = Field(None, description="Column, key or number of the token (default: found, and said).")
    tag_column: str | None = Field(None, description="Column, key or number of the tag (default: found, and said).")
    sentence_column: str | None = Field(None, description="Column of a CSV or TSV file that tells sentences apart.")
    scheme: Literal["BIO", "IOB1", "BIOES"] | None = Field(
        None, description="Scheme that span tags are converted to (default: that of the file)."
    )


class TagVocabularyConfig(SymbolsConfig):
    """Which words are known."""

    vectors: str | None = Field(None, description="GloVe or fastText text file with pretrained word vectors.")


class TagModelConfig(ModelConfig):
    """The network."""

    cell: Literal["lstm", "gru", "rnn", "rnn_relu", "feedforward"] = Field(
        "gru", description="Recurrent cell, or 'feedforward' for each token by itself."
    )
    embedding_size: int = Field(100, ge=1, description="Size of a word's vector.")
    hidden_size: int = Field(128, ge=1, description="Size of the state, for each direction.")
    dropout: float = Field(
        0.4, ge=0, lt=1, description="Share of values dropped at words, layers and output, alike at all tokens."
    )
    bidirectional: bool = Field(True, description="Whether a second net reads from the end.")
    word_dropout: float = Field(0.3, ge=0, lt=1, description="Share of words made unknown in training.")
    characters: bool = Field(True, description="Whether a second, small recurrent net reads each word's characters.")
    character_embedding_size: int = Field(32, ge=1, description="Size of a character's vector.")
    character_hidden_size: int = Field(64, ge=1, description="Size of the characters' state, for each direction.")
    crf: bool = Field(False, description="Whether whole sequences of tags are scored, by a linear-chain CRF.")
    init_from: str | None = INIT_FROM


class TagTrainConfig(TrainConfig):
    """How the network learns."""

    epochs: int | None = Field(
        None, ge=1, description="Passes over the training data (default: enough for 3000 steps, 3 to 50)."
    )
    batch_size: int = Field(32, ge=1, description="Sentences in a step.")
    learning_rate: float = Field(4e-3, gt=0, description="Peak step size (default: 0.004, of SGD 10).")


def _no_characters(run: TagConfig) -> bool:
    return not run.model.characters


class TagConfig(RunConfig):
    """All that a run of `recurra train tag` was told."""

    summary: ClassVar[str] = "Train a tagger: a label for each token of a sentence."
    no_effect: ClassVar[tuple[NoEffect, ...]] = (
        NoEffect("model", "character_embedding_size", _no_characters, "--no-characters leaves them out"),
        NoEffect("model", "character_hidden_size", _no_characters, "--no-characters leaves them out"),
        NoEffect("model", "bidirectional", lambda run: run.model.cell == "feedforward", "a feedforward model has none"),
        NoEffect("model", "embedding_size", lambda run: run.vocabulary.vectors is not None, "--vectors sets the size"),
        *SET_BY_INIT_FROM,
    )

    task: Literal["tag"] = "tag"
    data: TagDataConfig
    vocabulary: TagVocabularyConfig = TagVocabularyConfig()
    model: TagModelConfig = TagModelConfig()
    train: TagTrainConfig = TagTrainConfig()
