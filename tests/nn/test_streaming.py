"""Streaming: step after step, and chunk after chunk, give what `torch.nn` gives over the whole sequence."""

from __future__ import annotations

import copy
import gc
import io
import os
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

import recurra.nn
from recurra.errors import SettingsError, ShapeError
from recurra.kernels import native
from recurra.kernels.native import loader
from recurra.kernels.native.stream import PRECISIONS
from recurra.nn import streaming
from recurra.nn.options import DEFAULTS

KINDS = {
    "rnn_tanh": ("RNN", {"nonlinearity": "tanh"}),
    "rnn_relu": ("RNN", {"nonlinearity": "relu"}),
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
}
needs_native = pytest.mark.skipif(native.variant() is None, reason="the native kernels were not built here")


def runs_here(variant):
    try:
        loader._load(variant)
    except SettingsError:
        return False
    return True


@pytest.fixture(params=loader.VARIANTS)
def variant(request, monkeypatch):
    """Each instruction set in turn, forced."""
    if not runs_here(request.param):
        pytest.skip(f"{request.param} was not built or does not run on this processor")
    monkeypatch.setenv("RECURRA_NATIVE", request.param)
    return request.param


@pytest.fixture(autouse=True)
def _one_seed_and_the_threads_as_before():
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def make(kind, width, size, **options):
    """A layer of recurra and one of torch.nn with the same weights."""
    name, extra = KINDS[kind]
    theirs = getattr(nn, name)(width, size, **extra, **options)
    ours = getattr(recurra.nn, name)(width, size, **extra, **options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def stream(layer, x, state=None, precision="float32"):
    """Step after step over x [T, B, I] or [T, I]: the outputs, and the parts of the final state."""
    outputs = []
    for x_t in x:
        output, state = layer.step(x_t, state, precision)
        outputs.append(output)
    return torch.stack(outputs), *parts(state)


def whole(theirs, x, state=None):
    output, final = theirs(x, state)
    return output, *parts(final)


def assert_same(got, expected, tolerance=1e-5):
    assert len(got) == len(expected)
    for g, e in zip(got, expected):
        torch.testing.assert_close(g, e, rtol=tolerance, atol=tolerance)


def is_native(layer, precision="float32"):
    return streaming._packed[layer][precision].stack is not None


def first_state(kind, layers, batch, size):
    state = tuple(torch.randn(layers, batch, size) for _ in range(2 if kind == "lstm" else 1))
    return state if len(state) > 1 else state[0]


@needs_native
@torch.no_grad()
@pytest.mark.parametrize(
    ("width", "size", "layers", "batch", "bias"),
    [(3, 1, 1, 1, True), (1, 17, 2, 2, True), (5, 33, 3, 7, False), (64, 50, 2, 40, True), (6, 64, 3, 1, False)],
)
def test_step_after_step_equals_torch(variant, kind, width, size, layers, batch, bias):
    ours, theirs = make(kind, width, size, num_layers=layers, bias=bias)
    x, state = torch.randn(5, batch, width), first_state(kind, layers, batch, size)
    assert_same(stream(ours, x, state), whole(theirs, x, state))
    assert_same(stream(ours, x), whole(theirs, x))
    assert is_native(ours)


@torch.no_grad()
def test_one_sequence_without_a_batch(kind):
    ours, theirs = make(kind, 3, 9, num_layers=2)
    x = torch.randn(5, 3)
    assert_same(stream(ours, x), whole(theirs, x))


@needs_native
@torch.no_grad()
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch", [1, 9])
def test_threads_change_nothing(variant, kind, precision, batch):
    """300 units: the threads divide them, and meet after each layer."""
    ours, _ = make(kind, 20, 300, num_layers=3)
    x, runs = torch.randn(4, batch, 20), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        runs.append(stream(ours, x, None, precision))
    assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(run, runs[0]))


@needs_native
@torch.no_grad()
@pytest.mark.parametrize("precision", PRECISIONS)
def test_company_changes_no_bit(variant, kind, precision):
    ours, _ = make(kind, 9, 35, num_layers=2)
    x = torch.randn(4, 11, 9)
    together = stream(ours, x, None, precision)
    for index in range(11):
        alone = stream(ours, x[:, index : index + 1], None, precision)
        assert all(torch.equal(a[:, 0], t[:, index]) for a, t in zip(alone, together))


def rounded_to_bfloat16(matrix):
    return matrix.bfloat16().float()


def rounded_to_int8(matrix):
    scale = matrix.abs().amax(1, keepdim=True) / 127
    return (matrix / scale).round().clamp(-127, 127) * scale


@needs_native
@torch.no_grad()
@pytest.mark.parametrize(
    ("precision", "rounded", "tolerance"),
    [("bfloat16", rounded_to_bfloat16, 1e-5), ("int8", rounded_to_int8, 1e-3)],  # int8: inputs of 16 bits
)
@pytest.mark.parametrize(("width", "size", "batch"), [(3, 1, 2), (7, 33, 9), (66, 50, 1)])
def test_fewer_bits_are_the_rounded_weights(variant, kind, precision, rounded, tolerance, width, size, batch):
    ours, theirs = make(kind, width, size, num_layers=2)
    for name, parameter in theirs.named_parameters():
        if name.startswith("weight"):
            parameter.copy_(rounded(parameter))
    x, state = torch.randn(6, batch, width), first_state(kind, 2, batch, size)
    assert_same(stream(ours, x, state, precision), whole(theirs, x, state), tolerance)
    assert is_native(ours, precision)


@needs_native
@torch.no_grad()
def test_zero_weights_and_zero_inputs(variant, kind):
    ours, theirs = make(kind, 4, 18)
    for layer in (ours, theirs):
        layer.weight_ih_l0[5] = 0
        layer.weight_hh_l0.zero_()
    for precision, tolerance in zip(PRECISIONS, (1e-5, 1e-2, 1e-2)):
        assert_same(stream(ours, torch.zeros(2, 1, 4), None, precision), whole(theirs, torch.zeros(2, 1, 4)), 1e-6)
        x = torch.randn(2, 3, 4)
        assert_same(stream(ours, x, None, precision), whole(theirs, x), tolerance)


@needs_native
@torch.no_grad()
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_poison_stays_in_its_own_sequence(variant, kind, poison):
    ours, theirs = make(kind, 3, 18)
    x = torch.randn(3, 9, 3)
    clean = {precision: stream(ours, x, None, precision) for precision in PRECISIONS}
    x[1, 4] = poison
    others = [index for index in range(9) if index != 4]
    for precision in PRECISIONS:
        dirty = stream(ours, x, None, precision)
        assert all(torch.equal(d[:, others], c[:, others]) for d, c in zip(dirty, clean[precision]))
        if precision == "int8":
            assert dirty[0][1:, 4].isnan().all()
        else:
            assert torch.equal(dirty[0].isnan(), whole(theirs, x)[0].isnan())


@needs_native
@torch.no_grad()
@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_that_are_not_finite(variant, precision):
    ours, theirs = make("rnn_tanh", 3, 18)
    for layer in (ours, theirs):
        layer.weight_ih_l0[2, 1] = float("nan")
        layer.weight_hh_l0[7, 3] = float("inf")
    x = torch.randn(1, 2, 3)
    got, expected = stream(ours, x, None, precision)[0], whole(theirs, x)[0]
    assert torch.equal(got.isnan(), expected.isnan()) or precision == "int8"
    assert got[0, :, 2].isnan().all()
    assert got[0, :, [0, 1, 3, 4, 5, 6, *range(8, 18)]].isfinite().all()


def change_in_place(layer):
    with torch.no_grad():
        layer.weight_hh_l0.mul_(0.5)


def change_by_an_optimiser(layer):
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(torch.ones(2, 1, layer.input_size))[0].sum().backward()
    optimizer.step()


def change_by_loading(layer):
    layer.load_state_dict({name: value * 0.5 for name, value in layer.state_dict().items()})


def change_by_assigning(layer):
    layer.load_state_dict({name: value * 0.5 for name, value in layer.state_dict().items()}, assign=True)


def change_a_parameter(layer):
    layer.bias_hh_l1 = nn.Parameter(layer.bias_hh_l1.detach() + 1)


def change_twice(layer):
    """The second of the new parameters may come to lie where the old one was."""
    for value in (5.0, 0.3):
        layer.weight_hh_l0 = nn.Parameter(torch.full_like(layer.weight_hh_l0, value))


def change_there_and_back(layer):
    layer.double()
    change_in_place(layer)
    layer.float()


CHANGES = [
    change_in_place,
    change_by_an_optimiser,
    change_by_loading,
    change_by_assigning,
    change_a_parameter,
    change_twice,
    change_there_and_back,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_are_packed_anew_when_they_change(kind, precision, change):
    if precision != "float32" and native.variant() is None:
        pytest.skip("the native kernels were not built here")
    ours, theirs = make(kind, 3, 18, num_layers=2)
    x = torch.randn(3, 2, 3)
    for _ in range(3):
        before = stream(ours, x, None, precision)[0]
        change(ours)
        theirs.load_state_dict(ours.state_dict())
        after = stream(ours, x, None, precision)
        assert (after[0] - before).abs().max() > 1e-4 or change is change_twice
        with torch.no_grad():
            assert_same(after, whole(theirs, x), 1e-5 if precision == "float32" else 0.05)


@needs_native
@torch.no_grad()
def test_weights_are_packed_once():
    ours, _ = make("gru", 3, 18)
    x, state = torch.randn(1, 3), None
    kept = set()
    for _ in range(5):
        _, state = ours.step(x, state)
        kept.add(id(streaming._packed[ours]["float32"].stack))
    ours.step(x, state, "int8")
    ours.step(x, state)
    kept.add(id(streaming._packed[ours]["float32"].stack))
    assert len(kept) == 1


@torch.no_grad()
def test_packed_weights_are_not_saved_copied_or_kept():
    ours, theirs = make("lstm", 3, 18)
    x = torch.randn(2, 1, 3)
    expected = stream(ours, x)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    buffer = io.BytesIO()
    torch.save(ours, buffer)
    copies = [copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))]
    assert len(buffer.getvalue()) < 2 * sum(4 * p.numel() for p in ours.parameters()) + 10_000
    for copied in copies:
        assert copied not in streaming._packed
        assert_same(stream(copied, x), expected)
        copied.weight_hh_l0.zero_()
    assert_same(stream(ours, x), expected)
    gone = weakref.ref(copied.weight_ih_l0), weakref.ref(copied)
    count = len(streaming._packed)
    del copied, copies
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
    assert len(streaming._packed) == count - 2


@torch.no_grad()
def test_arguments_are_left_as_they_were_and_results_are_new(kind):
    ours, _ = make(kind, 3, 18, num_layers=2)
    x, state = torch.randn(2, 3), first_state(kind, 2, 2, 18)
    before = [tensor.clone() for tensor in (x, *parts(state))]
    output, after = ours.step(x, state)
    again, _ = ours.step(x, state)
    assert torch.equal(output, again)
    assert all(torch.equal(a, b) for a, b in zip(before, (x, *parts(state))))
    kept = parts(after)[0].clone()
    output.zero_()
    assert torch.equal(parts(after)[0], kept)


@needs_native
@torch.no_grad()
def test_called_from_several_python_threads_at_once(kind):
    ours, theirs = make(kind, 20, 130, num_layers=2)
    torch.set_num_threads(2)
    batches = [torch.randn(12, 1 + number % 3, 20) for number in range(16)]
    expected = [whole(theirs, x) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        for got, wanted in zip(pool.map(torch.no_grad()(lambda x: stream(ours, x)), batches), expected):
            assert_same(got, wanted)


@needs_native
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@torch.no_grad()
def test_fork_after_threads_were_used():
    ours, _ = make("lstm", 20, 300)
    torch.set_num_threads(2)
    x = torch.randn(3, 1, 20)
    expected = stream(ours, x)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if all(torch.equal(a, b) for a, b in zip(stream(ours, x), expected)) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@torch.no_grad()
@pytest.mark.parametrize("batch_first", [False, True])
def test_chunks_with_carried_state_equal_the_whole(kind, batch_first):
    ours, theirs = make(kind, 3, 18, num_layers=2, batch_first=batch_first)
    x = torch.randn(9, 4, 3)
    expected, final, *_ = (lambda output, state: (output, *parts(state)))(
        *theirs(x.transpose(0, 1) if batch_first else x)
    )
    state, outputs = None, []
    for chunk in x.split([2, 1, 5, 1]):
        output, state = ours(chunk.transpose(0, 1) if batch_first else chunk, state)
        outputs.append(output)
    assert_same((torch.cat(outputs, 1 if batch_first else 0), parts(state)[0]), (expected, final))
    assert_same(stream(ours, x)[:1], (expected.transpose(0, 1) if batch_first else expected,))


@torch.no_grad()
@pytest.mark.parametrize("k", [1, 3, 6])
def test_chunks_with_lengths_equal_each_sequence_alone(kind, k):
    """A sequence that ends within the first chunk has length zero in the second, and keeps its state."""
    ours, theirs = make(kind, 3, 18, num_layers=2)
    lengths = torch.tensor([7, 2, 0, 3, 6])
    x = torch.randn(7, 5, 3)
    first, state = ours(x[:k], lengths=lengths.clamp(max=k))
    second, state = ours(x[k:], state, lengths=(lengths - k).clamp(min=0))
    together = torch.cat([first, second])
    for index, length in enumerate(lengths.tolist()):
        assert not together[length:, index].any()
        if length:
            output, *final = whole(theirs, x[:length, index : index + 1])
            assert_same((together[:length, index],), (output[:, 0],))
            assert_same([part[:, index] for part in parts(state)], [part[:, 0] for part in final])


def test_float64_goes_through_the_ordinary_forward(kind):
    ours, theirs = make(kind, 3, 9, num_layers=2, dtype=torch.float64)
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    with torch.no_grad():
        assert_same(stream(ours, x), whole(theirs, x), 1e-12)
        with pytest.raises(SettingsError, match=r"'int8' needs the native kernel, but .*float64; use 'float32'"):
            ours.step(x[0], None, "int8")


@torch.no_grad()
def test_without_the_native_kernels(kind, monkeypatch):
    monkeypatch.setenv("RECURRA_NATIVE", "none")
    ours, theirs = make(kind, 3, 9, num_layers=2)
    x = torch.randn(4, 2, 3)
    assert_same(stream(ours, x), whole(theirs, x))
    with pytest.raises(SettingsError, match="'bfloat16' needs the native kernel, but it is switched off"):
        ours.step(x[0], None, "bfloat16")


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_a_projection_goes_through_the_ordinary_forward():
    ours, theirs = make("lstm", 3, 9, num_layers=2, proj_size=4)
    x = torch.randn(4, 2, 3)
    assert_same(stream(ours, x), whole(theirs, x))
    with pytest.raises(SettingsError, match=r"not weight_hr_l0, weight_hr_l1; use 'float32'"):
        ours.step(x[0], None, "int8")


def test_dropout_drops_in_training_and_not_in_evaluation():
    ours, theirs = make("gru", 3, 40, num_layers=2, dropout=0.5)
    x = torch.randn(3, 2, 3)
    torch.manual_seed(1)
    expected = whole(theirs, x[:1])
    torch.manual_seed(1)
    got = ours.step(x[0])[0]
    assert not torch.allclose(got, ours.step(x[0])[0])
    assert got.shape == expected[0][0].shape
    with pytest.raises(SettingsError, match="the layer has dropout"):
        ours.step(x[0], None, "int8")
    assert_same(stream(ours.eval(), x), whole(theirs.eval(), x))


def test_inputs_that_require_gradients_get_them(kind):
    ours, theirs = make(kind, 3, 9, num_layers=2)
    x = torch.randn(4, 2, 3, requires_grad=True)
    assert stream(ours, x.detach())[0].grad_fn is None
    for results in (stream(ours, x), whole(theirs, x)):
        results[0].square().sum().backward()
    ours_grad = torch.autograd.grad(stream(ours, x)[0].square().sum(), x)[0]
    assert_same((ours_grad,), (torch.autograd.grad(whole(theirs, x)[0].square().sum(), x)[0],))
    assert_same([p.grad for p in ours.parameters()], [p.grad for p in theirs.parameters()])
    with pytest.raises(SettingsError, match="it has no gradients"):
        ours.step(x[0], None, "int8")
    with torch.no_grad():
        ours.step(x[0])
    state = first_state(kind, 2, 2, 9)
    (parts(state)[-1]).requires_grad_()
    assert ours.step(x[0].detach(), state)[0].requires_grad


def test_strange_tensors_give_the_right_answer(kind):
    ours, theirs = make(kind, 4, 18)
    wide, state = torch.randn(2, 9), first_state(kind, 1, 2, 18)
    strided = tuple(part.transpose(0, 2).contiguous().transpose(0, 2) for part in parts(state))
    strided = strided if len(strided) > 1 else strided[0]
    with torch.no_grad():
        for x in (wide[:, 1:5], wide[:, ::2][:, :4], torch.randn(4, 2).t(), torch.randn(4).expand(2, 4)):
            assert_same((ours.step(x, strided)[0],), (theirs(x[None], state)[0][0],))
        narrow, one = make(kind, 1, 18)
        negated = torch.tensor([[1 + 2j]]).conj().imag
        assert negated.is_neg()
        assert_same((narrow.step(negated)[0],), (one(torch.tensor([[[-2.0]]]))[0][0],))
        assert ours.step(torch.empty(0, 4))[0].shape == (0, 18)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # torch's own, from forward_ad
def test_functional_calls_and_transforms(kind):
    """A transform replaces tensors by its own, which have no memory to read."""
    ours, theirs = make(kind, 4, 18)
    x = torch.randn(5, 2, 4)
    with torch.no_grad():
        assert_same(
            (torch.vmap(lambda one: ours.step(one)[0])(x),), (whole(theirs, x.reshape(1, 10, 4))[0].view(5, 2, 18),)
        )
        doubled = {name: 2 * parameter for name, parameter in theirs.named_parameters()}
        expected, _ = torch.func.functional_call(theirs, doubled, (x[:1],))
        ours.step(x[0])
        outputs = []

        class Stepping(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = ours

            def forward(self, x_t):
                return self.layer.step(x_t)[0]

        named = {f"layer.{name}": value for name, value in doubled.items()}
        outputs.append(torch.func.functional_call(Stepping(), named, (x[0],)))
        assert_same(outputs, expected)
        assert_same((ours.step(x[0])[0],), whole(theirs, x[:1])[0])
    with forward_ad.dual_level(), torch.no_grad():
        dual = forward_ad.make_dual(x[0], x[1])
        with pytest.raises(SettingsError, match="no gradients"):
            ours.step(dual, None, "int8")


@torch.no_grad()
def test_compiled_code_may_step():
    ours, theirs = make("lstm", 4, 18)
    x = torch.randn(3, 2, 4)
    for precision, tolerance in (("float32", 1e-5), ("int8", 1e-2)):
        compiled = torch.compile(lambda x, state, p=precision: ours.step(2 * x, state, p), backend="eager")
        state = None
        for x_t in x:
            output, state = compiled(x_t, state)
        assert_same((output,), (whole(theirs, 2 * x)[0][-1],), tolerance)


@torch.no_grad()
@pytest.mark.parametrize(
    "options",
    [
        {"zoneout": 0.1},
        {"layer_norm": True},
        {"connections": "residual"},
        {"connections": "highway"},
        {"learn_initial_state": True},
        {"input_dropout": 0.5},
        {"weight_dropout": 0.5},
        {"forget_bias": 2.0},
        {"init": "chrono", "chrono_steps": 9},
    ],
)
def test_what_torch_has_not_steps_as_the_whole_does(options):
    layer = recurra.nn.LSTM(3, 18, num_layers=2, **options).eval()
    if layer.learn_initial_state:
        layer.h_0.normal_()
        layer.c_0.normal_()
    for x in (torch.randn(4, 2, 3), torch.randn(4, 3)):
        assert_same(stream(layer, x), whole(layer, x))


def test_every_option_is_known_to_streaming():
    """A new option that steps know nothing of would be left out in silence."""
    without_effect = {"forget_bias", "chrono_steps", "learn_initial_state", "layer_norm"}  # or seen in the parameters
    assert {*streaming._ALWAYS, *streaming._IN_TRAINING} | without_effect == {*DEFAULTS, "dropout"}


@torch.no_grad()
def test_an_option_that_is_changed_later_counts():
    layer = recurra.nn.LSTM(3, 18, num_layers=2).eval()
    x = torch.randn(4, 2, 3)
    before = stream(layer, x)
    layer.zoneout = 0.4
    after = stream(layer, x)
    assert (before[0] - after[0]).abs().max() > 1e-3
    assert_same(after, whole(layer, x))


@torch.inference_mode()
def test_inference_mode(kind):
    ours, theirs = make(kind, 4, 18)  # parameters that do not tell of their changes
    x = torch.randn(3, 2, 4)
    assert_same(stream(ours, x), whole(theirs, x))
    ours.weight_hh_l0.zero_()
    theirs.weight_hh_l0.zero_()
    assert_same(stream(ours, x), whole(theirs, x))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda layer: layer.step(torch.randn(2, 5)), r"expected a last dimension of 4 \(input_size\), got 5"),
        (
            lambda layer: layer.step(torch.randn(3, 2, 4)),
            r"x_t: expected a tensor \[B, I\] or \[I\], one time",
        ),
        (lambda layer: layer.step(torch.randn(())), r"x_t: expected a tensor .*, one time step, got \(\)"),
        (lambda layer: layer.step(torch.randn(2, 4).double()), "expected torch.float32 as the parameters are"),
        (lambda layer: layer.step(torch.randn(2, 4).long()), "expected torch.float32 as the parameters are"),
        (lambda layer: layer.step(torch.randn(2, 4), (torch.zeros(1, 2, 9),) * 2), r"h_0: expected \(1, 2, 18\)"),
        (lambda layer: layer.step(torch.randn(2, 4), (torch.zeros(1, 3, 18),) * 2), r"h_0: expected \(1, 2, 18\)"),
        (
            lambda layer: layer.step(torch.randn(2, 4), (torch.zeros(1, 2, 18), torch.zeros(2, 2, 18))),
            r"c_0: expected \(1, 2, 18\)",
        ),
        (lambda layer: layer.step(torch.randn(2, 4), (torch.zeros(1, 2, 18), None)), "c_0: expected a tensor"),
        (lambda layer: layer.step(torch.randn(2, 4), torch.zeros(1, 2, 18)), "state: expected h and c, got 1 tensors"),
        (lambda layer: layer.step([1.0] * 4), "x_t: expected a tensor .* got list"),
    ],
)
def test_what_does_not_fit_is_an_error(call, said):
    layer, _ = make("lstm", 4, 18)
    with pytest.raises(ShapeError, match=said):
        call(layer)


def test_settings_that_make_no_sense():
    layer, _ = make("gru", 4, 18)
    with pytest.raises(SettingsError, match="precision: expected one of float32, bfloat16, int8, got 'int4'"):
        layer.step(torch.randn(4), None, "int4")
    with pytest.raises(ShapeError, match="state: expected h, got 2 tensors"):
        layer.step(torch.randn(4), (torch.zeros(1, 18), torch.zeros(1, 18)))
    both, _ = make("gru", 4, 18, bidirectional=True)
    with pytest.raises(SettingsError, match="a bidirectional layer reads from the end, which a stream has not reached"):
        both.step(torch.randn(4))
