"""What the compiled loop carries beside the plain cell: a mask on the state, zoneout, and an LSTM's projection."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from recurra.kernels import Layout, choose, native, reference
from recurra.kernels.cells import CELLS
from recurra.kernels.noise import Noise
from recurra.kernels.weights import Weights

pytestmark = pytest.mark.skipif(native.variant() is None, reason="the native kernels were not built here")

EXTRAS = ("mask", "zoneout", "projection", "mask+zoneout", "mask+projection", "zoneout+projection", "all")


def leaf(*shape: int) -> Tensor:
    return (torch.randn(*shape) * 0.3).requires_grad_()  # large enough to count, too small for chaos


class Problem:
    """One layer: leaves, and noise as extras name it.

    Attributes:
        size: S, of h: P with a projection, else H.
    """

    def __init__(
        self, cell: str, extras: str, hidden: int, lengths: list[int], size: int | None = None, both: bool = True
    ) -> None:
        everything = extras == "all"
        self.cell, self.layout = cell, Layout.from_lengths(torch.tensor(lengths))
        projects = cell == "lstm" and (everything or "projection" in extras)
        self.size = (size or max(1, hidden // 2)) if projects else hidden
        gates, tokens, batch = CELLS[cell].gates, self.layout.tokens, len(lengths)
        self.sizes = (self.size, hidden)[: CELLS[cell].states]
        self.data = leaf(tokens, 4)
        self.weights, self.states, self.noises = [], [], []
        for _ in range(2 if both else 1):
            shapes = (gates * hidden, 4), (gates * hidden, self.size), (gates * hidden,), (gates * hidden,)
            project = leaf(self.size, hidden) if projects else None
            self.weights.append(Weights(*(leaf(*shape) for shape in shapes), project))
            self.states.append(tuple(leaf(batch, width) for width in self.sizes))
            mask = (torch.rand(batch, self.size) < 0.7) / 0.7 if everything or "mask" in extras else None
            shares = None
            if everything or "zoneout" in extras:  # of either kind: drawn, and what is expected of it
                h_share = (torch.rand(tokens, self.size) < 0.3).float()
                shares = (h_share, torch.rand(tokens, hidden) * 0.6)[: len(self.sizes)]
            self.noises.append(Noise(mask, shares))

    @property
    def leaves(self) -> list[Tensor]:
        parts = [part for weight in self.weights for part in weight if part is not None]
        return [self.data, *parts, *(part for state in self.states for part in state)]

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self.cell, self.data, self.layout, self.weights, self.states, self.noises

    def results(self, kernel: Any) -> list[Tensor]:
        output, finals = kernel.layer(*self.arguments)
        return [output, *(part for final in finals for part in final)]

    def by_hand(self) -> list[Tensor]:
        """The layer again, by equations written here: one sequence after the other, one step after the other."""
        starts = [0, *torch.tensor(self.layout.batch_sizes).cumsum(0).tolist()]
        outputs: list[list[Tensor]] = [[] for _ in range(self.layout.tokens)]
        finals: list[list[list[Tensor]]] = []
        for direction, (weight, state, noise) in enumerate(zip(self.weights, self.states, self.noises)):
            finals.append([[] for _ in state])
            for row in range(self.layout.batch):
                own = [part[row] for part in state]
                running = [t for t, size in enumerate(self.layout.batch_sizes) if row < size]
                for t in running[::-1] if direction else running:
                    token = starts[t] + row
                    fed = own[0] if noise.state is None else own[0] * noise.state[row]
                    made = self._step(weight, self.data[token], fed, own)
                    if noise.zoneout is not None:
                        shares = [share[token] for share in noise.zoneout]
                        made = [z * old + (1 - z) * new for z, old, new in zip(shares, own, made)]
                    own = made
                    outputs[token].append(own[0])
                for part, final in zip(own, finals[direction]):
                    final.append(part)
        packed = torch.stack([torch.cat(directions) for directions in outputs])
        return [packed, *(torch.stack(part) for final in finals for part in final)]

    def _step(self, weight: Weights, x: Tensor, fed: Tensor, before: list[Tensor]) -> list[Tensor]:
        a, u = weight.weight_ih @ x + weight.bias_ih, weight.weight_hh @ fed + weight.bias_hh
        if self.cell == "rnn_tanh":
            return [(a + u).tanh()]
        if self.cell == "rnn_relu":
            return [(a + u).clamp(min=0)]
        if self.cell == "gru":
            (r, z, n), (ur, uz, un) = a.chunk(3), u.chunk(3)
            n, z = torch.tanh(n + torch.sigmoid(r + ur) * un), torch.sigmoid(z + uz)
            return [(1 - z) * n + z * before[0]]
        i, f, g, o = (a + u).chunk(4)
        c = torch.sigmoid(f) * before[1] + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return [h if weight.weight_hr is None else weight.weight_hr @ h, c]


def check(bench: Any, problem: Problem, expected: list[Tensor]) -> None:
    """Outputs, final states and every gradient; the native kernel is the one that the dispatch chooses."""
    assert choose(*problem.arguments[:4], problem.noises).kernel == "native"
    got = problem.results(native)
    bench.same(got, expected)
    bench.same(bench.gradients(got, problem.leaves), bench.gradients(expected, problem.leaves))
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(problem.results(native), got))


@pytest.mark.parametrize("extras", EXTRAS)
@pytest.mark.parametrize(
    ("hidden", "size", "lengths"),
    [(1, 1, [3]), (17, 5, [3, 6, 0, 1, 6]), (33, 16, [2, 4])],
    ids=["one", "odd", "blocks"],
)
def test_equals_the_plain_loop_and_equations_by_hand(bench, variant, kind, extras, hidden, size, lengths):
    if kind != "lstm" and "projection" in extras:
        pytest.skip("only an LSTM is projected")
    problem = Problem(kind, extras, hidden, lengths, size)
    check(bench, problem, problem.by_hand())
    check(bench, problem, problem.results(reference))
