"""docs/recurrence.md: the cells it shows are those that run, and its formulas are right."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from recurra.kernels import cells

PAGE = (Path(__file__).parent.parent / "docs" / "recurrence.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
SHOWN = [cells.rnn_tanh, cells.rnn_relu, cells.lstm, cells.lstm_gates, cells.gru, cells.gru_gates]


def without_docstring(function) -> str:
    source = inspect.getsource(function)
    docstring = ast.parse(source).body[0].body[0]
    lines = source.splitlines(keepends=True)
    return "".join(lines[: docstring.lineno - 1] + lines[docstring.end_lineno :])


def test_each_cell_is_shown_once_as_it_is():
    shown = [code for language, code in BLOCKS if language == "python" and code.startswith("def ")]
    assert shown == [without_docstring(function) for function in SHOWN]
    assert {cell.step for cell in cells.CELLS.values()} <= set(SHOWN)


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def rnn_tanh(gate, h, c):
    return (np.tanh(gate(0)),)


def rnn_relu(gate, h, c):
    return (np.where(gate(0) > 0, gate(0), 0),)


def lstm(gate, h, c):
    i, f, g, o = sigmoid(gate(0)), sigmoid(gate(1)), np.tanh(gate(2)), sigmoid(gate(3))
    new = f * c + i * g
    return o * np.tanh(new), new


def gru(gate, h, c):
    r, z = sigmoid(gate(0)), sigmoid(gate(1))
    n = np.tanh(gate(2, reset=r))
    return ((1 - z) * n + z * h,)


@pytest.mark.parametrize("formula", [rnn_tanh, rnn_relu, lstm, gru])
def test_the_equations(formula):
    """Each gate with its own matrices, in numpy, as the page writes them."""
    cell = cells.CELLS[formula.__name__]
    rng = np.random.default_rng(0)
    x, h, c = (rng.normal(size=(2, size)) for size in (3, 5, 5))
    w_ih, w_hh, b_ih, b_hh = (
        [rng.normal(size=shape) for _ in range(cell.gates)] for shape in ((5, 3), (5, 5), (5,), (5,))
    )

    def gate(number, reset=1.0):
        from_input = np.stack([w_ih[number] @ row + b_ih[number] for row in x])
        from_state = np.stack([w_hh[number] @ row + b_hh[number] for row in h])
        return from_input + reset * from_state

    def stacked(weights, biases, rows):
        product = rows @ np.concatenate(weights).T + np.concatenate(biases)
        return torch.from_numpy(product)

    state = tuple(map(torch.from_numpy, (h, c)))[: cell.states]
    got = cell.step(stacked(w_ih, b_ih, x), stacked(w_hh, b_hh, h), state)
    expected = formula(gate, h, c)
    assert len(got) == len(expected)
    for mine, its in zip(got, expected):
        np.testing.assert_allclose(mine.numpy(), its, rtol=1e-12, atol=1e-12)
