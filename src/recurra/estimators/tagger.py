"""A sequence tagger as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sklearn.utils.validation import check_is_fitted

from recurra.config import CellName
from recurra.data import TaggedSentences
from recurra.data.tag_splits import in_one_form, tag_splits_in_memory
from recurra.estimators.base import Estimator
from recurra.tasks.tag import Tag
from recurra.train import Callback, train

__all__ = ["Tagger"]

_Sentences = Sequence[Sequence[str]]


class Tagger(Estimator):
    """Tag sentences with a recurrent network; X is a list of lists of tokens, y one of lists of their tags.

    Tags in BIO, IOB1 or BIOES are found to mark spans: then the epoch is chosen by span F1, and a CRF makes legal moves
    alone. Works in `cross_val_score` and `GridSearchCV`; pickles through its model directory, so no code is stored but
    this class's name.

    Args:
        cell: ``"lstm"``, ``"gru"``, ``"rnn"``, ``"rnn_relu"``, or ``"feedforward"`` for each token by itself.
        embedding_size: size of a word's vector.
        hidden_size: H, size of the state of each direction.
        num_layers: stacked layers.
        chrono_steps: over how many steps the gates are to keep from the start; None for no such start.
        bidirectional: whether a second net reads from the end.
        dropout: share of values dropped at words, layers and output, alike at all tokens of a sentence.
        word_dropout: share of words made unknown in training.
        characters: whether a second, small net reads each word's characters.
        character_embedding_size: size of a character's vector.
        character_hidden_size: size of the characters' state, for each direction.
        crf: whether whole sequences of tags are scored, by a linear-chain CRF.
        lowercase: whether upper and lower case are the same; characters always tell them apart.
        vocabulary_size: most words kept; None for 50,000.
        min_count: a word seen less often in training is unknown.
        vectors: GloVe or fastText text file with pretrained word vectors.
        epochs: passes over the training data; None for enough to make 3,000 steps, 3 to 50.
        batch_size: sentences in a step.
        optimizer: ``"adamw"``, ``"sgd"`` or ``"nt-asgd"``, which averages the weights of SGD.
        nonmonotone: epochs without gain of the validation loss after which ``"nt-asgd"`` begins to average.
        learning_rate: peak step size; SGD wants a far larger one, such as 10.
        weight_decay: decoupled weight decay of AdamW, or that of SGD.
        clip_norm: largest gradient norm.
        schedule: ``"constant"``, ``"linear"`` or ``"cosine"``.
        patience: stop after so many epochs without gain; None for never.
        valid_share: share of the sentences held out to choose the best epoch, when `fit` is given no validation data.
        seed: of everything random.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: ``"float32"``, or ``"bfloat16"`` for what enters products in training; the rest stays float32.

    Attributes:
        tags_: the K tags, sorted.
        history_: a record for each epoch.
        task_: the trained network, vocabulary and settings.

    >>> sentences, tags = [["a", "dog"], ["dogs", "run"]] * 8, [["DET", "NOUN"], ["NOUN", "VERB"]] * 8
    >>> model = Tagger(epochs=8, hidden_size=8, embedding_size=8, dropout=0.0, batch_size=4, learning_rate=0.02)
    >>> model.fit(sentences, tags).predict([["dogs", "run"], []])
    [['NOUN', 'VERB'], []]
    """

    def __init__(
        self,
        *,
        cell: CellName = "gru",
        embedding_size: int = 100,
        hidden_size: int = 128,
        num_layers: int = 1,
        chrono_steps: int | None = None,
        bidirectional: bool = True,
        dropout: float = 0.4,
        word_dropout: float = 0.3,
        characters: bool = True,
        character_embedding_size: int = 32,
        character_hidden_size: int = 64,
        crf: bool = False,
        lowercase: bool = True,
        vocabulary_size: int | None = None,
        min_count: int = 1,
        vectors: str | None = None,
        epochs: int | None = None,
        batch_size: int = 32,
        optimizer: Literal["adamw", "sgd", "nt-asgd"] = "adamw",
        nonmonotone: int = 5,
        learning_rate: float = 4e-3,
        weight_decay: float = 0.01,
        clip_norm: float = 1.0,
        schedule: Literal["constant", "linear", "cosine"] = "cosine",
        patience: int | None = None,
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
        self.characters = characters
        self.character_embedding_size = character_embedding_size
        self.character_hidden_size = character_hidden_size
        self.crf = crf
        self.lowercase = lowercase
        self.vocabulary_size = vocabulary_size
        self.min_count = min_count
        self.vectors = vectors
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.nonmonotone = nonmonotone
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.schedule = schedule
        self.patience = patience
        self.valid_share = valid_share
        self.seed = seed
        self.device = device
        self.precision = precision

    def fit(
        self,
        X: _Sentences,  # noqa: N803  scikit-learn's name
        y: _Sentences,
        validation_data: tuple[_Sentences, _Sentences] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Tagger:
        """Train.

        Args:
            X: n sentences, each a list of tokens.
            y: their tags, each a list as long as its sentence.
            validation_data: sentences and tags that choose the best epoch; a share of X when None.
            callbacks: told of each step and epoch (:class:`recurra.train.Callback`).

        Raises:
            DataError: sentences and tags do not fit together, tags break the rules of their scheme, there is a single
                tag, or there are too few sentences.
            SettingsError: an option is out of range or without effect.
        """
        config = self._run_config("tag", validation_data)
        task = Tag.from_splits(config, tag_splits_in_memory(X, y, validation_data, self.valid_share, self.seed))
        self._keep(task, train(task, callbacks=callbacks))
        return self

    @property
    def tags_(self) -> list[str]:
        """The K tags, sorted."""
        check_is_fitted(self, "task_")
        return list(self.task_.known.tags)

    def predict(self, X: _Sentences) -> list[list[str]]:  # noqa: N803
        """The tags of each sentence."""
        return self.predict_with_confidence(X)[0]

    def predict_with_confidence(self, X: _Sentences) -> tuple[list[list[str]], list[list[float]]]:  # noqa: N803
        """The tags of each sentence, and the probability that the model gives each of them."""
        check_is_fitted(self, "task_")
        if not len(X):
            return [], []
        answers = self.task_.tag(TaggedSentences.from_lists(X, name="X"))
        return [list(answer.tags) for answer in answers], [list(answer.confidences) for answer in answers]

    def score(self, X: _Sentences, y: _Sentences) -> float:  # noqa: N803
        """Token accuracy; a tag that training had not is one more error.

        Raises:
            DataError: sentences and tags do not fit together, or there is no token.
        """
        check_is_fitted(self, "task_")
        given = TaggedSentences.from_lists(X, y, "X")
        truth = [tag for sentence in in_one_form(given, self.task_.known.scheme) for tag in sentence.tags or ()]
        found = [tag for tags in self.predict(X) for tag in tags]
        return sum(true == tag for true, tag in zip(truth, found, strict=True)) / len(truth)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags
