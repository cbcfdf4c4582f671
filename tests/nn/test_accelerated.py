"""The layers that accelerate makes: torch's results, gradients, types and errors, in whatever torch does to a layer."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

import recurra
import recurra.nn
from recurra.errors import ShapeError
from recurra.kernels import explain
from recurra.kernels.dispatch import use_kernel

KINDS = (nn.RNN, nn.LSTM, nn.GRU)
LENGTHS = [3, 7, 1, 5]


class Wrapped(nn.LSTM):
    """A subclass whose forward calls torch's."""

    def forward(self, input, hx=None):
        return super().forward(input * 2, hx)


class Named(nn.GRU):
    """A subclass with nothing but a constructor."""

    def __init__(self, size):
        super().__init__(size, size)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def _forced(monkeypatch):
    """Layers so small would be left to torch."""
    monkeypatch.setenv("RECURRA_KERNEL", "native")


forced = pytest.mark.usefixtures("_forced")


def twins(module):
    other = copy.deepcopy(module)
    recurra.accelerate(other)
    return module, other


def tensors(result):
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, PackedSequence):
        return [result.data]
    return [tensor for part in result for tensor in tensors(part)]


def assert_same(mine, theirs, call, tolerance=2e-6):
    """Compare outputs, states and all gradients of a call that makes its inputs anew."""
    found = []
    for module in (mine, theirs):
        module.zero_grad()
        torch.manual_seed(1)
        results = tensors(call(module))
        sum((part * torch.linspace(-1, 1, part.numel()).view_as(part)).sum() for part in results).backward()
        found.append([*results, *(parameter.grad for parameter in module.parameters())])
    for one, other in zip(*found, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@forced
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 2, "bidirectional": True, "batch_first": True},
        {"bias": False, "num_layers": 2},
        {"dropout": 0.5, "num_layers": 3},
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_results_and_gradients_are_those_of_torch(kind, options):
    plain, swapped = twins(kind(5, 6, **options).eval())
    states = plain.num_layers * (2 if plain.bidirectional else 1)
    batch_first = plain.batch_first
    shape = (4, 7, 5) if batch_first else (7, 4, 5)

    def state(batch):
        h = torch.randn(states, *batch, 6)
        return (h, torch.randn_like(h)) if kind is nn.LSTM else h

    lengths = torch.tensor(LENGTHS)
    ordered = torch.tensor(sorted(LENGTHS, reverse=True))
    calls = [
        lambda m: m(torch.randn(shape)),
        lambda m: m(torch.randn(shape), state((4,))),
        lambda m: m(torch.randn(7, 5)),
        lambda m: m(torch.randn(7, 5), hx=state(())),
        lambda m: m(pack_padded_sequence(torch.randn(shape), ordered, batch_first)),
        lambda m: m(pack_padded_sequence(torch.randn(shape), lengths, batch_first, enforce_sorted=False)),
        lambda m: m(pack_padded_sequence(torch.randn(shape), lengths, batch_first, enforce_sorted=False), state((4,))),
        lambda m: m(torch.randn(5, *shape[:2]).permute(1, 2, 0)),  # not contiguous
    ]
    for call in calls:
        assert_same(plain, swapped, call)
    assert {choice.kernel for choice in explain(swapped, torch.randn(shape))} <= {"native", "packed"}


@forced
def test_relu_projection_and_double():
    plain, swapped = twins(nn.RNN(5, 6, nonlinearity="relu"))
    assert_same(plain, swapped, lambda m: m(torch.randn(7, 4, 5)))
    plain, swapped = twins(nn.LSTM(5, 6, num_layers=2, proj_size=3, bidirectional=True))
    assert_same(plain, swapped, lambda m: m(pack_sequence([torch.randn(5, 5), torch.randn(3, 5)])))
    plain, swapped = twins(nn.GRU(5, 6).double())
    assert_same(plain, swapped, lambda m: m(torch.randn(7, 4, 5, dtype=torch.float64)), tolerance=1e-12)


@forced
@pytest.mark.parametrize("kind", KINDS)
def test_sixteen_bit_and_autocast_keep_their_types(kind):
    for dtype in (torch.bfloat16, torch.float16):
        plain, swapped = twins(kind(5, 6).to(dtype))
        assert_same(plain, swapped, lambda m, dtype=dtype: m(torch.randn(7, 4, 5, dtype=dtype)), tolerance=2e-2)
    plain, swapped = twins(kind(5, 6))
    with torch.autocast("cpu", torch.bfloat16):
        assert_same(plain, swapped, lambda m: m(torch.randn(7, 4, 5)), tolerance=2e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_give_what_packing_gives(kind):
    plain, swapped = twins(kind(5, 6, batch_first=True, bidirectional=True))
    x = torch.randn(4, 7, 5)
    output, state = swapped(x, lengths=LENGTHS)
    packed, expected = plain(pack_padded_sequence(x, torch.tensor(LENGTHS), True, enforce_sorted=False))
    for one, other in zip(tensors((output, state)), tensors((pad_packed_sequence(packed, True)[0], expected))):
        torch.testing.assert_close(one, other)
    with pytest.raises(ShapeError, match="lengths: expected 0 to 7, got 1 to 8"):
        swapped(x, lengths=[1, 2, 3, 8])


def test_dropout_between_layers_drops_its_share():
    with use_kernel("packed"):
        layer = nn.LSTM(4, 500, num_layers=2, dropout=0.25)
        recurra.accelerate(layer)
        with torch.no_grad():
            layer.weight_ih_l1.copy_(torch.eye(2000, 500))
            below = [layer(torch.ones(1, 1, 4))[0] for _ in range(2)]
        assert not torch.equal(*below)
        layer.eval()
        assert torch.equal(layer(torch.ones(1, 1, 4))[0], layer(torch.ones(1, 1, 4))[0])


@pytest.mark.parametrize("sizes", [[3, 3], [2, 3], [6, -1], [5.0], [[5]], []])
def test_sequences_packed_wrongly_are_refused(sizes):
    message = "batch_sizes: expected descending integers that sum to 5, the packed rows, got"
    with pytest.raises(ShapeError, match=message):
        recurra.nn.LSTM(5, 6)(PackedSequence(torch.randn(5, 5), torch.tensor(sizes)))


@forced
@pytest.mark.parametrize("kind", KINDS)
def test_errors_are_those_of_torch(kind):
    plain, swapped = twins(kind(5, 6))
    x, h = torch.randn(7, 4, 5), torch.zeros(1, 4, 6)
    state = (lambda t: (t, t)) if kind is nn.LSTM else (lambda t: t)
    calls = [
        lambda m: m(torch.randn(7, 4, 3)),
        lambda m: m(torch.randn(7, 4, 5, 5)),
        lambda m: m(x.double()),
        lambda m: m(x, state(h[:, :3])),
        lambda m: m(x, state(h[0])),
        lambda m: m(x[:, 0], state(h)),
        lambda m: m(x, state(h.double())),
        lambda m: m(x.to_sparse()),
        lambda m: m(torch.randn(0, 4, 5)),
        lambda m: m(PackedSequence(torch.randn(5, 3), torch.tensor([3, 2]))),
        lambda m: m(PackedSequence(torch.randn(5, 5), torch.tensor([3, 3]))),
        lambda m: m(PackedSequence(torch.randn(5, 5), torch.tensor([2, 3]))),
        lambda m: m(PackedSequence(torch.randn(5, 5), torch.tensor([-1, 6]))),
        lambda m: m(PackedSequence(torch.randn(5, 5), torch.tensor([3, 2], dtype=torch.int32))),
    ]
    for call in calls:
        raised = []
        for module in (plain, swapped):
            with pytest.raises(Exception, match=r".") as caught:
                call(module)
            raised.append((type(caught.value), str(caught.value)))
        assert raised[0] == raised[1]


@forced
def test_subclasses():
    wrapped, named = Wrapped(5, 6), Named(5)
    plain = [copy.deepcopy(wrapped), copy.deepcopy(named)]
    for mine, theirs in zip((wrapped, named), plain):
        assert recurra.accelerate(mine).swapped == [""]
        assert isinstance(mine, type(theirs))
        assert type(mine).__name__ == type(theirs).__name__
        assert explain(mine, torch.randn(7, 4, 5))[0].kernel != "torch"
        assert_same(theirs, mine, lambda m: m(torch.randn(7, 4, 5)))
        recurra.restore(mine)
        assert type(mine) is type(theirs)


@forced
def test_parametrized_layers():
    for name in ("weight_hh_l0", "weight_ih_l0"):
        plain = parametrizations.weight_norm(nn.LSTM(5, 6), name)
        cls, swapped = type(plain), copy.deepcopy(plain)
        recurra.accelerate(swapped)
        assert type(plain) is cls
        assert type(swapped).__name__ == "ParametrizedLSTM"
        assert list(swapped.state_dict()) == list(plain.state_dict())
        assert explain(swapped, torch.randn(7, 4, 5))[0].kernel != "torch"
        assert_same(plain, swapped, lambda m: m(torch.randn(7, 4, 5)))
        assert_same(plain, copy.deepcopy(swapped), lambda m: m(torch.randn(7, 4, 5)))
        with pytest.raises(RuntimeError, match="Serialization of parametrized modules"):
            pickle.dumps(swapped)
        parametrize.remove_parametrizations(swapped, name)
        assert recurra.restore(swapped).restored == [""]
        assert type(swapped) is nn.LSTM


@forced
def test_parametrized_after_and_before():
    plain = nn.GRU(5, 6)
    swapped = copy.deepcopy(plain)
    recurra.accelerate(swapped)
    for module in (plain, swapped):
        parametrizations.spectral_norm(module, "weight_hh_l0")
    plain.load_state_dict(swapped.state_dict())
    assert_same(plain.eval(), swapped.eval(), lambda m: m(torch.randn(7, 4, 5)))
    recurra.restore(swapped)
    assert type(swapped).__bases__ == (nn.GRU,)
    assert_same(plain, swapped, lambda m: m(torch.randn(7, 4, 5)))


@forced
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weight_norm_by_hook():
    plain, swapped = (nn.utils.weight_norm(nn.LSTM(5, 6), "weight_hh_l0") for _ in range(2))
    swapped.load_state_dict(plain.state_dict())
    recurra.accelerate(swapped)
    assert_same(plain, swapped, lambda m: m(torch.randn(7, 4, 5)))


@forced
def test_weights_dropped_as_awd_lstm_does():
    layer = nn.LSTM(5, 6)
    raw = layer._parameters.pop("weight_hh_l0")
    layer.register_parameter("weight_hh_l0_raw", nn.Parameter(raw.detach()))
    plain, swapped = layer, copy.deepcopy(layer)
    recurra.accelerate(swapped)

    def dropped(module):
        module.weight_hh_l0 = nn.functional.dropout(module.weight_hh_l0_raw, 0.5)
        return module(torch.randn(7, 4, 5))

    assert_same(plain, swapped, dropped)
    assert swapped.weight_hh_l0_raw.grad.eq(0).any()


@forced
def test_functional_call_and_replicas():
    plain, swapped = twins(nn.LSTM(5, 6))
    x = torch.randn(3, 7, 4, 5)
    other = {name: torch.randn_like(parameter) for name, parameter in plain.named_parameters()}
    expected = torch.func.functional_call(plain, other, (x[0],))[0]
    torch.testing.assert_close(torch.func.functional_call(swapped, other, (x[0],))[0], expected)
    torch.testing.assert_close(swapped(x[0])[0], plain(x[0])[0])
    replica = swapped._replicate_for_data_parallel()  # as nn.DataParallel does it, on each GPU
    for name, parameter in swapped.named_parameters():
        setattr(replica, name, parameter.detach().clone())
    torch.testing.assert_close(replica(x[0])[0], plain(x[0])[0])


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
def test_what_torch_runs_faster_it_runs():
    def kernels(layer, x):
        recurra.accelerate(layer)
        with torch.no_grad():
            return {(choice.kernel, choice.why.split(":")[0]) for choice in explain(layer, x)}

    assert kernels(nn.LSTM(4, 4, 2), torch.randn(50, 2, 4)) == {("torch", "all lengths are equal")}
    assert kernels(nn.GRU(4, 4), torch.randn(5, 2, 4)) == {("torch", "5 steps")}
    assert kernels(nn.GRU(4, 4, batch_first=True), torch.randn(50, 5, 4)) == {("torch", "5 steps")}
    (choice,) = explain(nn.Sequential(nn.GRU(4, 4).double()), torch.randn(50, 2, 4).double()) or [None]
    assert choice is None  # not recurra's
    ((kernel, why),) = kernels(nn.GRU(4, 4).double(), torch.randn(50, 2, 4).double())
    assert kernel == "torch"
    assert why.startswith("torch's forward is faster than all but the native kernel")
