"""What a tagger's score is shown beside: each word's most frequent tag, and the longest phrases seen in training."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import TypeVar

import torch
from torch import Tensor

from recurra.errors import DataError
from recurra.spans import SCHEMES, Scheme, convert, spans_of
from recurra.string_tensors import from_strings, to_strings

__all__ = ["LONGEST_MATCH", "MOST_FREQUENT", "LongestMatch", "MostFrequentTag", "TaggingBaselines"]

MOST_FREQUENT = "most frequent tag"
LONGEST_MATCH = "longest known span"

Sentences = Sequence[Sequence[str]]
Phrase = tuple[str, ...]
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class MostFrequentTag:
    """Each word's most frequent tag of the training data, whatever stands around it.

    A word that training had not is looked up in lower case; one that is not there either has the most frequent tag of
    the words that training had once. Of tags as frequent for a word, the one that is more frequent in all wins, then
    the first by name.

    Attributes:
        tags: of each word, as it is written.
        lowered: of each word in lower case, all its spellings together.
        unknown: of any other word.
    """

    tags: Mapping[str, str]
    lowered: Mapping[str, str]
    unknown: str

    @classmethod
    def fit(cls, words: Sentences, tags: Sentences) -> MostFrequentTag:
        """Count the tags of the words of the training sentences.

        Raises:
            DataError: there is no word.

        >>> fitted = MostFrequentTag.fit([["The", "dog"], ["dog", "days"]], [["DET", "NOUN"], ["NOUN", "NOUN"]])
        >>> fitted.predict([["the", "the", "Dog"], ["THE", "cat"]])
        [['DET', 'DET', 'NOUN'], ['DET', 'NOUN']]
        """
        of_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
        of_lowered: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for sentence, line in zip(words, tags, strict=True):
            for word, tag in zip(sentence, line, strict=True):
                of_word[word][tag] += 1
                of_lowered[word.lower()][tag] += 1
        if not of_word:
            raise DataError("expected training sentences with tags, found no word in any")
        overall = Counter(tag for line in tags for tag in line)
        once = Counter(tag for counts in of_word.values() if counts.total() == 1 for tag in counts)
        return cls(
            _most_frequent(of_word, overall),
            _most_frequent(of_lowered, overall),
            _most_frequent({"": once or overall}, overall)[""],
        )

    def predict(self, words: Sentences) -> list[list[str]]:
        """Predict the tag of each word of some sentences."""
        return [[self._tag(word) for word in sentence] for sentence in words]

    def _tag(self, word: str) -> str:
        return self.tags[word] if word in self.tags else self.lowered.get(word.lower(), self.unknown)

    def tensors(self) -> dict[str, Tensor]:
        """Return what was counted as tensors, to be stored beside others: all names begin with "frequent."."""
        return {
            **from_strings("frequent.written", [*self.tags]),
            **from_strings("frequent.lowered", [*self.lowered]),
            **_from_choices("frequent.tag", [*self.tags.values(), *self.lowered.values(), self.unknown]),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> MostFrequentTag:
        """Build what :meth:`tensors` was called on.

        Raises:
            KeyError, ValueError: the tensors are not those of a baseline of this kind.
        """
        written, lowered = (to_strings(f"frequent.{name}", tensors) for name in ("written", "lowered"))
        *tags, unknown = _to_choices("frequent.tag", tensors, len(written) + len(lowered) + 1)
        return cls(dict(zip(written, tags)), dict(zip(lowered, tags[len(written) :])), unknown)


@dataclass(frozen=True)
class LongestMatch:
    """The phrases that are spans of the training data, wherever they are found, each with its most frequent type.

    A sentence is read from left to right. Where phrases begin, the longest is taken and reading goes on after it; a
    word in no phrase is O. Close to the baseline of CoNLL-2003 (Tjong Kim Sang, De Meulder 2003), which left out the
    phrases of several types. Of types as frequent for a phrase, the one that is more frequent in all wins, then the
    first by name.

    Attributes:
        types: of each phrase, a tuple of words.
        scheme: of the tags to predict.
    """

    types: Mapping[Phrase, str]
    scheme: Scheme

    @classmethod
    def fit(cls, words: Sentences, tags: Sentences, scheme: Scheme) -> LongestMatch:
        """Collect the spans of the training sentences, whose tags are written in a scheme.

        Raises:
            DataError: a tag is none of the scheme.

        >>> fitted = LongestMatch.fit([["New", "York", "in", "York"]], [["B-LOC", "I-LOC", "O", "B-PER"]], "BIO")
        >>> fitted.predict([["York", ",", "New", "York"]])
        [['B-PER', 'O', 'B-LOC', 'I-LOC']]
        """
        of_phrase: defaultdict[Phrase, Counter[str]] = defaultdict(Counter)
        overall: Counter[str] = Counter()
        for sentence, line in zip(words, tags, strict=True):
            for span in spans_of(line, scheme):
                of_phrase[tuple(sentence[span.start : span.stop])][span.type] += 1
                overall[span.type] += 1
        return cls(_most_frequent(of_phrase, overall), scheme)

    def predict(self, words: Sentences) -> list[list[str]]:
        """Predict the tags of the words of some sentences."""
        longest: dict[str, int] = {}  # of the phrases that begin with a word
        for phrase in self.types:
            longest[phrase[0]] = max(len(phrase), longest.get(phrase[0], 0))
        return [self._tags(sentence, longest) for sentence in words]

    def _tags(self, sentence: Sequence[str], longest: Mapping[str, int]) -> list[str]:
        tags: list[str] = []
        while len(tags) < len(sentence):
            rest = tuple(sentence[len(tags) :][: longest.get(sentence[len(tags)], 0)])
            found = next((rest[:size] for size in range(len(rest), 0, -1) if rest[:size] in self.types), ())
            marks = ["B"] + ["I"] * (len(found) - 1) if found else ["O"]
            of_type = f"-{self.types[found]}" if found and self.types[found] else ""
            tags += [f"{mark}{of_type}" for mark in marks]
        return convert(tags, "BIO", self.scheme)

    def tensors(self) -> dict[str, Tensor]:
        """Return the phrases as tensors, to be stored beside others: all names begin with "phrases."."""
        return {
            **from_strings("phrases.words", [word for phrase in self.types for word in phrase]),
            "phrases.sizes": torch.tensor([len(phrase) for phrase in self.types], dtype=torch.int64),
            **_from_choices("phrases.type", [*self.types.values()]),
            **from_strings("phrases.scheme", [self.scheme]),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> LongestMatch:
        """Build what :meth:`tensors` was called on.

        Raises:
            KeyError, ValueError: the tensors are not those of a baseline of this kind.
        """
        words, sizes = to_strings("phrases.words", tensors), tensors["phrases.sizes"].tolist()
        (scheme,) = to_strings("phrases.scheme", tensors)
        if scheme not in SCHEMES or sum(sizes) != len(words) or min(sizes, default=1) < 1:
            raise ValueError(f"phrases: {len(words)} words in phrases of {sum(sizes)} words, in the scheme '{scheme}'")
        rest = iter(words)
        phrases = [tuple(islice(rest, size)) for size in sizes]
        return cls(dict(zip(phrases, _to_choices("phrases.type", tensors, len(phrases)))), scheme)


@dataclass(frozen=True)
class TaggingBaselines:
    """What the scores of a tagger are shown beside; the phrases only where the tags mark spans."""

    frequent: MostFrequentTag
    phrases: LongestMatch | None

    @classmethod
    def fit(cls, words: Sentences, tags: Sentences, scheme: Scheme | None) -> TaggingBaselines:
        """Fit each on the training sentences, whose tags are in a scheme if they mark spans.

        Raises:
            DataError: there is no word, or a tag is none of the scheme.
        """
        return cls(MostFrequentTag.fit(words, tags), None if scheme is None else LongestMatch.fit(words, tags, scheme))

    def predict(self, words: Sentences) -> dict[str, list[list[str]]]:
        """Predict the tags of some sentences by each, under its name."""
        found = {MOST_FREQUENT: self.frequent.predict(words)}
        return found if self.phrases is None else {**found, LONGEST_MATCH: self.phrases.predict(words)}

    def tensors(self) -> dict[str, Tensor]:
        """All that was counted."""
        return {**self.frequent.tensors(), **({} if self.phrases is None else self.phrases.tensors())}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> TaggingBaselines:
        """Build what :meth:`tensors` was called on.

        Raises:
            KeyError, ValueError: the tensors are not those of baselines of this kind.
        """
        has_phrases = any(name.startswith("phrases.") for name in tensors)
        return cls(MostFrequentTag.from_tensors(tensors), LongestMatch.from_tensors(tensors) if has_phrases else None)


def _most_frequent(counts: Mapping[_Key, Counter[str]], overall: Counter[str]) -> dict[_Key, str]:
    """The most frequent name of each key, in the order of the keys; of equals the first in all, then by name."""
    return {
        key: min(of_key, key=lambda name: (-of_key[name], -overall[name], name))
        for key, of_key in sorted(counts.items(), key=itemgetter(0))
    }


def _from_choices(name: str, chosen: Sequence[str]) -> dict[str, Tensor]:
    """Names that come often: each of them once, in order, and the number of each choice."""
    names = sorted(set(chosen))
    numbers = {string: number for number, string in enumerate(names)}
    ids = torch.tensor([numbers[string] for string in chosen], dtype=torch.int64)
    return {f"{name}.ids": ids, **from_strings(f"{name}.names", names)}


def _to_choices(name: str, tensors: Mapping[str, Tensor], expected: int) -> list[str]:
    """What :func:`_from_choices` was given, so many names as are expected."""
    ids, names = tensors[f"{name}.ids"].tolist(), to_strings(f"{name}.names", tensors)
    if len(ids) != expected or not set(ids) <= set(range(len(names))):
        raise ValueError(f"{name}: expected {expected} numbers of {len(names)} names, found {len(ids)} or others")
    return [names[number] for number in ids]
