"""How a language model reads a text, and the log-probability of each symbol that came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurra.diagnose.reading import Reading, percent, require_some
from recurra.diagnose.readings.items import text_of_input
from recurra.diagnose.readings.log_probabilities import log_probabilities_once
from recurra.inputs import chunks_of_inputs
from recurra.tasks.language_model import ModelLanguage
from recurra.vocabulary import END, Token

__all__ = ["read_language_model"]

_MOST = 100  # symbols: each is an answer to explain, and no figure shows more


def read_language_model(task: ModelLanguage, given: str, item: int, options: Mapping[str, Any]) -> Reading:
    """Read a text after the end of a line, as `recurra predict` does; an answer is the symbol that came, its end too.

    A score is the log-probability of the symbol given those before it: the surprise, in nats, is its negative. What
    says nothing is the zero vector. A symbol is left out by taking it out of what the later ones follow; its own score
    does not change, as it comes too late for it. Of a text of more than 100 symbols the first 100 are read.
    """
    text, source = text_of_input(
        given, chunks_of_inputs([given], task.config.data.text_column or "text", **options), item
    )
    require_some(len(text), given, "a text of at least one symbol")
    end = Token("\n", END, True)
    found = [token for line in text.split("\n") for token in (*task.vocabulary.tokens(line), end)]
    require_some(len(found) - 1, given, "a text of at least one symbol")
    tokens = found[:_MOST]
    network, device = task.network, next(task.network.parameters()).device
    ids = torch.tensor([token.id for token in tokens], device=device)
    with torch.no_grad():
        vectors, begin = network.embed(ids), network.embed(torch.tensor([END], device=device))

    def scores(variants: Tensor, kept: Tensor) -> Tensor:
        count = len(variants)
        outputs, _ = network.recurrent(torch.cat([begin.expand(count, 1, -1), variants], 1).transpose(0, 1))
        read = (kept.unsqueeze(1) < torch.arange(len(ids), device=device).view(1, -1, 1)).sum(2)  # before each answer
        hidden = outputs.transpose(0, 1).gather(1, read.unsqueeze(2).expand(-1, -1, outputs.shape[2]))
        logs = log_probabilities_once(network.softmax, network.projection(hidden.flatten(0, 1)), ids.repeat(count))
        return logs.view(count, -1)

    shown = [token.text for token in tokens]
    with torch.no_grad():
        logs = scores(vectors.unsqueeze(0), torch.arange(len(ids), device=device).unsqueeze(0))[0]
    return Reading(
        source=source,
        pieces=shown,
        known=[token.known for token in tokens],
        is_text=True,
        truncated=len(found) - len(tokens),
        network=network,
        vectors=vectors,
        start=torch.zeros_like(vectors),
        piece_of=np.arange(len(tokens)),
        removable=True,
        scores=scores,
        answers=shown,
        told=[f"{symbol} ({percent(p)})" for symbol, p in zip(shown, logs.exp().tolist())],
        unit="nats",
        read_at=lambda name, steps: [end.text, *shown],
        surprise=True,
    )
