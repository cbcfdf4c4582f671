"""Exercise 7: G blocks of H rows in each direction of each layer."""

from __future__ import annotations

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def count(cell: str, input_size: int, hidden_size: int, num_layers: int = 1, bidirectional: bool = False) -> int:
    """The number of parameters of a layer with both biases."""
    directions = 2 if bidirectional else 1
    total, read = 0, input_size
    for _ in range(num_layers):
        total += directions * GATES[cell] * hidden_size * (read + hidden_size + 2)
        read = directions * hidden_size
    return total


def largest(cell: str, input_size: int, budget: int) -> int:
    """The largest H whose single layer of one direction has at most `budget` parameters; 0 if there is none."""
    hidden = 0
    while count(cell, input_size, hidden + 1) <= budget:
        hidden += 1
    return hidden
