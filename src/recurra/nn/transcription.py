"""The network of a transcriber: frames in, the probability of each symbol or of none at each step out."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn

from recurra.batch import TranscriptBatch
from recurra.config import TranscribeModelConfig
from recurra.errors import DataError, SettingsError, ShapeError
from recurra.kernels.layout import Layout
from recurra.nn.encoder import make_recurrent
from recurra.nn.lengths import checked_lengths
from recurra.nn.spec_augment import SpecAugment
from recurra.vocabulary import PADDING

__all__ = ["StreamState", "TranscriptionNetwork"]

_FEW = 16  # steps that are quicker one by one than in a call for all of them

_HiddenState: TypeAlias = Tensor | tuple[Tensor, ...] | None


class StreamState(NamedTuple):
    """Where a stream stands.

    Attributes:
        waiting: frames that do not fill a stack yet, [t, F] with t < stack.
        state: of the recurrent layers as they return it, [L, H] each; None before the first step.
    """

    waiting: Tensor
    state: _HiddenState


class TranscriptionNetwork(nn.Module):
    """Recurrent layers over stacked frames, and a softmax over the vocabulary whose symbol 0, the blank, is no symbol.

    A step reads `stack` frames side by side, so T frames are T' = ceil(T / stack) steps; what the last one lacks is
    zeros, the mean of normalised features. The loss is that of connectionist temporal classification: -log of the
    summed probability of all ways to stretch the transcript over the steps (Graves et al., "Connectionist temporal
    classification", ICML 2006). In training parts of the frames are hidden, see :class:`SpecAugment`, and a share of
    the values between the layers and at the output is dropped.

    Args:
        features: F, the numbers of a frame.
        vocabulary_size: V, blank included.
        config: cell, sizes, depth, directions, dropout and stack.
        time_masks: stretches of time that are hidden in training.
        frequency_masks: ranges of the F numbers that are hidden in training.

    Raises:
        SettingsError: an argument out of range.
    """

    def __init__(
        self,
        features: int,
        vocabulary_size: int,
        config: TranscribeModelConfig,
        *,
        time_masks: int = 0,
        frequency_masks: int = 0,
    ) -> None:
        super().__init__()
        self.features = features
        self.stack = config.stack
        self.spec_augment = SpecAugment(time_masks, frequency_masks)
        self.recurrent = make_recurrent(
            config.cell,
            features * config.stack,
            config.hidden_size,
            num_layers=config.num_layers,
            chrono_steps=config.chrono_steps,
            dropout=config.dropout,
            bidirectional=config.bidirectional,
        )
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(self.recurrent.num_directions * config.hidden_size, vocabulary_size)

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Hear recordings.

        Args:
            values: [B, T, F], normalised, padded with anything.
            lengths: [B], in frames, zero allowed.

        Returns:
            Log-probabilities [T', B, V], zeros in the padding, and lengths in steps [B], on the CPU.

        Raises:
            ShapeError: values and lengths that do not fit together, or frames of another size.
        """
        inputs, steps = self.recurrent_inputs(values, lengths)
        layout = Layout.from_lengths(steps)
        outputs, _ = self.recurrent.forward_packed(layout.pack(inputs, batch_first=True), layout)
        return layout.unpack(self._log_probabilities(outputs), inputs.shape[1], batch_first=False), steps

    def recurrent_inputs(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What the recurrent layers read of recordings: stacked frames [B, T', stack * F], and lengths in steps [B].

        In training parts of it are hidden. Arguments and errors as :meth:`forward`.
        """
        if values.dim() != 3 or values.shape[2] != self.features:
            raise ShapeError(f"values: expected frames [B, T, {self.features}], got {tuple(values.shape)}")
        batch, time, _ = values.shape
        lengths = checked_lengths(lengths, batch, time)
        is_padding = torch.arange(time, device=values.device) >= lengths.to(values.device).unsqueeze(1)
        values = self.spec_augment(values, lengths).masked_fill(is_padding.unsqueeze(2), 0.0)
        return self._stacked(values), (lengths + self.stack - 1) // self.stack

    def loss(self, batch: TranscriptBatch) -> Tensor:
        """-log p of each transcript, by symbol (an empty transcript counts as one), as a mean over the recordings.

        Raises:
            DataError: a transcript that no path can give: it has more symbols, and blanks between equal ones, than its
                recording has steps.
            ShapeError: as :meth:`forward`.
        """
        log_probabilities, steps = self(batch.values, batch.lengths)
        self._require_room(batch, steps)
        if not len(log_probabilities):  # of no sound at all an empty transcript is certain
            return self.output.bias.sum() * 0.0
        return nn.functional.ctc_loss(log_probabilities, batch.targets, steps, batch.target_lengths, blank=PADDING)

    def start_stream(self) -> StreamState:
        """The state before the first frame.

        Raises:
            SettingsError: the network reads from both ends.
        """
        if self.recurrent.bidirectional:
            raise SettingsError(
                "stream: a bidirectional network reads from the end too, which a stream has not reached yet; train one "
                "with --no-bidirectional, or transcribe the whole recording at once"
            )
        return StreamState(self.output.weight.new_zeros(0, self.features), None)

    @torch.no_grad()
    def step_stream(self, frames: Tensor, state: StreamState) -> tuple[Tensor, StreamState]:
        """Hear the next frames of one recording; piece after piece gives what the whole recording gives at once.

        Args:
            frames: [t, F], any number of them.
            state: of :meth:`start_stream`, or after the frames before these. It is not changed.

        Returns:
            Log-probabilities [t', V] of the steps that are complete now, and the new state.

        Raises:
            ShapeError: frames of another size.
        """
        if frames.dim() != 2 or frames.shape[1] != self.features:
            raise ShapeError(f"frames: expected [t, {self.features}], got {tuple(frames.shape)}")
        frames = torch.cat([state.waiting, frames])
        complete = len(frames) - len(frames) % self.stack
        inputs = self._stacked(frames[:complete].unsqueeze(0)).squeeze(0)
        outputs, recurrent_state = self._read(inputs, state.state)
        # a copy, so that what waits does not keep a long piece in memory
        return self._log_probabilities(outputs), StreamState(frames[complete:].clone(), recurrent_state)

    def flush(self, state: StreamState) -> Tensor:
        """Log-probabilities of the last step of a stream that has ended, [1, V], or [0, V] where no frame waits."""
        missing = -len(state.waiting) % self.stack
        return self.step_stream(state.waiting.new_zeros(missing, self.features), state)[0]

    def _read(self, inputs: Tensor, state: _HiddenState) -> tuple[Tensor, _HiddenState]:
        """Outputs [t', H] of the layers over some steps [t', stack * F] of a stream, and the state after them."""
        if len(inputs) > _FEW:
            return cast(tuple[Tensor, _HiddenState], self.recurrent(inputs, state))
        outputs = inputs.new_empty(len(inputs), self.recurrent.hidden_size)
        for number, step in enumerate(inputs):
            outputs[number], state = self.recurrent.step(step, state)
        return outputs, state

    def _stacked(self, values: Tensor) -> Tensor:
        """Frames [B, T, F] as steps [B, T', stack * F], zeros in what the last one lacks."""
        batch, time, size = values.shape
        missing = -time % self.stack
        padded = nn.functional.pad(values, (0, 0, 0, missing))
        return padded.reshape(batch, (time + missing) // self.stack, self.stack * size)

    def _log_probabilities(self, outputs: Tensor) -> Tensor:
        """Of the outputs [..., D * H] of the layers, [..., V]; never in half precision, whose sums over paths drift."""
        scores = cast(Tensor, self.output(self.dropout(outputs)))
        return scores.log_softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))

    def _require_room(self, batch: TranscriptBatch, steps: Tensor) -> None:
        targets, lengths = batch.targets.cpu(), batch.target_lengths
        is_symbol = torch.arange(targets.shape[1]) < lengths.unsqueeze(1)
        repeats = ((targets[:, 1:] == targets[:, :-1]) & is_symbol[:, 1:]).sum(1)
        lacking = (lengths + repeats > steps).nonzero().flatten().tolist()
        if lacking:
            first = lacking[0]
            raise DataError(
                f"targets, recording {first + 1} of the batch: {int(lengths[first])} symbols and a blank between each "
                f"two equal neighbours, {int(repeats[first])}, need {int(lengths[first] + repeats[first])} steps, and "
                f"there are {int(steps[first])} of {self.stack} frames; stack fewer frames, or mend the transcript"
            )
