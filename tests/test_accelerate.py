"""An accelerated model is the model that it was: same results, same objects, same errors; restored, the very same."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

import recurra
from recurra.errors import SettingsError, ShapeError
from recurra.kernels import explain
from recurra.kernels.dispatch import use_kernel
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


@pytest.mark.parametrize("kind", KINDS)
def test_errors_are_those_of_torch(kind):
    plain, swapped = twins(kind(5, 6))
    x, h = torch.randn(7, 4, 5), torch.zeros(1, 4, 6)
    state = (lambda t: (t, t)) if kind is nn.LSTM else (lambda t: t)
    calls = [
        lambda m: m(torch.randn(7, 4, 3)),
        lambda m: m(torch.randn(7, 4, 5, 5)),
        lambda m: m(x.double()),
        lambda m: m(torch.randn(0, 4, 5)),
        lambda m: m(x, state(h[:, :3])),
        lambda m: m(x, state(h[0])),
        lambda m: m(x[:, 0], state(h)),
        lambda m: m(x, state(h.double())),
        lambda m: m(x.to_sparse()),
        lambda m: m(None),
        lambda m: m(PackedSequence(torch.randn(5, 3), torch.tensor([3, 2]))),
    ]
    for call in calls:
        raised = []
        for module in (plain, swapped):
            with pytest.raises(Exception, match=r".") as caught:
                call(module)
            raised.append((type(caught.value), str(caught.value)))
        assert raised[0] == raised[1]


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
    with torch.no_grad():
        for module in (plain, swapped):
            module.weight_hh_l0_g.mul_(3)
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


def test_vmap_and_gradients_of_each_sample():
    plain, swapped = twins(nn.GRU(5, 6))
    x = torch.randn(3, 20, 4, 5)
    each = torch.stack([plain(part)[0] for part in x])
    torch.testing.assert_close(torch.func.vmap(lambda part: swapped(part)[0])(x), each)
    weights = dict(swapped.named_parameters())

    def loss(parameters, part):
        return torch.func.functional_call(swapped, parameters, (part,))[0].square().sum()

    found = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)
    for part, gradient in zip(x, found["weight_hh_l0"]):
        plain.zero_grad()
        plain(part)[0].square().sum().backward()
        torch.testing.assert_close(gradient, plain.weight_hh_l0.grad)


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


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_trace_script_and_export():
    model, x = nn.Sequential(nn.Linear(5, 5), nn.LSTM(5, 6)), torch.randn(7, 4, 5)
    expected = model(x)[0]
    recurra.accelerate(model)
    traced = torch.jit.trace(model, x)
    torch.testing.assert_close(traced(x)[0], expected)
    assert "aten::lstm" in str(traced.inlined_graph)
    with pytest.warns(UserWarning, match="torch.jit.script cannot compile recurra's forward"):
        scripted = torch.jit.script(model)
    torch.testing.assert_close(scripted(x)[0], expected)
    assert type(model[1]) is nn.LSTM
    with pytest.warns(UserWarning, match="accelerate swapped nothing"):
        report = recurra.accelerate(scripted)
    assert report.layers[0].why == "compiled by TorchScript, which holds torch's own kernel"


@pytest.mark.filterwarnings("ignore:The tensor attributes.*:UserWarning", "ignore::DeprecationWarning")
def test_exported():
    model, x = nn.Sequential(nn.Linear(5, 5), nn.GRU(5, 6)), torch.randn(7, 4, 5)
    expected = model(x)[0]
    recurra.accelerate(model)
    torch.testing.assert_close(torch.export.export(model, (x,)).module()(x)[0], expected)


@forced
def test_compiled():
    plain, swapped = twins(nn.Sequential(nn.Linear(5, 5), nn.GRU(5, 6)))
    compiled = torch.compile(swapped, backend="eager")
    for time in (7, 9, 4):
        assert_same(plain, compiled, lambda m, time=time: m(torch.randn(time, 4, 5)))


def test_what_torch_runs_faster_it_runs():
    def kernels(layer, x):
        recurra.accelerate(layer)
        return {(choice.kernel, choice.why.split(":")[0]) for choice in explain(layer, x)}

    assert kernels(nn.LSTM(4, 4, 2), torch.randn(50, 2, 4)) == {("torch", "all lengths are equal")}
    assert kernels(nn.GRU(4, 4), torch.randn(5, 2, 4)) == {("torch", "5 steps")}
    assert kernels(nn.GRU(4, 4, batch_first=True), torch.randn(50, 5, 4)) == {("torch", "5 steps")}
    (choice,) = explain(nn.Sequential(nn.GRU(4, 4).double()), torch.randn(50, 2, 4).double()) or [None]
    assert choice is None  # not recurra's
    ((kernel, why),) = kernels(nn.GRU(4, 4).double(), torch.randn(50, 2, 4).double())
    assert kernel == "torch"
    assert why.startswith("torch's forward is faster than all but the native kernel")


@forced
def test_the_report():
    model = Tagger()
    report = recurra.accelerate(model)
    assert report.swapped == ["below", "above.0", "above.1"]
    assert report.left == report.restored == []
    assert str(report) == (
        "swapped  below    GRU(6, 6, batch_first=True)                      shares its 4 parameters\n"
        "swapped  above.0  LSTM(6, 4, batch_first=True, bidirectional=True)  shares its 8 parameters\n"
        "swapped  above.1  RNN(8, 5, batch_first=True)                      shares its 4 parameters"
    ).replace("GRU(6, 6, batch_first=True)  ", "GRU(6, 6, batch_first=True)   ").replace(
        "RNN(8, 5, batch_first=True)  ", "RNN(8, 5, batch_first=True)   "
    )
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
