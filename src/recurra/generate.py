"""Text that a language model makes up, symbol by symbol, and the symbols that it holds most likely next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.errors import DataError
from recurra.kernels.cells import State
from recurra.nn.sampling import Sampler
from recurra.tasks.language_model import ModelLanguage
from recurra.vocabulary import END, PADDING, UNKNOWN, Vocabulary

__all__ = ["Next", "TextStream", "generate", "most_likely"]

_NO_SPACE_BEFORE = re.compile(r"^[.,;:!?%)\]}’…]")  # noqa: RUF001  of a mark that closes
_NO_SPACE_AFTER = re.compile(r"[(\[{‘$#]$")  # noqa: RUF001  of a mark that opens


class Next(NamedTuple):
    """A symbol as it is written, a line's end as a line feed, and its probability."""

    text: str
    probability: float


def generate(task: ModelLanguage, prompt: str, length: int, sampler: Sampler) -> Iterator[str]:
    """Yield what the model makes up after a prompt, in pieces, as they are drawn.

    Each symbol takes the same time and memory, however long the text before it: the model keeps its state alone, and
    the sampler a window of symbols. Neither padding nor the unknown symbol is ever drawn.

    Args:
        task: with its trained network.
        prompt: what comes before; an empty one is the beginning of a line.
        length: how many symbols.
        sampler: how a symbol is drawn.

    Raises:
        DataError: the prompt has no symbol that the model knows, or holds half of a surrogate pair.
    """
    ids = _prompt_ids(task.vocabulary, prompt)
    stream = TextStream(task.vocabulary, task.config.vocabulary.tokens, prompt)
    with torch.inference_mode():
        scores, state = _read(task, ids)
        for id_ in ids:
            sampler.see(id_)
        for _ in range(length):
            id_ = sampler.draw(scores)
            yield stream.write(id_)
            scores, state = _step(task, id_, state)
    yield stream.end()


def most_likely(task: ModelLanguage, prompt: str, count: int) -> list[Next]:
    """The symbols most likely after a prompt, the likeliest first; errors as :func:`generate`."""
    with torch.inference_mode():
        scores, _ = _read(task, _prompt_ids(task.vocabulary, prompt))
    best = scores.exp().topk(min(count, len(scores) - 2))
    kind = task.config.vocabulary.tokens
    return [
        Next(_written(task.vocabulary, kind, id_), probability)
        for probability, id_ in zip(best.values.tolist(), best.indices.tolist())
    ]


def _written(vocabulary: Vocabulary, kind: str, id_: int) -> str:
    """A symbol by itself, bytes that make no whole character as U+FFFD."""
    stream = TextStream(vocabulary, kind)
    return stream.write(id_) + stream.end()


def _prompt_ids(vocabulary: Vocabulary, prompt: str) -> list[int]:
    """The end of a line, the symbols of the prompt, and the ends of its lines but the last."""
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"prompt: holds half of a surrogate pair ({error.reason}), which is no character") from None
    lines = [vocabulary.encode([line])[0] for line in prompt.split("\n")]
    ids = [id_ for line in lines for id_ in (END, *line)]
    words = [id_ for line in lines for id_ in line]
    if words and all(id_ == UNKNOWN for id_ in words):
        raise DataError(
            f"prompt: none of its {len(words):,} symbols is known to the model, which would go on from nothing; "
            f"use words of the training text, or an empty prompt"
        )
    return ids


def _read(task: ModelLanguage, ids: list[int]) -> tuple[Tensor, State]:
    """The log-probabilities of the next symbol [V] after some, and the state."""
    network = task.network.eval()
    outputs, state = network.read(torch.tensor([ids]))
    return _speakable(network.log_probabilities(outputs[-1])[0]), state


def _step(task: ModelLanguage, id_: int, state: State) -> tuple[Tensor, State]:
    scores, state = task.network.step(torch.tensor([id_]), state)
    return _speakable(scores[0]), state


def _speakable(scores: Tensor) -> Tensor:
    """The distribution without what cannot be written."""
    scores[[PADDING, UNKNOWN]] = -torch.inf
    return scores.log_softmax(-1)


class TextStream:
    """Symbols as running text, piece by piece.

    Args:
        vocabulary: of the model.
        tokens: what its symbols are, as the option of that name.
        before: the text so far, which tells whether a space is needed.
    """

    def __init__(self, vocabulary: Vocabulary, tokens: str, before: str = "") -> None:
        self._vocabulary = vocabulary
        self._symbols = vocabulary.symbols()
        self._tokens = tokens
        self._last = before[-1:]
        self._pending: list[int] = []

    def write(self, id_: int) -> str:
        """The text that a symbol adds; of byte pairs that end within a character none until it is whole."""
        if id_ == END:
            return self._add(self.end() + "\n")
        if self._tokens == "bpe":
            self._pending.append(id_)
            text = self._vocabulary.decode(self._pending)
            if text.endswith("\ufffd") and len(self._pending) < 8:  # a character has at most four bytes
                return ""
            self._pending.clear()
            return self._add(text)
        symbol = self._symbols[id_]
        spaced = self._tokens != "characters" and self._last not in ("", "\n", " ")
        if self._tokens == "words" and (_NO_SPACE_BEFORE.search(symbol) or _NO_SPACE_AFTER.search(self._last)):
            spaced = False
        return self._add(f" {symbol}" if spaced else symbol)

    def end(self) -> str:
        """What is left: bytes that make no whole character."""
        text = self._vocabulary.decode(self._pending) if self._pending else ""
        self._pending.clear()
        return text

    def _add(self, text: str) -> str:
        self._last = text[-1:] or self._last
        return text
