"""What the benchmark of translation reads, how it divides it, and how translations are scored. Nothing uses recurra.

Both sides are given the same files and the same symbols, those between blanks, and their answers are scored alike.
"""

from __future__ import annotations

import lzma
import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import sacrebleu
from rapidfuzz.distance import Levenshtein

__all__ = [
    "LENGTHS",
    "Examined",
    "Pair",
    "Parts",
    "Quality",
    "bleu_by_length",
    "divided",
    "error_rates",
    "examined",
    "quality",
    "read_cmudict",
    "read_tatoeba",
    "running_text",
    "spaced",
    "write_parts",
]

Pair = tuple[str, str]
LENGTHS = ((1, 5), (6, 10), (11, 15), (16, 20), (21, 1000))  # symbols of a source
_PIECE = re.compile(r"\w+(?:-\w+)*['’]?|[^\w\s]")  # noqa: RUF001  "l'", which French writes at the next word, is a symbol


class Parts(NamedTuple):
    """The pairs to learn from, to choose the epoch by, and to test on."""

    train: list[Pair]
    valid: list[Pair]
    test: list[Pair]


class Examined(NamedTuple):
    """Distinct sources, and all right answers to each."""

    sources: list[str]
    answers: list[list[str]]


class Quality(NamedTuple):
    """BLEU and chrF of sacrebleu, and their signatures."""

    bleu: float
    chrf: float
    signatures: str


def read_tatoeba(path: Path) -> list[Pair]:
    """Read lines of English, tab, French, compressed by xz, as pairs of a French source and an English target."""
    with lzma.open(path, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t")[:2] for line in file]
    return [(french, english) for english, french in rows]


def read_cmudict(path: Path) -> tuple[list[Pair], int]:
    """Read words and their phonemes, stress included; also how many words with other signs than a-z and ' were dropped.

    `word(2)` is another pronunciation of a word; what follows # is a comment.
    """
    pairs: dict[Pair, None] = {}
    dropped = set()
    with path.open(encoding="utf-8") as file:
        for line in file:
            entry, *phonemes = line.split("#")[0].split()
            word = re.sub(r"\(\d+\)$", "", entry)
            if re.fullmatch("[a-z']+", word):
                pairs[word, " ".join(phonemes)] = None
            else:
                dropped.add(word)
    return list(pairs), len(dropped)


def divided(pairs: Sequence[Pair], kept_together: Callable[[Pair], str], limit: int | None, seed: int = 0) -> Parts:
    """Hold out 2 % of the groups for validation and 10 % for the test, and then none whose source was seen before.

    Args:
        pairs: all there are.
        kept_together: names the group of a pair; a group is never divided.
        limit: how many pairs are used, drawn at random; None for all.
        seed: of the division.
    """
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(kept_together(pair), []).append(pair)
    order = random.Random(seed).sample(list(groups.values()), len(groups))
    if limit is not None:
        order = order[: max(1, round(limit * len(order) / len(pairs)))]
    ends = [0, round(0.88 * len(order)), round(0.9 * len(order)), len(order)]
    parts: list[list[Pair]] = []
    seen: set[str] = set()
    for start, end in pairwise(ends):
        parts.append([pair for group in order[start:end] for pair in group if pair[0] not in seen])
        seen.update(source for source, _ in parts[-1])
    return Parts(*parts)


def write_parts(parts: Parts, folder: Path) -> dict[str, str]:
    """Write each part as a file with the columns source and target; the options of recurra that name them."""
    files = {}
    for option, pairs in zip(("data", "valid", "test"), parts):
        path = folder / f"{option}.tsv"
        path.write_text("".join("\t".join(pair) + "\n" for pair in [("source", "target"), *pairs]), encoding="utf-8")
        files[option] = str(path)
    return {**files, "source_column": "source", "target_column": "target"}


def spaced(text: str) -> str:
    """Put blanks between the words and signs of a text.

    >>> spaced("L'homme s'arrête-t-il ?")
    "L' homme s' arrête-t-il ?"
    """
    return " ".join(_PIECE.findall(unicodedata.normalize("NFC", text)))


def running_text(symbols: str) -> str:
    """Undo :func:`spaced`, as far as the scores can see it; an unknown symbol counts as one wrong word.

    >>> running_text("I don' t , [UNK] .")
    "I don't, UNK."
    """
    joined = re.sub(r"(?<=\w['’]) (?=\w)", "", symbols.replace("[UNK]", "UNK"))  # noqa: RUF001
    return re.sub(r" (?=[.,])", "", joined)


def examined(pairs: Sequence[Pair]) -> Examined:
    """Bring the answers to each source together."""
    answers: dict[str, list[str]] = {}
    for source, target in pairs:
        answers.setdefault(source, []).append(target)
    return Examined(list(answers), list(answers.values()))


def quality(translations: Sequence[str], answers: Sequence[Sequence[str]]) -> Quality:
    """Score texts beside one or more right answers to each."""
    most = max(map(len, answers))
    columns: Any = [[of[number] if number < len(of) else None for of in answers] for number in range(most)]
    bleu, chrf = sacrebleu.BLEU(), sacrebleu.CHRF()
    scores = [metric.corpus_score(list(translations), columns).score for metric in (bleu, chrf)]
    return Quality(scores[0], scores[1], f"BLEU {bleu.get_signature()}, chrF {chrf.get_signature()}")


def bleu_by_length(test: Examined, translations: Sequence[str]) -> list[float]:
    """BLEU of the sources of each of `LENGTHS`; not a number where there are none."""
    found = []
    for least, most in LENGTHS:
        rows = [row for row, source in enumerate(test.sources) if least <= len(source.split()) <= most]
        picked = [translations[row] for row in rows], [test.answers[row] for row in rows]
        found.append(quality(*picked).bleu if rows else float("nan"))
    return found


def error_rates(answers: Sequence[Sequence[str]], found: Sequence[str]) -> tuple[float, float]:
    """Shares of wrong words and of wrong phonemes in per cent, each word beside the right answer that is closest."""
    wrong, edits, length = 0, 0, 0
    for of, text in zip(answers, found):
        given = text.split()
        fewest, phonemes = min((Levenshtein.distance(given, each.split()), len(each.split())) for each in of)
        wrong += fewest > 0
        edits += fewest
        length += phonemes
    return 100 * wrong / len(answers), 100 * edits / length
