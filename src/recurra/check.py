"""The invariants of a trained model, tried on that model: the first of them that a padding leak would break."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recurra.batch import make_batch
from recurra.checkpoint import SavedModel
from recurra.data import load_texts
from recurra.data.encoded import Encoded
from recurra.data.hub import is_hub
from recurra.errors import DataError
from recurra.kernels.layout import Layout
from recurra.nn.stack import Recurrent
from recurra.tasks.classify import Classify

__all__ = ["Finding", "check_model", "examples_for"]

_log = logging.getLogger("recurra")
_TOLERANCE = 1e-5
_MOST = 64

Sequences = list[NDArray[np.int32]]


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


def check_model(model: SavedModel, examples: Encoded, seed: int = 0) -> Iterator[Finding]:
    """Try the invariants on up to 64 of the given examples, drawn with a seed.

    Yields:
        Findings: padding, batch, order, parity with `torch.nn`, and reload in a fresh process.

    Raises:
        DataError: there is no example.
    """
    if not len(examples):
        raise DataError("check: there is no example to try the model on")
    task = model.task
    chosen = np.random.default_rng(seed).permutation(len(examples))[:_MOST]
    sequences = [np.asarray(examples[int(index)]) for index in chosen]
    together = _logits(task, sequences)
    alone = torch.cat([_logits(task, [ids]) for ids in sequences])
    shuffled = torch.from_numpy(np.random.default_rng(seed + 1).permutation(len(sequences)))
    reordered = _logits(task, [sequences[int(index)] for index in shuffled])
    further = _logits(task, sequences, padding=50)
    yield Finding("padding", "in a batch, and padded by 50 more steps of noise", _gap(together, further), _TOLERANCE)
    yield Finding("batch", "in a batch, and alone", _gap(together, alone), _TOLERANCE)
    yield Finding("order", "in a batch, and in another order", _gap(together[shuffled], reordered), _TOLERANCE)
    network = cast(Any, task.network)
    if isinstance(network.encoder.recurrent, Recurrent) and any(map(len, sequences)):
        yield Finding(
            "parity", "recurrent layers, and torch.nn with the same weights", _parity(network, sequences), 1e-4
        )
    yield Finding("reload", "here, and in a fresh process", _gap(together, _elsewhere(model.path, sequences)), 0.0)


def examples_for(model: SavedModel, source: str | None, text_column: str | None = None) -> Encoded:
    """Texts to try a model on: the given source, the training data's file, or else random symbols.

    Raises:
        DataError: the given source is at fault.
    """
    task = model.task
    own = task.config.data.data
    if source is None and (is_hub(own) or not Path(own).exists()):
        _log.info("the model's own data (%s) are not here: tried on random symbols", own)
        return _random_examples(len(task.vocabulary))
    delimiter, header = (task.config.data.delimiter, task.config.data.header) if source is None else (None, None)
    texts = load_texts(
        source or own,
        text_column=text_column,
        delimiter=delimiter,
        header=header,
        labels="no",
        preferred=(task.columns[0], ""),
    )
    return task.encode(texts)


def _random_examples(vocabulary_size: int) -> Encoded:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 60, _MOST)
    ids = rng.integers(0, vocabulary_size, lengths.sum()).astype(np.int32)
    return Encoded(ids, np.concatenate([np.zeros(1, np.int64), lengths.cumsum()]), None, 0, 0)


def _logits(task: Classify, sequences: Sequences, padding: int = 0) -> Tensor:
    """[B, C]; what stands in the added padding are random symbols, which must not matter."""
    batch = make_batch(sequences)
    noise = torch.randint(len(task.vocabulary), (len(sequences), padding), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return cast(Tensor, task.network(torch.cat([batch.values, noise], dim=1), batch.lengths))


def _gap(first: Tensor, second: Tensor) -> float:
    """The largest difference of a class's probability."""
    return float((first.softmax(-1) - second.softmax(-1)).abs().max())


def _parity(network: Any, sequences: Sequences) -> float:
    """The largest difference of outputs, states and gradients to torch's packed layers."""
    ours: Recurrent = network.encoder.recurrent
    theirs = _torch_twin(ours)
    batch = make_batch([ids for ids in sequences if len(ids)])
    vectors = network.encoder.embedding(batch.values).detach()
    found: list[list[Tensor]] = []
    for layer, run in ((ours, _run_ours), (theirs, _run_theirs)):
        inputs = vectors.clone().requires_grad_()
        results = run(layer, inputs, batch.lengths)
        weighted = [result * torch.arange(result.numel()).view_as(result).sin() for result in results]
        parameters = [parameter for _, parameter in sorted(layer.named_parameters())]
        gradients = torch.autograd.grad([part.sum() for part in weighted], [inputs, *parameters])
        found.append([part.detach() for part in (*results, *gradients)])
    return max(float((a - b).abs().max() / (1 + b.abs().max())) for a, b in zip(*found))


def _run_ours(layer: Any, inputs: Tensor, lengths: Tensor) -> list[Tensor]:
    layout = Layout.from_lengths(lengths)
    packed, state = layer.forward_packed(layout.pack(inputs, batch_first=True), layout)
    output = layout.unpack(packed, inputs.shape[1], batch_first=True)
    return [output, *(layout.unsort(part, 1) for part in state)]


def _run_theirs(layer: Any, inputs: Tensor, lengths: Tensor) -> list[Tensor]:
    packed, state = layer(pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False))
    output, _ = pad_packed_sequence(packed, batch_first=True)
    return [output, *(state if isinstance(state, tuple) else (state,))]


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
import sys, numpy, torch
from recurra.check import _logits
from recurra.checkpoint import read_model
folder, file, result, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
flat = numpy.load(file)
sequences = numpy.split(flat["ids"], flat["starts"])
numpy.save(result, _logits(read_model(folder).task, sequences).numpy())
"""


def _elsewhere(folder: Path, sequences: Sequences) -> Tensor:
    """The logits that a fresh process gives after loading the model from its directory."""
    starts = np.cumsum([len(ids) for ids in sequences])[:-1]
    with tempfile.TemporaryDirectory() as temporary:
        inputs, result = Path(temporary, "inputs.npz"), Path(temporary, "result.npy")
        np.savez(inputs, ids=np.concatenate(sequences), starts=starts)
        arguments = [str(folder), str(inputs), str(result), str(torch.get_num_threads())]
        subprocess.run([sys.executable, "-c", _FRESH, *arguments], check=True)
        return torch.from_numpy(np.load(result))
