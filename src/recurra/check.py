"""The invariants of a trained model, tried on that model: the first of them that a padding leak would break."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recurra.checkpoint import SavedModel
from recurra.errors import DataError
from recurra.kernels.dispatch import use_kernel
from recurra.kernels.layout import Layout
from recurra.nn.stack import Recurrent
from recurra.tasks.base import Task
from recurra.tasks.examined import RecurrentCall

__all__ = ["Finding", "check_model"]

_TOLERANCE = 1e-5
_MOST = 64
_STREAMS = 8  # sequences that are fed in pieces, one by one


class Finding(NamedTuple):
    """One invariant: what was compared, the largest difference, and whether it is small enough."""

    name: str
    what: str
    difference: float
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether the difference is a number and no larger than allowed."""
        return self.difference <= self.allowed


def check_model(model: SavedModel, sequences: Sequence[Any], seed: int = 0) -> Iterator[Finding]:
    """Try the invariants on up to 64 of the given sequences, drawn with a seed.

    Args:
        model: as it was read.
        sequences: of its task's `sequences`.
        seed: of what is drawn.

    Yields:
        Findings: padding, batch, order; of the recurrent layers, where there are some, parity with `torch.nn`, their
        gradient beside that of the plain loop and, where they read in one direction, streaming; where an answer has
        parts that may not know what comes after them, the future; and reload in a fresh process.

    Raises:
        DataError: there is no sequence.
    """
    if not sequences:
        raise DataError("check: there is no example to try the model on")
    task = model.task
    chosen = [sequences[index] for index in np.random.default_rng(seed).permutation(len(sequences))[:_MOST]]
    together = task.responses(chosen)
    alone = [task.responses([sequence])[0] for sequence in chosen]
    order = np.random.default_rng(seed + 1).permutation(len(chosen)).tolist()
    reordered = task.responses([chosen[index] for index in order])
    further = task.responses(chosen, padding=50)
    yield Finding("padding", "in a batch, and padded by 50 more steps of noise", _gap(together, further), _TOLERANCE)
    yield Finding("batch", "in a batch, and alone", _gap(together, alone), _TOLERANCE)
    gap = _gap([together[index] for index in order], reordered)
    yield Finding("order", "in a batch, and in another order", gap, _TOLERANCE)
    call = task.recurrent_call(chosen)
    if call is not None and call.lengths.any():
        yield from _check_layers(call)
    yield from _check_future(task, chosen, together)
    yield Finding("reload", "here, and in a fresh process", _gap(together, _elsewhere(model.path, chosen)), 0.0)


def _gap(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    """The largest difference of a probability."""
    return max((float((a - b).abs().max()) for a, b in zip(first, second, strict=True) if a.numel()), default=0.0)


def _check_future(task: Task, sequences: Sequence[Any], responses: Sequence[Tensor]) -> Iterator[Finding]:
    """Compare the first part of each answer with that to a sequence which ends otherwise; nothing where none may."""
    ends = [(task.other_end(sequence), response) for sequence, response in zip(sequences, responses, strict=True)]
    changed = [(end, response) for end, response in ends if end is not None]
    if changed:
        others = task.responses([end.sequence for end, _ in changed])
        before = [response[: end.kept] for end, response in changed]
        after = [other[: end.kept] for (end, _), other in zip(changed, others, strict=True)]
        yield Finding("future", "answers, and those where what comes after is another", _gap(before, after), _TOLERANCE)


def _check_layers(call: RecurrentCall) -> Iterator[Finding]:
    """Compare recurrent layers with torch's, with the plain loop and, if they can stream, with themselves in pieces."""
    ours, theirs = _results(call.layers, _run_ours, call), _results(_torch_twin(call.layers), _run_theirs, call)
    yield Finding("parity", "recurrent layers, and torch.nn with the same weights", _relative_gap(ours, theirs), 1e-4)
    with use_kernel("reference"):
        plain = _results(call.layers, _run_ours, call)
    yield Finding(
        "gradient", "recurrent layers, and the plain loop that autograd follows", _relative_gap(ours, plain), 1e-4
    )
    if not call.layers.bidirectional:
        yield Finding(
            "stream", "recurrent layers at once, and in pieces with carried state", _in_pieces(call), _TOLERANCE
        )


def _results(layers: Any, run: Callable[[Any, Tensor, Tensor], list[Tensor]], call: RecurrentCall) -> list[Tensor]:
    """Outputs, states, and the gradients of a sum of them with other weights for each number."""
    kept = call.lengths > 0
    vectors = call.inputs[kept].clone().requires_grad_()
    results = run(layers, vectors, call.lengths[kept])
    weighted = [result * torch.arange(result.numel()).view_as(result).sin() for result in results]
    parameters = [parameter for _, parameter in sorted(layers.named_parameters())]
    gradients = torch.autograd.grad([part.sum() for part in weighted], [vectors, *parameters])
    return [part.detach() for part in (*results, *gradients)]


def _relative_gap(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    """The largest difference, beside 1 and the largest number of its tensor."""
    return max(float((a - b).abs().max() / (1 + b.abs().max())) for a, b in zip(first, second, strict=True))


@torch.no_grad()
def _in_pieces(call: RecurrentCall) -> float:
    """The largest difference of outputs and final state to those of pieces of 1, 2, 3 and more steps."""
    differences = [0.0]
    for row in call.lengths.nonzero().flatten().tolist()[:_STREAMS]:
        sequence = call.inputs[row, : int(call.lengths[row])]
        pieces = sequence.tensor_split(np.cumsum(np.arange(1, math.isqrt(2 * len(sequence)) + 1)).tolist())
        state, outputs = None, []
        for piece in pieces:
            if len(piece) == 1:
                output, state = call.layers.step(piece[0], state)
                outputs.append(output.unsqueeze(0))
            elif len(piece):
                output, state = call.layers(piece, state)
                outputs.append(output)
        whole, final = call.layers(sequence)
        found = [(torch.cat(outputs), whole), *zip(_tensors(state), _tensors(final), strict=True)]
        differences += [float((a - b).abs().max()) for a, b in found]
    return max(differences)


def _tensors(state: Any) -> Sequence[Tensor]:
    return (state,) if isinstance(state, Tensor) else state


def _run_ours(layer: Any, inputs: Tensor, lengths: Tensor) -> list[Tensor]:
    layout = Layout.from_lengths(lengths)
    packed, state = layer.forward_packed(layout.pack(inputs, batch_first=True), layout)
    output = layout.unpack(packed, inputs.shape[1], batch_first=True)
    return [output, *(layout.unsort(part, 1) for part in state)]


def _run_theirs(layer: Any, inputs: Tensor, lengths: Tensor) -> list[Tensor]:
    packed, state = layer(pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False))
    output, _ = pad_packed_sequence(packed, batch_first=True, total_length=inputs.shape[1])
    return [output, *_tensors(state)]


def _torch_twin(ours: Recurrent) -> nn.Module:
    makers: dict[str, Callable[..., nn.Module]] = {
        "lstm": nn.LSTM,
        "gru": nn.GRU,
        "rnn_tanh": nn.RNN,
        "rnn_relu": nn.RNN,
    }
    extra = {"nonlinearity": "relu"} if ours.cell == "rnn_relu" else {}
    size = (ours.input_size, ours.hidden_size, ours.num_layers)
    theirs = makers[ours.cell](*size, batch_first=True, bidirectional=ours.bidirectional, **extra)
    theirs.load_state_dict(ours.state_dict())
    return theirs.eval()


_FRESH = """
import json, sys, torch
from safetensors.torch import save_file
from recurra.checkpoint import read_model
folder, file, result, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
responses = read_model(folder).task.responses(json.load(open(file, encoding="utf-8")))
save_file({str(number): response.contiguous() for number, response in enumerate(responses)}, result)
"""


def _elsewhere(folder: Path, sequences: Sequence[Any]) -> list[Tensor]:
    """What a fresh process answers after loading the model from its directory."""
    from safetensors.torch import load_file

    with tempfile.TemporaryDirectory() as temporary:
        inputs, result = Path(temporary, "inputs.json"), Path(temporary, "result.safetensors")
        inputs.write_text(json.dumps(sequences), encoding="utf-8")
        arguments = [str(folder), str(inputs), str(result), str(torch.get_num_threads())]
        subprocess.run([sys.executable, "-c", _FRESH, *arguments], check=True)
        found = load_file(result)
    return [found[str(number)] for number in range(len(sequences))]
