"""How a translator reads a source, and the log-probability of each symbol that it wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from recurra.data.encoded_pairs import source_ids
from recurra.diagnose.explained import Forming
from recurra.diagnose.reading import Reading, percent, require_some
from recurra.diagnose.readings.items import text_of_input
from recurra.diagnose.readings.log_probabilities import log_probabilities_once
from recurra.kernels.layout import Layout
from recurra.nn.decoder import Decoded, Encoding
from recurra.nn.translation import TranslationNetwork
from recurra.tasks.translate import Translate
from recurra.tasks.translations import Translation, source_chunks
from recurra.vocabulary import END, UNKNOWN

__all__ = ["read_translate"]

_END = "(end)"


class _Forced(NamedTuple):
    """A network that is given what it wrote, [T], for variants of a source whose symbols to copy are [S]."""

    network: TranslationNetwork
    targets: Tensor
    copies: Tensor | None
    extra: int

    def decode(self, variants: Tensor, kept: Tensor) -> tuple[Layout, Encoding, Decoded]:
        """From vectors [B, S', E] and the numbers of the symbols that these are, [B, S']."""
        count, size = variants.shape[:2]
        layout = Layout.full(size, count)
        copies = None if self.copies is None else self.copies[kept]
        vectors = variants.transpose(0, 1).flatten(0, 1)
        lengths = torch.full((count,), size)
        encoding = self.network.encode_vectors(vectors, layout, size, lengths, copies, self.extra)
        layout = Layout.full(len(self.targets), count)
        return layout, encoding, self.network.decode(self.targets.expand(count, -1), layout, encoding)

    def scores(self, variants: Tensor, kept: Tensor) -> Tensor:
        """The log-probability of each target symbol given those before it, [B, T]."""
        layout, encoding, decoded = self.decode(variants, kept)
        decoder, packed = self.network.decoder, layout.pack(self.targets.expand(len(variants), -1), batch_first=True)
        known = packed.masked_fill(packed >= decoder.softmax.vocabulary_size, UNKNOWN)
        logs = log_probabilities_once(decoder.softmax, decoded.attentional, known)
        if decoder.gate is not None:
            logs = decoder.with_copies(decoded, logs, packed, layout, encoding)
        return layout.unpack(logs, len(self.targets), batch_first=True)


def read_translate(task: Translate, given: str, item: int, options: Mapping[str, Any]) -> Reading:
    """Read a source text; the answers are the symbols of the translation that `recurra predict` writes, its end too.

    A score is the log-probability of a symbol given the source and the symbols before it, which stay what they are;
    together they are that of the translation. What says nothing is the zero vector. A piece is left out by taking it
    away.
    """
    text, source = text_of_input(given, source_chunks([given], task.known.columns[0], **options), item)
    found = task.vocabulary.tokens(text)
    require_some(len(found), given, "a text of at least one symbol")
    settings = task.config.model.copying, task.config.vocabulary.max_length
    ids = source_ids([text], task.vocabulary, *settings)
    written = task.translate([text], task.search())[0][0]
    network, device = task.network, next(task.network.parameters()).device
    targets = torch.tensor([*written.ids, *([] if written.capped else [END])], device=device)
    copies = None if ids.copies is None else torch.tensor(ids.copies[0], device=device)
    forced = _Forced(network, targets, copies, 0 if ids.unknown is None else len(ids.unknown[0]))
    with torch.no_grad():
        vectors = network.embed_sources(torch.tensor(ids.ids[0], device=device))
        kept = torch.arange(len(vectors), device=device).unsqueeze(0)
        logs = forced.scores(vectors.unsqueeze(0), kept)[0]
        weights = forced.decode(vectors.unsqueeze(0), kept)[2].weights
    answers = [*written.tokens, *([] if written.capped else [_END])]
    pieces = [token.text for token in found[: len(vectors)]]
    return Reading(
        source=source,
        pieces=pieces,
        known=[token.known for token in found[: len(vectors)]],
        is_text=True,
        truncated=len(found) - len(vectors),
        network=network,
        vectors=vectors,
        start=torch.zeros_like(vectors),
        piece_of=np.arange(len(vectors)),
        removable=True,
        scores=forced.scores,
        answers=answers,
        told=[f"{symbol} ({percent(p)})" for symbol, p in zip(answers, logs.exp().tolist())],
        unit="nats",
        read_at=lambda name, steps: ["(start)", *answers[:-1]] if name.startswith("decoder") else pieces,
        forming=lambda: _whole(len(pieces), written),
        attention=None if weights is None else weights[0].double().cpu().numpy(),
        whole=written.text,
    )


def _whole(read: int, written: Translation) -> Sequence[Forming]:
    """The translation, which is written when all of the source has been read."""
    return [Forming(read, written.text, math.exp(written.log_probability))]
