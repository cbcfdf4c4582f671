"""Sequences to write again, how they are judged, and what is said of them."""

from __future__ import annotations

import pytest
import torch

from recurra.config import TranslateModelConfig
from recurra.lab.bottleneck import _FULL as FULL
from recurra.lab.bottleneck import TASKS, draw_pairs, exact_share, run, write_again
from recurra.lab.bottleneck import _lead as lead
from recurra.lab.experiment import Outcome
from recurra.lab.spread import Spread
from recurra.nn.translation import TranslationNetwork
from recurra.vocabulary import END


@pytest.fixture(scope="module")
def quick() -> Outcome:
    return run(1, True, lambda _: None)


@pytest.mark.parametrize("task", TASKS)
def test_pairs_read_by_hand(task: str) -> None:
    pairs = draw_pairs(50, 2, 7, task, torch.Generator().manual_seed(0))
    assert set(pairs.source_lengths.tolist()) == set(range(2, 8))
    for row, length in enumerate(pairs.source_lengths.tolist()):
        source = pairs.sources[row, :length].tolist()
        expected = source[::-1] if task == "reverse" else source
        assert pairs.targets[row].tolist() == [*expected, END, *[0] * (7 - length)]
        assert pairs.sources[row, length:].eq(0).all()
        assert set(source) <= set(range(END + 1, END + 11))
    assert torch.equal(pairs.lengths, pairs.source_lengths + 1)


def test_one_mistake_makes_a_sequence_wrong() -> None:
    pairs = draw_pairs(4, 3, 6, "copy", torch.Generator().manual_seed(0))
    written = pairs.targets.clone()
    assert exact_share(written, pairs) == 1
    written[0, 1] += 1
    assert exact_share(written, pairs) == 0.75
    written[1, pairs.lengths[1] - 1] = END + 1  # has not ended
    assert exact_share(written, pairs) == 0.5
    written[2:].masked_fill_(
        torch.arange(7) >= pairs.lengths[2:, None], 9
    )  # what comes behind the end is not asked for
    assert exact_share(written, pairs) == 0.5


@pytest.mark.parametrize("attention", ["none", "general"])
def test_what_is_written_is_the_most_probable_each_time(attention: str) -> None:
    """Forced to what it has written, the network finds no symbol of it less probable than another."""
    torch.manual_seed(0)
    config = TranslateModelConfig(
        embedding_size=4, hidden_size=5, attention=attention, bidirectional=False, dropout=0.0
    )
    network = TranslationNetwork(13, 13, config, shared=True).eval()
    pairs = draw_pairs(6, 4, 4, "copy", torch.Generator().manual_seed(0))
    written = write_again(network, pairs)
    forced = pairs._replace(targets=written)
    best = network.score(forced)
    for symbol in range(13):
        for step in range(5):
            other = written.clone()
            other[:, step] = symbol
            assert (network.score(pairs._replace(targets=other))[:, step] <= best[:, step] + 1e-6).all()


def test_what_a_quick_run_gives(quick: Outcome) -> None:
    nets = quick.numbers["parameters"]
    assert len(quick.numbers["exact_by_seed"]) == 2 * len(nets) == 6
    assert all(len(row) == len(quick.headings) for row in quick.rows)
    assert "To copy and to reverse, attention does not reach further in this run, against expectation" in quick.lead


def test_the_same_seed_gives_the_same_numbers(quick: Outcome) -> None:
    assert run(1, True, lambda _: None).numbers == quick.numbers


def test_a_name_says_how_many_numbers_of_the_encoder_reach_the_decoder() -> None:
    for net in FULL.nets:
        if net.attention == "none":
            config = TranslateModelConfig(hidden_size=net.hidden_size, attention="none", bidirectional=False)
            network = TranslationNetwork(13, 13, config, shared=True)
            start = network.start(network.encode(torch.tensor([[4]]), torch.tensor([1])), 1)
            handed = sum(part.numel() for part in start.hidden)
            assert net.name == f"state of 2 x {handed // 2}"


def said(*reaches: int) -> str:
    """With nets that are right up to a length each."""
    spreads = {
        (task, net.name): [Spread(float(length <= reach), 0.0, 1.0) for length in FULL.lengths]
        for task in TASKS
        for net, reach in zip(FULL.nets, reaches, strict=True)
    }
    return lead(spreads, FULL)


def test_the_answer_follows_the_numbers() -> None:
    expected = said(4, 8, 14)
    reached = "up to length 4 from a state of 2 x 48 numbers (h and c), 8 from a state of 2 x 112 and 14 with attention"
    assert reached in expected
    assert f"at length {FULL.longest} it is 0, 0 and 100 %" in expected
    assert "beyond the 14 symbols of training attention fails too" in expected
    assert "fails too" not in said(4, 8, 22)
    assert "To copy and to reverse, attention does not reach further in this run" in said(4, 14, 14)
    assert "up to length below 2 from" in said(0, 0, 14)
