"""The padding leak: both ways against torch's packed sequences, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from recurra.lab import padding_outcome
from recurra.lab.experiment import Outcome
from recurra.lab.padding import Exact, Leaky, measure, run
from recurra.lab.padding_outcome import ADDED, Leak, outcome
from recurra.lab.reviews import PLAIN, Reviews, read_reviews


@pytest.fixture(scope="module")
def quick() -> Outcome:
    return run(5, True, lambda _: None)


@pytest.fixture
def texts() -> Reviews:
    lengths = torch.tensor([4, 2, 5, 2, 1, 3])
    values = torch.randint(3, 20, (6, 5), generator=torch.Generator().manual_seed(0))
    values *= torch.arange(5) < lengths.unsqueeze(1)
    return Reviews(values, lengths, torch.tensor([0, 1, 1, 0, 1, 0]), np.array(["time"] * 6))


def pair(seed: int) -> tuple[Leaky, Exact]:
    torch.manual_seed(seed)
    exact = Exact(20, 6)
    with torch.no_grad():
        exact.embedding.weight[1:] *= 20  # as far apart as after training
        exact.output.weight *= 20
        for name, parameter in exact.recurrent.named_parameters():
            if "bias" in name:
                parameter.uniform_(-1, 1)  # at zero, a cell that reads zeros stays where it is
    leaky = Leaky(20, 6)
    leaky.load_state_dict(exact.state_dict())
    return leaky, exact


def packed_logits(model: Leaky, texts: Reviews) -> Tensor:
    packed = pack_padded_sequence(model.embedding(texts.values), texts.lengths, batch_first=True, enforce_sorted=False)
    _, (h_n, _) = model.recurrent(packed)
    logits: Tensor = model.output(torch.cat([h_n[0], h_n[1]], 1))
    return logits


def test_the_right_way_is_that_of_packed_sequences(texts: Reviews) -> None:
    leaky, exact = pair(0)
    assert isinstance(leaky.recurrent, nn.LSTM)
    torch.testing.assert_close(exact(texts.values, texts.lengths), packed_logits(leaky, texts))
    wrong = (leaky(texts.values, texts.lengths) - packed_logits(leaky, texts)).abs().amax(1)
    assert (wrong > 1e-3).all()  # of the longest text too: its reverse direction has read but the last word


def test_only_the_wrong_way_moves(texts: Reviews) -> None:
    leaky, exact = (measure(model, texts, (0, 3, 30), seed=1) for model in pair(0))
    assert exact.largest_change == pytest.approx([0, 0, 0], abs=1e-7)
    assert exact.backward_change == pytest.approx([0, 0, 0], abs=1e-7)
    assert exact.batch_change == pytest.approx(0, abs=1e-7)
    assert exact.flipped == [0, 0, 0]
    assert leaky.largest_change[0] == 0
    assert min(leaky.largest_change[1:]) > 0.01
    assert min(leaky.backward_change[1:]) > 0.001


def test_each_text_keeps_its_place(texts: Reviews) -> None:
    """Answers are put together from texts of one length; accuracy is that of a plain call on each text alone."""
    _, exact = pair(3)
    right = []
    for row in range(6):
        some = texts.take(torch.tensor([row]))
        right.append(int(exact(some.values, some.lengths).argmax(1)) == int(some.labels))
    found = measure(exact, texts, (0, 2), seed=1)
    assert found.accuracy == pytest.approx([np.mean(right)] * 2)
    assert found.batch_accuracy == pytest.approx(np.mean(right))


def test_what_a_quick_run_gives(quick: Outcome) -> None:
    exact = quick.numbers["by_seed"]["exact"][0]
    assert max(exact["largest_change"]) < 1e-6
    assert exact["flipped"] == [0.0] * len(ADDED)
    assert [row[0] for row in quick.rows] == [str(steps) for steps in ADDED]
    assert all(len(row) == len(quick.headings) for row in quick.rows)
    assert quick.figures[0].drawing.startswith("<svg")


def test_the_same_seed_gives_the_same_numbers(quick: Outcome) -> None:
    assert run(5, True, lambda _: None).numbers == quick.numbers


def leak(change: float, flipped: float, accuracy: float = 0.8) -> Leak:
    none = [0.0] * (len(ADDED) - 1)
    return Leak(
        [*none, change],
        [*none, change],
        [*none, flipped],
        [0.8] * len(none) + [accuracy],
        [*none, 0.0],
        0.0,
        flipped,
        0.8,
    )


def test_the_answer_follows_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padding_outcome, "_by_padding", lambda _: None)
    monkeypatch.setattr(padding_outcome, "_accuracies", lambda _: None)
    still, moved = leak(0.0, 0.0), leak(0.9, 0.25, accuracy=0.7)
    as_expected = outcome({"leaky": [moved, leak(0.9, 0.75, 0.6)], "exact": [still, still]}, 100).lead
    assert "50.0 (25.0 to 75.0) % change theirs" in as_expected
    assert "costs 15.0 (10.0 to 20.0) points of accuracy" in as_expected
    assert "no answer changes" in as_expected
    unmoved = outcome({"leaky": [still], "exact": [still]}, 100).lead
    assert "no review changed its answer" in unmoved
    assert "against expectation" in unmoved
    broken = outcome({"leaky": [moved], "exact": [moved]}, 100).lead
    assert "some answers do change, against expectation" in broken
    gained = outcome({"leaky": [leak(0.9, 0.25, accuracy=0.85)], "exact": [still]}, 100).lead
    assert "costs no accuracy on average" in gained


def test_whether_the_mistake_shows_in_batches_follows_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padding_outcome, "_by_padding", lambda _: None)
    monkeypatch.setattr(padding_outcome, "_accuracies", lambda _: None)
    still = leak(0.0, 0.0)
    sound = outcome({"leaky": [still], "exact": [still]}, 100).explanation[2]
    assert "80.0 (80.0 to 80.0) % are right by out[:, -1] and 80.0 (80.0 to 80.0) % with lengths=: nothing" in sound
    worse = outcome({"leaky": [still._replace(batch_accuracy=0.7)], "exact": [still]}, 100).explanation[2]
    assert "70.0 (70.0 to 70.0) % are right by out[:, -1] and 80.0 (80.0 to 80.0) % with lengths=: here" in worse


def test_twins_have_the_same_words() -> None:
    train, test, size = read_reviews()
    assert len(train.labels) == 2552
    assert int(train.values.max()) == size - 1
    chosen = [row for row, kind in enumerate(test.kinds) if kind != PLAIN]
    bags: dict[tuple[int, ...], list[int]] = {}
    for row in chosen:
        bags.setdefault(tuple(sorted(test.values[row].tolist())), []).append(int(test.labels[row]))
    assert len(chosen) == 396
    assert all(2 * sum(labels) == len(labels) for labels in bags.values())
