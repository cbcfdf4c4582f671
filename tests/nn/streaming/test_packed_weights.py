"""Streaming: weights packed once, anew when they changed, and for every thread and process."""

from __future__ import annotations

import copy
import gc
import io
import os
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from recurra.kernels import native
from recurra.kernels.native.stream import PRECISIONS
from recurra.nn import streaming

needs_native = pytest.mark.skipif(native.variant() is None, reason="the native kernels were not built here")


def change_in_place(layer):
    with torch.no_grad():
        layer.weight_hh_l0.mul_(0.5)


def change_by_an_optimiser(layer):
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(torch.ones(2, 1, layer.input_size))[0].sum().backward()
    optimizer.step()


def change_by_a_fused_optimiser(layer):
    """It leaves the versions of the parameters as they were."""
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.01, maximize=True, fused=True)
    layer(torch.ones(2, 1, layer.input_size))[0].sum().backward()
    optimizer.step()


def change_by_loading(layer):
    layer.load_state_dict({name: value * 0.5 for name, value in layer.state_dict().items()})


def change_by_assigning(layer):
    layer.load_state_dict({name: value * 0.5 for name, value in layer.state_dict().items()}, assign=True)


def change_a_parameter(layer):
    layer.bias_hh_l1 = nn.Parameter(layer.bias_hh_l1.detach() + 1)


def change_the_data(layer):
    for parameter in layer.parameters():
        parameter.data = parameter.data * 0.5


def change_there_and_back(layer):
    layer.double()
    change_in_place(layer)
    layer.float()


CHANGES = [
    change_in_place,
    change_by_an_optimiser,
    change_by_a_fused_optimiser,
    change_by_loading,
    change_by_assigning,
    change_a_parameter,
    change_the_data,
    change_there_and_back,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_are_packed_anew_when_they_change(streams, kind, precision, change):
    if precision != "float32" and native.variant() is None:
        pytest.skip("the native kernels were not built here")
    ours, theirs = streams.make(kind, 3, 18, num_layers=2)
    x = torch.randn(3, 2, 3)
    for _ in range(3):
        before = streams.stream(ours, x, None, precision)[0]
        change(ours)
        theirs.load_state_dict(ours.state_dict())
        after = streams.stream(ours, x, None, precision)
        assert (after[0] - before).abs().max() > 1e-4
        with torch.no_grad():
            streams.assert_same(after, streams.whole(theirs, x), 1e-5 if precision == "float32" else 0.05)


@needs_native
@torch.no_grad()
def test_a_new_parameter_at_the_address_of_the_old_one(streams):
    """Address and version are the same; only that the old one is gone tells them apart."""
    ours, theirs = streams.make("gru", 3, 18)
    x, values = torch.randn(2, 3), ours.weight_hh_l0.numpy().copy()
    ours.weight_hh_l0 = nn.Parameter(torch.from_numpy(values))
    streams.stream(ours, x)
    values *= 0.5
    ours.weight_hh_l0 = nn.Parameter(torch.from_numpy(values))
    theirs.weight_hh_l0.mul_(0.5)
    streams.assert_same(streams.stream(ours, x), streams.whole(theirs, x))


@needs_native
@torch.no_grad()
def test_weights_are_packed_once(streams):
    ours, _ = streams.make("gru", 3, 18)
    x, state = torch.randn(1, 3), None
    kept = set()
    for _ in range(5):
        _, state = ours.step(x, state)
        kept.add(id(streaming._packed[ours]["float32"].stack))
    ours.step(x, state, "int8")
    ours.step(x, state)
    kept.add(id(streaming._packed[ours]["float32"].stack))
    assert len(kept) == 1


@torch.no_grad()
def test_packed_weights_are_not_saved_copied_or_kept(streams):
    ours, theirs = streams.make("lstm", 3, 18)
    x = torch.randn(2, 1, 3)
    expected = streams.stream(ours, x)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    buffer = io.BytesIO()
    torch.save(ours, buffer)
    copies = [copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))]
    assert len(buffer.getvalue()) < 2 * sum(4 * p.numel() for p in ours.parameters()) + 10_000
    for copied in copies:
        assert copied not in streaming._packed
        streams.assert_same(streams.stream(copied, x), expected)
        copied.weight_hh_l0.zero_()
    streams.assert_same(streams.stream(ours, x), expected)
    gone = weakref.ref(copied.weight_ih_l0), weakref.ref(copied)
    gc.collect()
    count = len(streaming._packed)
    del copied, copies
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
    assert len(streaming._packed) == count - 2


@torch.no_grad()
def test_arguments_are_left_as_they_were_and_results_are_new(streams, kind):
    ours, _ = streams.make(kind, 3, 18, num_layers=2)
    x, state = torch.randn(2, 3), streams.first_state(kind, 2, 2, 18)
    before = [tensor.clone() for tensor in (x, *streams.parts(state))]
    output, after = ours.step(x, state)
    again, _ = ours.step(x, state)
    assert torch.equal(output, again)
    assert all(torch.equal(a, b) for a, b in zip(before, (x, *streams.parts(state))))
    kept = streams.parts(after)[0].clone()
    output.zero_()
    assert torch.equal(streams.parts(after)[0], kept)


@needs_native
@torch.no_grad()
def test_called_from_several_python_threads_at_once(streams, kind):
    ours, theirs = streams.make(kind, 20, 130, num_layers=2)
    torch.set_num_threads(2)
    batches = [torch.randn(12, 1 + number % 3, 20) for number in range(16)]
    expected = [streams.whole(theirs, x) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        for got, wanted in zip(pool.map(torch.no_grad()(lambda x: streams.stream(ours, x)), batches), expected):
            streams.assert_same(got, wanted)


@needs_native
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@torch.no_grad()
def test_fork_after_threads_were_used(streams):
    ours, _ = streams.make("lstm", 20, 300)
    torch.set_num_threads(2)
    x = torch.randn(3, 1, 20)
    expected = streams.stream(ours, x)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if all(torch.equal(a, b) for a, b in zip(streams.stream(ours, x), expected)) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
