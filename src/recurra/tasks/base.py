"""What a task must say so that the one training loop and the one directory format can serve it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from recurra.batch import Batch
from recurra.config import RunConfig
from recurra.vocabulary import Vocabulary

__all__ = ["Task", "Validation"]


class Validation(NamedTuple):
    """The mean loss on the validation examples, the score, and the score's standard error over those examples."""

    loss: float
    score: float
    standard_error: float


class Task(ABC):
    """A task on somebody's data: its settings, vocabulary and network.

    Attributes:
        name: as on the command line.
        score: the score that decides which epoch is the best; higher is better.
        config: what the run was told.
        vocabulary: symbols <-> ids.
        network: the model, trained or not.
    """

    name: ClassVar[str]
    score: ClassVar[str]
    config: RunConfig
    vocabulary: Vocabulary
    network: nn.Module

    @classmethod
    @abstractmethod
    def from_data(cls, config: RunConfig) -> Task:
        """Read the data that the configuration names, learn the vocabulary, and make a fresh network."""

    @classmethod
    @abstractmethod
    def restore(cls, config: RunConfig, vocabulary: Vocabulary, facts: Mapping[str, Any]) -> Task:
        """Make the task again from what a model directory holds; the weights are loaded by the caller."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What `config.json` must hold beside the settings, so that :meth:`restore` can work."""

    @abstractmethod
    def steps(self) -> int:
        """How many batches an epoch has."""

    @abstractmethod
    def batches(self, epoch: int) -> Iterator[Batch]:
        """The training batches of an epoch, a function of the seed and the epoch alone."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The mean loss of a batch, a scalar."""

    @abstractmethod
    def validate(self) -> Validation:
        """Score the network on the validation examples."""
