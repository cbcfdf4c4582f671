"""A language model that helps a transcriber to choose its texts (shallow fusion: Gulcehre et al., arXiv:1503.03535)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.arpa import NGramWords
from recurra.ctc_search import BLANK, Scorer
from recurra.errors import SettingsError
from recurra.kernels.cells import State
from recurra.nn.language_model import LanguageModelNetwork
from recurra.start import read_language_model
from recurra.tasks.language_model import ModelLanguage
from recurra.vocabulary import END, UNKNOWN, Vocabulary

__all__ = ["SymbolScorer", "WordScorer", "make_scorer"]

_FIRST = UNKNOWN + 1  # id of what a transcriber can write
_UNHEARD = "\ufffd".encode()  # what its unknown symbol is in a word


def make_scorer(path: str | Path, vocabulary: Vocabulary, tokens: str) -> Scorer:
    """Make a language model fit for the search of a transcriber's texts.

    One that recurra trained scores symbol by symbol where its symbols are of the kind of the transcriber's (of byte
    pairs: the same ones), else word by word (:class:`WordScorer`), as an n-gram model does.

    Args:
        path: directory of a language model that recurra trained, or an n-gram model as an ARPA file, or a binary one
            of kenlm.
        vocabulary: of the transcriber.
        tokens: what its symbols are, as the option of that name.

    Raises:
        ModelDirectoryError: a directory that is no model's, or a damaged one.
        SettingsError: its model is of another task, or knows none of the transcriber's symbols.
        DataError: a file that is missing or no n-gram model, or knows no word that the transcriber can write.
        MissingExtraError: a file, and the `kenlm` library is not installed.
    """
    if not Path(path).is_dir():
        return WordScorer(NGramWords(path, vocabulary, tokens), vocabulary, tokens)
    task = read_language_model(path)
    if not _is_same_kind(task, vocabulary, tokens):
        return WordScorer(_RecurrentWords(task), vocabulary, tokens)
    return SymbolScorer(task, vocabulary, str(path))


def _is_same_kind(task: ModelLanguage, vocabulary: Vocabulary, tokens: str) -> bool:
    if task.config.vocabulary.tokens != tokens:
        return False
    return tokens != "bpe" or set(vocabulary.symbols()[_FIRST:]) == set(task.vocabulary.symbols()[END + 1 :])


class _After(NamedTuple):
    """What a recurrent language model keeps of a text: its state, tensors [L, 1, H], and the scores that follow [V]."""

    state: State
    scores: Tensor


@torch.inference_mode()
def _read(network: LanguageModelNetwork, texts: Sequence[_After], ids: Sequence[int]) -> list[_After]:
    """Texts with one more symbol each, in one batch."""
    state = tuple(torch.cat(parts, 1) for parts in zip(*(text.state for text in texts)))
    scores, state = network.step(torch.tensor(ids), state)
    return [_After(tuple(part[:, row : row + 1] for part in state), scores[row]) for row in range(len(ids))]


@torch.inference_mode()
def _begin(task: ModelLanguage) -> _After:
    """The beginning of a line, which is behind the end of another."""
    scores, state = task.network.eval().step(torch.tensor([END]))
    return _After(state, scores[0])


class SymbolScorer:
    """A recurrent language model that scores a transcriber's texts symbol by symbol (a :class:`Scorer`).

    A symbol that the model does not know has the score of its unknown symbol.

    Args:
        task: the language model.
        vocabulary: of the transcriber, its symbols of the same kind.
        name: of the language model, for messages.

    Raises:
        SettingsError: it knows none of the transcriber's symbols.
    """

    def __init__(self, task: ModelLanguage, vocabulary: Vocabulary, name: str) -> None:
        own = task.vocabulary.lookup(vocabulary.symbols()[_FIRST:])
        if all(id_ == UNKNOWN for id_ in own):
            raise SettingsError(
                f"{name}: the language model knows none of the transcriber's {len(own):,} symbols; train one on texts "
                f"that are written as the transcripts are"
            )
        self._task = task
        self._ids = torch.tensor([BLANK, UNKNOWN, *own])

    def start(self) -> _After:
        """Before the first symbol."""
        return _begin(self._task)

    def extend(self, states: Sequence[_After], ids: Sequence[int]) -> list[_After]:
        """After one more symbol each."""
        return _read(self._task.network, states, self._ids[list(ids)].tolist())

    def scores(self, states: Sequence[_After]) -> NDArray[np.float64]:
        """The log-probability of each symbol that could come next, [n, V]."""
        return np.stack([state.scores[self._ids].double().numpy() for state in states])

    def end(self, states: Sequence[_After]) -> NDArray[np.float64]:
        """That of the end of the line, [n]."""
        return np.array([float(state.scores[END]) for state in states])


class _WordModel(Protocol):
    """A language model asked for words; a history is what it keeps of the words so far."""

    def start(self) -> Any:
        """The history without a word."""

    def spell(
        self, histories: Sequence[Any], words: Sequence[str], shorter: Sequence[Any | None]
    ) -> tuple[list[float], list[Any]]:
        """The log-probability of a word after each history, and what the model keeps of the word.

        Args:
            histories: before the words.
            words: at least one character each.
            shorter: what it kept of each word when that had fewer characters; None of a new word.
        """

    def read(self, spelled: Sequence[Any]) -> list[Any]:
        """The histories with the words that have been spelled."""

    def end(self, histories: Sequence[Any]) -> list[float]:
        """The log-probability of the text's end after each history."""


class _Words(NamedTuple):
    """A text in words.

    Attributes:
        history: the language model's, of the words that have ended.
        word: the pending one, as bytes, since a byte pair can end within a character; empty where there is none.
        score: its log-probability, 0 where there is none.
        spelled: what the model keeps of it, None where there is none.
    """

    history: Any
    word: bytes = b""
    score: float = 0.0
    spelled: Any = None


class WordScorer:
    """A language model that scores a transcriber's texts word by word (a :class:`Scorer`).

    A word ends at white space, and where each symbol is a word, at the next symbol. It is scored there; until then the
    symbols of the pending word add nothing. A word that the language model does not know has the score that the model
    gives to unknown ones. In a word, the transcriber's unknown symbol is written as U+FFFD.

    Args:
        model: scores words.
        vocabulary: of the transcriber.
        tokens: what its symbols are, as the option of that name.
    """

    def __init__(self, model: _WordModel, vocabulary: Vocabulary, tokens: str) -> None:
        self._model = model
        spell: Callable[[int], str | bytes] = vocabulary.byte_pair if tokens == "bpe" else vocabulary.symbol
        pieces = [spell(id_) for id_ in range(_FIRST, len(vocabulary))]
        apart = tokens in ("words", "spaces")
        self._ends = np.array([False, apart, *(apart or piece != piece.lstrip() for piece in pieces)])
        bare = [piece.strip() for piece in pieces]
        self._pieces = [b"", _UNHEARD, *(piece if isinstance(piece, bytes) else piece.encode() for piece in bare)]

    def start(self) -> _Words:
        """Before the first symbol."""
        return _Words(self._model.start())

    def extend(self, states: Sequence[_Words], ids: Sequence[int]) -> list[_Words]:
        """After one more symbol each."""
        ended = map(_Words, self._ended([state for state, id_ in zip(states, ids) if self._ends[id_]]))
        before = [next(ended) if self._ends[id_] else state for state, id_ in zip(states, ids)]
        longer = [state._replace(word=state.word + self._pieces[id_]) for state, id_ in zip(before, ids)]
        rows = [row for row, state in enumerate(longer) if state.word]
        found = self._model.spell(
            [longer[row].history for row in rows],
            [longer[row].word.decode(errors="replace") for row in rows],
            [longer[row].spelled for row in rows],
        )
        for row, score, spelled in zip(rows, *found):
            longer[row] = longer[row]._replace(score=score, spelled=spelled)
        return longer

    def scores(self, states: Sequence[_Words]) -> NDArray[np.float64]:
        """The log-probability of the pending word for symbols that end it, 0 for the others, [n, V]."""
        return np.outer([state.score for state in states], self._ends)

    def end(self, states: Sequence[_Words]) -> NDArray[np.float64]:
        """The log-probability of the pending word and of the text's end, [n]."""
        ends = self._model.end(self._ended(states))
        return np.array([state.score + end for state, end in zip(states, ends)])

    def _ended(self, states: Sequence[_Words]) -> list[Any]:
        """The histories with the pending words."""
        read = iter(self._model.read([state.spelled for state in states if state.word]))
        return [next(read) if state.word else state.history for state in states]


class _History(NamedTuple):
    """What a recurrent language model keeps of some words, and whether there are any."""

    after: _After
    is_begun: bool


class _Spelled(NamedTuple):
    """A word in the symbols of a recurrent language model, at least one, and the text before each of them."""

    ids: list[int]
    before: list[_After]


class _RecurrentWords:
    """A recurrent language model asked for words: the sum over its own symbols of each, and of the space before it."""

    def __init__(self, task: ModelLanguage) -> None:
        self._task = task

    def start(self) -> _History:
        return _History(_begin(self._task), False)

    def spell(
        self, histories: Sequence[_History], words: Sequence[str], shorter: Sequence[_Spelled | None]
    ) -> tuple[list[float], list[_Spelled]]:
        """Only those symbols are read with which a word goes on in another way than the shorter one did."""
        spaced = [f" {word}" if history.is_begun else word for history, word in zip(histories, words)]
        own = [ids or [UNKNOWN] for ids in self._task.vocabulary.encode(spaced)]
        spelled = [_Spelled(ids, _shared(history, ids, old)) for history, ids, old in zip(histories, own, shorter)]
        while unread := [word for word in spelled if len(word.before) < len(word.ids)]:
            symbols = [word.ids[len(word.before) - 1] for word in unread]
            for word, after in zip(unread, _read(self._task.network, [word.before[-1] for word in unread], symbols)):
                word.before.append(after)
        return [sum(float(text.scores[id_]) for id_, text in zip(*word)) for word in spelled], spelled

    def read(self, spelled: Sequence[_Spelled]) -> list[_History]:
        if not spelled:
            return []
        read = _read(self._task.network, [word.before[-1] for word in spelled], [word.ids[-1] for word in spelled])
        return [_History(after, True) for after in read]

    def end(self, histories: Sequence[_History]) -> list[float]:
        return [float(history.after.scores[END]) for history in histories]


def _shared(history: _History, ids: list[int], shorter: _Spelled | None) -> list[_After]:
    """What is known of the texts before each symbol of a word, from a shorter one that may begin as it does."""
    if shorter is None:
        return [history.after]
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(ids, shorter.ids)))
    return shorter.before[: min(same + 1, len(ids))]
