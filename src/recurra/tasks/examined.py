"""What a task hands to those who look into its model: sequences to try it on, and examples with their loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recurra.batch import length_sorted
from recurra.config import DataConfig
from recurra.data.hub import is_hub
from recurra.errors import DataError, SettingsError
from recurra.nn.stack import Recurrent

__all__ = ["Examined", "OtherEnd", "RecurrentCall", "as_told", "drawn_groups"]

_Data = TypeVar("_Data", bound=DataConfig)
_AT_ONCE = 32  # examples of a batch
_POSITIONS = 2**13  # of a batch of several examples, padding included: what is kept of each step takes memory


class RecurrentCall(NamedTuple):
    """A network's recurrent layers, and what they read of some sequences: [B, T, I] and lengths [B]."""

    layers: Recurrent
    inputs: Tensor
    lengths: Tensor


class OtherEnd(NamedTuple):
    """A sequence that ends otherwise than one it begins as, and how many first rows of the answer must not notice."""

    sequence: Any
    kept: int


class Examined(ABC):
    """A task as `recurra check`, `recurra diagnose` and `recurra explain` ask it.

    Attributes:
        name: as on the command line.
        config: what the run was told.
    """

    name: ClassVar[str]
    config: Any

    # tried

    @abstractmethod
    def sequences(self, source: str | None, **reading: Any) -> list[Any]:
        """Sequences to try the model on: of a source, of the training data's file, or else random ones.

        Raises:
            DataError: the given source is at fault.
        """

    @abstractmethod
    def responses(self, sequences: Sequence[Any], padding: int = 0) -> list[Tensor]:
        """What the network answers to each sequence, as probabilities, run as one batch padded by so many steps more.

        What stands in the added padding are random symbols, which must not matter.
        """

    @abstractmethod
    def recurrent_call(self, sequences: Sequence[Any]) -> RecurrentCall | None:
        """The network's recurrent layers and what they read of the sequences; None where it has none."""

    def other_end(self, sequence: Any) -> OtherEnd | None:
        """Return a sequence with the same first half and another second one.

        Returns:
            None where each part of the answer may depend on the whole sequence, as here, or the sequence is too short.
        """
        return None

    # measured

    @abstractmethod
    def load_labelled(self, source: str, **reading: Any) -> Any:
        """Read labelled examples; the options are among those of the task's `reading`.

        Raises:
            DataError: the source is at fault, or has labels that training had not.
        """

    @abstractmethod
    def own_examples(self, most: int) -> Any:
        """Read the validation examples of the run once more.

        Args:
            most: how many will be used, for tasks that read them one by one.

        Raises:
            DataError: they are no longer what they were.
        """

    @abstractmethod
    def grouped(self, examples: Any, most: int) -> list[Any]:
        """Some of the labelled examples in batches, at most `most` sequences in all, as the loss takes them."""

    def labelled_batches(self, source: str | None, most: int = 256, **reading: Any) -> list[Any]:
        """Labelled examples in batches, as `Task.loss` takes them, drawn alike each time; the first are a fair sample.

        Those of a language model follow one another: what the loss of one carries on belongs to the next.

        Args:
            source: as for :meth:`load_labelled`; None for the validation examples of the task's own data.
            most: sequences in all.
            reading: how a source is read.

        Raises:
            DataError: the source is at fault, has no example, or the task's own data are not here.
            SettingsError: it is said how a source is read, and there is none.
        """
        if source is not None:
            batches = self.grouped(self.load_labelled(source, **reading), most)
        else:
            self._require_own(reading)
            batches = self.grouped(self.own_examples(most), most)
        if not batches:
            raise DataError(f"{source or self.config.data.data}: expected labelled examples, found none")
        return batches

    def _require_own(self, reading: dict[str, Any]) -> None:
        for name, value in reading.items():
            raise SettingsError(f"option '{name}' ({value}) would have no effect: no data are named; name a file")
        own = self.config.data.data
        if is_hub(own) or not Path(own).exists():
            raise DataError(
                f"the model's own data ({own}) are not here: name a file with labelled examples, or go to the folder "
                f"in which the model was trained"
            )


def as_told(data: _Data) -> _Data:
    """A section of a model's settings as the run was told it: one that was read from a file seems to be told all."""
    return type(data)(**data.model_dump(exclude_defaults=True))


def drawn_groups(lengths: NDArray[np.int64], most: int) -> list[NDArray[np.int64]]:
    """Draw some of the examples, alike each time, and group those of like length; the groups are in no order.

    Args:
        lengths: of each example.
        most: examples in all.

    >>> sorted(sum((group.tolist() for group in drawn_groups(np.array([4, 1, 7]), 2)), []))
    [0, 2]
    """
    chance = np.random.default_rng(0)
    drawn = chance.permutation(len(lengths))[:most]
    groups = [drawn[chosen] for chosen in length_sorted(lengths[drawn], _AT_ONCE, _POSITIONS) if len(chosen)]
    return [groups[number] for number in chance.permutation(len(groups))]
