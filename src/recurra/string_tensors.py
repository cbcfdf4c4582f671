"""Strings as tensors, so that they can be stored beside numbers where nothing that is read may run code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

__all__ = ["from_strings", "to_strings"]


def from_strings(name: str, strings: Sequence[str]) -> dict[str, Tensor]:
    """Strings as their bytes in UTF-8, one after the other, and where each begins and the last ends.

    >>> from_strings("tags", ["é", "", "a"])
    {'tags.bytes': tensor([195, 169,  97], dtype=torch.uint8), 'tags.offsets': tensor([0, 2, 2, 3])}
    """
    encoded = [string.encode("utf-8", "surrogatepass") for string in strings]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    data = np.frombuffer(b"".join(encoded), np.uint8).copy()
    return {f"{name}.bytes": torch.from_numpy(data), f"{name}.offsets": torch.from_numpy(offsets)}


def to_strings(name: str, tensors: Mapping[str, Tensor]) -> list[str]:
    """What :func:`from_strings` was given.

    Raises:
        KeyError, ValueError: the tensors are not those of strings.
    """
    data, offsets = tensors[f"{name}.bytes"].numpy().tobytes(), tensors[f"{name}.offsets"].tolist()
    if not offsets or offsets[0] != 0 or offsets[-1] != len(data) or sorted(offsets) != offsets:
        raise ValueError(f"{name}: the offsets do not divide {len(data)} bytes")
    return [data[start:stop].decode("utf-8", "surrogatepass") for start, stop in pairwise(offsets)]
