"""Layers that may look back a few steps only, beside windows that are cut out and run one by one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import recurra
from recurra.kernels.lookback import looking_back

LENGTHS = [5, 0, 3, 1]
LAYERS: dict[str, dict[str, Any]] = {
    "rnn": {},
    "lstm": {"bidirectional": True},
    "gru": {"learn_initial_state": True, "bidirectional": True},
    "projected": {"proj_size": 2},
    "normed": {"layer_norm": True, "zoneout": 0.3},
}


def make(name: str, **more: Any) -> Any:
    torch.manual_seed(0)
    kind = {"rnn": recurra.nn.RNN, "gru": recurra.nn.GRU}.get(name, recurra.nn.LSTM)
    layer = kind(2, 3, **LAYERS[name], **more).double().eval()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def recurrent_weights(layer: Any) -> list[Tensor]:
    return [parameter for name, parameter in layer.named_parameters() if name.startswith("weight_hh")]


def finals(state: Any) -> tuple[Tensor, ...]:
    return (state,) if isinstance(state, Tensor) else state


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("name", LAYERS)
def test_each_step_is_the_last_of_a_window_of_its_own(name: str, steps: int) -> None:
    layer, x = make(name), torch.randn(5, 4, 2, dtype=torch.float64)
    directions, size = layer.num_directions, layer.output_size
    with looking_back(steps, recurrent_weights(layer)):
        output, state = layer(x, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        for t in range(length):
            windows = [x[max(0, t + 1 - steps) : t + 1, row], x[t : min(length, t + steps), row]][:directions]
            for number, window in enumerate(windows):
                alone, _ = layer(window.unsqueeze(1))
                part = slice(number * size, (number + 1) * size)
                wanted = alone[0 if number else -1, 0, part]
                torch.testing.assert_close(output[t, row, part], wanted)
                if t == (0 if number else length - 1):
                    torch.testing.assert_close(finals(state)[0][number, row], wanted)
    _, whole = layer(x, lengths=LENGTHS)
    for part, other in zip(finals(state), finals(whole), strict=True):
        torch.testing.assert_close(part[:, 1], other[:, 1])  # nothing was read: the initial state


@pytest.mark.parametrize("name", LAYERS)
def test_with_all_steps_it_is_the_layer(name: str) -> None:
    layer, x = make(name, num_layers=2), torch.randn(5, 4, 2, dtype=torch.float64)
    wanted = layer(x, lengths=LENGTHS)
    with looking_back(5, recurrent_weights(layer)):
        found = layer(x, lengths=LENGTHS)
        empty, _ = layer(x, lengths=[0] * 4)
    torch.testing.assert_close(found, wanted)
    assert not empty.any()


def test_a_layer_that_is_not_meant_runs_as_it_is() -> None:
    layer, other, x = make("rnn"), make("rnn"), torch.randn(5, 1, 2, dtype=torch.float64)
    wanted, _ = layer(x)
    with looking_back(1, recurrent_weights(other)):
        found, _ = layer(x)
        short, _ = other(x)
    torch.testing.assert_close(found, wanted)
    assert (short - wanted)[1:].abs().min() > 1e-9
