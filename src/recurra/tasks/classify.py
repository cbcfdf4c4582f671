"""Text classification: one of C classes for each text."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.batch import Batch, length_sorted, make_batch, shuffled_batches
from recurra.config import RunConfig
from recurra.data import Splits, Texts, load_splits
from recurra.data.encoded import Encoded, encode
from recurra.errors import DataError
from recurra.kernels.layout import Layout
from recurra.nn.encoder import SequenceEncoder
from recurra.tasks.base import Task, Validation
from recurra.vocabulary import Vectors, Vocabulary

__all__ = ["Classify", "ClassifyData", "TextClassifier"]

_log = logging.getLogger("recurra")
_LONG = 5_000  # symbols; a text beyond it is worth a word, for its cost


class TextClassifier(nn.Module):
    """An encoder and a linear layer over its vector.

    Args:
        vocabulary_size: V.
        classes: C.
        config: the run's settings.
    """

    def __init__(self, vocabulary_size: int, classes: int, config: RunConfig) -> None:
        super().__init__()
        self.encoder = SequenceEncoder(vocabulary_size, config.model)
        self.output = nn.Linear(self.encoder.output_size, classes)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Score each class: ids [B, T] and lengths [B] in, logits [B, C] out."""
        return cast(Tensor, self.output(self.encoder(values, lengths)))

    def from_vectors(self, vectors: Tensor, layout: Layout) -> Tensor:
        """Score each class from packed embeddings [N, E]: logits [B, C]."""
        return cast(Tensor, self.output(self.encoder.encode_vectors(vectors, layout)))


@dataclass(frozen=True)
class ClassifyData:
    """The encoded examples of a run."""

    train: Encoded
    valid: Encoded
    test: Encoded | None


class Classify(Task):
    """Classify texts.

    Attributes:
        classes: names of the C classes, sorted.
        label_counts: training examples of each class, in the order of the classes.
        columns: the names of the text and the label column of the training data.
        data: the examples, when made from data.
    """

    name = "classify"
    score = "accuracy"

    def __init__(
        self,
        config: RunConfig,
        vocabulary: Vocabulary,
        classes: Sequence[str],
        label_counts: Sequence[int],
        columns: tuple[str, str],
        data: ClassifyData | None = None,
        vectors: Vectors | None = None,
    ) -> None:
        if vectors is not None:
            sized = config.model.model_copy(update={"embedding_size": vectors.values.shape[1]})
            config = config.model_copy(update={"model": sized})
        self.config = config
        self.vocabulary = vocabulary
        self.classes = list(classes)
        self.label_counts = list(label_counts)
        self.columns = columns
        self.data = data
        torch.manual_seed(config.train.seed)
        self.network = TextClassifier(len(vocabulary), len(classes), config)
        if vectors is not None:
            self.network.encoder.load_vectors(*vectors)
        self._class_weights: Tensor | None = None
        if config.train.class_weights == "balanced":
            counts = torch.tensor(self.label_counts, dtype=torch.float32)
            self._class_weights = counts.sum() / (len(counts) * counts)

    @classmethod
    def from_data(cls, config: RunConfig) -> Classify:
        """Read the data that the configuration names; errors as :func:`recurra.data.load_splits`."""
        return cls.from_splits(config, load_splits(config.data, config.train.seed))

    @classmethod
    def from_splits(cls, config: RunConfig, splits: Splits) -> Classify:
        """Learn the vocabulary and the classes from the training texts, and encode all."""
        vocabulary = Vocabulary.build((chunk.texts for chunk in splits.train.chunks()), config.vocabulary)
        vectors = config.vocabulary.vectors and vocabulary.read_vectors(config.vocabulary.vectors)
        counts = splits.train.label_counts()
        classes = sorted(counts)
        longest = config.vocabulary.max_length
        encoded = {
            part: encode(texts, vocabulary, classes, longest)
            for part, texts in splits._asdict().items()
            if texts is not None
        }
        for part, examples in encoded.items():
            _say_what_was_read(part, examples, longest)
        if not len(encoded["train"].ids):
            raise DataError(f"{splits.train.name}: no text has a single symbol; is the text column the right one?")
        columns = (splits.train.columns.text, splits.train.columns.label or "label")
        data = ClassifyData(encoded["train"], encoded["valid"], encoded.get("test"))
        return cls(config, vocabulary, classes, [counts[name] for name in classes], columns, data, vectors or None)

    @classmethod
    def restore(cls, config: RunConfig, vocabulary: Vocabulary, facts: Mapping[str, Any]) -> Classify:
        """Make the task again from what a model directory holds."""
        return cls(config, vocabulary, facts["classes"], facts["label_counts"], tuple(facts["columns"]))

    def facts(self) -> dict[str, Any]:
        """The classes, how often each was seen, and the columns."""
        return {"classes": self.classes, "label_counts": self.label_counts, "columns": list(self.columns)}

    def steps(self) -> int:
        """How many batches an epoch has."""
        return len(self._shuffled(0))

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The training batches of an epoch, texts of like length together."""
        assert self.data is not None
        train = self.data.train
        assert train.labels is not None
        for chosen in self._shuffled(epoch):
            yield make_batch([train[index] for index in chosen], train.labels[chosen])

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross entropy, weighted by class if asked."""
        logits = network(batch.values, batch.lengths)
        weights = None if self._class_weights is None else self._class_weights.to(logits.device)
        assert batch.labels is not None
        return nn.functional.cross_entropy(logits, batch.labels, weights)

    def validate(self) -> Validation:
        """Mean cross entropy and accuracy on the validation examples."""
        assert self.data is not None
        labels, probabilities = self.data.valid.labels, self.probabilities(self.data.valid)
        assert labels is not None
        of_true = probabilities[np.arange(len(labels)), labels]
        loss = -np.log(np.maximum(of_true, np.finfo(np.float32).tiny)).mean()
        right = probabilities.argmax(1) == labels
        return Validation(float(loss), float(right.mean()), float(right.std() / np.sqrt(len(right))))

    def probabilities(self, examples: Encoded, batch_size: int = 128) -> NDArray[np.float32]:
        """Each class's probability for encoded texts, [n, C], in their order."""
        found = np.zeros((len(examples), len(self.classes)), np.float32)
        device = next(self.network.parameters()).device
        training = self.network.training
        self.network.eval()
        with torch.inference_mode():
            for chosen in length_sorted(examples.lengths, batch_size):
                batch = make_batch([examples[index] for index in chosen]).to(device)
                found[chosen] = self.network(batch.values, batch.lengths).softmax(dim=-1).cpu().numpy()
        self.network.train(training)
        return found

    def encode(self, texts: Texts) -> Encoded:
        """Encode texts, with their labels where they have some, as the training texts were."""
        classes = self.classes if texts.labelled else None
        return encode(texts, self.vocabulary, classes, self.config.vocabulary.max_length)

    def _shuffled(self, epoch: int) -> list[NDArray[np.int64]]:
        assert self.data is not None
        settings = self.config.train
        return shuffled_batches(self.data.train.lengths, settings.batch_size, settings.seed, epoch)


def _say_what_was_read(part: str, examples: Encoded, max_length: int | None) -> None:
    notes = [f"{len(examples.ids):,} tokens", f"{100 * examples.unknown_share:.1f} % unknown"]
    if examples.empty:
        notes.append(f"{examples.empty:,} empty texts, kept")
    if examples.truncated:
        notes.append(f"{examples.truncated:,} texts cut to {max_length:,} tokens")
    _log.info("%s: %s texts, %s", part, f"{len(examples):,}", ", ".join(notes))
    longest = int(examples.lengths.max(initial=0))
    if longest > _LONG:
        _log.warning("%s: the longest text has %s tokens; --max-length cuts such texts", part, f"{longest:,}")
