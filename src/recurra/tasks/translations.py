"""Texts in, translations out: batches are encoded, searched, and what was found is written as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.batch import length_sorted, make_batch
from recurra.config import TranslateConfig
from recurra.data.encoded_pairs import SourceIds, source_ids
from recurra.data.pairs import load_sources
from recurra.errors import SettingsError
from recurra.inputs import is_file, lines_of_inputs
from recurra.nn.decoder import DecoderState, Encoding
from recurra.nn.sampling import Sampler
from recurra.nn.translation import TranslationNetwork
from recurra.search import Hypothesis, Search, search
from recurra.vocabulary import UNKNOWN, Vocabulary
from recurra.writing import TextStream, symbol_text

__all__ = ["Translation", "Writer", "json_line", "make_search", "source_chunks", "translate"]

_BEAM = 5
_BATCH = 64
_CHUNK = 256  # texts of a file that are translated before any is answered
_MOST = 2**15  # source symbols of a batch, padding included, so that long texts need no more memory than many


class Translation(NamedTuple):
    """A text that was written for a source text, and how.

    Attributes:
        text: the translation.
        score: what translations of a text are compared by, see :class:`recurra.search.Search`.
        log_probability: natural, its end included.
        tokens: its T symbols as text.
        source_tokens: the S symbols of the source as text.
        alignment: [T, S], how much of the attention each symbol gave to each of the source; None without attention.
        capped: whether it was cut at the most symbols allowed.
        ids: of its T symbols, as the network knows them.
    """

    text: str
    score: float
    log_probability: float
    tokens: list[str]
    source_tokens: list[str]
    alignment: NDArray[np.float32] | None
    capped: bool
    ids: Sequence[int] = ()


class Writer(NamedTuple):
    """What makes text of a hypothesis.

    Attributes:
        vocabulary: of the target side.
        tokens: what its symbols are.
        replace_unknown: whether an unknown symbol is written as the source symbol that had most of the attention
            (Luong et al., "Addressing the rare word problem in neural machine translation", ACL 2015).
    """

    vocabulary: Vocabulary
    tokens: str
    replace_unknown: bool = False

    def write(self, found: Hypothesis, source_tokens: list[str], copied: Sequence[str]) -> Translation:
        """Write a hypothesis.

        Args:
            found: its ids beyond the vocabulary are those of `copied`.
            source_tokens: of its source.
            copied: the texts of the source's unknown symbols.
        """
        alignment = None if found.weights is None else found.weights.cpu().numpy()
        stream = TextStream(self.vocabulary, self.tokens)
        tokens, pieces = [], []
        for number, id_ in enumerate(found.ids):
            other = None
            if id_ >= len(self.vocabulary):
                other = copied[id_ - len(self.vocabulary)]
            elif id_ == UNKNOWN and self.replace_unknown and alignment is not None and source_tokens:
                other = source_tokens[int(alignment[number].argmax())]
            tokens.append(symbol_text(self.vocabulary, self.tokens, id_) if other is None else other)
            pieces.append(stream.write(id_) if other is None else stream.write_symbol(other))
        text = "".join([*pieces, stream.end()]).replace("\n", " ").strip()
        return Translation(
            text,
            found.score,
            found.log_probability,
            tokens,
            source_tokens,
            alignment,
            found.capped,
            found.ids,
        )


class _EncodedSentences:
    """What :func:`recurra.search.search` asks: a network that has read some sentences."""

    def __init__(self, network: TranslationNetwork, encoding: Encoding) -> None:
        self.network, self.encoding = network, encoding

    def start(self, hypotheses: int) -> DecoderState:
        return self.network.start(self.encoding, hypotheses)

    def step(self, ids: Tensor, state: DecoderState) -> tuple[Tensor, Tensor | None, DecoderState]:
        return self.network.step(ids, state, self.encoding)

    def reorder(self, state: DecoderState, parents: Tensor) -> DecoderState:
        return state.reorder(parents)

    def keep(self, state: DecoderState, sentences: Tensor) -> tuple[_EncodedSentences, DecoderState]:
        hypotheses = state.hidden[0].shape[1] // self.encoding.state[0].shape[1]
        kept = _EncodedSentences(self.network, self.encoding.keep(sentences))
        return kept, state.keep(sentences, hypotheses)


def translate(
    network: TranslationNetwork,
    texts: Sequence[str],
    vocabulary: Vocabulary,
    writer: Writer,
    config: TranslateConfig,
    options: Search,
    seed: int = 0,
) -> list[list[Translation]]:
    """The best translations of each text, in the order of the texts; texts of like length are read together.

    A text without a symbol has an empty translation, whatever the network would write.

    Args:
        network: trained.
        texts: to translate.
        vocabulary: of the source side.
        writer: of the target side.
        config: how texts become symbols.
        options: how to search.
        seed: of what is drawn, where a sampler is among the options, for the first text; each later one has the next.
    """
    sources = source_ids(texts, vocabulary, config.model.copying, config.vocabulary.max_length)
    nothing = Translation("", 0.0, 0.0, [], [], np.zeros((0, 0), np.float32), capped=False)
    found: list[list[Translation]] = [[nothing] for _ in texts]
    training = network.training
    network.eval()
    for chosen, hypotheses in _searched(network, sources, options, seed):
        for index, of_text in zip(chosen, hypotheses, strict=True):
            read = [token.text for token in vocabulary.tokens(texts[index])][: len(sources.ids[index])]
            copied = [] if sources.unknown is None else sources.unknown[index]
            found[index] = [writer.write(each, read, copied) for each in of_text]
    network.train(training)
    return found


def _searched(
    network: TranslationNetwork, sources: SourceIds, options: Search, seed: int
) -> Iterator[tuple[list[int], list[list[Hypothesis]]]]:
    device = next(network.parameters()).device
    lengths = np.array([len(ids) for ids in sources.ids], dtype=np.int64)
    for batch in length_sorted(lengths, _BATCH, _MOST):
        chosen = [index for index in batch.tolist() if lengths[index]]
        if not chosen:
            continue
        read = make_batch([sources.ids[index] for index in chosen]).to(device)
        copies, extra = None, 0
        if sources.copies is not None and sources.unknown is not None:
            copies = make_batch([sources.copies[index] for index in chosen]).values.to(device)
            extra = max(len(sources.unknown[index]) for index in chosen)
        with torch.inference_mode():
            encoding = network.encode(read.values, read.lengths, copies, extra)
        draws = options.sampler is not None and options.sampler.temperature > 0
        seeds = [seed + index for index in chosen] if draws else None
        yield chosen, search(_EncodedSentences(network, encoding), read.lengths.to(device), options, seeds)


def source_chunks(inputs: Sequence[str], column: str, **reading: Any) -> Iterator[list[str]]:
    """Yield the texts to translate of command-line arguments: files, texts, or standard input when there are none.

    Args:
        inputs: the arguments.
        column: the source column of the training data.
        reading: options of :func:`recurra.data.pairs.load_sources`.

    Raises:
        DataError: a file is missing or malformed.
        SettingsError: an option about files was given, and there is none.
    """
    files = [argument for argument in inputs if argument != "-" and is_file(argument)]
    if not files:
        for name, value in reading.items():
            raise SettingsError(f"option '{name}' ({value}) would have no effect: no file is read")
    for argument in list(inputs) or ["-"]:
        if argument in files:
            yield from (chunk.texts for chunk in load_sources(argument, preferred=column, **reading).chunks(_CHUNK))
        else:
            yield from lines_of_inputs([argument])


def json_line(text: str, found: Sequence[Translation], with_alignment: bool) -> str:
    """A line of JSON: the source, the best translation and, where there are several, all.

    Args:
        text: the source.
        found: its translations, the best first.
        with_alignment: whether the symbols and the attention between them are told too.
    """
    answers = [_told(each, with_alignment) for each in found]
    line = {"source": text, **answers[0], **({"n_best": answers} if len(answers) > 1 else {})}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _told(found: Translation, with_alignment: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "translation": found.text,
        "score": found.score,
        "log_probability": found.log_probability,
        **({"capped": True} if found.capped else {}),
    }
    if with_alignment and found.alignment is not None:
        weights = [[round(float(weight), 6) for weight in row] for row in found.alignment]
        told["alignment"] = {"source": found.source_tokens, "target": found.tokens, "weights": weights}
    return told


def make_search(
    longest_ratio: float,
    symbols: int,
    beam: int | None = None,
    n_best: int | None = None,
    length_penalty: float | None = None,
    coverage_penalty: float | None = None,
    max_ratio: float | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Search:
    """How to search, of options that may be left out: a beam, or draws where one of the last three is given.

    Args:
        longest_ratio: the `max_ratio` that is taken when none is given.
        symbols: V, of the target side.
        beam: when None 5, or as many as there are symbols, or as `n_best`.
        n_best: 1 when None.
        length_penalty: as of :class:`recurra.search.Search`, whose default is taken when None; so are the others.
        coverage_penalty: likewise.
        max_ratio: likewise.
        temperature: as of :class:`recurra.nn.sampling.Sampler`.
        top_k: likewise.
        top_p: likewise.

    Raises:
        SettingsError: an option is out of range, or without effect beside another.
    """
    drawing = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    given: dict[str, Any] = {name: value for name, value in drawing.items() if value is not None}
    ranking = {"n_best": n_best, "length_penalty": length_penalty, "coverage_penalty": coverage_penalty}
    told: dict[str, Any] = {name: value for name, value in ranking.items() if value is not None}
    if beam is None:
        beam = 1 if given else max(min(_BEAM, symbols), n_best or 1)
    ratio = longest_ratio if max_ratio is None else max_ratio
    return Search(beam, max_ratio=ratio, sampler=Sampler(**given) if given else None, **told)
