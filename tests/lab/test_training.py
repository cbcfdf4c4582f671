"""The experiments' training loop against one step by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.optim import SGD

from recurra.lab.training import Course, fit_small, seeded, unseen


def parameter(value: float) -> nn.Module:
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, value)
    return module


def test_steps_by_hand() -> None:
    """The loss 3 w^2 has the gradient 6 w."""
    module = parameter(2.0)
    course = fit_small(module, lambda _: 3 * module.weight.square().sum(), 2, 0.1, optimizer=SGD)
    assert course.losses == pytest.approx([12.0, 3 * 0.8**2])
    assert course.norms == pytest.approx([12.0, 4.8])
    assert module.weight.item() == pytest.approx(0.8 - 0.48)
    assert course.diverged is None


def test_a_clipped_step_has_the_length_of_the_threshold() -> None:
    module = parameter(2.0)
    course = fit_small(module, lambda _: 3 * module.weight.square().sum(), 2, 0.1, 0.5, optimizer=SGD)
    assert module.weight.item() == pytest.approx(2 - 0.05 - 0.05)
    assert course.norms == pytest.approx([12.0, 11.7])
    assert course.clipped(0.5) == 1
    assert course.clipped(11.8) == 0.5


def test_it_ends_where_the_loss_is_no_number() -> None:
    module, drawn = parameter(2.0), iter([1.0, math.nan, 1.0])
    course = fit_small(module, lambda _: next(drawn) * module.weight.sum(), 3, 0.1, optimizer=SGD)
    assert (course.diverged, len(course.losses)) == (1, 2)
    assert module.weight.item() == pytest.approx(1.9)
    assert Course([math.nan], [math.nan], 0).clipped(1.0) == 1  # what is no number is not below the threshold


def test_batches_follow_from_the_seed() -> None:
    def drawn(seed: int) -> list[float]:
        module = parameter(1.0)
        return fit_small(
            module, lambda generator: module.weight.sum() * torch.rand((), generator=generator), 3, 0.1, seed=seed
        ).losses

    assert drawn(1) == drawn(1) != drawn(2)
    assert torch.rand((), generator=unseen(1)) != torch.rand((), generator=torch.Generator().manual_seed(1))


def test_what_is_seeded_leaves_no_trace() -> None:
    before = torch.get_rng_state()
    with seeded(4):
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
