"""The bridge between cells that differ, and sources without a symbol."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recurra.config import TranslateModelConfig
from recurra.kernels.layout import Layout
from recurra.nn.source_encoder import Bridge, SourceEncoder


def test_each_tensor_of_each_layer_has_a_bridge_of_its_own():
    torch.manual_seed(0)
    h, c = torch.randn(6, 5, 4), torch.randn(6, 5, 4)  # three layers, two directions
    bridge = Bridge(directions=2, hidden_size=4, num_layers=3, states=2)
    for final, sources in (((h, c), (h, c)), ((h,), (h, h))):
        for made, source, layers in zip(bridge(final), sources, bridge.layers, strict=True):
            assert made.shape == (3, 5, 4)
            for number, layer in enumerate(layers):
                both = torch.cat([source[2 * number], source[2 * number + 1]], 1)
                torch.testing.assert_close(made[number], torch.tanh(both @ layer.weight.T + layer.bias))
    (only,) = Bridge(directions=2, hidden_size=4, num_layers=3, states=1)((h, c))
    assert only.shape == (3, 5, 4)


@pytest.mark.parametrize(
    ("options", "size", "is_projected"),
    [
        ({"attention": "dot"}, 4, True),
        ({"attention": "dot", "bidirectional": False}, 4, False),
        ({"attention": "general"}, 8, False),
    ],
)
def test_dot_alone_needs_a_projection(options, size, is_projected):
    encoder = SourceEncoder(TranslateModelConfig(embedding_size=3, hidden_size=4, **options), states=2)
    assert encoder.output_size == size
    assert isinstance(encoder.projection, nn.Linear) == is_projected
    outputs, state = encoder(torch.randn(3, 3), Layout.from_lengths(torch.tensor([1, 2])))
    assert outputs.shape == (3, size)
    assert [part.shape for part in state] == [(1, 2, 4)] * 2


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_sources_without_a_symbol(cell):
    encoder = SourceEncoder(TranslateModelConfig(cell=cell, embedding_size=3, hidden_size=4), states=1)
    outputs, (state,) = encoder(torch.zeros(0, 3), Layout.from_lengths(torch.zeros(2, dtype=torch.int64)))
    assert outputs.shape == (0, 8)
    torch.testing.assert_close(state[0], torch.tanh(encoder.bridge.layers[0][0].bias).expand(2, 4))
