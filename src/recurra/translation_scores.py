"""Scores of a translator, each with its interval.

A score is a function of sums over sources: of n-grams that answers and references have in common, of edits, of right
answers. So a bootstrap over sources sums again (Koehn, "Statistical significance tests for machine translation
evaluation", EMNLP 2004), and what the model and a baseline did with a source is drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from recurra.errors import DataError, ShapeError
from recurra.metrics import interval_bounds, resampled_sums, share_and_error
from recurra.perplexity import perplexity
from recurra.rouge import rouge

__all__ = ["Likelihood", "by_source", "full_scores", "translation_scores"]

_AT_ONCE = 1000  # sources whose n-grams are in memory together
_CUTS = (0.25, 0.5, 0.75, 0.9, 0.98)  # of the sources by length: the last are few, and what is hardest
_FEWEST = 30  # sources of like length that can have a score of their own

References = Sequence[Sequence[str]]
Sums = NDArray[np.float64]

# What is summed over sources, column by column.
_BLEU = slice(0, 10)  # tokens of the answers and of the references, common 1- to 4-grams, those of the answers
_CHRF = slice(10, 28)  # of characters, for each order from 1 to 6: n-grams of the answers, of the references, common
_SOURCES, _EXACT, _EDITS, _TOKENS, _ROUGE_1, _ROUGE_2, _ROUGE_L = range(28, 35)
_FOUR_GRAMS = 9


class Likelihood(NamedTuple):
    """What a model makes of the true targets of each pair: their summed log-probability in nats, and symbols, [n]."""

    log_probabilities: NDArray[np.floating[Any]]
    symbols: NDArray[np.integer[Any]]


def translation_scores(answers: Sequence[str], references: References) -> dict[str, Any]:
    """Score answers, one for each of n sources that has one reference or more.

    Intervals are 95 % bootstrap intervals over the sources, from 2,000 resamples with a fixed seed.

    Args:
        answers: [n]; an empty one counts as any other.
        references: [n], the right answers of each source.

    Returns:
        Each a dict of value, low, high: bleu and chrf, from 0 to 100, the corpus scores of sacrebleu (Post, "A call for
        clarity in reporting BLEU scores", WMT 2018; Popović, "chrF", WMT 2015); exact, the share of answers equal to a
        reference but for white space; token_error, the edits from each answer to its nearest reference, in tokens
        between white space, over the tokens of these references (at least one): the word or phoneme error rate, which
        can exceed 1;
        rouge1, rouge2, rougeL (see :mod:`recurra.rouge`), means over the answers. And four_grams, how many sequences
        of four tokens the answers have: where there is none BLEU is 0, whatever they are. And signatures, that say how
        bleu and chrf were counted.

    Raises:
        ShapeError: not as many answers as sources.
        DataError: no source, or one without a reference.
    """
    table = _table(answers, references)
    return {**_scores(table, resampled_sums(table, _once(table))), "signatures": _signatures(references)}


def full_scores(
    answers: Sequence[str],
    baselines: Mapping[str, Sequence[str]],
    references: References,
    likelihood: Likelihood,
    lengths: NDArray[np.integer[Any]],
    capped: int,
    unknown_share: float,
) -> dict[str, Any]:
    """Score a translator beside its baselines.

    Args:
        answers: the model's, one for each of n sources.
        baselines: theirs, by their names; at least one.
        references: of each source.
        likelihood: what the model makes of the target of each pair.
        lengths: the tokens of each source, [n].
        capped: how many answers were cut off because they were too long.
        unknown_share: the share of source tokens that the vocabulary does not know.

    Returns:
        "model" and "baselines" (a mapping of name to scores), each as of :func:`translation_scores`; the model's also
        have nats (per target symbol) and perplexity (exp of nats, with its interval). "gain": how much more chrF the
        model has than the baseline that has most, whose name is "over", with its interval. "by_length": for sources
        from so many tokens to so many (from, to) their count and bleu, chrf and exact of the answers: about a quarter
        of the sources, the next quarters, 15 %, 8 % and the longest 2 %, where each has 30 sources. "pairs",
        "sources", "capped", "unknown_share", "signatures".

    Raises:
        ShapeError: answers, lengths and likelihoods do not fit together.
        DataError: as :func:`translation_scores`.
    """
    pairs = sum(map(len, references))
    _require_as_many("lengths", len(lengths), len(references), "sources")
    for name, values in likelihood._asdict().items():
        _require_as_many(name, len(values), pairs, "references")
    tables = [_table(texts, references) for texts in (answers, *baselines.values())]
    drawn = np.split(resampled_sums(np.concatenate(tables, axis=1), _once(tables[0])), len(tables), axis=1)
    model, *theirs = [_scores(table, resamples) for table, resamples in zip(tables, drawn)]
    best = max(range(len(theirs)), key=lambda number: float(theirs[number]["chrf"]["value"]))
    chrf = _MEASURES["chrf"]
    return {
        "model": {**model, **_perplexity(likelihood)},
        "baselines": dict(zip(baselines, theirs)),
        "gain": {
            "over": [*baselines][best],
            "value": model["chrf"]["value"] - theirs[best]["chrf"]["value"],
            **interval_bounds(chrf(drawn[0]) - chrf(drawn[1 + best])),
        },
        "by_length": _by_length(tables[0], lengths),
        "pairs": pairs,
        "sources": len(references),
        "capped": capped,
        "unknown_share": unknown_share,
        "signatures": _signatures(references),
    }


def by_source(sources: Sequence[str], targets: Sequence[str]) -> tuple[list[int], list[list[str]]]:
    """Put the targets of the same source together, as its references.

    Returns:
        The number of the first pair of each different source, in their order, and all targets of each.

    >>> by_source(["read", "red", "read"], ["R IY D", "R EH D", "R EH D"])
    ([0, 1], [['R IY D', 'R EH D'], ['R EH D']])
    """
    first: dict[str, int] = {}
    of_source: dict[str, list[str]] = {}
    for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
        first.setdefault(source, number)
        of_source.setdefault(source, []).append(target)
    return [*first.values()], [*of_source.values()]


def _table(answers: Sequence[str], references: References) -> Sums:
    """What is summed, of each source, [n, 35]."""
    _require_as_many("answers", len(answers), len(references), "sources")
    if not len(answers):
        raise DataError("expected pairs to score, found none")
    for number, right in enumerate(references, start=1):
        if not right:
            raise DataError(f"references, source {number}: expected at least one, found none")
    counted = [_counted(metric, answers, references) for metric in _metrics()]
    ours = [_compared(answer, right) for answer, right in zip(answers, references)]
    return np.concatenate([*counted, np.array(ours)], axis=1)


def _metrics() -> tuple[BLEU, CHRF]:
    return BLEU(force=True), CHRF()  # forced, it does not complain of texts whose signs stand apart


def _counted(metric: Metric, answers: Sequence[str], references: References) -> Sums:
    """What sacrebleu sums for a corpus, of each source.

    Its own resampling is left aside: it has no intervals of differences, and takes gigabytes for many sources.
    """
    found: list[list[int]] = []
    for start in range(0, len(answers), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        found += metric._extract_corpus_statistics(answers[part], _streams(references[part]))
    return np.array(found, np.float64)


def _streams(references: References) -> list[list[Any]]:
    """The first references of all sources, the second ones, and so on; None where a source has fewer."""
    most = max(map(len, references))
    return [[right[number] if number < len(right) else None for right in references] for number in range(most)]


def _compared(answer: str, references: Sequence[str]) -> tuple[float, ...]:
    tokens = answer.split()
    right = [reference.split() for reference in references]
    # of references as near the shorter, so that their order does not matter
    edits, length = min((Levenshtein.distance(tokens, reference), len(reference)) for reference in right)
    return (1, tokens in right, edits, length, *rouge(answer, references))


def _once(table: Sums) -> NDArray[np.int64]:
    return np.ones(len(table), np.int64)


def _as_sacrebleu(metric: Metric, columns: slice) -> Callable[[Sums], Sums]:
    """The corpus score of each of R rows of sums, [R, 35] to [R]."""
    return lambda sums: np.array([metric._compute_score_from_stats(row).score for row in sums[:, columns].tolist()])


def _ratio(above: int, below: int) -> Callable[[Sums], Sums]:
    """One sum over another, [R, 35] to [R]; what is nothing, as the tokens of empty references, counts as one."""
    return lambda sums: sums[:, above] / np.maximum(1, sums[:, below])


_MEASURES: dict[str, Callable[[Sums], Sums]] = {
    "bleu": _as_sacrebleu(_metrics()[0], _BLEU),
    "chrf": _as_sacrebleu(_metrics()[1], _CHRF),
    "exact": _ratio(_EXACT, _SOURCES),
    "token_error": _ratio(_EDITS, _TOKENS),
    "rouge1": _ratio(_ROUGE_1, _SOURCES),
    "rouge2": _ratio(_ROUGE_2, _SOURCES),
    "rougeL": _ratio(_ROUGE_L, _SOURCES),
}


def _scores(table: Sums, resamples: Sums) -> dict[str, Any]:
    sums = table.sum(0, keepdims=True)
    found = {
        name: {"value": float(measure(sums)[0]), **interval_bounds(measure(resamples))}
        for name, measure in _MEASURES.items()
    }
    return {**found, "four_grams": int(sums[0, _FOUR_GRAMS])}


def _signatures(references: References) -> dict[str, str]:
    """What sacrebleu calls the way of counting."""
    bleu, chrf = _metrics()
    different = {len(right) for right in references}
    bleu.num_refs = chrf.num_refs = max(different) if len(different) == 1 else -1  # by which it says "var"
    return {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}


def _perplexity(likelihood: Likelihood) -> dict[str, Any]:
    """Nats per symbol and perplexity, with the normal interval of a ratio of sums over pairs."""
    nats, error = share_and_error(-np.asarray(likelihood.log_probabilities, np.float64), likelihood.symbols)
    bounds = {"value": nats, "low": nats - 1.96 * error, "high": nats + 1.96 * error}
    return {"nats": nats, "perplexity": {name: perplexity(value) for name, value in bounds.items()}}


def _by_length(table: Sums, lengths: NDArray[np.integer[Any]]) -> list[dict[str, Any]]:
    measures = ("bleu", "chrf", "exact")
    found = []
    for first, last in _buckets(lengths):
        rows = table[(lengths >= first) & (lengths <= last)]
        sums = rows.sum(0, keepdims=True)
        scores = {name: float(_MEASURES[name](sums)[0]) for name in measures}
        found.append({"from": first, "to": last, "count": len(rows), **scores})
    return found


def _buckets(lengths: NDArray[np.integer[Any]]) -> list[tuple[int, int]]:
    """The shortest and the longest length of each group, without gaps in the lengths that there are."""
    ordered = np.sort(lengths)
    firsts = [0]  # where in the order a group begins
    for cut in _CUTS:
        # sources of the same length stay together
        place = int(np.searchsorted(ordered, ordered[int(cut * len(ordered))], side="left"))
        if place - firsts[-1] >= _FEWEST and len(ordered) - place >= _FEWEST:
            firsts.append(place)
    return [(int(ordered[start]), int(ordered[stop - 1])) for start, stop in zip(firsts, [*firsts[1:], len(ordered)])]


def _require_as_many(what: str, found: int, expected: int, of: str) -> None:
    if found != expected:
        raise ShapeError(f"{what}: expected {expected}, as many as {of}, found {found}")
