"""Files -> examples: texts and labels."""

from recurra.data.splits import Splits, load_splits
from recurra.data.text import TextChunk, Texts, load_texts

__all__ = ["Splits", "TextChunk", "Texts", "load_splits", "load_texts"]
