"""The networks of a classifier: of texts, and of series of numbers."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from recurra.config import ClassifyModelConfig
from recurra.kernels.layout import Layout
from recurra.nn.encoder import SequenceEncoder, VectorEncoder

__all__ = ["SeriesClassifier", "TextClassifier"]


class TextClassifier(nn.Module):
    """An encoder and a linear layer over its vector.

    Args:
        vocabulary_size: V.
        classes: C.
        config: sizes, cell, depth, directions, dropout and pooling.
    """

    def __init__(self, vocabulary_size: int, classes: int, config: ClassifyModelConfig) -> None:
        super().__init__()
        self.encoder = SequenceEncoder(vocabulary_size, config)
        self.output = nn.Linear(self.encoder.output_size, classes)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Score each class: ids [B, T] and lengths [B] in, logits [B, C] out."""
        return cast(Tensor, self.output(self.encoder(values, lengths)))

    def from_vectors(self, vectors: Tensor, layout: Layout) -> Tensor:
        """Score each class from packed embeddings [N, E]: logits [B, C]."""
        return cast(Tensor, self.output(self.encoder.encode_vectors(vectors, layout)))


class SeriesClassifier(nn.Module):
    """The same for series, whose numbers the encoder reads as they are: no dropout thins the few numbers of a step.

    Args:
        channels: I, the numbers of a step, each of mean 0 and deviation 1.
        classes: C.
        config: sizes, cell, depth, directions, dropout and pooling.
    """

    def __init__(self, channels: int, classes: int, config: ClassifyModelConfig) -> None:
        super().__init__()
        self.encoder = VectorEncoder(channels, config)
        self.output = nn.Linear(self.encoder.output_size, classes)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Score each class: numbers [B, T, I] and lengths [B] in, logits [B, C] out."""
        return cast(Tensor, self.output(self.encoder(values, lengths)))
