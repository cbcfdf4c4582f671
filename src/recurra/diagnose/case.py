"""What verdicts look at: the measurements of a model, and the model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from recurra.checkpoint import SavedModel
from recurra.diagnose.diagnosis import Diagnosis, LayerDiagnosis
from recurra.diagnose.remedies import train_command

__all__ = ["FALLEN", "Case", "percent", "steps"]

FALLEN = 0.01  # of the gradient at lag 0: what is less is lost in the noise between batches


@dataclass(frozen=True)
class Case:
    """What is judged.

    Attributes:
        found: the measurements, without verdicts.
        model: what was measured.
    """

    found: Diagnosis
    model: SavedModel

    @property
    def options(self) -> Any:
        """The options of the network."""
        return self.model.task.config.model

    @property
    def simple(self) -> bool:
        """Whether the layers have no gates."""
        return all(layer.cell in ("rnn_tanh", "rnn_relu") for layer in self.found.layers)

    @cached_property
    def long(self) -> list[LayerDiagnosis]:
        """The layers that have steps to look back over."""
        return [layer for layer in self.found.layers if max(layer.lengths, default=0) > 1]

    def gated(self) -> dict[str, Any]:
        """The options that make every layer an LSTM, the decoder's too where it has a cell of its own."""
        return {"cell": "lstm"} | ({"decoder_cell": None} if hasattr(self.options, "decoder_cell") else {})

    def again(self, suffix: str, **changes: Any) -> str:
        """The command that trains the model with other options."""
        return train_command(self.model, suffix, **changes)


def steps(number: int) -> str:
    """So many steps, as they are said: "1 step" or "1,200 steps"."""
    return f"{number:,} step{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """A share as it is said."""
    return f"{100 * share:.0f} %"
