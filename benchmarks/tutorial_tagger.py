"""The yardstick: a part-of-speech tagger in plain torch, as a tutorial has it, but with careful initial weights.

Nothing here uses recurra. Padding is dealt with rightly: packed sequences, and a loss over words alone.
"""

from __future__ import annotations

import gzip
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

__all__ = ["Tutorial", "TutorialTagger", "read_conllu"]

PADDING, UNKNOWN = 0, 1
IGNORED = -100  # the tag of padding, and of a tag that training has not: an answer that is always wrong
Example = tuple[list[str], list[str]]
Batch = tuple[Tensor, Tensor, Tensor]


def read_conllu(path: Path) -> list[Example]:
    """Read words and their UPOS of a CoNLL-U file, also gzipped, without multi-word tokens and empty nodes."""
    examples: list[Example] = []
    words: list[str] = []
    tags: list[str] = []
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in [*file, "\n"]:
            fields = line.rstrip("\n").split("\t")
            if fields[0].isdigit():
                words.append(fields[1])
                tags.append(fields[3])
            elif fields == [""] and words:
                examples.append((words, tags))
                words, tags = [], []
    return examples


class TutorialTagger(nn.Module):
    """Embedding, nn.GRU in both directions, a linear layer at each word.

    Initial weights: embeddings uniform in +-0.05, Xavier W_ih, orthogonal W_hh, zero biases.
    """

    def __init__(self, vocabulary: int, classes: int, embedding: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding, padding_idx=PADDING)
        self.gru = nn.GRU(embedding, hidden, layers, batch_first=True, dropout=dropout, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * hidden, classes)
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        for name, parameter in self.gru.named_parameters():
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)

    def recur(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Outputs of the last layer, [B, T, 2 H], from embeddings [B, T, E]."""
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        output, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        return output

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Logits [B, T, C] of ids [B, T]."""
        output = self.recur(self.dropout(self.embedding(ids)), lengths)
        logits: Tensor = self.output(self.dropout(output))
        return logits


class Tutorial:
    """The data, the model and the training loop.

    Args:
        folder: holds *-train.conllu, *-dev.conllu and *-test.conllu, gzipped or not.
        seed: of the weights, the order of sentences and dropout.
        batch_size: sentences in a step.
    """

    def __init__(self, folder: Path, seed: int, batch_size: int = 32) -> None:
        paths = [next(folder.glob(f"*-{part}.conllu*")) for part in ("train", "dev", "test")]
        self.train, self.dev, self.test = (read_conllu(path) for path in paths)
        self.tokens = sum(len(words) for words, _ in self.train)
        counts = Counter(word for words, _ in self.train for word in words)
        known = [word for word, count in counts.items() if count >= 2]
        self.number = {word: index for index, word in enumerate(known, start=2)}
        self.tags = sorted({tag for _, tags in self.train for tag in tags})
        self.batch_size = batch_size
        self.rng = random.Random(seed)
        torch.manual_seed(seed)
        sizes = {"embedding": 128, "hidden": 256, "layers": 2}
        self.model = TutorialTagger(2 + len(known), len(self.tags), dropout=0.5, **sizes)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def batches(self, examples: list[Example]) -> Iterator[Batch]:
        """Ids [B, T], lengths [B] and tags [B, T], IGNORED in the padding."""
        classes = {tag: index for index, tag in enumerate(self.tags)}
        for start in range(0, len(examples), self.batch_size):
            chosen = examples[start : start + self.batch_size]
            ids = [torch.tensor([self.number.get(word, UNKNOWN) for word in words]) for words, _ in chosen]
            tags = [torch.tensor([classes.get(tag, IGNORED) for tag in tags]) for _, tags in chosen]
            lengths = torch.tensor([len(words) for words, _ in chosen])
            padded = pad_sequence(tags, batch_first=True, padding_value=IGNORED)
            yield pad_sequence(ids, batch_first=True), lengths, padded

    def shuffled(self) -> Iterator[Batch]:
        """The training batches of one more epoch, drawn at random."""
        return self.batches(self.rng.sample(self.train, len(self.train)))

    def loss(self, ids: Tensor, lengths: Tensor, tags: Tensor) -> Tensor:
        """Mean cross entropy over the words of a batch."""
        return nn.functional.cross_entropy(self.model(ids, lengths).flatten(0, 1), tags.flatten(), ignore_index=IGNORED)

    def train_epoch(self) -> float:
        """Train for one epoch and return the seconds that it took."""
        started = time.perf_counter()
        self.model.train()
        for ids, lengths, tags in self.shuffled():
            loss = self.loss(ids, lengths, tags)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
        return time.perf_counter() - started

    def accuracy(self, examples: list[Example]) -> float:
        """The share of words that get the right tag."""
        self.model.eval()
        with torch.inference_mode():
            right = [(self.model(i, n).argmax(2) == tags).sum() for i, n, tags in self.batches(examples)]
        return float(sum(right)) / sum(len(words) for words, _ in examples)
