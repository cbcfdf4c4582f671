"""Batches of numbers: padding at the end, lengths, and what does not fit together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from recurra.batch import Window, make_frame_batch, make_transcript_batch, make_window_batch
from recurra.errors import ShapeError


def frames(*lengths: int, size: int = 3) -> list[np.ndarray]:
    chance = np.random.default_rng(0)
    return [chance.standard_normal((length, size)).astype(np.float32) for length in lengths]


def test_frames_are_padded_as_torch_pads_them() -> None:
    made = frames(4, 0, 2)
    batch = make_frame_batch(made, np.array([1, 0, 1]))
    torch.testing.assert_close(batch.values, pad_sequence([torch.from_numpy(each) for each in made], batch_first=True))
    assert batch.lengths.tolist() == [4, 0, 2]
    assert batch.labels is not None
    assert batch.labels.tolist() == [1, 0, 1]
    assert batch.to(torch.device("cpu")).lengths is batch.lengths


def test_transcripts_stand_beside_their_frames() -> None:
    made = frames(4, 2)
    batch = make_transcript_batch(made, [np.array([5], np.int32), np.array([6, 7], np.int32)])
    assert batch.values.shape == (2, 4, 3)
    assert batch.targets.tolist() == [[5, 0], [6, 7]]
    assert batch.target_lengths.tolist() == [1, 2]
    with pytest.raises(ShapeError, match="targets: expected 2, as many as sequences, got 1"):
        make_transcript_batch(made, [np.array([5], np.int32)])


@pytest.mark.parametrize("made", [[], [np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32)], [np.zeros(3)]])
def test_frames_of_different_sizes_are_refused(made: list[np.ndarray]) -> None:
    with pytest.raises(ShapeError, match="sequences: expected frames"):
        make_frame_batch(made)


def window(steps: int, known: int = 2, targets: bool = True) -> Window:
    values = frames(steps, steps, 5, 5, size=known)
    past, covariates, ahead, wanted = values
    return Window(past[:, :1], covariates, ahead[:, 1:], np.ones(4, np.float32), wanted[:, :1] if targets else None)


def test_windows_stand_side_by_side() -> None:
    both = [window(3), window(6)]
    batch = make_window_batch(both)
    assert batch.lengths.tolist() == [3, 6]
    assert batch.past.shape == (2, 6, 1)
    assert batch.covariates.shape == (2, 6, 2)
    assert batch.ahead.shape == (2, 5, 1)
    assert batch.static.shape == (2, 4)
    assert batch.targets is not None
    assert not batch.past[0, 3:].any()
    np.testing.assert_array_equal(batch.past[0, :3], both[0].past)
    np.testing.assert_array_equal(batch.targets[1], both[1].targets)
    assert make_window_batch([window(3, targets=False)]).targets is None
    assert batch.to(torch.device("cpu")).lengths is batch.lengths


def test_a_window_without_a_past_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"expected a past of at least one step and as many covariates, got \[0, 3\]"):
        make_window_batch([window(0), window(3)])
