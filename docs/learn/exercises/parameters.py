"""Exercise 7, stacked layers and choosing a cell: count parameters, and spend a budget.

Read first: stacked.md, choosing.md. Check yourself: python docs/learn/exercises/parameters.py
"""

from __future__ import annotations

from checking import run, same

import recurra.nn

KINDS = {"rnn": recurra.nn.RNN, "gru": recurra.nn.GRU, "lstm": recurra.nn.LSTM}


def count(cell: str, input_size: int, hidden_size: int, num_layers: int = 1, bidirectional: bool = False) -> int:
    """The number of parameters of a layer with both biases; do not make the layer.

    Args:
        cell: "rnn", "gru" or "lstm".
        input_size: I.
        hidden_size: H.
        num_layers: L.
        bidirectional: whether D is 2.
    """
    return None  # write this


def largest(cell: str, input_size: int, budget: int) -> int:
    """The largest H whose single layer of one direction has at most `budget` parameters; 0 if there is none."""
    return None  # write this


def check(count=count, largest=largest) -> None:
    """Compare with layers that are made."""
    for cell in KINDS:
        for num_layers, bidirectional in ((1, False), (1, True), (3, False), (3, True)):
            _check_count(count, cell, num_layers, bidirectional)
    for cell, gates in (("rnn", 1), ("gru", 3), ("lstm", 4)):
        for hidden in (1, 16, 100):
            budget = gates * (hidden * 10 + hidden * hidden + 2 * hidden)
            for spare in (0, -1):
                expected = hidden if spare == 0 else hidden - 1
                mistakes = {
                    "that many do not fit into the budget": expected + 1,
                    "one unit more would still fit": expected - 1,
                }
                found = largest(cell, 10, budget + spare)
                same(f"largest({cell!r}, 10, {budget + spare})", found, expected, mistakes)


def _check_count(count, cell: str, num_layers: int, bidirectional: bool) -> None:
    layer = KINDS[cell](5, 7, num_layers=num_layers, bidirectional=bidirectional)
    expected = sum(parameter.numel() for parameter in layer.parameters())
    directions, gates = 1 + bidirectional, {"rnn": 1, "gru": 3, "lstm": 4}[cell]

    def mistaken(gates=gates, biases=2, above=directions * 7, directions=directions) -> int:
        return sum(directions * gates * 7 * (read + 7 + biases) for read in [5] + [above] * (num_layers - 1))

    mistakes = {
        f"a layer of {cell} has {gates} blocks of weights, one for each gate": mistaken(gates=1),
        "each block has two biases, b_ih and b_hh": mistaken(biases=1),
        "there are biases, too": mistaken(biases=0),
        "with two directions everything is there twice": mistaken(directions=1),
        "layers above the first read both directions, 2H numbers": mistaken(above=7),
        "layers above the first read the outputs of the one below, not the input": mistaken(above=5),
    }
    what = f"count({cell!r}, 5, 7, num_layers={num_layers}, bidirectional={bidirectional})"
    same(what, count(cell, 5, 7, num_layers, bidirectional), expected, mistakes)


if __name__ == "__main__":
    run(check)
