"""The layers as an operator of torch.library: compiled whole, exported with dynamic lengths, differentiated twice."""

from __future__ import annotations

import io
import warnings

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.export import Dim, export

from recurra.errors import ShapeError
from recurra.kernels import explain, native, use_kernel

pytestmark = pytest.mark.filterwarnings(  # torch's own
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore:The .grad attribute of a Tensor that is not a leaf",
    "ignore:LSTM with projections is not supported with oneDNN",
)


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def leaf(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, requires_grad=True)


def test_compiled_whole_once_for_all_lengths_and_sizes(bench, kind):
    ours, theirs = bench.pair(kind, 4, 6, torch.float32, num_layers=2, bidirectional=True, dropout=0.5)
    ours.batch_first = batch_first = kind == "gru"
    ours.eval(), theirs.eval()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(ours, fullgraph=True, dynamic=True, backend=counter)
    graphs = []
    for time, lengths in ((5, [2, 5, 3]), (5, [5, 0, 1]), (7, [1, 7, 7, 3]), (9, [9, 2])):
        x, state = leaf(time, len(lengths), 4), bench.state(theirs, len(lengths))
        given = x.transpose(0, 1) if batch_first else x
        got = bench.run(compiled, given, state, lengths=torch.tensor(lengths))
        expected = bench.alone(theirs, x, lengths, state)
        got = (got[0].transpose(0, 1), *got[1:]) if batch_first else got
        bench.same(got, expected)
        bench.same(
            bench.gradients(got, [x, *state, *ours.parameters()]),
            bench.gradients(expected, [x, *state, *theirs.parameters()]),
        )
        graphs.append(counter.frame_count)
    assert graphs == graphs[:1] * 4  # what the first batch made served the others


def test_compiled_by_the_default_backend(bench):
    ours, theirs = bench.pair("lstm", 4, 6, torch.float32, bidirectional=True)
    compiled = torch.compile(ours, fullgraph=True)
    lengths = [2, 5, 0]
    x, state = leaf(5, 3, 4), bench.state(theirs, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the default backend are its own
        got = bench.run(compiled, x, state, lengths=torch.tensor(lengths))
        gradients = bench.gradients(got, [x, *ours.parameters()])
    expected = bench.alone(theirs, x, lengths, state)
    bench.same(got, expected)
    bench.same(gradients, bench.gradients(expected, [x, *theirs.parameters()]))


def test_without_biases(bench, kind):
    ours, theirs = bench.pair(kind, 4, 6, torch.float32, bias=False)
    x, state = leaf(5, 3, 4), bench.state(theirs, 3)
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    bench.check(compiled, theirs, x, [2, 5, 0], state, "native")


class Scorer(nn.Module):
    """Something around a layer, as a user's model has it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(12, 2)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x, lengths=lengths)[0])


def test_exported_with_dynamic_lengths(bench, kind):
    ours, theirs = bench.pair(kind, 4, 6, torch.float32, num_layers=2, bidirectional=True, batch_first=True)
    model = Scorer(ours).eval()
    shapes = {"x": {0: Dim("batch"), 1: Dim("time")}, "lengths": {0: Dim("batch")}}
    with torch.no_grad():
        program = export(model, (torch.randn(3, 5, 4), torch.tensor([2, 5, 3])), dynamic_shapes=shapes)
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    theirs.batch_first = False
    for lengths in ([4, 9], [1], [0, 7, 3, 7, 2]):
        x = torch.randn(len(lengths), max(lengths), 4)
        state = [torch.zeros(4, len(lengths), 6) for _ in range(2 if kind == "lstm" else 1)]
        alone, *_ = bench.alone(theirs, x.transpose(0, 1), lengths, state)
        bench.same([loaded(x, torch.tensor(lengths))], [model.head(alone).transpose(0, 1)])
    with pytest.raises(ShapeError, match="lengths: expected 0 to 4, got 3 to 5"):
        loaded(torch.randn(2, 4, 4), torch.tensor([5, 3]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_finds_the_operator_sound(bench, kind, dtype):
    """Schema, fake tensors, autograd and dispatch, by torch's own checker."""
    layer, _ = bench.pair(kind, 3, 4, dtype, bidirectional=True)
    weights = [tensor for end in ("l0", "l0_reverse") for tensor in layer._weights(end)[:4]]
    states = [torch.randn(2, 4, dtype=dtype) for _ in range(4 if kind == "lstm" else 2)]
    data = bench.leaf(5, 2, 3, dtype=dtype)
    arguments = (layer.cell, False, data, torch.tensor([2, 5]), [0, 1, 2, 3], weights, states, [], [], True)
    torch.library.opcheck(torch.ops.recurra.layer, arguments)


def test_first_and_second_derivative(bench, kind):
    layer, _ = bench.pair(kind, 2, 3)
    parts = 2 if kind == "lstm" else 1
    leaves = [bench.leaf(4, 3, 2), *layer._weights("l0")[:4], *(bench.leaf(3, 3) for _ in range(parts))]

    def run(data, *rest):
        lengths = torch.tensor([2, 0, 4])
        results = torch.ops.recurra.layer(
            kind, False, data, lengths, [0, 1, 2, 3], list(rest[:4]), list(rest[4:]), [], [], True
        )
        return tuple(results[: 1 + parts])

    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, leaves, fast_mode=True)


def test_second_derivative_through_a_carried_state(bench, kind):
    """The state and data of the second call depend on the same weights: no path may count twice."""
    layer, _ = bench.pair(kind, 3, 3, torch.float64)
    x, weights = bench.leaf(2, 2, 3), list(layer.parameters())

    def by_operator(x, *state):
        return torch.ops.recurra.layer(
            kind, False, x, torch.tensor([2, 2]), [0, 1, 2, 3], weights, [part[0] for part in state], [], [], True
        )[: 1 + len(state)]

    def second(call):
        states = range(2 if kind == "lstm" else 1)
        begun, *state = call(x, *(torch.zeros(1, 2, 3, dtype=torch.float64) for _ in states))
        ended, *_ = call(begun, *(part.view(1, 2, 3) for part in state))
        gradients = torch.autograd.grad(ended.square().sum(), weights, create_graph=True)
        return [*gradients, *torch.autograd.grad(sum(g.square().sum() for g in gradients), weights)]

    bench.same(second(by_operator), second(lambda x, *state: bench.run(layer, x, state)))


@pytest.mark.skipif(native.variant() is None, reason="the native kernels were not built here")
def test_projection_compiled_whole(bench):
    ours, theirs = bench.pair("lstm", 4, 6, torch.float32, proj_size=3, bidirectional=True)
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    lengths = [2, 5, 0]
    x, state = leaf(5, 3, 4), bench.state(theirs, 3)
    got, expected = bench.run(compiled, x, state, lengths=torch.tensor(lengths)), bench.alone(theirs, x, lengths, state)
    bench.same(got, expected)
    bench.same(bench.gradients(got, [x, *ours.parameters()]), bench.gradients(expected, [x, *theirs.parameters()]))


@pytest.mark.skipif(native.variant() is None, reason="the native kernels were not built here")
def test_what_disturbs_the_loop_compiled_whole(bench, kind):
    """Dropout by sequence in the same draws; zoneout, whose draws a padded batch has more of, by its mean."""
    shares = {"input_dropout": 0.3, "recurrent_dropout": 0.4, "output_dropout": 0.2}
    layer = bench.layer(kind, 4, 6, torch.float32, num_layers=2, bidirectional=True, **shares)
    x, lengths = leaf(5, 3, 4), torch.tensor([5, 2, 0])
    results = []
    for run in (layer, torch.compile(layer, fullgraph=True, backend="eager")):
        torch.manual_seed(3)
        results.append(bench.run(run, x, lengths=lengths))
    bench.same(*results)
    assert not torch.equal(results[0][0], bench.run(layer.eval(), x, lengths=lengths)[0])
    torch._dynamo.reset()
    layer = bench.layer(kind, 4, 6, torch.float32, num_layers=2, bidirectional=True, zoneout=0.3).eval()
    expected = bench.run(layer, x, lengths=lengths)
    got = bench.run(torch.compile(layer, fullgraph=True, backend="aot_eager"), x, lengths=lengths)
    bench.same(got, expected)
    bench.same(bench.gradients(got, [x, *layer.parameters()]), bench.gradients(expected, [x, *layer.parameters()]))


def test_bfloat16_inside_the_compiler(bench, kind):
    """Parameters and data in bfloat16: the same as outside, and given back so."""
    ours = bench.pair(kind, 4, 6, torch.float32)[0].to(torch.bfloat16)
    x, lengths = leaf(5, 3, 4).detach().bfloat16().requires_grad_(), torch.tensor([2, 5, 3])
    expected = bench.run(ours, x, lengths=lengths)
    got = bench.run(torch.compile(ours, fullgraph=True, backend="aot_eager"), x, lengths=lengths)
    wanted = [x, *ours.parameters()]
    assert {result.dtype for result in got} == {torch.bfloat16}
    assert all(torch.equal(a, b) for a, b in zip(got, expected))
    found = zip(bench.gradients(got, wanted), bench.gradients(expected, wanted))
    assert all(torch.equal(a, b) for a, b in found)


@pytest.mark.parametrize("built", [True, False])
def test_autocast_inside_the_compiler(bench, kind, built, monkeypatch):
    if not built:
        monkeypatch.setenv("RECURRA_NATIVE", "none")
    ours, _ = bench.pair(kind, 4, 6, torch.float32, num_layers=2)
    x, lengths = leaf(5, 3, 4), torch.tensor([2, 5, 3])
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    with torch.autocast("cpu", torch.bfloat16):
        expected = bench.run(ours, x, lengths=lengths)
        got = bench.run(compiled, x, lengths=lengths)
    assert {result.dtype for result in got} == {torch.float32}
    bench.same(got, expected)
    wanted = [x, *ours.parameters()]
    bench.same(bench.gradients(got, wanted), bench.gradients(expected, wanted))


def test_without_the_native_kernels(bench, kind, monkeypatch):
    monkeypatch.setenv("RECURRA_NATIVE", "none")
    ours, theirs = bench.pair(kind, 4, 6, torch.float32)
    lengths = [2, 5, 0]
    x, state = leaf(5, 3, 4), bench.state(theirs, 3)
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    bench.same(bench.run(compiled, x, state, lengths=torch.tensor(lengths)), bench.alone(theirs, x, lengths, state))


def test_what_no_operator_can_run_breaks_the_graph_and_is_right(bench, monkeypatch):
    monkeypatch.setenv("RECURRA_NATIVE", "none")
    ours, theirs = bench.pair("lstm", 4, 6, torch.float32, proj_size=3)
    x, state = leaf(5, 2, 4), bench.state(theirs, 2)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="marked as skipped"):
        bench.run(torch.compile(ours, fullgraph=True, backend="eager"), x, state, lengths=torch.tensor([5, 2]))
    torch._dynamo.reset()
    got = bench.run(torch.compile(ours, backend="eager"), x, state, lengths=torch.tensor([5, 2]))
    bench.same(got, bench.alone(theirs, x, [5, 2], state))


def test_explained_and_not_forced(bench):
    layer, _ = bench.pair("gru", 4, 6, torch.float32, num_layers=2)
    compiled, x = torch.compile(layer, backend="eager"), torch.randn(5, 2, 4)
    kernel = "native" if native.variant() else "packed"
    assert [choice.kernel for choice in explain(compiled, x)] == [kernel] * 2
    with use_kernel("reference"):
        (choice, _) = explain(compiled, x)
    assert choice.kernel == kernel
    assert "the reference kernel was forced, which has no effect there" in choice.why


def test_per_sample_gradients_inside_the_compiler(bench, kind):
    """Refused where the graph may not break, right where it may."""
    layer, _ = bench.pair(kind, 4, 6)
    x, parameters = torch.randn(5, 3, 4, dtype=torch.float64), dict(layer.named_parameters())

    def loss(values, x):
        return torch.func.functional_call(layer, values, (x.unsqueeze(1),))[0].square().sum()

    per_sample = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 1))
    with pytest.raises(torch._dynamo.exc.Unsupported, match=r"inside torch\.compile, but not in both at once"):
        torch.compile(per_sample, fullgraph=True, backend="eager")(parameters, x)
    torch._dynamo.reset()
    got = torch.compile(per_sample, backend="eager")(parameters, x)
    for index in range(3):
        expected = torch.autograd.grad(loss(parameters, x[:, index]), [*parameters.values()])
        bench.same([got[name][index] for name in parameters], expected)


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        (torch.tensor([1.5, 2.0]), "expected whole numbers, got torch.float32"),
        (torch.tensor([1]), "each of 2 sequences"),
    ],
)
def test_bad_lengths_are_said_while_tracing(bench, lengths, said):
    layer, _ = bench.pair("gru", 4, 6, torch.float32)
    with pytest.raises(torch._dynamo.exc.Unsupported, match=said):
        torch.compile(layer, fullgraph=True, backend="eager")(torch.randn(5, 2, 4), lengths=lengths)


def test_no_gradient_where_none_was_asked_for(bench):
    layer, _ = bench.pair("gru", 3, 4, torch.float32)
    arguments = (torch.tensor([2, 5]), [0, 1, 2, 3], list(layer._weights("l0")[:4]), [torch.zeros(2, 4)], [], [], False)
    output, *_ = torch.ops.recurra.layer("gru", False, torch.randn(5, 2, 3), *arguments)
    with pytest.raises(Exception, match="keep=False: it has no gradient"):
        output.sum().backward()


@pytest.mark.parametrize(("time", "batch"), [(0, 2), (4, 0), (4, 2)])
def test_nothing_to_run(bench, kind, time, batch):
    ours, theirs = bench.pair(kind, 3, 4, torch.float32, bidirectional=True)
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager", dynamic=True)
    x, state = leaf(time, batch, 3), bench.state(theirs, batch)
    lengths = torch.zeros(batch, dtype=torch.int64)
    got, expected = bench.run(compiled, x, state, lengths=lengths), bench.run(ours, x, state, lengths=lengths)
    bench.same(got, expected)
    assert all(torch.equal(final, initial) for final, initial in zip(got[1:], state))
    with use_kernel("reference"):
        bench.same(bench.gradients(got, [*state]), bench.gradients(expected, [*state]))
