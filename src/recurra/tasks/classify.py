"""Text classification: one of C classes for each text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.baselines import BAG_OF_WORDS, MAJORITY, BagOfWords, majority_probabilities
from recurra.batch import Batch, length_sorted, make_batch, padding_noise, shuffled_batches
from recurra.config import ClassifyConfig
from recurra.data import Splits, Texts, load_splits, load_texts
from recurra.data.encoded import Encoded, encode
from recurra.data.reading_notes import say_what_was_read
from recurra.errors import DataError, nearest
from recurra.inputs import chunks_of_inputs
from recurra.metrics import classification_scores, classification_tables, gain_line, paired_difference
from recurra.nn.classifier import TextClassifier
from recurra.nn.encoder import start_from
from recurra.tables import ScoreTable
from recurra.tasks.base import Loss, RecurrentCall, Start, Task, Validation, started_config
from recurra.tasks.tried import sequences_of_texts
from recurra.vocabulary import Vectors, Vocabulary

__all__ = ["Classify", "ClassifyData", "Evaluation", "Prediction"]


@dataclass(frozen=True)
class ClassifyData:
    """The encoded examples of a run."""

    train: Encoded
    valid: Encoded
    test: Encoded | None


class Prediction(NamedTuple):
    """A text, its most probable class, and every class's probability; also a line of the output."""

    text: str
    label: str
    probabilities: dict[str, float]


class Evaluation(NamedTuple):
    """What was predicted for some examples, and the scores to show: [n, C] probabilities and a JSON-like mapping."""

    probabilities: NDArray[np.float32]
    scores: dict[str, Any]


class Classify(Task):
    """Classify texts.

    Attributes:
        classes: names of the C classes, sorted.
        label_counts: training examples of each class, in the order of the classes.
        columns: the names of the text and the label column of the training data.
        data: the examples, when made from data.
    """

    name = "classify"
    title = "Text classifier"
    score = "accuracy"
    reading = ("text_column", "label_column", "delimiter", "header")
    config: ClassifyConfig
    network: TextClassifier

    def __init__(
        self,
        config: ClassifyConfig,
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
        self.network = TextClassifier(len(vocabulary), len(classes), config.model)
        if vectors is not None:
            self.network.encoder.load_vectors(*vectors)
        self._class_weights: Tensor | None = None
        if config.train.class_weights == "balanced":
            counts = torch.tensor(self.label_counts, dtype=torch.float32)
            self._class_weights = counts.sum() / (len(counts) * counts)

    @classmethod
    def from_data(cls, config: ClassifyConfig, start: Start | None = None) -> Classify:
        """Read the data that the configuration names; errors as :func:`recurra.data.load_splits`."""
        return cls.from_splits(config, load_splits(config.data, config.train.seed), start)

    @classmethod
    def from_splits(cls, config: ClassifyConfig, splits: Splits, start: Start | None = None) -> Classify:
        """Learn the vocabulary, but for the one of a start, and the classes from the training texts, and encode all."""
        config = started_config(config, start)
        chunks = (chunk.texts for chunk in splits.train.chunks())
        vocabulary = Vocabulary.build(chunks, config.vocabulary) if start is None else start.vocabulary
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
            cut = [f"{examples.truncated:,} texts cut to {longest:,} tokens"] if examples.truncated else []
            how = "--max-length cuts such texts"
            say_what_was_read(part, examples.lengths, examples.unknown, kind="texts", remedy=how, notes=cut)
        if not len(encoded["train"].ids):
            raise DataError(f"{splits.train.name}: no text has a single symbol; is the text column the right one?")
        columns = (splits.train.columns.text, splits.train.columns.label or "label")
        data = ClassifyData(encoded["train"], encoded["valid"], encoded.get("test"))
        task = cls(config, vocabulary, classes, [counts[name] for name in classes], columns, data, vectors or None)
        encoder = task.network.encoder
        if start is not None and encoder.recurrent is not None:
            start_from(start.weights, encoder.embedding, encoder.recurrent)
        return task

    @classmethod
    def restore(
        cls, config: ClassifyConfig, vocabularies: Mapping[str, Vocabulary], facts: Mapping[str, Any]
    ) -> Classify:
        """Make the task again from what a model directory holds."""
        return cls(
            config, vocabularies["tokenizer.json"], facts["classes"], facts["label_counts"], tuple(facts["columns"])
        )

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

    def loss(self, network: nn.Module, batch: Batch, carried: Any = None) -> Loss:
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

    def held_out(self) -> dict[str, Encoded]:
        """The validation and, where there are some, the test examples."""
        assert self.data is not None
        return {"valid": self.data.valid} | ({} if self.data.test is None else {"test": self.data.test})

    def fit_baseline(self) -> BagOfWords:
        """Fit the bag of words on the training data."""
        assert self.data is not None
        sizes = (len(self.vocabulary), len(self.classes))
        return BagOfWords.fit(self.data.train, self.data.valid, *sizes, self.config.train.seed)

    def restore_baseline(self, tensors: Mapping[str, Tensor]) -> BagOfWords:
        """Make the bag of words again."""
        return BagOfWords.from_tensors(tensors)

    def evaluate(self, examples: Encoded, baseline: BagOfWords) -> dict[str, Any]:
        """Score the classifier and its baselines; the scores of :meth:`assess`."""
        return self.assess(examples, baseline).scores

    def assess(self, examples: Encoded, baseline: BagOfWords) -> Evaluation:
        """Predict labelled examples and score the predictions.

        Returns:
            Probabilities, and scores: "model", "baselines" (a mapping of name to scores, each as
            :func:`recurra.metrics.classification_scores`), "gain" (accuracy over the bag of words, with its interval),
            "empty", "truncated" and "unknown_share".
        """
        labels = examples.labels
        assert labels is not None
        probabilities = self.probabilities(examples)
        baselines = {
            MAJORITY: majority_probabilities(self.label_counts, len(examples)),
            BAG_OF_WORDS: baseline.probabilities(examples),
        }
        right, theirs = (p.argmax(1) == labels for p in (probabilities, baselines[BAG_OF_WORDS]))
        scores = {
            "model": classification_scores(labels, probabilities, self.classes),
            "baselines": {name: classification_scores(labels, p, self.classes) for name, p in baselines.items()},
            "gain": paired_difference(right, theirs),
            "empty": examples.empty,
            "truncated": examples.truncated,
            "unknown_share": examples.unknown_share,
        }
        return Evaluation(probabilities, scores)

    def tables(self, scores: Mapping[str, Any], title: str, full: bool) -> list[ScoreTable]:
        """The model beside its baselines and, with `full`, the classes and the confusion matrix."""
        return classification_tables(scores, title, full)

    def remarks(self, scores: Mapping[str, Any]) -> list[str]:
        """The gain over the bag of words, and what the vocabulary does not know."""
        unknown = f"unknown symbols: {100 * scores['unknown_share']:.1f} %; empty texts: {scores['empty']:,}"
        return [gain_line(scores["gain"], BAG_OF_WORDS), unknown]

    def card(self) -> list[str]:
        """What the model was trained on, and its classes."""
        counts = ", ".join(f"{name} ({count:,})" for name, count in zip(self.classes, self.label_counts))
        return [
            f"Trained by recurra on `{self.config.data.data}`, column `{self.columns[0]}`, to predict "
            f"`{self.columns[1]}`.",
            f"Classes, with their training examples: {counts}.",
        ]

    def example_call(self) -> str:
        """Classify a text."""
        return 'model.predict(["a film to forget"])'

    def load_labelled(self, source: str, **reading: Any) -> Encoded:
        """Read labelled examples; the columns are those of the training data where the source has them."""
        texts = load_texts(source, labels="required", preferred=self.columns, **reading)
        counts = texts.label_counts()
        unseen = {name: count for name, count in counts.items() if name not in self.classes}
        if unseen:
            listed = ", ".join(f"'{name}' ({n:,} texts){nearest(name, self.classes)}" for name, n in unseen.items())
            expected = ", ".join(self.classes)
            raise DataError(f"{texts.name}: expected the classes {expected}; never seen in training: {listed}")
        return self.encode(texts)

    def predict(self, inputs: Sequence[str], **options: Any) -> Iterator[str]:
        """Yield a JSON object a line, in the order of the input."""
        for predictions in self.predictions(chunks_of_inputs(inputs, self.columns[0], **options)):
            yield "".join(json.dumps(one._asdict(), ensure_ascii=False) + "\n" for one in predictions)

    def predictions(self, chunks: Iterable[list[str]]) -> Iterator[list[Prediction]]:
        """Predict texts chunk by chunk; the texts of a chunk are batched by length and come back in order."""
        for texts in chunks:
            rows = self.probabilities(self.encode(Texts.from_lists(texts)))
            yield [
                Prediction(text, self.classes[int(row.argmax())], dict(zip(self.classes, map(float, row))))
                for text, row in zip(texts, rows)
            ]

    def sequences(self, source: str | None, **reading: Any) -> list[list[int]]:
        """The ids of texts: of a source, of the training data's file, or else random ones."""
        own = {"delimiter": self.config.data.delimiter, "header": self.config.data.header}
        return sequences_of_texts(self, source, self.columns, reading, own)

    def responses(self, sequences: Sequence[list[int]], padding: int = 0) -> list[Tensor]:
        """The probabilities of the classes, [C] for each text."""
        batch = make_batch(sequences)
        noise = padding_noise(len(self.vocabulary), len(sequences), padding)
        with torch.inference_mode():
            logits = self.network(torch.cat([batch.values, noise], dim=1), batch.lengths)
            return list(logits.softmax(-1))

    def recurrent_call(self, sequences: Sequence[list[int]]) -> RecurrentCall | None:
        """The encoder's recurrent layers and the embeddings they read."""
        layers, batch = self.network.encoder.recurrent, make_batch(sequences)
        if layers is None:
            return None
        return RecurrentCall(layers, self.network.encoder.embedding(batch.values).detach(), batch.lengths)

    def _shuffled(self, epoch: int) -> list[NDArray[np.int64]]:
        assert self.data is not None
        settings = self.config.train
        return shuffled_batches(self.data.train.lengths, settings.batch_size, settings.seed, epoch)
