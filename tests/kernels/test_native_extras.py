"""What the compiled loop carries beside the plain cell: a mask on the state, zoneout, and an LSTM's projection."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from recurra.errors import ShapeError
from recurra.kernels import Layout, choose, explain, native, reference
from recurra.kernels.cells import CELLS
from recurra.kernels.noise import Noise
from recurra.kernels.weights import Weights

pytestmark = pytest.mark.skipif(native.variant() is None, reason="the native kernels were not built here")

NOISE = ("mask", "zoneout", "mask+zoneout")
PROJECTED = ("projection", "mask+projection", "zoneout+projection", "all")  # of these torch knows the LSTM's alone
COMBINATIONS = [(cell, extras) for cell in CELLS for extras in NOISE + (PROJECTED if cell == "lstm" else ())]


def leaf(*shape: int, within: float = 1.0) -> Tensor:
    return torch.empty(*shape).uniform_(-within, within).requires_grad_()


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
            within = hidden**-0.5  # as torch draws them
            project = leaf(self.size, hidden, within=within) if projects else None
            self.weights.append(Weights(*(leaf(*shape, within=within) for shape in shapes), project))
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


@pytest.mark.parametrize(("cell", "extras"), COMBINATIONS)
@pytest.mark.parametrize(
    ("hidden", "size", "lengths"),
    [(1, 1, [3]), (17, 5, [3, 6, 0, 1, 6]), (33, 16, [2, 4]), (50, 17, [1, 3, 2, 0, 3, 4, 4, 2, 4, 1, 4])],
    ids=["one", "odd", "blocks", "many"],
)
def test_equals_the_plain_loop_and_equations_by_hand(bench, variant, cell, extras, hidden, size, lengths):
    problem = Problem(cell, extras, hidden, lengths, size)
    check(bench, problem, problem.by_hand())
    check(bench, problem, problem.results(reference))


@pytest.mark.parametrize(("cell", "extras"), [(cell, "all") for cell in CELLS] + [("lstm", "mask+zoneout")])
@pytest.mark.parametrize(
    ("hidden", "size", "lengths"),
    [(40, 20, [4, 1, 3, 0, 4, 2, 2]), (260, 130, [3]), (260, 5, [4, 1, 3])],
    ids=["rows", "units", "both"],
)
def test_threads_change_nothing(bench, variant, cell, extras, hidden, size, lengths):
    """Few sequences and many units: the threads divide the units, and meet again after a projection."""
    problem = Problem(cell, extras, hidden, lengths, size)
    runs = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results = problem.results(native)
        runs.append((results, bench.gradients(results, problem.leaves)))
    expected = problem.results(reference)
    bench.same(runs[0][0], expected)
    bench.same(runs[0][1], bench.gradients(expected, problem.leaves))
    for results, gradients in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results, runs[0][0]))
        bench.same(gradients, runs[0][1])


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")  # torch's own remark
@pytest.mark.parametrize("size", [1, 5, 16])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_projected_layers_equal_torch_on_each_sequence_alone(bench, variant, size, bias):
    ours, theirs = bench.pair("lstm", 3, 18, torch.float32, proj_size=size, num_layers=2, bidirectional=True, bias=bias)
    lengths = [2, 5, 0, 1, 5, 4]
    x = torch.randn(6, 6, 3, requires_grad=True)
    assert {choice.kernel for choice in explain(ours, x, lengths)} == {"native"}
    bench.check(ours, theirs, x, lengths, bench.state(theirs, 6), "native")


def test_noise_that_does_nothing_changes_no_bit(bench, variant, kind):
    """A mask of ones and shares of zero: what comes out is what the plain loop gives, gradients too."""
    problem = Problem(kind, "none", 37, [5, 2, 0, 4])
    plain = problem.results(native)
    plain_gradients = bench.gradients(plain, problem.leaves)
    tokens, batch = problem.layout.tokens, 4
    zeros = tuple(torch.zeros(tokens, width) for width in problem.sizes)
    problem.noises = [Noise(torch.ones(batch, 37), zeros), Noise(torch.ones(batch, 37))]
    noisy = problem.results(native)
    assert all(torch.equal(a, b) for a, b in zip(plain, noisy))
    assert all(torch.equal(a, b) for a, b in zip(plain_gradients, bench.gradients(noisy, problem.leaves)))


def test_a_share_of_one_keeps_the_state_to_the_last_bit(variant, kind):
    problem = Problem(kind, "zoneout", 18, [5, 2, 4])
    ones = Noise(None, tuple(torch.ones(problem.layout.tokens, width) for width in problem.sizes))
    problem.noises = [ones, ones]
    _, *finals = problem.results(native)
    assert all(torch.equal(a, b) for a, b in zip(finals, (part for state in problem.states for part in state)))


def test_expanded_and_strided_noise(bench, variant, kind):
    """One number for all units and tokens, one row for all tokens, one column for all units, and transposed."""
    problem = Problem(kind, "mask+zoneout", 18, [5, 2, 0, 4])
    tokens, sizes = problem.layout.tokens, problem.sizes
    masks = torch.tensor(0.5).expand(4, 18), torch.rand(18, 4).t()
    for shares in (
        [torch.tensor(0.25).expand(tokens, width) for width in sizes],
        [torch.rand(width).expand(tokens, width) for width in sizes],
        [torch.rand(tokens, 1).expand(tokens, width) for width in sizes],
        [torch.rand(width, tokens).t() for width in sizes],
        [torch.rand(tokens, width + 3)[:, 1:-2] for width in sizes],
    ):
        problem.noises = [Noise(mask, tuple(shares)) for mask in masks]
        check(bench, problem, problem.results(reference))


@pytest.mark.parametrize(("cell", "extras"), COMBINATIONS)
def test_second_derivative(bench, cell, extras):
    problem = Problem(cell, extras, 3, [2, 3, 0, 1], 2)

    def second(kernel: Any) -> tuple[Tensor, ...]:
        loss = sum(result.square().mean() for result in problem.results(kernel))
        first = torch.autograd.grad(loss, problem.leaves, create_graph=True)
        return first + torch.autograd.grad(sum(part.square().sum() for part in first), problem.leaves)

    bench.same(second(native), second(reference))


@pytest.mark.parametrize("cell", CELLS)
def test_noise_under_autocast(bench, cell):
    """The state stays in float32, and so does noise that was drawn in bfloat16."""
    problem = Problem(cell, "mask+zoneout", 18, [5, 2, 0, 4])
    halves = [
        Noise(noise.state.bfloat16(), tuple(share.bfloat16() for share in noise.zoneout)) for noise in problem.noises
    ]
    widened = [Noise(noise.state.float(), tuple(share.float() for share in noise.zoneout)) for noise in halves]
    problem.noises = halves
    with torch.autocast("cpu", torch.bfloat16):
        assert choose(*problem.arguments[:4], halves).kernel == "native"
        got = problem.results(native)
        problem.noises = widened
        bench.same(got, problem.results(native))


@pytest.mark.skipif(not native.precision("lstm", True).bfloat16, reason="there are no products of bfloat16 here")
@pytest.mark.parametrize(("cell", "extras"), [pair for pair in COMBINATIONS if pair[0] != "rnn_relu"])
def test_products_of_bfloat16(bench, monkeypatch, cell, extras):
    """Beside the plain loop in float64 that rounds what enters each product; a mask comes before the rounding."""
    problem = Problem(cell, extras, 19, [3, 2, 0, 4], size=7)
    with torch.autocast("cpu", torch.bfloat16):
        got = problem.results(native)
    got += bench.gradients(got, problem.leaves)
    monkeypatch.setattr(reference, "linear", lambda x, w, b=None: bench.rounded_product(x, w) + (0 if b is None else b))
    problem.data, problem.weights, problem.states = (
        problem.data.detach().double().requires_grad_(),
        [Weights._make(p if p is None else p.detach().double().requires_grad_() for p in w) for w in problem.weights],
        [tuple(part.detach().double().requires_grad_() for part in state) for state in problem.states],
    )
    expected = problem.results(reference)
    expected += bench.gradients(expected, problem.leaves)
    for g, e in zip(got, expected):
        assert float((g - e).detach().abs().max() / e.detach().abs().max()) < 2e-3  # a number may round otherwise
    assert sum(torch.allclose(g.double(), e, rtol=1e-5, atol=1e-5) for g, e in zip(got, expected)) > len(got) / 2


def test_refusals():
    problem = Problem("rnn_tanh", "mask+zoneout", 4, [2, 1])
    double = Noise(problem.noises[0].state.double())
    assert native.refusal("rnn_tanh", problem.data, problem.weights, [double]) == (
        "it computes in float32 or bfloat16, not in torch.float64"
    )
    meta = Noise(None, tuple(share.to("meta") for share in problem.noises[0].zoneout))
    assert native.refusal("rnn_tanh", problem.data, problem.weights, [meta]) == "it runs on the CPU, not on meta"
    learned = Noise(problem.noises[0].state.clone().requires_grad_())
    assert native.refusal("rnn_tanh", problem.data, problem.weights, [learned]) == "it gives no gradient to noise"
    projected = [weight._replace(weight_hr=torch.zeros(4, 4)) for weight in problem.weights]
    assert native.refusal("rnn_tanh", problem.data, projected, []) == (
        "it projects the state of an LSTM, not that of rnn_tanh"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": torch.ones(2, 4)}, r"mask: expected \(2, 3\) of torch.float32 on cpu, got \(2, 4\)"),
        ({"state": torch.ones(1, 3)}, r"mask: expected \(2, 3\)"),
        ({"state": torch.ones(2, 3).double()}, r"mask: expected .* got \(2, 3\) of torch.float64"),
        ({"zoneout": (torch.zeros(7, 3),)}, "zoneout: expected 2 tensors, as the state has, got 1"),
        ({"zoneout": (torch.zeros(7, 4), torch.zeros(7, 4))}, r"zoneout of h: expected \(7, 3\) .* got \(7, 4\)"),
        ({"zoneout": (torch.zeros(7, 3), torch.zeros(7, 3))}, r"zoneout of c: expected \(7, 4\) .* got \(7, 3\)"),
        ({"zoneout": (torch.zeros(1, 3), torch.zeros(7, 4))}, r"zoneout of h: expected \(7, 3\) .* got \(1, 3\)"),
        ({"weight_hr": torch.zeros(5, 4)}, r"project: expected \(3, 4\) .* got \(5, 4\)"),
        ({"weight_hr": torch.zeros(3, 5)}, r"weight: expected \(20, 3\) .* got \(16, 3\)"),
        ({"weight_hh": torch.zeros(16, 4)}, r"project: expected \(4, 4\) .* got \(3, 4\)"),
        ({"states": (torch.zeros(2, 4), torch.zeros(2, 4))}, r"first_h: expected \(2, 3\)"),
        ({"states": (torch.zeros(2, 3), torch.zeros(2, 3))}, r"first_c: expected \(2, 4\)"),
        ({"states": (torch.zeros(2, 3),)}, "state: expected 2 tensors for lstm, got 1"),
    ],
)
def test_guards_before_the_pointers(change, said):
    """Called past the dispatch, with tensors that do not belong together."""
    problem = Problem("lstm", "projection", 4, [5, 2], 3, both=False)
    noise = Noise(**{name: change[name] for name in ("state", "zoneout") if name in change})
    weights = {name: value for name, value in change.items() if name.startswith("weight")}
    problem.weights = [problem.weights[0]._replace(**weights)]
    problem.noises, problem.states = [noise], [change.get("states", problem.states[0])]
    with pytest.raises(ShapeError, match=said):
        problem.results(native)
