"""Files -> examples: texts and labels, sentences and tags."""

from recurra.data.splits import Splits, load_splits
from recurra.data.tagged import Sentence, TaggedSentences, TagsOfSentence
from recurra.data.tagged_load import load_tagged
from recurra.data.text import TextChunk, Texts, load_texts

__all__ = [
    "Sentence",
    "Splits",
    "TaggedSentences",
    "TagsOfSentence",
    "TextChunk",
    "Texts",
    "load_splits",
    "load_tagged",
    "load_texts",
]
