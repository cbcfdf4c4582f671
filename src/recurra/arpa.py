"""N-gram language models in ARPA files, asked for words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from recurra.errors import DataError, MissingExtraError
from recurra.vocabulary import UNKNOWN, Vocabulary

__all__ = ["NGramWords"]

_NATURAL = math.log(10)  # ARPA files have logarithms to base 10
_NO_WORDS = ("<s>", "</s>", "<unk>", "<UNK>")


class NGramWords:
    """An n-gram model, read by kenlm (Heafield, "KenLM: faster and smaller language model queries", WMT 2011).

    A history is kenlm's state. All log-probabilities are natural. An unknown word has the probability of the model's
    `<unk>`; one without has it at 1e-100, by kenlm.

    Args:
        path: an ARPA file, or a binary file of kenlm.
        vocabulary: of the transcriber whose words are scored.
        tokens: what its symbols are, as the option of that name.

    Raises:
        MissingExtraError: the `kenlm` library is not installed.
        DataError: the file is missing or no n-gram model, or none of an ARPA file's words can be written with the
            symbols of the transcriber.
    """

    def __init__(self, path: str | Path, vocabulary: Vocabulary, tokens: str) -> None:
        if not Path(path).is_file():
            raise DataError(f"{path}: expected a language model's directory or an ARPA file, found nothing there")
        try:
            import kenlm
        except ImportError:
            raise MissingExtraError(f"{path}: an n-gram language model", "arpa") from None
        _require_common_words(path, vocabulary, tokens)
        config = kenlm.Config()
        config.show_progress, config.arpa_complain = False, kenlm.ARPALoadComplain.NONE
        try:
            self._model = kenlm.Model(str(path), config)
        except OSError as error:
            raise DataError(f"{path}: expected an ARPA file, or a binary one of kenlm: {error}") from None
        self._state = kenlm.State

    def start(self) -> Any:
        """The history at the beginning of a text."""
        state = self._state()
        self._model.BeginSentenceWrite(state)
        return state

    def spell(
        self, histories: Sequence[Any], words: Sequence[str], shorter: Sequence[Any | None]
    ) -> tuple[list[float], list[Any]]:
        """The log-probability of a word after each history, and the history with it; shorter words do not help."""
        states = [self._state() for _ in words]
        found = [self._model.BaseScore(*asked) for asked in zip(histories, words, states)]
        return [_NATURAL * score for score in found], states

    def read(self, spelled: Sequence[Any]) -> list[Any]:
        """The histories with the words that have been spelled."""
        return list(spelled)

    def end(self, histories: Sequence[Any]) -> list[float]:
        """The log-probability of the text's end after each history."""
        return self.spell(histories, ["</s>"] * len(histories), [None] * len(histories))[0]


def _require_common_words(path: str | Path, vocabulary: Vocabulary, tokens: str) -> None:
    """Check that a transcriber can write a word of an ARPA file; byte pairs write all, and a binary file tells none."""
    if tokens == "bpe":
        return
    symbols, number = set(vocabulary.symbols()[UNKNOWN + 1 :]), 0
    others: list[str] = []
    for number, word in enumerate(_words(path), 1):
        if word in symbols or (tokens == "characters" and symbols.issuperset(word)):
            return
        others = others if number > 3 else [*others, word]
    if number:
        raise DataError(
            f"{path}: none of its {number:,} words can be written with the transcriber's symbols: {', '.join(others)} "
            f"...; give a model of the same language, in capitals or small letters as the transcripts are"
        )


def _words(path: str | Path) -> Iterator[str]:
    r"""The words of the section `\1-grams:` of a file that begins as ARPA files do."""
    with Path(path).open(encoding="utf-8", errors="replace") as lines:
        if next(filter(str.strip, lines), "").strip() != "\\data\\":
            return
        section = itertools.dropwhile(lambda line: not line.startswith("\\1-grams:"), lines)
        for line in itertools.takewhile(lambda line: not line.startswith("\\"), itertools.islice(section, 1, None)):
            fields = line.split()
            if len(fields) > 1 and fields[1] not in _NO_WORDS:
                yield fields[1]
