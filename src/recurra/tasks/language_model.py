"""Language modelling: the next symbol of a running text."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.batch import Batch, make_batch
from recurra.config import LanguageModelConfig
from recurra.data import Texts
from recurra.data.corpus import Corpus, load_corpus
from recurra.data.encoded import Encoded, encode
from recurra.errors import DataError
from recurra.inputs import chunks_of_inputs
from recurra.language_scores import NGrams, language_scores, language_tables
from recurra.nn.language_model import LanguageModelNetwork
from recurra.perplexity import perplexity
from recurra.tables import ScoreTable
from recurra.tasks.base import Loss, Start, Validation, as_perplexity
from recurra.tasks.headline import Headline
from recurra.tasks.language_model_examined import ExaminedLanguageModel
from recurra.tasks.running_text import score_and_learn, score_lines, score_text, side_by_side
from recurra.vocabulary import END, Token, Vocabulary

__all__ = ["LanguageModelData", "ModelLanguage"]

_log = logging.getLogger("recurra")


@dataclass(frozen=True)
class LanguageModelData:
    """The encoded text of a run, the symbol for the end of a line behind each."""

    train: Encoded
    valid: Encoded
    test: Encoded | None


class ModelLanguage(ExaminedLanguageModel):
    """Predict the next symbol.

    A run reads `batch_size` pieces of the training text side by side, some steps at a time, and hands the recurrent
    state on from batch to batch: truncated backpropagation through time (Williams, Peng 1990). The text begins at
    another of its first steps in each epoch, so that batches do not always end at the same places.

    Attributes:
        data: the text, when made from data.
    """

    name = "language-model"
    title = "Language model"
    score = "perplexity"
    intervals = "95 %, normal, over the lines"
    enough_steps = 4000
    reading = ("text_column",)
    evaluating: ClassVar[tuple[str, ...]] = ("dynamic",)

    def __init__(
        self, config: LanguageModelConfig, vocabulary: Vocabulary, data: LanguageModelData | None = None
    ) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.data = data
        torch.manual_seed(config.train.seed)
        self.network = LanguageModelNetwork(len(vocabulary), config.model)

    @classmethod
    def from_data(cls, config: LanguageModelConfig, start: Start | None = None) -> ModelLanguage:
        """Read the text that the configuration names; errors as :func:`recurra.data.corpus.load_corpus`."""
        return cls.from_corpus(config, load_corpus(config.data))

    @classmethod
    def from_corpus(cls, config: LanguageModelConfig, corpus: Corpus) -> ModelLanguage:
        """Learn the vocabulary from the training lines, and encode all.

        Raises:
            DataError: the training text has too few symbols for one batch, or a vocabulary of one.
        """
        vocabulary = Vocabulary.build((chunk.texts for chunk in corpus.train.chunks()), config.vocabulary, has_end=True)
        parts = {part: texts for part, texts in corpus._asdict().items() if texts is not None}
        encoded = {part: encode(texts, vocabulary, with_end=True) for part, texts in parts.items()}
        for part, stream in encoded.items():
            unknown = f"{100 * stream.unknown_share:.1f} % unknown"
            _log.info("%s: %s symbols in %s lines, %s", part, f"{len(stream.ids):,}", f"{len(stream):,}", unknown)
        name, symbols, rows = corpus.train.name, len(encoded["train"].ids), config.train.batch_size
        if len(vocabulary) < END + 3:
            raise DataError(
                f"{name}: expected at least two different symbols that are seen {config.vocabulary.min_count} times "
                f"(--min-count), found {len(vocabulary) - END - 1}"
            )
        if symbols < 2 * rows:
            raise DataError(
                f"{name}: expected at least {2 * rows:,} symbols for batches of {rows} pieces, found {symbols:,}; "
                f"give a longer text or a smaller --batch-size"
            )
        return cls(config, vocabulary, LanguageModelData(encoded["train"], encoded["valid"], encoded.get("test")))

    @classmethod
    def restore(
        cls, config: LanguageModelConfig, vocabularies: Mapping[str, Vocabulary], facts: Mapping[str, Any]
    ) -> ModelLanguage:
        """Make the task again from what a model directory holds."""
        return cls(config, vocabularies["tokenizer.json"])

    def facts(self) -> dict[str, Any]:
        """Nothing: the settings and the vocabulary say all."""
        return {}

    def steps(self) -> int:
        """How many batches an epoch has."""
        return math.ceil(self._usable() / self.config.train.steps)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The training text in pieces side by side, [B, T] symbols and those that follow them."""
        assert self.data is not None
        ids, settings, usable = self.data.train.ids, self.config.train, self._usable()
        spare = len(ids) - 1 - usable * settings.batch_size
        first = int(np.random.default_rng([settings.seed, epoch]).integers(spare + 1))
        starts = first + usable * np.arange(settings.batch_size)
        for begin in range(0, usable, settings.steps):
            steps = min(settings.steps, usable - begin)
            rows = np.stack([ids[start + begin : start + begin + steps + 1] for start in starts]).astype(np.int64)
            pieces = torch.from_numpy(rows)
            lengths = torch.full((settings.batch_size,), steps)
            yield Batch(pieces[:, :-1].contiguous(), lengths, pieces[:, 1:].contiguous())

    def _usable(self) -> int:
        """The symbols of each piece: some are left over, so that the pieces can begin elsewhere in each epoch."""
        assert self.data is not None
        settings, predicted = self.config.train, len(self.data.train.ids) - 1
        whole = predicted // settings.batch_size
        return whole if whole < 20 * settings.steps else (predicted - settings.steps) // settings.batch_size

    def loss(self, network: nn.Module, batch: Batch, carried: Any) -> Loss:
        """Mean negative log-probability, with the activation regularisers (Merity, McCann, Socher 2017) if asked."""
        read = network(batch.values, batch.labels, carried)
        loss = read.loss
        settings = self.config.train
        if settings.activation:
            loss = loss + settings.activation * read.dropped.square().mean()
        if settings.temporal_activation and len(read.outputs) > 1:
            loss = loss + settings.temporal_activation * read.outputs.diff(dim=0).square().mean()
        return Loss(loss, tuple(part.detach() for part in read.state))

    def validate(self) -> Validation:
        """Mean negative log-probability in nats; the score is its negative, shown as perplexity."""
        assert self.data is not None
        return Validation.of_log_probabilities(self.log_probabilities(self.data.valid.ids))

    shown = staticmethod(as_perplexity)

    def log_probabilities(self, ids: NDArray[np.int32], dynamic: float | None = None) -> NDArray[np.float64]:
        """The log-probability in nats of each symbol of a text, given those before it, [n].

        Args:
            ids: the text.
            dynamic: learning rate of dynamic evaluation (:func:`recurra.tasks.running_text.score_and_learn`), a quarter
                of the training's `steps` at a time; the weights stay as they are when None.

        Raises:
            SettingsError: a learning rate that is not above 0.
            RecurraError: one so large that the weights are no longer numbers.
        """
        if dynamic is None:
            return score_text(self.network, ids)
        settings = self.config.train
        return score_and_learn(self.network, ids, dynamic, max(1, settings.steps // 4), settings.clip_norm)

    def held_out(self) -> dict[str, Encoded]:
        """The validation and, where there is one, the test text."""
        assert self.data is not None
        return {"valid": self.data.valid} | ({} if self.data.test is None else {"test": self.data.test})

    def fit_baseline(self) -> NGrams:
        """Count the training text."""
        assert self.data is not None
        return NGrams.fit(self.data.train.ids, len(self.vocabulary))

    def restore_baseline(self, tensors: Mapping[str, Tensor]) -> NGrams:
        """Make the counts again."""
        return NGrams.from_tensors(tensors)

    def evaluate(self, examples: Encoded, baseline: NGrams, dynamic: float | None = None) -> dict[str, Any]:
        """Score the model and its baselines on a text, as :func:`recurra.language_scores.language_scores`.

        Args:
            examples: the text.
            baseline: the counts of the training text.
            dynamic: as for :meth:`log_probabilities`; the model is then scored in both ways.
        """
        learning = None if dynamic is None else self.log_probabilities(examples.ids, dynamic)
        return language_scores(self.log_probabilities(examples.ids), examples, baseline, learning)

    def headline(self) -> Headline:
        """The perplexity."""
        return Headline("perplexity", ("perplexity",), higher=False, unit="", digits=2, limits=(1.0, math.inf))

    def tables(self, scores: Mapping[str, Any], title: str, full: bool) -> list[ScoreTable]:
        """The model beside its baselines."""
        return language_tables(scores, title)

    def remarks(self, scores: Mapping[str, Any]) -> list[str]:
        """What the vocabulary does not know."""
        share = scores["unknown_share"]
        if not share:
            return ["unknown symbols: none"]
        return [
            f"unknown symbols: {100 * share:.1f} %, scored as one symbol; scores compare only where the vocabulary is "
            f"the same"
        ]

    def card(self) -> list[str]:
        """What the model was trained on."""
        kind = self.config.vocabulary.tokens
        return [f"Trained by recurra on `{self.config.data.data}`, to predict the next symbol; symbols are {kind}."]

    def example_call(self) -> str:
        """Go on with a prompt."""
        return 'model.generate("Once upon a time")'

    def predict(self, inputs: Sequence[str], **options: Any) -> Iterator[str]:
        """Score each text by itself; yield a JSON object a line, in the order of the input."""
        for texts in chunks_of_inputs(inputs, self._columns()[0], **options):
            yield "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in self.surprise(texts))

    def surprise(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """The log-probability of each text and of each of its symbols, the end of the line included, in nats.

        Each text is read by itself, as the first line of a new text is.

        Raises:
            DataError: a text holds half of a surrogate pair.
        """
        Texts.from_lists(texts)
        end = Token("\n", END, True)
        tokens = [
            [token for line in text.split("\n") for token in (*self.vocabulary.tokens(line), end)] for text in texts
        ]
        found: dict[int, list[float]] = {}
        for chosen in side_by_side([len(line) for line in tokens]):
            batch = make_batch([[token.id for token in tokens[index]] for index in chosen])
            scored = score_lines(self.network, batch.values, batch.lengths.tolist())
            found |= zip(chosen, (part.tolist() for part in scored))
        answers = []
        for number, (text, line) in enumerate(zip(texts, tokens)):
            values = found[number]
            of_tokens = [
                {"token": token.text, "log_probability": value, **({} if token.known else {"known": False})}
                for token, value in zip(line, values)
            ]
            total = math.fsum(values)
            scores = {"log_probability": total, "perplexity": perplexity(-total / len(values))}
            answers.append({"text": text, **scores, "tokens": of_tokens})
        return answers
