"""Sentiment analysis with an LSTM, from a CSV file to an answer for a sentence of your own.

    python 01_basic_lstm_text_classification.py "the room was not bad at all"

Everything is written out here; `recurra.Classifier` does the same, and more, in two lines.
"""

import csv
import random
import re
import sys
from collections import Counter

import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor, nn

import recurra
from recurra.data.bundled import reviews_path

EPOCHS, BATCH, LABELS = 12, 32, ["negative", "positive"]
PAD, UNKNOWN = 0, 1
Example = tuple[list[int], int]  # a text as numbers, and its label


def words(text: str) -> list[str]:
    return re.findall(r"\w+(?:'\w+)?|[^\w\s]", text.lower())  # a word, or one punctuation mark


def make_batch(texts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Pad texts to the longest: ids [B, T], and how long each text really is [B]."""
    lengths = torch.tensor([len(ids) for ids in texts])
    values = torch.full((len(texts), max(1, int(lengths.max()))), PAD)
    for row, ids in enumerate(texts):
        values[row, : len(ids)] = torch.tensor(ids, dtype=torch.long)
    return values, lengths


class Sentiment(nn.Module):
    """Embedding, bidirectional LSTM, dropout, and one score for each class."""

    def __init__(self, vocabulary_size: int, embedding_size: int = 128, hidden_size: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PAD)
        self.lstm = recurra.nn.LSTM(embedding_size, hidden_size, bidirectional=True, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(2 * hidden_size, len(LABELS))

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        vectors = self.dropout(self.embedding(values))  # [B, T, E]
        # With torch.nn.LSTM, which takes no lengths, the same result needs two more steps (and no empty text):
        #   packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        #   _, (h_n, _) = self.lstm(packed)
        _, (h_n, _) = self.lstm(vectors, lengths=lengths)  # h_n [2, B, H]: each text read to its true end, both ways
        return self.output(self.dropout(torch.cat([h_n[0], h_n[1]], dim=1)))


def predict(model: nn.Module, texts: list[list[int]]) -> Tensor:
    """Probability of each class, [B, 2]."""
    model.eval()  # dropout off
    with torch.inference_mode():
        return torch.softmax(model(*make_batch(texts)), dim=1)


def train_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, examples: list[Example]) -> float:
    """One pass over the training examples in a new order; returns the mean loss."""
    model.train()  # dropout on
    random.shuffle(examples)
    losses = []
    for start in range(0, len(examples), BATCH):
        texts, labels = zip(*examples[start : start + BATCH])
        loss = nn.functional.cross_entropy(model(*make_batch(list(texts))), torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)  # one steep step must not undo the others
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def main(sentences: list[str]) -> None:
    random.seed(0)
    torch.manual_seed(0)
    with reviews_path().open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    # The vocabulary knows the training texts only; a word seen once is unknown, so that "unknown" is learnt too.
    counts = Counter(word for row in rows if row["split"] == "train" for word in words(row["text"]))
    ids = {word: number for number, word in enumerate((w for w, n in counts.items() if n > 1), start=UNKNOWN + 1)}
    encode = lambda text: [ids.get(word, UNKNOWN) for word in words(text)]
    parts: dict[str, list[Example]] = {"train": [], "valid": [], "test": []}
    for row in rows:
        parts[row["split"]].append((encode(row["text"]), LABELS.index(row["label"])))

    model = Sentiment(vocabulary_size=len(ids) + 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for epoch in range(1, EPOCHS + 1):
        loss = train_epoch(model, optimizer, parts["train"])
        accs = []
        for part in ("valid", "test"):
            texts, labels = zip(*parts[part])
            accs.append(accuracy_score(labels, predict(model, list(texts)).argmax(dim=1)))
        print(epoch, round(loss, 3), accs)

main(sys.argv[1:])
