"""Language modelling: the next symbol of a running text."""

from __future__ import annotations

import copy
import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.batch import Batch, make_batch, padding_noise, random_sequences
from recurra.config import LanguageModelConfig
from recurra.data import Texts, load_texts
from recurra.data.corpus import Corpus, load_corpus
from recurra.data.encoded import Encoded, encode
from recurra.data.hub import is_hub
from recurra.errors import DataError
from recurra.inputs import chunks_of_inputs
from recurra.language_scores import NGrams, language_scores, language_tables
from recurra.nn.language_model import LanguageModelNetwork
from recurra.tables import ScoreTable
from recurra.tasks.base import Loss, RecurrentCall, Start, Task, Validation
from recurra.vocabulary import END, PADDING, Vocabulary

__all__ = ["LanguageModelData", "ModelLanguage"]

_log = logging.getLogger("recurra")
_STREAM = 10_000  # symbols that one of several pieces scored side by side has at least
_MOST_STREAMS = 16
_CHUNK = 256  # steps that are scored at a time
_SENTENCES = 64  # texts that are scored at a time


@dataclass(frozen=True)
class LanguageModelData:
    """The encoded text of a run, the symbol for the end of a line behind each."""

    train: Encoded
    valid: Encoded
    test: Encoded | None


class ModelLanguage(Task):
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
    enough_steps = 4000
    reading = ("text_column",)
    evaluating: ClassVar[tuple[str, ...]] = ("dynamic",)
    config: LanguageModelConfig
    network: LanguageModelNetwork

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
            raise DataError(f"{name}: expected at least two different symbols, found {len(vocabulary) - END - 1}")
        if symbols < 2 * rows:
            raise DataError(
                f"{name}: expected at least {2 * rows:,} symbols for batches of {rows} pieces, found {symbols:,}; "
                f"give a longer text or a smaller --batch-size"
            )
        return cls(config, vocabulary, LanguageModelData(encoded["train"], encoded["valid"], encoded.get("test")))

    @classmethod
    def restore(cls, config: LanguageModelConfig, vocabulary: Vocabulary, facts: Mapping[str, Any]) -> ModelLanguage:
        """Make the task again from what a model directory holds."""
        return cls(config, vocabulary)

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
        found = self.log_probabilities(self.data.valid.ids)
        return Validation(float(-found.mean()), float(found.mean()), float(found.std() / np.sqrt(len(found))))

    @staticmethod
    def shown(score: float) -> str:
        """A mean log-probability as perplexity."""
        return f"{math.exp(min(-score, 700.0)):.2f}"

    def log_probabilities(self, ids: NDArray[np.int32], dynamic: float | None = None) -> NDArray[np.float64]:
        """The log-probability in nats of each symbol of a text, given those before it, [n].

        The first symbol follows the end of a line. A long text is read in up to 16 pieces of at least 10,000 symbols
        side by side; each begins with its last symbol before as all it knows, which costs the model a little.

        Args:
            ids: the text.
            dynamic: learning rate with which the weights follow the text while they read it: dynamic evaluation
                (Mikolov et al., Interspeech 2010; Krause et al., ICML 2018), always scored before it is learnt from.
        """
        streams = int(np.clip(len(ids) // _STREAM, 1, _MOST_STREAMS))
        size = math.ceil(len(ids) / streams)
        inputs, targets = np.full((2, streams * size), PADDING, np.int64)
        inputs[: len(ids)], targets[: len(ids)] = np.concatenate([[END], ids[:-1]]), ids
        values, labels = (torch.from_numpy(flat.reshape(streams, size)) for flat in (inputs, targets))
        read = self._read if dynamic is None else self._read_and_learn(dynamic)
        found = [scores.double().cpu().numpy() for scores in read(values, labels)]
        return cast(NDArray[np.float64], np.concatenate(found, axis=1).reshape(-1)[: len(ids)])

    def _read(self, values: Tensor, targets: Tensor) -> Iterator[Tensor]:
        """The log-probabilities [B, T] of chunks of a text."""
        device, state = next(self.network.parameters()).device, None
        training = self.network.training
        self.network.eval()
        with torch.inference_mode():
            for chunk, after in zip(values.split(_CHUNK, 1), targets.split(_CHUNK, 1)):
                scores, state = self.network.score(chunk.to(device), after.to(device), state)
                yield scores
        self.network.train(training)

    def _read_and_learn(self, rate: float) -> Any:
        """The same by a copy of the network that takes a step of SGD after each few symbols."""
        network, steps = copy.deepcopy(self.network).eval(), max(1, self.config.train.steps // 4)
        optimizer = torch.optim.SGD(network.parameters(), rate)

        def read(values: Tensor, targets: Tensor) -> Iterator[Tensor]:
            state = None
            for chunk, after in zip(values.split(steps, 1), targets.split(steps, 1)):
                with torch.no_grad():
                    yield network.score(chunk, after, state)[0]
                found = network(chunk, after, state)
                state = tuple(part.detach() for part in found.state)
                optimizer.zero_grad()
                found.loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), self.config.train.clip_norm)
                optimizer.step()

        return read

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
        """Score the model and its baselines on a text, as :func:`recurra.language_scores.language_scores`."""
        return language_scores(self.log_probabilities(examples.ids, dynamic), examples, baseline)

    def tables(self, scores: Mapping[str, Any], title: str, full: bool) -> list[ScoreTable]:
        """The model beside its baselines."""
        return language_tables(scores, title)

    def remarks(self, scores: Mapping[str, Any]) -> list[str]:
        """What the vocabulary does not know."""
        share = scores["unknown_share"]
        if not share:
            return ["unknown symbols: none"]
        return [
            f"unknown symbols: {100 * share:.1f} %, scored as one symbol; perplexities compare only where the "
            f"vocabulary is the same"
        ]

    def card(self) -> list[str]:
        """What the model was trained on."""
        kind = self.config.vocabulary.tokens
        return [f"Trained by recurra on `{self.config.data.data}`, to predict the next symbol; symbols are {kind}."]

    def example_call(self) -> str:
        """Go on with a prompt."""
        return 'model.generate("Once upon a time")'

    def load_labelled(self, source: str, **reading: Any) -> Encoded:
        """Read a text to be scored."""
        found = self.encode(load_texts(source, labels="no", preferred=("text", ""), **reading))
        if not len(found.ids):
            raise DataError(f"{source}: expected text, found none")
        return found

    def encode(self, texts: Texts) -> Encoded:
        """Encode lines as the training text was."""
        return encode(texts, self.vocabulary, with_end=True)

    def predict(self, inputs: Sequence[str], **reading: Any) -> Iterator[str]:
        """Score each text by itself; yield a JSON object a line, in the order of the input."""
        for texts in chunks_of_inputs(inputs, self.config.data.text_column or "", **reading):
            for start in range(0, len(texts), _SENTENCES):
                scored = self.surprise(texts[start : start + _SENTENCES])
                yield "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in scored)

    def surprise(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """The log-probability of each text and of each of its symbols, the end of the line included, in nats.

        Each text is read by itself, as the first line of a new text is.
        """
        tokens = [self.vocabulary.tokens(text) for text in texts]
        found = self._of_lines([[token.id for token in line] + [END] for line in tokens])
        answers = []
        for text, line, values in zip(texts, tokens, found):
            scored = [
                {"token": token.text, "log_probability": float(value), **({} if token.known else {"known": False})}
                for token, value in zip(line, values)
            ]
            scored.append({"token": "\n", "log_probability": float(values[-1])})
            total = float(values.sum())
            perplexity = math.exp(min(-total / len(values), 700.0))
            answers.append({"text": text, "log_probability": total, "perplexity": perplexity, "tokens": scored})
        return answers

    def _of_lines(self, lines: Sequence[Sequence[int]], padding: int = 0) -> list[Tensor]:
        """The log-probability of each symbol of some lines, [T], each read from the start."""
        batch = make_batch(lines)
        noise = padding_noise(len(self.vocabulary), len(lines), padding)
        values = torch.cat([batch.values, noise], dim=1)
        before = torch.cat([torch.full((len(lines), 1), END), values[:, :-1]], dim=1)
        self.network.eval()
        with torch.inference_mode():
            scores, _ = self.network.score(before, values, None, batch.lengths)
        return [scores[row, :length] for row, length in enumerate(batch.lengths.tolist())]

    def sequences(self, source: str | None, **reading: Any) -> list[list[int]]:
        """The ids of lines: of a source, of the training text's file, or else random ones."""
        own = self.config.data.data
        if source is None and (is_hub(own) or not Path(own).exists()):
            _log.info("the model's own data (%s) are not here: tried on random symbols", own)
            return random_sequences(len(self.vocabulary), 64)
        encoded = self.encode(load_texts(source or own, labels="no", preferred=("text", ""), **reading))
        return [encoded[index].tolist() for index in range(len(encoded))]

    def responses(self, sequences: Sequence[list[int]], padding: int = 0) -> list[Tensor]:
        """The probability of each symbol of each line, [T]."""
        return [found.exp() for found in self._of_lines(sequences, padding)]

    def recurrent_call(self, sequences: Sequence[list[int]]) -> RecurrentCall:
        """The recurrent layers and the embeddings they read."""
        batch = make_batch(sequences)
        return RecurrentCall(self.network.recurrent, self.network.embedding(batch.values).detach(), batch.lengths)
