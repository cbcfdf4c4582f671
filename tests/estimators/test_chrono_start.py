"""Every network begins with the time scales that `chrono_steps` asks for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from recurra import Classifier, Forecaster, LanguageModel, Tagger, Transcriber, Translator
from recurra.diagnose.layers import named_layers

STEPS = 40
NOT_LEARNING: dict[str, Any] = {"epochs": 1, "learning_rate": 1e-9, "hidden_size": 32, "chrono_steps": STEPS}

TEXTS = ["good film", "bad plot"] * 10
WORDS = [text.split() for text in TEXTS]
WAVE = np.sin(np.arange(120) / 3)
SOUND = [np.sin(0.3 * np.arange(4000)) / 2] * 20


@pytest.mark.parametrize(
    ("cell", "fit"),
    [
        ("lstm", lambda **options: Classifier(**options).fit(TEXTS, [0, 1] * 10)),
        ("gru", lambda **options: Classifier(**options).fit([WAVE[:9], WAVE[9:]] * 10, [0, 1] * 10)),
        ("gru", lambda **options: Tagger(**options).fit(WORDS, [["A", "B"]] * 20)),
        ("lstm", lambda **options: LanguageModel(batch_size=2, steps=5, **options).fit(TEXTS)),
        ("lstm", lambda **options: Translator(**options).fit([f"{n} a" for n in range(20)], TEXTS)),
        ("lstm", lambda **options: Forecaster(horizon=3, window=6, **options).fit(WAVE)),
        ("gru", lambda **options: Forecaster(horizon=3, window=6, decoder="autoregressive", **options).fit(WAVE)),
        ("lstm", lambda **options: Transcriber(sample_rate=8000, **options).fit(SOUND, ["ab", "ba"] * 10)),
    ],
)
def test_gates_keep_over_so_many_steps(cell: str, fit: Callable[..., Any]) -> None:
    network = fit(cell=cell, **NOT_LEARNING).task_.network
    layers = [layer for layer in named_layers(network) if not layer.name.startswith("characters")]
    assert layers
    for layer in layers:
        keeps = layer.module.get_parameter(f"bias_ih_l{layer.layer}{'_reverse' if layer.backwards else ''}")[
            32:64
        ].detach()
        assert float(keeps.min()) > -1e-3
        assert math.log(STEPS) / 2 < float(keeps.max()) < math.log(STEPS - 1) + 1e-3
        assert len(torch.unique(keeps)) == 32
