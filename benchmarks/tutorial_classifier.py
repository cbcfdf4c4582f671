"""The yardstick: a text classifier in plain torch, as a tutorial has it, but with careful initial weights.

Nothing here uses recurra. Padding is dealt with rightly: `pack_padded_sequence`, and the final states of both
directions.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

__all__ = ["Tutorial", "TutorialClassifier", "read_tsv"]

PADDING, UNKNOWN = 0, 1
Example = tuple[list[str], int]


def read_tsv(path: Path) -> list[Example]:
    """Read lines of a text, a tab and a class number; words are what stands between spaces."""
    lines = (line.rstrip("\n").rsplit("\t", 1) for line in path.open(encoding="utf-8"))
    return [(text.split(), int(label)) for text, label in lines]


class TutorialClassifier(nn.Module):
    """Embedding, nn.LSTM, the final states of both directions, a linear layer.

    Initial weights: embeddings uniform in +-0.05, Xavier W_ih, orthogonal W_hh, zero biases but 1 at the forget gate.
    """

    def __init__(self, vocabulary: int, classes: int, embedding: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding, padding_idx=PADDING)
        self.lstm = nn.LSTM(embedding, hidden, layers, batch_first=True, dropout=dropout, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * hidden, classes)
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)
                if name.startswith("bias_ih"):
                    nn.init.ones_(parameter[hidden : 2 * hidden])

    def recur(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Final states of the last layer, [2, B, H], from embeddings [B, T, E]."""
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        _, (h_n, _) = self.lstm(packed)
        return torch.as_tensor(h_n[-2:])

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Logits [B, C] of ids [B, T]."""
        h_n = self.recur(self.dropout(self.embedding(ids)), lengths)
        logits: Tensor = self.output(self.dropout(torch.cat([h_n[0], h_n[1]], dim=1)))
        return logits


class Tutorial:
    """The data, the model and the training loop.

    Args:
        folder: holds train.tsv, dev.tsv and test.tsv.
        seed: of the weights, the order of examples and dropout.
        batch_size: examples in a step.
    """

    def __init__(self, folder: Path, seed: int, batch_size: int = 64) -> None:
        self.train, self.dev, self.test = (read_tsv(folder / f"{part}.tsv") for part in ("train", "dev", "test"))
        counts = Counter(word for words, _ in self.train for word in words)
        known = [word for word, count in counts.items() if count >= 2]
        self.number = {word: index for index, word in enumerate(known, start=2)}
        self.batch_size = batch_size
        self.rng = random.Random(seed)
        torch.manual_seed(seed)
        self.model = TutorialClassifier(2 + len(known), 2, embedding=128, hidden=256, layers=2, dropout=0.5)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def batches(self, examples: list[Example]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Ids [B, T], lengths [B] and labels [B]."""
        for start in range(0, len(examples), self.batch_size):
            chosen = examples[start : start + self.batch_size]
            ids = [torch.tensor([self.number.get(word, UNKNOWN) for word in words]) for words, _ in chosen]
            lengths = torch.tensor([len(words) for words, _ in chosen])
            yield pad_sequence(ids, batch_first=True), lengths, torch.tensor([label for _, label in chosen])

    def shuffled(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The training batches of one more epoch, drawn at random."""
        return self.batches(self.rng.sample(self.train, len(self.train)))

    def loss(self, ids: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
        """Mean cross entropy of a batch."""
        return nn.functional.cross_entropy(self.model(ids, lengths), labels)

    def train_epoch(self) -> float:
        """Train for one epoch and return the seconds that it took."""
        started = time.perf_counter()
        self.model.train()
        for ids, lengths, labels in self.shuffled():
            loss = self.loss(ids, lengths, labels)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
        return time.perf_counter() - started

    def accuracy(self, examples: list[Example]) -> float:
        """The share of examples that are answered right."""
        self.model.eval()
        with torch.inference_mode():
            right = [(self.model(i, n).argmax(1) == labels).sum() for i, n, labels in self.batches(examples)]
        return int(sum(right)) / len(examples)
