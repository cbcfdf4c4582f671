"""Chunks with carried state: forward what one call gives, backward what a loop gives that forgets every few steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from recurra.errors import SettingsError, ShapeError
from recurra.nn import GRU, LSTM, RNN, truncated
from recurra.nn.chunks import Chunk

LAYERS = (RNN, LSTM, GRU)
LENGTHS = [7, 0, 4, 3, 9]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def make(kind: Any, **options: Any) -> Any:
    layer = kind(3, 4, num_layers=2, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.7)
    return layer


def parts(state: Any) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def same(got: Any, expected: Any) -> None:
    assert len(got) == len(expected)
    for g, e in zip(got, expected):
        torch.testing.assert_close(g, e, rtol=1e-10, atol=1e-10)


def joined(chunks: list[Chunk], dim: int = 0) -> tuple[Tensor, ...]:
    return torch.cat([chunk.output for chunk in chunks], dim), *parts(chunks[-1].state)


@pytest.mark.parametrize("steps", [1, 3, 4, 9, 20])
@pytest.mark.parametrize("kind", LAYERS)
def test_forward_is_that_of_one_call(kind, steps):
    options = {"learn_initial_state": True, "layer_norm": True, "connections": "residual"}
    for extra in ({}, options):
        layer = make(kind, **extra).eval()
        x = torch.randn(11, 5, 3, dtype=torch.float64)
        with torch.no_grad():
            output, state = layer(x, lengths=LENGTHS)
            chunks = list(truncated(layer, x, steps, LENGTHS))
        same(joined(chunks), (output[:9], *parts(state)))  # nine steps: what is padding alone is left out
        assert sum(chunk.lengths for chunk in chunks).tolist() == LENGTHS
        assert [t for chunk in chunks for t in range(11)[chunk.steps]] == list(range(9))


@pytest.mark.parametrize("steps", [2, 5])
@pytest.mark.parametrize("kind", LAYERS)
def test_every_state_is_that_after_the_steps_so_far(kind, steps):
    layer, x = make(kind), torch.randn(11, 5, 3, dtype=torch.float64)
    for chunk in truncated(layer, x, steps, LENGTHS):
        _, state = layer(x, lengths=[min(length, chunk.steps.stop) for length in LENGTHS])
        same(parts(chunk.state), parts(state))


@pytest.mark.parametrize("kind", LAYERS)
def test_forms_of_input(kind):
    layer, x = make(kind), torch.randn(7, 5, 3, dtype=torch.float64)
    output, state = layer(x)
    chunks = list(truncated(layer, x, 3))
    same(joined(chunks), (output, *parts(state)))
    assert [chunk.lengths.tolist() for chunk in chunks] == [[3] * 5, [3] * 5, [1] * 5]
    _, hx = layer(x[:2])
    same(joined(list(truncated(layer, x[2:], 4, hx=hx))), (output[2:], *parts(state)))
    alone = list(truncated(layer, x[:, 1], 4))
    same(joined(alone), (output[:, 1], *(part[:, 1] for part in parts(state))))
    layer.batch_first = True
    turned = list(truncated(layer, x.transpose(0, 1), 3, [7, 2, 0, 1, 6]))
    expected, state = layer(x.transpose(0, 1), lengths=[7, 2, 0, 1, 6])
    same(joined(turned, 1), (expected, *parts(state)))


@pytest.mark.parametrize("options", [{}, {"learn_initial_state": True, "layer_norm": True, "connections": "highway"}])
@pytest.mark.parametrize("steps", [1, 3, 4])
@pytest.mark.parametrize("kind", LAYERS)
def test_gradients_are_those_of_a_loop_that_forgets(by_hand, gradients, kind, steps, options):
    layer = make(kind, **options)
    x = torch.randn(9, 5, 3, dtype=torch.float64, requires_grad=True)
    drawn, whole = by_hand.record(layer, x, lengths=LENGTHS)
    expected = by_hand.run(layer, x, LENGTHS, drawn, detach_every=steps)
    wanted = [x, *layer.parameters()]
    got = gradients(joined(list(truncated(layer, x, steps, LENGTHS)))[:1], wanted)
    same(got, gradients(expected[:1], wanted))
    remembered = gradients(whole[:1], wanted)
    assert not any(torch.allclose(got[0][t], remembered[0][t]) for t in range(steps))  # of what later chunks made of it


@pytest.mark.parametrize("kind", LAYERS)
def test_training_by_chunks_as_by_hand_with_slices(kind):
    """A step of the optimiser after each chunk changes what the next one computes."""
    layers = [make(kind) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    optimisers = [torch.optim.SGD(layer.parameters(), lr=0.1) for layer in layers]
    x, targets = torch.randn(8, 2, 3, dtype=torch.float64), torch.randn(8, 2, 4, dtype=torch.float64)
    for chunk in truncated(layers[0], x, 3):
        optimisers[0].zero_grad()
        (chunk.output - targets[chunk.steps]).square().sum().backward()
        optimisers[0].step()
    state = None
    for start in (0, 3, 6):
        output, state = layers[1](x[start : start + 3], state)
        optimisers[1].zero_grad()
        (output - targets[start : start + 3]).square().sum().backward()
        optimisers[1].step()
        state = tuple(part.detach() for part in state) if kind is LSTM else state.detach()
    same(list(layers[0].parameters()), list(layers[1].parameters()))


@pytest.mark.parametrize("kind", LAYERS)
def test_nothing_to_read_leaves_the_state(kind):
    layer = make(kind, learn_initial_state=True)
    for time, lengths in ((5, [0, 0]), (0, [0, 0]), (0, None)):
        (chunk,) = truncated(layer, torch.randn(time, 2, 3, dtype=torch.float64), 3, lengths)
        assert (chunk.output.shape, chunk.lengths.tolist()) == ((0, 2, 4), [0, 0])
        assert torch.equal(parts(chunk.state)[0], layer.h_0.unsqueeze(1).expand(2, 2, 4))
    (chunk,) = truncated(layer, torch.randn(5, 0, 3, dtype=torch.float64), 3, [])
    assert chunk.output.shape == (0, 0, 4)


@pytest.mark.parametrize(
    ("layer", "steps", "message"),
    [
        (GRU(3, 4), 0, "steps: expected a positive integer, got 0"),
        (GRU(3, 4), 2.0, "steps: expected a positive integer, got 2.0"),
        (GRU(3, 4), True, "steps: expected a positive integer, got True"),
        (nn.GRU(3, 4), 2, "layer: expected RNN, LSTM or GRU of recurra.nn, got GRU of torch.nn.modules.rnn"),
        (
            LSTM(3, 4, bidirectional=True),
            2,
            "layer: the second net of a bidirectional layer reads from the end, so that no chunk can be run before "
            "those behind it; use one direction, or one call over all steps",
        ),
    ],
)
def test_what_cannot_be_cut(layer, steps, message):
    with pytest.raises(SettingsError) as caught:
        truncated(layer, torch.randn(5, 2, 3), steps)  # before the first chunk is asked for
    assert str(caught.value) == message


def test_input_that_does_not_fit():
    layer = GRU(3, 4)
    with pytest.raises(ShapeError, match="input: expected a padded tensor and lengths, got a PackedSequence"):
        truncated(layer, pack_sequence([torch.randn(2, 3)]), 2)
    with pytest.raises(ShapeError, match=r"input: expected 2 \(unbatched\) or 3 dimensions, got 1: \(3,\)"):
        truncated(layer, torch.randn(3), 2)
    with pytest.raises(ShapeError, match="lengths: expected 0 to 5, got 1 to 6"):
        truncated(layer, torch.randn(5, 2, 3), 2, [6, 1])
