"""Random calls, right and wrong; and sizes beyond what 32 bits count."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import recurra.nn
from recurra.kernels import explain, native, reference
from recurra.kernels.dispatch import KERNELS

FUZZ = Path(__file__).with_name("fuzz.py")


def load_fuzz():
    spec = importlib.util.spec_from_file_location("recurra_fuzz", FUZZ)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, on sparse tensors
def test_some_calls_at_random():
    fuzz = load_fuzz()
    counts = fuzz.fuzz(calls=1200, seed=1)
    assert sum(counts.values()) == 1200
    assert min(counts["right"], counts["refused"]) > 300


def test_the_fuzz_finds_a_missing_error(monkeypatch):
    fuzz = load_fuzz()
    monkeypatch.setattr("recurra.nn.lengths.checked_lengths", lambda lengths, batch, time: torch.zeros(batch).long())
    with pytest.raises(AssertionError, match=r"no error for a wrong \['lengths'\]"):
        fuzz.fuzz(calls=300, seed=1)


def test_the_fuzz_finds_a_wrong_answer(monkeypatch):
    fuzz = load_fuzz()
    sound = reference.layer

    def off(*arguments):
        output, final = sound(*arguments)
        return output * 1.01, final

    monkeypatch.setitem(KERNELS, "reference", KERNELS["reference"]._replace(layer=off))
    with pytest.raises(AssertionError, match="not close"):
        fuzz.fuzz(calls=300, seed=1)


@pytest.mark.slow
def test_a_million_calls():
    done = subprocess.run(
        [sys.executable, str(FUZZ), "--calls", "1000000", "--seed", "7"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "1000000 calls" in done.stdout


def free_memory() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0


@pytest.mark.slow
@pytest.mark.skipif(native.variant() is None, reason="the native kernels were not built here")
def test_more_gates_than_32_bits_count():
    """2.5 thousand million gates: an index of 32 bits would wrap round within the last sequences."""
    if free_memory() < 14 * 2**30:
        pytest.skip("needs 14 GiB of free memory")
    layer = recurra.nn.LSTM(1, 1024)
    x = torch.randn(1000, 620, 1)
    with torch.inference_mode():
        assert explain(layer, x[:1])[0].kernel == "native"
        output, _ = layer(x)
        assert 4 * output.numel() > 2**31
        for index in (0, 619):
            alone, _ = layer(x[:, index : index + 1].clone())
            torch.testing.assert_close(output[:, index], alone[:, 0], rtol=1e-5, atol=1e-6)


def test_a_size_beyond_all_memory_is_an_error():
    layer = recurra.nn.GRU(1, 64)
    x = torch.zeros(1, 1, 1).expand(2**20, 2**20, 1)
    with pytest.raises(RuntimeError, match="allocate"), torch.inference_mode():
        layer(x)
