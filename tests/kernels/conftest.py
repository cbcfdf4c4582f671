"""Layers of recurra beside those of `torch.nn` with the same weights, and how to compare them.

The dimensions are those of :mod:`recurra.kernels.cells`; tensors here are time-major unless a test says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import recurra.nn
from recurra.errors import SettingsError
from recurra.kernels import native, use_kernel
from recurra.kernels.native import loader

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn_tanh": ("RNN", {"nonlinearity": "tanh"}),
    "rnn_relu": ("RNN", {"nonlinearity": "relu"}),
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
}


class RoundedProduct(torch.autograd.Function):
    """a b^T of numbers rounded to bfloat16, forward and backward."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a.bfloat16().to(a.dtype) @ b.bfloat16().to(b.dtype).t()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        a, b, grad = (tensor.bfloat16().to(tensor.dtype) for tensor in (*ctx.saved_tensors, grads[0]))
        return grad @ b, grad.t() @ a


class Bench:
    """Everything that a parity test needs."""

    kinds = tuple(KINDS)
    kernels = ("reference", "packed", "library", "native")  # the native one is for float32, and hands on the rest

    def pair(self, kind: str, width: int, size: int, dtype: torch.dtype = torch.float64, **options: Any) -> Any:
        """A layer of recurra and one of torch.nn with the same weights."""
        name, extra = KINDS[kind]
        theirs = getattr(nn, name)(width, size, dtype=dtype, **extra, **options)
        ours = getattr(recurra.nn, name)(width, size, dtype=dtype, **extra, **options)
        ours.load_state_dict(theirs.state_dict())
        return ours, theirs

    def layer(self, kind: str, width: int, size: int, dtype: torch.dtype = torch.float64, **options: Any) -> Any:
        """A layer of recurra with options that torch's has not."""
        name, extra = KINDS[kind]
        return getattr(recurra.nn, name)(width, size, dtype=dtype, **extra, **options)

    def rounded_product(self, a: Tensor, b: Tensor) -> Tensor:
        """a b^T of numbers rounded to bfloat16, with gradients that are products of rounded numbers."""
        product: Tensor = RoundedProduct.apply(a, b)
        return product

    def leaf(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.randn(*shape, dtype=dtype, requires_grad=True)

    def state(self, layer: Any, batch: int | None) -> tuple[Tensor, ...]:
        """A nonzero initial state; of one unbatched sequence when batch is None."""
        sizes = [layer.proj_size or layer.hidden_size, layer.hidden_size][: 2 if isinstance(layer, nn.LSTM) else 1]
        rows = layer.num_layers * (2 if layer.bidirectional else 1)
        shape = (rows,) if batch is None else (rows, batch)
        return tuple(self.leaf(*shape, size, dtype=layer.weight_ih_l0.dtype) for size in sizes)

    def run(self, layer: Any, x: Any, state: Sequence[Tensor] | None = None, **options: Any) -> tuple[Any, ...]:
        """(output, h_n) or (output, h_n, c_n), whatever the cell."""
        hx = None if state is None else tuple(state) if len(state) > 1 else state[0]
        output, final = layer(x, hx, **options)
        return output, *(final if isinstance(final, tuple) else (final,))

    def alone(self, theirs: Any, x: Tensor, lengths: Sequence[int], state: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Each sequence alone through torch.nn: what is right by definition. One of length zero keeps its state."""
        width = (2 if theirs.bidirectional else 1) * (theirs.proj_size or theirs.hidden_size)
        outputs, finals = [], []
        for index, length in enumerate(lengths):
            own = tuple(s[:, index : index + 1].contiguous() for s in state)
            output, *final = self.run(theirs, x[:length, index : index + 1], own) if length else (x[:0, :1, :1], *own)
            padding = x.new_zeros(len(x) - length, 1, width)
            outputs.append(torch.cat([output.expand(length, 1, width), padding]))
            finals.append(final)
        return torch.cat(outputs, 1), *(torch.cat(parts, 1) for parts in zip(*finals))

    def gradients(self, results: Sequence[Tensor], wanted: Sequence[Tensor], seed: int = 5) -> tuple[Tensor, ...]:
        """Gradients of a random weighting of all results, the same for the same shapes."""
        generator = torch.Generator().manual_seed(seed)
        drawn = [torch.randn(r.shape, generator=generator, dtype=torch.float64).to(r.dtype) for r in results]
        loss = sum((r * w).sum() for r, w in zip(results, drawn))
        return torch.autograd.grad(loss, wanted, materialize_grads=True)

    def check(self, ours: Any, theirs: Any, x: Tensor, lengths: Sequence[int], state: Any, kernel: str) -> None:
        """Outputs, states and every gradient are those of each sequence alone."""
        with use_kernel(kernel):
            got = self.run(ours, x, state, lengths=lengths)
            got_gradients = self.gradients(got, [x, *state, *ours.parameters()])
        expected = self.alone(theirs, x, lengths, state)
        self.same(got, expected)
        self.same(got_gradients, self.gradients(expected, [x, *state, *theirs.parameters()]))

    def same(self, got: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
        tolerance = 1e-10 if expected[0].dtype == torch.float64 else 1e-5
        assert len(got) == len(expected)
        for g, e in zip(got, expected):
            torch.testing.assert_close(g, e, rtol=tolerance, atol=tolerance)

    def runs_here(self, variant: str) -> bool:
        """Whether a variant of the native kernels was built and runs on this processor."""
        try:
            loader._load(variant)
        except SettingsError:
            return False
        return True


@pytest.fixture(scope="session")
def bench() -> Bench:
    return Bench()


@pytest.fixture(autouse=True)
def _one_seed_and_one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, and threads that wait for a busy core cost a hundredfold."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=Bench.kernels)
def kernel(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=Bench.kinds)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=loader.VARIANTS)
def variant(bench: Bench, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each instruction set in turn, forced."""
    if not bench.runs_here(request.param):
        pytest.skip(f"{request.param} was not built or does not run on this processor")
    monkeypatch.setenv("RECURRA_NATIVE", request.param)
    assert native.variant() == request.param
    return request.param
