"""Classification: one of C classes for each example, whatever an example is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.baselines import MAJORITY, majority_probabilities
from recurra.batch import length_sorted, shuffled_batches
from recurra.config import ClassifyConfig
from recurra.errors import DataError, nearest
from recurra.metrics import classification_scores, classification_tables, gain_line, paired_difference
from recurra.tables import ScoreTable
from recurra.tasks.base import Loss, Task, Validation
from recurra.tasks.examined import drawn_groups
from recurra.tasks.headline import Headline

__all__ = ["Classification", "ClassifyData", "Evaluation"]


@dataclass(frozen=True)
class ClassifyData:
    """The encoded examples of a run."""

    train: Any
    valid: Any
    test: Any


class Evaluation(NamedTuple):
    """What was predicted for some examples, and the scores to show: [n, C] probabilities and a JSON-like mapping."""

    probabilities: NDArray[np.float32]
    scores: dict[str, Any]


class Classification(Task):
    """What the classification of texts and that of series share.

    Encoded examples have a length, `lengths` and `labels`; one of them is what the network reads of it.

    Attributes:
        kind: what messages call the examples.
        rival: the baseline whose accuracy the gain is over.
        classes: names of the C classes, sorted.
        label_counts: training examples of each class, in the order of the classes.
        data: the examples, when made from data.
    """

    name = "classify"
    score = "accuracy"
    kind: ClassVar[str]
    rival: ClassVar[str]
    config: ClassifyConfig

    def __init__(
        self, config: ClassifyConfig, classes: Sequence[str], label_counts: Sequence[int], data: ClassifyData | None
    ) -> None:
        self.config = config
        self.classes = list(classes)
        self.label_counts = list(label_counts)
        self.data = data
        self._class_weights: Tensor | None = None
        if config.train.class_weights == "balanced":
            counts = torch.tensor(self.label_counts, dtype=torch.float32)
            self._class_weights = counts.sum() / (len(counts) * counts)

    @abstractmethod
    def make_batch(self, sequences: Sequence[Any], labels: NDArray[np.int64] | None = None) -> Any:
        """Put sequences side by side, with the numbers of their classes: `values`, `lengths` and `labels`."""

    @abstractmethod
    def described(self, examples: Any) -> dict[str, Any]:
        """What the scores of some examples tell of these."""

    def steps(self) -> int:
        """How many batches an epoch has."""
        return len(self._shuffled(0))

    def batches(self, epoch: int) -> Iterator[Any]:
        """The training batches of an epoch, examples of like length together."""
        assert self.data is not None
        train = self.data.train
        assert train.labels is not None
        for chosen in self._shuffled(epoch):
            yield self.make_batch([train[index] for index in chosen], train.labels[chosen])

    def loss(self, network: nn.Module, batch: Any, carried: Any = None) -> Loss:
        """Cross entropy, weighted by class if asked."""
        logits = network(batch.values, batch.lengths)
        weights = None if self._class_weights is None else self._class_weights.to(logits.device)
        assert batch.labels is not None
        return Loss(nn.functional.cross_entropy(logits, batch.labels, weights))

    def validate(self) -> Validation:
        """Mean cross entropy and accuracy on the validation examples."""
        assert self.data is not None
        labels, probabilities = self.data.valid.labels, self.probabilities(self.data.valid)
        assert labels is not None
        of_true = probabilities[np.arange(len(labels)), labels]
        loss = -np.log(np.maximum(of_true, np.finfo(np.float32).tiny)).mean()
        right = probabilities.argmax(1) == labels
        return Validation(float(loss), float(right.mean()), float(right.std() / np.sqrt(len(right))))

    def probabilities(self, examples: Any, batch_size: int = 128) -> NDArray[np.float32]:
        """Each class's probability for encoded examples, [n, C], in their order."""
        found = np.zeros((len(examples), len(self.classes)), np.float32)
        device = next(self.network.parameters()).device
        training = self.network.training
        self.network.eval()
        with torch.inference_mode():
            for chosen in length_sorted(examples.lengths, batch_size):
                batch = self.make_batch([examples[index] for index in chosen]).to(device)
                found[chosen] = self.network(batch.values, batch.lengths).softmax(dim=-1).cpu().numpy()
        self.network.train(training)
        return found

    def held_out(self) -> dict[str, Any]:
        """The validation and, where there are some, the test examples."""
        assert self.data is not None
        return {"valid": self.data.valid} | ({} if self.data.test is None else {"test": self.data.test})

    def evaluate(self, examples: Any, baseline: Any) -> dict[str, Any]:
        """Score the classifier and its baselines; the scores of :meth:`assess`."""
        return self.assess(examples, baseline).scores

    def assess(self, examples: Any, baseline: Any) -> Evaluation:
        """Predict labelled examples and score the predictions.

        Returns:
            Probabilities, and scores: "model", "baselines" (a mapping of name to scores, each as
            :func:`recurra.metrics.classification_scores`), "gain" (accuracy over the rival, with its interval), and
            what is :meth:`described`.
        """
        labels = examples.labels
        assert labels is not None
        probabilities = self.probabilities(examples)
        baselines = {
            MAJORITY: majority_probabilities(self.label_counts, len(examples)),
            self.rival: baseline.probabilities(examples),
        }
        right, theirs = (p.argmax(1) == labels for p in (probabilities, baselines[self.rival]))
        scores = {
            "model": classification_scores(labels, probabilities, self.classes),
            "baselines": {name: classification_scores(labels, p, self.classes) for name, p in baselines.items()},
            "gain": paired_difference(right, theirs),
            **self.described(examples),
        }
        return Evaluation(probabilities, scores)

    def headline(self) -> Headline:
        """The accuracy."""
        return Headline("accuracy", ("accuracy",))

    def tables(self, scores: Mapping[str, Any], title: str, full: bool) -> list[ScoreTable]:
        """The model beside its baselines and, with `full`, the classes and the confusion matrix."""
        return classification_tables(scores, title, full, self.kind)

    def remarks(self, scores: Mapping[str, Any]) -> list[str]:
        """The gain over the rival."""
        return [gain_line(scores["gain"], self.rival)]

    def grouped(self, examples: Any, most: int) -> list[Any]:
        """Some of the labelled examples in batches."""
        groups = drawn_groups(examples.lengths, most)
        return [self.make_batch([examples[index] for index in group], examples.labels[group]) for group in groups]

    def counted_classes(self) -> str:
        """A sentence of the card: the classes, with their training examples."""
        counts = ", ".join(f"{name} ({count:,})" for name, count in zip(self.classes, self.label_counts))
        return f"Classes, with their training examples: {counts}."

    def refuse_unseen(self, name: str, counts: Mapping[str, int]) -> None:
        """Require that labels are among the classes.

        Args:
            name: what messages call the examples.
            counts: how many examples each label has.

        Raises:
            DataError: some are not; they are listed.
        """
        unseen = {label: count for label, count in counts.items() if label not in self.classes}
        if unseen:
            kinds = {1: "text"} if self.kind == "texts" else {}
            listed = ", ".join(
                f"'{label}' ({n:,} {kinds.get(n, self.kind)}){nearest(label, self.classes)}"
                for label, n in unseen.items()
            )
            expected = ", ".join(self.classes)
            raise DataError(f"{name}: expected the classes {expected}; never seen in training: {listed}")

    def _shuffled(self, epoch: int) -> list[NDArray[np.int64]]:
        assert self.data is not None
        settings = self.config.train
        return shuffled_batches(self.data.train.lengths, settings.batch_size, settings.seed, epoch)
