"""What a transcriber knows of its training recordings beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recurra.data.features import FeatureStats
from recurra.data.recording_columns import RecordingColumns

__all__ = ["TranscribeFacts"]


@dataclass(frozen=True)
class TranscribeFacts:
    """What was learnt of the training recordings.

    Attributes:
        columns: the names of the path and the text column of the manifest; None without one.
        stats: mean and deviation of each of the F numbers of a frame.
        recordings: how many there are.
        frames: how many they have together.
    """

    columns: RecordingColumns | None
    stats: FeatureStats
    recordings: int
    frames: int

    @property
    def size(self) -> int:
        """F, the numbers of a frame."""
        return len(self.stats.mean)

    def to_json(self) -> dict[str, Any]:
        """As `config.json` holds it."""
        columns = None if self.columns is None else list(self.columns)
        return {**vars(self), "columns": columns, "stats": self.stats.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TranscribeFacts:
        """Make it again."""
        columns = None if values["columns"] is None else RecordingColumns(*values["columns"])
        return cls(columns, FeatureStats.from_json(values["stats"]), values["recordings"], values["frames"])
