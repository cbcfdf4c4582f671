"""Sequences of ids -> batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.errors import ShapeError
from recurra.vocabulary import PADDING

__all__ = [
    "Batch",
    "Characters",
    "PairBatch",
    "Spelling",
    "TokenBatch",
    "make_batch",
    "make_pair_batch",
    "make_token_batch",
    "pad_ids",
    "padded_further",
    "padding_noise",
    "random_sequences",
]

_Ids = Sequence[int] | NDArray[np.int32] | NDArray[np.int64]


class Batch(NamedTuple):
    """Sequences of ids and, for training, their labels.

    Attributes:
        values: [B, T], padded at the end.
        lengths: [B], on the CPU.
        labels: [B], or None.
    """

    values: Tensor
    lengths: Tensor
    labels: Tensor | None

    def to(self, device: torch.device) -> Batch:
        """Move the values and labels to a device."""
        return Batch(self.values.to(device), self.lengths, None if self.labels is None else self.labels.to(device))


class Characters(NamedTuple):
    """How the words of a batch are spelt, each distinct one once.

    Attributes:
        values: [U, W], character ids of the U distinct words, padded at the end.
        lengths: [U], on the CPU.
        of_token: [B, T], which of the U words each token is, padded at the end.
    """

    values: Tensor
    lengths: Tensor
    of_token: Tensor

    def to(self, device: torch.device) -> Characters:
        """Move all but the lengths to a device."""
        return Characters(self.values.to(device), self.lengths, self.of_token.to(device))


class TokenBatch(NamedTuple):
    """Sequences of ids and, for training, the label of each token.

    Attributes:
        values: [B, T], padded at the end.
        lengths: [B], on the CPU.
        labels: [B, T], padded with anything, or None.
        characters: how the tokens are spelt, or None.
    """

    values: Tensor
    lengths: Tensor
    labels: Tensor | None
    characters: Characters | None

    def to(self, device: torch.device) -> TokenBatch:
        """Move all but the lengths to a device."""
        labels = None if self.labels is None else self.labels.to(device)
        characters = None if self.characters is None else self.characters.to(device)
        return TokenBatch(self.values.to(device), self.lengths, labels, characters)


class PairBatch(NamedTuple):
    """Sources, what each is to become, and how the decoder reads in this epoch.

    Attributes:
        sources: [B, S], padded at the end.
        source_lengths: [B], on the CPU, zero allowed.
        targets: [B, T], with the end behind each, padded at the end.
        lengths: [B], of the targets, on the CPU; the end counts.
        copies: [B, S], the source symbols as ids of the target vocabulary, or None where nothing can be copied. Of its
            V symbols none is the k-th distinct unknown of a sentence: that is V + k, here and in the targets.
        extra: the largest number of unknowns of a sentence.
        sampling: share of the symbols that the decoder reads from itself, 0..1.
    """

    sources: Tensor
    source_lengths: Tensor
    targets: Tensor
    lengths: Tensor
    copies: Tensor | None
    extra: int
    sampling: float

    def to(self, device: torch.device) -> PairBatch:
        """Move all but the lengths to a device."""
        copies = None if self.copies is None else self.copies.to(device)
        return self._replace(sources=self.sources.to(device), targets=self.targets.to(device), copies=copies)


class Spelling(NamedTuple):
    """How the tokens of some sequences are spelt.

    Attributes:
        words: for each sequence, the number of each token's word.
        characters: for each number, the character ids of that word; it may hold words that are in no sequence.
    """

    words: Sequence[_Ids]
    characters: Sequence[_Ids]


def make_batch(sequences: Sequence[_Ids], labels: NDArray[np.int64] | None = None) -> Batch:
    """Put sequences of ids side by side.

    >>> make_batch([[5, 6], [7]]).values.tolist()
    [[5, 6], [7, 0]]
    """
    values, lengths = pad_ids(sequences)
    return Batch(values, lengths, None if labels is None else torch.from_numpy(labels))


def make_token_batch(
    sequences: Sequence[_Ids], labels: Sequence[_Ids] | None = None, spelling: Spelling | None = None
) -> TokenBatch:
    """Put sequences of ids and their tokens' labels and characters side by side.

    Args:
        sequences: the ids of each.
        labels: of each token.
        spelling: of each token.

    Raises:
        ShapeError: a sequence without one label, or one word, for each token.

    >>> spelling = Spelling(words=[[2, 0], [2]], characters=[[4], [5, 6], [7, 8]])
    >>> batch = make_token_batch([[5, 6], [5]], [[1, 0], [1]], spelling)
    >>> batch.labels.tolist(), batch.characters.values.tolist(), batch.characters.of_token.tolist()
    ([[1, 0], [1, 0]], [[4, 0], [7, 8]], [[1, 0], [1, 0]])
    """
    values, lengths = pad_ids(sequences)
    parts = {"labels": labels, "words": None if spelling is None else spelling.words}
    for name, part in parts.items():
        found = lengths.tolist() if part is None else [len(ids) for ids in part]
        if found != lengths.tolist():
            raise ShapeError(f"{name}: expected as many as tokens, {lengths.tolist()}, got {found}")
    characters = None if spelling is None else _gather_characters(spelling)
    return TokenBatch(values, lengths, None if labels is None else pad_ids(labels)[0], characters)


def make_pair_batch(
    sources: Sequence[_Ids],
    targets: Sequence[_Ids],
    copies: Sequence[_Ids] | None = None,
    sampling: float = 0.0,
    target_size: int = 0,
) -> PairBatch:
    """Put sources and their targets side by side; what they are is said at :class:`PairBatch`.

    Args:
        sources: the ids of each.
        targets: those of each, with the end.
        copies: for each source, its symbols as ids of the target vocabulary.
        sampling: share of the symbols that the decoder reads from itself.
        target_size: V, with `copies`, to tell what is unknown.

    Raises:
        ShapeError: as many targets as sources are needed, each with its end, and as many copies as source symbols.

    >>> batch = make_pair_batch([[5, 1], [6]], [[7, 2], [2]], copies=[[5, 9], [6]], target_size=9)
    >>> batch.targets.tolist(), batch.copies.tolist(), batch.extra
    ([[7, 2], [2, 0]], [[5, 9], [6, 0]], 1)
    """
    values, source_lengths = pad_ids(sources)
    wanted, lengths = pad_ids(targets)
    if len(wanted) != len(values):
        raise ShapeError(f"targets: expected {len(values)}, as many as sources, got {len(wanted)}")
    if not lengths.all():
        raise ShapeError(f"targets: expected the end behind each, got none in number {int(lengths.argmin())}")
    if copies is None:
        return PairBatch(values, source_lengths, wanted, lengths, None, 0, sampling)
    copied, found = pad_ids(copies)
    if found.tolist() != source_lengths.tolist():
        raise ShapeError(f"copies: expected as many as symbols, {source_lengths.tolist()}, got {found.tolist()}")
    extra = max(0, int(copied.max()) + 1 - target_size) if copied.numel() else 0
    return PairBatch(values, source_lengths, wanted, lengths, copied, extra, sampling)


def _gather_characters(spelling: Spelling) -> Characters:
    words, lengths = pad_ids(spelling.words)
    is_token = torch.arange(words.shape[1]) < lengths.unsqueeze(1)
    distinct, of_token = words[is_token].unique(return_inverse=True)
    words[is_token] = of_token  # from numbers in the whole spelling to numbers in this batch
    return Characters(*pad_ids([spelling.characters[word] for word in distinct.tolist()]), words)


def pad_ids(sequences: Sequence[_Ids]) -> tuple[Tensor, Tensor]:
    """Sequences as one tensor [B, T], padded at the end, and their lengths [B]."""
    lengths = np.array([len(ids) for ids in sequences], dtype=np.int64)
    values = np.full((len(sequences), lengths.max(initial=0)), PADDING, dtype=np.int64)
    if len(values):
        values[np.arange(values.shape[1]) < lengths[:, np.newaxis]] = np.concatenate(sequences)
    return torch.from_numpy(values), torch.from_numpy(lengths)


def random_sequences(vocabulary_size: int, count: int) -> list[list[int]]:
    """Draw sequences of up to 59 random symbols, the same ones each time, to try a model on."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, vocabulary_size, rng.integers(0, 60)).tolist() for _ in range(count)]


def padding_noise(vocabulary_size: int, batch: int, steps: int) -> Tensor:
    """Draw random symbols [B, steps] to pad with, the same ones each time: a sound model never reads them."""
    return torch.randint(vocabulary_size, (batch, steps), generator=torch.Generator().manual_seed(0))


def padded_further(batch: TokenBatch, steps: int, vocabulary_size: int) -> TokenBatch:
    """Put random symbols behind the sentences, and behind their words random characters of the batch's own.

    Args:
        batch: without labels.
        steps: how many.
        vocabulary_size: the number of symbols.
    """

    def widened(values: Tensor, size: int) -> Tensor:
        return torch.cat([values, padding_noise(size, len(values), steps)], dim=1)

    characters = batch.characters
    if characters is not None:
        spelt = widened(characters.values, int(characters.values.max()) + 1 if characters.values.numel() else 1)
        of_token = widened(characters.of_token, max(1, len(characters.lengths)))
        characters = Characters(spelt, characters.lengths, of_token)
    return TokenBatch(widened(batch.values, vocabulary_size), batch.lengths, None, characters)
