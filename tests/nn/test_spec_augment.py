"""SpecAugment hides what its policy says, within each recording, and only in training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recurra.errors import SettingsError
from recurra.nn.spec_augment import SpecAugment

FEATURES = 16  # of which a mask hides 3 at most


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def hidden(time_masks: int, frequency_masks: int, lengths: list[int], time: int | None = None) -> Tensor:
    """Which numbers [B, T, F] are hidden."""
    values = torch.ones(len(lengths), time or max(lengths), FEATURES)
    masked = SpecAugment(time_masks, frequency_masks)(values, torch.tensor(lengths))
    assert bool(((masked == 0) | (masked == 1)).all())
    return masked == 0


def runs(marked: Tensor) -> list[tuple[int, int]]:
    """First place and width of each run of true values."""
    places = marked.nonzero().flatten().tolist()
    starts = [place for place in places if place - 1 not in places]
    return [(start, next(n for n in range(1, len(marked) + 2) if start + n not in places)) for start in starts]


@pytest.mark.parametrize(("length", "most"), [(4, 0), (5, 1), (50, 10), (350, 70), (500, 70)])
def test_a_stretch_of_time_has_every_width_up_to_the_most_and_lies_anywhere_in_the_recording(length, most):
    masks = hidden(1, 0, [length] * 2000, length + 9)
    assert torch.equal(masks.any(2), masks.all(2))  # all numbers of a frame, or none
    in_time = masks[:, :, 0]
    assert not in_time[:, length:].any()
    widths = in_time.sum(1)
    if most < 70:
        assert widths.unique().tolist() == list(range(most + 1))
    assert int(widths.max()) == most
    assert widths.float().mean().item() == pytest.approx(most / 2, abs=4 * most / 12**0.5 / 2000**0.5)
    for row in in_time[:100]:
        assert len(runs(row)) <= 1
    if most:
        assert in_time[:, 0].any()
        assert in_time[:, length - 1].any()


def test_a_range_of_numbers_is_hidden_in_all_frames():
    masks = hidden(0, 1, [8] * 2000)
    assert torch.equal(masks.any(1), masks.all(1))
    in_frequency = masks[:, 0]
    assert in_frequency.sum(1).unique().tolist() == [0, 1, 2, 3]
    assert in_frequency.any(0).all()
    assert all(len(runs(row)) <= 1 for row in in_frequency[:100])


def test_each_recording_has_masks_of_its_own_within_its_own_length():
    lengths = [100, 0, 40, 7, 100]
    drawn = [hidden(2, 0, lengths)[:, :, 0] for _ in range(200)]
    for number, length in enumerate(lengths):
        widths = torch.stack([masks[number] for masks in drawn]).sum(1)
        assert not any(masks[number, length:].any() for masks in drawn)
        assert length // 5 < int(widths.max()) <= 2 * (length // 5) or length < 5
    assert any(not torch.equal(masks[0], masks[4]) for masks in drawn)
    assert any(len(runs(masks[0])) == 2 for masks in drawn)


def test_both_kinds_together_and_no_more_masks_than_asked_for():
    masks = hidden(1, 2, [60] * 300)
    assert all(len(runs(rows.all(1))) <= 1 and len(runs(rows.all(0))) <= 2 for rows in masks)
    expected = masks.all(2).unsqueeze(2) | masks.all(1).unsqueeze(1)
    assert torch.equal(masks, expected)
    assert not hidden(0, 0, [60]).any()


def test_padding_does_not_change_what_is_drawn():
    torch.manual_seed(3)
    near = hidden(2, 2, [30, 20])
    torch.manual_seed(3)
    assert torch.equal(hidden(2, 2, [30, 20], 45)[:, :30], near)


def test_in_evaluation_nothing_is_hidden_and_never_in_place():
    values = torch.randn(2, 50, FEATURES)
    before = values.clone()
    augment = SpecAugment(2, 2)
    assert not torch.equal(augment(values, torch.tensor([50, 30])), values)
    assert torch.equal(values, before)
    assert torch.equal(augment.eval()(values, torch.tensor([50, 30])), values)


def test_a_number_below_zero_is_refused():
    with pytest.raises(SettingsError, match="frequency_masks: expected an integer of at least 0, got -1"):
        SpecAugment(0, -1)
    assert repr(SpecAugment(1, 2)) == "SpecAugment(time_masks=1, frequency_masks=2)"
