"""Baselines of a translator, the nearest source against brute force."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.torch import load, save

from recurra.errors import DataError, ShapeError
from recurra.translation_baselines import COPY, NEAREST, NearestNeighbour, baseline_answers
from recurra.vocabulary import UNKNOWN

Symbols = list[list[int]]


def flat(sources: Symbols) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    ids = np.array([symbol for source in sources for symbol in source], np.int32)
    return ids, np.cumsum([0, *map(len, sources)])


def fitted(sources: Symbols, targets: list[str]) -> NearestNeighbour:
    return NearestNeighbour.fit(*flat(sources), targets)


def made_up(count: int, seed: int, unknown: bool = True) -> Symbols:
    rng = random.Random(seed)
    return [rng.choices(range(1 if unknown else 2, 12), k=rng.randrange(7)) for _ in range(count)]


def features(source: list[int]) -> Counter[tuple[int, ...]]:
    found: Counter[tuple[int, ...]] = Counter((symbol,) for symbol in source if symbol != UNKNOWN)
    return found + Counter(pair for pair in pairwise(source) if UNKNOWN not in pair)


def by_brute_force(train: Symbols, query: list[int]) -> int | None:
    """The first of the sources whose tf-idf vectors have the largest cosine."""
    having = Counter(feature for source in train for feature in {*features(source)})

    def vector(source: list[int]) -> dict[tuple[int, ...], float]:
        raw = {
            feature: count * (math.log((1 + len(train)) / (1 + having[feature])) + 1)
            for feature, count in features(source).items()
            if having[feature]
        }
        length = math.sqrt(sum(value * value for value in raw.values()))
        return {feature: value / length for feature, value in raw.items()}

    ours = vector(query)
    similar = [sum(value * ours.get(f, 0) for f, value in vector(source).items()) for source in train]
    best = max(similar)
    return next(row for row, value in enumerate(similar) if value > best - 1e-9) if best > 0 else None


def test_the_most_similar_source_is_that_of_brute_force() -> None:
    train, queries = made_up(80, 0), made_up(60, 1)
    answers = fitted(train, [str(row) for row in range(80)]).answers(*flat(queries))
    for query, answer in zip(queries, answers, strict=True):
        row = by_brute_force(train, query)
        assert answer == str(row or 0), query


def test_order_counts_and_rare_symbols_count_more() -> None:
    nearest = fitted([[5, 6, 7], [7, 6, 5], [5, 5, 5], [5, 8]], ["forth", "back", "five", "eight"])
    assert nearest.answers(*flat([[5, 6, 7], [7, 6, 5], [8, 6], [5, 5]])) == ["forth", "back", "eight", "five"]


def test_of_sources_as_similar_the_first() -> None:
    nearest = fitted([[3], [5, 4], [5, 4], [5, 4]], ["x", "b", "a", "a"])
    assert nearest.answers(*flat([[5, 4], [4]])) == ["b", "b"]


@pytest.mark.parametrize("query", [[], [UNKNOWN], [9, 10], [UNKNOWN, UNKNOWN]])
def test_a_source_with_no_known_symbol_has_the_most_frequent_target(query: list[int]) -> None:
    nearest = fitted([[3], [UNKNOWN, 4], [5], [UNKNOWN, UNKNOWN], []], ["x", "often", "y", "often", "y"])
    assert nearest.answers(*flat([query, [5]])) == ["often", "y"]


def test_pairs_do_not_reach_over_sources() -> None:
    nearest = fitted([[3, 4], [5], [6]], ["a", "b", "c"])
    assert len(nearest._index.keys) == 5  # four symbols and a pair


def test_training_without_any_symbol() -> None:
    assert fitted([[], [UNKNOWN]], ["b", "a"]).answers(*flat([[3], []])) == ["b", "b"]


def test_nothing_to_answer() -> None:
    assert fitted([[3]], ["a"]).answers(*flat([])) == []


def test_of_many_pairs_so_many_are_kept_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recurra.translation_baselines._MOST_PAIRS", 4)
    sources = [[row] * (row % 3) for row in range(10)]
    nearest = NearestNeighbour.fit(*flat(sources), (f"target {row}" for row in range(10)))
    assert nearest.targets == ["target 0", "target 2", "target 5", "target 7"]
    assert nearest.ids.tolist() == [2, 2, 5, 5, 7]
    assert nearest.starts.tolist() == [0, 0, 2, 4, 5]


def test_stored_and_read_again() -> None:
    targets = [f"tärget {row}" if row % 7 else "" for row in range(40)]
    nearest = fitted(made_up(40, 2), targets)
    again = NearestNeighbour.from_tensors(load(save(nearest.tensors())))
    assert (again.ids.dtype, again.starts.dtype) == (np.int32, np.int64)
    assert again.targets == targets
    queries = flat(made_up(30, 3))
    assert again.answers(*queries) == nearest.answers(*queries)


def test_tensors_of_another_kind_are_refused() -> None:
    tensors = fitted([[3], [4]], ["a", "b"]).tensors()
    with pytest.raises(KeyError, match=r"targets\.bytes"):
        NearestNeighbour.from_tensors({name: tensors[name] for name in ("ids", "starts")})
    for starts in (tensors["starts"][:-1], tensors["starts"] + 1, tensors["starts"][[0, 2, 2, 2]], -tensors["starts"]):
        with pytest.raises(ValueError, match="the starts do not divide 2 symbols into 2 sources"):
            NearestNeighbour.from_tensors({**tensors, "starts": starts})


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="expected training pairs, found none"):
        fitted([], [])
    for targets in (["a"], ["a", "b", "c"]):
        with pytest.raises(ShapeError, match=f"targets: expected 2, as many as sources, found {len(targets)}"):
            fitted([[3], [4]], targets)


def test_both_baselines_by_name() -> None:
    nearest = fitted([[3, 4], [5]], ["drei vier", "fünf"])
    assert baseline_answers(nearest, ["five", "three"], *flat([[5], [3]])) == {
        COPY: ["five", "three"],
        NEAREST: ["fünf", "drei vier"],
    }
