"""Time recurra's recurrent layers against torch.nn: forward and backward, packing and unpacking included.

    python benchmarks/recurrence.py --out benchmarks/results/recurrence.md

Three ways to run a batch of sequences of unequal length, with the same weights:

    recurra   recurra.nn with lengths=, the kernel that it chooses by itself
    packed    torch.nn on a PackedSequence: the same results
    padded    torch.nn on the padded tensor: results that depend on the padding, for comparison of speed alone
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from timing import interleaved, machine, markdown_table, medians, report
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import recurra.nn
from recurra.kernels import Layout, choose
from recurra.kernels.cells import CELLS
from recurra.kernels.weights import Weights

LAYERS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
ALLOWED = 1e-3  # relative difference between recurra and packed that ends the benchmark


class Size(NamedTuple):
    """One row: I, H, L, D, B, T, and whether all sequences have T steps."""

    input: int
    hidden: int
    layers: int
    directions: int
    batch: int
    time: int
    full: bool = False

    def __str__(self) -> str:
        direction = "both" if self.directions == 2 else "one"
        ending = " (all full)" if self.full else ""
        return f"{self.input}, {self.hidden}, {self.layers}, {direction}, {self.batch}, {self.time}{ending}"


SIZES = [
    Size(64, 64, 1, 2, 32, 30),
    Size(128, 256, 1, 1, 32, 64),
    Size(128, 256, 2, 2, 32, 64),
    Size(300, 512, 2, 2, 32, 100),
    Size(128, 256, 2, 2, 64, 200),
    Size(650, 650, 2, 1, 20, 35, full=True),
    Size(80, 256, 3, 2, 16, 800),
]


class Problem:
    """A batch, the two layers with the same weights, and the three ways to run them."""

    def __init__(self, cell: str, size: Size) -> None:
        torch.manual_seed(0)
        self.cell, self.size = cell, size
        options: dict[str, Any] = {"num_layers": size.layers, "bidirectional": size.directions == 2}
        self.theirs = getattr(nn, LAYERS[cell])(size.input, size.hidden, **options)
        self.ours = getattr(recurra.nn, LAYERS[cell])(size.input, size.hidden, **options)
        self.ours.load_state_dict(self.theirs.state_dict())
        self.lengths = torch.randint(size.time // 4, size.time + 1, (size.batch,))
        self.lengths[0] = size.time
        if size.full:
            self.lengths.fill_(size.time)
        self.x = torch.randn(size.time, size.batch, size.input, requires_grad=True)
        real = (torch.arange(size.time).unsqueeze(1) < self.lengths).unsqueeze(2)
        self.grad = torch.randn(size.time, size.batch, size.directions * size.hidden) * real

    def recurra(self) -> Tensor:
        """Forward and backward by recurra."""
        return self._through(self.ours, lambda: self.ours(self.x, lengths=self.lengths)[0])

    def packed(self) -> Tensor:
        """Forward and backward by torch, correctly."""

        def forward() -> Tensor:
            sequence = pack_padded_sequence(self.x, self.lengths, enforce_sorted=False)
            return pad_packed_sequence(self.theirs(sequence)[0], total_length=self.size.time)[0]

        return self._through(self.theirs, forward)

    def padded(self) -> Tensor:
        """Forward and backward by torch over the padding too."""
        return self._through(self.theirs, lambda: self.theirs(self.x)[0])

    def difference(self) -> float:
        """The largest difference between recurra and packed, in outputs and gradients, relative to their size."""
        ours, ours_gradients = self.recurra(), self._gradients(self.ours)
        theirs, theirs_gradients = self.packed(), self._gradients(self.theirs)
        pairs = zip([ours, *ours_gradients], [theirs, *theirs_gradients])
        return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)

    def kernel(self) -> str:
        """The kernel that runs the first layer."""
        ends = ["l0", "l0_reverse"][: self.size.directions]
        weights = [Weights(*(getattr(self.ours, f"{name}_{end}") for name in Weights._fields[:4])) for end in ends]
        return choose(self.ours.cell, self.x, Layout.from_lengths(self.lengths), weights).kernel

    def flops(self) -> float:
        """Floating point operations of the products over valid tokens, forward and backward."""
        size, width, total = self.size, self.size.input, 0
        for _ in range(size.layers):
            total += size.directions * CELLS[self.ours.cell].gates * size.hidden * (width + size.hidden)
            width = size.directions * size.hidden
        return 6.0 * total * int(self.lengths.sum())  # multiply and add; once forward, twice backward

    def _through(self, layer: nn.Module, forward: Callable[[], Tensor]) -> Tensor:
        layer.zero_grad()
        self.x.grad = None
        output = forward()
        output.backward(self.grad)
        return output.detach()

    def _gradients(self, layer: nn.Module) -> list[Tensor]:
        found = [self.x.grad, *(parameter.grad for parameter in layer.parameters())]
        return [gradient.clone() for gradient in found if gradient is not None]


def measure(cell: str, size: Size, rounds: int, seconds: float) -> list[str]:
    """Measure one row of the table."""
    problem = Problem(cell, size)
    difference = problem.difference()  # and a warming up
    if difference > ALLOWED:
        raise SystemExit(f"{cell} {size}: recurra and torch.nn differ by {difference:.1e}; no time was taken")
    problem.padded()
    runs = {"recurra": problem.recurra, "packed": problem.packed, "padded": problem.padded}
    taken = interleaved(runs, rounds, seconds)
    median = medians(taken)
    print(f"{cell} {size}: largest relative difference {difference:.1e}, {len(taken['recurra'])} rounds", flush=True)
    return [
        str(size),
        problem.kernel(),
        *(f"{1000 * median[name]:.1f}" for name in runs),
        f"{median['packed'] / median['recurra']:.2f}",
        f"{median['padded'] / median['recurra']:.2f}",
        f"{problem.flops() / median['recurra'] / 1e9:.0f}",
        f"{difference:.0e}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="lstm,gru,rnn", help="which of lstm, gru, rnn (tanh), with commas")
    parser.add_argument("--rounds", type=int, default=20, help="times that each way is run, at the most")
    parser.add_argument("--seconds", type=float, default=60, help="begin no further round of a row after so long")
    parser.add_argument("--threads", type=int, help="threads of torch (default: torch's own choice)")
    parser.add_argument("--quick", action="store_true", help="three rounds of the three smallest sizes")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    sizes, rounds = (SIZES[:3], 3) if arguments.quick else (SIZES, arguments.rounds)
    header = ["I, H, layers, direction, B, T", "kernel", "recurra ms", "packed ms", "padded ms (wrong)"]
    header += ["packed / recurra", "padded / recurra", "recurra GFLOP/s", "largest difference"]
    sections = ["# Recurrent layers, forward and backward", f"{machine()}. Medians of interleaved rounds, float32."]
    for cell in arguments.cells.split(","):
        if cell not in LAYERS:
            parser.error(f"--cells: expected some of {', '.join(LAYERS)}, found '{cell}'")
        rows = [measure(cell, size, rounds, arguments.seconds) for size in sizes]
        sections += [f"## {cell}", markdown_table(header, rows)]
    report(sections, arguments.out)


if __name__ == "__main__":
    main()
