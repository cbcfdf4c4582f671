"""What the network says of each step -> a transcript: its text, and when each word was said."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recurra.ctc_search import Aligned, Scorer, align, best_path, prefix_beam_search
from recurra.errors import SettingsError
from recurra.nn.ranges import check_number
from recurra.vocabulary import PADDING, UNKNOWN, Vocabulary
from recurra.writing import TextStream

__all__ = ["Decoding", "LanguageModel", "Transcript", "Word", "make_decoding", "words_of"]

LanguageModel: TypeAlias = Callable[[Vocabulary, str], Scorer]  # of a vocabulary, and what its symbols are

_BEAM_WITH_LANGUAGE = 16
_WEIGHT, _BONUS = 0.5, 0.5


class Word(NamedTuple):
    """A word, from when to when it was said, and how sure the network is of it: the geometric mean of its symbols.

    Times are seconds or, of features, whose seconds are not known, frames; `end` is no part of it.
    """

    word: str
    start: float
    end: float
    confidence: float


class Transcript(NamedTuple):
    """What was said, and how sure the network is: the geometric mean over the symbols or, without any, the blanks."""

    text: str
    confidence: float
    words: list[Word]

    def as_json(self, unit: Literal["seconds", "frames"]) -> dict[str, Any]:
        """As a line of the output: seconds to milliseconds, frames under names of their own, confidences to 4 places.

        Args:
            unit: of the words' times.
        """
        start, end = ("start", "end") if unit == "seconds" else ("start_frame", "end_frame")
        words = [
            {"word": w.word, start: round(w.start, 3), end: round(w.end, 3), "confidence": round(w.confidence, 4)}
            for w in self.words
        ]
        return {"text": self.text, "confidence": round(self.confidence, 4), "words": words}


class Decoding(NamedTuple):
    """How symbols are found.

    Attributes:
        vocabulary: of the network's symbols; id 0 is the blank.
        tokens: what a symbol is, as the option of that name.
        step: seconds, or frames, from one step of the network to the next.
        reach: the same from the beginning of a step to its end.
        beam: how many texts are followed; 1 takes the likeliest symbol at each step.
        scorer: a language model.
        weight: of the language model's log-probability.
        bonus: in nats, for each symbol or word that the language model scores, which it would rather leave out.
    """

    vocabulary: Vocabulary
    tokens: str
    step: float
    reach: float
    beam: int = 1
    scorer: Scorer | None = None
    weight: float = _WEIGHT
    bonus: float = 0.0

    def transcribe(self, log_probabilities: NDArray[np.float32], length: float = math.inf) -> Transcript:
        """Find the transcript of a recording; the unknown symbol, which says nothing, is never written.

        Args:
            log_probabilities: of the symbols at each step, [T, V].
            length: of the recording, in the unit of `step`: where its last word ends at the latest.
        """
        known = self.without_unknown(log_probabilities)
        if self.beam == 1:
            ids = best_path(known)
        else:
            ids = prefix_beam_search(known, self.beam, self.scorer, self.weight, self.bonus)[0].ids
        aligned = align(known, ids)
        words = words_of(self.vocabulary, self.tokens, aligned, self.step, self.reach, length)
        sure = [each.probability for each in aligned] if aligned else np.exp(known[:, PADDING]).tolist()
        return Transcript(self.text(ids), _geometric_mean(sure), words)

    def text(self, ids: Sequence[int]) -> str:
        """Write symbols as text, with single spaces."""
        whole = b"".join(_pieces(self.vocabulary, self.tokens, ids))
        return " ".join(piece.decode(errors="replace") for piece in whole.split(b" ") if piece)

    @staticmethod
    def without_unknown(log_probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same given that it is not the unknown symbol: its share goes to the others."""
        known = log_probabilities.astype(np.float64)
        known[:, UNKNOWN] = -np.inf
        known -= np.logaddexp.reduce(known, axis=1, keepdims=True)
        return known


def make_decoding(
    vocabulary: Vocabulary,
    tokens: str,
    step: float,
    reach: float,
    beam: int | None = None,
    language_model: LanguageModel | None = None,
    language_weight: float | None = None,
    language_bonus: float | None = None,
) -> Decoding:
    """Make a decoding by the options of `recurra predict`.

    Args:
        vocabulary: of the network's symbols.
        tokens: what a symbol is.
        step: seconds, or frames, from one step to the next.
        reach: the same that a step hears.
        beam: None for 1, with a language model 16.
        language_model: makes a scorer for the symbols, such as a part of :func:`recurra.fusion.make_scorer`.
        language_weight: None for 0.5.
        language_bonus: None for 0.5.

    Raises:
        SettingsError: an option out of range or without effect.
    """
    if beam is not None and beam < 1:
        raise SettingsError(f"option 'beam' ({beam}): expected at least 1")
    if language_model is None:
        for name, value in (("language_weight", language_weight), ("language_bonus", language_bonus)):
            if value is not None:
                raise SettingsError(f"option '{name}' ({value}) would have no effect: there is no --language-model")
        return Decoding(vocabulary, tokens, step, reach, beam or 1)
    if beam == 1:
        raise SettingsError("option 'language_model' would have no effect: with --beam 1 nothing is compared")
    weight = _WEIGHT if language_weight is None else language_weight
    bonus = _BONUS if language_bonus is None else language_bonus
    check_number("language_weight", weight, lambda number: number > 0, "a number above 0, or no --language-model")
    check_number("language_bonus", bonus, lambda number: True, "a finite number")
    scorer = language_model(vocabulary, tokens)
    return Decoding(vocabulary, tokens, step, reach, beam or _BEAM_WITH_LANGUAGE, scorer, weight, bonus)


def words_of(
    vocabulary: Vocabulary,
    tokens: str,
    aligned: Sequence[Aligned],
    step: float,
    reach: float,
    length: float = math.inf,
) -> list[Word]:
    """The words of aligned symbols: what stands between spaces.

    Args:
        vocabulary: of the symbols.
        tokens: what a symbol is.
        aligned: the symbols, each with its first and last step.
        step: seconds, or frames, from one step to the next.
        reach: the same from the beginning of a step to its end.
        length: the same of the recording: where a word ends at the latest.
    """
    words: list[Word] = []
    text: list[bytes] = []
    symbols: list[Aligned] = []

    def close() -> None:
        if text:
            start, end = symbols[0].first * step, min(symbols[-1].last * step + reach, length)
            sure = _geometric_mean([each.probability for each in symbols])
            words.append(Word(b"".join(text).decode(errors="replace"), start, end, sure))
        text.clear()
        symbols.clear()

    for each, whole in zip(aligned, _pieces(vocabulary, tokens, [each.id for each in aligned])):
        for number, piece in enumerate(whole.split(b" ")):
            if number:
                close()
            if piece:
                text.append(piece)
                symbols.append(each)
    close()
    return words


def _pieces(vocabulary: Vocabulary, tokens: str, ids: Sequence[int]) -> list[bytes]:
    """What each symbol adds to the text; as bytes, since a byte pair can end within a character."""
    stream = TextStream(vocabulary, tokens)
    return [vocabulary.byte_pair(id_) if tokens == "bpe" else stream.write(id_).encode() for id_ in ids]


def _geometric_mean(probabilities: Sequence[float]) -> float:
    if not probabilities:
        return 1.0
    logs = [math.log(max(each, 1e-12)) for each in probabilities]
    return math.exp(sum(logs) / len(logs))
