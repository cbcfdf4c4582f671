"""What a task must say so that the one training loop, the one directory format and the one command line serve it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.config import ModelConfig, RunConfig, VocabularyConfig
from recurra.errors import SettingsError
from recurra.perplexity import perplexity
from recurra.tables import ScoreTable
from recurra.tasks.examined import Examined
from recurra.tasks.headline import Headline
from recurra.vocabulary import Vocabulary

__all__ = [
    "AnyBatch",
    "Baseline",
    "Loss",
    "Start",
    "Task",
    "Validation",
    "as_perplexity",
    "started_config",
]


class AnyBatch(Protocol):
    """What the loop asks of a batch."""

    @property
    def lengths(self) -> Tensor:
        """The lengths of its sequences, [B], on the CPU."""

    def to(self, device: torch.device) -> Any:
        """The batch with its values on a device."""


class Baseline(Protocol):
    """What a model's scores are shown beside, in the form in which it lies in a model directory."""

    def tensors(self) -> dict[str, Tensor]:
        """All that it learnt, for `baseline.safetensors`."""


class Validation(NamedTuple):
    """The mean loss on the validation examples, the score, and the score's standard error over those examples."""

    loss: float
    score: float
    standard_error: float

    @classmethod
    def of_log_probabilities(cls, found: NDArray[np.float64]) -> Validation:
        """That of a task scored by the log-probabilities of its symbols, in nats, [n]: their mean, and its negative."""
        return cls(float(-found.mean()), float(found.mean()), float(found.std() / np.sqrt(len(found))))


def as_perplexity(score: float) -> str:
    """Show a mean log-probability in nats, the score of such a task, as perplexity."""
    return f"{perplexity(-score):.2f}"


class Loss(NamedTuple):
    """The mean loss of a batch, a scalar, and what the next batch of the epoch is to know of this one."""

    value: Tensor
    carried: Any = None


class Start(NamedTuple):
    """A trained language model that another network starts from: its settings, vocabulary and weights by name."""

    vocabulary_config: VocabularyConfig
    model_config: ModelConfig
    vocabulary: Vocabulary
    weights: Mapping[str, Tensor]


_Config = TypeVar("_Config", bound=RunConfig)
_STARTED = {
    "vocabulary": ("tokens", "lowercase", "vocabulary_size", "min_count"),
    "model": ("cell", "embedding_size", "hidden_size", "num_layers"),
}


def started_config(config: _Config, start: Start | None) -> _Config:
    """A run's configuration with the settings that the language model it starts from has."""
    if start is None:
        return config
    theirs = {"vocabulary": start.vocabulary_config, "model": start.model_config}
    update = {}
    for section, names in _STARTED.items():
        own = getattr(config, section)
        known = [name for name in names if name in type(own).model_fields]
        update[section] = own.model_copy(update={name: getattr(theirs[section], name) for name in known})
    return config.model_copy(update=update)


class Task(Examined):
    """A task on somebody's data: its settings, vocabulary and network.

    What it calls examples and sequences is its own affair: examples are what its data were read into, a sequence is one
    input of the network as something that JSON can hold.

    Attributes:
        name: as on the command line.
        title: what a model of it is called.
        unit: of what a sequence is made, as the speed of training counts it.
        score: the score that decides which epoch is the best; higher is better.
        intervals: of what kind those of its scores are.
        enough_steps: how many steps a run makes when it is not told its epochs.
        reading: the options of `recurra evaluate` and `recurra predict` that say how its files are read.
        evaluating: the options of `recurra evaluate` that say how it is scored.
        answering: the options of `recurra predict` that say how it answers.
        config: what the run was told.
        vocabulary: symbols <-> ids, where its sequences are symbols.
        network: the model, trained or not.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str] = "tokens"
    score: ClassVar[str]
    intervals: ClassVar[str] = "95 % bootstrap over the examples"
    enough_steps: ClassVar[int] = 1200  # what SST-2 and the bundled reviews need with the other settings at default
    reading: ClassVar[tuple[str, ...]]
    evaluating: ClassVar[tuple[str, ...]] = ()
    answering: ClassVar[tuple[str, ...]] = ()
    config: RunConfig
    vocabulary: Vocabulary
    network: nn.Module

    # made from data, or from a model directory

    @classmethod
    @abstractmethod
    def from_data(cls, config: Any, start: Start | None = None) -> Task:
        """Read the data that the configuration names, learn the vocabulary, and make a network.

        Args:
            config: of the task's kind.
            start: what `init_from` names, read; the network is a fresh one when None.
        """

    @classmethod
    @abstractmethod
    def restore(cls, config: Any, vocabularies: Mapping[str, Vocabulary], facts: Mapping[str, Any]) -> Task:
        """Make the task again from what a model directory holds; the weights are loaded by the caller.

        Args:
            config: the settings.
            vocabularies: as :attr:`vocabularies`.
            facts: of :meth:`facts`.
        """

    @property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """What a model directory holds as files, whose names end in `tokenizer.json`; none, where there are no symbols.

        The first is that of `vocabulary`.
        """
        return {"tokenizer.json": self.vocabulary}

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What `config.json` must hold beside the settings, so that :meth:`restore` can work."""

    # trained

    @abstractmethod
    def steps(self) -> int:
        """How many batches an epoch has."""

    def epochs(self) -> int:
        """How many epochs a run has: as it is told or, if it is not, enough for `enough_steps`, but 3 to 50."""
        return self.config.train.epochs or min(max(3, math.ceil(self.enough_steps / self.steps())), 50)

    @abstractmethod
    def batches(self, epoch: int) -> Iterator[AnyBatch]:
        """The training batches of an epoch, a function of the seed and the epoch alone."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Any, carried: Any) -> Loss:
        """The mean loss of a batch.

        Args:
            network: the task's network, as the loop runs it.
            batch: one of :meth:`batches`.
            carried: what the batch before handed on; None at the start of an epoch.
        """

    @abstractmethod
    def validate(self) -> Validation:
        """Score the network on the validation examples."""

    @staticmethod
    def shown(score: float) -> str:
        """A validation score as it is shown: here a share, in percent."""
        return f"{100 * score:.1f} %"

    # scored, never alone

    @abstractmethod
    def held_out(self) -> dict[str, Any]:
        """The examples that a trained model is scored on: "valid" and, where there are some, "test"."""

    @abstractmethod
    def fit_baseline(self) -> Baseline:
        """Fit what the scores are shown beside on the training data."""

    @abstractmethod
    def restore_baseline(self, tensors: Mapping[str, Tensor]) -> Baseline:
        """Make the baseline again from what its `tensors` gave."""

    @abstractmethod
    def evaluate(self, examples: Any, baseline: Any) -> dict[str, Any]:
        """Score the network and its baselines on labelled examples; a JSON-like mapping.

        A task whose `evaluating` names options takes them by keyword.
        """

    @abstractmethod
    def headline(self) -> Headline:
        """The score of :meth:`evaluate` that models are compared by; a baseline of the same name has it too."""

    @abstractmethod
    def tables(self, scores: Mapping[str, Any], title: str, full: bool) -> list[ScoreTable]:
        """Show the scores of :meth:`evaluate`: the model beside its baselines and, with `full`, the details."""

    @abstractmethod
    def remarks(self, scores: Mapping[str, Any]) -> list[str]:
        """Say in a line each what the tables do not."""

    @abstractmethod
    def card(self) -> list[str]:
        """Paragraphs of the model card: what the model was trained on, and what it answers."""

    @abstractmethod
    def example_call(self) -> str:
        """A line of Python that uses the model, as `model`, for the card."""

    # asked

    @abstractmethod
    def predict(self, inputs: Sequence[str], **options: Any) -> Iterator[str]:
        """Answer command-line arguments: files, texts, or standard input when there are none; yield whole lines.

        The options are among those of `reading` and `answering`.

        Raises:
            DataError: a file is missing or malformed.
            SettingsError: an option about files was given, and there is none.
        """

    def chosen(self, known: Sequence[str], **given: Any) -> dict[str, Any]:
        """Return those options that were given (are not None), if they are among those that the task knows.

        Raises:
            SettingsError: one would have no effect on a model of this task.
        """
        chosen = {name: value for name, value in given.items() if value is not None}
        for name, value in chosen.items():
            if name not in known:
                its = f"whose options are {', '.join(known)}" if known else "which has no such option"
                raise SettingsError(
                    f"option '{name}' ({value}) would have no effect: the model is of the task {self.name}, {its}"
                )
        return chosen
