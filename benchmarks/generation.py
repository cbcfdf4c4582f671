"""Text made up symbol by symbol: recurra beside the same network stepped by nn.LSTM and by onnxruntime, in turns.

    python benchmarks/generation.py --out benchmarks/results/generation.md

The networks are not trained: a symbol costs the same. All sides embed a symbol, step the layers, apply the softmax and
draw from it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from timing import mean_and_range, medians, report
from torch import Tensor, nn

from recurra.bench.onnx_layer import step_of
from recurra.bench.timing import machine_line
from recurra.config import LanguageModelNetworkConfig
from recurra.nn.language_model import LanguageModelNetwork
from recurra.nn.sampling import Sampler
from recurra.tables import markdown_table

SIZES = {
    "65 characters, 1 x 256": (65, {"embedding_size": 256, "hidden_size": 256, "num_layers": 1}),
    "65 characters, 2 x 512": (65, {"embedding_size": 512, "hidden_size": 512, "num_layers": 2}),
    "33,280 words, 2 x 200": (33_280, {"embedding_size": 200, "hidden_size": 200, "num_layers": 2}),
    "33,280 words, 2 x 650": (33_280, {"embedding_size": 650, "hidden_size": 650, "num_layers": 2}),
}
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


def torch_twin(network: LanguageModelNetwork) -> nn.LSTM:
    """Torch's layers with the same weights."""
    ours = network.recurrent
    twin = nn.LSTM(ours.input_size, ours.hidden_size, ours.num_layers)
    twin.load_state_dict(ours.state_dict())
    return twin.eval()


def sides(network: LanguageModelNetwork) -> dict[str, Step]:
    """How each side goes from a symbol [1] and a state to the log-probabilities [1, V] of the next."""
    twin = torch_twin(network)
    onnx_step = step_of(twin, "lstm")

    def by_torch(ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, state = twin(network.embed(ids).unsqueeze(0), state)
        return network.log_probabilities(output[0]), state

    def by_onnx(ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, state = onnx_step(network.embed(ids), state)
        return network.log_probabilities(output), state

    return {"recurra": network.step, "nn.LSTM": by_torch, "onnxruntime": by_onnx}


def write(step: Step, symbols: int) -> tuple[float, list[int]]:
    """Draw so many symbols; seconds, and the symbols."""
    sampler, generator = Sampler(), torch.Generator().manual_seed(0)
    written, state = [2], None
    started = time.perf_counter()
    for _ in range(symbols):
        scores, state = step(torch.tensor(written[-1:]), state)
        written.append(sampler.draw(scores[0], written, generator))
    return time.perf_counter() - started, written


def measure(name: str, symbols: int, rounds: int) -> list[str]:
    """A row of the table: symbols a second of each side, and the ratios."""
    vocabulary, sizes = SIZES[name]
    torch.manual_seed(0)
    network = LanguageModelNetwork(vocabulary, LanguageModelNetworkConfig(**sizes)).eval()
    steps = sides(network)
    speeds: dict[str, list[float]] = {side: [] for side in steps}
    with torch.inference_mode():
        texts = {side: write(step, 20)[1] for side, step in steps.items()}  # also the warm-up
        assert len(set(map(tuple, texts.values()))) == 1, f"the sides wrote different texts: {texts}"
        for _ in range(rounds):
            for side, step in steps.items():
                speeds[side].append(symbols / write(step, symbols)[0])
    middle = medians(speeds)
    shown = [mean_and_range(values, "{:,.0f}") if rounds < 3 else f"{middle[s]:,.0f}" for s, values in speeds.items()]
    ratios = [f"{middle['recurra'] / middle[side]:.2f}" for side in ("nn.LSTM", "onnxruntime")]
    print(name, shown, ratios, flush=True)
    return [name, *shown, *ratios]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=300, help="in a round")
    parser.add_argument("--rounds", type=int, default=9, help="of each side, in turns")
    parser.add_argument("--threads", type=int, help="threads of torch (default: torch's own choice)")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    rows = [measure(name, arguments.symbols, arguments.rounds) for name in SIZES]
    header = ["symbols / s, median", "recurra", "nn.LSTM", "onnxruntime", "recurra / nn.LSTM", "recurra / onnxruntime"]
    report(["# Text made up symbol by symbol", f"{machine_line()}.", markdown_table(header, rows)], arguments.out)


if __name__ == "__main__":
    main()
