"""Layers: tensors in, tensors out; nothing here knows of a task."""

from recurra.nn.chunks import truncated
from recurra.nn.recurrent import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN", "truncated"]
