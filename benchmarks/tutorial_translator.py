"""The yardstick: a translator in plain torch, as tutorials have it, but with careful initial weights.

Nothing here uses recurra. A GRU reads the packed source in both directions; a second GRU writes the target one step at
a time over the padded batch, and looks before each step at the source by additive attention (Bahdanau et al., ICLR
2015). The source's keys are projected anew at every step, as the common tutorials do; `Settings.hoisted` projects them
once. The output layer reads the GRU's state; with `Settings.wide` also the context and the embedding. Padding is dealt
with rightly: it is neither read nor looked at, and the loss is over symbols alone.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

__all__ = ["Settings", "Trained", "Tutorial", "TutorialTranslator"]

PADDING, UNKNOWN, BEGIN, END = range(4)
SPECIAL = ["[PAD]", "[UNK]", "[BEGIN]", "[END]"]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Settings:
    """Sizes and training.

    Attributes:
        hoisted: whether the source's keys are projected once and not at every step.
        wide: whether the output layer reads the context and the embedding too.
        min_count: a symbol seen less often in training is unknown.
    """

    embedding: int = 256
    hidden: int = 256
    dropout: float = 0.3
    batch_size: int = 64
    learning_rate: float = 1e-3
    clip_norm: float = 1.0
    min_count: int = 2
    hoisted: bool = False
    wide: bool = False


class Trained(NamedTuple):
    """What some training steps took, how many target symbols they had, ends included, and their mean loss."""

    seconds: float
    symbols: int
    loss: float


class Memory(NamedTuple):
    """What the decoder looks at: values [B, S, 2 H], keys [B, S, H] if hoisted, and a mask [B, S], true at symbols."""

    values: Tensor
    keys: Tensor | None
    mask: Tensor


class TutorialTranslator(nn.Module):
    """Encoder, additive attention and decoder.

    Initial weights: Xavier W_ih, orthogonal W_hh, zero biases; embeddings as torch makes them, standard normal, with
    which the loss falls faster here than with a uniform +-0.05.
    """

    def __init__(self, sources: int, targets: int, settings: Settings) -> None:
        super().__init__()
        embedding, hidden = settings.embedding, settings.hidden
        self.hoisted, self.wide = settings.hoisted, settings.wide
        self.source_embedding = nn.Embedding(sources, embedding, padding_idx=PADDING)
        self.target_embedding = nn.Embedding(targets, embedding, padding_idx=PADDING)
        self.encoder = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.query = nn.Linear(hidden, hidden)
        self.keys = nn.Linear(2 * hidden, hidden)
        self.energy = nn.Linear(hidden, 1, bias=False)
        self.decoder = nn.GRU(embedding + 2 * hidden, hidden, batch_first=True)
        self.output = nn.Linear(3 * hidden + embedding if self.wide else hidden, targets)
        self.dropout = nn.Dropout(settings.dropout)
        for name, parameter in (*self.encoder.named_parameters(), *self.decoder.named_parameters()):
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)

    def encode(self, sources: Tensor, lengths: Tensor) -> tuple[Memory, Tensor]:
        """Read sources [B, S]: what to look at, and the decoder's first state [1, B, H]."""
        embedded = self.dropout(self.source_embedding(sources))
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        output, final = self.encoder(packed)
        values, _ = pad_packed_sequence(output, batch_first=True)
        keys = self.keys(values) if self.hoisted else None
        state = torch.tanh(self.bridge(torch.cat([final[0], final[1]], 1)))
        return Memory(values, keys, sources != PADDING), state[None]

    def attend(self, query: Tensor, memory: Memory) -> Tensor:
        """The context [B, 2 H] of a query [B, H]."""
        keys = self.keys(memory.values) if memory.keys is None else memory.keys
        energies = self.energy(torch.tanh(self.query(query)[:, None] + keys)).squeeze(2)
        weights = energies.masked_fill(~memory.mask, -torch.inf).softmax(1)
        return torch.bmm(weights[:, None], memory.values).squeeze(1)

    def step(self, ids: Tensor, state: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Logits [B, V] of the symbol after ids [B], and the next state [1, B, H]."""
        context = self.attend(state[0], memory)
        embedded = self.dropout(self.target_embedding(ids))
        output, state = self.decoder(torch.cat([embedded, context], 1)[:, None], state)
        told = torch.cat([output[:, 0], context, embedded], 1) if self.wide else output[:, 0]
        return self.output(self.dropout(told)), state

    def forward(self, sources: Tensor, lengths: Tensor, inputs: Tensor) -> Tensor:
        """Logits [B, T, V], step by step, of the symbols after the true ones [B, T]."""
        memory, state = self.encode(sources, lengths)
        logits = []
        for ids in inputs.unbind(1):
            of_step, state = self.step(ids, state, memory)
            logits.append(of_step)
        return torch.stack(logits, 1)


class Tutorial:
    """The data, the model and a training loop that can be left at any step and entered again.

    Args:
        pairs: to train on: a source and a target, each of symbols between blanks.
        settings: sizes and training.
        seed: of the weights, the order of the pairs and dropout.

    Attributes:
        steps: that an epoch has.
    """

    def __init__(self, pairs: Sequence[Pair], settings: Settings, seed: int) -> None:
        self.settings = settings
        self.source_symbols = _symbols((source for source, _ in pairs), settings.min_count)
        self.target_symbols = _symbols((target for _, target in pairs), settings.min_count)
        self.source_numbers, self.target_numbers = map(_numbers, (self.source_symbols, self.target_symbols))
        self.pairs = [(_encoded(s, self.source_numbers), _encoded(t, self.target_numbers)) for s, t in pairs]
        self.steps = -(-len(pairs) // settings.batch_size)
        self.rng = random.Random(seed)
        torch.manual_seed(seed)
        self.model = TutorialTranslator(len(self.source_symbols), len(self.target_symbols), settings)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate)
        self.batches = self._batches()

    def _batches(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Sources [B, S], their lengths [B] and targets [B, T] between their ends, drawn at random, without end."""
        while True:
            order = self.rng.sample(self.pairs, len(self.pairs))
            for start in range(0, len(order), self.settings.batch_size):
                chosen = order[start : start + self.settings.batch_size]
                targets = [torch.tensor([BEGIN, *target, END]) for _, target in chosen]
                yield *_padded([source for source, _ in chosen]), pad_sequence(targets, batch_first=True)

    def train_epoch(self) -> Trained:
        """Train for as many steps as an epoch has."""
        return self.train_steps(self.steps)

    def train_steps(self, count: int) -> Trained:
        """Train on for so many steps."""
        started = time.perf_counter()
        self.model.train()
        symbols, losses = 0, 0.0
        for _ in range(count):
            sources, lengths, targets = next(self.batches)
            inputs, wanted = targets[:, :-1], targets[:, 1:]
            logits = self.model(sources, lengths, inputs)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=PADDING)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
            self.optimizer.step()
            symbols += int((wanted != PADDING).sum())
            losses += loss.item()
        return Trained(time.perf_counter() - started, symbols, losses / count)

    def translate(self, sources: Sequence[str]) -> list[str]:
        """The most probable next symbol, step after step, a batch at a time in the order given."""
        self.model.eval()
        found: list[str] = []
        with torch.inference_mode():
            for start in range(0, len(sources), self.settings.batch_size):
                chosen = sources[start : start + self.settings.batch_size]
                found += self._greedy(*_padded([_encoded(source, self.source_numbers) for source in chosen]))
        return found

    def _greedy(self, sources: Tensor, lengths: Tensor) -> list[str]:
        """Go on until every sentence has its end, or for twice as many steps as the longest source has, and 10."""
        memory, state = self.model.encode(sources, lengths)
        ids = torch.full((len(sources),), BEGIN)
        ended = torch.zeros(len(sources), dtype=torch.bool)
        written = []
        for _ in range(2 * sources.shape[1] + 10):
            logits, state = self.model.step(ids, state, memory)
            ids = logits.argmax(1)
            written.append(ids)
            ended |= ids == END
            if bool(ended.all()):
                break
        return [self._text(row) for row in torch.stack(written, 1).tolist()]

    def _text(self, ids: list[int]) -> str:
        return " ".join(self.target_symbols[id_] for id_ in ids[: ids.index(END) if END in ids else None])


def _symbols(texts: Iterable[str], min_count: int) -> list[str]:
    counts = Counter(symbol for text in texts for symbol in text.split())
    return SPECIAL + [symbol for symbol, count in counts.items() if count >= min_count]


def _numbers(symbols: Sequence[str]) -> dict[str, int]:
    return {symbol: number for number, symbol in enumerate(symbols)}


def _encoded(text: str, numbers: dict[str, int]) -> list[int]:
    return [numbers.get(symbol, UNKNOWN) for symbol in text.split()]


def _padded(ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids [B, T] and their lengths [B]."""
    return pad_sequence([torch.tensor(row) for row in ids], batch_first=True), torch.tensor([len(row) for row in ids])
