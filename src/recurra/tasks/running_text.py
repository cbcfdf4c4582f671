"""The log-probability of each symbol of a text, read as it stands, in chunks with the state carried on."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.batch import Batch
from recurra.errors import RecurraError, SettingsError
from recurra.nn.language_model import LanguageModelNetwork
from recurra.vocabulary import END, PADDING

__all__ = ["score_and_learn", "score_lines", "score_text", "side_by_side", "stream_batches"]

_STREAM = 10_000  # symbols that one of several pieces scored side by side has at least
_MOST_STREAMS = 16
_CHUNK = 256  # steps that are scored at a time
_PIECES = 8  # side by side in a batch that is looked into
_STEPS = 128  # of such a batch: as far back as is seen
_AT_ONCE = 65_536  # symbols of the texts that are scored side by side; a longer text is read alone


def score_text(network: LanguageModelNetwork, ids: NDArray[np.int32]) -> NDArray[np.float64]:
    """The log-probability in nats of each symbol of a text, given those before it, [n].

    The first symbol follows the end of a line. A long text is read in up to 16 pieces of at least 10,000 symbols side
    by side; each begins with the symbol before it as all it knows, which costs the model a little.

    Raises:
        RecurraError: they are no numbers.
    """
    streams = int(np.clip(len(ids) // _STREAM, 1, _MOST_STREAMS))
    found = torch.cat(list(_read(network, *_streams(ids, streams))))
    return _finite(found.t().flatten()[: len(ids)], "the model is damaged")


def score_and_learn(
    network: LanguageModelNetwork, ids: NDArray[np.int32], rate: float, steps: int, clip_norm: float
) -> NDArray[np.float64]:
    """The same by a copy of the network that learns from the text as it reads it: dynamic evaluation.

    It takes a step of SGD after each few symbols, which have been scored by then (Mikolov et al., "Recurrent neural
    network based language model", Interspeech 2010; Krause et al., "Dynamic evaluation of neural sequence models", ICML
    2018). The text is read in one piece, so that nothing is learnt from what comes later in it.

    Args:
        network: stays as it is.
        ids: [n], the text.
        rate: learning rate.
        steps: symbols between two steps of SGD.
        clip_norm: largest gradient norm.

    Raises:
        SettingsError: a learning rate that is not above 0.
        RecurraError: one so large that the weights are no longer numbers.
    """
    if not 0 < rate < math.inf:
        raise SettingsError(f"option 'dynamic': expected a learning rate above 0, found {rate}; or leave it out")
    learner = copy.deepcopy(network).eval()
    optimizer = torch.optim.SGD(learner.parameters(), rate)
    found, state = [], None
    for values, targets in zip(*(part.split(steps, 1) for part in _streams(ids, 1))):
        read = learner(values, targets, state)
        state = tuple(part.detach() for part in read.state)
        found.append(learner.score(read.outputs, targets))
        optimizer.zero_grad()
        read.loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), clip_norm)
        optimizer.step()
    return _finite(torch.cat(found).flatten(), f"choose a --dynamic smaller than {rate}")


def score_lines(network: LanguageModelNetwork, values: Tensor, lengths: Sequence[int]) -> list[Tensor]:
    """The log-probability of each symbol of some lines, [T] each, the first after the end of a line.

    Args:
        network: what reads them.
        values: the lines, [B, T], padded at their ends with anything, which comes too late to matter.
        lengths: of each.
    """
    if not values.shape[1]:
        return [torch.zeros(0) for _ in lengths]
    before = torch.cat([torch.full((len(values), 1), END), values[:, :-1]], dim=1)
    found = torch.cat(list(_read(network, before, values)))
    return [found[:length, row] for row, length in enumerate(lengths)]


def side_by_side(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Divide texts, the shortest first, into groups that have no more than so many symbols when they are padded.

    >>> list(side_by_side([40_000, 2, 30_000, 70_000]))
    [[1, 2], [0], [3]]
    """
    group: list[int] = []
    for index in np.argsort(lengths, kind="stable").tolist():
        if group and (len(group) + 1) * lengths[index] > _AT_ONCE:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def stream_batches(ids: NDArray[np.int32], most: int) -> list[Batch]:
    """Divide the beginning of a text into up to 8 pieces side by side, and these into batches that follow one another.

    Args:
        ids: [n], the text; its first symbol follows the end of a line.
        most: sequences in all, a piece of a batch counting as one; they have up to 128 symbols.
    """
    rows = int(np.clip(len(ids) // _STEPS, 1, min(_PIECES, most)))
    steps = min(len(ids) // rows, most // rows * _STEPS)
    parts = zip(*(part.split(_STEPS, 1) for part in _streams(ids[: rows * steps], rows)))
    return [Batch(values, torch.full((rows,), values.shape[1]), targets) for values, targets in parts if steps]


@torch.inference_mode()
def _read(network: LanguageModelNetwork, values: Tensor, targets: Tensor) -> Iterator[Tensor]:
    """The log-probabilities [T, B] of targets [B, T], chunk by chunk, on the CPU."""
    device, state = next(network.parameters()).device, None
    training = network.training
    network.eval()
    for chunk, after in zip(values.split(_CHUNK, 1), targets.split(_CHUNK, 1)):
        outputs, state = network.read(chunk.to(device), state)
        yield network.score(outputs, after.to(device)).cpu()
    network.train(training)


def _streams(ids: NDArray[np.int32], streams: int) -> tuple[Tensor, Tensor]:
    """A text in so many pieces [B, T], and the symbols before each as inputs; the last piece is padded at its end."""
    size = math.ceil(len(ids) / streams)
    inputs, targets = np.full((2, streams * size), PADDING, np.int64)
    inputs[: len(ids)], targets[: len(ids)] = np.concatenate([[END], ids[:-1]]), ids
    return torch.from_numpy(inputs.reshape(streams, size)), torch.from_numpy(targets.reshape(streams, size))


def _finite(found: Tensor, remedy: str) -> NDArray[np.float64]:
    scored: NDArray[np.float64] = found.double().numpy()
    if not np.isfinite(scored).all():
        raise RecurraError(f"the log-probabilities are no longer numbers: {remedy}")
    return scored
