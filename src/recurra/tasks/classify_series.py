"""Series classification: one of C classes for each sequence of numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.baselines import SUMMARIES, SeriesSummaries
from recurra.batch import FrameBatch, make_frame_batch
from recurra.config import OF_TEXTS, ClassifyConfig
from recurra.data.encoded_series import EncodedSeries, Standardisation, encode_series
from recurra.data.labelled_series import LabelledSeries, SeriesOrigin, channels_counted
from recurra.data.labelled_series_splits import (
    SeriesSplits,
    Trained,
    load_labelled_series,
    load_series_splits,
    require_channels,
)
from recurra.data.reading_notes import say_series_read
from recurra.errors import SettingsError
from recurra.inputs import series_of_inputs
from recurra.nn.classifier import SeriesClassifier
from recurra.tasks.base import Start
from recurra.tasks.classification import Classification, ClassifyData
from recurra.tasks.examined import RecurrentCall, as_told
from recurra.tasks.tried import own_data
from recurra.vocabulary import Vocabulary

__all__ = ["ClassifySeries", "SeriesPrediction"]

_CHUNK = 1024
_RANDOM = 64
_MOST_EPOCHS = 200  # sets of series are small: GunPoint's 50 are learnt to 80 % in 50 epochs, and to 93 % in 200


class SeriesPrediction(NamedTuple):
    """What a series is called, its most probable class, and every class's probability; also a line of the output."""

    series: str
    label: str
    probabilities: dict[str, float]


class ClassifySeries(Classification):
    """Classify series of numbers.

    Attributes:
        trained: how the training series were read, and the names of their I channels.
        standardisation: of the channels, by the training series; it lies in `config.json`, in double precision.
    """

    title = "Series classifier"
    unit = "steps"
    kind = "series"
    rival = SUMMARIES
    reading = ("id_column", "label_column", "delimiter", "header")
    network: SeriesClassifier

    def __init__(
        self,
        config: ClassifyConfig,
        classes: Sequence[str],
        label_counts: Sequence[int],
        trained: Trained,
        standardisation: Standardisation,
        data: ClassifyData | None = None,
    ) -> None:
        super().__init__(config, classes, label_counts, data)
        self.trained = trained
        self.standardisation = standardisation
        torch.manual_seed(config.train.seed)
        self.network = SeriesClassifier(len(trained.channels), len(classes), config.model)

    @classmethod
    def from_data(cls, config: ClassifyConfig, start: Start | None = None) -> Classification:
        """Read the data that the configuration names; :class:`recurra.tasks.classify.Classify` chooses this class."""
        return cls.from_splits(config, load_series_splits(config.data, config.train.seed), start)

    @classmethod
    def from_splits(cls, config: ClassifyConfig, splits: SeriesSplits, start: Start | None = None) -> ClassifySeries:
        """Learn the classes and the standardisation from the training series, and encode all.

        Raises:
            SettingsError: an option was told that is about symbols.
            DataError: numbers too large to be read.
        """
        _refuse_of_texts(config, splits.train.name)
        standardisation = Standardisation.fit(splits.train)
        counts = splits.train.label_counts()
        encoded = {
            part: encode_series(series, standardisation, list(counts))
            for part, series in splits._asdict().items()
            if series is not None
        }
        for part, examples in encoded.items():
            say_series_read(part, examples.lengths, len(splits.train.channels))
        data = ClassifyData(encoded["train"], encoded["valid"], encoded.get("test"))
        trained = Trained(splits.train.origin, splits.train.channels)
        return cls(config, list(counts), list(counts.values()), trained, standardisation, data)

    @classmethod
    def restore(
        cls, config: ClassifyConfig, vocabularies: Mapping[str, Vocabulary], facts: Mapping[str, Any]
    ) -> ClassifySeries:
        """Make the task again from what a model directory holds."""
        trained = Trained(SeriesOrigin(**facts["origin"]), tuple(facts["channels"]))
        standardisation = Standardisation.from_json(facts["standardisation"])
        return cls(config, facts["classes"], facts["label_counts"], trained, standardisation)

    def epochs(self) -> int:
        """How many epochs a run has: as it is told or, if it is not, enough for `enough_steps`, but 3 to 200."""
        return self.config.train.epochs or min(max(3, math.ceil(self.enough_steps / self.steps())), _MOST_EPOCHS)

    @property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """None: there are no symbols."""
        return {}

    def facts(self) -> dict[str, Any]:
        """The classes, how often each was seen, the channels with mean and deviation, and how the series were read."""
        return {
            "classes": self.classes,
            "label_counts": self.label_counts,
            "channels": list(self.trained.channels),
            "origin": vars(self.trained.origin),
            "standardisation": self.standardisation.to_json(),
        }

    def make_batch(self, sequences: Sequence[Any], labels: NDArray[np.int64] | None = None) -> FrameBatch:
        """Put series [T, I] side by side."""
        return make_frame_batch(sequences, labels)

    def encode(self, series: LabelledSeries) -> EncodedSeries:
        """Standardise series as those of training were, with their labels where they have some.

        Raises:
            DataError: a label that training had not, or numbers too large to be read.
        """
        self.refuse_unseen(series.name, series.label_counts())
        return encode_series(series, self.standardisation, self.classes)

    def fit_baseline(self) -> SeriesSummaries:
        """Fit the regression over summaries on the training data."""
        assert self.data is not None
        return SeriesSummaries.fit(self.data.train, self.data.valid, len(self.classes), self.config.train.seed)

    def restore_baseline(self, tensors: Mapping[str, Tensor]) -> SeriesSummaries:
        """Make the regression over summaries again."""
        return SeriesSummaries.from_tensors(tensors)

    def described(self, examples: EncodedSeries) -> dict[str, Any]:
        """The least and the largest number of steps."""
        return {"shortest": int(examples.lengths.min()), "longest": int(examples.lengths.max())}

    def remarks(self, scores: Mapping[str, Any]) -> list[str]:
        """The gain over the regression on summaries, and how long the series are."""
        steps = f"series of {scores['shortest']:,} to {scores['longest']:,} steps"
        return [*super().remarks(scores), f"{steps}, {channels_counted(len(self.trained.channels))}"]

    def card(self) -> list[str]:
        """What the model was trained on, its channels, and its classes."""
        origin, channels = self.trained
        label = "the class" if origin.label_column is None else f"`{origin.label_column}`"
        names = ", ".join(f"`{name}`" for name in channels)
        return [
            f"Trained by recurra on `{self.config.data.data}`, series of numbers, to predict {label}.",
            self.counted_classes(),
            f"Channels: {names}; each is brought to mean 0 and deviation 1 by the training series.",
        ]

    def example_call(self) -> str:
        """Classify a series."""
        step = [0.5] * len(self.trained.channels)
        return f"model.predict([[{step}, {step}, {step}]])  # one series of three steps"

    def load_labelled(self, source: str, **reading: Any) -> EncodedSeries:
        """Read labelled series; columns and channels are those of the training data."""
        return self.encode(load_labelled_series(source, self.trained, labels="required", **reading))

    def own_examples(self, most: int) -> EncodedSeries:
        """The validation series of the run."""
        series = load_series_splits(as_told(self.config.data), self.config.train.seed).valid
        require_channels(series, self.trained)
        return self.encode(series)

    def predict(self, inputs: Sequence[str], **options: Any) -> Iterator[str]:
        """Yield a JSON object a line, in the order of the input; a series that has no id is called by its number."""
        for series in series_of_inputs(inputs, self.trained, **options):
            examples = self.encode(series)
            for start in range(0, len(examples), _CHUNK):
                chunk = EncodedSeries(
                    examples.values[start : start + _CHUNK], None, examples.ids[start : start + _CHUNK]
                )
                rows = self.probabilities(chunk)
                found = (
                    SeriesPrediction(id_, self.classes[int(row.argmax())], dict(zip(self.classes, map(float, row))))
                    for id_, row in zip(chunk.ids, rows)
                )
                yield "".join(json.dumps(one._asdict(), ensure_ascii=False) + "\n" for one in found)

    def sequences(self, source: str | None, **reading: Any) -> list[list[list[float]]]:
        """Series, standardised: of a source, of the training data's file, or else random ones."""
        found = source or own_data(self.config, "numbers")
        if found is None:
            rng = np.random.default_rng(0)
            return [rng.normal(size=(rng.integers(1, 60), len(self.trained.channels))).tolist() for _ in range(_RANDOM)]
        if source is None:
            own = self.config.data
            told = {"id_column": own.id_column, "label_column": own.label_column}
            reading = {**told, "delimiter": own.delimiter, "header": own.header, **reading}
        series = load_labelled_series(found, self.trained, labels="no", **reading)
        return [values.tolist() for values in self.encode(series).values]

    def responses(self, sequences: Sequence[list[list[float]]], padding: int = 0) -> list[Tensor]:
        """The probabilities of the classes, [C] for each series."""
        batch = self._batch_of(sequences)
        noise = torch.randn(len(sequences), padding, batch.values.shape[2], generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            logits = self.network(torch.cat([batch.values, noise], dim=1), batch.lengths)
            return list(logits.softmax(-1))

    def recurrent_call(self, sequences: Sequence[list[list[float]]]) -> RecurrentCall | None:
        """The encoder's recurrent layers and the numbers they read."""
        layers, batch = self.network.encoder.recurrent, self._batch_of(sequences)
        return None if layers is None else RecurrentCall(layers, batch.values, batch.lengths)

    @staticmethod
    def _batch_of(sequences: Sequence[list[list[float]]]) -> FrameBatch:
        return make_frame_batch([np.array(values, dtype=np.float32) for values in sequences])


def _refuse_of_texts(config: ClassifyConfig, name: str) -> None:
    for section, options in OF_TEXTS.items():
        settings = getattr(config, section)
        for option in options:
            if option in settings.model_fields_set:
                value = getattr(settings, option)
                raise SettingsError(
                    f"option '{option}' ({value}) would have no effect: {name} holds series of numbers, which have no "
                    f"symbols"
                )
