"""Exercise 4, the LSTM: set weights by hand so that a cell remembers whether it has ever seen a signal.

Read first: lstm.md. Check yourself: python docs/learn/exercises/latch.py
"""

from __future__ import annotations

import torch
from checking import Wrong, run

import recurra.nn
from recurra.kernels.trace import traced


def remember(lstm: recurra.nn.LSTM) -> None:
    """Set, in place, the weights of an LSTM with I = H = 1, which are all zero.

    The input is 0, and now and then 1. As long as no 1 has come the output must be below 0.1; from the first 1 on, for
    hundreds of steps, above 0.5. The rows of `lstm.weight_ih_l0` and `lstm.bias_ih_l0` are those of the gates i, f, g,
    o. Work under `torch.no_grad()`.
    """
    # write this


def check(remember=remember) -> None:
    """Run the cell on sequences with a signal early, late, often and never."""
    lstm = recurra.nn.LSTM(1, 1)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.zero_()
    remember(lstm)
    if not any(parameter.any() for parameter in lstm.parameters()):
        raise Wrong("all weights are still zero; set some of them")
    for signals in ([], [5], [250], [0, 1, 2, 3, 100]):
        x = torch.zeros(300, 1, 1)
        x[signals] = 1.0
        with traced() as traces, torch.no_grad():
            output, _ = lstm(x)
        gates = [
            {name: gate.item() for name, gate in step.gates.items()} for _, step in sorted(traces[0].steps.items())
        ]
        _judge(output.flatten().tolist(), signals, gates)


def _judge(h: list[float], signals: list[int], gates: list[dict[str, float]]) -> None:
    """Find the first step at which the output is wrong, and say by the gates why."""
    first = min(signals, default=len(h))
    for t, value in enumerate(h):
        if t < first and value >= 0.1:
            raise Wrong(
                f"no signal has come, and yet h = {value:.2f} at step {t}; the input gate is {gates[t]['i']:.2f}"
            )
        if t >= first and value <= 0.5:
            seen = f"{t - first} steps after the first signal h = {value:.2f}"
            at = gates[t]
            if at["o"] < 0.6:
                raise Wrong(f"{seen}; the output gate is {at['o']:.2f} and shows too little")
            if t == first and at["i"] * at["g"] < 0.55:
                raise Wrong(f"{seen}; input gate {at['i']:.2f} times candidate {at['g']:.2f} is too little to write")
            raise Wrong(f"{seen}; what was written is forgotten: the forget gate is {at['f']:.3f}")


if __name__ == "__main__":
    run(check)
