"""Best paths and alignments against all paths there are."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recurra.ctc_paths import BLANK, GreedyStream, align, best_path, frames_needed
from recurra.errors import DataError, ShapeError

Frames = NDArray[np.float64]


def random_frames(seed: int, time: int, symbols: int, spread: float = 2.0) -> Frames:
    scores = np.random.default_rng(seed).normal(size=(time, symbols)) * spread
    return np.asarray(scores - np.logaddexp.reduce(scores, axis=1)[:, None])


def text_of(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(id_ for id_, _ in itertools.groupby(path) if id_ != BLANK)


def all_paths(frames: Frames) -> list[tuple[float, tuple[int, ...]]]:
    """Every path with its log-probability, the best first."""
    paths = itertools.product(range(frames.shape[1]), repeat=len(frames))
    return sorted(((math.fsum(frames[range(len(path)), path]), path) for path in paths), reverse=True)


def stretches(path: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """The symbols of a path with their first and last frames."""
    found, time = [], 0
    for id_, group in itertools.groupby(path):
        count = len(list(group))
        found += [(id_, time, time + count - 1)] if id_ != BLANK else []
        time += count
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 5), st.integers(2, 4))
def test_the_best_path_is_the_best_of_all(seed: int, time: int, symbols: int) -> None:
    frames = random_frames(seed, time, symbols)
    assert best_path(frames) == list(text_of(all_paths(frames)[0][1]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 5), max_size=8))
def test_pieces_give_the_best_path_of_the_whole(seed: int, pieces: list[int]) -> None:
    frames = random_frames(seed, sum(pieces), 3)
    stream, begin = GreedyStream(), 0
    for piece in pieces:
        ids = stream.push(frames[begin : begin + piece])
        begin += piece
        assert ids == best_path(frames[:begin])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(2, 4))
def test_alignments_are_the_best_of_all_paths_of_a_text(seed: int, time: int, symbols: int) -> None:
    frames = random_frames(seed, time, symbols)
    best: dict[tuple[int, ...], tuple[int, ...]] = {}
    for _, path in all_paths(frames):
        best.setdefault(text_of(path), path)
    for text, path in best.items():
        aligned = align(frames, list(text))
        assert [(one.id, one.first, one.last) for one in aligned] == stretches(path)
        for one in aligned:
            share = math.fsum(math.exp(frames[t, one.id]) for t in range(one.first, one.last + 1))
            assert one.probability == pytest.approx(share / (one.last - one.first + 1), rel=1e-12)


def test_every_text_that_fits_is_aligned_and_no_other() -> None:
    frames = random_frames(0, 4, 3)
    possible = {text_of(path) for _, path in all_paths(frames)}
    for text in (text for n in range(6) for text in itertools.product([1, 2], repeat=n)):
        assert (frames_needed(text) <= 4) == (text in possible)
        if text in possible:
            assert [one.id for one in align(frames, text)] == list(text)
        else:
            expected = f"a text of {len(text)} symbols needs at least {frames_needed(text)} frames, .* found 4"
            with pytest.raises(DataError, match=expected):
                align(frames, text)


def test_a_long_alignment_has_the_probability_of_a_torch_loss_where_one_path_has_all() -> None:
    """Where each frame all but says its symbol, the sum over paths is that of the path that was built."""
    rng = np.random.default_rng(1)
    ids = rng.integers(1, 30, 400)
    path = np.repeat(np.stack([ids, np.zeros_like(ids)], 1).ravel(), rng.integers(1, 4, 800))
    frames = np.full((len(path), 30), math.log(1e-9))
    frames[range(len(path)), path] = math.log(1 - 29e-9)
    aligned = align(frames, ids.tolist())
    assert [(one.id, one.first, one.last) for one in aligned] == stretches(tuple(path.tolist()))
    loss = torch.nn.functional.ctc_loss(
        torch.from_numpy(frames)[:, None],
        torch.from_numpy(ids)[None],
        torch.tensor([len(path)]),
        torch.tensor([400]),
        reduction="sum",
    )
    own = [frames[one.first : one.last + 1, one.id].sum() for one in aligned]
    assert sum(own) == pytest.approx(-float(loss), abs=1e-4)


def test_nothing_is_aligned_with_anything() -> None:
    assert align(random_frames(0, 3, 4), []) == []
    assert align(np.zeros((0, 4)), []) == []
    with pytest.raises(DataError, match=r"a text of 1 symbols needs at least 1 frames, .* found 0"):
        align(np.zeros((0, 4)), [1])


def test_single_precision_is_read_as_double() -> None:
    frames = random_frames(3, 20, 5)
    ids = best_path(frames)
    assert align(frames.astype(np.float32), ids) == align(frames.astype(np.float32).astype(np.float64), ids)


@pytest.mark.parametrize("id_", [0, -1, 5])
def test_what_is_no_symbol_is_refused(id_: int) -> None:
    with pytest.raises(ShapeError, match=f"ids: expected symbols from 1 to 4, got {id_}"):
        align(random_frames(0, 6, 5), [1, id_])


def test_an_impossible_symbol_is_said() -> None:
    with np.errstate(divide="ignore"):
        frames = np.log([[0.5, 0.5, 0.0]] * 4)
    assert [one.id for one in align(frames, [1, 1])] == [1, 1]
    with pytest.raises(DataError, match="the text has no probability in these frames: a symbol of it is impossible"):
        align(frames, [1, 2])


@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        (np.zeros(4), ShapeError, r"expected \[T, V\] of the blank and some symbols, got \(4,\)"),
        (np.zeros((3, 1)), ShapeError, r"expected \[T, V\] of the blank and some symbols, got \(3, 1\)"),
        (np.log([[0.5, 0.5], [0.2, 0.2]]), DataError, "frame 1: expected natural logarithms .* sum to 1, got"),
        (np.array([[800.0, 0.0]]), DataError, r"frame 0: .* got a sum of exp\(800\); give the log-softmax"),
        (np.array([[np.nan, 0.0]]), DataError, r"frame 0: .* got a sum of exp\(nan\)"),
        (np.full((1, 3), -np.inf), DataError, r"frame 0: .* got a sum of exp\(-inf\)"),
    ],
)
def test_what_is_no_log_probability_is_refused(frames: Frames, error: type[Exception], message: str) -> None:
    calls: list[Any] = [best_path, lambda given: align(given, [1]), GreedyStream().push]
    for call in calls:
        with pytest.raises(error, match=message):
            call(frames)
