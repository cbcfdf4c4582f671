"""Text classification: one of C classes for each text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.baselines import BAG_OF_WORDS, BagOfWords
from recurra.batch import Batch, make_batch, padding_noise
from recurra.config import ClassifyConfig
from recurra.data import Splits, Texts, load_splits, load_texts
from recurra.data.encoded import Encoded, encode
from recurra.data.labelled_series_columns import holds_series
from recurra.data.labelled_series_splits import load_series_splits
from recurra.data.reading_notes import say_what_was_read
from recurra.data.splits import open_training
from recurra.data.ts_file import is_ts
from recurra.errors import DataError, SettingsError
from recurra.inputs import chunks_of_inputs
from recurra.nn.classifier import TextClassifier
from recurra.nn.encoder import start_from
from recurra.tasks.base import Start, started_config
from recurra.tasks.classification import Classification, ClassifyData, Evaluation
from recurra.tasks.classify_series import ClassifySeries
from recurra.tasks.examined import RecurrentCall, as_told
from recurra.tasks.tried import sequences_of_texts
from recurra.vocabulary import Vectors, Vocabulary

__all__ = ["Classify", "ClassifyData", "Evaluation", "Prediction"]


class Prediction(NamedTuple):
    """A text, its most probable class, and every class's probability; also a line of the output."""

    text: str
    label: str
    probabilities: dict[str, float]


class Classify(Classification):
    """Classify texts.

    Attributes:
        columns: the names of the text and the label column of the training data.
    """

    title = "Text classifier"
    kind = "texts"
    rival = BAG_OF_WORDS
    reading = ("text_column", "label_column", "delimiter", "header")
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
        super().__init__(config, classes, label_counts, data)
        self.vocabulary = vocabulary
        self.columns = columns
        torch.manual_seed(config.train.seed)
        self.network = TextClassifier(len(vocabulary), len(classes), config.model)
        if vectors is not None:
            self.network.encoder.load_vectors(*vectors)

    @classmethod
    def from_data(cls, config: ClassifyConfig, start: Start | None = None) -> Classification:
        """Read the data that the configuration names: texts or, where they are these, series of numbers.

        Errors are those of :func:`recurra.data.load_splits` and
        :func:`recurra.data.labelled_series_splits.load_series_splits`.
        """
        data, seed, training = config.data, config.train.seed, None
        told = "text" if data.text_column is not None else "series" if data.id_column is not None else data.inputs
        if is_ts(data.data) and told == "text":
            option = "inputs" if data.inputs == "text" else "text_column"
            raise SettingsError(f"option '{option}' ({getattr(data, option)}): {data.data} is a .ts file of numbers")
        if not is_ts(data.data):
            training = open_training(data)
        if training is None or told == "series" or (told is None and holds_series(training, data)):
            return ClassifySeries.from_splits(config, load_series_splits(data, seed, training), start)
        return cls.from_splits(config, load_splits(data, seed, training), start)

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
    ) -> Classification:
        """Make the task again from what a model directory holds: that of texts or, by its facts, that of series."""
        if "channels" in facts:
            return ClassifySeries.restore(config, vocabularies, facts)
        return cls(
            config, vocabularies["tokenizer.json"], facts["classes"], facts["label_counts"], tuple(facts["columns"])
        )

    def facts(self) -> dict[str, Any]:
        """The classes, how often each was seen, and the columns."""
        return {"classes": self.classes, "label_counts": self.label_counts, "columns": list(self.columns)}

    def make_batch(self, sequences: Sequence[Any], labels: NDArray[np.int64] | None = None) -> Batch:
        """Put texts side by side, each as its ids."""
        return make_batch(sequences, labels)

    def encode(self, texts: Texts) -> Encoded:
        """Encode texts, with their labels where they have some, as the training texts were."""
        classes = self.classes if texts.labelled else None
        return encode(texts, self.vocabulary, classes, self.config.vocabulary.max_length)

    def fit_baseline(self) -> BagOfWords:
        """Fit the bag of words on the training data."""
        assert self.data is not None
        sizes = (len(self.vocabulary), len(self.classes))
        return BagOfWords.fit(self.data.train, self.data.valid, *sizes, self.config.train.seed)

    def restore_baseline(self, tensors: Mapping[str, Tensor]) -> BagOfWords:
        """Make the bag of words again."""
        return BagOfWords.from_tensors(tensors)

    def described(self, examples: Encoded) -> dict[str, Any]:
        """How many texts are empty or were cut, and the share of symbols that the vocabulary does not know."""
        return {"empty": examples.empty, "truncated": examples.truncated, "unknown_share": examples.unknown_share}

    def remarks(self, scores: Mapping[str, Any]) -> list[str]:
        """The gain over the bag of words, and what the vocabulary does not know."""
        unknown = f"unknown symbols: {100 * scores['unknown_share']:.1f} %; empty texts: {scores['empty']:,}"
        return [*super().remarks(scores), unknown]

    def card(self) -> list[str]:
        """What the model was trained on, and its classes."""
        text, label = self.columns
        return [
            f"Trained by recurra on `{self.config.data.data}`, column `{text}`, to predict `{label}`.",
            self.counted_classes(),
        ]

    def example_call(self) -> str:
        """Classify a text."""
        return 'model.predict(["a film to forget"])'

    def load_labelled(self, source: str, **reading: Any) -> Encoded:
        """Read labelled examples; the columns are those of the training data where the source has them."""
        texts = load_texts(source, labels="required", preferred=self.columns, **reading)
        self.refuse_unseen(texts.name, texts.label_counts())
        return self.encode(texts)

    def own_examples(self, most: int) -> Encoded:
        """The validation texts of the run."""
        texts = load_splits(as_told(self.config.data), self.config.train.seed).valid
        self.refuse_unseen(texts.name, texts.label_counts())
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
