"""Windows on a scale of their own: by hand, exactly undone, alone and in company."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from recurra.nn.instance_norm import InstanceNorm

LENGTHS = torch.tensor([4, 1, 7])


def windows() -> Tensor:
    return 5 + 3 * torch.randn(3, 7, 2, generator=torch.Generator().manual_seed(0))


def learnt() -> InstanceNorm:
    norm = InstanceNorm(2, counts=False)
    with torch.no_grad():
        norm.log_gain.copy_(torch.tensor([0.5, -0.3]))
        norm.bias.copy_(torch.tensor([-0.2, 0.7]))
    return norm


def test_by_hand():
    past, norm = windows(), learnt()
    affine = norm(past, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        window = past[row, :length]
        mean = window.mean(0)
        deviation = ((1 + ((window - mean) ** 2).sum(0)) / (1 + length)).sqrt()
        expected = torch.exp(norm.log_gain) * (window - mean) / deviation + norm.bias
        torch.testing.assert_close(affine.invert(past)[row, :length], expected, rtol=0, atol=1e-5)


def test_it_is_undone_exactly():
    past = windows()
    affine = learnt()(past, LENGTHS)
    torch.testing.assert_close(affine.apply(affine.invert(past)), past, rtol=0, atol=1e-5)


def test_a_long_window_gets_mean_0_and_deviation_1():
    past = 40 + 7 * torch.randn(1, 2000, 1, generator=torch.Generator().manual_seed(0))
    z = InstanceNorm(1, counts=False)(past, torch.tensor([2000])).invert(past)
    assert z.mean().item() == pytest.approx(0, abs=1e-5)
    assert z.std().item() == pytest.approx(1, abs=1e-3)


def test_a_constant_window_is_no_reason_for_certainty():
    affine = InstanceNorm(1, counts=False)(torch.full((1, 99, 1), 3.0), torch.tensor([99]))
    assert affine.shift.item() == 3
    assert affine.scale.item() == pytest.approx(0.1)


def test_counts_are_divided_by_1_and_their_mean():
    past = torch.tensor([[[2.0], [4.0], [99.0]], [[1.0], [0.0], [2.0]]])
    norm = InstanceNorm(1, counts=True)
    affine = norm(past, torch.tensor([2, 3]))
    assert list(norm.parameters()) == []
    assert affine.shift.flatten().tolist() == [0, 0]
    assert affine.scale.flatten().tolist() == [4, 2]


@pytest.mark.parametrize("counts", [False, True], ids=["values", "counts"])
def test_padding_changes_nothing(counts):
    past = windows().abs()
    norm = InstanceNorm(2, counts)
    expected = norm(past, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        past[row, length:] = torch.nan
    wider = norm(nn.functional.pad(past, (0, 0, 0, 5), value=1e9), LENGTHS)
    for found, of_all in zip(wider, expected):
        torch.testing.assert_close(found, of_all)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = norm(past[row : row + 1, :length], LENGTHS[row : row + 1])
        for found, of_all in zip(alone, expected):
            torch.testing.assert_close(found[0], of_all[row])
