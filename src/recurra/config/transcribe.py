"""What the training of a transcriber can be told."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from recurra.config.sections import (
    FilesConfig,
    NetworkConfig,
    NoEffect,
    RecurrentCell,
    RunConfig,
    Settings,
    TrainConfig,
    VocabularyConfig,
)

__all__ = ["FeaturesConfig", "TranscribeConfig", "TranscribeDataConfig", "TranscribeModelConfig"]


class TranscribeDataConfig(FilesConfig):
    """Where the recordings come from and how they are divided."""

    data: str = Field(
        description="Manifest with columns path and text (CSV, TSV, JSONL, Parquet), or a folder of recordings, each "
        "with its transcript beside it; recordings are WAV, FLAC, OGG, or features as .npy or .npz."
    )
    path_column: str | None = Field(None, description="Column with the recording's path (default: found, and said).")
    text_column: str | None = Field(None, description="Column with the transcript (default: found, and said).")
    split_column: str | None = Field(None, description="Column that says train, valid or test for each row.")
    group_column: str | None = Field(None, description="Column, such as the speaker; no group stands in two parts.")
    delimiter: str | None = Field(None, min_length=1, description="Field delimiter (default: by file name).")
    header: bool | None = Field(None, description="Whether the first row names the columns (default: found, and said).")


class TranscribeVocabularyConfig(VocabularyConfig):
    """How a transcript becomes symbols."""

    tokens: Literal["words", "spaces", "characters", "bpe"] = Field(
        "characters", description="What a symbol is; 'spaces': what stands between white space, as it is."
    )


class FeaturesConfig(Settings):
    """What the network hears; without effect where the data are features already."""

    sample_rate: int | None = Field(
        None, ge=1000, le=192_000, description="Hz, to which all are resampled (default: the lowest, at most 16000)."
    )
    mels: int = Field(40, ge=2, description="Bands of the mel scale.")
    frame_ms: float = Field(25.0, gt=0, le=1000, description="Milliseconds of a frame.")
    hop_ms: float = Field(10.0, gt=0, le=1000, description="Milliseconds from one frame to the next.")

    @model_validator(mode="after")
    def _frames_touch(self) -> FeaturesConfig:
        if self.hop_ms > self.frame_ms:
            raise ValueError(f"hop_ms ({self.hop_ms}) must be at most frame_ms ({self.frame_ms}): sound would be lost")
        return self


class TranscribeModelConfig(NetworkConfig):
    """The network."""

    cell: RecurrentCell = Field("lstm", description="Recurrent cell.")
    hidden_size: int = Field(192, ge=1, description="Size of the state, for each direction.")
    num_layers: int = Field(3, ge=1, description="Stacked layers.")
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of values dropped between layers and at the output.")
    bidirectional: bool = Field(True, description="Whether a second net reads from the end; without it, it can stream.")
    stack: int = Field(3, ge=1, description="Frames that the network reads at a time, which is its step.")


class TranscribeTrainConfig(TrainConfig):
    """How the network learns."""

    epochs: int | None = Field(
        None, ge=1, description="Passes over the training data (default: enough for 2000 steps, 3 to 50)."
    )
    batch_size: int = Field(16, ge=1, description="Recordings in a step.")
    time_masks: int = Field(2, ge=0, description="Stretches of time that are hidden in training (SpecAugment).")
    frequency_masks: int = Field(2, ge=0, description="Ranges of bands that are hidden in training (SpecAugment).")


class TranscribeConfig(RunConfig):
    """All that a run of `recurra train transcribe` was told."""

    sections: ClassVar[tuple[str, ...]] = ("data", "vocabulary", "features", "model", "train")
    summary: ClassVar[str] = "Train a transcriber: text from audio, by connectionist temporal classification."
    no_effect: ClassVar[tuple[NoEffect, ...]] = (
        NoEffect("data", "valid", lambda run: run.data.split_column is not None, "--split-column divides them"),
        NoEffect("data", "test", lambda run: run.data.split_column is not None, "--split-column divides them"),
        NoEffect("data", "group_column", lambda run: run.data.split_column is not None, "--split-column divides them"),
    )

    task: Literal["transcribe"] = "transcribe"
    data: TranscribeDataConfig
    vocabulary: TranscribeVocabularyConfig = TranscribeVocabularyConfig()
    features: FeaturesConfig = FeaturesConfig()
    model: TranscribeModelConfig = TranscribeModelConfig()
    train: TranscribeTrainConfig = TranscribeTrainConfig()
