"""What `recurra diagnose` has found about a model: measurements layer by layer, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from recurra.diagnose.flow import Flow
from recurra.diagnose.gates import Units
from recurra.files import finite

__all__ = ["DIAGNOSE", "Context", "Diagnosis", "LayerDiagnosis", "Verdict", "as_json"]

DIAGNOSE = "recurra diagnose"  # the command


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
        lengths: how many steps each sequence had that it read.
    """

    name: str
    cell: str
    flow: Flow
    singular: Tensor
    moduli: Tensor | None
    exponents: Tensor
    units: Units
    lengths: Sequence[int] = ()


@dataclass(frozen=True)
class Context:
    """The loss of a network whose recurrent layers begin anew some steps before each step.

    The loss is that of training without dropout: in nats, but for a forecaster, whose own it is. A decoder that writes
    texts, and a net that spells words, look back as they do: it is the encoder, or the layers over words, that may not.

    Attributes:
        steps: how many steps of the input the network sees, to the side that a layer reads from, the present one
            included, increasing. L stacked layers that know k steps each see L (k - 1) + 1. The last is the longest
            sequence, where that was affordable: there no layer forgets.
        losses: mean loss of each.
        whole: mean loss where it may look back to the beginning.
        needed: the fewest of `steps` from which on the loss is within 1 % of `whole`, or of all that context gains, if
            that is more; None where it never is.
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
        unit: what a recurrent layer reads at a step, such as "tokens".
        data: what was read.
        lengths: steps of each sequence that was measured.
        left_out: of those that were not, as measuring them would take minutes.
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
    left_out: Sequence[int] = ()


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """All numbers of a diagnosis as something that JSON can hold; a number that is infinite, a half-life, is null.

    The flow of each layer also tells the norms beside that at lag 0, and its reach.
    """
    return {
        "made_by": DIAGNOSE,
        "model": str(diagnosis.model),
        "task": diagnosis.task,
        "unit": diagnosis.unit,
        "data": diagnosis.data,
        "lengths": list(diagnosis.lengths),
        "left_out": list(diagnosis.left_out),
        "layers": [_layer_as_json(layer) for layer in diagnosis.layers],
        "context": None if diagnosis.context is None else asdict(diagnosis.context),
        "clipped": list(diagnosis.clipped),
        "verdicts": [asdict(verdict) for verdict in diagnosis.verdicts],
    }


def _layer_as_json(layer: LayerDiagnosis) -> dict[str, Any]:
    flow = {**layer.flow._asdict(), "relative": layer.flow.relative, "reach": layer.flow.reach()}
    found: dict[str, Any] = finite({**vars(layer), "flow": flow, "units": layer.units._asdict()})
    return found
