"""The search against all paths there are, and against itself in pieces."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recurra import ctc_search
from recurra.ctc_search import BLANK, BeamStream, Found, best_path, prefix_beam_search
from recurra.errors import DataError, RecurraError, SettingsError, ShapeError

Frames = NDArray[np.float64]
Text = tuple[int, ...]
ALL = 2_000  # more texts than the tiny searches have


def random_frames(seed: int, time: int, symbols: int, spread: float = 2.0) -> Frames:
    scores = np.random.default_rng(seed).normal(size=(time, symbols)) * spread
    return np.asarray(scores - np.logaddexp.reduce(scores, axis=1)[:, None])


def all_texts(frames: Frames) -> dict[Text, float]:
    """The log-probability of every text, by the sum over all its paths."""
    shares: defaultdict[Text, list[float]] = defaultdict(list)
    for path in itertools.product(range(frames.shape[1]), repeat=len(frames)):
        text = tuple(id_ for id_, _ in itertools.groupby(path) if id_ != BLANK)
        shares[text].append(math.exp(math.fsum(frames[range(len(path)), path])))
    return {text: math.log(math.fsum(of_text)) for text, of_text in shares.items()}


class Toy:
    """A language model that looks up any numbers by the whole text, and remembers how it was asked."""

    def __init__(self, seed: int, symbols: int) -> None:
        self.seed, self.symbols = seed, symbols
        self.asked: list[int] = []

    def row(self, text: Text) -> list[float]:
        """Of the symbols, the end in the place of the blank."""
        rng = random.Random(str((self.seed, text)))
        shares = [rng.random() for _ in range(self.symbols)]
        return [math.log(share / sum(shares)) for share in shares]

    def start(self) -> Text:
        return ()

    def extend(self, states: Sequence[Text], ids: Sequence[int]) -> list[Text]:
        assert len(states) == len(ids) > 0
        assert all(0 < id_ < self.symbols for id_ in ids)
        self.asked.append(len(ids))
        return [(*state, id_) for state, id_ in zip(states, ids)]

    def scores(self, states: Sequence[Text]) -> NDArray[np.float64]:
        rows = np.array([self.row(state) for state in states])
        rows[:, BLANK] = math.nan  # nothing may read it
        return rows

    def end(self, states: Sequence[Text]) -> NDArray[np.float64]:
        return np.array([self.row(state)[BLANK] for state in states])

    def log_probability(self, text: Text) -> float:
        return math.fsum([*(self.row(text[:n])[id_] for n, id_ in enumerate(text)), self.row(text)[BLANK]])


def beam_by_hand(frames: Frames, beam: int, toy: Toy | None, weight: float, bonus: float) -> list[Found]:
    """The same search with a dictionary from texts to the probabilities of their paths, in plain Python."""

    def prior(text: Text) -> float:
        before = 0.0 if toy is None else math.fsum(toy.row(text[:n])[id_] for n, id_ in enumerate(text))
        return weight * before + bonus * len(text)

    held: dict[Text, tuple[float, float]] = {(): (1.0, 0.0)}
    for frame in np.exp(frames):
        grown: defaultdict[Text, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for text, (blank, symbol) in held.items():
            grown[text][0] += (blank + symbol) * frame[BLANK]
            for id_ in range(1, len(frame)):
                longer = (*text, id_)
                if text and id_ == text[-1]:
                    grown[text][1] += symbol * frame[id_]
                    grown[longer][1] += blank * frame[id_]
                else:
                    grown[longer][1] += (blank + symbol) * frame[id_]
        possible = {text: shares for text, shares in grown.items() if sum(shares) > 0}
        ranked = sorted(possible, key=lambda text: -math.log(sum(possible[text])) - prior(text))
        held = {text: (possible[text][0], possible[text][1]) for text in ranked[:beam]}
    found = []
    for text, shares in held.items():
        end = 0.0 if toy is None else weight * toy.row(text)[BLANK]
        found.append(Found(list(text), math.log(sum(shares)), math.log(sum(shares)) + prior(text) + end))
    return sorted(found, key=lambda one: -one.score)


def same(found: list[Found], expected: list[Found]) -> None:
    assert [one.ids for one in found] == [one.ids for one in expected]
    for one, other in zip(found, expected):
        assert one.log_probability == pytest.approx(other.log_probability, rel=1e-9, abs=1e-9)
        assert one.score == pytest.approx(other.score, rel=1e-9, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 5), st.integers(2, 4))
def test_a_beam_that_holds_all_is_exact(seed: int, frames: int, symbols: int) -> None:
    said = random_frames(seed, frames, symbols)
    texts = all_texts(said)
    found = prefix_beam_search(said, ALL)
    expected = sorted(texts.items(), key=lambda pair: -pair[1])
    same(found, [Found(list(text), value, value) for text, value in expected])
    assert math.fsum(math.exp(one.log_probability) for one in found) == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 5), st.floats(0.1, 2), st.floats(-2, 2))
def test_a_beam_that_holds_all_is_exact_with_a_language_model(
    seed: int, frames: int, weight: float, bonus: float
) -> None:
    said, toy = random_frames(seed, frames, 3), Toy(seed, 3)
    scored = [
        Found(list(text), value, value + weight * toy.log_probability(text) + bonus * len(text))
        for text, value in all_texts(said).items()
    ]
    same(prefix_beam_search(said, ALL, toy, weight, bonus), sorted(scored, key=lambda one: -one.score))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 12), st.integers(2, 6), st.integers(1, 6), st.booleans())
def test_a_narrow_beam_is_as_by_hand(seed: int, frames: int, symbols: int, beam: int, with_model: bool) -> None:
    said, toy = random_frames(seed, frames, symbols, 1.0), Toy(seed, symbols) if with_model else None
    bonus = 0.7 if with_model else 0.3
    same(prefix_beam_search(said, beam, toy, 0.8, bonus), beam_by_hand(said, beam, toy, 0.8, bonus))


@pytest.mark.parametrize("seed", [6, 9, 10, 29, 31, 64, 94])
@pytest.mark.parametrize("spread", [1.0, 2.0, 3.0])
def test_a_text_that_comes_back_meets_the_longer_ones_that_stayed(seed: int, spread: float) -> None:
    """Some of these searches drop a text, hold one that begins with it, and find it once more."""
    said = random_frames(seed, 12, 3, spread)
    same(prefix_beam_search(said, 3), beam_by_hand(said, 3, None, 1.0, 0.0))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 6), max_size=6), st.booleans(), st.sampled_from([0, 10_000]))
def test_pieces_give_what_the_whole_gives(seed: int, pieces: list[int], with_model: bool, tree: int) -> None:
    """Whatever the pieces, and however often prefixes that lead nowhere are forgotten."""
    said, toy = random_frames(seed, sum(pieces), 4, 1.0), Toy(seed, 4) if with_model else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ctc_search, "_TREE", tree)
        stream, begin = BeamStream(5, toy), 0
        for piece in pieces:
            partial = stream.push(said[begin : begin + piece])
            begin += piece
            assert partial == BeamStream(5, toy).push(said[:begin])
            assert stream.found() == prefix_beam_search(said[:begin], 5, toy)
    assert stream.found() == prefix_beam_search(said, 5, toy)


def test_the_memory_of_a_stream_is_that_of_its_text() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ctc_search, "_TREE", 50)
        stream = BeamStream(8)
        for seed in range(20):
            text = stream.push(random_frames(seed, 20, 5, 4.0))
        assert len(text) > 100
        assert len(stream._tree.parents) < 3 * len(text) + 200


def test_no_frames_give_the_empty_text() -> None:
    assert prefix_beam_search(np.zeros((0, 3)), 4) == [Found([], 0.0, 0.0)]
    (found,) = prefix_beam_search(np.zeros((0, 3)), 4, Toy(1, 3))
    assert found == Found([], 0.0, 0.5 * Toy(1, 3).row(())[BLANK])


def test_a_beam_of_one_is_not_the_best_path() -> None:
    """Behind "1", to stay has 0.3 by blank and 0.3 by repeat: more than 2 with 0.4, which is the most of a path."""
    frames = np.log([[0.05, 0.9, 0.05], [0.3, 0.3, 0.4]])
    assert best_path(frames) == [1, 2]
    (found,) = prefix_beam_search(frames, 1)
    assert found.ids == [1]
    assert found.log_probability == pytest.approx(math.log(0.9 * 0.6))


def test_a_beam_of_one_can_be_worse_than_the_best_path() -> None:
    frames = np.log([[0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.5, 0.1, 0.4]])
    texts = all_texts(frames)
    (found,) = prefix_beam_search(frames, 1)
    assert (found.ids, best_path(frames)) == ([1], [1, 2])
    assert texts[1,] == pytest.approx(math.log(0.207))
    assert texts[1, 2] == pytest.approx(math.log(0.324))
    assert found.log_probability == pytest.approx(math.log(0.5 * 0.6 * 0.5 + 0.5 * 0.3 * 0.1))  # it began with 1 alone


def test_where_frames_are_all_but_certain_all_searches_agree() -> None:
    rng = np.random.default_rng(0)
    path = rng.integers(0, 6, 60)
    frames = np.full((60, 6), math.log(0.001))
    frames[range(60), path] = math.log(0.995)
    found = [prefix_beam_search(frames, beam)[0].ids for beam in (1, 2, 8)]
    assert found == [best_path(frames)] * 3


def test_impossible_symbols_are_in_no_text() -> None:
    with np.errstate(divide="ignore"):
        frames = np.log([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert [one.ids for one in prefix_beam_search(frames, 10)] == [[1]]
    assert prefix_beam_search(frames, 10)[0].log_probability == pytest.approx(0)


def test_of_equals_the_text_that_stays_wins_then_the_lower_symbol() -> None:
    frames = np.log(np.full((1, 4), 0.25))
    assert [one.ids for one in prefix_beam_search(frames, 3)] == [[], [1], [2]]


def test_the_language_model_is_asked_once_a_frame_and_of_new_texts_alone() -> None:
    toy = Toy(0, 4)
    prefix_beam_search(random_frames(0, 30, 4), 6, toy)
    assert len(toy.asked) <= 30
    assert max(toy.asked) <= 6


def test_a_language_model_that_rules_out_all_is_said() -> None:
    class Silent(Toy):
        def scores(self, states: Sequence[Text]) -> NDArray[np.float64]:
            return np.full((len(states), self.symbols), -np.inf)

    with np.errstate(divide="ignore"):
        frames = np.log([[0.0, 1.0]])
    with pytest.raises(RecurraError, match="no text has a probability: the language model rules out all"):
        prefix_beam_search(frames, 2, Silent(0, 2))


def test_scores_that_are_no_numbers_are_said() -> None:
    class Broken(Toy):
        def row(self, text: Text) -> list[float]:
            return [0.0, *[math.nan] * (self.symbols - 1)] if text else super().row(text)

    with pytest.raises(RecurraError, match="the scores of the language model are not numbers"):
        prefix_beam_search(random_frames(0, 2, 3), 2, Broken(0, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "beam: expected an integer of at least 1, got 0"),
        ({"beam": 2, "weight": 0.0}, "weight: expected a number above 0, or no language model, got 0.0"),
        ({"beam": 2, "weight": math.nan}, "weight: expected a number above 0"),
        ({"beam": 2, "bonus": math.inf}, "bonus: expected a finite number, got inf"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        prefix_beam_search(random_frames(0, 2, 3), **options)


def test_frames_of_another_size_are_refused() -> None:
    stream = BeamStream(2)
    stream.push(random_frames(0, 2, 3))
    with pytest.raises(ShapeError, match="expected 3 symbols, as before, got 4"):
        stream.push(random_frames(0, 2, 4))
    with pytest.raises(ShapeError, match="expected 4 symbols, as the language model scores, got 3"):
        prefix_beam_search(random_frames(0, 2, 3), 2, Toy(0, 4))
    with pytest.raises(DataError, match=r"frame 0: .* sum to 1"):
        prefix_beam_search(np.zeros((2, 3)), 2)


def test_five_seconds_of_sound_take_less_than_one() -> None:
    frames = random_frames(0, 500, 30)
    before = time.process_time()
    prefix_beam_search(frames, 16)
    assert time.process_time() - before < 1
