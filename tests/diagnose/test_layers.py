"""The names of recurrent layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import recurra
from recurra.config import make_run_config
from recurra.diagnose.layers import layer_name, named_layers
from recurra.errors import DataError
from recurra.kernels.trace import traced
from recurra.nn.tagger import TaggerNetwork
from recurra.nn.translation import TranslationNetwork


def names(network: nn.Module) -> list[str]:
    return [layer.name for layer in named_layers(network)]


def test_parts_layers_and_directions() -> None:
    config = make_run_config("translate", data="memory", hidden_size=4, embedding_size=4, num_layers=2)
    assert names(TranslationNetwork(9, 9, config.model, False)) == [
        "decoder, layer 1",  # the first that is drawn
        "decoder, layer 2",
        *(f"encoder, layer {layer}, {way}" for layer in (1, 2) for way in ("forwards", "backwards")),
    ]
    config = make_run_config("tag", data="memory", hidden_size=4, characters=True, bidirectional=False)
    found = names(TaggerNetwork(9, 3, config.model, character_vocabulary=5, moves=None))
    assert found == ["characters, layer 1, forwards", "characters, layer 1, backwards", "layer 1"]
    assert names(nn.Linear(2, 2)) == []


def test_a_trace_is_told_by_its_weights() -> None:
    layer = recurra.nn.LSTM(2, 3, num_layers=2, bidirectional=True)
    with traced() as traces:
        layer(torch.zeros(4, 1, 2))
    assert [layer_name(layer, trace) for trace in traces] == names(layer)
    assert names(layer)[1] == "layer 1, backwards"
    with pytest.raises(DataError, match="none of the network's"):
        layer_name(recurra.nn.LSTM(2, 3), traces[0])
