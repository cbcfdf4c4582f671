"""Language models in the search of transcripts, against their scores of whole texts, and ARPA files by hand."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.config import VocabularyConfig, make_run_config
from recurra.ctc_search import BLANK, BeamStream, Scorer, best_path, prefix_beam_search
from recurra.errors import DataError, MissingExtraError, ModelDirectoryError, SettingsError
from recurra.fit import fit
from recurra.fusion import SymbolScorer, WordScorer, _RecurrentWords, make_scorer
from recurra.start import read_language_model
from recurra.tasks.language_model import ModelLanguage
from recurra.vocabulary import UNKNOWN, Vocabulary

LINES = ["the cat sat", "a dog ran", "the dog sat on the cat", "a cat ran to the dog", "the cat ran"]
KINDS = ["words", "spaces", "characters", "bpe"]
ARPA = r"""
\data\
ngram 1=7
ngram 2=3

\1-grams:
-1.5	<unk>
0	<s>	-0.3
-0.8	</s>
-0.7	the	-0.2
-0.9	cat	-0.1
-1.1	dog	-0.4
-1.3	sat	-0.5

\2-grams:
-0.2	<s> the
-0.4	the cat
-0.6	dog </s>

\end\
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory of a language model of some lines, by the kind of its symbols; trained once."""
    made: dict[str, Path] = {}

    def make(tokens: str) -> Path:
        if tokens not in made:
            made[tokens] = tmp_path_factory.mktemp("models") / tokens
            text = made[tokens].with_suffix(".txt")
            text.write_text("\n".join(LINES * 30), encoding="utf-8")
            small = {"hidden_size": 24, "embedding_size": 24, "num_layers": 1, "dropout": 0.0, "epochs": 4}
            run = {"batch_size": 4, "steps": 20, "learning_rate": 0.02, "device": "cpu", "tokens": tokens}
            fit(make_run_config("language-model", data=str(text), **small, **run), made[tokens])
        return made[tokens]

    return make


def transcriber(tokens: str, lines: Sequence[str] = LINES) -> Vocabulary:
    return Vocabulary.build([list(lines)], VocabularyConfig.model_validate({"tokens": tokens}))


def score(scorer: Scorer, ids: Sequence[int]) -> float:
    """What a scorer gives a text, symbol by symbol as the search asks for it, beside others in one batch."""
    states, total = [scorer.start(), scorer.start()], 0.0
    for id_ in ids:
        total += scorer.scores(states)[1, id_]
        states = scorer.extend(states, [BLANK + 2, id_])
    return total + float(scorer.end(states)[1])


def surprise(task: ModelLanguage, text: str) -> float:
    return float(task.surprise([text])[0]["log_probability"])


@pytest.mark.parametrize("tokens", KINDS)
@pytest.mark.parametrize("of_model", KINDS)
@pytest.mark.parametrize("text", ["the cat ran", "dog", "", "sat the a"])
def test_a_text_has_the_score_that_the_language_model_gives_it(
    tokens: str, of_model: str, text: str, models: Callable[[str], Path]
) -> None:
    """Whatever the symbols of the two: in the end all of the text has been scored, once."""
    vocabulary = transcriber(tokens)
    scorer = make_scorer(models(of_model), vocabulary, tokens)
    expected = surprise(read_language_model(models(of_model)), text)
    assert score(scorer, vocabulary.encode([text])[0]) == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("tokens", KINDS)
@pytest.mark.parametrize("of_model", KINDS)
def test_symbols_of_one_kind_are_scored_one_by_one(tokens: str, of_model: str, models: Callable[[str], Path]) -> None:
    scorer = make_scorer(models(of_model), transcriber(tokens), tokens)
    assert isinstance(scorer, SymbolScorer if tokens == of_model else WordScorer)


def test_other_byte_pairs_are_scored_by_word(models: Callable[[str], Path]) -> None:
    vocabulary, text = transcriber("bpe", ["cats catch a catalogue", *LINES]), "the cat ran"
    scorer = make_scorer(models("bpe"), vocabulary, "bpe")
    assert isinstance(scorer, WordScorer)
    expected = surprise(read_language_model(models("bpe")), text)
    assert score(scorer, vocabulary.encode([text])[0]) == pytest.approx(expected, rel=1e-4)


def test_a_pending_word_is_not_scored_until_it_ends(models: Callable[[str], Path]) -> None:
    vocabulary, task = transcriber("characters"), read_language_model(models("words"))
    scorer = make_scorer(models("words"), vocabulary, "characters")
    ids = dict(zip(vocabulary.symbols(), range(len(vocabulary))))
    state, tokens = scorer.start(), task.surprise(["the cat"])[0]["tokens"]
    assert not scorer.scores([state]).any()
    for character in "the":
        (state,) = scorer.extend([state], [ids[character]])
        assert not np.delete(scorer.scores([state])[0], ids[" "]).any()
    row = scorer.scores([state])[0]
    assert row[ids[" "]] == pytest.approx(tokens[0]["log_probability"], abs=1e-5)
    (state,) = scorer.extend([state], [ids[" "]])
    assert not scorer.scores([state]).any()
    (twice,) = scorer.extend([state], [ids[" "]])  # a second space ends no word
    assert scorer.end([twice]) == pytest.approx(scorer.end([state]))


def test_unknown_symbols_have_the_score_of_the_models_own(models: Callable[[str], Path]) -> None:
    task = read_language_model(models("characters"))
    vocabulary = transcriber("characters", [*LINES, "zyx"])
    scorer = make_scorer(models("characters"), vocabulary, "characters")
    row = scorer.scores([scorer.start()])[0]
    z, unknown = vocabulary.encode(["z"])[0][0], task.surprise(["z"])[0]["tokens"][0]
    assert unknown["known"] is False
    assert row[z] == row[UNKNOWN] == pytest.approx(unknown["log_probability"], abs=1e-5)


def test_unknown_words_have_the_score_of_the_models_own(models: Callable[[str], Path]) -> None:
    task = read_language_model(models("words"))
    vocabulary = transcriber("characters", [*LINES, "zyx"])
    scorer = make_scorer(models("words"), vocabulary, "characters")
    expected = surprise(task, "the zyx ran")
    assert task.surprise(["the zyx"])[0]["tokens"][1]["known"] is False
    assert score(scorer, vocabulary.encode(["the zyx ran"])[0]) == pytest.approx(expected, abs=1e-4)
    ids = vocabulary.encode(["the z ran"])[0]
    ids[ids.index(vocabulary.encode(["z"])[0][0])] = UNKNOWN
    assert score(scorer, ids) == pytest.approx(expected, abs=1e-4)


def test_a_longer_word_that_is_divided_in_another_way_is_read_anew() -> None:
    """Of the pairs de is joined first, then cd, bc, ab: "abcd" is ab cd, and "abcde" a bc de."""
    run = {"tokens": "bpe", "embedding_size": 8, "hidden_size": 8, "min_count": 2, "device": "cpu"}
    config = make_run_config("language-model", data="memory", **run)
    lines = [pair for pair, count in {"de": 9, "cd": 7, "bc": 5, "ab": 3}.items() for _ in range(count)]
    task = ModelLanguage(config, Vocabulary.build([lines], config.vocabulary, has_end=True))
    assert [[token.text for token in task.vocabulary.tokens(word)] for word in ("abcd", "abcde")] == [
        ["ab", "cd"],
        ["a", "bc", "de"],
    ]
    vocabulary = transcriber("characters", lines)
    scorer = WordScorer(_RecurrentWords(task), vocabulary, "characters")
    for word in ("abcd", "abcde"):
        assert score(scorer, vocabulary.encode([word])[0]) == pytest.approx(surprise(task, word), abs=1e-5)


def test_white_space_of_byte_pairs_that_no_word_is_made_of_is_an_unknown_word(models: Callable[[str], Path]) -> None:
    vocabulary, task = transcriber("bpe"), read_language_model(models("words"))
    ids = vocabulary.encode(["the \u00a0 cat"])[0]
    scorer = make_scorer(models("words"), vocabulary, "bpe")
    assert score(scorer, ids) == pytest.approx(surprise(task, "the zyx cat"), abs=1e-4)


def ambiguous(vocabulary: Vocabulary, text: str, rival: str) -> Any:
    """Frames that say a text, but a rival a little louder where they differ."""
    one, other = vocabulary.encode([text, rival])
    frames = np.full((2 * len(one), len(vocabulary)), 0.001)
    for number, (id_, wrong) in enumerate(zip(one, other, strict=True)):
        frames[2 * number, id_] += 0.4
        frames[2 * number, wrong] += 0.5
        frames[2 * number + 1, BLANK] += 0.9
    return np.log(frames / frames.sum(1, keepdims=True))


@pytest.mark.parametrize("of_model", KINDS)
def test_a_language_model_tells_apart_what_sounds_alike(of_model: str, models: Callable[[str], Path]) -> None:
    vocabulary = transcriber("characters")
    frames = ambiguous(vocabulary, "the cat ran", "the cot tan")
    scorer = make_scorer(models(of_model), vocabulary, "characters")
    heard = [best_path(frames), prefix_beam_search(frames, 16)[0].ids, prefix_beam_search(frames, 16, scorer)[0].ids]
    assert ["".join(map(vocabulary.symbol, ids)) for ids in heard] == ["the cot tan", "the cot tan", "the cat ran"]
    stream = BeamStream(16, scorer)
    for frame in frames:
        stream.push(frame[None])
    found, whole = stream.found(), prefix_beam_search(frames, 16, scorer)
    assert found == whole


def test_the_score_is_the_sum_of_both(models: Callable[[str], Path]) -> None:
    vocabulary, task = transcriber("characters"), read_language_model(models("characters"))
    frames = ambiguous(vocabulary, "the cat", "the cot")
    scorer = make_scorer(models("characters"), vocabulary, "characters")
    for found in prefix_beam_search(frames, 8, scorer, weight=0.7, bonus=0.2):
        model = surprise(task, "".join(map(vocabulary.symbol, found.ids)))
        expected = found.log_probability + 0.7 * model + 0.2 * len(found.ids)
        assert found.score == pytest.approx(expected, abs=1e-4)


def test_what_is_no_language_model_is_refused(tmp_path: Path, models: Callable[[str], Path]) -> None:
    vocabulary = transcriber("characters")
    with pytest.raises(ModelDirectoryError):
        make_scorer(tmp_path, vocabulary, "characters")
    with pytest.raises(DataError, match="nothing: expected a language model's directory or an ARPA file, found"):
        make_scorer(tmp_path / "nothing", vocabulary, "characters")
    other = transcriber("characters", ["ΑΒΓ"])
    with pytest.raises(SettingsError, match="knows none of the transcriber's 3 symbols; train one on texts"):
        make_scorer(models("characters"), other, "characters")


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    path = tmp_path / "words.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return path


def test_a_missing_library_is_named(arpa: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kenlm", None)
    with pytest.raises(MissingExtraError, match=r"words.arpa: an n-gram .* pip install 'recurra\[arpa\]'"):
        make_scorer(arpa, transcriber("characters"), "characters")


@pytest.fixture
def kenlm() -> Any:
    return pytest.importorskip("kenlm", reason="the extra 'arpa' is not installed")


@pytest.mark.parametrize("tokens", KINDS)
@pytest.mark.parametrize(
    ("text", "base_10"),
    [
        ("", -0.3 - 0.8),
        ("the cat", -0.2 - 0.4 - 0.1 - 0.8),
        ("cat dog", -0.3 - 0.9 - 0.1 - 1.1 - 0.6),
        ("the ran", -0.2 - 0.2 - 1.5 - 0.8),  # unknown words have no context
    ],
)
def test_an_arpa_file_scores_words_as_it_says(kenlm: Any, tokens: str, text: str, base_10: float, arpa: Path) -> None:
    vocabulary = transcriber(tokens)
    scorer = make_scorer(arpa, vocabulary, tokens)
    assert score(scorer, vocabulary.encode([text])[0]) == pytest.approx(math.log(10) * base_10, abs=1e-5)


def test_an_arpa_file_tells_apart_what_sounds_alike(kenlm: Any, arpa: Path, capfd: pytest.CaptureFixture[str]) -> None:
    vocabulary = transcriber("characters")
    frames = ambiguous(vocabulary, "the cat", "tho rat")
    found = prefix_beam_search(frames, 16, make_scorer(arpa, vocabulary, "characters"), weight=1.0)
    assert "".join(map(vocabulary.symbol, found[0].ids)) == "the cat"
    assert capfd.readouterr() == ("", "")  # the library is quiet


@pytest.mark.parametrize("tokens", ["words", "spaces", "characters"])
def test_an_arpa_file_in_capitals_is_refused(kenlm: Any, tokens: str, arpa: Path) -> None:
    arpa.write_text(ARPA.replace("the", "THE").replace("cat", "CAT").replace("dog", "DOG").replace("sat", "SAT"))
    with pytest.raises(DataError, match=r"none of its 4 words can be written .* symbols: THE, CAT, DOG \.\.\.; give"):
        make_scorer(arpa, transcriber(tokens), tokens)


@pytest.mark.parametrize("content", ["", "hello\n", ARPA[:150]])
def test_a_file_that_is_no_n_gram_model_is_refused(kenlm: Any, content: str, arpa: Path) -> None:
    arpa.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"words.arpa: expected an ARPA file, or a binary one of kenlm: "):
        make_scorer(arpa, transcriber("characters"), "characters")
