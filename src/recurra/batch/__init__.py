"""Examples -> batches. This is the only place that makes padding; the layers pack it away again at once."""

from recurra.batch.frames import FrameBatch, TranscriptBatch, make_frame_batch, make_transcript_batch, pad_frames
from recurra.batch.ids import (
    Batch,
    Characters,
    PairBatch,
    Spelling,
    TokenBatch,
    make_batch,
    make_pair_batch,
    make_token_batch,
    padded_further,
    padding_noise,
    random_sequences,
)
from recurra.batch.order import length_sorted, shuffled_batches
from recurra.batch.windows import Window, WindowBatch, make_window_batch

__all__ = [
    "Batch",
    "Characters",
    "FrameBatch",
    "PairBatch",
    "Spelling",
    "TokenBatch",
    "TranscriptBatch",
    "Window",
    "WindowBatch",
    "length_sorted",
    "make_batch",
    "make_frame_batch",
    "make_pair_batch",
    "make_token_batch",
    "make_transcript_batch",
    "make_window_batch",
    "pad_frames",
    "padded_further",
    "padding_noise",
    "random_sequences",
    "shuffled_batches",
]
