"""One call of an accelerated layer beside one of torch's own, by size: where recurra is worth its start, and where not.

    python benchmarks/accelerate_calls.py

Each cell of the tables is the time of torch's forward divided by that of recurra's packed or native kernel, which the
script forces; first in inference, then with the backward pass. `recurra.nn.accelerated` takes its bounds from them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from timing import medians, report
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import recurra
from recurra.bench.timing import machine_line
from recurra.kernels import use_kernel
from recurra.tables import markdown_table
from recurra.timing import interleaved

KINDS: dict[str, Callable[[int, int], nn.RNNBase]] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
STEPS = (1, 4, 16, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.25, help="for each cell")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sections = ["# Calls of single layers", machine_line()]
    for equal in (True, False):
        rows = [
            [
                f"{name} {hidden}, B {batch}",
                *(_cell(kind, hidden, batch, T, equal, options.seconds) for T in STEPS),
            ]
            for name, kind in KINDS.items()
            for hidden in (8, 64, 256)
            for batch in (1, 8, 64)
        ]
        title = "## All lengths equal" if equal else "## Packed, lengths from T / 4 to T"
        sections += [title, markdown_table(["I = H", *(f"T = {T}" for T in STEPS)], rows)]
    report(sections, options.out)


def _cell(
    kind: Callable[[int, int], nn.RNNBase], hidden: int, batch: int, steps: int, equal: bool, seconds: float
) -> str:
    layers = {"torch": kind(hidden, hidden), "recurra": kind(hidden, hidden)}
    recurra.accelerate(layers["recurra"])
    padded = torch.randn(steps, batch, hidden)
    lengths = torch.linspace(steps, max(1, steps // 4), batch).long()
    x = padded if equal else pack_padded_sequence(padded, lengths)

    def infer(name: str) -> Callable[[], object]:
        def run() -> None:
            with torch.no_grad(), use_kernel("native"):
                layers[name](x)

        return run

    def train(name: str) -> Callable[[], object]:
        def run() -> None:
            with use_kernel("native"):
                output = layers[name](x)[0]
            (output if equal else output.data).sum().backward()

        return run

    ratios = []
    for make in (infer, train):
        runs = {name: make(name) for name in layers}
        for run in runs.values():
            run()
        taken = medians(interleaved(runs, 50, seconds))
        ratios.append(taken["torch"] / taken["recurra"])
    return " / ".join(f"{ratio:.2f}" for ratio in ratios)


if __name__ == "__main__":
    main()
