"""Source symbols in; out come what attention looks at, and the state that the decoder begins with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recurra.config import TranslateModelConfig
from recurra.kernels.cells import State
from recurra.kernels.layout import Layout
from recurra.nn.encoder import make_recurrent

__all__ = ["Bridge", "SourceEncoder"]


class SourceEncoder(nn.Module):
    """Recurrent layers over the vectors of the source, and the bridge from their last state to the decoder.

    Dropout is variational: on what each layer reads and on what the last one gives, alike at all steps of a source.

    Args:
        config: cells, sizes, depth, directions, dropout and kind of attention.
        states: how many tensors the state of the decoder has.

    Attributes:
        output_size: M, the size of what attention looks at.
    """

    def __init__(self, config: TranslateModelConfig, states: int) -> None:
        super().__init__()
        self.recurrent = make_recurrent(
            config.cell,
            config.embedding_size,
            config.hidden_size,
            num_layers=config.num_layers,
            chrono_steps=config.chrono_steps,
            bidirectional=config.bidirectional,
            input_dropout=config.dropout,
            output_dropout=config.dropout,
        )
        self.bridge = Bridge(self.recurrent.num_directions, config.hidden_size, config.num_layers, states)
        self.output_size = self.recurrent.num_directions * config.hidden_size
        self.projection: nn.Module = nn.Identity()
        if config.attention == "dot" and self.output_size != config.hidden_size:  # which compares it with a query [H]
            self.projection = nn.Linear(self.output_size, config.hidden_size)
            self.output_size = config.hidden_size

    def forward(self, vectors: Tensor, layout: Layout) -> tuple[Tensor, State]:
        """Encode packed sources.

        Args:
            vectors: of the symbols, [N, E].
            layout: how they are arranged; sources of length 0 are allowed.

        Returns:
            What attention looks at, packed, [N, M]; and the state that the decoder begins with, tensors [L, B, H].
        """
        outputs, final = self.recurrent.forward_packed(vectors, layout)
        state: State = self.bridge(tuple(layout.unsort(part, 1) for part in final))
        return self.projection(outputs), state


class Bridge(nn.Module):
    r"""From the state that an encoder ends with to the one that a decoder begins with.

    .. math:: s = \tanh(W [\overrightarrow{h}; \overleftarrow{h}] + b)

    with W and b for each layer and each tensor of the decoder's state. The c of an LSTM comes from the encoder's c, or
    from its h where that has no c. The first h of Bahdanau, Cho, Bengio (ICLR 2015) is the like, of one direction.

    Args:
        directions: D, of the encoder.
        hidden_size: H.
        num_layers: L.
        states: how many tensors the state of the decoder has.
    """

    def __init__(self, directions: int, hidden_size: int, num_layers: int, states: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.Linear(directions * hidden_size, hidden_size) for _ in range(num_layers))
            for _ in range(states)
        )

    def forward(self, final: State) -> State:
        """From tensors [L * D, B, H] to tensors [L, B, H]."""
        state = []
        for number, layers in enumerate(self.layers):
            assert isinstance(layers, nn.ModuleList)
            source = final[min(number, len(final) - 1)]
            by_layer = source.unflatten(0, (len(layers), -1)).transpose(1, 2).flatten(2)  # [L, B, D * H]
            state.append(torch.stack([torch.tanh(layer(part)) for layer, part in zip(layers, by_layer)]))
        return tuple(state)
