"""The CRF against the enumeration of all paths."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from recurra.errors import RecurraError, SettingsError, ShapeError
from recurra.kernels.layout import Layout
from recurra.nn.crf import CRF, Moves

LENGTHS = [3, 0, 5, 1, 5, 2]
# tag 2 only after 1, as an inside tag only after its beginning; never 3 twice; nothing ends with 1
BETWEEN = torch.ones(4, 4, dtype=torch.bool)
BETWEEN[[0, 2, 3], 2] = False
BETWEEN[3, 3] = False
MOVES = Moves(torch.tensor([True, True, False, True]), torch.tensor([True, False, True, True]), BETWEEN)
# nothing comes before tag 3, so that at most tokens no path at all brings to it
NOT_AFTER = torch.ones(4, 4, dtype=torch.bool)
NOT_AFTER[:, 3] = False
ONLY_FIRST = Moves(torch.ones(4, dtype=torch.bool), torch.ones(4, dtype=torch.bool), NOT_AFTER)


def make(moves: Moves | None = None, tags: int = 4) -> CRF:
    torch.manual_seed(3)
    crf = CRF(tags, moves).double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_()
    return crf


def path_score(crf: CRF, emissions: Tensor, path: tuple[int, ...]) -> Tensor:
    """The score of one path over one sequence, [T, K], that is not empty; minus infinity for one that is forbidden."""
    score = crf.start[path[0]] + crf.end[path[-1]] + sum(e[tag] for e, tag in zip(emissions, path))
    legal = crf.start_forbidden is None or not (crf.start_forbidden[path[0]] or crf.end_forbidden[path[-1]])
    for before, after in itertools.pairwise(path):
        score = score + crf.transitions[before, after]
        legal = legal and (crf.moves_forbidden is None or not crf.moves_forbidden[before, after])
    return score if legal else torch.tensor(-torch.inf, dtype=score.dtype)


def all_paths(crf: CRF, emissions: Tensor) -> dict[tuple[int, ...], Tensor]:
    return {p: path_score(crf, emissions, p) for p in itertools.product(range(len(crf.start)), repeat=len(emissions))}


def legal_tags(crf: CRF, emissions: Tensor) -> tuple[int, ...]:
    """Some possible path, not the best one."""
    paths = [path for path, score in all_paths(crf, emissions).items() if score > -torch.inf]
    return paths[len(paths) // 3]


@pytest.fixture(params=[None, MOVES, ONLY_FIRST], ids=["free", "constrained", "unreachable"])
def case(request):
    """A CRF, padded emissions [B, T, K] with noise in the padding, the layout, and padded tags that are possible."""
    crf = make(request.param)
    emissions = torch.randn(len(LENGTHS), 7, 4, dtype=torch.float64) * 2
    tags = torch.randint(4, (len(LENGTHS), 7))
    for row, emission, length in zip(tags, emissions, LENGTHS):
        if length:
            row[:length] = torch.tensor(legal_tags(crf, emission[:length]))
    return crf, emissions, Layout.from_lengths(torch.tensor(LENGTHS)), tags


def test_likelihood_is_the_share_of_all_paths(case):
    crf, emissions, layout, tags = case
    got = crf.negative_log_likelihood(layout.pack(emissions, True), layout, layout.pack(tags, True))
    assert got.shape == (len(LENGTHS),)
    for value, emission, row, length in zip(got, emissions, tags, LENGTHS):
        if not length:
            assert value == 0
            continue
        scores = all_paths(crf, emission[:length])
        total = torch.stack(list(scores.values())).logsumexp(0)
        torch.testing.assert_close(value, total - scores[tuple(row[:length].tolist())])


def test_gradients_are_those_of_the_enumeration(case):
    crf, emissions, layout, tags = case
    weights = torch.randn(len(LENGTHS), dtype=torch.float64)
    emissions.requires_grad_()
    inputs = [emissions, *crf.parameters()]
    got = crf.negative_log_likelihood(layout.pack(emissions, True), layout, layout.pack(tags, True))
    expected = []
    for emission, row, length in zip(emissions, tags, LENGTHS):
        scores = all_paths(crf, emission[:length]) if length else {(): torch.zeros(())}
        possible = torch.stack([score for score in scores.values() if score > -torch.inf])
        expected.append(possible.logsumexp(0) - scores[tuple(row[:length].tolist())])
    of_ours = torch.autograd.grad((got * weights).sum(), inputs)
    of_paths = torch.autograd.grad((torch.stack(expected) * weights).sum(), inputs)
    for ours, theirs in zip(of_ours, of_paths):
        torch.testing.assert_close(ours, theirs)


def test_gradcheck(case):
    crf, emissions, layout, tags = case
    packed, packed_tags = layout.pack(emissions, True).requires_grad_(), layout.pack(tags, True)

    def likelihood(emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor) -> Tensor:
        values = {"transitions": transitions, "start": start, "end": end}
        return torch.func.functional_call(Likelihood(crf), {f"crf.{n}": v for n, v in values.items()}, (emissions,))

    class Likelihood(torch.nn.Module):
        def __init__(self, crf: CRF) -> None:
            super().__init__()
            self.crf = crf

        def forward(self, emissions: Tensor) -> Tensor:
            return self.crf.negative_log_likelihood(emissions, layout, packed_tags)

    assert torch.autograd.gradcheck(likelihood, (packed, crf.transitions, crf.start, crf.end))


def test_a_second_derivative_is_refused():
    crf = make()
    emissions = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    loss = crf.negative_log_likelihood(emissions, Layout.full(2, 1), torch.tensor([1, 2])).sum()
    with pytest.raises(RecurraError, match="only once: take create_graph=True away"):
        torch.autograd.grad(loss, emissions, create_graph=True)


def test_marginals_are_sums_over_paths(case):
    crf, emissions, layout, _ = case
    got = layout.unpack(crf.marginals(layout.pack(emissions, True), layout), 7, True)
    for values, emission, length in zip(got, emissions, LENGTHS):
        expected = torch.zeros(7, 4, dtype=torch.float64)
        if length:
            scores = all_paths(crf, emission[:length])
            shares = torch.stack(list(scores.values())).softmax(0)
            for path, share in zip(scores, shares):
                for t, tag in enumerate(path):
                    expected[t, tag] += share.detach()
        torch.testing.assert_close(values, expected)
        assert (values[expected == 0] == 0).all()


def test_decode_finds_the_best_path(case):
    crf, emissions, layout, _ = case
    got = layout.unpack(crf.decode(layout.pack(emissions, True), layout), 7, True)
    for row, emission, length in zip(got.tolist(), emissions, LENGTHS):
        if length:
            scores = all_paths(crf, emission[:length])
            assert tuple(row[:length]) == max(scores, key=lambda path: scores[path].item())


@pytest.mark.parametrize("lengths", [[], [0, 0]], ids=["no sequence", "empty ones"])
def test_nothing_to_tag(lengths):
    crf, layout = make(MOVES), Layout.from_lengths(torch.tensor(lengths, dtype=torch.int64))
    emissions = torch.zeros(0, 4, dtype=torch.float64, requires_grad=True)
    found = crf.negative_log_likelihood(emissions, layout, torch.zeros(0, dtype=torch.int64))
    found.sum().backward()
    assert found.tolist() == [0.0] * len(lengths)
    assert crf.decode(emissions, layout).shape == (0,)
    assert crf.marginals(emissions, layout).shape == (0, 4)


def test_impossible_tags_are_infinitely_unlikely_and_have_finite_gradients():
    crf, layout = make(MOVES), Layout.from_lengths(torch.tensor([2, 3]))
    emissions = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    tags = layout.pack(torch.tensor([[0, 2, 0], [0, 1, 2]]), batch_first=True)  # 2 right after 0 is forbidden
    found = crf.negative_log_likelihood(emissions, layout, tags)
    assert found[0] == torch.inf
    assert found[1].isfinite()
    found.sum().backward()
    for tensor in (emissions, *crf.parameters()):
        assert tensor.grad.isfinite().all()
    assert not crf.transitions.grad[crf.moves_forbidden].any()


def test_no_move_at_all():
    anywhere = torch.ones(2, dtype=torch.bool)
    crf, emissions = CRF(2, Moves(anywhere, anywhere, torch.zeros(2, 2, dtype=torch.bool))), torch.randn(6, 2)
    assert torch.equal(crf.decode(emissions, Layout.full(1, 6)), emissions.argmax(1))
    emissions.requires_grad_()
    found = crf.negative_log_likelihood(emissions, Layout.full(3, 2), torch.zeros(6, dtype=torch.int64))
    assert found.tolist() == [torch.inf, torch.inf]
    found.sum().backward()
    assert emissions.grad.isfinite().all()
    for method in (crf.decode, crf.marginals):
        with pytest.raises(SettingsError, match="no path through a sequence of 3 tokens"):
            method(emissions, Layout.full(3, 2))


@pytest.mark.parametrize("method", ["decode", "marginals"])
def test_no_possible_path_is_said(method):
    only_in_turn = Moves(torch.tensor([True, False]), torch.tensor([False, True]), torch.eye(2) < 1)
    crf, emissions = CRF(2, only_in_turn), torch.randn(5, 2)
    assert crf.decode(emissions[:4], Layout.full(4, 1)).tolist() == [0, 1, 0, 1]
    with pytest.raises(SettingsError, match="no path through a sequence of 3 tokens; allow more"):
        getattr(crf, method)(emissions, Layout.from_lengths(torch.tensor([2, 3])))
    tags = torch.tensor([0, 1, 0])
    assert crf.negative_log_likelihood(emissions[:3], Layout.full(3, 1), tags).tolist() == [torch.inf]


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_long_sequences_lose_no_precision(scale):
    """Against float64, where sums of scores have digits to spare; with scores whose exponentials overflow."""
    exact, time = make(MOVES), 2000
    crf = CRF(4, MOVES)
    crf.load_state_dict(exact.state_dict())
    emissions = torch.randn(time, 4) * scale + 500  # summed up, float32 would have no digit behind the point
    layout = Layout.full(time, 1)
    tags = exact.decode(emissions.double(), layout)
    assert torch.equal(crf.decode(emissions, layout), tags)
    wide = exact.negative_log_likelihood(emissions.double(), layout, tags)
    narrow = crf.negative_log_likelihood(emissions, layout, tags)
    torch.testing.assert_close(narrow.double(), wide, rtol=1e-4, atol=1e-2)
    expected = exact.marginals(emissions.double(), layout)
    torch.testing.assert_close(crf.marginals(emissions, layout).double(), expected, rtol=1e-4, atol=1e-4)


def test_marginals_of_one_step_are_a_softmax():
    crf, emissions = CRF(5), torch.randn(6, 5)
    torch.testing.assert_close(crf.marginals(emissions, Layout.full(1, 6)), emissions.softmax(1))


def test_emissions_of_less_precision_are_computed_in_that_of_the_parameters():
    crf, emissions = CRF(3), torch.randn(4, 3).bfloat16().requires_grad_()
    found = crf.negative_log_likelihood(emissions, Layout.full(2, 2), torch.tensor([0, 1, 2, 0]))
    assert found.dtype == torch.float32
    found.sum().backward()
    assert emissions.grad.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("emissions", "tags", "message"),
    [
        ((5, 3), [0, 1, 2, 0], r"emissions: expected \[N, K\] = \(4, 3\), got \(5, 3\)"),
        ((4, 2), [0, 1, 2, 0], r"emissions: expected \[N, K\] = \(4, 3\), got \(4, 2\)"),
        ((4, 3), [0, 1, 2], r"tags: expected one for each of 4 tokens, got \(3,\)"),
        ((4, 3), [0, 1, 3, 0], "tags: expected 0 to 2, got 0 to 3"),
        ((4, 3), [0, 1, -100, 0], "tags: expected 0 to 2, got -100 to 1"),
    ],
)
def test_what_does_not_fit(emissions, tags, message):
    with pytest.raises(ShapeError, match=message):
        CRF(3).negative_log_likelihood(torch.zeros(emissions), Layout.full(2, 2), torch.tensor(tags))


ALL, NONE = torch.ones(2, dtype=torch.bool), torch.zeros(2, dtype=torch.bool)


@pytest.mark.parametrize(
    ("tags", "moves", "error", "message"),
    [
        (0, None, SettingsError, "tags: expected at least 1, got 0"),
        (2, Moves(NONE, ALL, torch.eye(2) > 0), SettingsError, "start_allowed: expected at least one tag"),
        (2, Moves(ALL, NONE, torch.eye(2) > 0), SettingsError, "end_allowed: expected at least one tag"),
        (
            2,
            Moves(ALL, ALL, torch.eye(2)),
            ShapeError,
            r"moves_allowed: expected torch.bool .*, got torch.float32",
        ),
        (3, Moves(ALL, ALL, torch.eye(2) > 0), ShapeError, r"start_allowed: expected .* \(3,\), got torch.bool \(2,\)"),
    ],
)
def test_bad_settings(tags, moves, error, message):
    with pytest.raises(error, match=message):
        CRF(tags, moves)


def test_the_masks_are_no_part_of_the_state():
    assert sorted(CRF(4, MOVES).state_dict()) == ["end", "start", "transitions"]
