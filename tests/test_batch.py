"""Batches: padding, and how examples of like length come together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.batch import Spelling, length_sorted, make_batch, make_token_batch, shuffled_batches
from recurra.errors import ShapeError

SHAPES = {"lengths": st.lists(st.integers(0, 60), min_size=1, max_size=300), "size": st.integers(1, 9)}


def padding_share(lengths: np.ndarray, batches: list[np.ndarray]) -> float:
    cells = sum(len(batch) * lengths[batch].max() for batch in batches)
    return 1 - lengths.sum() / cells


def test_make_batch_pads_at_the_end():
    batch = make_batch([[5, 6, 7], [], [8]], np.array([1, 0, 2]))
    assert batch.values.tolist() == [[5, 6, 7], [0, 0, 0], [8, 0, 0]]
    assert batch.lengths.tolist() == [3, 0, 1]
    assert batch.labels is not None
    assert batch.labels.tolist() == [1, 0, 2]
    assert {part.dtype for part in batch} == {torch.int64}


@pytest.mark.parametrize(("sequences", "shape"), [([], (0, 0)), ([[], []], (2, 0))])
def test_make_batch_of_nothing(sequences, shape):
    batch = make_batch(sequences)
    assert batch.values.shape == shape
    assert batch.labels is None


def test_to_moves_values_and_labels_but_keeps_the_lengths():
    batch = make_batch([[1]], np.array([0])).to(torch.device("meta"))
    assert batch.values.is_meta
    assert batch.labels is not None
    assert batch.labels.is_meta
    assert batch.lengths.device.type == "cpu"
    assert make_batch([[1]]).to(torch.device("meta")).labels is None


@given(**SHAPES, seed=st.integers(0, 2**31 - 1), epoch=st.integers(0, 50))
@settings(deadline=None, max_examples=60)
def test_each_example_is_in_one_batch_and_the_seed_decides(lengths, size, seed, epoch):
    array = np.array(lengths)
    batches = shuffled_batches(array, size, seed, epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)
    again = shuffled_batches(array, size, seed, epoch)
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in again]
    other = shuffled_batches(array, size, seed, epoch + 1)
    assert len(other) == len(batches)


@given(**SHAPES)
@settings(deadline=None, max_examples=60)
def test_length_sorted_goes_from_short_to_long(lengths, size):
    array = np.array(lengths)
    order = np.concatenate(list(length_sorted(array, size)))
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert (np.diff(array[order]) >= 0).all()


def test_epochs_and_seeds_differ():
    lengths = np.arange(200) % 17
    drawn = {
        tuple(np.concatenate(shuffled_batches(lengths, 8, seed, epoch)).tolist())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(drawn) == 9
    neighbours = [{frozenset(batch.tolist()) for batch in shuffled_batches(lengths, 8, 0, epoch)} for epoch in range(2)]
    assert len(neighbours[0] & neighbours[1]) < len(neighbours[0]) / 2  # other company, not only another order


def test_lengths_do_not_rise_over_an_epoch():
    """Sorted pools, but shuffled batches: the mean length of the first and the second half are close."""
    lengths = np.random.default_rng(0).integers(1, 100, 4000)
    means = [lengths[batch].mean() for batch in shuffled_batches(lengths, 10, seed=0, epoch=0)]
    half = len(means) // 2
    assert abs(np.mean(means[:half]) - np.mean(means[half:])) < 8
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.15


@pytest.mark.parametrize("spread", [0.6, 0.9])
def test_little_padding_on_skewed_lengths(spread):
    rng = np.random.default_rng(3)
    lengths = np.maximum(1, rng.lognormal(3, spread, 5000)).astype(np.int64)
    order = rng.permutation(len(lengths))
    at_random = padding_share(lengths, [order[start : start + 32] for start in range(0, len(order), 32)])
    ours = padding_share(lengths, shuffled_batches(lengths, 32, seed=0, epoch=0))
    assert ours < at_random / 3
    assert padding_share(lengths, list(length_sorted(lengths, 32))) < ours


SPELLING = Spelling([[4, 1, 4], [], [0]], [[9], [2, 3, 4], [8], [8, 8, 8, 8, 8], [5, 6]])


def test_make_token_batch_pads_at_the_end_and_spells_each_distinct_word_once():
    batch = make_token_batch([[5, 6, 5], [], np.array([8])], [[1, 0, 2], [], [3]], SPELLING)
    assert batch.values.tolist() == [[5, 6, 5], [0, 0, 0], [8, 0, 0]]
    assert batch.lengths.tolist() == [3, 0, 1]
    assert batch.labels is not None
    assert batch.labels.tolist() == [[1, 0, 2], [0, 0, 0], [3, 0, 0]]
    assert batch.characters is not None
    assert batch.characters.values.tolist() == [[9, 0, 0], [2, 3, 4], [5, 6, 0]]  # words 0, 1 and 4
    assert batch.characters.lengths.tolist() == [1, 3, 2]
    assert batch.characters.of_token.tolist() == [[2, 1, 2], [0, 0, 0], [0, 0, 0]]
    assert {part.dtype for part in (*batch[:3], *batch.characters)} == {torch.int64}


@pytest.mark.parametrize(("sequences", "shape"), [([], (0, 0)), ([[], []], (2, 0))])
def test_make_token_batch_of_nothing(sequences, shape):
    batch = make_token_batch(sequences, sequences, Spelling(sequences, [[3]]))
    assert batch.values.shape == batch.labels.shape == batch.characters.of_token.shape == shape
    assert batch.characters.values.shape == (0, 0)
    assert make_token_batch(sequences)[2:] == (None, None)


def test_to_moves_the_tokens_but_keeps_the_lengths():
    batch = make_token_batch([[5, 6, 5], [], [8]], [[1, 0, 2], [], [3]], SPELLING).to(torch.device("meta"))
    assert all(part.is_meta for part in (batch.values, batch.labels, *batch.characters[::2]))
    assert batch.lengths.device.type == batch.characters.lengths.device.type == "cpu"
    assert make_token_batch([[1]]).to(torch.device("meta"))[2:] == (None, None)


@pytest.mark.parametrize(
    ("labels", "words", "message"),
    [
        ([[1, 2]], [[0, 0]], r"labels: expected as many as tokens, \[2, 1\], got \[2\]"),
        ([[1, 2], [1]], [[0, 0], []], r"words: expected as many as tokens, \[2, 1\], got \[2, 0\]"),
    ],
)
def test_every_token_has_a_label_and_a_word(labels, words, message):
    with pytest.raises(ShapeError, match=message):
        make_token_batch([[1, 2], [3]], labels, Spelling(words, [[7]]))
