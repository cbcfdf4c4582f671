"""What a bag must score on twins, that a net by position is what it says, and what is said of them."""

from __future__ import annotations

import pytest
import torch

from recurra.lab.experiment import Outcome
from recurra.lab.order import _RECURRENT, NETS, ByPosition, make_net, right_answers, run
from recurra.lab.order import _lead as lead
from recurra.lab.reviews import PLAIN, read_reviews
from recurra.lab.spread import Spread


@pytest.fixture(scope="module")
def quick() -> Outcome:
    return run(6, True, lambda _: None)


def test_a_bag_is_right_on_half_of_the_twins_whatever_its_weights() -> None:
    _, test, size = read_reviews()
    for seed in range(3):
        torch.manual_seed(seed)
        net = make_net("bag", size).double()  # so that the order of a sum does not decide a tie
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.normal_()
        twins = torch.from_numpy(test.kinds != PLAIN)
        assert right_answers(net, test)[twins].double().mean() == 0.5


def test_a_net_by_position_sees_places_and_no_padding() -> None:
    torch.manual_seed(0)
    net = ByPosition(9, 3, 4).eval()
    values, lengths = torch.tensor([[3, 4, 5, 7], [3, 4, 5, 0], [4, 3, 5, 8]]), torch.tensor([3, 3, 3])
    first, padded, swapped = net(values, lengths)
    torch.testing.assert_close(first, padded)
    assert (first - swapped).abs().max() > 1e-4
    weight = net.hidden.weight.view(4, 24, 3)
    hidden = sum(weight[:, place] @ net.embedding.weight[id_] for place, id_ in enumerate([3, 4, 5]))
    torch.testing.assert_close(first, net.output(torch.relu(hidden + net.hidden.bias)))


def test_every_net_reads_the_same_reviews_alone_and_together() -> None:
    _, test, size = read_reviews()
    some = test.take(torch.arange(5))
    for name in NETS:
        torch.manual_seed(0)
        net = make_net(name, size).eval()
        together = net(some.values, some.lengths)
        alone = [
            net(some.values[row : row + 1, :length], some.lengths[row : row + 1])
            for row, length in enumerate(some.lengths)
        ]
        torch.testing.assert_close(together, torch.cat(alone))


def test_what_a_quick_run_gives(quick: Outcome) -> None:
    assert quick.numbers["twins_by_seed"]["bag"] == [0.5]
    assert sum(quick.numbers["kinds"].values()) == 522
    sizes = quick.numbers["parameters_without_embeddings"]
    assert sizes["by position"] <= sizes["lstm"]
    assert [row[0] for row in quick.rows][0::12] == ["all twins", PLAIN]
    assert all(len(row) == len(quick.headings) for row in quick.rows)


def test_the_same_seed_gives_the_same_numbers(quick: Outcome) -> None:
    assert run(6, True, lambda _: None).numbers == quick.numbers


def said(recurrent: float, by_position: float, plain: float) -> str:
    twins = dict.fromkeys(_RECURRENT, Spread(recurrent, recurrent, recurrent))
    twins |= {"bag": Spread(0.5, 0.5, 0.5), "by position": Spread(by_position, by_position, by_position)}
    of_plain = dict.fromkeys(_RECURRENT, Spread(plain, plain, plain)) | {"bag": Spread(0.98, 0.98, 0.98)}
    return lead(twins, of_plain)


def test_the_answer_follows_the_numbers() -> None:
    assert "against expectation" not in said(0.9, 0.7, 0.9)
    assert "Not every" not in said(0.9, 0.7, 0.9)
    assert "beats the feed-forward one: RNN 60.0 % and GRU 60.0 % and LSTM 60.0 %" in said(0.6, 0.7, 0.9)
    assert "not clearly better than the feed-forward one" in said(0.7, 0.7, 0.9)
    assert "the bag is better: 98.0 % against 90.0 %" in said(0.9, 0.7, 0.9)
    assert "the bag is about as good: 98.0 % against 98.5 %" in said(0.9, 0.7, 0.985)
    assert "the bag is about as good: 98.0 % against 97.5 %" in said(0.9, 0.7, 0.975)
    assert "On plain reviews, too, it is ahead of the bag: 100.0 against 98.0 %" in said(0.9, 0.7, 1.0)
    assert "On plain reviews it is ahead of the bag" in said(0.5, 0.7, 1.0)
