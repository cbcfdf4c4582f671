"""Scores of a tagger, each with its interval.

The tokens of a sentence hang together, so what a bootstrap resamples is sentences, never tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from operator import eq
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError, ShapeError
from recurra.metrics import expected_calibration_error, interval_bounds, resampled_sums, share_and_error
from recurra.spans import Scheme, spans_of

__all__ = ["tagging_gain", "tagging_score", "tagging_scores"]

_MOST_CONFUSIONS = 10
_MOST_WORDS = 3
_LETTERS = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S"}  # BILOU in the letters that seqeval reads

Sentences = Sequence[Sequence[str]]
SpanSet = set[tuple[str, int, int]]  # type, first token, last token


class _Tokens(NamedTuple):
    """N tokens of n sentences: numbers of their tags, true and predicted, and of their sentences, each [N]."""

    names: list[str]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    sentence: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def per_sentence(self, marked: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many tokens are marked in each sentence, [n]."""
        return np.bincount(self.sentence[marked], minlength=len(self.lengths))


def tagging_scores(
    words: Sentences,
    truth: Sentences,
    predicted: Sentences,
    unknown: NDArray[np.bool_],
    spans: bool = False,
    confidence: NDArray[np.floating[Any]] | None = None,
) -> dict[str, Any]:
    """Score the tags predicted for n sentences of N tokens.

    Intervals are 95 % bootstrap intervals over the sentences (Efron, Tibshirani 1993), from 2,000 resamples; one in
    which a score is undefined, as that of unknown words where none was drawn, is left out.

    Args:
        words: the words of each sentence.
        truth: their true tags.
        predicted: their predicted tags.
        unknown: which tokens are words that the model does not know, sentence after sentence, [N].
        spans: whether the tags mark spans, in BIO, IOB1, BIOES or BILOU.
        confidence: the probability that the model gives each predicted tag, [N].

    Returns:
        sentences, tokens, unknown_words (counts); accuracy, sentence_accuracy (of sentences: all tokens right) and,
        where there are unknown words, unknown_word_accuracy (each a dict of value, low, high); per_tag (a row of tag,
        precision, recall, f1, support for each); confusions (the ten most frequent errors: true, predicted, count,
        share of all errors, and the words it happens to most often, each with its count and the first sentence,
        counted from 1); expected_calibration_error, where confidences are given; spans, where the tags mark spans:
        precision, recall, f1 (micro averages, f1 with its interval), support, predicted, by_type (a row of type,
        precision, recall, f1, support for each), all as seqeval and conlleval count them, ill-formed tags included.

    Raises:
        ShapeError: words, tags, marks and confidences do not fit together.
        DataError: there is no token, or a tag marks no span where all should.
    """
    tokens = _tokens(truth, predicted)
    _require_fit(tokens.lengths, words, "words")
    for name, given in (("unknown", unknown), ("confidence", confidence)):
        if given is not None and given.shape != tokens.truth.shape:
            raise ShapeError(f"{name}: expected one value a token, [{len(tokens.truth)}], found {list(given.shape)}")
    right = tokens.truth == tokens.predicted
    per_sentence = tokens.per_sentence(right)
    scores: dict[str, Any] = {
        "sentences": len(tokens.lengths),
        "tokens": len(right),
        "unknown_words": int(unknown.sum()),
        "accuracy": _with_interval([per_sentence, tokens.lengths], _share),
        "sentence_accuracy": _with_interval([per_sentence == tokens.lengths, np.ones_like(tokens.lengths)], _share),
    }
    if unknown.any():
        counts = [tokens.per_sentence(right & unknown), tokens.per_sentence(unknown)]
        scores["unknown_word_accuracy"] = _with_interval(counts, _share)
    if confidence is not None:
        # as the probability of the first class, of which the true one is then the first or not
        scores["expected_calibration_error"] = expected_calibration_error(1 - right, confidence[:, np.newaxis])
    if spans:
        scores["spans"] = _span_scores(_span_sets(truth), _span_sets(predicted))
    return {**scores, "per_tag": _per_tag(tokens), "confusions": _confusions(tokens, words)}


def tagging_gain(
    truth: Sentences, ours: Sentences, theirs: Sentences, spans: bool = False
) -> dict[str, dict[str, float]]:
    """How much better one tagger is than another on the same sentences, with 95 % bootstrap intervals over these.

    Returns:
        accuracy and, where the tags mark spans, span_f1: the differences, each a dict of value, low, high.

    Raises:
        ShapeError: the tags do not fit together.
        DataError: there is no token, or a tag marks no span where all should.
    """
    both = [_tokens(truth, tags) for tags in (ours, theirs)]
    right, others_right = (tokens.per_sentence(tokens.truth == tokens.predicted) for tokens in both)
    gain = {"accuracy": _with_interval([right - others_right, both[0].lengths], _share)}
    if spans:
        expected, found, others_found = (_span_sets(tags) for tags in (truth, ours, theirs))
        counts = [*_span_counts(expected, found), *_span_counts(expected, others_found)]
        gain["span_f1"] = _with_interval(counts, lambda sums: _f1(sums[:, :3]) - _f1(sums[:, 3:]))
    return gain


def tagging_score(truth: Sentences, predicted: Sentences, scheme: Scheme | None) -> tuple[float, float]:
    """The one score that tells taggers apart, and its standard error over the sentences.

    It is span F1 where the tags mark spans in a scheme, the same as that of :func:`tagging_scores`; else accuracy.
    """
    if scheme is None:
        right = [sum(map(eq, true, tags)) for true, tags in zip(truth, predicted)]
        return share_and_error(np.array(right, np.int64), np.array([*map(len, truth)], np.int64))
    pairs = [(set(spans_of(true, scheme)), set(spans_of(tags, scheme))) for true, tags in zip(truth, predicted)]
    found = np.array([2 * len(true & spans) for true, spans in pairs], np.int64)
    return share_and_error(found, np.array([len(true) + len(spans) for true, spans in pairs], np.int64))


def _tokens(truth: Sentences, predicted: Sentences) -> _Tokens:
    lengths = np.array([len(tags) for tags in truth], np.int64)
    _require_fit(lengths, predicted, "predicted tags")
    if not lengths.any():
        raise DataError("expected sentences to score, found no token in any")
    names = sorted({tag for tags in (*truth, *predicted) for tag in tags})
    numbers = {name: number for number, name in enumerate(names)}
    true_ids, predicted_ids = (
        np.array([numbers[tag] for tags in sentences for tag in tags], np.int64) for sentences in (truth, predicted)
    )
    return _Tokens(names, true_ids, predicted_ids, np.repeat(np.arange(len(lengths)), lengths), lengths)


def _require_fit(lengths: NDArray[np.int64], sentences: Sentences, what: str) -> None:
    if len(sentences) != len(lengths):
        raise ShapeError(
            f"{what}: expected as many sentences as have true tags, {len(lengths)}, found {len(sentences)}"
        )
    for number, (length, sentence) in enumerate(zip(lengths, sentences), start=1):
        if len(sentence) != length:
            raise ShapeError(f"{what}, sentence {number}: expected {length}, one a true tag, found {len(sentence)}")


def _with_interval(
    counts: Sequence[NDArray[Any]], score: Callable[[NDArray[np.int64]], NDArray[np.float64]]
) -> dict[str, float]:
    """A score of sums over sentences, [R, K] to [R], from the K counts of each sentence, each [n]."""
    table = np.stack(counts, axis=1).astype(np.int64)
    value = float(score(table.sum(0, keepdims=True))[0])
    if np.isnan(value):  # what is undefined counts as zero, as in scikit-learn and seqeval
        return {"value": 0.0, "low": 0.0, "high": 0.0}
    # sentences with the same counts are drawn together: how often is multinomial, and there are few different ones
    rows, times = np.unique(table, axis=0, return_counts=True)
    values = score(resampled_sums(rows, times))
    return {"value": value, **interval_bounds(values[~np.isnan(values)])}


def _share(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """The first of two sums over the second; NaN over zero."""
    shares = np.full(len(sums), np.nan)
    np.divide(sums[:, 0], sums[:, 1], out=shares, where=sums[:, 1] != 0)
    return shares


def _f1(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 from the numbers of spans found, true and predicted; NaN where there is no span."""
    return _share(np.stack([2 * sums[:, 0], sums[:, 1] + sums[:, 2]], axis=1))


def _span_sets(sentences: Sentences) -> list[SpanSet]:
    from seqeval.metrics.sequence_labeling import get_entities  # a second's import, for which others need not wait

    readable = {tag: _readable(tag) for tags in sentences for tag in tags}
    return [set(get_entities([readable[tag] for tag in tags])) for tags in sentences]


def _readable(tag: str) -> str:
    """Return a tag that marks a span as seqeval reads it."""
    prefix, dash, type_ = tag.partition("-")
    if tag == "O":
        return tag
    if prefix not in _LETTERS or (dash and not type_):
        raise DataError(f"expected tags of spans, O or B, I, E, S and a type, as B-PER, found '{tag}'")
    return f"{_LETTERS[prefix]}{dash}{type_}"


def _span_counts(truth: list[SpanSet], predicted: list[SpanSet]) -> list[NDArray[np.int64]]:
    """How many spans are found, true and predicted in each sentence, each [n]."""
    found = [len(true & other) for true, other in zip(truth, predicted)]
    return [np.array(counts, np.int64) for counts in (found, [*map(len, truth)], [*map(len, predicted)])]


def _span_scores(truth: list[SpanSet], predicted: list[SpanSet]) -> dict[str, Any]:
    counts = _span_counts(truth, predicted)
    found, true, others = (int(count.sum()) for count in counts)
    of_type = [
        Counter(span[0] for spans in sentences for span in spans)
        for sentences in ([true & other for true, other in zip(truth, predicted)], truth, predicted)
    ]
    return {
        "precision": found / max(1, others),
        "recall": found / max(1, true),
        "f1": _with_interval(counts, _f1),
        "support": true,
        "predicted": others,
        "by_type": [
            {"type": name, **_row(*(counter[name] for counter in of_type))} for name in sorted(of_type[1] | of_type[2])
        ],
    }


def _row(found: int, true: int, predicted: int) -> dict[str, float]:
    return {
        "precision": found / max(1, predicted),
        "recall": found / max(1, true),
        "f1": 2 * found / max(1, true + predicted),
        "support": true,
    }


def _per_tag(tokens: _Tokens) -> list[dict[str, Any]]:
    right = tokens.truth[tokens.truth == tokens.predicted]
    counts = (np.bincount(ids, minlength=len(tokens.names)) for ids in (right, tokens.truth, tokens.predicted))
    return [{"tag": name, **_row(*map(int, of_tag))} for name, *of_tag in zip(tokens.names, *counts)]


def _confusions(tokens: _Tokens, words: Sentences) -> list[dict[str, Any]]:
    """The most frequent errors, with the words that they happen to."""
    flat = [word for sentence in words for word in sentence]
    wrong = np.flatnonzero(tokens.truth != tokens.predicted)
    pair_of = tokens.truth[wrong] * len(tokens.names) + tokens.predicted[wrong]
    pairs, counts = np.unique(pair_of, return_counts=True)
    found = []
    for index in np.lexsort((pairs, -counts))[:_MOST_CONFUSIONS]:
        true, predicted = divmod(int(pairs[index]), len(tokens.names))
        where = wrong[pair_of == pairs[index]].tolist()
        first: dict[str, int] = {}
        for position in where:
            first.setdefault(flat[position], int(tokens.sentence[position]) + 1)
        most = Counter(flat[position] for position in where).most_common(_MOST_WORDS)  # of equals those met first
        found.append(
            {
                "true": tokens.names[true],
                "predicted": tokens.names[predicted],
                "count": int(counts[index]),
                "share": float(counts[index] / len(wrong)),
                "words": [{"word": word, "count": count, "sentence": first[word]} for word, count in most],
            }
        )
    return found
