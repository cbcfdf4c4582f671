"""A translator as an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sklearn.utils.validation import check_is_fitted

from recurra.config import AttentionName, RecurrentCell
from recurra.data.memory import texts_in_memory
from recurra.data.pair_splits import pairs_in_memory
from recurra.errors import DataError
from recurra.estimators.base import Estimator
from recurra.tasks.translate import Translate
from recurra.tasks.translations import Translation
from recurra.train import Callback, train
from recurra.translation_scores import translation_scores

__all__ = ["Translator"]


class Translator(Estimator):
    """Translate texts with a recurrent encoder and decoder; X is a list of strings, y one of their translations.

    Translation is any text to text: summaries, spelling, pronunciation. Works in `cross_val_score` and `GridSearchCV`;
    pickles through its model directory, so no code is stored but this class's name.

    Args:
        tokens: ``"words"``, ``"spaces"``, ``"characters"`` or ``"bpe"``, of both sides.
        target_tokens: those of the target side; None for the same.
        shared: whether both sides have one vocabulary, and one set of embeddings.
        lowercase: whether upper and lower case are the same.
        vocabulary_size: most symbols kept of each side; None for 50,000, of byte pairs 8,000.
        min_count: a symbol seen less often in training is unknown.
        max_length: symbols kept of a longer source text; None for all.
        cell: ``"lstm"``, ``"gru"``, ``"rnn"`` or ``"rnn_relu"``, of the encoder.
        decoder_cell: that of the decoder; None for the same.
        embedding_size: size of a symbol's vector.
        hidden_size: H, size of the state; in the encoder, of each direction.
        num_layers: stacked layers, of the encoder and of the decoder.
        chrono_steps: over how many steps the gates are to keep from the start; None for no such start.
        dropout: share of values dropped at embeddings, layers and output, alike at all steps.
        bidirectional: whether a second net of the encoder reads from the end.
        attention: ``"none"``, ``"additive"``, ``"dot"``, ``"general"`` or ``"multihead"``.
        heads: of ``"multihead"`` attention.
        input_feeding: whether the decoder reads what it attended to before.
        coverage: whether attention knows, and is kept from, where it has looked.
        copying: whether source symbols can be copied.
        epochs: passes over the training pairs; None for enough to make 4,000 steps, 3 to 50.
        batch_size: pairs in a step.
        optimizer: ``"adamw"``, ``"sgd"`` or ``"nt-asgd"``, which averages the weights of SGD.
        nonmonotone: epochs without gain of the validation loss after which ``"nt-asgd"`` begins to average.
        learning_rate: peak step size; SGD wants a far larger one, such as 10.
        weight_decay: decoupled weight decay of AdamW, or that of SGD.
        clip_norm: largest gradient norm.
        schedule: ``"constant"``, ``"linear"`` or ``"cosine"``.
        patience: stop after so many epochs without gain; None for never.
        label_smoothing: share of the target probability spread over all symbols; not with `copying`.
        scheduled_sampling: share of symbols, reached at the end, that the decoder reads from itself.
        valid_share: share of the pairs held out to choose the best epoch, when `fit` is given no validation data.
        seed: of everything random.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: ``"float32"``, or ``"bfloat16"`` for what enters products in training; the rest stays float32.

    Attributes:
        history_: a record for each epoch.
        task_: the trained network, vocabularies and settings.

    >>> spelt = {"a": "one", "b": "two", "c": "three"}
    >>> letters = [first + second for first in "abc" for second in "abc"] * 8
    >>> said = [" ".join(spelt[letter] for letter in text) for text in letters]
    >>> model = Translator(
    ...     tokens="characters", target_tokens="words", epochs=20, embedding_size=16, hidden_size=16, batch_size=8,
    ...     dropout=0.0, learning_rate=0.02, min_count=1,
    ... )
    >>> model.fit(letters, said).predict(["ca", "bb"])
    ['three one', 'two two']
    """

    def __init__(
        self,
        *,
        tokens: Literal["words", "spaces", "characters", "bpe"] = "bpe",
        target_tokens: Literal["words", "spaces", "characters", "bpe"] | None = None,
        shared: bool = False,
        lowercase: bool = False,
        vocabulary_size: int | None = None,
        min_count: int = 2,
        max_length: int | None = None,
        cell: RecurrentCell = "lstm",
        decoder_cell: RecurrentCell | None = None,
        embedding_size: int = 256,
        hidden_size: int = 256,
        num_layers: int = 1,
        chrono_steps: int | None = None,
        dropout: float = 0.3,
        bidirectional: bool = True,
        attention: AttentionName = "general",
        heads: int = 4,
        input_feeding: bool = False,
        coverage: bool = False,
        copying: bool = False,
        epochs: int | None = None,
        batch_size: int = 64,
        optimizer: Literal["adamw", "sgd", "nt-asgd"] = "adamw",
        nonmonotone: int = 5,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.01,
        clip_norm: float = 1.0,
        schedule: Literal["constant", "linear", "cosine"] = "cosine",
        patience: int | None = None,
        label_smoothing: float = 0.1,
        scheduled_sampling: float = 0.0,
        valid_share: float = 0.05,
        seed: int = 0,
        device: str = "auto",
        precision: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        self.tokens = tokens
        self.target_tokens = target_tokens
        self.shared = shared
        self.lowercase = lowercase
        self.vocabulary_size = vocabulary_size
        self.min_count = min_count
        self.max_length = max_length
        self.cell = cell
        self.decoder_cell = decoder_cell
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.chrono_steps = chrono_steps
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.attention = attention
        self.heads = heads
        self.input_feeding = input_feeding
        self.coverage = coverage
        self.copying = copying
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.nonmonotone = nonmonotone
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.schedule = schedule
        self.patience = patience
        self.label_smoothing = label_smoothing
        self.scheduled_sampling = scheduled_sampling
        self.valid_share = valid_share
        self.seed = seed
        self.device = device
        self.precision = precision

    def fit(
        self,
        X: Sequence[str],  # noqa: N803  scikit-learn's name
        y: Sequence[str],
        validation_data: tuple[Sequence[str], Sequence[str]] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Translator:
        """Train.

        Args:
            X: n texts.
            y: their n translations.
            validation_data: texts and translations that choose the best epoch; a share of X when None.
            callbacks: told of each step and epoch (:class:`recurra.train.Callback`).

        Raises:
            DataError: texts and translations do not fit together, one is empty, or there are too few.
            SettingsError: an option is out of range or without effect.
        """
        config = self._run_config("translate", validation_data)
        task = Translate.from_splits(config, pairs_in_memory(X, y, validation_data, self.valid_share, self.seed))
        self._keep(task, train(task, callbacks=callbacks))
        return self

    def predict(self, X: Sequence[str], **options: Any) -> list[str]:  # noqa: N803
        """The best translation of each text; the options are those of :meth:`translate`."""
        return [best.text for best, *_ in self.translate(X, **options)]

    def translate(
        self,
        X: Sequence[str],  # noqa: N803
        *,
        beam: int | None = None,
        n_best: int | None = None,
        length_penalty: float | None = None,
        coverage_penalty: float | None = None,
        max_ratio: float | None = None,
        replace_unknown: bool = False,
    ) -> list[list[Translation]]:
        """The best translations of each text, the best first, as `recurra predict` has them.

        Args:
            X: n texts.
            beam: how many hypotheses are followed, 1 is greedy; None for 5, or as many as `n_best`.
            n_best: how many translations of each text; None for 1.
            length_penalty: above 0, long translations lose less; None for 0.6, see :class:`recurra.search.Search`.
            coverage_penalty: above 0, translations that pass over parts of the source lose; None for 0.
            max_ratio: symbols for each of the source, and 10 more; None for what training needed.
            replace_unknown: whether an unknown symbol is replaced by the source symbol that is attended to most.

        Raises:
            SettingsError: an option is out of range, or without effect on this model.
            DataError: X is no list of texts.
        """
        check_is_fitted(self, "task_")
        search = self.task_.search(
            beam=beam,
            n_best=n_best,
            length_penalty=length_penalty,
            coverage_penalty=coverage_penalty,
            max_ratio=max_ratio,
        )
        texts = [text or "" for text in texts_in_memory(X, "X")]
        found: list[list[Translation]] = self.task_.translate(texts, search, replace_unknown=replace_unknown)
        return found

    def score(self, X: Sequence[str], y: Sequence[str]) -> float:  # noqa: N803
        """The chrF of the translations, as a share of 1.

        Raises:
            DataError: texts and translations differ in number, or there are none.
        """
        if len(X) != len(y) or not len(X):
            raise DataError(f"y: expected a translation for each of the {len(X):,} texts, at least 1, found {len(y):,}")
        scores = translation_scores(self.predict(X), [[text] for text in y])
        return float(scores["chrf"]["value"]) / 100

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags
