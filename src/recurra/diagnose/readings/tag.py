"""How a tagger reads a sentence, and the log-odds of the tag of each token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurra.data.tagged_load import is_tagged_file
from recurra.diagnose.reading import Reading, log_odds, percent, require_some
from recurra.diagnose.readings.items import item_of, text_of_input
from recurra.errors import SettingsError
from recurra.inputs import is_file, lines_of_inputs
from recurra.kernels.layout import Layout
from recurra.nn.crf import CRF
from recurra.nn.tagger import TaggerNetwork
from recurra.tasks.tag import Tag
from recurra.vocabulary import UNKNOWN, split_words

__all__ = ["paths_through", "read_tag"]

_IMPOSSIBLE = -1e5  # and not minus infinity, whose gradient would be NaN; e to the power of it is 0


def read_tag(task: Tag, given: str, item: int, options: Mapping[str, Any]) -> Reading:
    """Read a sentence: a text, divided into words, or the one of that number of a file, of those that have a token.

    What says nothing is the unknown symbol, spelt with no character. A token is left out by reading that in its place,
    as each keeps its tag. With a CRF the log-odds are those of a tag over all paths.
    """
    words, source = _sentence(task, given, item, options)
    require_some(len(words), given, "a sentence of at least one token")
    network, batch = task.network, task.batch_of([words])
    device = next(network.parameters()).device
    with torch.no_grad():
        layout = Layout.full(len(words), 1)
        vectors = network.embed(batch.to(device), layout)
        chosen, sure = network.answer(network.from_vectors(vectors, layout), layout)
        start = _nothing(network, device).expand(len(words), -1)
    tags = [task.known.tags[number] for number in chosen.tolist()]

    def scores(variants: Tensor, kept: Tensor) -> Tensor:
        layout = Layout.full(variants.shape[1], len(variants))
        emissions = network.from_vectors(variants.transpose(0, 1).flatten(0, 1), layout).double()
        of_tokens = emissions.unflatten(0, (variants.shape[1], len(variants))).transpose(0, 1)  # [B, T, K]
        if network.crf is not None:
            of_tokens = paths_through(network.crf, of_tokens)
        return log_odds(of_tokens, chosen.expand(len(variants), -1))

    return Reading(
        source=source,
        pieces=words,
        known=(batch.values[0] != UNKNOWN).tolist(),
        is_text=True,
        truncated=0,
        network=network,
        vectors=vectors,
        start=start,
        piece_of=np.arange(len(words)),
        removable=False,
        scores=scores,
        answers=tags,
        told=[f"{word}: {tag} ({percent(each)})" for word, tag, each in zip(words, tags, sure.tolist())],
        unit="log-odds",
        read_at=lambda name, steps: words,
        names=[f"{word}:\u00a0{tag}" for word, tag in zip(words, tags)],
    )


def paths_through(crf: CRF, emissions: Tensor) -> Tensor:
    """The logarithm of the summed scores of all paths through each tag at each token, [B, T, K] as the emissions.

    Its softmax over the tags are the marginals of :meth:`recurra.nn.crf.CRF.marginals`, but each can be differentiated.
    A path that is not possible has a score so low that it adds nothing.

    Args:
        crf: its transitions.
        emissions: of sequences of one length, [B, T, K] with T at least 1, in double precision.
    """
    transitions, start, end = (part.to(emissions).clamp(min=_IMPOSSIBLE) for part in crf.scores())
    steps = emissions.unbind(1)
    before, after = [start + steps[0]], [end.expand_as(steps[0])]
    for emission in steps[1:]:
        before.append((before[-1].unsqueeze(2) + transitions).logsumexp(1) + emission)
    for emission in steps[:0:-1]:
        after.append((transitions + (emission + after[-1]).unsqueeze(1)).logsumexp(2))
    return torch.stack(before, 1) + torch.stack(after[::-1], 1)


def _sentence(task: Tag, given: str, item: int, options: Mapping[str, Any]) -> tuple[list[str], str]:
    """The words of a sentence, and what it is called."""
    if given != "-" and (is_file(given) or is_tagged_file(given)):
        chunks = task.load_unlabelled(given, options).chunks()
        found = (sentence.tokens for chunk in chunks for sentence in chunk if sentence.tokens)
        return item_of(found, item, given, "sentence"), f"sentence {item:,} of {given}"
    for name, value in options.items():
        raise SettingsError(f"option '{name}' ({value}) would have no effect: no file is read")
    text, source = text_of_input(given, lines_of_inputs([given]), item)
    return split_words(text), source


def _nothing(network: TaggerNetwork, device: torch.device) -> Tensor:
    """What stands for an unknown word of no character, [I]."""
    vector = network.embedding.weight[UNKNOWN].detach()
    if network.characters is None:
        return vector
    spelt = network.characters(torch.zeros(1, 1, dtype=torch.int64, device=device), torch.zeros(1, dtype=torch.int64))
    return torch.cat([vector, spelt[0]])
