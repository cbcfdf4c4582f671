"""Layers of recurra beside those of `torch.nn` with the same weights, fed one step at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import recurra.nn
from recurra.errors import SettingsError
from recurra.kernels.native import loader
from recurra.nn import streaming

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn_tanh": ("RNN", {"nonlinearity": "tanh"}),
    "rnn_relu": ("RNN", {"nonlinearity": "relu"}),
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
}


class Streams:
    """Everything that a test of streaming needs."""

    def make(self, kind: str, width: int, size: int, **options: Any) -> Any:
        """A layer of recurra and one of torch.nn with the same weights."""
        name, extra = KINDS[kind]
        theirs = getattr(nn, name)(width, size, **extra, **options)
        ours = getattr(recurra.nn, name)(width, size, **extra, **options)
        ours.load_state_dict(theirs.state_dict())
        return ours, theirs

    def parts(self, state: Any) -> tuple[Tensor, ...]:
        return state if isinstance(state, tuple) else (state,)

    def stream(self, layer: Any, x: Tensor, state: Any = None, precision: str = "float32") -> tuple[Tensor, ...]:
        """Step after step over x [T, B, I] or [T, I]: the outputs, and the parts of the final state."""
        outputs = []
        for x_t in x:
            output, state = layer.step(x_t, state, precision)
            outputs.append(output)
        return torch.stack(outputs), *self.parts(state)

    def whole(self, theirs: Any, x: Tensor, state: Any = None) -> tuple[Tensor, ...]:
        """The same of the whole sequence in one call."""
        output, final = theirs(x, state)
        return output, *self.parts(final)

    def assert_same(self, got: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float = 1e-5) -> None:
        assert len(got) == len(expected)
        for g, e in zip(got, expected):
            torch.testing.assert_close(g, e, rtol=tolerance, atol=tolerance)

    def is_native(self, layer: Any, precision: str = "float32") -> bool:
        """Whether the last step of a layer was native."""
        return streaming._packed[layer][precision].stack is not None

    def first_state(self, kind: str, layers: int, batch: int, size: int) -> Any:
        """A nonzero state, as the layer takes it."""
        state = tuple(torch.randn(layers, batch, size) for _ in range(2 if kind == "lstm" else 1))
        return state if len(state) > 1 else state[0]


@pytest.fixture(scope="session")
def streams() -> Streams:
    return Streams()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=loader.VARIANTS)
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each instruction set in turn, forced."""
    try:
        loader._load(request.param)
    except SettingsError:
        pytest.skip(f"{request.param} was not built or does not run on this processor")
    monkeypatch.setenv("RECURRA_NATIVE", request.param)
    return request.param


@pytest.fixture(autouse=True)
def _one_seed_and_the_threads_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)
