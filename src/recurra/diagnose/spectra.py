"""What a trained recurrence does to a small difference: the spectrum of its matrix, and Lyapunov exponents."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.kernels.cells import CELLS
from recurra.kernels.trace import Trace

__all__ = ["Growth", "Spectrum", "lyapunov_exponents", "measure_growth", "recurrent_spectrum"]

_SMALLEST = 1e-7  # of a factor: below it rounding in float32 decides
_SETTLING = 10  # steps at most, in which differences turn into the directions that grow most


class Spectrum(NamedTuple):
    """Of the recurrent matrix of each of G gates, the largest first.

    Attributes:
        singular: singular values, [G, H], or [G, P] with a projection to size P.
        moduli: moduli of the eigenvalues, [G, H]; None with a projection, whose matrices are not square.
    """

    singular: Tensor
    moduli: Tensor | None


@torch.no_grad()
def recurrent_spectrum(trace: Trace) -> Spectrum:
    """Take W_hh apart, gate by gate."""
    weight = trace.weights.weight_hh.double()
    blocks = weight.unflatten(0, (CELLS[trace.cell].gates, -1))
    square = blocks.shape[1] == blocks.shape[2]
    moduli = torch.linalg.eigvals(blocks).abs().sort(descending=True).values if square else None
    return Spectrum(torch.linalg.svdvals(blocks), moduli)


class Growth(NamedTuple):
    """How a trace scaled an orthonormal basis: the sum of the logs, [K], over so many steps of all sequences."""

    logs: Tensor
    steps: int


def lyapunov_exponents(growths: Sequence[Growth]) -> Tensor:
    """The largest Lyapunov exponents of a layer along the trajectories that it took, in nats a step, [K].

    A small difference of the state grows or falls by exp of the first one a step, an area spanned by two by exp of the
    sum of the first two, and so on.

    Args:
        growths: of a direction of a layer, one for each batch, of :func:`measure_growth`.

    Returns:
        Means over sequences and steps; none, [0], where no sequence has three steps.
    """
    counted = [growth for growth in growths if growth.steps]
    if not counted:
        return torch.zeros(0, dtype=torch.float64)
    return torch.stack([growth.logs for growth in counted]).sum(0) / sum(growth.steps for growth in counted)


def measure_growth(trace: Trace, count: int = 4, seed: int = 0) -> Growth:
    """Send an orthonormal basis through the exact derivatives of the steps, and see how it is scaled.

    Behind each step it is made orthonormal again by a QR decomposition (Benettin, Galgani, Giorgilli, Strelcyn,
    Meccanica 15, 1980; for recurrent networks: Engelken, Wolf, Abbott, Physical Review Research 5, 2023). It goes back
    through time, as gradients do: a product of matrices and its transpose have the same singular values. The last ten
    steps of a sequence, or the last quarter of a shorter one, at least one, only let the basis settle. A factor below
    1e-7 counts as that: no exponent is below -16.1.

    Args:
        trace: of a direction of a layer, recorded in :func:`recurra.kernels.trace.traced` with gradients on.
        count: K at most; no more than the state has numbers.
        seed: of the first basis.
    """
    times = sorted(trace.steps, reverse=not trace.backwards)  # the step that was read last comes first
    if len(times) < 2:
        return Growth(torch.zeros(count, dtype=torch.float64), 0)
    sizes = [part.shape[1] for part in trace.steps[times[0]].after]
    count, batch = min(count, sum(sizes)), trace.layout.batch_sizes[0]
    chance = torch.Generator().manual_seed(seed)
    first = torch.linalg.qr(torch.randn(sum(sizes), count, generator=chance, dtype=torch.float64)).Q
    basis = first.repeat(batch, 1, 1)
    settling = (trace.layout.sorted_lengths()[:batch] // 4).clamp(1, _SETTLING)
    logs, passed = torch.zeros(count, dtype=torch.float64), torch.zeros(batch, dtype=torch.int64)
    for later, earlier in pairwise(times):
        running = min(len(trace.steps[later].after[0]), len(trace.steps[earlier].after[0]))
        basis[:running], scales = torch.linalg.qr(_sent_back(trace, later, basis[:running], sizes))
        settled = passed[:running] >= settling[:running]
        logs += scales.diagonal(dim1=1, dim2=2).abs().clamp(min=_SMALLEST).log()[settled].sum(0)
        passed[:running] += 1
    return Growth(logs, int((passed - settling).clamp(min=0).sum()))


def _sent_back(trace: Trace, time: int, basis: Tensor, sizes: Sequence[int]) -> Tensor:
    """What gradients [b, S, K] with respect to the state after a step are before it, [b, S, K]."""
    step = trace.steps[time]
    rows = len(basis)
    signals = basis.movedim(2, 0).to(step.after[0].dtype).split(list(sizes), dim=2)  # [K, b, H] of each part
    padded = [torch.nn.functional.pad(part, (0, 0, 0, len(step.after[0]) - rows)) for part in signals]
    found = torch.autograd.grad(
        step.after, step.before, padded, retain_graph=True, is_grads_batched=True, materialize_grads=True
    )
    return torch.cat([part[:, :rows] for part in found], dim=2).movedim(0, 2).double()
