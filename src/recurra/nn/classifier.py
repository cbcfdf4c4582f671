"""The network of a text classifier."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from recurra.config import ClassifyModelConfig
from recurra.kernels.layout import Layout
from recurra.nn.encoder import SequenceEncoder

__all__ = ["TextClassifier"]


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
