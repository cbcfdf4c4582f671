"""`recurra.accelerate` on models of other packages: what it swaps, that all else stays, and how long a step takes.

    python benchmarks/accelerate_models.py --out benchmarks/results/accelerate.md

A model whose package is not installed is skipped: pip install flair stanza speechbrain pytorch-forecasting.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import inspect
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch
from third_party import MODELS, Case, Size
from timing import medians, report
from torch import Tensor

import recurra
from recurra.bench.timing import machine_line
from recurra.swap import Report
from recurra.tables import markdown_table
from recurra.timing import interleaved

__all__ = ["Difference", "compare", "pair"]


class Difference(NamedTuple):
    """The largest difference between two models that should be equal, relative to the largest value of its kind."""

    loss: float
    gradients: float
    prediction: float


def pair(name: str, size: Size) -> tuple[Case, Case, Report]:
    """Make a model twice, with equal weights and data; the second accelerated."""
    cases = []
    for _ in range(2):
        torch.manual_seed(0)
        cases.append(MODELS[name][1](size))
    plain, swapped = cases
    swapped.model.load_state_dict(plain.model.state_dict())
    return plain, swapped, recurra.accelerate(swapped.model)


def compare(plain: Case, swapped: Case) -> Difference:
    """Run both in evaluation and in training."""
    predictions = [_predict(case) for case in (plain, swapped)]
    losses, gradients = [], []
    for case in (plain, swapped):
        before = copy.deepcopy(case.model.state_dict())  # batch normalisation counts in training
        case.model.train()
        case.model.zero_grad()
        loss = case.loss()
        loss.backward()
        losses.append(loss.detach())
        gradients.append([parameter.grad for parameter in case.model.parameters() if parameter.grad is not None])
        case.model.load_state_dict(before)
    return Difference(_largest([losses[0]], [losses[1]]), _largest(*gradients), _largest(*predictions))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=60, help="for each model's training, and for its prediction")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quick", action="store_true", help="small models, two rounds: to see that it runs")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size, rounds = (Size(8, 12, 8), 2) if options.quick else (Size(), options.rounds)
    rows, reports, skipped = [], [], []
    for name in options.models:
        package, make = MODELS[name]
        if importlib.util.find_spec(package) is None:
            skipped.append(f"{name}: the package {package} is not installed.")
            continue
        plain, swapped, swaps = pair(name, size)
        rows.append(_row(name, plain, swapped, swaps, rounds, options.seconds))
        described = f"{package} {version(package.replace('_', '-'))}; {inspect.cleandoc(make.__doc__ or '')}"
        reports.append(f"## {name}\n\n{described}\n\n```\n{swaps}\n```")
        print(" | ".join(rows[-1]), flush=True)
    header = ["model", "layers", "step: torch ms", "recurra ms", "torch / recurra"]
    header += ["prediction: torch ms", "recurra ms", "torch / recurra", "largest difference"]
    intro = (
        "The same model twice, untouched and after `recurra.accelerate(model)`, with equal weights and data, in turns; "
        f"medians of up to {rounds} rounds. A step is a forward and a backward pass and an update by Adam, without "
        "dropout. The largest difference is that of the loss, of all gradients and of the prediction, relative to "
        f"the largest value. {size.sentences} sequences of {size.words // 8} to {size.words} words, "
        f"{size.sentences // 4} sounds of {5 * size.words} frames, {2 * size.sentences} series of up to "
        f"{3 * size.words} steps; other sizes are the packages' defaults, or are said below."
    )
    report(
        [
            "# accelerate on models of other packages",
            machine_line(),
            intro,
            markdown_table(header, rows),
            *skipped,
            *reports,
        ],
        options.out,
    )


def _row(name: str, plain: Case, swapped: Case, swaps: Report, rounds: int, seconds: float) -> list[str]:
    difference = compare(plain, swapped)
    pairs = {"torch": plain, "recurra": swapped}
    optimizers = {key: torch.optim.Adam(case.model.parameters(), lr=1e-5) for key, case in pairs.items()}

    def step(key: str) -> None:
        pairs[key].model.train()
        optimizers[key].zero_grad()
        pairs[key].loss().backward()
        optimizers[key].step()

    cells = [name, str(len(swaps.swapped))]
    for runs in (
        {key: (lambda key=key: step(key)) for key in pairs},
        {key: (lambda case=case: _predict(case)) for key, case in pairs.items()},
    ):
        for run in runs.values():
            run()
        taken = medians(interleaved(runs, rounds, seconds))
        cells += [f"{1000 * taken[key]:.1f}" for key in pairs] + [f"{taken['torch'] / taken['recurra']:.2f}"]
    return [*cells, f"{max(difference):.1e}"]


def _predict(case: Case) -> list[Tensor]:
    case.model.eval()
    with torch.no_grad():
        return case.predict()


def _largest(first: list[Tensor], second: list[Tensor]) -> float:
    pairs = list(zip(first, second, strict=True))
    return max(float((one.double() - other.double()).abs().max()) for one, other in pairs) / max(
        float(one.abs().max()) for one in first
    )


if __name__ == "__main__":
    main()
