"""An accelerated model is the model that it was: same results, same objects, same errors; restored, the very same."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import recurra
from recurra.errors import SettingsError
from recurra.swap import Report, Swap

KINDS = (nn.RNN, nn.LSTM, nn.GRU)
LENGTHS = [3, 7, 1, 5]


class Tagger(nn.Module):
    """A model as people write them: one layer used twice, some in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.below = nn.GRU(6, 6, batch_first=True)
        self.above = nn.ModuleList(
            [nn.LSTM(6, 4, batch_first=True, bidirectional=True), nn.RNN(8, 5, batch_first=True)]
        )
        self.again = self.below
        self.out = nn.Linear(5, 3)

    def forward(self, tokens, lengths):
        x = self.again(self.below(self.embed(tokens))[0])[0]
        x, _ = self.above[0](pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        x, _ = pad_packed_sequence(x, batch_first=True)
        return self.out(self.above[1](x)[0])


class Wrapped(nn.LSTM):
    """A subclass whose forward calls torch's."""

    def forward(self, input, hx=None):
        return super().forward(input * 2, hx)


class Named(nn.GRU):
    """A subclass with nothing but a constructor."""

    def __init__(self, size):
        super().__init__(size, size)


class Own(nn.LSTM):
    def forward(self, input, hx=None):
        return nn.LSTM.forward(self, input, hx)


class Checked(nn.LSTM):
    def check_input(self, input, batch_sizes):
        raise AssertionError("called")


class Directed(nn.LSTM):
    num_directions = 1


class Sealed(nn.LSTM):
    def __init_subclass__(cls) -> None:
        raise TypeError("Sealed is final")


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


def train(model, optimizer, steps):
    losses = []
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        tokens = torch.randint(20, (4, 7), generator=generator)
        optimizer.zero_grad()
        loss = model(tokens, torch.tensor(LENGTHS)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_everything_but_the_class_stays():
    model = Tagger()
    before = [(name, id(part), type(part)) for name, part in model.named_modules(remove_duplicate=False)]
    parameters, state = [id(p) for p in model.parameters()], list(model.state_dict())
    model.above[1].eval()
    recurra.accelerate(model)
    assert isinstance(model.below, nn.GRU)
    assert isinstance(model.above[0], nn.LSTM)
    assert [(n, id(part)) for n, part in model.named_modules(remove_duplicate=False)] == [b[:2] for b in before]
    assert [id(p) for p in model.parameters()] == parameters
    assert list(model.state_dict()) == state
    assert not model.above[1].training
    assert model.above[0].all_weights[1][0] is model.above[0].weight_ih_l0_reverse
    model.below.flatten_parameters()
    model.double().float()
    recurra.restore(model)
    assert [(n, id(part), type(part)) for n, part in model.named_modules(remove_duplicate=False)] == before


def test_prints_as_before():
    model = Tagger()
    printed = repr(model)
    recurra.accelerate(model)
    assert repr(model) == printed


@forced
def test_an_optimiser_made_before_goes_on():
    losses = []
    for accelerated in (False, True):
        torch.manual_seed(0)
        model = Tagger()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        first = train(model, optimizer, 2)
        if accelerated:
            recurra.accelerate(model)
        middle = train(model, optimizer, 5)
        if accelerated:
            recurra.restore(model)
        losses.append(first + middle + train(model, optimizer, 2))
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert losses[0][-1] < losses[0][0]


@forced
def test_hooks_go_on():
    layer, calls = nn.LSTM(5, 6), []
    layer.register_forward_pre_hook(lambda module, given: (given[0] * 2, *given[1:]))
    layer.register_forward_hook(lambda module, given, result: calls.append(tuple(result[0].shape)))
    layer.register_full_backward_hook(lambda module, before, after: calls.append(before[0].clone()))
    plain, swapped = layer, copy.deepcopy(layer)
    recurra.accelerate(swapped)
    x = torch.randn(7, 4, 5, requires_grad=True)
    for module in (plain, swapped):
        module(x)[0].square().sum().backward()
    assert calls[0] == calls[2] == (7, 4, 6)
    torch.testing.assert_close(calls[1], calls[3])
    recurra.restore(swapped)
    swapped(x)[0].sum().backward()
    assert len(calls) == 6


@pytest.mark.parametrize("make", [lambda: nn.LSTM(5, 6, num_layers=2), lambda: Named(5), lambda: Wrapped(5, 6)])
def test_copies_and_pickles_are_accelerated_too(make):
    layer = make()
    recurra.accelerate(layer)
    x = torch.randn(7, 4, 5)
    saved = io.BytesIO()
    torch.save(layer, saved)
    saved.seek(0)
    others = [copy.deepcopy(layer), copy.copy(layer), pickle.loads(pickle.dumps(layer))]
    others.append(torch.load(saved, weights_only=False))
    for other in others:
        assert type(other) is type(layer)
        assert torch.equal(other(x)[0], layer(x)[0])
        recurra.restore(other)
        torch.testing.assert_close(other(x)[0], layer(x)[0])
    with torch.no_grad():
        others[0].weight_hh_l0.zero_()
    assert layer.weight_hh_l0.any()
    restored = make()
    restored.load_state_dict(layer.state_dict())


def test_a_copy_of_a_restored_layer_is_of_torch():
    layer = nn.GRU(3, 4)
    recurra.accelerate(layer)
    recurra.restore(layer)
    assert type(pickle.loads(pickle.dumps(layer))) is nn.GRU
    assert b"recurra" not in pickle.dumps(layer)


@forced
def test_distributed_data_parallel(tmp_path):
    torch.distributed.init_process_group("gloo", f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        losses = []
        for accelerated in (False, True):
            torch.manual_seed(0)
            model = nn.parallel.DistributedDataParallel(Tagger())
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            if accelerated:
                assert len(recurra.accelerate(model).swapped) == 3
            losses.append(train(model, optimizer, 5))
        assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    finally:
        torch.distributed.destroy_process_group()


@forced
def test_the_report():
    model = Tagger()
    report = recurra.accelerate(model)
    assert report.swapped == ["below", "above.0", "above.1"]
    assert report.left == report.restored == []
    assert str(report).splitlines() == [
        "swapped  below    GRU(6, 6, batch_first=True)                       shares its 4 parameters",
        "swapped  above.0  LSTM(6, 4, batch_first=True, bidirectional=True)  shares its 8 parameters",
        "swapped  above.1  RNN(8, 5, batch_first=True)                       shares its 4 parameters",
    ]
    again = recurra.accelerate(model)
    assert [swap.why for swap in again.layers] == ["already accelerated"] * 3
    assert recurra.restore(model).restored == report.swapped
    assert recurra.restore(model) == Report(())
    assert str(recurra.restore(model)) == "no recurrent layer"


def replaced():
    layer = nn.LSTM(3, 4)
    layer.forward = lambda x: x
    return layer


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Own(3, 4), "Own has a forward of its own, which does not call torch's through super()"),
        (lambda: Checked(3, 4), "Checked overrides check_input, which only torch's forward calls"),
        (lambda: Directed(3, 4), "Directed has num_directions of its own, a name that recurra's forward needs"),
        (lambda: Sealed(3, 4), "its class cannot be extended: Sealed is final"),
        (replaced, "its forward was replaced by another on this layer"),
        (lambda: nn.LSTMCell(3, 4), "a cell runs one step a call: the loop over time is the model's"),
        (lambda: nn.GRUCell(3, 4), "a cell runs one step a call: the loop over time is the model's"),
        (lambda: nn.RNNCell(3, 4), "a cell runs one step a call: the loop over time is the model's"),
        (lambda: nn.RNNBase("GRU", 3, 4), "neither an RNN nor an LSTM nor a GRU of torch.nn"),
        (lambda: recurra.nn.LSTM(3, 4), "recurra's own already"),
    ],
)
def test_what_is_left_and_why(make, why):
    layer = make()
    model = nn.ModuleDict({"one": layer, "two": nn.GRU(3, 4)})
    cls = type(layer)
    report = recurra.accelerate(model)
    assert report.layers[0] == Swap("one", f"{cls.__name__}({layer.extra_repr()})", "left", why)
    assert (report.left, report.swapped) == (["one"], ["two"])
    assert type(layer) is cls
    with pytest.warns(UserWarning, match=r"accelerate swapped nothing: left"):
        recurra.accelerate(layer)


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated", "ignore:torch.quantize_per_tensor")
def test_quantized_layers_are_left():
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(3, 4), nn.Linear(4, 2)), {nn.LSTM})
    model.append(nn.LSTM(3, 4))
    report = recurra.accelerate(model)
    assert (report.left, report.swapped) == (["0"], ["2"])
    assert report.layers[0].why == "quantized, or prepared for it: its arithmetic is not that of torch.nn"


def test_layers_elsewhere_are_swapped_and_run_by_torch():
    layer = nn.LSTM(3, 4, device="meta")
    assert recurra.accelerate(layer).layers[0].why == "shares its 4 parameters; on meta torch's forward runs it"
    assert layer(torch.randn(5, 2, 3, device="meta"))[0].shape == (5, 2, 4)
    half = nn.LSTM(3, 4, dtype=torch.float16)
    assert recurra.accelerate(half).layers[0].why == "shares its 4 parameters; in float16 torch's forward runs it"


def test_nothing_to_do_and_no_module():
    with pytest.warns(UserWarning, match="accelerate swapped nothing: no recurrent layer"):
        recurra.accelerate(nn.Linear(2, 2))
    for function in (recurra.accelerate, recurra.restore):
        with pytest.raises(SettingsError, match=r"module: expected a torch.nn.Module, got list"):
            function([nn.LSTM(2, 2)])
