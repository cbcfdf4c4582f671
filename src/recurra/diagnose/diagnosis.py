"""What `recurra diagnose` has found about a model: measurements layer by layer, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from recurra.diagnose.flow import Flow
from recurra.diagnose.gates import Units

__all__ = ["Context", "Diagnosis", "LayerDiagnosis", "Verdict"]


@dataclass(frozen=True)
class LayerDiagnosis:
    """One direction of one layer.

    Attributes:
        name: as a reader finds it, such as "encoder, layer 1, backwards".
        cell: a key of :data:`recurra.kernels.cells.CELLS`.
        flow: how far the gradient of the loss reaches back.
        singular: singular values of W_hh of each gate, the largest first, [G, H].
        moduli: moduli of its eigenvalues likewise; None where W_hh is not square (a projection).
        exponents: the largest Lyapunov exponents along real trajectories, nats a step, [K].
        units: the habits of its units.
    """

    name: str
    cell: str
    flow: Flow
    singular: Tensor
    moduli: Tensor | None
    exponents: Tensor
    units: Units


@dataclass(frozen=True)
class Context:
    """The loss of a network whose recurrent layers begin anew so many steps before each step.

    Attributes:
        steps: how many steps a layer may look back, increasing.
        losses: mean loss, nats, of each.
        whole: mean loss where it may look back to the beginning.
        needed: the fewest of `steps` whose loss is within 1 % of `whole`; None where none is.
    """

    steps: Sequence[int]
    losses: Sequence[float]
    whole: float
    needed: int | None


@dataclass(frozen=True)
class Verdict:
    """A sentence about the model, why it is so, and what to do.

    Attributes:
        kind: such as "vanishing", "exploding", "saturated", "dead", "clipped", "context", "untrained".
        level: "good", "note" or "problem".
        sentence: in plain words with the numbers.
        reason: why the threshold is where it is.
        remedy: what helps; empty where nothing is to be done.
        command: the shell command that applies the remedy; empty where there is none.
    """

    kind: str
    level: Literal["good", "note", "problem"]
    sentence: str
    reason: str
    remedy: str = ""
    command: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All that was measured.

    Attributes:
        model: the model directory.
        task: its task's name.
        unit: of what a sequence is made, such as "tokens".
        data: what was read.
        lengths: steps of each sequence that was measured.
        layers: in the order in which the network runs them; none where it has no recurrent layer.
        context: loss against context length; None where there is no recurrent layer.
        clipped: share of steps whose gradient was clipped, by epoch; empty where the history has none.
        verdicts: the problems first.
    """

    model: Path
    task: str
    unit: str
    data: str
    lengths: Sequence[int]
    layers: Sequence[LayerDiagnosis]
    context: Context | None
    clipped: Sequence[float]
    verdicts: Sequence[Verdict]
