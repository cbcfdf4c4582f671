"""Models of other packages, built here with random weights and random data, and nothing downloaded."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["MODELS", "Case", "Size"]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
TAGS = ["NOUN", "VERB", "ADJ", "DET", "PRON", "PUNCT"]


class Size(NamedTuple):
    """How large a model is, and its data."""

    sentences: int = 32
    words: int = 40  # of the longest sentence
    width: int = 1  # what the hidden sizes of the package's defaults are divided by


class Case(NamedTuple):
    """A model with a batch of data.

    Attributes:
        model: without any dropout.
        loss: a forward pass in training, to a scalar.
        predict: a forward pass without gradients, as the package predicts; tensors that must not change.
    """

    model: nn.Module
    loss: Callable[[], Tensor]
    predict: Callable[[], list[Tensor]]


def flair_words(size: Size) -> Case:
    """A Flair `SequenceTagger`: a bidirectional LSTM over word vectors, and a CRF."""
    return _flair(size, characters=False)


def flair_characters(size: Size) -> Case:
    """The same, with a second bidirectional LSTM over each word's characters, run once a sentence."""
    return _flair(size, characters=True)


def stanza_tagger(size: Size) -> Case:
    """A Stanza `Tagger`: an LSTM over characters, two bidirectional highway LSTMs over words, three kinds of tags."""
    from stanza.models.pos.data import Dataset
    from stanza.models.pos.model import Tagger
    from stanza.models.pos.trainer import unpack_batch
    from stanza.models.tagger import build_argparse
    from stanza.utils.conll import CoNLL

    logging.getLogger("stanza").setLevel(logging.ERROR)
    args = vars(build_argparse().parse_args(["--no_pretrain", "--shorthand", "en_random"]))
    args |= dict.fromkeys(("dropout", "word_dropout", "augment_nopunct"), 0.0)
    for name in ("char_hidden_dim", "hidden_dim", "deep_biaff_hidden_dim", "composite_deep_biaff_hidden_dim"):
        args[name] //= size.width
    lines = []
    for sentence in _sentences(size):
        for number, word in enumerate(sentence, start=1):
            tag, feature = TAGS[len(word) % len(TAGS)], f"Number={'Sing' if number % 2 else 'Plur'}"
            lines.append("\t".join([str(number), word, "_", tag, tag[:2], feature, str(number - 1), "dep", "_", "_"]))
        lines.append("")
    data = Dataset(CoNLL.conll2doc(input_str="\n".join([*lines, ""])), args, None)
    model = Tagger(args, data.vocab, share_hid=args["share_hid"])
    _randomise(model)
    scores: list[Tensor] = []
    model.upos_clf.register_forward_hook(lambda module, given, result: scores.append(result.detach()))
    inputs, _, order, lengths, word_lengths, text = unpack_batch(
        next(iter(data.to_loader(batch_size=size.sentences))), "cpu"
    )
    words, mask, characters, character_mask, tags, pretrained = inputs

    def run(given: Any) -> tuple[Tensor, list[Tensor]]:
        result: tuple[Tensor, list[Tensor]] = model(
            words, mask, characters, character_mask, given, pretrained, order, lengths, word_lengths, text
        )
        return result

    def predict() -> list[Tensor]:
        scores.clear()
        return [*run(None)[1], *scores]

    return Case(model, lambda: run(tags)[0], predict)


def speechbrain_crdnn(size: Size) -> Case:
    """A SpeechBrain `CRDNN`: convolutions of 32 channels, four bidirectional LSTM layers of 256, two linear layers.

    Tanh in place of LeakyReLU, whose gradient jumps where rounding moves a value over zero. Batch normalisation swells
    rounding still: torch's own gradients in float32 differ from those in float64 by as much as recurra's from torch's.
    """
    from speechbrain.lobes.models.CRDNN import CRDNN
    from speechbrain.nnet.RNN import LSTM

    frames, batch = 5 * size.words, size.sentences // 4
    sound = torch.randn(batch, frames, 40)
    options = {"rnn_neurons": 256 // size.width, "cnn_channels": [32, 32], "dropout": 0.0, "activation": nn.Tanh}
    model = CRDNN(input_shape=[None, None, 40], rnn_class=LSTM, **options)
    target = torch.randn_like(model(sound))  # batch normalisation fixes the mean of squares
    return Case(model, lambda: (model(sound) - target).square().mean(), lambda: [model(sound)])


def speechbrain_lstm(size: Size) -> Case:
    """SpeechBrain's `LSTM` given relative lengths, which it packs; four bidirectional layers of 256."""
    from speechbrain.nnet.RNN import LSTM

    frames, batch = 5 * size.words, size.sentences // 4
    sound, lengths = torch.randn(batch, frames, 40), torch.linspace(1.0, 0.25, batch)
    hidden = 256 // size.width
    model = LSTM(input_shape=[None, None, 40], hidden_size=hidden, num_layers=4, bidirectional=True)
    return Case(
        model, lambda: model(sound, lengths=lengths)[0].square().mean(), lambda: [model(sound, lengths=lengths)[0]]
    )


def forecasting_transformer(size: Size) -> Case:
    """pytorch-forecasting's `TemporalFusionTransformer`: an LSTM over the past, another over the future, attention."""
    from pytorch_forecasting import TemporalFusionTransformer

    hidden = max(4, 160 // size.width)
    case, _ = _forecasting(TemporalFusionTransformer, size, hidden_size=hidden, lstm_layers=2, attention_head_size=4)
    return case


def forecasting_deepar(size: Size) -> Case:
    """pytorch-forecasting's `DeepAR`: a two-layer LSTM; in prediction it draws 20 futures, one step at a time."""
    from pytorch_forecasting import DeepAR

    case, inputs = _forecasting(DeepAR, size, hidden_size=max(4, 64 // size.width), rnn_layers=2)

    def predict() -> list[Tensor]:
        torch.manual_seed(0)
        return [case.model(inputs, n_samples=20).prediction]

    return case._replace(predict=predict)


MODELS: dict[str, tuple[str, Callable[[Size], Case]]] = {
    "Flair SequenceTagger": ("flair", flair_words),
    "Flair SequenceTagger, with characters": ("flair", flair_characters),
    "Stanza Tagger": ("stanza", stanza_tagger),
    "SpeechBrain CRDNN": ("speechbrain", speechbrain_crdnn),
    "SpeechBrain LSTM, lengths": ("speechbrain", speechbrain_lstm),
    "pytorch-forecasting TFT": ("pytorch_forecasting", forecasting_transformer),
    "pytorch-forecasting DeepAR": ("pytorch_forecasting", forecasting_deepar),
}


def _sentences(size: Size) -> list[list[str]]:
    rng = random.Random(0)
    lexicon = ["".join(rng.choices(LETTERS, k=rng.randint(1, 12))) for _ in range(2000)]
    lengths = [size.words, *(rng.randint(max(2, size.words // 8), size.words) for _ in range(size.sentences - 1))]
    return [rng.choices(lexicon, k=length) for length in lengths]


def _randomise(model: nn.Module) -> None:
    """Give weights to what a package begins with zeros, so that all gradients count."""
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)


def _flair(size: Size, characters: bool) -> Case:
    from flair.data import Dictionary, Sentence
    from flair.embeddings import CharacterEmbeddings, StackedEmbeddings, WordEmbeddings
    from flair.models import SequenceTagger

    logging.getLogger("flair").setLevel(logging.ERROR)
    texts = _sentences(size)
    vocabulary = {word: number for number, word in enumerate(sorted({word for text in texts for word in text}))}
    words = WordEmbeddings(None, vocab=vocabulary, embedding_length=100, name="random")
    nn.init.normal_(words.embedding.weight)
    embeddings = words
    tags, letters = Dictionary(add_unk=False), Dictionary()
    for tag in TAGS:
        tags.add_item(tag)
    for letter in LETTERS:
        letters.add_item(letter)
    if characters:
        embeddings = StackedEmbeddings([words, CharacterEmbeddings(letters)])
    options = {"hidden_size": 256 // size.width, "tag_format": "BIO", "word_dropout": 0.0, "locked_dropout": 0.0}
    model = SequenceTagger(embeddings, tags, "pos", **options)
    sentences = [Sentence(text, use_tokenizer=False) for text in texts]
    for sentence in sentences:
        for token in sentence:
            token.add_label("pos", TAGS[len(token.text) % len(TAGS)])

    def loss() -> Tensor:
        _forget(sentences)
        result: Tensor = model.forward_loss(sentences)[0]
        return result

    def predict() -> list[Tensor]:
        _forget(sentences)
        ordered = sorted(sentences, key=len, reverse=True)
        return [model(*model._prepare_tensors(ordered))[0]]

    return Case(model, loss, predict)


def _forget(sentences: list[Any]) -> None:
    for sentence in sentences:
        sentence.clear_embeddings()


def _forecasting(kind: Any, size: Size, **options: Any) -> tuple[Case, dict[str, Tensor]]:
    import pandas
    from pytorch_forecasting import TimeSeriesDataSet

    warnings.filterwarnings("ignore", module="(lightning|pytorch_forecasting).*")
    rng = random.Random(0)
    past, future = 3 * size.words, 24
    series = []
    for name in range(2 * size.sentences):
        steps = range(rng.randint(past // 4, past) + future)
        values = [rng.gauss(step % 24 / 24, 0.1) for step in steps]
        hours = [float(step % 24) for step in steps]
        series.append(pandas.DataFrame({"series": str(name), "step": steps, "value": values, "hour": hours}))
    data = TimeSeriesDataSet(
        pandas.concat(series, ignore_index=True),
        time_idx="step",
        target="value",
        group_ids=["series"],
        min_encoder_length=2,
        max_encoder_length=past,
        min_prediction_length=future,
        max_prediction_length=future,
        time_varying_known_reals=["hour"],
        time_varying_unknown_reals=["value"],
    )
    torch.manual_seed(0)
    inputs, target = next(iter(data.to_dataloader(train=True, batch_size=2 * size.sentences, num_workers=0)))
    model = kind.from_dataset(data, dropout=0.0, **options)
    case = Case(model, lambda: model.loss(model(inputs).prediction, target), lambda: [model(inputs).prediction])
    return case, inputs
