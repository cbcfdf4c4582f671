"""Part-of-speech tagging with a bidirectional GRU, from CoNLL-U files to a tagged sentence of your own.

    python 02_gru_bidirectional_rnn.py "Paint the old doors green ." "Paint dries slowly ."

The tag of a word is told by the words around it. A GRU that reads forward knows only those before it.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from itertools import chain

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

import recurra
from recurra.data import load_tagged
from recurra.data.bundled import sentences_path

EPOCHS, BATCH_SIZE, UNKNOWN = 10, 16, 0
Sentence = tuple[list[str], list[str]]  # words, and the tag of each


def numbered(things: Iterable[str]) -> dict[str, int]:
    """Number what occurs more than once; what occurs once is left out, and teaches what "unknown" means."""
    frequent = [thing for thing, count in Counter(things).items() if count > 1]
    return {thing: number for number, thing in enumerate(frequent, start=UNKNOWN + 1)}


class Tagger(nn.Module):
    """Embeddings of the word and of its last three letters, a GRU, one score for each tag at each word."""

    def __init__(self, train: list[Sentence], bidirectional: bool, size: int = 64) -> None:
        super().__init__()
        words = [word.lower() for words, _ in train for word in words]
        self.words, self.endings = numbered(words), numbered(word[-3:] for word in dict.fromkeys(words))
        self.tags = sorted({tag for _, tags in train for tag in tags})
        self.word_vectors = nn.Embedding(len(self.words) + 1, size)
        self.ending_vectors = nn.Embedding(len(self.endings) + 1, size // 2)
        self.dropout = nn.Dropout(0.3)
        self.gru = recurra.nn.GRU(size + size // 2, size, bidirectional=bidirectional)
        self.output = nn.Linear(2 * size if bidirectional else size, len(self.tags))

    def forward(self, sentences: list[list[str]]) -> PackedSequence:
        """Score the tags of each word: packed [N, C], N words in all the sentences together, and no padding."""
        lower = [[word.lower() for word in words] for words in sentences]
        pairs = [[(self.words.get(w, UNKNOWN), self.endings.get(w[-3:], UNKNOWN)) for w in words] for words in lower]
        # Packed: the first words of all sentences, then all second words, and so on. pack_padded_sequence makes the
        # same of a padded batch, which recurra's layers also take as it is: self.gru(batch, lengths=lengths).
        packed = pack_sequence([torch.tensor(sentence) for sentence in pairs], enforce_sorted=False)
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


def train_epoch(model: Tagger, optimizer: torch.optim.Optimizer, train: list[Sentence]) -> None:
    """Pass once over the sentences in a new order."""
    model.train()
    for chosen in torch.randperm(len(train)).split(BATCH_SIZE):
        words, tags = zip(*(train[index] for index in chosen))
        targets = [torch.tensor([model.tags.index(tag) for tag in sentence]) for sentence in tags]
        # Packed alike, scores and targets stand in the same order, word by word: no padding enters the loss.
        loss = nn.functional.cross_entropy(model(words).data, pack_sequence(targets, enforce_sorted=False).data)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def accuracy(tagged: list[list[str]], sentences: list[Sentence], known: Iterable[str]) -> str:
    """Say which share of the words got the right tag, and of those that are not in training."""
    truth = [(word.lower(), tag) for words, tags in sentences for word, tag in zip(words, tags)]
    right = [answer == tag for answer, (_, tag) in zip(chain(*tagged), truth, strict=True)]
    new = [correct for correct, (word, _) in zip(right, truth) if word not in known]
    return f"{100 * sum(right) / len(right):.1f} %, of words not in training {100 * sum(new) / len(new):.1f} %"


def main(sentences: list[str]) -> None:
    torch.set_num_threads(1)  # the quickest for matrices this small, and sums are in the same order on every run
    files = [load_tagged(sentences_path(part)) for part in ("train", "valid", "test")]
    train, valid, test = ([(sentence.tokens, sentence.tags or []) for sentence in file] for file in files)
    # What to beat: each word's most frequent tag in training; for a word that is not there, the most frequent of all.
    counts = Counter((word.lower(), tag) for words, tags in train for word, tag in zip(words, tags))
    usual = {word: tag for (word, tag), _ in reversed(counts.most_common())}
    anything = Counter(tag for _, tags in train for tag in tags).most_common(1)[0][0]
    guessed = [[usual.get(word.lower(), anything) for word in words] for words, _ in test]
    lines = ["test accuracy", f"most frequent tag of each word: {accuracy(guessed, test, usual)}"]
    for name, bidirectional in (("forward GRU", False), ("bidirectional GRU", True)):
        torch.manual_seed(0)
        model = Tagger(train, bidirectional)
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
        for epoch in range(1, EPOCHS + 1):
            train_epoch(model, optimizer, train)
            scores = accuracy(model.tag([words for words, _ in valid]), valid, usual)
            print(f"{name}, epoch {epoch:2}/{EPOCHS}  validation: {scores}")
        lines.append(f"{name}: {accuracy(model.tag([words for words, _ in test]), test, usual)}")
    print("\n".join(lines))
    for words in filter(None, map(str.split, sentences)):
        print(" ".join(f"{word}/{tag}" for word, tag in zip(words, model.tag([words])[0])))


if __name__ == "__main__":
    main(sys.argv[1:] or ["Paint the old doors green .", "Paint dries slowly .", "The old man the boats ."])
