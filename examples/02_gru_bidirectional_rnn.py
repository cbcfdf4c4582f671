"""Part-of-speech tagging with a bidirectional GRU, from CoNLL-U files to a tagged sentence of your own.

    python 02_gru_bidirectional_rnn.py "Paint the old doors green ." "Paint dries slowly ."

The tag of a word is told by the words around it. A GRU that reads forward knows only those before it.
"""

import random
import sys
from collections import Counter

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

import recurra
from recurra.data.bundled import sentences_path

EPOCHS, BATCH_SIZE, UNKNOWN = 10, 16, 0
Sentence = tuple[list[str], list[str]]  # words, and the tag of each


def read_conllu(part: str) -> list[Sentence]:
    """Read words and UPOS, the second and the fourth column: a line is a word, an empty line ends a sentence."""
    blocks = sentences_path(part).read_text(encoding="utf-8").strip().split("\n\n")
    rows = [[line.split("\t") for line in block.splitlines() if line[0] != "#"] for block in blocks]
    # A line 3-4, "don't", repeats the lines 3, "do", and 4, "n't", and has no tag of its own.
    words = [[row for row in sentence if row[0].isdigit()] for sentence in rows]
    return [([row[1] for row in sentence], [row[3] for row in sentence]) for sentence in words]


class Tagger(nn.Module):
    """Embeddings of the word and of its last three letters, a GRU, one score for each tag at each word."""

    def __init__(self, train: list[Sentence], bidirectional: bool, size: int = 64) -> None:
        super().__init__()
        counts = Counter(word.lower() for words, _ in train for word in words)
        frequent = [word for word, count in counts.items() if count > 1]  # the others teach what "unknown" means
        endings = Counter(word[-3:] for word in counts)
        self.words = {word: number for number, word in enumerate(frequent, start=UNKNOWN + 1)}
        shared = [ending for ending, count in endings.items() if count > 1]
        self.endings = {ending: number for number, ending in enumerate(shared, start=UNKNOWN + 1)}
        self.tags = sorted({tag for _, tags in train for tag in tags})
        self.word_vectors = nn.Embedding(len(self.words) + 1, size)
        self.ending_vectors = nn.Embedding(len(self.endings) + 1, size // 2)
        self.dropout = nn.Dropout(0.3)
        self.gru = recurra.nn.GRU(size + size // 2, size, bidirectional=bidirectional)
        self.output = nn.Linear(2 * size if bidirectional else size, len(self.tags))

    def forward(self, sentences: list[list[str]]) -> PackedSequence:
        """Score the tags of each word: packed [N, C], N words in all the sentences together, and no padding."""
        words = [[self.words.get(word.lower(), UNKNOWN) for word in words] for words in sentences]
        endings = [[self.endings.get(word.lower()[-3:], UNKNOWN) for word in words] for words in sentences]
        # Packed: the first words of all sentences, then all second words, and so on. pack_padded_sequence makes the
        # same of a padded batch, which recurra's layers also take as it is: self.gru(batch, lengths=lengths).
        packed = pack_sequence([torch.tensor(pair).T for pair in zip(words, endings)], enforce_sorted=False)
        word, ending = packed.data.unbind(1)  # [N] each
        vectors = self.dropout(torch.cat([self.word_vectors(word), self.ending_vectors(ending)], dim=1))
        outputs, _ = self.gru(packed._replace(data=vectors))  # backward begins at each sentence's own last word
        scores: PackedSequence = outputs._replace(data=self.output(self.dropout(outputs.data)))
        return scores

    def tag(self, sentences: list[list[str]]) -> list[list[str]]:
        """Choose the best tag of each word."""
        self.eval()
        with torch.inference_mode():
            return [[self.tags[int(best)] for best in scores.argmax(1)] for scores in unpack_sequence(self(sentences))]


def train_epoch(model: Tagger, optimizer: torch.optim.Optimizer, train: list[Sentence]) -> float:
    """Pass once over the sentences in a new order; return the mean loss."""
    model.train()
    losses = []
    random.shuffle(train)
    for start in range(0, len(train), BATCH_SIZE):
        words, tags = zip(*train[start : start + BATCH_SIZE])
        targets = [torch.tensor([model.tags.index(tag) for tag in sentence]) for sentence in tags]
        # Packed alike, scores and targets stand in the same order, word by word: no padding enters the loss.
        loss = nn.functional.cross_entropy(model(words).data, pack_sequence(targets, enforce_sorted=False).data)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def accuracy(name: str, tagged: list[list[str]], sentences: list[Sentence], known: set[str]) -> str:
    """Say which share of the words got the right tag, and of those that are not in training."""
    words = [word.lower() for words, _ in sentences for word in words]
    right = [a == b for answers, (_, tags) in zip(tagged, sentences) for a, b in zip(answers, tags, strict=True)]
    new = [correct for correct, word in zip(right, words, strict=True) if word not in known]
    return f"{name}: {100 * sum(right) / len(right):.1f} %, of words not in training {100 * sum(new) / len(new):.1f} %"


def main(sentences: list[str]) -> None:
    torch.set_num_threads(1)  # the quickest for matrices this small, and sums are in the same order on every run
    train, valid, test = (read_conllu(part) for part in ("train", "valid", "test"))
    # What to beat: each word's most frequent tag in training; for a word that is not there, the most frequent of all.
    counts = Counter((word.lower(), tag) for words, tags in train for word, tag in zip(words, tags))
    usual = {word: tag for (word, tag), _ in reversed(counts.most_common())}
    anything = Counter(tag for _, tags in train for tag in tags).most_common(1)[0][0]
    guessed = [[usual.get(word.lower(), anything) for word in words] for words, _ in test]
    lines = [accuracy("most frequent tag of each word", guessed, test, set(usual))]
    for name, bidirectional in (("forward GRU", False), ("bidirectional GRU", True)):
        random.seed(0)
        torch.manual_seed(0)
        model = Tagger(train, bidirectional)
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
        for epoch in range(1, EPOCHS + 1):
            loss = train_epoch(model, optimizer, train)
            scores = accuracy("validation", model.tag([words for words, _ in valid]), valid, set(usual))
            print(f"{name}, epoch {epoch:2}/{EPOCHS}  loss {loss:.3f}  {scores}")
        lines.append(accuracy(name, model.tag([words for words, _ in test]), test, set(usual)))
    print("\n".join(["test accuracy", *lines]))
    for words in [sentence.split() for sentence in sentences]:
        print(" ".join(f"{word}/{tag}" for word, tag in zip(words, model.tag([words])[0])))


if __name__ == "__main__":
    main(sys.argv[1:] or ["Paint the old doors green .", "Paint dries slowly .", "The old man the boats ."])
