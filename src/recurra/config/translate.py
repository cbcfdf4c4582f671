"""What the training of a translator can be told."""

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

__all__ = [
    "AttentionName",
    "TranslateConfig",
    "TranslateDataConfig",
    "TranslateModelConfig",
    "TranslateVocabularyConfig",
]

AttentionName = Literal["none", "additive", "dot", "general", "multihead"]


class TranslateDataConfig(FilesConfig):
    """Where the pairs come from and how they are divided."""

    data: str = Field(
        description="Pairs (TSV, CSV, JSONL, Parquet or hf:owner/name[:config]) or, with --target, their source side."
    )
    target: str | None = Field(None, description="File whose lines are the target side of parallel text.")
    valid_target: str | None = Field(None, description="The target side of --valid, as --target.")
    test_target: str | None = Field(None, description="The target side of --test, as --target.")
    source_column: str | None = Field(None, description="Column to translate from (default: found, and said).")
    target_column: str | None = Field(None, description="Column to translate into (default: found, and said).")
    delimiter: str | None = Field(None, min_length=1, description="Field delimiter (default: by file name).")
    header: bool | None = Field(None, description="Whether the first row names the columns (default: found, and said).")
    valid_share: float = Field(0.05, gt=0, lt=1, description="Share of the pairs held out for validation.")
    test_share: float = Field(0.05, ge=0, lt=1, description="Share held out for the test; 0 for none.")


class TranslateVocabularyConfig(VocabularyConfig):
    """How text becomes symbols."""

    tokens: Literal["words", "spaces", "characters", "bpe"] = Field(
        "bpe", description="What a token is; 'spaces': what stands between white space, as it is."
    )
    target_tokens: Literal["words", "spaces", "characters", "bpe"] | None = Field(
        None, description="What a token of the target side is (default: as --tokens)."
    )
    shared: bool = Field(False, description="Whether both sides have one vocabulary, and one set of embeddings.")
    lowercase: bool = Field(False, description="Whether upper and lower case are the same.")
    min_count: int = Field(2, ge=1, description="A symbol seen less often in training is unknown.")
    max_length: int | None = Field(None, ge=1, description="Tokens kept of a longer source text (default: all).")


class TranslateModelConfig(ModelConfig):
    """The network."""

    cell: RecurrentCell = Field("lstm", description="Recurrent cell of the encoder.")
    decoder_cell: RecurrentCell | None = Field(None, description="Recurrent cell of the decoder (default: as --cell).")
    embedding_size: int = Field(256, ge=1, description="Size of a symbol's vector.")
    hidden_size: int = Field(256, ge=1, description="Size of the state; in the encoder, for each direction.")
    num_layers: int = Field(1, ge=1, description="Stacked layers, of the encoder and of the decoder.")
    dropout: float = Field(
        0.3, ge=0, lt=1, description="Share of values dropped at embeddings, layers and output, alike at all steps."
    )
    bidirectional: bool = Field(True, description="Whether a second net of the encoder reads from the end.")
    attention: AttentionName = Field(
        "general", description="How the decoder looks at the source; 'none': it has the encoder's last state alone."
    )
    heads: int = Field(4, ge=1, description="Heads of multihead attention.")
    input_feeding: bool = Field(
        False, description="Whether the decoder also reads what it attended to one step before; slower to train."
    )
    coverage: bool = Field(
        False, description="Whether attention knows where it has looked, and is kept from looking there again."
    )
    copying: bool = Field(
        False,
        description="Whether the decoder can copy source symbols, known or not; one vocabulary serves both sides.",
    )


class TranslateTrainConfig(TrainConfig):
    """How the network learns."""

    epochs: int | None = Field(
        None, ge=1, description="Passes over the training pairs (default: enough for 4000 steps, 3 to 50)."
    )
    batch_size: int = Field(64, ge=1, description="Pairs in a step.")
    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="Share of the target probability spread over all symbols; not with --copying."
    )
    scheduled_sampling: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of symbols that the decoder reads from itself, not from the target; reached at the end.",
    )


def _blind(run: TranslateConfig) -> bool:
    return run.model.attention == "none"


class TranslateConfig(RunConfig):
    """All that a run of `recurra train translate` was told."""

    summary: ClassVar[str] = "Train a translator: text to text, from pairs of them."
    no_effect: ClassVar[tuple[NoEffect, ...]] = (
        NoEffect("model", "heads", lambda run: run.model.attention != "multihead", "only --attention multihead has"),
        NoEffect("model", "input_feeding", _blind, "with --attention none there is nothing to feed"),
        NoEffect("model", "coverage", _blind, "--attention none looks nowhere"),
        NoEffect("model", "copying", _blind, "--attention none does not say what to copy"),
        NoEffect(
            "vocabulary",
            "target_tokens",
            lambda run: run.one_vocabulary,
            "--shared and --copying have one vocabulary for both sides",
        ),
        NoEffect("vocabulary", "shared", lambda run: run.model.copying, "--copying has one vocabulary in any case"),
        NoEffect("train", "label_smoothing", lambda run: run.model.copying, "--copying learns without it"),
        NoEffect("data", "source_column", lambda run: run.data.target is not None, "--target gives parallel text"),
        NoEffect("data", "target_column", lambda run: run.data.target is not None, "--target gives parallel text"),
        NoEffect("data", "valid_target", lambda run: run.data.valid is None, "there is no --valid"),
        NoEffect("data", "test_target", lambda run: run.data.test is None, "there is no --test"),
    )

    task: Literal["translate"] = "translate"
    data: TranslateDataConfig
    vocabulary: TranslateVocabularyConfig = TranslateVocabularyConfig()
    model: TranslateModelConfig = TranslateModelConfig()
    train: TranslateTrainConfig = TranslateTrainConfig()

    @property
    def one_vocabulary(self) -> bool:
        """Whether both sides have the same vocabulary."""
        return self.vocabulary.shared or self.model.copying

    @property
    def target_tokens(self) -> Literal["words", "spaces", "characters", "bpe"]:
        """What a symbol of the target side is."""
        return self.vocabulary.target_tokens or self.vocabulary.tokens

    @property
    def tokenizers(self) -> tuple[str, ...]:
        """The files in which a model directory has the vocabularies of such a run."""
        return ("tokenizer.json",) if self.one_vocabulary else ("tokenizer.json", "target_tokenizer.json")
