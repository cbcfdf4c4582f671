"""Call the layers at random, rightly and wrongly; every call gives the right answer or a clear error, and none crashes.

    python tests/kernels/fuzz.py --calls 1000000 --seed 0

A crash ends the process: the last line of --trace then names the seed of the call that did it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import recurra.nn
from recurra.errors import RecurraError
from recurra.kernels import use_kernel

KINDS: dict[str, tuple[type, dict[str, Any]]] = {
    "rnn_tanh": (recurra.nn.RNN, {}),
    "rnn_relu": (recurra.nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (recurra.nn.LSTM, {}),
    "gru": (recurra.nn.GRU, {}),
}
EXTRAS: list[dict[str, Any]] = [{}, {}, {}, {"zoneout": 0.3}, {"layer_norm": True}, {"learn_initial_state": True}]
HUGE = 2**62


@dataclass
class Case:
    """One call: a layer, its arguments, and what is to come of it."""

    layer: Any
    x: Any
    lengths: Any = None
    state: Any = None
    wrong: list[str] = field(default_factory=list)
    strange: bool = False  # a kind of tensor that may be refused by torch itself
    streamed: bool = False  # one call of `step`, x [B, I]


def make_layers(rng: random.Random, count: int) -> list[Any]:
    """Draw layers of all kinds, sizes and options."""
    layers = []
    for index in range(count):
        maker, options = list(KINDS.values())[index % 4]
        size = rng.choice([1, 2, 3, 7, 16, 17, 33, 64])
        extra = dict(rng.choice(EXTRAS))
        if size == 1:
            extra.pop("layer_norm", None)
        if maker is recurra.nn.LSTM and size > 1 and rng.random() < 0.3:
            extra["proj_size"] = rng.randint(1, size - 1)
        layer = maker(
            rng.choice([1, 2, 5, 16, 19]),
            size,
            num_layers=rng.choice([1, 1, 2]),
            bias=rng.random() < 0.8,
            batch_first=rng.random() < 0.5,
            bidirectional=rng.random() < 0.4,
            **options,
            **extra,
        )
        layers.append((layer if rng.random() < 0.9 else layer.double()).eval())
    return layers


def as_drawn(rng: random.Random, x: Tensor, case: Case) -> Any:
    """The same numbers laid out in another way, or something that is no right input."""
    way = rng.randrange(24)
    ways: dict[int, Callable[[], Any]] = {
        0: lambda: torch.stack([x, x], -1)[..., 1],
        1: lambda: x.flip(0).flip(0),
        2: lambda: x.transpose(0, 1).contiguous().transpose(0, 1),
        3: lambda: x[..., :1].expand_as(x),
        4: lambda: torch._neg_view(-x),
    }
    if way in ways:
        return ways[way]()
    if way == 5 and x.numel():
        x.view(-1)[rng.randrange(x.numel())] = rng.choice([float("nan"), float("inf"), -float("inf")])
    elif way in (6, 7):
        case.wrong.append("dtype")
        return x.to(rng.choice([torch.float16, torch.bfloat16, torch.int64, torch.complex64]))
    elif way == 8:
        case.wrong.append("width")
        return torch.cat([x, x], -1)
    elif way == 9:
        case.wrong.append("dimensions")
        return rng.choice([x.unsqueeze(0), x.sum(), x.new_empty(0)])
    elif way in (10, 11):
        case.strange = True
        return x.to_sparse() if way == 10 else x.to("meta")
    return x


def draw_lengths(rng: random.Random, time: int, batch: int, case: Case) -> Any:
    """Lengths, mostly right."""
    right = [rng.randint(0, time) for _ in range(batch)]
    way = rng.randrange(20)
    if way < 5:
        return None
    if way < 14 or not batch:
        return torch.tensor(right, dtype=rng.choice([torch.int64, torch.int32, torch.uint8])) if way % 2 else right
    case.wrong.append("lengths")
    wrong: list[Any] = [
        [*right[:-1], -1],
        [*right[:-1], time + 1],
        [*right[:-1], HUGE],
        [length + 0.5 for length in right],
        [*right, 0],
        [right],
    ]
    return rng.choice(wrong)


def draw_state(rng: random.Random, layer: Any, batch: int, dtype: torch.dtype, case: Case) -> Any:
    """An initial state, mostly right or none."""
    way = rng.randrange(12)
    if way < 5:
        return None
    rows, sizes = layer.num_layers * layer.num_directions, layer._state_sizes()
    states = [torch.randn(rows, batch, size, dtype=dtype) for size in sizes]
    if way == 5:
        states = [state.transpose(0, 1).contiguous().transpose(0, 1) for state in states]
    elif way == 6:
        states = [state[:, :1].expand(-1, batch, -1) if batch else state for state in states]
    elif way == 7:
        case.wrong.append("state")
        states[0] = rng.choice([states[0].half(), torch.cat([states[0], states[0]], 2), states[0].sum(0)])
    return tuple(states) if len(states) > 1 else states[0]


def draw(rng: random.Random, layers: list[Any]) -> Case:
    """Draw one call."""
    layer = rng.choice(layers)
    case = Case(layer, None, streamed=rng.random() < 0.15)
    steps, batch = rng.choice([0, 1, 2, 3, 6]), rng.choice([0, 1, 1, 2, 3, 5, 9])
    dtype = layer.weight_ih_l0.dtype
    if case.streamed:
        case.x = as_drawn(rng, torch.randn(batch, layer.input_size, dtype=dtype), case)
        case.state = draw_state(rng, layer, batch, dtype, case)
        case.wrong += ["bidirectional"] if layer.bidirectional else []
        return case
    shape = (batch, steps) if layer.batch_first else (steps, batch)
    case.x = as_drawn(rng, torch.randn(*shape, layer.input_size, dtype=dtype), case)
    case.lengths = draw_lengths(rng, steps, batch, case)
    case.state = draw_state(rng, layer, batch, dtype, case)
    return case


def flat(result: tuple[Tensor, Any]) -> Iterator[Tensor]:
    """The output and each tensor of the state."""
    output, state = result
    yield output
    yield from state if isinstance(state, tuple) else (state,)


def results(case: Case, plainly: bool = False) -> list[Tensor]:
    """Outputs and states; then the gradients of their sum. A step plainly is a sequence of one step."""
    if case.streamed:
        if not plainly:
            return list(flat(case.layer.step(case.x, case.state)))
        time = 1 if case.layer.batch_first else 0
        output, *state = flat(case.layer(case.x.unsqueeze(time), case.state))
        return [output.squeeze(time), *state]
    case.layer.zero_grad()
    output, state = case.layer(case.x, case.state, lengths=case.lengths)
    found = list(flat((output, state)))
    loss = sum((part * part).sum() for part in found)
    if loss.requires_grad:  # with no step at all nothing depends on a parameter
        loss.backward()
    gradients = [parameter.grad for parameter in case.layer.parameters()]
    return [part.detach() for part in found] + [gradient for gradient in gradients if gradient is not None]


def run(case: Case, compare: bool) -> str:
    """Make one call and judge it.

    Returns:
        What came of it: "right", "refused" or "strange".

    Raises:
        AssertionError: a wrong answer, a silent one where an error was due, or an error where an answer was.
    """
    try:
        got = results(case)
    except RecurraError as error:
        refused = str(error)
    except RuntimeError:
        assert case.strange, f"an error of torch's own for {case.wrong}"
        return "strange"
    else:
        refused = None
    if refused is not None:
        assert case.wrong or case.strange, f"refused without need: {refused}"
        assert len(refused) > 15, f"says nothing: {refused}"
        return "refused"
    assert not case.wrong, f"no error for a wrong {case.wrong}"
    if compare and not case.strange:
        with use_kernel("reference"):
            expected = results(case, plainly=True)
        for g, e in zip(got, expected):
            assert torch.equal(g.isfinite(), e.isfinite()), (
                "poison went elsewhere"
            )  # 0 * inf is NaN, 1e-40 * inf is not
            torch.testing.assert_close(g[g.isfinite()], e[e.isfinite()], rtol=1e-3, atol=1e-4)
    return "strange" if case.strange else "right"


def fuzz(calls: int, seed: int, trace: Path | None = None) -> Counter[str]:
    """Make so many calls; every tenth right one is compared with the plain loop."""
    torch.set_num_threads(1)
    layers = make_layers(random.Random(seed), 120)
    counts: Counter[str] = Counter()
    for number in range(calls):
        if trace is not None:
            trace.write_text(f"{seed} {number}\n")
        rng = random.Random(seed * 1_000_003 + number)
        torch.manual_seed(number)
        case = draw(rng, layers)
        try:
            counts[run(case, compare=number % 10 == 0)] += 1
        except Exception as error:
            raise AssertionError(
                f"seed {seed}, call {number}: {case.layer}, {type(error).__name__}: {error}"
            ) from error
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trace", type=Path, help="file that names the call under way")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    begun = time.perf_counter()
    counts = fuzz(arguments.calls, arguments.seed, arguments.trace)
    print(f"{arguments.calls} calls in {time.perf_counter() - begun:.0f} s: {dict(counts)}", file=sys.stdout)


if __name__ == "__main__":
    main()
