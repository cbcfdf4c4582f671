"""Sound as it comes -> text as it is understood."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.ctc_search import GreedyStream
from recurra.data.features import FeatureStats, LogMel
from recurra.nn.transcription import TranscriptionNetwork
from recurra.tasks.transcripts import Decoding, Transcript

__all__ = ["Listener"]


class Listener:
    """Transcribe a stream of samples, fed in pieces of any size; the answer is that of the whole recording.

    Args:
        network: that reads from the beginning alone.
        log_mel: what makes frames of samples.
        stats: that bring them to mean 0 and deviation 1.
        decoding: how the final transcript is found; partial ones take the likeliest symbol at each step.

    Raises:
        SettingsError: the network is bidirectional.
    """

    def __init__(self, network: TranscriptionNetwork, log_mel: LogMel, stats: FeatureStats, decoding: Decoding) -> None:
        self._network, self._stats, self._decoding = network, stats, decoding
        self._frames = log_mel.stream()
        self._rate = log_mel.sample_rate
        self._state: Any = network.start_stream()
        self._greedy = GreedyStream()
        self._ids: list[int] = []
        self._said: list[NDArray[np.float32]] = []
        self._samples = 0
        self._busy = 0.0

    @property
    def seconds(self) -> float:
        """How much was heard."""
        return self._samples / self._rate

    @property
    def real_time_factor(self) -> float:
        """Seconds of work for a second of sound."""
        return self._busy / max(self.seconds, 1e-9)

    def push(self, samples: NDArray[np.float32]) -> str:
        """Hear some more samples, [n], and return the text so far."""
        started = time.perf_counter()
        self._samples += len(samples)
        frames = torch.from_numpy(self._stats.apply(self._frames.push(samples)))
        with torch.inference_mode():
            found, self._state = self._network.step_stream(frames, self._state)
        self._take(found.numpy())
        text = self._decoding.text(self._ids)
        self._busy += time.perf_counter() - started
        return text

    def finish(self) -> Transcript:
        """The transcript of all that was heard."""
        started = time.perf_counter()
        with torch.inference_mode():
            self._take(self._network.flush(self._state).numpy())
        whole = np.concatenate(self._said)
        transcript = self._decoding.transcribe(whole, self.seconds)
        self._busy += time.perf_counter() - started
        return transcript

    def _take(self, log_probabilities: NDArray[np.float32]) -> None:
        self._said.append(log_probabilities)
        self._ids = self._greedy.push(self._decoding.without_unknown(log_probabilities))
