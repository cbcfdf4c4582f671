"""Tagging: one of K tags for each token of a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.batch import TokenBatch, length_sorted, shuffled_batches
from recurra.config import TagConfig
from recurra.data import Sentence, TagsOfSentence
from recurra.data.encoded_tags import EncodedSentences, number_sentences
from recurra.data.spelling import character_count, learn_characters
from recurra.data.tag_splits import TagSplits, load_tag_splits
from recurra.nn.encoder import start_from
from recurra.nn.tagger import TaggerNetwork
from recurra.tables import ScoreTable
from recurra.tagging_baselines import TaggingBaselines
from recurra.tagging_scores import tagging_gain, tagging_score, tagging_scores
from recurra.tagging_tables import tagging_remarks, tagging_tables
from recurra.tasks.base import Loss, Start, Validation, started_config
from recurra.tasks.headline import Headline
from recurra.tasks.tag_answers import answers
from recurra.tasks.tag_examined import ExaminedTagger
from recurra.tasks.tag_facts import TagData, TagFacts, learn_tags, require_words
from recurra.vocabulary import Vectors, Vocabulary

__all__ = ["Tag"]

_AT_ONCE = 16_384  # tokens that are tagged side by side, so that long sentences need no more memory than short ones


class _Answered(NamedTuple):
    """Of N tokens: the number of the tag, [N], its probability, [N], and, where the tags are known, the mean loss."""

    tags: NDArray[np.int32]
    confidences: NDArray[np.float32]
    loss: float


class Tag(ExaminedTagger):
    """Tag sentences.

    Attributes:
        data: the sentences, when made from data.
    """

    name = "tag"
    title = "Tagger"
    score = "score"  # span F1 where the tags mark spans, else accuracy: which is said when the data are read
    enough_steps = 3000
    reading = ("token_column", "tag_column", "sentence_column", "format")

    def __init__(
        self,
        config: TagConfig,
        vocabulary: Vocabulary,
        known: TagFacts,
        data: TagData | None = None,
        vectors: Vectors | None = None,
    ) -> None:
        if vectors is not None:
            sized = config.model.model_copy(update={"embedding_size": vectors.values.shape[1]})
            config = config.model_copy(update={"model": sized})
        self.config = config
        self.vocabulary = vocabulary
        self.known = known
        self.data = data
        torch.manual_seed(config.train.seed)
        self.network = TaggerNetwork(
            len(vocabulary),
            len(known.tags),
            config.model,
            character_vocabulary=character_count(known.characters),
            moves=known.moves() if config.model.crf else None,
        )
        if vectors is not None:
            self.network.load_vectors(*vectors)

    @classmethod
    def from_data(cls, config: TagConfig, start: Start | None = None) -> Tag:
        """Read the data that the configuration names; errors as :func:`recurra.data.tag_splits.load_tag_splits`."""
        return cls.from_splits(config, load_tag_splits(config.data, config.train.seed), start)

    @classmethod
    def from_splits(cls, config: TagConfig, splits: TagSplits, start: Start | None = None) -> Tag:
        """Learn the words, but for those of a start, and the characters and tags from the training sentences.

        Raises:
            DataError: training has a single tag.
            SettingsError: a start of another kind than words.
        """
        require_words(start, config.model.init_from)
        config = started_config(config, start)
        known = learn_tags(splits)
        numbered = {part: number_sentences([sentences], known.tags) for part, sentences in splits.parts().items()}
        words = numbered["train"].counts()
        if config.model.characters:
            known = replace(known, characters=learn_characters(words))
        vocabulary = Vocabulary.from_counts(words, config.vocabulary) if start is None else start.vocabulary
        vectors = config.vocabulary.vectors and vocabulary.read_vectors(config.vocabulary.vectors)
        task = cls(config, vocabulary, known, None, vectors or None)
        parts = {part: task._encoded(sentences) for part, sentences in numbered.items()}
        for part, sentences in parts.items():
            sentences.say_what_was_read(part)
        task.data = TagData(parts["train"], parts["valid"], parts.get("test"))
        if start is not None and task.network.recurrent is not None:
            start_from(start.weights, task.network.embedding, task.network.recurrent)
        return task

    @classmethod
    def restore(cls, config: TagConfig, vocabularies: Mapping[str, Vocabulary], facts: Mapping[str, Any]) -> Tag:
        """Make the task again from what a model directory holds."""
        return cls(config, vocabularies["tokenizer.json"], TagFacts(**facts))

    def facts(self) -> dict[str, Any]:
        """The tags, how often each was seen, their scheme, the characters and the form of the training file."""
        return asdict(self.known)

    def steps(self) -> int:
        """How many batches an epoch has."""
        return len(self._shuffled(0))

    def batches(self, epoch: int) -> Iterator[TokenBatch]:
        """The training batches of an epoch, sentences of like length together."""
        assert self.data is not None
        for chosen in self._shuffled(epoch):
            yield self.data.train.batch(chosen)

    def loss(self, network: nn.Module, batch: TokenBatch, carried: Any = None) -> Loss:
        """-log p of the tags, per token."""
        assert batch.labels is not None
        emissions, layout = network(batch)
        return Loss(self.network.loss(emissions, layout, batch.labels))

    def validate(self) -> Validation:
        """The loss, and span F1 or token accuracy with its standard error over the sentences."""
        assert self.data is not None
        valid = self.data.valid
        found = self._answered(valid)
        score = tagging_score(valid.tagged(), valid.tagged(found.tags), self.known.scheme)
        return Validation(found.loss, *score)

    def _answered(self, sentences: EncodedSentences, batch_size: int = 128) -> _Answered:
        """Tag encoded sentences."""
        tags = np.zeros(len(sentences.table), np.int32)
        confidences = np.zeros(len(sentences.table), np.float32)
        device, training, summed = next(self.network.parameters()).device, self.network.training, 0.0
        self.network.eval()
        with torch.inference_mode():
            for chosen in length_sorted(sentences.lengths, batch_size, _AT_ONCE):
                batch = sentences.batch(chosen).to(device)
                emissions, layout = self.network(batch)
                if batch.labels is not None:
                    summed += float(self.network.loss(emissions, layout, batch.labels)) * len(emissions)
                steps, sequences = layout.row_positions
                rows = sentences.starts[chosen[sequences.numpy()]] + steps.numpy()
                tags[rows], confidences[rows] = (p.cpu().numpy() for p in self.network.answer(emissions, layout))
        self.network.train(training)
        return _Answered(tags, confidences, summed / max(1, len(tags)))

    def tag(self, sentences: Iterable[Sentence]) -> list[TagsOfSentence]:
        """Tag sentences, with how sure each tag is."""
        numbers = self._encoded(number_sentences([sentences]))
        found = self._answered(numbers)
        confidences = np.split(found.confidences, numbers.starts[1:-1])
        return [TagsOfSentence(tags, sure.tolist()) for tags, sure in zip(numbers.tagged(found.tags), confidences)]

    def held_out(self) -> dict[str, EncodedSentences]:
        """The validation and, where there are some, the test sentences."""
        assert self.data is not None
        return {"valid": self.data.valid} | ({} if self.data.test is None else {"test": self.data.test})

    def fit_baseline(self) -> TaggingBaselines:
        """Count the training sentences."""
        assert self.data is not None
        return TaggingBaselines.fit(self.data.train.text(), self.data.train.tagged(), self.known.scheme)

    def restore_baseline(self, tensors: Mapping[str, Tensor]) -> TaggingBaselines:
        """Make the counts again."""
        return TaggingBaselines.from_tensors(tensors)

    def evaluate(self, examples: EncodedSentences, baseline: TaggingBaselines) -> dict[str, Any]:
        """Score the tagger and its baselines.

        Returns:
            "model" and "baselines" (a mapping of name to scores), each as
            :func:`recurra.tagging_scores.tagging_scores`, and "gain" over each baseline, as
            :func:`recurra.tagging_scores.tagging_gain`.
        """
        found, spans = self._answered(examples), self.known.scheme is not None
        words, truth, ours, unknown = examples.text(), examples.tagged(), examples.tagged(found.tags), examples.unknown
        theirs = baseline.predict(words)
        return {
            "model": tagging_scores(words, truth, ours, unknown, spans, found.confidences),
            "baselines": {name: tagging_scores(words, truth, tags, unknown, spans) for name, tags in theirs.items()},
            "gain": {name: tagging_gain(truth, ours, tags, spans) for name, tags in theirs.items()},
        }

    def headline(self) -> Headline:
        """Span F1 where the tags mark spans, else the accuracy."""
        return (
            Headline("accuracy", ("accuracy",)) if self.known.scheme is None else Headline("span F1", ("spans", "f1"))
        )

    def tables(self, scores: Mapping[str, Any], title: str, full: bool) -> list[ScoreTable]:
        """The model beside its baselines and, with `full`, the types of spans, the tags and the errors."""
        return tagging_tables(scores, title, full)

    def remarks(self, scores: Mapping[str, Any]) -> list[str]:
        """The gain over each baseline, and what the vocabulary does not know."""
        return tagging_remarks(scores)

    def card(self) -> list[str]:
        """What the model was trained on, and its tags."""
        known = self.known
        counts = ", ".join(f"{tag} ({count:,})" for tag, count in zip(known.tags, known.counts))
        spans = "" if known.scheme is None else f" They mark spans, in the scheme {known.scheme}."
        return [
            f"Trained by recurra on `{self.config.data.data}`, to predict a tag for each token.",
            f"Tags, with their training tokens: {counts}.{spans}",
        ]

    def example_call(self) -> str:
        """Tag a sentence."""
        return 'model.predict([["The", "old", "man", "sails", "."]])'

    def predict(self, inputs: Sequence[str], **options: Any) -> Iterator[str]:
        """Write files again with tags and confidences; answer texts, divided into words, in JSON lines."""
        return answers(self.tag, self.load_unlabelled, inputs, options)

    def _shuffled(self, epoch: int) -> list[NDArray[np.int64]]:
        assert self.data is not None
        settings = self.config.train
        return shuffled_batches(self.data.train.lengths, settings.batch_size, settings.seed, epoch)
