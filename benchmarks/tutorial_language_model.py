"""The yardstick: a language model of words or characters in plain torch, as a tutorial has it, with careful weights.

Nothing here uses recurra. Text is cut into parallel columns; the state is carried from window to window and detached.
"""

from __future__ import annotations

import gzip
import math
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = [
    "CHARACTERS",
    "WORDS_200",
    "WORDS_650",
    "Corpus",
    "Measure",
    "Settings",
    "Tutorial",
    "TutorialLanguageModel",
    "read_characters",
    "read_words",
]

UNKNOWN = "<unk>"
EVALUATION_BATCH = 10
State = tuple[Tensor, Tensor]


class Settings(NamedTuple):
    """Sizes and training; input and output embeddings are one where their sizes agree."""

    embedding: int
    hidden: int
    dropout: float
    batch_size: int
    window: int
    optimizer: type[torch.optim.Optimizer]
    learning_rate: float
    clip_norm: float
    layers: int = 2


WORDS_200 = Settings(200, 200, 0.2, 20, 35, torch.optim.SGD, 20.0, 0.25)
WORDS_650 = Settings(650, 650, 0.5, 20, 35, torch.optim.SGD, 20.0, 0.25)
CHARACTERS = Settings(64, 256, 0.2, 50, 100, torch.optim.Adam, 2e-3, 1.0)


class Corpus(NamedTuple):
    """Symbol numbers [N] of each part, and the symbols, those of train and `UNKNOWN`."""

    train: Tensor
    valid: Tensor
    test: Tensor
    symbols: list[str]


class Measure(NamedTuple):
    """The perplexity on valid after so many seconds of training and so many steps."""

    seconds: float
    steps: int
    perplexity: float


def _corpus(train: list[str], valid: list[str], test: list[str]) -> Corpus:
    symbols = list(dict.fromkeys([*train, UNKNOWN]))
    number = {symbol: index for index, symbol in enumerate(symbols)}

    def ids(part: list[str]) -> Tensor:
        return torch.tensor([number.get(symbol, number[UNKNOWN]) for symbol in part])

    return Corpus(ids(train), ids(valid), ids(test), symbols)


def read_words(folder: Path) -> Corpus:
    """Read train.txt, valid.txt and test.txt, gzipped or not: what stands between spaces, `<eos>` at a line's end."""
    parts = []
    for part in ("train", "valid", "test"):
        path = next(folder.glob(f"{part}.txt*"))
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            parts.append([word for line in file for word in [*line.split(), "<eos>"]])
    return _corpus(*parts)


def read_characters(path: Path) -> Corpus:
    """Read a text: the first 90 % is train, the next 5 % valid, the rest test."""
    text = path.read_text(encoding="utf-8")
    first, second = len(text) * 90 // 100, len(text) * 95 // 100
    return _corpus(list(text[:first]), list(text[first:second]), list(text[second:]))


class TutorialLanguageModel(nn.Module):
    """Embedding, nn.LSTM, a linear layer at each symbol, dropout between them.

    Initial weights: embeddings and output uniform in +-0.1, Xavier W_ih, orthogonal W_hh, zero biases but 1 at the
    forget gate.
    """

    def __init__(self, vocabulary: int, settings: Settings) -> None:
        super().__init__()
        hidden = settings.hidden
        self.embedding = nn.Embedding(vocabulary, settings.embedding)
        self.lstm = nn.LSTM(settings.embedding, hidden, settings.layers, dropout=settings.dropout)
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(hidden, vocabulary)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.uniform_(self.output.weight, -0.1, 0.1)
        nn.init.zeros_(self.output.bias)
        if settings.embedding == hidden:
            self.output.weight = self.embedding.weight
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)
                if name.startswith("bias_ih"):
                    nn.init.ones_(parameter[hidden : 2 * hidden])

    def forward(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Logits [T, B, V] of the symbol after each of ids [T, B], and the state [L, B, H] at the end."""
        output, state = self.lstm(self.dropout(self.embedding(ids)), state)
        return self.output(self.dropout(output)), state


def _columns(ids: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """Inputs and the symbols after them, both [N // B, B]: column by column, the text; a short rest is left out."""
    steps = (len(ids) - 1) // batch_size
    inputs, targets = (part[: steps * batch_size].view(batch_size, steps).t() for part in (ids[:-1], ids[1:]))
    return inputs.contiguous(), targets.contiguous()


class Tutorial:
    """The model and a training loop that can be left at any step and entered again.

    At the end of each epoch the learning rate is divided by 4 if the perplexity on valid is no lower than ever before.

    Args:
        corpus: train, valid and test.
        settings: `WORDS_200`, `WORDS_650`, `CHARACTERS` or others.
        seed: of the weights and dropout.

    Attributes:
        seconds: of training so far, without evaluation.
        evaluation_seconds: of evaluation so far.
        steps: of training so far.
        epochs: finished so far.
        history: a `Measure` of each evaluation on valid.
    """

    def __init__(self, corpus: Corpus, settings: Settings, seed: int) -> None:
        self.corpus, self.settings = corpus, settings
        torch.manual_seed(seed)
        self.model = TutorialLanguageModel(len(corpus.symbols), settings)
        self.optimizer = settings.optimizer(self.model.parameters(), lr=settings.learning_rate)  # type: ignore[call-arg]
        self.inputs, self.targets = _columns(corpus.train, settings.batch_size)
        self.state: State | None = None
        self.position = self.steps = self.epochs = 0
        self.seconds = self.evaluation_seconds = 0.0
        self.best = math.inf
        self.history: list[Measure] = []

    def train_for(self, seconds: float) -> None:
        """Train on for so many seconds; the step that passes them is finished, and an epoch's end is evaluated."""
        until = self.seconds + seconds
        while self.seconds < until:
            started = time.perf_counter()
            self.step()
            self.seconds += time.perf_counter() - started
            if self.position >= len(self.inputs):
                self.end_epoch()

    def step(self) -> None:
        """Learn from the next window, going on from the state at the end of the last."""
        self.model.train()
        window = slice(self.position, self.position + self.settings.window)
        logits, (h, c) = self.model(self.inputs[window], self.state)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), self.targets[window].flatten())
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        self.state = h.detach(), c.detach()
        self.position += self.settings.window
        self.steps += 1

    def end_epoch(self) -> None:
        """Go back to the beginning of the text, and lower the learning rate if this epoch was of no use."""
        self.position, self.state = 0, None
        self.epochs += 1
        perplexity = self.valid_perplexity()
        if perplexity >= self.best:
            for group in self.optimizer.param_groups:
                group["lr"] /= 4
        self.best = min(self.best, perplexity)

    def valid_perplexity(self) -> float:
        """The perplexity on valid, also put into the history; not computed again if no step was made since."""
        if not self.history or self.history[-1].steps != self.steps:
            self.history.append(Measure(self.seconds, self.steps, self.perplexity(self.corpus.valid)))
        return self.history[-1].perplexity

    def perplexity(self, ids: Tensor) -> float:
        """Exponential of the mean cross entropy of symbols [N] after the first, read in 10 columns."""
        started = time.perf_counter()
        self.model.eval()
        inputs, targets = _columns(ids, EVALUATION_BATCH)
        state, total = None, 0.0
        with torch.inference_mode():
            for taken, wanted in zip(inputs.split(self.settings.window), targets.split(self.settings.window)):
                logits, state = self.model(taken, state)
                total += nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum").item()
        self.evaluation_seconds += time.perf_counter() - started
        return math.exp(total / targets.numel())
