"""A classifier of texts or of series of numbers as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from recurra.checkpoint import SavedModel
from recurra.config import CellName, PoolingName
from recurra.data import Texts
from recurra.data.memory import splits_in_memory, texts_in_memory
from recurra.data.memory_series import holds_numbers, series_in_memory, series_splits_in_memory
from recurra.errors import DataError
from recurra.estimators.base import Estimator
from recurra.start import read_start
from recurra.tasks.classification import Classification
from recurra.tasks.classify import Classify
from recurra.tasks.classify_series import ClassifySeries
from recurra.train import Callback, train

__all__ = ["Classifier"]


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """Classify texts, or series of numbers, with a recurrent network; a scikit-learn classifier.

    X is a list of strings; or series of one length, [n, T, I] or [n, T]; or a list of series of any length, each [T, I]
    or [T]. What is about symbols, as `tokens` or `embedding_size`, cannot be told for series.

    Works in `cross_val_score`, `GridSearchCV` and a `Pipeline`; pickles through its model directory, so no code is
    stored but this class's name.

    Args:
        cell: ``"lstm"``, ``"gru"``, ``"rnn"``, ``"rnn_relu"``, or ``"feedforward"`` for a bag of embeddings.
        embedding_size: size of a token's vector.
        hidden_size: H, size of the state of each direction.
        num_layers: stacked layers.
        chrono_steps: over how many steps the gates are to keep from the start; None for no such start.
        bidirectional: whether a second net reads from the end.
        dropout: share of values dropped at embeddings, between layers and before the output.
        word_dropout: share of symbols made unknown in training.
        pooling: ``"final"``, ``"mean"``, ``"max"`` or ``"attention"``.
        tokens: ``"words"``, ``"spaces"``, ``"characters"`` or ``"bpe"``.
        lowercase: whether upper and lower case are the same.
        vocabulary_size: most symbols kept; None for 50,000, of byte pairs 8,000.
        min_count: a symbol seen less often in training is unknown.
        max_length: tokens kept of a longer text; None for all.
        vectors: GloVe or fastText text file with pretrained word vectors.
        init_from: directory of a language model whose vocabulary, embeddings and recurrent weights it starts with.
        epochs: passes over the training data; None for enough to make 1,200 steps, 3 to 50, of series to 200.
        batch_size: examples in a step.
        optimizer: ``"adamw"``, ``"sgd"`` or ``"nt-asgd"``, which averages the weights of SGD.
        nonmonotone: epochs without gain of the validation loss after which ``"nt-asgd"`` begins to average.
        learning_rate: peak step size; SGD wants a far larger one, such as 10.
        weight_decay: decoupled weight decay of AdamW, or that of SGD.
        clip_norm: largest gradient norm.
        schedule: ``"constant"``, ``"linear"`` or ``"cosine"``.
        patience: stop after so many epochs without gain; None for never.
        class_weights: ``"none"`` or ``"balanced"``.
        valid_share: share of X held out to choose the best epoch, when `fit` is given no validation data.
        seed: of everything random.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: ``"float32"``, or ``"bfloat16"`` for what enters products in training; the rest stays float32.

    Attributes:
        classes_: the class labels, sorted, [C].
        history_: a record for each epoch.
        task_: the trained network, vocabulary and settings.

    >>> texts = ["good film", "bad film", "good plot", "bad plot"] * 5
    >>> model = Classifier(epochs=8, hidden_size=8, embedding_size=8, dropout=0.0, batch_size=4, learning_rate=0.02)
    >>> model.fit(texts, [1, 0, 1, 0] * 5).predict(["good", "bad"]).tolist()
    [1, 0]
    """

    def __init__(
        self,
        *,
        cell: CellName = "lstm",
        embedding_size: int = 128,
        hidden_size: int = 128,
        num_layers: int = 1,
        chrono_steps: int | None = None,
        bidirectional: bool = True,
        dropout: float = 0.5,
        word_dropout: float = 0.2,
        pooling: PoolingName = "max",
        tokens: Literal["words", "spaces", "characters", "bpe"] = "words",
        lowercase: bool = True,
        vocabulary_size: int | None = None,
        min_count: int = 1,
        max_length: int | None = None,
        vectors: str | None = None,
        init_from: str | None = None,
        epochs: int | None = None,
        batch_size: int = 32,
        optimizer: Literal["adamw", "sgd", "nt-asgd"] = "adamw",
        nonmonotone: int = 5,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.01,
        clip_norm: float = 1.0,
        schedule: Literal["constant", "linear", "cosine"] = "cosine",
        patience: int | None = None,
        class_weights: Literal["none", "balanced"] = "none",
        valid_share: float = 0.1,
        seed: int = 0,
        device: str = "auto",
        precision: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        self.cell = cell
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.chrono_steps = chrono_steps
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.pooling = pooling
        self.tokens = tokens
        self.lowercase = lowercase
        self.vocabulary_size = vocabulary_size
        self.min_count = min_count
        self.max_length = max_length
        self.vectors = vectors
        self.init_from = init_from
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.nonmonotone = nonmonotone
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.schedule = schedule
        self.patience = patience
        self.class_weights = class_weights
        self.valid_share = valid_share
        self.seed = seed
        self.device = device
        self.precision = precision

    def fit(
        self,
        X: Sequence[str] | Sequence[ArrayLike] | NDArray[Any],  # noqa: N803  scikit-learn's name
        y: ArrayLike,
        validation_data: tuple[Any, ArrayLike] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Classifier:
        """Train.

        Args:
            X: n texts, or n series.
            y: n labels of any kind that numpy can sort.
            validation_data: the same of others, which choose the best epoch; a share of X when None.
            callbacks: told of each step and epoch (:class:`recurra.train.Callback`).

        Raises:
            DataError: X is neither texts nor series of finite numbers, X and labels do not fit together, or a class is
                missing or too small.
            SettingsError: an option is out of range or without effect, or `init_from` is no language model.
            ModelDirectoryError: `init_from` is no model directory, or a damaged one.
        """
        config = self._run_config("classify", validation_data)
        start = None if self.init_from is None else read_start(self.init_from)
        held_out = (validation_data, self.valid_share, self.seed)
        task: Classification
        kept = _kept(X)
        if holds_numbers(kept):
            self.classes_, series = series_splits_in_memory(kept, y, *held_out)
            task = ClassifySeries.from_splits(config, series, start)
        else:
            self.classes_, texts = splits_in_memory(kept, y, *held_out)
            task = Classify.from_splits(config, texts, start)
        self._keep(task, train(task, callbacks=callbacks))
        return self

    def predict_proba(self, X: Sequence[str] | Sequence[ArrayLike] | NDArray[Any]) -> NDArray[np.float32]:  # noqa: N803
        """Each class's probability, [n, C], columns in the order of `classes_`.

        Raises:
            DataError: X is not of the kind that the classifier was fitted on, or malformed.
        """
        check_is_fitted(self, "task_")
        kept = _kept(X)
        examples: Any
        if isinstance(self.task_, ClassifySeries):
            examples = series_in_memory(kept, "X", self.task_.trained.channels)
        elif holds_numbers(kept):
            raise DataError("X: expected texts, as in training, found numbers")
        else:
            examples = Texts.from_lists(texts_in_memory(kept, "X"))
        if not len(examples):
            return np.zeros((0, len(self.classes_)), np.float32)
        found: NDArray[np.float32] = self.task_.probabilities(self.task_.encode(examples))
        return found[:, self._column_order()]

    def predict(self, X: Sequence[str] | Sequence[ArrayLike] | NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """The most probable class of each text or series, [n]."""
        best = self.predict_proba(X).argmax(axis=1)
        chosen: NDArray[Any] = self.classes_[best]
        return chosen

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {**state, "classes": self.classes_} if "files" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "classes" in state:
            self.classes_ = state["classes"]

    def _adopt(self, saved: SavedModel) -> None:
        super()._adopt(saved)
        self.classes_ = np.array(saved.task.classes)

    def _column_order(self) -> NDArray[np.int64]:
        """For each of `classes_`, its column in the network's output, whose classes are sorted as strings."""
        column = {name: index for index, name in enumerate(self.task_.classes)}
        return np.array([column[str(label)] for label in self.classes_])


def _kept(inputs: Any) -> Any:
    """What may be read again and again: a list instead of an iterator."""
    return inputs if hasattr(inputs, "__len__") else list(inputs)
