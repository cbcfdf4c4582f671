"""What the kept models cost: how fast they answer, the memory of their training, how far their gradients reach."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from recurra.checkpoint import read_model
from recurra.compare.findings import Cost, Lag
from recurra.compare.memory import training_memory
from recurra.compare.plan import Plan
from recurra.compare.training import Trained, quiet
from recurra.diagnose.flow import gradient_by_lag, joined_flows
from recurra.kernels.trace import traced
from recurra.tasks import Task
from recurra.timing import interleaved

__all__ = ["Measured", "gradient_lag", "measure"]

_log = logging.getLogger("recurra")

_ANSWERED, _AT_ONCE = 256, 32
_ROUNDS, _SECONDS = 9, 30.0
_LOOKED_BACK = 2  # batches that are followed back in time


class Measured(NamedTuple):
    """What the models of the cells cost, and how many sequences they answered."""

    costs: dict[str, Cost]
    sequences: int


def measure(plan: Plan, trained: Trained) -> Measured:
    """Measure the kept models; those of all cells answer in turns, so that the machine's pace meets all alike."""
    _log.info("\nhow fast the models answer, and how far their gradients reach")
    with quiet():
        saved = {cell: read_model(plan.out / cell) for cell in plan.cells}
        sequences = {cell: model.task.sequences(None)[:_ANSWERED] for cell, model in saved.items()}
        times = interleaved(
            {cell: _answering(saved[cell].task, sequences[cell]) for cell in plan.cells}, _ROUNDS, _SECONDS
        )
        lags = {
            cell: gradient_lag(model.task, trained.batches[cell][:_LOOKED_BACK], sequences[cell][:1])
            for cell, model in saved.items()
        }
    _log.info("memory of training, each in a process of its own")
    costs = {}
    for cell, model in saved.items():
        told = plan.config(cell, trained.kept[cell].seed, hidden_size=model.task.config.model.hidden_size)
        size = (model.path / "model.safetensors").stat().st_size
        costs[cell] = Cost(times[cell], size, training_memory(told), lags[cell])
    return Measured(costs, len(sequences[plan.cells[0]]))


def _answering(task: Task, sequences: Sequence[Any]) -> Callable[[], None]:
    """What answers all of some sequences, so many side by side."""
    batches = [sequences[start : start + _AT_ONCE] for start in range(0, len(sequences), _AT_ONCE)]

    def answer(batches: Sequence[Sequence[Any]]) -> None:
        for batch in batches:
            task.responses(batch)

    run = partial(answer, batches)
    run()  # once before the clock runs
    return run


def gradient_lag(task: Task, batches: Sequence[Any], sequences: Sequence[Any]) -> Lag | None:
    """After how many steps the gradient of the loss is below a hundredth, in the last layer that reads the sequences.

    Of a layer with two directions it is the one that reads forwards.

    Args:
        task: with a trained network.
        batches: labelled examples, as the loss takes them.
        sequences: one or more, by which the layer is found.

    Returns:
        None where the network has no recurrent layer.
    """
    call = task.recurrent_call(sequences)
    if call is None:
        return None
    weights = getattr(call.layers, f"weight_hh_l{call.layers.num_layers - 1}")
    task.network.eval()
    flows = []
    for batch in batches:
        with traced() as traces:
            loss = task.loss(task.network, batch, None).value
        flows += [gradient_by_lag(loss, trace) for trace in traces if trace.weights.weight_hh is weights]
    whole = joined_flows(flows)
    return Lag(whole.reach(), len(whole.norms) - 1)
