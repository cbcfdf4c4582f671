"""What is found against a search in plain Python that never stops early, and against all texts there are."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recurra.errors import RecurraError, SettingsError, ShapeError
from recurra.nn.choosing import best_of_all
from recurra.nn.sampling import Sampler
from recurra.search import Hypothesis, Search, _search, search
from recurra.vocabulary import END, PADDING, UNKNOWN

Text = tuple[int, ...]
Rows = Callable[[int, Text], list[float]]  # log-probabilities [V] of what comes after some symbols, of a sentence
State = list[list[Text]]


def softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in values)
    return [math.exp(value) / total for value in values]


def random_rows(symbols: int, possible: int | None = None) -> Rows:
    """Any numbers for the first symbols that are possible, padding among them; the others never come."""
    possible = possible or symbols

    @cache
    def rows(sentence: int, text: Text) -> list[float]:
        rng = random.Random(str((sentence, text)))
        shares = softmax([rng.gauss(0, 1.5) for _ in range(possible)])
        return [math.log(share) for share in shares] + [-math.inf] * (symbols - possible)

    return rows


def tied_rows(symbols: int) -> Rows:
    """Few different numbers, all of them exact, so that sums are equal often."""

    @cache
    def rows(sentence: int, text: Text) -> list[float]:
        return random.Random(str((sentence, text))).choices([-0.5, -1.0, -1.5], k=symbols)

    return rows


def table_rows(table: dict[Text, list[float]]) -> Rows:
    """Shares of [padding, unknown, END, a, b] after a text; END is certain after one that is not in the table."""
    return lambda sentence, text: [
        math.log(share) if share else -math.inf for share in table.get(text, [0.0, 0.0, 1.0, 0.0, 0.0])
    ]


@cache
def looks(sentence: int, text: Text, length: int) -> list[float]:
    rng = random.Random(str((sentence, text, "looks")))
    return softmax([rng.gauss(0, 3) for _ in range(length)]) if length else []


class Toy:
    """A decoder that looks up what it says by the sentence and the whole text so far, and counts what it is asked."""

    def __init__(self, rows: Rows, sentences: list[int], lengths: list[int], attends: bool = True) -> None:
        self.rows, self.sentences, self.lengths, self.attends = rows, sentences, lengths, attends
        self.longest = max(lengths, default=0)
        self.sizes: list[int] = []

    def start(self, hypotheses: int) -> State:
        return [[()] * hypotheses for _ in self.sentences]

    def step(self, ids: Tensor, state: State) -> tuple[Tensor, Tensor | None, State]:
        self.sizes.append(len(ids))
        read = [[(*text, id_) for text, id_ in zip(*pair)] for pair in zip(state, ids.tolist())]
        assert all(text[0] == END for texts in read for text in texts)
        logs, weights = [], []
        for sentence, length, texts in zip(self.sentences, self.lengths, read):
            logs.append([self.rows(sentence, text[1:]) for text in texts])
            padding = [0.0] * (self.longest - length)
            weights.append([looks(sentence, text[1:], length) + padding for text in texts])
        attention = torch.tensor(weights, dtype=torch.float64) if self.attends else None
        return torch.tensor(logs, dtype=torch.float64), attention, read

    def reorder(self, state: State, parents: Tensor) -> State:
        return [[texts[parent] for parent in row] for texts, row in zip(state, parents.tolist())]

    def keep(self, state: State, sentences: Tensor) -> tuple[Toy, State]:
        kept = sentences.tolist()
        assert kept
        toy = Toy(self.rows, [self.sentences[k] for k in kept], [self.lengths[k] for k in kept], self.attends)
        toy.longest, toy.sizes = self.longest, self.sizes
        return toy, [state[k] for k in kept]


def find(toy: Toy, options: Search, seeds: list[int] | None = None) -> list[list[Hypothesis]]:
    return search(toy, torch.tensor(toy.lengths, dtype=torch.int64), options, seeds)


def make(rows: Rows, sentence: int, length: int, text: Text, capped: bool, options: Search) -> Hypothesis:
    """A text and its score, by the formulas of the paper."""
    symbols = text if capped else (*text, END)
    total = 0.0
    for number, id_ in enumerate(symbols):
        total += rows(sentence, text[:number])[id_]
    weights = [looks(sentence, text[:number], length) for number in range(len(symbols))]
    score = total / ((5 + len(symbols)) / 6) ** options.length_penalty
    for i in range(length):
        score += options.coverage_penalty * math.log(min(sum(row[i] for row in weights), 1.0))
    rows_kept = torch.tensor(weights[: len(text)], dtype=torch.float64).reshape(len(text), length)
    return Hypothesis(list(text), score, total, rows_kept, capped)


def ranked(hypotheses: list[Hypothesis], options: Search) -> list[Hypothesis]:
    return sorted(hypotheses, key=lambda one: (one.capped, -one.score))[: options.n_best]


def beam_by_hand(rows: Rows, sentence: int, length: int, options: Search) -> list[Hypothesis]:
    """Beam search with lists, to the very end of all hypotheses."""
    limit = math.ceil(options.max_ratio * length) + 10
    running: list[tuple[float, Text]] = [(0.0, ())]
    ended: list[Hypothesis] = []
    for step in range(1, limit + 1):
        candidates = [
            (total + log, (*text, id_))
            for total, text in running
            for id_, log in enumerate(rows(sentence, text))
            if id_ != PADDING and log > -math.inf
        ]
        best = sorted(candidates, key=lambda pair: -pair[0])[: options.beam - len(ended)]  # of equals the first
        running = []
        for total, text in best:
            if text[-1] == END:
                ended.append(make(rows, sentence, length, text[:-1], False, options))
            elif step == limit:
                ended.append(make(rows, sentence, length, text, True, options))
            else:
                running.append((total, text))
    return ranked(ended, options)


def all_texts(rows: Rows, sentence: int, length: int, limit: int, ids: list[int], options: Search) -> list[Hypothesis]:
    texts = [(text, False) for n in range(limit) for text in itertools.product(ids, repeat=n)]
    texts += [(text, True) for text in itertools.product(ids, repeat=limit)]
    made = [make(rows, sentence, length, text, capped, options) for text, capped in texts]
    return ranked([one for one in made if one.log_probability > -math.inf], options)


def same(found: list[Hypothesis], expected: list[Hypothesis], exactly: bool = False) -> None:
    assert [(one.ids, one.capped) for one in found] == [(one.ids, one.capped) for one in expected]
    for one, other in zip(found, expected):
        tolerance = 0.0 if exactly else 1e-12
        assert one.score == pytest.approx(other.score, rel=tolerance, abs=tolerance)
        assert one.log_probability == pytest.approx(other.log_probability, rel=tolerance, abs=tolerance)
        assert one.weights is not None
        assert other.weights is not None
        torch.testing.assert_close(one.weights, other.weights, rtol=tolerance, atol=tolerance)


@st.composite
def searches(draw: st.DrawFn, least: int = 1, most: int = 5) -> Search:
    beam = draw(st.integers(least, most))
    return Search(
        beam=beam,
        n_best=draw(st.integers(1, beam)),
        length_penalty=draw(st.sampled_from([0.0, 0.6, 1.3])),
        coverage_penalty=draw(st.sampled_from([0.0, 0.2])) if beam > 1 else 0.0,
        max_ratio=draw(st.sampled_from([0.3, 1.0])),
    )


sources = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 4)), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(searches(), sources, st.integers(5, 8), st.booleans())
def test_stopping_early_and_batching_lose_nothing(
    options: Search, sources: list[tuple[int, int]], symbols: int, ties: bool
) -> None:
    """Ties of scores of different lengths could round either way: none are made where lengths count."""
    rows = tied_rows(symbols) if ties and options.length_penalty == 0 else random_rows(symbols)
    sentences, lengths = map(list, zip(*sources))
    found = find(Toy(rows, sentences, lengths), options)
    for (sentence, length), best in zip(sources, found, strict=True):
        same(best, beam_by_hand(rows, sentence, length, options))


@settings(max_examples=25, deadline=None)
@given(searches(), sources, st.booleans(), st.booleans())
def test_a_sentence_alone_is_as_in_a_batch(
    options: Search, sources: list[tuple[int, int]], ties: bool, wider: bool
) -> None:
    def widened(sentence: int, text: Text) -> list[float]:  # as others of a batch may have more symbols to copy
        return [*rows(sentence, text), -math.inf, -math.inf]

    rows = tied_rows(6) if ties else random_rows(6)
    sentences, lengths = map(list, zip(*sources))
    found = find(Toy(widened if wider else rows, sentences, lengths), options)
    for sentence, length, best in zip(sentences, lengths, found, strict=True):
        same(best, find(Toy(rows, [sentence], [length]), options)[0], exactly=True)


@settings(max_examples=30, deadline=None)
@given(sources, st.booleans(), st.sampled_from([0.0, 0.6]))
def test_greedy_is_a_beam_of_one(sources: list[tuple[int, int]], ties: bool, length_penalty: float) -> None:
    rows, options = tied_rows(6) if ties else random_rows(6), Search(length_penalty=length_penalty)
    sentences, lengths = map(list, zip(*sources))
    greedy = find(Toy(rows, sentences, lengths), options)
    general = _search(Toy(rows, sentences, lengths), torch.tensor(lengths), options, best_of_all)
    for one, other in zip(greedy, general, strict=True):
        same(one, other, exactly=True)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 2), st.sampled_from([0.0, 0.6, 2.0]), st.sampled_from([0.0, 0.3]))
def test_a_beam_that_holds_all_texts_is_exhaustive(
    sentence: int, length: int, length_penalty: float, coverage_penalty: float
) -> None:
    symbols, options = 24, Search(24, 12, length_penalty, coverage_penalty, max_ratio=1.0)
    rows = random_rows(symbols, possible=4)  # padding, unknown, END and one more: 1 + 2 + 4 + 8 texts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recurra.hypotheses._BEYOND", 3 - length)
        (found,) = find(Toy(rows, [sentence], [length]), options)
    same(found, all_texts(rows, sentence, length, 3, [UNKNOWN, 3], options))
    assert len(found) == 12


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_a_beam_of_the_size_of_the_vocabulary_is_exhaustive_for_two_symbols(sentence: int) -> None:
    made, options = random_rows(5), Search(beam=5, n_best=4, length_penalty=0)

    def rows(sentence: int, text: Text) -> list[float]:
        return made(sentence, text) if len(text) < 2 else table_rows({})(sentence, text)

    (found,) = find(Toy(rows, [sentence], [1]), options)
    same(found, all_texts(rows, sentence, 1, 4, [UNKNOWN, 3, 4], options))


def test_penalties_change_what_is_best() -> None:
    rows = table_rows(
        {(): [0.0, 0.0, 0.5, 0.5, 0.0], (3,): [0.0, 0.0, 0.1, 0.9, 0.0], (3, 3): [0.0, 0.0, 0.9, 0.0, 0.1]}
    )
    toy = Toy(rows, [0], [3])
    assert find(toy, Search(beam=2, length_penalty=0))[0][0].ids == []  # 0.5 against 0.405
    assert find(toy, Search(beam=2, length_penalty=2))[0][0].ids == [3, 3]  # log p -0.90 / 1.78 against -0.69
    best = find(toy, Search(beam=2, length_penalty=0, coverage_penalty=1))[0][0]  # three looks cover more than one
    assert best.ids == [3, 3]
    assert best.log_probability == pytest.approx(math.log(0.5 * 0.9 * 0.9))


def test_done_sentences_leave_the_batch() -> None:
    def rows(sentence: int, text: Text) -> list[float]:
        return [-math.inf, -math.inf, *([0.0, -9.0] if len(text) == sentence else [-9.0, 0.0])]

    toy = Toy(rows, [4, 0, 2, 2], [1, 1, 1, 1])
    assert [best[0].ids for best in find(toy, Search())] == [[3] * 4, [], [3] * 2, [3] * 2]
    assert toy.sizes == [4, 3, 3, 1, 1]


def test_a_beam_stops_when_nothing_can_be_better() -> None:
    rows = table_rows({(): [0.0, 0.0, 0.9, 0.1, 0.0]} | {(3,) * n: [0.0, 0.0, 0.0, 1.0, 0.0] for n in range(1, 20)})
    toy = Toy(rows, [0], [0])
    assert find(toy, Search(beam=2, length_penalty=0))[0][0].ids == []
    assert toy.sizes == [1]
    best = find(toy, Search(beam=2, n_best=2, length_penalty=0))[0]  # two are asked for: it goes on to the cap
    assert [(one.ids, one.capped) for one in best] == [([], False), ([3] * 10, True)]
    assert len(toy.sizes) == 11


@pytest.mark.parametrize(
    "options", [Search(max_ratio=1.5), Search(3, 3, max_ratio=1.5), Search(max_ratio=1.5, sampler=Sampler(0.5))]
)
def test_a_text_without_end_is_cut_at_the_ratio(options: Search) -> None:
    toy = Toy(lambda sentence, text: [-0.1, -1.0, -math.inf, -1.0, -2.0], [0, 1], [3, 0])
    found = find(toy, options, None if options.sampler is None else [1, 2])
    for hypotheses, length, limit in zip(found, [3, 0], [15, 10], strict=True):
        assert len(hypotheses) == options.hypotheses
        for one in hypotheses:
            assert one.capped
            assert len(one.ids) == limit
            assert not {PADDING, END} & set(one.ids)
            assert one.score == pytest.approx(one.log_probability / ((5 + limit) / 6) ** 0.6)
            assert one.weights is not None
            assert one.weights.shape == (limit, length)


def test_the_last_symbol_allowed_may_be_the_end() -> None:
    table = {(3,) * n: [0.0, 0.0, 0.0, 1.0, 0.0] for n in range(9)}
    assert find(Toy(table_rows(table), [0], [0]), Search())[0][0][::4] == ([3] * 9, False)


def test_a_cut_text_comes_after_all_that_ended() -> None:
    """The one that is cut has log p = log 0.7 for 10 symbols, far more than the other's log 0.3."""
    table = {(3,) * n: [0.0, 0.0, 0.0, 1.0, 0.0] for n in range(1, 10)} | {(): [0.0, 0.0, 0.0, 0.7, 0.3]}
    first, second = find(Toy(table_rows(table), [0], [0]), Search(beam=2, n_best=2))[0]
    assert (first.ids, first.capped, second.ids, second.capped) == ([4], False, [3] * 10, True)
    assert second.score > first.score


def test_fewer_are_given_where_no_more_are_possible() -> None:
    rows = table_rows({(): [0.0, 0.0, 0.5, 0.5, 0.0]})
    assert [one.ids for one in find(Toy(rows, [0], [1]), Search(beam=4, n_best=4))[0]] == [[3], []]


def test_a_dead_end_leaves_the_others_running() -> None:
    rows = table_rows({(): [0.0, 0.0, 0.0, 0.6, 0.4], (3,): [1.0, 0.0, 0.0, 0.0, 0.0]})  # after 3 nothing but padding
    assert [one.ids for one in find(Toy(rows, [0], [1]), Search(beam=2, n_best=2))[0]] == [[4]]


def test_without_attention_there_are_no_weights() -> None:
    for options in [Search(), Search(beam=3, n_best=2)]:
        found = find(Toy(random_rows(6), [1, 2], [2, 3], attends=False), options)
        assert [one.weights for best in found for one in best] == [None] * 2 * options.n_best


def test_a_source_symbol_that_is_never_looked_at_has_a_finite_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "looks", lambda sentence, text, length: [1.0] + [0.0] * (length - 1))
    (best,) = find(Toy(table_rows({}), [0], [2]), Search(beam=2, coverage_penalty=0.5))
    assert best[0].score == pytest.approx(0.5 * math.log(torch.finfo(torch.float64).tiny))


def test_single_precision_stays_what_it_is() -> None:
    class Single(Toy):
        def step(self, ids: Tensor, state: State) -> tuple[Tensor, Tensor | None, State]:
            logs, weights, state = super().step(ids, state)
            return logs.float(), None if weights is None else weights.float(), state

    rows, options = random_rows(7), Search(beam=3, n_best=3, coverage_penalty=0.1)
    (found,) = find(Single(rows, [5], [4]), options)
    for one, other in zip(found, beam_by_hand(rows, 5, 4, options), strict=True):
        assert one.ids == other.ids
        assert one.score == pytest.approx(other.score, rel=1e-5)


def test_no_sentences() -> None:
    assert find(Toy(random_rows(5), [], []), Search(beam=2)) == []


def test_draws_do_not_depend_on_the_batch() -> None:
    rows, options = random_rows(8), Search(n_best=3, sampler=Sampler(1.2, top_p=0.9))
    sentences, lengths, seeds = [7, 8, 9], [2, 0, 3], [70, 80, 90]
    together = find(Toy(rows, sentences, lengths), options, seeds)
    again = find(Toy(rows, sentences, lengths), options, seeds)
    for number, (one, other) in enumerate(zip(together, again, strict=True)):
        same(one, other, exactly=True)
        alone = find(Toy(rows, [sentences[number]], [lengths[number]]), options, [seeds[number]])
        same(one, alone[0], exactly=True)
        same(one, [make(rows, sentences[number], lengths[number], tuple(h.ids), h.capped, options) for h in one])
    texts = [one.ids for best in together for one in best]
    assert texts != [one.ids for best in find(Toy(rows, sentences, lengths), options, [1, 2, 3]) for one in best]


def test_draws_are_as_frequent_as_they_are_probable() -> None:
    rows, count = table_rows({(): [0.5, 0.05, 0.2, 0.15, 0.1]}), 4000
    found = find(Toy(rows, [0], [0]), Search(n_best=count, sampler=Sampler()), [11])[0]
    assert len(found) == count
    for text, share in [([UNKNOWN], 0.1), ([], 0.4), ([3], 0.3), ([4], 0.2)]:  # half of it is padding
        deviation = math.sqrt(count * share * (1 - share))
        assert abs([one.ids for one in found].count(text) - count * share) < 4 * deviation


def test_a_sampler_without_temperature_is_greedy() -> None:
    rows, sentences, lengths = random_rows(6), [3, 4, 5], [2, 2, 1]
    drawn = find(Toy(rows, sentences, lengths), Search(sampler=Sampler(temperature=0)))
    for one, other in zip(drawn, find(Toy(rows, sentences, lengths), Search()), strict=True):
        same(one, other, exactly=True)


def test_the_sampler_is_told_the_text_so_far() -> None:
    rows: Rows = lambda sentence, text: [-math.inf, -9.0, -5.0, -1.0, -1.5]  # noqa: E731
    sampler = Sampler(temperature=0, repetition_penalty=2.0, window=1)
    (best,) = find(Toy(rows, [0], [0]), Search(sampler=sampler))
    assert best[0].ids == [3, 4] * 5
    assert best[0].log_probability == -12.5


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"beam": 0}, "beam: expected an integer of at least 1, got 0"),
    ({"beam": 2.0}, "beam: expected an integer of at least 1, got 2.0"),
    ({"n_best": 0}, "n_best: expected an integer of at least 1, got 0"),
    ({"beam": 3, "n_best": 4}, "n_best: expected at most the beam, 3, got 4; widen the beam"),
    ({"length_penalty": -0.5}, r"length_penalty: expected a number of 0 \(none\) or more, got -0.5"),
    ({"length_penalty": math.nan}, "length_penalty: expected a number .*, got nan"),
    ({"beam": 2, "coverage_penalty": -1}, r"coverage_penalty: expected a number of 0 \(none\) or more, got -1"),
    ({"coverage_penalty": 0.1}, "coverage_penalty: it has no effect without a beam above 1"),
    ({"max_ratio": 0}, "max_ratio: expected a number above 0, at most 10,000, got 0"),
    ({"max_ratio": math.inf}, "max_ratio: expected a number above 0, at most 10,000, got inf"),
    ({"beam": 2, "sampler": Sampler()}, "beam: 2 has no effect with a sampler"),
    ({"n_best": 2, "sampler": Sampler(temperature=0)}, "n_best: with temperature 0 all 2 draws would be the same"),
    ({"coverage_penalty": 0.1, "sampler": Sampler()}, "coverage_penalty: it has no effect without a beam"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Search(**options)


BAD_SEARCHES: list[tuple[Search, list[int] | None, type[RecurraError], str]] = [
    (Search(beam=6), None, SettingsError, "beam: expected at most the size of the vocabulary, 5, got 6; narrow"),
    (Search(beam=2, coverage_penalty=1), None, SettingsError, "coverage_penalty: it needs attention weights"),
    (Search(), [1], SettingsError, "seeds: they have no effect without a sampler; leave them out"),
    (Search(sampler=Sampler()), None, SettingsError, "seeds: what is drawn needs a seed for each sentence, got None"),
    (Search(sampler=Sampler()), [1, 2], ShapeError, "seeds: expected one for each of 1 sentences, got 2"),
    (Search(sampler=Sampler(temperature=0)), [1], SettingsError, "seeds: they have no effect with temperature 0"),
]


@pytest.mark.parametrize(("options", "seeds", "error", "message"), BAD_SEARCHES)
def test_bad_searches(options: Search, seeds: list[int] | None, error: type[RecurraError], message: str) -> None:
    with pytest.raises(error, match=message):
        find(Toy(random_rows(5), [0], [2], attends=False), options, seeds)


@pytest.mark.parametrize("lengths", [torch.tensor([[1]]), torch.tensor([1.0])])
def test_lengths_that_are_none(lengths: Tensor) -> None:
    with pytest.raises(ShapeError, match=r"source_lengths: expected integers \[B\], got torch\."):
        search(Toy(random_rows(5), [0], [1]), lengths, Search())


def test_a_decoder_of_another_batch() -> None:
    with pytest.raises(ShapeError, match=r"of the decoder: expected \(2, 1, 'V'\), got \(1, 1, 5\)"):
        search(Toy(random_rows(5), [0], [1]), torch.tensor([1, 1]), Search())


@pytest.mark.parametrize("options", [Search(), Search(beam=2), Search(sampler=Sampler())])
@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_numbers_that_are_no_probabilities(options: Search, bad: float) -> None:
    def rows(sentence: int, text: Text) -> list[float]:
        return [bad] * 5 if sentence == 1 and text else [-math.inf, -math.inf, -math.inf, -0.7, -0.7]

    with pytest.raises(RecurraError, match="sentence 1 of the batch: the network gives no symbol a probability"):
        find(Toy(rows, [0, 1], [1, 1]), options, None if options.sampler is None else [1, 2])


def test_the_search_needs_no_gradient() -> None:
    found = find(Toy(random_rows(6), [1], [3]), Search(beam=2))
    assert found[0][0].weights is not None
    assert found[0][0].weights.is_inference()
