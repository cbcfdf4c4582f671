"""Recordings as frames of features and the ids of their transcripts, read once and held in memory."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recurra.batch import TranscriptBatch, make_transcript_batch
from recurra.config import FeaturesConfig
from recurra.data.audio import probe_audio, read_audio, resample
from recurra.data.faults import SHOWN, Faults, listed
from recurra.data.features import FEATURE_SUFFIXES, FeatureStats, LogMel, read_features
from recurra.data.recordings import Recordings
from recurra.errors import DataError, SettingsError
from recurra.vocabulary import UNKNOWN, Vocabulary

__all__ = ["EncodedRecordings", "find_sample_rate", "hear", "make_log_mel", "require_kind", "warn_of_lower_rates"]

_log = logging.getLogger("recurra")
_HIGHEST = 16_000  # Hz; speech has little above half of it
_REMEDY = "mend these recordings, or take them out"


@dataclass(frozen=True)
class EncodedRecordings:
    """Recordings as frames and ids.

    Attributes:
        name: what messages call them.
        features: the normalised frames [T, F] of each, float32: 58 MB for an hour with 40 bands and a hop of 10 ms.
        ids: the symbols [S] of each transcript.
        texts: the transcripts.
        paths: the files.
        lengths: frames of each, [n].
        possible: whether a path through the frames spells each transcript, [n]; where none does, the loss is infinite.
        unknown: the pieces of transcripts that are no symbols, the most frequent first, and how often each occurs.
        stats: what the frames were normalised by.
    """

    name: str
    features: list[NDArray[np.float32]]
    ids: list[NDArray[np.int32]]
    texts: list[str]
    paths: list[Path]
    lengths: NDArray[np.int64]
    possible: NDArray[np.bool_]
    unknown: dict[str, int]
    stats: FeatureStats

    def __len__(self) -> int:
        return len(self.features)

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> TranscriptBatch:
        """Put some recordings side by side."""
        return make_transcript_batch([self.features[i] for i in indices], [self.ids[i] for i in indices])


def find_sample_rate(recordings: Recordings, config: FeaturesConfig) -> int | None:
    """Return the Hz at which recordings are heard: as told, or the lowest of theirs, at most 16,000.

    It is None where they are features already.

    Raises:
        DataError: there are both, or headers cannot be read; all are listed.
        SettingsError: an option of how audio is heard is told, and they are features.
    """
    of_features = [item.path for item in recordings.items if _is_features(item.path)]
    if len(of_features) == len(recordings):
        for option in sorted(config.model_fields_set):
            raise SettingsError(
                f"option '{option}' ({getattr(config, option)}) would have no effect: {recordings.name} holds "
                f"features already, such as {of_features[0]}"
            )
        return None
    if of_features:
        raise DataError(
            f"{recordings.name}: expected audio or features, found both: {len(of_features):,} of {len(recordings):,} "
            f"recordings are features, such as {of_features[0]}; give either"
        )
    if config.sample_rate is not None:
        return config.sample_rate
    faults = Faults(recordings.name, "recording")
    rates: Counter[int] = Counter()
    for item in recordings.items:
        try:
            rates[probe_audio(item.path).sample_rate] += 1
        except DataError as error:
            _note(faults, item.path, error)
    faults.raise_if_any(_REMEDY)
    rate = min(*rates, _HIGHEST)
    found = ", ".join(f"{count:,} of {hertz:,} Hz" for hertz, count in sorted(rates.items()))
    _log.info("%s: heard at %s Hz; recordings by sample rate: %s", recordings.name, f"{rate:,}", found)
    return rate


def make_log_mel(config: FeaturesConfig) -> LogMel | None:
    """Return what turns samples into frames; None where `sample_rate` is None, for features are given then."""
    if config.sample_rate is None:
        return None
    return LogMel(config.sample_rate, config.mels, config.frame_ms, config.hop_ms)


def hear(
    recordings: Recordings,
    config: FeaturesConfig,
    stats: FeatureStats | None,
    vocabulary: Vocabulary,
    stack: int,
    *,
    refuse_impossible: bool,
) -> EncodedRecordings:
    """Read all files once and turn them into normalised frames, and their transcripts into ids.

    Args:
        recordings: what to hear.
        config: how; `sample_rate` is that of the model, None for one that takes features.
        stats: by which frames are normalised; None for those of these recordings.
        vocabulary: the symbols of transcripts.
        stack: frames that the network reads at a time.
        refuse_impossible: whether transcripts that no path through the frames spells are an error, as they must be
            where a loss is computed, or a warning.

    Raises:
        DataError: files cannot be read or are of another kind or size of frame than expected, all listed together; or
            transcripts are impossible and must not be, all listed together.
        SettingsError: the config asks for more bands than can be told apart.
    """
    features = _read_all(recordings, make_log_mel(config), stats)
    lengths = np.array([len(frames) for frames in features], np.int64)
    if stats is None:
        if not lengths.any():
            raise DataError(
                f"{recordings.name}: expected sound, found no recording as long as a frame ({config.frame_ms} ms); "
                "give longer ones, or say a shorter --frame-ms"
            )
        stats = FeatureStats.fit(features)
    texts = recordings.texts()
    ids = [np.array(found, np.int32) for found in vocabulary.encode(texts)]
    return EncodedRecordings(
        name=recordings.name,
        features=[stats.apply(frames) for frames in features],
        ids=ids,
        texts=texts,
        paths=[item.path for item in recordings.items],
        lengths=lengths,
        possible=_find_possible(recordings, ids, lengths, stack, refuse_impossible),
        unknown=_find_unknown(recordings.name, texts, ids, vocabulary),
        stats=stats,
    )


def _read_all(recordings: Recordings, log_mel: LogMel | None, stats: FeatureStats | None) -> list[NDArray[np.float32]]:
    faults = Faults(recordings.name, "recording")
    size = None if stats is None else len(stats.mean)
    read: list[NDArray[np.float32]] = []
    lower: Counter[int] = Counter()
    for item in recordings.items:
        try:
            frames = _read_frames(item.path, log_mel, lower)
        except DataError as error:
            _note(faults, item.path, error)
            continue
        size = size or frames.shape[1]
        if frames.shape[1] != size:
            faults.add(str(item.path), f"expected {size} numbers in a frame, found {frames.shape[1]}")
        read.append(frames)
    faults.raise_if_any(_REMEDY)
    if log_mel is not None:
        warn_of_lower_rates(recordings.name, lower, log_mel.sample_rate)
    return read


def warn_of_lower_rates(name: str, lower: Mapping[int, int], sample_rate: int) -> None:
    """Warn of recordings, if there are any, with a lower sample rate than that at which they are heard.

    Args:
        name: of them all.
        lower: how many have which lower rate in Hz.
        sample_rate: at which they are heard.
    """
    count = sum(lower.values())
    if count:
        _log.warning(
            "%s: %s %s a lower sample rate (%s Hz) than the %s Hz at which they are heard: nothing is in their upper "
            "bands",
            name,
            f"{count:,}",
            "recording has" if count == 1 else "recordings have",
            ", ".join(f"{rate:,}" for rate in sorted(lower)),
            f"{sample_rate:,}",
        )


def _read_frames(path: Path, log_mel: LogMel | None, lower: Counter[int]) -> NDArray[np.float32]:
    require_kind(path, log_mel is None)
    if log_mel is None:
        return read_features(path)
    audio = read_audio(path)
    if audio.sample_rate < log_mel.sample_rate:
        lower[audio.sample_rate] += 1
    return log_mel(resample(audio, log_mel.sample_rate).samples)


def require_kind(path: Path, features: bool) -> None:
    """Require that a recording is of the kind that the model was trained on.

    Args:
        path: the recording.
        features: whether these are features.

    Raises:
        DataError: it is of the other kind.
    """
    if features and not _is_features(path):
        raise DataError(f"{path}: expected features ({' or '.join(FEATURE_SUFFIXES)}), as in training, found audio")
    if not features and _is_features(path):
        raise DataError(f"{path}: expected audio, as in training, found features")


def _is_features(path: Path) -> bool:
    return path.suffix.lower() in FEATURE_SUFFIXES


def _note(faults: Faults, path: Path, error: DataError) -> None:
    faults.add(str(path), str(error).removeprefix(f"{path}: "))


def _find_possible(
    recordings: Recordings,
    ids: Sequence[NDArray[np.int32]],
    lengths: NDArray[np.int64],
    stack: int,
    refuse: bool,
) -> NDArray[np.bool_]:
    """Return which transcripts a path through the frames spells: one step for a symbol, one more between equal ones."""
    needed = np.array([max(1, len(of) + int((of[1:] == of[:-1]).sum())) for of in ids], np.int64)
    steps = -(-lengths // stack)
    possible: NDArray[np.bool_] = steps >= needed
    if possible.all() or not recordings.labelled:
        return possible
    rows = np.flatnonzero(~possible)
    shown = [
        f"{item.path}: {steps[row]:,} steps, {needed[row]:,} needed for '{item.text[:60]}'"
        for row in rows[:SHOWN].tolist()
        for item in (recordings.items[row],)
    ]
    what = (
        f"{recordings.name}: {len(rows):,} of {len(recordings):,} transcripts cannot be spelt in their recordings: a "
        f"step of the network is {stack} frames, and each symbol needs a step, with one more between equal ones:\n"
        f"{listed(shown, len(rows))}"
    )
    if refuse:
        raise DataError(f"{what}\n{_remedy(lengths[rows], needed[rows])}")
    _log.warning("%s\nthey count as errors", what)
    return possible


def _remedy(lengths: NDArray[np.int64], needed: NDArray[np.int64]) -> str:
    """Return what helps against transcripts that are too long, among it the largest stack that would do for all."""
    if (lengths < needed).any():
        return "mend the transcripts, or take these out; even --stack 1 would not do"
    # ceil(T / stack) >= needed holds for all stacks below T / (needed - 1).
    most = min(-(-int(frames) // (steps - 1)) - 1 for frames, steps in zip(lengths, needed.tolist()))
    return f"say --stack {most}, mend the transcripts, or take these out"


def _find_unknown(
    name: str, texts: Sequence[str], ids: Sequence[NDArray[np.int32]], vocabulary: Vocabulary
) -> dict[str, int]:
    """Count the pieces of transcripts that are no symbols, and warn of them."""
    counts: Counter[str] = Counter()
    concerned = [text for text, found in zip(texts, ids) if UNKNOWN in found]
    for text in concerned:
        counts.update(token.text for token in vocabulary.tokens(text) if not token.known)
    if counts:
        _log.warning(
            "%s: %s symbols in %s of %s transcripts are unknown, and no model can write them:\n%s",
            name,
            f"{counts.total():,}",
            f"{len(concerned):,}",
            f"{len(texts):,}",
            listed([f"'{piece}': {count:,}" for piece, count in counts.most_common(SHOWN)], len(counts)),
        )
    return dict(counts.most_common())
