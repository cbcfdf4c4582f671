"""Forecast ETTh1 and ETTh2, horizon by horizon: recurra beside a linear map of the window and the naive methods.

    python benchmarks/forecast.py --data FOLDER --out benchmarks/results/forecast.md

FOLDER holds ETTh1.csv and ETTh2.csv. The split is that of Zhou et al., "Informer", AAAI 2021: 12, 4 and 4 months of 30
days; the rest of the file is not used.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from timing import mean_and_range, report

from recurra.bench.timing import machine_line
from recurra.config import make_run_config
from recurra.fit import fit
from recurra.tables import markdown_table

ROWS, HELD_OUT = 14_400, 2_880
HORIZONS = (24, 48, 96, 168, 336, 720)
SCORES = {"MSE": "mse_scaled", "MAE": "mae_scaled"}


def cut(source: Path, folder: Path) -> Path:
    """The rows that the split uses, as a file."""
    with source.open(encoding="utf-8") as file:
        lines = list(itertools.islice(file, ROWS + 1))
    place = folder / source.name
    place.write_text("".join(lines), encoding="utf-8")
    return place


def run(source: Path, horizon: int, seed: int, options: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """The test scores of a training, and the seconds of all of it, with reading, validation and scores."""
    parts = {"valid_steps": HELD_OUT, "test_steps": HELD_OUT}
    told = {"data": str(source), "horizon": horizon, "seed": seed, "device": "cpu", **parts}
    config = make_run_config("forecast", **told, **options)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        test: dict[str, Any] = fit(config, Path(folder, "model")).metrics["test"]
        return test, time.perf_counter() - started


def rows_of(source: Path, horizon: int, seeds: int, options: dict[str, Any]) -> list[list[str]]:
    """A row for recurra and each baseline."""
    found = [run(source, horizon, seed, options) for seed in range(seeds)]
    tests, seconds = [test for test, _ in found], [seconds for _, seconds in found]
    name = f"{source.stem}, {horizon}"
    ours = [mean_and_range([test["model"][key]["value"] for test in tests], "{:.3f}") for key in SCORES.values()]
    rows = [[name, "recurra", *ours, mean_and_range(seconds, "{:.0f}")]]
    for baseline, scores in tests[0]["baselines"].items():
        rows.append([name, baseline, *(f"{scores[key]['value']:.3f}" for key in SCORES.values()), "-"])
    for row in rows:
        print(row, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ETTh1.csv and ETTh2.csv")
    parser.add_argument("--files", nargs="+", default=["ETTh1", "ETTh2"], help="which")
    parser.add_argument("--horizons", nargs="+", type=int, default=HORIZONS, help="in hours")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each")
    parser.add_argument("--options", type=str, default="{}", help="more options of `recurra train forecast`, as JSON")
    parser.add_argument("--threads", type=int, help="threads of torch (default: torch's own choice)")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    options = json.loads(arguments.options)
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.files:
            source = cut(arguments.data / f"{name}.csv", Path(folder))
            for horizon in arguments.horizons:
                rows += rows_of(source, horizon, arguments.seeds, options)
    told = f", with {arguments.options}" if options else ""
    report(
        [
            "# Forecasting",
            f"{machine_line()}.",
            f"All 7 variables, hourly; squared and absolute error on values scaled by the training part, of every "
            f"origin of the test part; seeds: {arguments.seeds}. recurra's defaults{told}; s: reading, training, "
            "validation and scores in all.",
            markdown_table(["file, horizon", "", *SCORES, "s"], rows),
        ],
        arguments.out,
    )


if __name__ == "__main__":
    main()
