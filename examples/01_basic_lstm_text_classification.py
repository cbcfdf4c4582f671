"""Sentiment analysis with an LSTM, from a CSV file to an answer for a sentence of your own.

    python 01_basic_lstm_text_classification.py "the room was not bad at all"

Every step is written out here; `recurra.Classifier` does the same, and more, in two lines.
"""

import csv
import random
import re
import sys
from collections import Counter
from collections.abc import Sequence

import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor, nn

import recurra
from recurra.data.bundled import reviews_path

EPOCHS, BATCH_SIZE, LABELS = 14, 32, ["negative", "positive"]
PADDING, UNKNOWN = 0, 1
Example = tuple[list[int], int]  # a text as word numbers, and its label


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+(?:'\w+)?|[^\w\s]", text.lower())  # a word, or one punctuation mark


def make_batch(texts: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """Pad texts to the longest: word numbers [B, T], and how long each text really is [B]."""
    lengths = torch.tensor([len(text) for text in texts])
    longest = int(lengths.max())
    return torch.tensor([text + [PADDING] * (longest - len(text)) for text in texts], dtype=torch.long), lengths


class Sentiment(nn.Module):
    """Embedding, LSTM in both directions, dropout, one score for each class."""

    def __init__(self, vocabulary_size: int, embedding_size: int = 64, hidden_size: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PADDING)
        self.lstm = recurra.nn.LSTM(embedding_size, hidden_size, bidirectional=True, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(2 * hidden_size, len(LABELS))

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Score each class: word numbers [B, T] and lengths [B] in, [B, 2] out."""
        vectors = self.dropout(self.embedding(values))  # [B, T, E]
        # torch.nn.LSTM has no `lengths`; there the same takes two steps, and an empty text is an error:
        #   packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        #   _, (h_n, _) = self.lstm(packed)
        _, (h_n, _) = self.lstm(vectors, lengths=lengths)  # h_n [2, B, H]: the state at each text's true end
        scores: Tensor = self.output(self.dropout(torch.cat([h_n[0], h_n[1]], dim=1)))
        return scores


def train_epoch(model: Sentiment, optimizer: torch.optim.Optimizer, examples: list[Example]) -> float:
    """Pass once over the examples in a new order; return the mean loss."""
    model.train()  # dropout on
    losses = []
    random.shuffle(examples)
    for start in range(0, len(examples), BATCH_SIZE):
        texts, labels = zip(*examples[start : start + BATCH_SIZE])
        loss = nn.functional.cross_entropy(model(*make_batch(texts)), torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)  # one steep step must not undo the others
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def probabilities(model: Sentiment, texts: Sequence[list[int]]) -> Tensor:
    """Probability of each class, [B, 2]."""
    model.eval()  # dropout off
    with torch.inference_mode():
        return model(*make_batch(texts)).softmax(dim=1)  # type: ignore[no-any-return]


def main(sentences: list[str]) -> None:
    random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)  # the quickest for matrices this small, and sums are in the same order on every run
    with reviews_path().open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    # The vocabulary: words of the training texts alone. Those seen once stay unknown, so that "unknown" is learnt too.
    counts = Counter(word for row in rows if row["split"] == "train" for word in words_of(row["text"]))
    numbers = {word: number for number, word in enumerate((w for w in counts if counts[w] > 1), start=UNKNOWN + 1)}
    examples: dict[str, list[Example]] = {"train": [], "valid": [], "test": []}
    for row in rows:
        text = [numbers.get(word, UNKNOWN) for word in words_of(row["text"])]
        examples[row["split"]].append((text, LABELS.index(row["label"])))

    model = Sentiment(vocabulary_size=len(numbers) + 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(1, EPOCHS + 1):
        loss = train_epoch(model, optimizer, examples["train"])
        texts, labels = zip(*examples["valid"])
        score = accuracy_score(labels, probabilities(model, texts).argmax(dim=1))
        print(f"epoch {epoch:2}/{EPOCHS}  loss {loss:.3f}  validation accuracy {100 * score:.1f} %")

    texts, labels = zip(*examples["test"])
    predicted = probabilities(model, texts).argmax(dim=1)
    majority = max(labels.count(label) for label in set(labels)) / len(labels)
    print(f"test accuracy {100 * accuracy_score(labels, predicted):.1f} % (majority class {100 * majority:.1f} %)")
    print(f"test macro F1 {100 * f1_score(labels, predicted, average='macro'):.1f} %")

    for sentence in sentences:
        chances = probabilities(model, [[numbers.get(word, UNKNOWN) for word in words_of(sentence)]])[0]
        print(f"{LABELS[int(chances.argmax())]} ({100 * float(chances.max()):.0f} %): {sentence}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["I expected a boring film and got a gripping one.", "Not cheap, and not good either."])
