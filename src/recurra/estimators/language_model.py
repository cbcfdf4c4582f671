"""A language model as an estimator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from sklearn.utils.validation import check_is_fitted

from recurra.data import Texts
from recurra.data.corpus import corpus_in_memory
from recurra.data.memory import texts_in_memory
from recurra.errors import DataError
from recurra.estimators.base import Estimator
from recurra.generate import generate, most_likely
from recurra.nn.sampling import Sampler
from recurra.perplexity import perplexity
from recurra.tasks.language_model import ModelLanguage
from recurra.train import Callback, train

__all__ = ["LanguageModel"]


class LanguageModel(Estimator):
    """Model running text, given as a list of lines, by a recurrent network that predicts each next symbol.

    Args:
        tokens: ``"words"``, ``"spaces"``, ``"characters"`` or ``"bpe"``.
        lowercase: whether upper and lower case are the same.
        vocabulary_size: most symbols kept; None for 50,000, of byte pairs 8,000.
        min_count: a symbol seen less often in training is unknown.
        cell: ``"lstm"``, ``"gru"``, ``"rnn"`` or ``"rnn_relu"``.
        embedding_size: E, size of a symbol's vector.
        hidden_size: H, size of the state.
        num_layers: stacked layers.
        chrono_steps: over how many steps the gates are to keep from the start; None for no such start.
        dropout: share of values dropped at embeddings, between layers and before the output, alike at all steps.
        word_dropout: share of symbols whose embeddings are zero in a step.
        weight_dropout: share of the recurrent weights dropped in a step.
        tied: whether the output layer has the embeddings as its weights.
        softmax: ``"full"``, ``"adaptive"``, or ``"auto"`` for adaptive where the vocabulary is large.
        epochs: passes over the text; None for enough to make 4,000 steps, 3 to 50.
        batch_size: pieces of the text that are read side by side.
        steps: symbols of each piece in a step of training.
        optimizer: ``"adamw"``, ``"sgd"`` or ``"nt-asgd"``.
        nonmonotone: epochs without gain after which nt-asgd begins to average.
        learning_rate: peak step size.
        weight_decay: of AdamW decoupled, of SGD added.
        clip_norm: largest gradient norm.
        schedule: ``"constant"``, ``"linear"`` or ``"cosine"``.
        patience: stop after so many epochs without gain; None for never.
        activation: weight of the outputs' mean square in the loss.
        temporal_activation: weight of the mean square of the outputs' change over time in the loss.
        valid_share: share of the text, its end, that chooses the best epoch, when `fit` is given no validation data.
        seed: of everything random in training.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: ``"float32"``, or ``"bfloat16"`` for what enters products in training; the rest stays float32.

    Attributes:
        history_: a record for each epoch.
        task_: the trained network, vocabulary and settings.

    >>> lines = ["to be or not to be"] * 40
    >>> model = LanguageModel(hidden_size=16, embedding_size=16, num_layers=1, batch_size=4, steps=7, epochs=8,
    ...                       learning_rate=0.02).fit(lines)
    >>> model.generate("to be or", length=3, temperature=0)
    ' not to be'
    >>> model.perplexity(lines) < 1.5
    True
    """

    def __init__(
        self,
        *,
        tokens: Literal["words", "spaces", "characters", "bpe"] = "words",
        lowercase: bool = False,
        vocabulary_size: int | None = None,
        min_count: int = 2,
        cell: Literal["lstm", "gru", "rnn", "rnn_relu"] = "lstm",
        embedding_size: int = 256,
        hidden_size: int = 256,
        num_layers: int = 2,
        chrono_steps: int | None = None,
        dropout: float = 0.2,
        word_dropout: float = 0.0,
        weight_dropout: float = 0.0,
        tied: bool = True,
        softmax: Literal["auto", "full", "adaptive"] = "auto",
        epochs: int | None = None,
        batch_size: int = 32,
        steps: int = 70,
        optimizer: Literal["adamw", "sgd", "nt-asgd"] = "adamw",
        nonmonotone: int = 5,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.01,
        clip_norm: float = 1.0,
        schedule: Literal["constant", "linear", "cosine"] = "cosine",
        patience: int | None = None,
        activation: float = 0.0,
        temporal_activation: float = 0.0,
        valid_share: float = 0.05,
        seed: int = 0,
        device: str = "auto",
        precision: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        self.tokens = tokens
        self.lowercase = lowercase
        self.vocabulary_size = vocabulary_size
        self.min_count = min_count
        self.cell = cell
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.chrono_steps = chrono_steps
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.weight_dropout = weight_dropout
        self.tied = tied
        self.softmax = softmax
        self.epochs = epochs
        self.batch_size = batch_size
        self.steps = steps
        self.optimizer = optimizer
        self.nonmonotone = nonmonotone
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.schedule = schedule
        self.patience = patience
        self.activation = activation
        self.temporal_activation = temporal_activation
        self.valid_share = valid_share
        self.seed = seed
        self.device = device
        self.precision = precision

    def fit(
        self,
        X: Sequence[str],  # noqa: N803  scikit-learn's name
        y: None = None,
        validation_data: Sequence[str] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> LanguageModel:
        """Train.

        Args:
            X: the lines of a text, in order.
            y: not used; scikit-learn passes it.
            validation_data: lines that choose the best epoch; the last ones of X when None.
            callbacks: told of each step and epoch (:class:`recurra.train.Callback`).

        Raises:
            DataError: the text is too short, or has no two different symbols.
            SettingsError: an option is out of range or without effect.
        """
        config = self._run_config("language-model", validation_data)
        validation = None if validation_data is None else texts_in_memory(validation_data, "validation_data")
        corpus = corpus_in_memory(texts_in_memory(X, "X"), validation, self.valid_share)
        task = ModelLanguage.from_corpus(config, corpus)
        self._keep(task, train(task, callbacks=callbacks))
        return self

    def stream(
        self,
        prompt: str = "",
        length: int = 200,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Make up text after a prompt, in pieces as it is drawn; errors as :func:`recurra.generate.generate`."""
        check_is_fitted(self, "task_")
        sampler = Sampler(temperature, top_k, top_p, repetition_penalty)
        return generate(self.task_, prompt, length, sampler, seed)

    def generate(self, prompt: str = "", length: int = 200, **sampling: Any) -> str:
        """Make up text after a prompt; the options are those of :meth:`stream`."""
        return "".join(self.stream(prompt, length, **sampling))

    def next(self, prompt: str = "", count: int = 10) -> dict[str, float]:
        """The symbols most likely after a prompt and their probabilities, the likeliest first."""
        check_is_fitted(self, "task_")
        return {each.text: each.probability for each in most_likely(self.task_, prompt, count)}

    def surprise(self, X: Sequence[str]) -> list[dict[str, Any]]:  # noqa: N803
        """The log-probability of each text and of its symbols, as :meth:`ModelLanguage.surprise`."""
        check_is_fitted(self, "task_")
        found: list[dict[str, Any]] = self.task_.surprise(texts_in_memory(X, "X"))
        return found

    def score(self, X: Sequence[str], y: None = None) -> float:  # noqa: N803
        """The mean log-probability of a symbol of some lines in nats; higher is better."""
        check_is_fitted(self, "task_")
        ids = self.task_.encode(Texts.from_lists(texts_in_memory(X, "X"))).ids
        if not len(ids):
            raise DataError("X: expected at least one line, found none")
        return float(self.task_.log_probabilities(ids).mean())

    def perplexity(self, X: Sequence[str]) -> float:  # noqa: N803
        """The perplexity of some lines, read one after the other."""
        return perplexity(-self.score(X))
