"""Translation: a text for a text, by an encoder, a decoder and a search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.batch import PairBatch, length_sorted, shuffled_batches
from recurra.config import TranslateConfig
from recurra.data import Texts
from recurra.data.pair_splits import PairSplits, load_pair_splits
from recurra.errors import SettingsError
from recurra.nn.translation import TranslationNetwork
from recurra.search import Search
from recurra.tables import ScoreTable
from recurra.tasks.base import Loss, Start, Validation, as_perplexity
from recurra.tasks.headline import Headline
from recurra.tasks.translate_examined import ExaminedTranslator
from recurra.tasks.translate_examples import (
    BothVocabularies,
    PairExamples,
    TranslateData,
    encode_examples,
    learn_vocabularies,
    say_both,
)
from recurra.tasks.translate_facts import TranslateFacts, learn_facts
from recurra.tasks.translations import Translation, Writer, json_line, make_search, source_chunks, translate
from recurra.translation_baselines import NearestNeighbour, baseline_answers
from recurra.translation_scores import Likelihood, by_source, full_scores
from recurra.translation_tables import translation_remarks, translation_tables
from recurra.vocabulary import Vocabulary

__all__ = ["Translate"]

_POSITIONS = 2**16  # symbols of a batch of pairs that is scored, padding included
_SEARCHING = ("beam", "length_penalty", "coverage_penalty", "max_ratio")


class Translate(ExaminedTranslator):
    """Write a text for a text.

    Attributes:
        target_vocabulary: of the target side; the same as `vocabulary` where one serves both.
        data: the examples, when made from data.
    """

    name = "translate"
    title = "Translator"
    score = "perplexity"
    intervals = "95 % bootstrap over the source texts"
    enough_steps = 4000
    reading = ("target", "source_column", "target_column", "delimiter", "header")
    evaluating: ClassVar[tuple[str, ...]] = _SEARCHING
    answering: ClassVar[tuple[str, ...]] = (
        *(*_SEARCHING, "n_best", "temperature", "top_k", "top_p", "seed", "attention", "replace_unknown"),
    )

    def __init__(
        self,
        config: TranslateConfig,
        vocabularies: BothVocabularies,
        known: TranslateFacts,
        data: TranslateData | None = None,
    ) -> None:
        self.config = config
        self.both = vocabularies
        self.vocabulary = vocabularies.source
        self.target_vocabulary = vocabularies.target
        self.known = known
        self.data = data
        torch.manual_seed(config.train.seed)
        self.network = TranslationNetwork(
            len(vocabularies.source), len(vocabularies.target), config.model, config.one_vocabulary
        )

    @classmethod
    def from_data(cls, config: TranslateConfig, start: Start | None = None) -> Translate:
        """Read the pairs that the configuration names; errors as :func:`recurra.data.pair_splits.load_pair_splits`."""
        return cls.from_splits(config, load_pair_splits(config.data, config.train.seed))

    @classmethod
    def from_splits(cls, config: TranslateConfig, splits: PairSplits) -> Translate:
        """Learn the vocabularies from the training pairs, and encode all."""
        vocabularies = learn_vocabularies(config, splits.train)
        examples = {}
        for part, pairs in splits._asdict().items():
            if pairs is not None:
                examples[part] = encode_examples(config, pairs, vocabularies)
                say_both(part, examples[part])
        data = TranslateData(examples["train"], examples["valid"], examples.get("test"))
        return cls(config, vocabularies, learn_facts(data.train), data)

    @classmethod
    def restore(
        cls, config: TranslateConfig, vocabularies: Mapping[str, Vocabulary], facts: Mapping[str, Any]
    ) -> Translate:
        """Make the task again from what a model directory holds."""
        both = BothVocabularies(vocabularies[config.tokenizers[0]], vocabularies[config.tokenizers[-1]])
        return cls(config, both, TranslateFacts(**{**facts, "columns": tuple(facts["columns"])}))

    @property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """One, or one of each side."""
        return dict(zip(self.config.tokenizers, self.both))

    def facts(self) -> dict[str, Any]:
        """The columns, the number of pairs, the longest translation for its source, and the characters of each side."""
        return {**asdict(self.known), "columns": list(self.known.columns)}

    def steps(self) -> int:
        """How many batches an epoch has."""
        return len(self._shuffled(0))

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """The training batches of an epoch, pairs of like length together.

        The share of symbols that the decoder reads from itself grows from none in the first epoch to the one asked for
        in the last (Bengio et al., "Scheduled sampling for sequence prediction with recurrent neural networks", NeurIPS
        2015).
        """
        assert self.data is not None
        sampling = self.config.train.scheduled_sampling
        if sampling:
            sampling *= (epoch - 1) / max(1, self.epochs() - 1)
        for chosen in self._shuffled(epoch):
            yield self.data.train.batch(chosen, sampling)

    def loss(self, network: nn.Module, batch: PairBatch, carried: Any = None) -> Loss:
        """Mean cross entropy over the target symbols, smoothed if asked; with coverage its loss too."""
        return Loss(network(batch, self.config.train.label_smoothing).loss)

    def validate(self) -> Validation:
        """Mean negative log-probability of a target symbol in nats; the score is its negative, shown as perplexity."""
        assert self.data is not None
        return Validation.of_log_probabilities(np.concatenate(self.log_probabilities(self.data.valid)))

    shown = staticmethod(as_perplexity)

    def log_probabilities(self, examples: PairExamples) -> list[NDArray[np.float64]]:
        """For each pair the log-probability in nats of each symbol of its target, the end included."""
        found: list[NDArray[np.float64]] = [np.zeros(0)] * len(examples)
        device = next(self.network.parameters()).device
        training = self.network.training
        self.network.eval()
        for chosen in length_sorted(examples.lengths, self.config.train.batch_size, _POSITIONS):
            batch = examples.batch(chosen).to(device)
            scores = self.network.score(batch).double().cpu().numpy()
            for index, row, length in zip(chosen.tolist(), scores, batch.lengths.tolist(), strict=True):
                found[index] = row[:length]
        self.network.train(training)
        return found

    def search(self, **options: Any) -> Search:
        """How to search, by the options of `recurra predict` that say so; errors as :func:`make_search`."""
        return make_search(self.known.max_ratio, len(self.target_vocabulary), **options)

    def translate(
        self, texts: Sequence[str], options: Search, seed: int = 0, replace_unknown: bool = False
    ) -> list[list[Translation]]:
        """The best translations of each text, in the order of the texts.

        Args:
            texts: to translate; an empty one is a source of no symbols.
            options: how to search.
            seed: of what is drawn for the first text, where a sampler is among the options; the next has the next.
            replace_unknown: whether an unknown symbol is written as the source symbol that is attended to most.

        Raises:
            SettingsError: an option without effect on this model.
            DataError: a text holds half of a surrogate pair.
        """
        Texts.from_lists(texts)
        if replace_unknown and self.config.model.attention == "none":
            raise SettingsError("option 'replace_unknown' would have no effect: the model has no attention")
        writer = Writer(self.target_vocabulary, self.config.target_tokens, replace_unknown)
        return translate(self.network, texts, self.vocabulary, writer, self.config, options, seed)

    def held_out(self) -> dict[str, PairExamples]:
        """The validation and, where there are some, the test pairs."""
        assert self.data is not None
        return {"valid": self.data.valid} | ({} if self.data.test is None else {"test": self.data.test})

    def fit_baseline(self) -> NearestNeighbour:
        """Keep the training pairs, to answer with the translation of the most similar source."""
        assert self.data is not None
        train = self.data.train
        return NearestNeighbour.fit(train.encoded.sources.ids, train.encoded.sources.starts, train.targets())

    def restore_baseline(self, tensors: Mapping[str, Tensor]) -> NearestNeighbour:
        """Make it again."""
        return NearestNeighbour.from_tensors(tensors)

    def evaluate(self, examples: PairExamples, baseline: NearestNeighbour, **options: Any) -> dict[str, Any]:
        """Score the translator and its baselines, as :func:`recurra.translation_scores.full_scores`.

        A source that has several pairs is translated once, and each of its translations is right.

        Args:
            examples: pairs.
            baseline: of the training pairs.
            options: those of `evaluating`.
        """
        sources = list(examples.sources())
        first, references = by_source(sources, list(examples.targets()))
        different = [sources[number] for number in first]
        answers = [best for best, *_ in self.translate(different, self.search(**options))]
        encoded = examples.encoded.sources
        theirs = baseline_answers(baseline, sources, encoded.ids, encoded.starts)
        logs = self.log_probabilities(examples)
        return full_scores(
            [answer.text for answer in answers],
            {name: [found[number] for number in first] for name, found in theirs.items()},
            references,
            Likelihood(np.array([found.sum() for found in logs]), np.array([len(found) for found in logs])),
            encoded.lengths[first],
            sum(answer.capped for answer in answers),
            encoded.unknown_share,
        )

    def headline(self) -> Headline:
        """chrF, of 100: baselines have no perplexity."""
        return Headline("chrF", ("chrf",), unit="", limits=(0.0, 100.0))

    def tables(self, scores: Mapping[str, Any], title: str, full: bool) -> list[ScoreTable]:
        """The model beside its baselines and, with `full`, more scores and those by length."""
        return translation_tables(scores, title, full)

    def remarks(self, scores: Mapping[str, Any]) -> list[str]:
        """The gain, how scores were counted, and what the vocabulary does not know."""
        return translation_remarks(scores)

    def card(self) -> list[str]:
        """What the model was trained on."""
        source, target = self.known.columns
        vocabulary = self.config.vocabulary
        kinds = vocabulary.tokens if vocabulary.tokens == self.config.target_tokens else "different"
        sides = f"symbols are {kinds}"
        if kinds == "different":
            sides = f"symbols of the source are {vocabulary.tokens}, of the target {self.config.target_tokens}"
        return [
            f"Trained by recurra on {self.known.pairs:,} pairs of `{self.config.data.data}`, to write `{target}` for "
            f"`{source}`; {sides}."
        ]

    def example_call(self) -> str:
        """Translate a text."""
        return 'model.predict(["a text like those of the training data"])'

    def predict(self, inputs: Sequence[str], **options: Any) -> Iterator[str]:
        """Yield a JSON object a line, in the order of the input."""
        told = {name: value for name, value in options.items() if name not in self.reading}
        with_alignment, replace, seed = (told.pop(name, None) for name in ("attention", "replace_unknown", "seed"))
        if with_alignment and self.config.model.attention == "none":
            raise SettingsError(f"option 'attention' ({with_alignment}) would have no effect: the model has none")
        search = self.search(**told)
        if seed is not None and (search.sampler is None or search.sampler.temperature == 0):
            raise SettingsError(f"option 'seed' ({seed}) would have no effect: nothing is drawn; --temperature draws")
        reading = {name: value for name, value in options.items() if name in self.reading}
        answered = 0
        for texts in source_chunks(inputs, self.known.columns[0], **reading):
            found = self.translate(texts, search, (seed or 0) + answered, bool(replace))
            answered += len(texts)
            yield "".join(json_line(text, each, bool(with_alignment)) for text, each in zip(texts, found, strict=True))

    def _shuffled(self, epoch: int) -> list[NDArray[np.int64]]:
        assert self.data is not None
        settings = self.config.train
        return shuffled_batches(self.data.train.lengths, settings.batch_size, settings.seed, epoch)
