"""How a transcriber reads a recording, and the log-probability of each symbol that it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.batch import make_frame_batch
from recurra.ctc_paths import align, best_path
from recurra.data.audio import read_audio
from recurra.data.encoded_recordings import require_kind
from recurra.data.features import read_features
from recurra.data.recording_columns import is_recording
from recurra.data.recordings import load_recordings
from recurra.diagnose.explained import Forming
from recurra.diagnose.reading import Reading, blocks, percent, require_some
from recurra.diagnose.readings.items import item_of
from recurra.errors import DataError, SettingsError
from recurra.tasks.transcribe import Transcribe
from recurra.tasks.transcripts import Decoding
from recurra.vocabulary import PADDING, UNKNOWN
from recurra.writing import symbol_text
from recurra.writing import written as text_of

__all__ = ["read_transcribe"]

_NOTHING = "(nothing)"
_FRAMES_AT_ONCE = 65_536


class _Written(NamedTuple):
    """A symbol, and the step of the network at which it is the most probable."""

    id: int
    step: int


def read_transcribe(task: Transcribe, given: str, item: int, options: Mapping[str, Any]) -> Reading:
    """Read a recording, also one of a manifest or folder; the answers are the symbols that are written.

    A score is the log-probability of a symbol at that step of its stretch where it is the most probable. Where nothing
    is written, the one answer is that, and its score is the log-probability that all steps are blank. What says nothing
    is the mean frame of the training data; a window of time is left out by reading that in its place.
    """
    path, source = _recording(task, given, item, options)
    frames = task.stats.apply(_features(task, path))
    require_some(len(frames), given, "sound at least as long as a frame")
    network, decoding = task.network, task.decoding()
    vectors = torch.from_numpy(frames).to(next(network.parameters()).device)
    with torch.no_grad():
        logs = decoding.without_unknown(_log_probabilities(task, vectors.unsqueeze(0))[:, 0].cpu().numpy())
    written = _written(logs)
    stack = task.config.model.stack
    piece_of = blocks(len(frames), multiple=stack)
    symbols = [symbol_text(task.vocabulary, task.config.vocabulary.tokens, each.id) for each in written]
    told = [
        f"{symbol} ({percent(float(np.exp(logs[each.step, each.id])))}) at {_time(each.step * stack, decoding, stack)}"
        for symbol, each in zip(symbols, written)
    ]
    nothing = f"{_NOTHING} ({percent(float(np.exp(logs[:, PADDING].sum())))})"
    firsts = [int(np.flatnonzero(piece_of == piece)[0]) for piece in range(int(piece_of[-1]) + 1)]
    return Reading(
        source=source,
        pieces=[_time(first, decoding, stack) for first in firsts],
        known=[True] * len(firsts),
        is_text=False,
        truncated=0,
        network=network,
        vectors=vectors,
        start=torch.zeros_like(vectors),
        piece_of=piece_of,
        removable=False,
        scores=lambda variants, kept: _scores(task, written, variants),
        answers=symbols or [_NOTHING],
        told=told or [nothing],
        unit="nats",
        read_at=lambda name, count: [_time(step * stack, decoding, stack) for step in range(count)],
        forming=lambda: _forming(task, vectors, [*firsts[1:], len(frames)], decoding),
        whole=text_of(task.vocabulary, task.config.vocabulary.tokens, [each.id for each in written]),
    )


def _recording(task: Transcribe, given: str, item: int, options: Mapping[str, Any]) -> tuple[Path, str]:
    """The path of a recording, and what it is called."""
    if given == "-":
        raise SettingsError("explain: expected a recording, found '-'; name a file")
    if is_recording(given):
        for name, value in options.items():
            raise SettingsError(f"option '{name}' ({value}) would have no effect: no manifest is read")
        return item_of([Path(given)], item, given, "recording"), given
    items = load_recordings(given, text="optional", preferred=task.columns, **options).items
    path = Path(item_of(items, item, given, "recording").path)
    return path, f"{path}, recording {item:,} of {given}"


def _features(task: Transcribe, path: Path) -> NDArray[np.float32]:
    """Its frames, not scaled yet, [T, F]."""
    of_features = task.config.features.sample_rate is None
    require_kind(path, of_features)
    if not of_features:
        return task.log_mel(read_audio(path, task.log_mel.sample_rate).samples)
    features, size = read_features(path), len(task.stats.mean)
    if features.shape[1] != size:
        raise DataError(f"{path}: expected {size} numbers in a frame, as in training, found {features.shape[1]}")
    return features


def _log_probabilities(task: Transcribe, variants: Tensor) -> Tensor:
    """Of the symbols at each step, [T', B, V], from frames [B, T, F]."""
    found: Tensor = task.network(variants, torch.full((len(variants),), variants.shape[1]))[0]
    return found


def _written(logs: NDArray[np.float64]) -> list[_Written]:
    """The symbols on the likeliest path, from log-probabilities [T', V]."""
    return [
        _Written(one.id, one.first + int(logs[one.first : one.last + 1, one.id].argmax()))
        for one in align(logs, best_path(logs))
    ]


def _scores(task: Transcribe, written: Sequence[_Written], variants: Tensor) -> Tensor:
    """The log-probability of each symbol at its step or, where none is written, that all steps are blank, [B, A]."""
    steps, ids = (torch.tensor([each[part] for each in written], dtype=torch.int64) for part in (1, 0))
    found = _log_probabilities(task, variants)
    unknown = torch.tensor([UNKNOWN], device=found.device)
    known = found.double().index_fill(2, unknown, -torch.inf).log_softmax(2)
    return known[steps, :, ids].t() if written else known[..., PADDING].sum(0).unsqueeze(1)


def _time(frame: int, decoding: Decoding, stack: int) -> str:
    """When a frame begins: in seconds or, of features, whose seconds are not known, by its number."""
    if decoding.reach == decoding.step == stack:
        return f"frame {frame}"
    return f"{frame * decoding.step / stack:.2f} s"


@torch.no_grad()
def _forming(task: Transcribe, vectors: Tensor, ends: Sequence[int], decoding: Decoding) -> list[Forming]:
    """The transcript of the frames up to each of some ends; that of nothing is said to be so."""
    found: list[Forming] = []
    size = max(1, _FRAMES_AT_ONCE // len(vectors))
    for first in range(0, len(ends), size):
        batch = make_frame_batch([vectors[:end].cpu().numpy() for end in ends[first : first + size]])
        logs, steps = task.network(batch.values.to(vectors.device), batch.lengths)
        for row, count in enumerate(steps.tolist()):
            transcript = decoding.transcribe(logs[:count, row].cpu().numpy())
            found.append(Forming(len(found) + 1, transcript.text or _NOTHING, transcript.confidence))
    return found
