"""Text that a language model makes up, symbol by symbol, and the symbols that it holds most likely next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.errors import DataError, SettingsError
from recurra.kernels.cells import State
from recurra.nn.sampling import Sampler
from recurra.tasks.language_model import ModelLanguage
from recurra.vocabulary import END, PADDING, UNKNOWN, Vocabulary
from recurra.writing import TextStream, symbol_text

__all__ = ["Next", "generate", "most_likely"]

_NEVER = [PADDING, UNKNOWN]  # what cannot be written
_CHUNK = 256  # symbols of a prompt that are read at a time


class Next(NamedTuple):
    """A symbol as it is written, a line's end as a line feed, and its probability."""

    text: str
    probability: float


@torch.inference_mode()
def generate(task: ModelLanguage, prompt: str, length: int, sampler: Sampler, seed: int | None = None) -> Iterator[str]:
    """Yield what the model makes up after a prompt, in pieces, as they are drawn.

    Each symbol takes the same time and memory, however long the text before it: the model keeps its state alone, and
    the sampler a window of symbols. Neither padding nor the unknown symbol is ever drawn.

    Args:
        task: with its trained network.
        prompt: what comes before; an empty one is the beginning of a line.
        length: how many symbols.
        sampler: how a symbol is drawn.
        seed: for the same text again; another one each time when None.

    Raises:
        SettingsError: a length below 1, or a seed where nothing is drawn.
        DataError: the prompt has no symbol that the model knows, or holds half of a surrogate pair.
    """
    _require_some("length", length)
    generator, recent = _generator(sampler, seed), _prompt_ids(task.vocabulary, prompt)
    stream = TextStream(task.vocabulary, task.config.vocabulary.tokens, prompt)
    scores, state = _read(task, recent)
    for number in range(length):
        if number:
            scores, state = _step(task, recent[-1], state)
        recent.append(sampler.draw(scores, recent, generator))
        del recent[: -sampler.window]
        yield stream.write(recent[-1])
    yield stream.end()


def _require_some(name: str, number: int) -> None:
    if number < 1:
        raise SettingsError(f"{name}: expected at least 1 symbol, found {number}")


def _generator(sampler: Sampler, seed: int | None) -> torch.Generator:
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    elif sampler.temperature == 0:
        raise SettingsError(f"option 'seed' ({seed}) would have no effect: with temperature 0 nothing is drawn")
    else:
        generator.manual_seed(seed)
    return generator


@torch.inference_mode()
def most_likely(task: ModelLanguage, prompt: str, count: int) -> list[Next]:
    """The symbols most likely after a prompt, the likeliest first; errors as :func:`generate`."""
    _require_some("count", count)
    scores, _ = _read(task, _prompt_ids(task.vocabulary, prompt))
    best = scores.exp().topk(min(count, len(scores) - len(_NEVER)))
    return [
        Next(_written(task, id_), probability) for probability, id_ in zip(best.values.tolist(), best.indices.tolist())
    ]


def _written(task: ModelLanguage, id_: int) -> str:
    r"""A symbol by itself; bytes that make no whole character, or a line feed that ends no line, as ``\xe2``."""
    if id_ == END:
        return "\n"
    return symbol_text(task.vocabulary, task.config.vocabulary.tokens, id_).replace("\n", r"\x0a")


def _prompt_ids(vocabulary: Vocabulary, prompt: str) -> list[int]:
    """The end of a line, the symbols of the prompt, and the ends of its lines but the last."""
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"prompt: holds half of a surrogate pair ({error.reason}), which is no character") from None
    ids = vocabulary.encode_lines([prompt])[0][:-1]
    symbols = [id_ for id_ in ids if id_ != END]
    if symbols and all(id_ == UNKNOWN for id_ in symbols):
        raise DataError(
            f"prompt: none of its {len(symbols):,} symbols is known to the model, which would go on from nothing; "
            f"use words of the training text, or an empty prompt"
        )
    return [END, *ids]


def _read(task: ModelLanguage, ids: list[int]) -> tuple[Tensor, State]:
    """The log-probabilities of the next symbol [V] after some, and the state."""
    network, state = task.network.eval(), None
    for chunk in torch.tensor([ids]).split(_CHUNK, 1):
        outputs, state = network.read(chunk, state)
    assert state is not None
    return _speakable(network.log_probabilities(outputs[-1])[0]), state


def _step(task: ModelLanguage, id_: int, state: State) -> tuple[Tensor, State]:
    scores, state = task.network.step(torch.tensor([id_]), state)
    return _speakable(scores[0]), state


def _speakable(scores: Tensor) -> Tensor:
    """The distribution without what cannot be written."""
    scores[_NEVER] = -torch.inf
    return scores.log_softmax(-1)
