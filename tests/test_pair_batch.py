"""Pairs side by side."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recurra.batch import make_pair_batch
from recurra.errors import ShapeError


def test_pads_both_sides_at_the_end():
    batch = make_pair_batch([[5, 6, 7], [], np.array([8])], [[4, 2], [2], [3, 4, 2]], sampling=0.25)
    assert batch.sources.tolist() == [[5, 6, 7], [0, 0, 0], [8, 0, 0]]
    assert batch.source_lengths.tolist() == [3, 0, 1]
    assert batch.targets.tolist() == [[4, 2, 0], [2, 0, 0], [3, 4, 2]]
    assert batch.lengths.tolist() == [2, 1, 3]
    assert (batch.copies, batch.extra, batch.sampling) == (None, 0, 0.25)


@pytest.mark.parametrize(
    ("copies", "extra"), [([[3, 9], [9, 10], []], 2), ([[3, 9], [3, 8], []], 1), ([[1, 2], [3, 8], []], 0)]
)
def test_counts_the_most_unknowns_of_a_source(copies, extra):
    batch = make_pair_batch([[3, 1], [1, 1], []], [[2]] * 3, copies, target_size=9)
    assert batch.extra == extra
    assert batch.copies.tolist() == [*copies[:2], [0, 0]]


def test_sources_that_are_all_empty():
    batch = make_pair_batch([[], []], [[2], [2]], [[], []], target_size=9)
    assert batch.sources.shape == batch.copies.shape == (2, 0)
    assert batch.extra == 0


def test_to_moves_all_but_the_lengths():
    batch = make_pair_batch([[3]], [[2]], [[3]], 0.5, target_size=9).to(torch.device("meta"))
    assert [part.is_meta for part in (batch.sources, batch.targets, batch.copies)] == [True] * 3
    assert [part.is_meta for part in (batch.source_lengths, batch.lengths)] == [False] * 2
    assert (batch.extra, batch.sampling) == (0, 0.5)
    assert make_pair_batch([[3]], [[2]]).to(torch.device("meta")).copies is None


def test_sides_that_do_not_fit():
    with pytest.raises(ShapeError, match="targets: expected 2, as many as sources, got 1"):
        make_pair_batch([[3], [4]], [[2]])
    with pytest.raises(ShapeError, match="targets: expected the end behind each, got none in number 1"):
        make_pair_batch([[3], [4]], [[2], []])
    with pytest.raises(ShapeError, match=r"copies: expected as many as symbols, \[1, 2\], got \[1, 1\]"):
        make_pair_batch([[3], [4, 5]], [[2], [2]], [[3], [4]], target_size=9)
