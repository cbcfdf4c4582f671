"""Models of other packages, accelerated: everything swapped that should be, and nothing else changed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
LAYERS = {
    "Flair SequenceTagger": ["rnn"],
    "Flair SequenceTagger, with characters": ["embeddings.list_embedding_1.char_rnn", "rnn"],
    "Stanza Tagger": ["charmodel.charlstm.lstm", "taggerlstm.lstm.0.lstm", "taggerlstm.lstm.1.lstm"],
    "SpeechBrain CRDNN": ["RNN.rnn"],
    "SpeechBrain LSTM, lengths": ["rnn"],
    "pytorch-forecasting TFT": ["lstm_encoder", "lstm_decoder"],
    "pytorch-forecasting DeepAR": ["rnn"],
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those packages' own
@pytest.mark.parametrize("kernel", [None, "packed", "native"])
@pytest.mark.parametrize("name", LAYERS)
def test_same_outputs_and_gradients(name, kernel, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    for module in ("timing", "third_party", "accelerate_models"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    benchmark = importlib.import_module("accelerate_models")
    third_party = importlib.import_module("third_party")
    pytest.importorskip(third_party.MODELS[name][0])
    if kernel:
        monkeypatch.setenv("RECURRA_KERNEL", kernel)
    plain, swapped, report = benchmark.pair(
        name, third_party.Size(32, 6, 8)
    )  # fewer sounds, and batch normalisation swells rounding
    assert report.swapped == LAYERS[name]
    assert report.left == []
    assert max(benchmark.compare(plain, swapped)) < 1e-5
    before = {key: value.clone() for key, value in plain.model.state_dict().items()}
    assert list(swapped.model.state_dict()) == list(before)
    assert all(torch.equal(value, before[key]) for key, value in swapped.model.state_dict().items())


def test_every_model_of_the_benchmark_is_tested(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    assert list(importlib.import_module("third_party").MODELS) == list(LAYERS)
