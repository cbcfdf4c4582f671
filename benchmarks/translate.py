"""Translate Tatoeba and CMUdict: recurra beside a careful tutorial in plain torch, in turns in the same process.

    python benchmarks/translate.py --data FOLDER --part tatoeba --out benchmarks/results/translate-tatoeba.md
    python benchmarks/translate.py --data FOLDER --part g2p --out benchmarks/results/translate-g2p.md
    python benchmarks/translate.py --data FOLDER --part lengths --out benchmarks/results/translate-lengths.md

FOLDER holds tatoeba-fra-eng/fra.txt.xz and cmudict/cmudict.dict. `--limit 2000` shows in a minute that it works.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from timing import mean_and_range, report
from translation_data import (
    LENGTHS,
    Examined,
    Pair,
    Parts,
    bleu_by_length,
    divided,
    error_rates,
    examined,
    quality,
    read_cmudict,
    read_tatoeba,
    running_text,
    spaced,
    write_parts,
)
from translation_sides import (
    BATCH,
    BLOCK,
    RECURRA,
    ROUND,
    Turns,
    answered,
    baseline_texts,
    best_texts,
    make_task,
    recurra_sides,
    seconds,
    symbols_per_second,
    trained,
)
from tutorial_translator import Settings, Trained, Tutorial

from recurra.bench.timing import machine_line
from recurra.tables import markdown_table
from recurra.train import train

YARDSTICKS = {
    "plain": ("careful tutorial", Settings()),
    "hoisted": ("the same, keys projected once", Settings(hoisted=True)),
    "wide": ("the same, keys projected once, wide output", Settings(hoisted=True, wide=True)),
}
EQUAL_SIZES: dict[str, Any] = {
    "tokens": "spaces",
    "min_count": 2,
    "cell": "gru",
    "attention": "additive",
    "embedding_size": 256,
    "hidden_size": 256,
    "dropout": 0.3,
    "batch_size": BATCH,
    "label_smoothing": 0.0,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,  # AdamW without decay is Adam
    "schedule": "constant",
}
PHONEMES: dict[str, Any] = {"tokens": "characters", "target_tokens": "spaces", "min_count": 1}


class Told(NamedTuple):
    """What the command line says of a run."""

    epochs: int | None
    seeds: int
    limit: int | None
    yardsticks: list[str]


def tatoeba(folder: Path, limit: int | None) -> Parts:
    """French to English, in symbols between blanks; all pairs of an English sentence are in one part."""
    pairs = read_tatoeba(folder / "tatoeba-fra-eng" / "fra.txt.xz")
    return divided([(spaced(source), spaced(target)) for source, target in pairs], lambda pair: pair[1], limit)


def counts(parts: Parts) -> str:
    """How many pairs each part has."""
    train_pairs, valid, test = (f"{len(part):,}" for part in parts)
    return f"{train_pairs} pairs to train on, {valid} for validation, {test} for the test"


TATOEBA = (
    "From French, divided at random by unique English sentence; pairs held out whose French was seen before are left "
    "out. Words and signs are divided by the benchmark, alike for both sides; a word seen once is unknown. BLEU and "
    "chrF are of running text, beside all translations of a source that the test has. Greedy search reads "
    f"{BATCH} sentences at a time, in turns of {ROUND}; training has turns of {BLOCK} steps. Target symbols are "
    "counted with their ends; rates are medians over the turns. The tutorial draws its batches at random and takes "
    "test sentences as they come; recurra puts those of like length together, and keeps the epoch that its rule "
    "prefers."
)


def equal_sizes(folder: Path, told: Told, place: Path) -> list[str]:
    """Recurra with the tutorial's sizes, in turns with it."""
    parts = tatoeba(folder, told.limit)
    files, test = write_parts(parts, place), spoken(parts.test)
    kinds = dict(YARDSTICKS[name] for name in told.yardsticks)
    taken: dict[str, list[Trained]] = {}
    rates: dict[str, list[float]] = {}
    scores: dict[str, list[tuple[float, float]]] = {}
    for seed in range(told.seeds):
        task = make_task(files, seed=seed, epochs=told.epochs or 3, **EQUAL_SIZES)
        tutorials = {name: Tutorial(parts.train, settings, seed) for name, settings in kinds.items()}
        turns = Turns(tutorials)
        train(task, callbacks=[turns])
        sides = recurra_sides(task) | {name: tutorial.translate for name, tutorial in tutorials.items()}
        for name, answers in answered(sides, test.sources).items():
            taken.setdefault(name, []).extend(turns.taken.get(name, []))
            rates.setdefault(name, []).extend(answers.rates)
            found = quality([running_text(text) for text in answers.texts], test.answers)
            scores.setdefault(name, []).append((found.bleu, found.chrf))
            print(f"seed {seed}, {name}: BLEU {found.bleu:.2f}, chrF {found.chrf:.2f}", flush=True)
    trainings = told.seeds * (told.epochs or 3)
    rows = [row(name, taken[name], trainings, rates[name], scores[name]) for name in scores]
    for name, texts in baseline_texts(task, test.sources).items():
        found = quality([running_text(text) for text in texts], test.answers)
        rows.append([name, "-", "-", f"{found.bleu:.2f}", f"{found.chrf:.2f}", "-"])
    ratios = [ratio(name, taken, rates) for name in kinds]
    what = f"GRU of 256, additive attention, {told.epochs or 3} epochs, seeds: {told.seeds}; {counts(parts)}."
    return ["## Tatoeba, equal sizes", f"{what} {TATOEBA}", markdown_table(HEADER, rows), *ratios, found.signatures]


HEADER = ["", "symbols / s", "s / epoch", "test BLEU", "chrF", "sentences / s"]


def spoken(pairs: Sequence[Pair]) -> Examined:
    """The test's sources, divided, and its targets as running text."""
    return examined([(source, running_text(target)) for source, target in pairs])


def row(
    name: str,
    blocks: Sequence[Trained],
    epochs: int,
    rates: Sequence[float],
    scores: Sequence[tuple[float, float]],
) -> list[str]:
    """A row of the table; a search of a side that has another one has no training of its own."""
    pace = [f"{symbols_per_second(blocks):,.0f}", f"{seconds(blocks) / epochs:.0f}"] if blocks else ["-", "-"]
    bleu, chrf = (mean_and_range(values, "{:.2f}") for values in zip(*scores))
    return [name, *pace, bleu, chrf, f"{statistics.median(rates):,.0f}"]


def ratio(name: str, taken: Mapping[str, list[Trained]], rates: Mapping[str, list[float]]) -> str:
    """How many times as fast recurra is."""
    training = symbols_per_second(taken[RECURRA]) / symbols_per_second(taken[name])
    greedy = statistics.median(rates[RECURRA]) / statistics.median(rates[name])
    return f"recurra / {name}: symbols a second in training {training:.2f}, sentences a second {greedy:.2f}."


def defaults(folder: Path, told: Told, place: Path) -> list[str]:
    """`recurra train translate` as it is when it is told nothing, on running text, with the same division."""
    divided_parts = tatoeba(folder, told.limit)
    parts = Parts(*([(running_text(s), running_text(t)) for s, t in part] for part in divided_parts))
    test, rows = examined(parts.test), []
    task, spent = trained(write_parts(parts, place), epochs=told.epochs)
    for name, answers in answered(recurra_sides(task), test.sources).items():
        found = quality(answers.texts, test.answers)
        rows.append([name, f"{found.bleu:.2f}", f"{found.chrf:.2f}", f"{statistics.median(answers.rates):,.0f}"])
    return [
        "## Tatoeba, recurra's defaults",
        f"Byte pairs; {spent:.0f} s, reading and validation included; {counts(parts)}.",
        markdown_table(["", "test BLEU", "chrF", "sentences / s"], rows),
    ]


def phonemes(folder: Path, told: Told, place: Path) -> list[str]:
    """From letters to phonemes."""
    pairs, dropped = read_cmudict(folder / "cmudict" / "cmudict.dict")
    parts = divided(pairs, lambda pair: pair[0], told.limit)
    files, test = write_parts(parts, place), examined(parts.test)
    rates: dict[str, list[list[float]]] = {}
    spent = []
    for seed in range(told.seeds):
        task, of_training = trained(files, seed=seed, epochs=told.epochs, **PHONEMES)
        spent.append(of_training)
        for name, answers in answered(recurra_sides(task), test.sources).items():
            found = [*phoneme_errors(test, answers.texts), statistics.median(answers.rates)]
            rates.setdefault(name, []).append(found)
            print(f"seed {seed}, {name}: word error {found[0]:.2f} %, phoneme error {found[1]:.2f} %", flush=True)
    rows = [[name, *(mean_and_range(values, "{:.2f}") for values in zip(*of))] for name, of in rates.items()]
    for name, texts in baseline_texts(task, test.sources).items():
        rows.append([name, *(f"{value:.2f}" for value in phoneme_errors(test, texts)), "-"])
    return [
        "## CMUdict, letters to phonemes",
        f"{counts(parts)}, all pronunciations of a word on one side, divided at random. {dropped:,} words with other "
        "signs than letters and ' are left out. A word is beside the closest of its pronunciations. recurra's "
        f"defaults{'' if told.epochs is None else f', but {told.epochs} epochs'}, seeds: {told.seeds}; "
        f"{mean_and_range(spent, '{:.0f}')} s, reading and validation included.",
        markdown_table(["", *PHONEME_COLUMNS, "words / s"], rows),
    ]


PHONEME_COLUMNS = ["word error %", "phoneme error %", "word error % without stress", "phoneme error % without stress"]


def phoneme_errors(test: Examined, texts: Sequence[str]) -> list[float]:
    """Word and phoneme error with stress, and both without."""
    unstressed = str.maketrans("", "", "012")
    answers = [[each.translate(unstressed) for each in of] for of in test.answers]
    return [*error_rates(test.answers, texts), *error_rates(answers, [text.translate(unstressed) for text in texts])]


def lengths(folder: Path, told: Told, place: Path, figure: Path | None) -> list[str]:
    """Recurra with and without attention, by the length of the source."""
    parts = tatoeba(folder, told.limit)
    files, test = write_parts(parts, place), spoken(parts.test)
    sizes = [sum(least <= len(source.split()) <= most for source in test.sources) for least, most in LENGTHS]
    curves: dict[str, list[float]] = {}
    rows = []
    for name, attention in (("with attention", "general"), ("without", "none")):
        options = {**EQUAL_SIZES, "attention": attention}
        task, _ = trained(files, epochs=told.epochs or 3, **options)
        texts = [running_text(text) for text in best_texts(task, test.sources)]
        curves[name] = bleu_by_length(test, texts)
        whole = quality(texts, test.answers).bleu
        rows.append([f"{name} ({attention})", f"{whole:.2f}", *(f"{value:.1f}" for value in curves[name])])
        print(rows[-1], flush=True)
    rows.append(["sources", f"{len(test.sources):,}", *(f"{size:,}" for size in sizes)])
    sections = [
        "## Tatoeba, BLEU by the length of the source",
        f"The same data, sizes, seed and {told.epochs or 3} epochs; greedy search; {counts(parts)}.",
        markdown_table(["symbols of the source", "all", *map(span, LENGTHS)], rows),
    ]
    if figure is not None:
        draw(curves, figure)
        sections.append(f"![BLEU by the length of the source]({figure.name})")
    return sections


def span(of: tuple[int, int]) -> str:
    """How a range of lengths is written."""
    return f"{of[0]}-{of[1]}" if of != LENGTHS[-1] else f"{of[0]} and more"


def draw(curves: Mapping[str, Sequence[float]], place: Path) -> None:
    """Draw BLEU against the length of the source."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name, values in curves.items():
        axes.plot([span(each) for each in LENGTHS], values, marker="o", label=name)
    axes.set(xlabel="symbols of the source", ylabel="test BLEU", title="Tatoeba, French to English", ylim=(0, None))
    axes.legend()
    place.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with tatoeba-fra-eng and cmudict")
    parser.add_argument("--part", nargs="+", choices=["tatoeba", "defaults", "g2p", "lengths"], required=True)
    parser.add_argument("--epochs", type=int, help="of training (default: 3; defaults and g2p: recurra's own)")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each side, in the parts tatoeba and g2p")
    parser.add_argument("--yardsticks", nargs="+", choices=list(YARDSTICKS), default=["plain"], help="tutorials to run")
    parser.add_argument("--limit", type=int, help="how many pairs are used, drawn at random, for a quick try")
    parser.add_argument("--threads", type=int, help="threads of torch (default: torch's own choice)")
    parser.add_argument("--out", type=Path, help="Markdown file to write; a figure goes beside it")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    told = Told(arguments.epochs, arguments.seeds, arguments.limit, arguments.yardsticks)
    figure = arguments.out and arguments.out.with_suffix(".png")
    sections = []
    for part in arguments.part:
        with tempfile.TemporaryDirectory() as name:
            folder, place = arguments.data, Path(name)
            if part == "tatoeba":
                sections += equal_sizes(folder, told, place)
            elif part == "defaults":
                sections += defaults(folder, told, place)
            elif part == "g2p":
                sections += phonemes(folder, told, place)
            else:
                sections += lengths(folder, told, place, figure)
    report(["# Translation", f"{machine_line()}.", *sections], arguments.out)


if __name__ == "__main__":
    main()
