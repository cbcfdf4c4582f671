"""The padding leak: a classifier that reads `out[:, -1]` of a padded batch, and one that knows the lengths.

That `out[:, -1]` is padding wherever a text is shorter than the longest of its batch, and that the reverse direction
begins there, has been asked about since there are padded batches; nothing in torch.nn warns of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from recurra.lab.experiment import Outcome
from recurra.lab.padding_outcome import ADDED, NAMES, WAYS, Leak, outcome
from recurra.lab.reviews import Reviews, read_reviews
from recurra.lab.training import fit_small, seeded
from recurra.nn import LSTM
from recurra.nn.encoder import make_embedding

__all__ = ["Exact", "Leaky", "measure", "run"]

_BATCH, _ORDERS = 32, 5


class Leaky(nn.Module):
    """The wrong way: torch.nn.LSTM over the padded batch, of which the last position is read."""

    def __init__(self, vocabulary_size: int, size: int) -> None:
        super().__init__()
        self.embedding = make_embedding(vocabulary_size, size)
        self.recurrent = nn.LSTM(size, size, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * size, 2)

    def outputs(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Those of both directions at every position, [B, T, 2 * H]; the lengths are not looked at."""
        return cast(Tensor, self.recurrent(self.embedding(values))[0])

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Score the classes: ids [B, T] in, logits [B, 2] out."""
        return cast(Tensor, self.output(self.outputs(values, lengths)[:, -1]))


class Exact(nn.Module):
    """The right way: the same parameters by the same names, but each text ends, for both directions, at its end."""

    def __init__(self, vocabulary_size: int, size: int) -> None:
        super().__init__()
        self.embedding = make_embedding(vocabulary_size, size)
        self.recurrent = LSTM(size, size, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * size, 2)

    def outputs(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Those of both directions at every position, [B, T, 2 * H], zeros in the padding."""
        return cast(Tensor, self.recurrent(self.embedding(values), lengths=lengths)[0])

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Score the classes: ids [B, T] and lengths [B] in, logits [B, 2] out."""
        _, (h_n, _) = self.recurrent(self.embedding(values), lengths=lengths)
        return cast(Tensor, self.output(torch.cat([h_n[0], h_n[1]], 1)))


def run(seed: int, quick: bool, tell: Callable[[str], None]) -> Outcome:
    """Train both on the same batches from the same start, and pad what they are tested with."""
    seeds, steps, texts, size = (1, 40, 60, 24) if quick else (3, 600, 522, 48)
    train, test, vocabulary_size = read_reviews()
    test = test.take(torch.arange(texts))
    leaks: dict[str, list[Leak]] = {way: [] for way in WAYS}
    for number in range(seed, seed + seeds):
        with seeded(number):
            exact = Exact(vocabulary_size, size)
        leaky = Leaky(vocabulary_size, size)
        leaky.load_state_dict(exact.state_dict())
        for way, model in (("leaky", leaky), ("exact", exact)):
            tell(f"padding: seed {number}, {NAMES[way]}: {steps} steps on {len(train.labels):,} reviews")
            _train(model, train, steps, number)
            leaks[way].append(measure(model, test, ADDED, number))
    return outcome(leaks, texts)


def _train(model: nn.Module, train: Reviews, steps: int, seed: int) -> None:
    def batch_loss(generator: torch.Generator) -> Tensor:
        some = train.take(torch.randint(len(train.labels), (_BATCH,), generator=generator))
        return functional.cross_entropy(model(some.values, some.lengths), some.labels)

    fit_small(model, batch_loss, steps, 2e-3, clip=1.0, seed=seed)


@torch.no_grad()
def measure(model: Leaky | Exact, test: Reviews, added: Sequence[int], seed: int) -> Leak:
    """Ask a model for each text alone, with padding added to it, and in batches of chance.

    Args:
        model: to ask.
        test: texts.
        added: steps of padding, 0 first.
        seed: of the batches.
    """
    padded = [_padded_answers(model, test, steps) for steps in added]
    alone, states = padded[0]
    changes = [(found - alone).abs() for found, _ in padded]
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(test.labels), generator=generator) for _ in range(_ORDERS)]
    mixed = torch.stack([_batched(model, test, order) for order in orders])
    positive = mixed > 0.5
    return Leak(
        [change.mean().item() for change in changes],
        [change.max().item() for change in changes],
        [_share((found > 0.5) != (alone > 0.5)) for found, _ in padded],
        [_share((found > 0.5) == (test.labels == 1)) for found, _ in padded],
        [((found - states).norm(dim=1) / states.norm(dim=1)).mean().item() for _, found in padded],
        (mixed.max(0).values - mixed.min(0).values).max().item(),
        _share(positive.any(0) & ~positive.all(0)),
        _share(positive == (test.labels == 1)),
    )


def _share(found: Tensor) -> float:
    return found.double().mean().item()


def _padded_answers(model: Leaky | Exact, test: Reviews, added: int) -> tuple[Tensor, Tensor]:
    """The probability of "positive" [B], and the state [B, H] in which the reverse direction ends at the first word."""
    answers, states = [], []
    for length in test.lengths.unique().tolist():
        some = test.take((test.lengths == length).nonzero()[:, 0])
        values = functional.pad(some.values, (0, added))
        answers.append(_positive(model, values, some.lengths))
        outputs = model.outputs(values, some.lengths)[:, 0]
        states.append(outputs[:, outputs.shape[1] // 2 :])
    back = test.lengths.argsort(stable=True).argsort()
    return torch.cat(answers)[back], torch.cat(states)[back]


def _batched(model: nn.Module, test: Reviews, order: Tensor) -> Tensor:
    """The same probabilities, of texts in batches in some order."""
    batches = [test.take(rows) for rows in order.split(_BATCH)]
    return torch.cat([_positive(model, some.values, some.lengths) for some in batches])[order.argsort()]


def _positive(model: nn.Module, values: Tensor, lengths: Tensor) -> Tensor:
    return cast(Tensor, model(values, lengths).double().softmax(1)[:, 1])
