"""The transcriber's network: against torch.nn and all alignments, alone and in company, at once and in pieces."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from recurra.batch import TranscriptBatch, make_transcript_batch
from recurra.config import TranscribeModelConfig
from recurra.errors import DataError, SettingsError, ShapeError
from recurra.nn.transcription import TranscriptionNetwork

FEATURES, SYMBOLS = 3, 4
LENGTHS = [7, 0, 12, 1, 11]
CELLS = ("lstm", "gru", "rnn", "rnn_relu")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def make(cell: str = "lstm", **options: object) -> TranscriptionNetwork:
    """Make one with opinions: what it answers is not the same everywhere."""
    masks = {name: options.pop(name) for name in ("time_masks", "frequency_masks") if name in options}
    settings = {"hidden_size": 5, "num_layers": 2, "dropout": 0.0, "stack": 3, **options}
    network = TranscriptionNetwork(FEATURES, SYMBOLS, TranscribeModelConfig(cell=cell, **settings), **masks)
    nn.init.normal_(network.output.weight, std=3)
    return network


def some_frames(lengths: list[int], seed: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, FEATURES)).astype(np.float32) for length in lengths]


def batch_of(frames: list[np.ndarray], targets: list[list[int]]) -> TranscriptBatch:
    return make_transcript_batch(frames, [np.array(ids, np.int32) for ids in targets])


def alone(network: TranscriptionNetwork, frames: np.ndarray) -> Tensor:
    """What the network hears in one recording, [T', V]."""
    log_probabilities, steps = network(torch.from_numpy(frames).unsqueeze(0), torch.tensor([len(frames)]))
    assert steps.tolist() == [len(log_probabilities)]
    return log_probabilities.squeeze(1)


def padded_further(batch: TranscriptBatch) -> TranscriptBatch:
    """The same with noise, and with what is no number, in the padding."""
    wide = torch.cat([batch.values, torch.full((len(batch.values), 4, FEATURES), math.nan)], dim=1)
    for row, length in zip(wide, batch.lengths):
        row[length : length + 2] = 9.0
    targets = torch.cat([batch.targets, torch.randint(SYMBOLS, (len(wide), 3))], dim=1)
    return TranscriptBatch(wide, batch.lengths, targets, batch.target_lengths)


def summed_over_alignments(log_probabilities: Tensor, ids: list[int]) -> float:
    """-log p of a transcript, path by path: merge what is repeated, leave out blanks."""
    found = []
    for path in itertools.product(range(SYMBOLS), repeat=len(log_probabilities)):
        merged = [symbol for symbol, _ in itertools.groupby(path)]
        if [symbol for symbol in merged if symbol] == ids:
            found.append(sum(float(row[symbol]) for row, symbol in zip(log_probabilities, path)))
    return -math.log(sum(map(math.exp, found)))


@pytest.mark.parametrize("both", [True, False], ids=["both-ways", "one-way"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_log_probabilities_are_those_of_torch(cell, both):
    network = make(cell, bidirectional=both)
    frames = [part for part in some_frames(LENGTHS) if len(part)]
    torch_layers = getattr(nn, cell.upper())(3 * FEATURES, 5, 2, bidirectional=both)
    torch_layers.load_state_dict(network.recurrent.state_dict())
    stacked = []
    for part in frames:
        steps = math.ceil(len(part) / 3)
        full = np.concatenate([part, np.zeros((3 * steps - len(part), FEATURES), np.float32)])
        stacked.append(torch.from_numpy(np.stack([full[3 * n : 3 * n + 3].ravel() for n in range(steps)])))
    outputs, lengths = pad_packed_sequence(torch_layers(pack_sequence(stacked, enforce_sorted=False))[0])
    expected = (outputs @ network.output.weight.T + network.output.bias).log_softmax(-1)
    batch = batch_of(frames, [[]] * len(frames))
    found, steps = network(batch.values, batch.lengths)
    assert steps.tolist() == lengths.tolist() == [3, 4, 1, 4]
    for number, length in enumerate(steps):
        torch.testing.assert_close(found[:length, number], expected[:length, number], rtol=1e-5, atol=1e-5)
        assert not found[length:, number].any()
    inputs, steps = network.recurrent_inputs(batch.values, batch.lengths)
    for row, length, alone in zip(inputs, steps, stacked):
        assert torch.equal(row[:length], alone)
        assert not row[length:].any()


@pytest.mark.parametrize("stack", [1, 2, 3, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_company_and_padding_change_nothing(cell, stack):
    network = make(cell, stack=stack, bidirectional=True)
    frames = some_frames(LENGTHS)
    batch = batch_of(frames, [[], [], [2, 2], [], [3]])
    found, steps = network(batch.values, batch.lengths)
    assert found.shape == (math.ceil(12 / stack), 5, SYMBOLS)
    assert steps.tolist() == [math.ceil(length / stack) for length in LENGTHS]
    wider = padded_further(batch)
    further, same_steps = network(wider.values, wider.lengths)
    assert torch.equal(steps, same_steps)
    torch.testing.assert_close(further[: len(found)], found, rtol=0, atol=1e-5)
    assert not further[len(found) :].any()
    torch.testing.assert_close(network.loss(wider), network.loss(batch), rtol=0, atol=1e-5)
    for number, part in enumerate(frames):
        torch.testing.assert_close(found[: steps[number], number], alone(network, part), rtol=0, atol=1e-5)


def test_gradients_ignore_the_padding():
    network, found = make(bidirectional=True), []
    batch = batch_of(some_frames(LENGTHS), [[1], [], [2, 2], [], [3]])
    for given in (batch, padded_further(batch)):
        network.zero_grad()
        network.loss(given).backward()
        found.append([parameter.grad.clone() for parameter in network.parameters()])
    for near, far in zip(*found):
        assert near.isfinite().all()
        torch.testing.assert_close(far, near, rtol=0, atol=1e-5)


@pytest.mark.parametrize("targets", [[[], [1], [2, 2]], [[3, 1], [1, 1], [1, 2, 3]], [[2, 2, 2], [3, 3], []]])
def test_the_loss_sums_over_all_alignments(targets):
    network = make(stack=2)
    frames = some_frames([10, 6, 9])
    expected = [
        summed_over_alignments(alone(network, part).detach(), ids) / max(1, len(ids))
        for part, ids in zip(frames, targets)
    ]
    assert network.loss(batch_of(frames, targets)).item() == pytest.approx(sum(expected) / 3, abs=1e-5)


def test_gradients_of_the_loss_are_its_slopes():
    network = make("gru", stack=2).double()
    frames = torch.from_numpy(np.stack(some_frames([6, 6]))).double()
    batch = TranscriptBatch(frames, torch.tensor([6, 5]), torch.tensor([[1, 1], [2, 0]]), torch.tensor([2, 1]))
    network.loss(batch).backward()
    weight, step = network.output.weight, 1e-5
    for row, column in ((0, 0), (1, 3), (2, 7), (3, 9)):
        slopes = []
        for change in (step, -step):
            with torch.no_grad():
                weight[row, column] += change
                slopes.append(network.loss(batch).item())
                weight[row, column] -= change
        assert (slopes[0] - slopes[1]) / (2 * step) == pytest.approx(weight.grad[row, column].item(), abs=1e-7)


@pytest.mark.parametrize("target", [[1, 2, 3, 1], [1, 1, 2], [2, 3, 3]])
def test_the_tightest_target_has_a_finite_loss_and_one_symbol_more_is_refused(target):
    network = make()
    for length in (10, 12):  # four steps
        loss = network.loss(batch_of(some_frames([length]), [target]))
        loss.backward()
        assert loss.isfinite()
        assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    repeats = sum(a == b for a, b in itertools.pairwise(target))
    refused = (
        rf"targets, recording 2 of the batch: {len(target)} symbols and a blank between each two equal neighbours, "
        rf"{repeats}, need 4 steps, and there are 3 of 3 frames; stack fewer frames, or mend the transcript"
    )
    with pytest.raises(DataError, match=refused):
        network.loss(batch_of(some_frames([9, 9]), [[1], target]))


@pytest.mark.parametrize("lengths", [[0], [0, 0], [2, 0]])
def test_recordings_without_sound_have_empty_transcripts_at_no_loss(lengths):
    network = make()
    loss = network.loss(batch_of(some_frames(lengths), [[] for _ in lengths]))
    loss.backward()
    expected = -sum(alone(network, part)[:, 0].sum().item() for part in some_frames(lengths)) / len(lengths)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_masks_hide_frames_in_training_alone():
    network = make(time_masks=2, frequency_masks=0)
    batch = batch_of(some_frames([60, 40]), [[1, 2], [3]])
    losses = {network.loss(batch).item() for _ in range(5)}
    assert len(losses) > 1
    network.eval()
    assert len({network.loss(batch).item() for _ in range(5)}) == 1
    assert network.loss(batch).item() == pytest.approx(make_as(network).loss(batch).item(), abs=1e-6)


def make_as(network: TranscriptionNetwork) -> TranscriptionNetwork:
    """The same weights in a network without masks."""
    other = make()
    other.load_state_dict(network.state_dict())
    return other


def test_dropout_is_between_the_layers_and_at_the_output():
    network = make(dropout=0.5, num_layers=1)
    assert network.recurrent.dropout == 0  # one layer has nothing between
    frames = some_frames([9])[0]
    assert not torch.equal(alone(network, frames), alone(network, frames))
    assert make(dropout=0.5).recurrent.dropout == 0.5
    network.eval()
    assert torch.equal(alone(network, frames), alone(network, frames))


def test_under_autocast_probabilities_keep_their_precision():
    network = make()
    batch = batch_of(some_frames([12]), [[1, 2]])
    exact = network.loss(batch).item()
    with torch.autocast("cpu", torch.bfloat16):
        assert network(batch.values, batch.lengths)[0].dtype == torch.float32
        loss = network.loss(batch)
    assert loss.item() == pytest.approx(exact, rel=0.05)


def cut(frames: np.ndarray, sizes: list[int]) -> list[Tensor]:
    assert sum(sizes) == len(frames)
    return list(torch.from_numpy(frames).split(sizes))


def streamed(network: TranscriptionNetwork, pieces: list[Tensor]) -> Tensor:
    state, found, heard = network.start_stream(), [], 0
    for piece in pieces:
        log_probabilities, state = network.step_stream(piece, state)
        heard += len(piece)
        found.append(log_probabilities)
        assert sum(map(len, found)) == heard // network.stack  # what can be known is known
    return torch.cat([*found, network.flush(state)])


@pytest.mark.parametrize("stack", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_in_pieces_of_any_size_as_at_once(cell, stack):
    network = make(cell, stack=stack, bidirectional=False).eval()
    rng = np.random.default_rng(7)
    for length in (0, 1, 2, 3, 100, 101):
        (frames,) = some_frames([length], seed=length)
        expected = alone(network, frames).detach()
        places = np.sort(rng.integers(0, length + 1, 6))
        cuts = {
            "random": np.diff([0, *places, length]).tolist(),
            "frame by frame": [1] * length,
            "with nothing between": [0, length, 0],
            "short and long": [length // 10, length - length // 10],
        }
        for name, sizes in cuts.items():
            found = streamed(network, cut(frames, sizes))
            assert found.shape == expected.shape
            torch.testing.assert_close(
                found, expected, rtol=0, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
            )


def test_a_state_is_not_changed_and_can_be_gone_on_from_twice():
    network = make(bidirectional=False).eval()
    (frames,) = some_frames([40])
    first, second = cut(frames, [20, 20])
    _, state = network.step_stream(first, network.start_stream())
    flushed = network.flush(state)
    once, _ = network.step_stream(second, state)
    twice, _ = network.step_stream(second, state)
    assert torch.equal(once, twice)
    assert torch.equal(network.flush(state), flushed)
    assert not once.requires_grad


def test_many_steps_are_one_call_of_the_layers(monkeypatch):
    network = make(bidirectional=False).eval()
    (frames,) = some_frames([90])
    calls = []
    step = type(network.recurrent).step
    monkeypatch.setattr(type(network.recurrent), "step", lambda *given: calls.append(1) or step(*given))
    state = network.start_stream()
    network.step_stream(torch.from_numpy(frames), state)
    assert not calls
    network.step_stream(torch.from_numpy(frames[:6]), state)
    assert len(calls) == 2


def test_what_cannot_be_streamed_is_refused():
    with pytest.raises(SettingsError, match=r"stream: a bidirectional network .* train one with --no-bidirectional"):
        make(bidirectional=True).start_stream()
    network = make(bidirectional=False)
    with pytest.raises(ShapeError, match=r"frames: expected \[t, 3\], got \(2, 4\)"):
        network.step_stream(torch.zeros(2, 4), network.start_stream())


def test_what_does_not_fit_is_refused():
    network = make()
    with pytest.raises(ShapeError, match=r"values: expected frames \[B, T, 3\], got \(1, 5, 4\)"):
        network(torch.zeros(1, 5, 4), torch.tensor([5]))
    with pytest.raises(ShapeError, match="lengths: expected 0 to 5, got 6 to 6"):
        network(torch.zeros(1, 5, 3), torch.tensor([6]))
    with pytest.raises(ShapeError, match="lengths: expected one for each of 2 sequences"):
        network(torch.zeros(2, 5, 3), torch.tensor([5]))


def test_it_learns_symbols_of_unknown_places():
    """Each symbol is a frame of its own among silence; where it stands is not told."""
    torch.manual_seed(1)
    network = TranscriptionNetwork(
        SYMBOLS - 1, SYMBOLS, TranscribeModelConfig(hidden_size=16, num_layers=1, dropout=0.0, stack=2)
    )
    rng = np.random.default_rng(0)

    def draw() -> tuple[list[np.ndarray], list[list[int]]]:
        targets = [rng.integers(1, SYMBOLS, rng.integers(0, 4)).tolist() for _ in range(16)]
        return [sound_of(ids) for ids in targets], targets

    def sound_of(ids: list[int]) -> np.ndarray:
        frames = [np.zeros(SYMBOLS - 1, np.float32)] * 3
        for symbol in ids:
            frames += [np.eye(SYMBOLS - 1, dtype=np.float32)[symbol - 1]] * 2
            frames += [np.zeros(SYMBOLS - 1, np.float32)] * int(rng.integers(3, 6))
        return np.stack(frames)

    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(120):
        optimiser.zero_grad()
        network.loss(batch_of(*draw())).backward()
        optimiser.step()
    frames, targets = draw()
    batch = batch_of(frames, targets)
    found, steps = network.eval()(batch.values, batch.lengths)
    for number, ids in enumerate(targets):
        path = found[: steps[number], number].argmax(1).tolist()
        assert [symbol for symbol, _ in itertools.groupby(path) if symbol] == ids
