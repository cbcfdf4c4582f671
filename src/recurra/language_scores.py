"""Scores of a language model, beside those of unigrams and 5-grams."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.ngram import KneserNey, unigram_log_probabilities
from recurra.perplexity import perplexity
from recurra.tables import ScoreTable

__all__ = ["KNESER_NEY", "UNIGRAM", "NGrams", "Text", "language_scores", "language_tables"]

UNIGRAM = "unigram"
KNESER_NEY = "Kneser-Ney 5-gram"
_MOST_COUNTED = 5_000_000


class Text(Protocol):
    """A text as symbols, and what it was before."""

    @property
    def ids(self) -> NDArray[np.int32]:
        """All symbols, the ends of lines among them."""

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each line begins, and the end of the last."""

    @property
    def characters(self) -> int:
        """How many characters it has, a line's end being one."""

    @property
    def unknown_share(self) -> float:
        """The share of symbols that the vocabulary does not know."""


@dataclass(frozen=True)
class NGrams:
    """The counts that a language model's scores are shown beside; they are kept as the text that was counted.

    Attributes:
        ids: the training text, its first 5,000,000 symbols at the most.
        vocabulary_size: V.
    """

    ids: NDArray[np.int32]
    vocabulary_size: int

    @classmethod
    def fit(cls, ids: NDArray[np.int32], vocabulary_size: int) -> NGrams:
        """Take what is to be counted of a training text."""
        return cls(np.array(ids[:_MOST_COUNTED], np.int32), vocabulary_size)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> NGrams:
        """Make them again from what :meth:`tensors` gave."""
        return cls(tensors["ids"].numpy(), int(tensors["vocabulary_size"]))

    def tensors(self) -> dict[str, Tensor]:
        """All of it, as it lies in a model directory."""
        return {"ids": torch.from_numpy(self.ids), "vocabulary_size": torch.tensor(self.vocabulary_size)}

    @cached_property
    def _kneser_ney(self) -> KneserNey:
        return KneserNey.fit(self.ids, self.vocabulary_size)

    def log_probabilities(self, ids: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
        """The log-probability of each symbol of a text in nats, by each kind of count."""
        return {
            UNIGRAM: unigram_log_probabilities(self.ids, ids, self.vocabulary_size),
            KNESER_NEY: self._kneser_ney.log_probabilities(ids),
        }


def language_scores(
    found: NDArray[np.float64], text: Text, baseline: NGrams, learning: NDArray[np.float64] | None = None
) -> dict[str, Any]:
    """Score a language model and its baselines on a text.

    Args:
        found: the model's log-probability of each symbol, in nats.
        text: what was scored.
        baseline: the counts of the training text.
        learning: the same by dynamic evaluation, where that was asked for.

    Returns:
        "model", "dynamic" (where it was asked for) and "baselines" (a mapping of name to scores): each has nats (per
        symbol), perplexity (exp of nats, with its 95 % interval) and bits_per_character; "gain" (nats per symbol over
        the 5-grams, with its interval), "symbols", "characters", "lines" and "unknown_share". Intervals are for other
        lines drawn from where these come from: the normal interval of a ratio of sums over lines (Cochran, "Sampling
        techniques", 1977, chapter 6). One line alone has none.
    """
    theirs = baseline.log_probabilities(text.ids)
    return {
        "model": _scores(found, text),
        **({} if learning is None else {"dynamic": _scores(learning, text)}),
        "baselines": {name: _scores(values, text) for name, values in theirs.items()},
        "gain": _per_symbol(found - theirs[KNESER_NEY], text),
        "symbols": len(text.ids),
        "characters": text.characters,
        "lines": len(text.starts) - 1,
        "unknown_share": text.unknown_share,
    }


def _scores(found: NDArray[np.float64], text: Text) -> dict[str, Any]:
    nats = _per_symbol(-found, text)
    return {
        "nats": nats["value"],
        "perplexity": {name: perplexity(value) for name, value in nats.items()},
        "bits_per_character": float(-found.sum() / math.log(2) / max(1, text.characters)),
    }


def _per_symbol(values: NDArray[np.float64], text: Text) -> dict[str, float]:
    """The mean over symbols and, where there are two lines or more, its interval over lines."""
    lengths = np.diff(text.starts)
    mean = float(values.mean())
    sums = np.add.reduceat(values, text.starts[:-1][lengths > 0]) - mean * lengths[lengths > 0]
    lines = len(sums)
    if lines < 2:
        return {"value": mean}
    error = math.sqrt(lines / (lines - 1) * float(np.square(sums).sum())) / len(values)
    return {"value": mean, "low": mean - 1.96 * error, "high": mean + 1.96 * error}


def language_tables(scores: Mapping[str, Any], title: str) -> list[ScoreTable]:
    """Show the scores of a language model and its baselines."""
    rows: list[tuple[str, ...]] = []
    learning = {"this model, dynamic": scores["dynamic"]} if "dynamic" in scores else {}
    for name, found in {"this model": scores["model"], **learning, **scores["baselines"]}.items():
        perplexity = found["perplexity"]
        shown = f"{perplexity['value']:,.2f}"
        if "low" in perplexity:
            shown += f" ({perplexity['low']:,.2f} to {perplexity['high']:,.2f})"
        rows.append((name, shown, f"{found['nats']:.3f}", f"{found['bits_per_character']:.3f}"))
    columns = ("", "perplexity", "nats a symbol", "bits a character")
    return [ScoreTable(f"{title}: {scores['symbols']:,} symbols", columns, rows)]
