"""RNN, LSTM and GRU: what `torch.nn` has, exact at every length.

Beside a tensor or a `PackedSequence` a layer takes ``lengths``. The result is then that of each sequence alone: outputs
in the padding are zero, the final state is that of each sequence's true end, the reverse direction starts there, and so
do the gradients. What torch's layers lack (recurrent dropout, layer norm, a learnt initial state, ...) is an option by
keyword: :class:`recurra.nn.options.Extras`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from recurra.errors import SettingsError, ShapeError
from recurra.nn.lengths import Lengths
from recurra.nn.options import Extras, Init, shows_extras
from recurra.nn.stack import Recurrent

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["GRU", "LSTM", "RNN"]


class RNN(Recurrent):
    r"""Simple recurrent layers: :math:`h_t = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})`.

    Takes what `torch.nn.RNN` takes, plus ``init`` (see :meth:`Recurrent.reset_parameters`), the options of
    :class:`recurra.nn.options.Extras` and, when called, ``lengths``. Elman, "Finding structure in time", Cognitive
    Science 14, 1990.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: L, each reading the outputs of the one below.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: whether the gates have biases.
        batch_first: whether tensors are [B, T, I] rather than [T, B, I]; states are [L * D, B, H] either way.
        dropout: share of the outputs of each layer but the last that is dropped in training.
        bidirectional: whether a second net reads from each sequence's end.
        device: where the parameters are.
        dtype: of the parameters.
        init: ``"careful"``, ``"chrono"`` or ``"torch"``.
        **extras: the options of :class:`recurra.nn.options.Extras`.

    Raises:
        SettingsError: an argument out of range, or without effect on such a layer.

    >>> rnn = RNN(4, 8)
    >>> output, h_n = rnn(torch.randn(5, 2, 4), lengths=[3, 5])
    >>> output.shape, h_n.shape
    (torch.Size([5, 2, 8]), torch.Size([1, 2, 8]))
    """

    @shows_extras
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        init: Init = "careful",
        **extras: Unpack[Extras],
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise SettingsError(f"nonlinearity: expected 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        cell = f"rnn_{nonlinearity}"
        super().__init__(
            cell,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
            init,
            **extras,
        )

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None, lengths: Lengths | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run over a batch of sequences, or one.

        Args:
            input: [T, B, I], [B, T, I] with ``batch_first``, [T, I], or a `PackedSequence`.
            hx: initial state [L * D, B, H], or [L * D, H] for one sequence; when None the learnt one, or zeros.
            lengths: [B] integers in 0..T, in any order, on any device; None when all sequences have T steps.

        Returns:
            The outputs in the form of the input with D * H in place of I, and the final state in the form of ``hx``.

        Raises:
            ShapeError: tensors or lengths that do not fit together.
        """
        output, (h_n,) = self._run(input, None if hx is None else (hx,), lengths)
        return output, h_n


class GRU(Recurrent):
    r"""Gated recurrent units, as `torch.nn.GRU`, exact at every length; see :func:`recurra.kernels.cells.gru`.

    Takes what `torch.nn.GRU` takes, plus ``init`` (see :meth:`Recurrent.reset_parameters`), the options of
    :class:`recurra.nn.options.Extras` and, when called, ``lengths``. Arguments, shapes and errors as in :class:`RNN`.
    Cho et al., EMNLP 2014.

    >>> gru = GRU(4, 8, bidirectional=True, batch_first=True)
    >>> output, h_n = gru(torch.randn(2, 5, 4), lengths=[0, 5])
    >>> output.shape, h_n.shape
    (torch.Size([2, 5, 16]), torch.Size([2, 2, 8]))
    """

    @shows_extras
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        init: Init = "careful",
        **extras: Unpack[Extras],
    ) -> None:
        super().__init__(
            "gru",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
            init,
            **extras,
        )

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None, lengths: Lengths | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run over a batch of sequences, or one; arguments and results as in :meth:`RNN.forward`."""
        output, (h_n,) = self._run(input, None if hx is None else (hx,), lengths)
        return output, h_n


class LSTM(Recurrent):
    r"""Long short-term memory, as `torch.nn.LSTM`, exact at every length; see :func:`recurra.kernels.cells.lstm`.

    Takes what `torch.nn.LSTM` takes, plus ``init`` (see :meth:`Recurrent.reset_parameters`), the options of
    :class:`recurra.nn.options.Extras` and, when called, ``lengths``. Arguments, shapes and errors as in :class:`RNN`;
    with ``proj_size`` P the outputs and h have size P in place of H. Hochreiter, Schmidhuber, Neural Computation 9,
    1997; projection: Sak et al., Interspeech 2014.

    >>> lstm = LSTM(4, 8)
    >>> output, (h_n, c_n) = lstm(torch.randn(5, 2, 4), lengths=torch.tensor([3, 5]))
    >>> output[3:, 0].abs().sum().item()
    0.0
    """

    @shows_extras
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        init: Init = "careful",
        **extras: Unpack[Extras],
    ) -> None:
        super().__init__(
            "lstm",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
            init,
            **extras,
        )

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: tuple[Tensor, Tensor] | None = None,
        lengths: Lengths | None = None,
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """Run over a batch of sequences, or one; as :meth:`RNN.forward` with the state (h, c)."""
        if hx is not None and not (isinstance(hx, tuple | list) and len(hx) == 2):
            raise ShapeError(f"hx: expected a pair (h_0, c_0), got {type(hx).__name__}")
        output, (h_n, c_n) = self._run(input, hx, lengths)
        return output, (h_n, c_n)
