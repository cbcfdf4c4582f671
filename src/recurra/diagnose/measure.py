"""`recurra diagnose`: what is measured of a trained model, on batches of labelled examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from recurra.checkpoint import SavedModel, read_history
from recurra.diagnose.context import Size, looking_layers, loss_by_context
from recurra.diagnose.diagnosis import Diagnosis, LayerDiagnosis
from recurra.diagnose.flow import Flow, gradient_by_lag, joined_flows
from recurra.diagnose.gates import unit_habits
from recurra.diagnose.layers import layer_name, named_layers
from recurra.diagnose.spectra import Growth, lyapunov_exponents, measure_growth, recurrent_spectrum
from recurra.diagnose.verdicts import judge
from recurra.errors import DataError
from recurra.kernels.trace import Step, Trace, traced
from recurra.tasks.base import Task

__all__ = ["diagnose_model"]

_BATCHES = 8
_STEPS = 1024  # of all batches that are measured; the plain loop, and a gradient from 16 of the steps, take seconds
_PRODUCTS = 6e10  # likewise, of a large network
_PASSES = 16  # through the recurrent weights, for each step: forward, back from half of 16 steps, and of a basis


def diagnose_model(model: SavedModel, batches: Sequence[Any], data: str) -> Diagnosis:
    """Measure how a model remembers, and judge what was found.

    The first batches are measured, up to 8 that have up to 1,024 steps together, of a large network fewer, but at least
    one, and that whole: the numbers are exact, and of those sequences.

    Args:
        model: as it was read.
        batches: of its task's `labelled_batches`.
        data: what these were read from, as it is to be named.

    Raises:
        DataError: no sequence has a step, or a state or a gradient is no number.
    """
    task = model.task
    layers = named_layers(task.network)
    chosen = _few(batches, sum(layer.weight_hh.numel() for layer in layers))
    clipped = [float(record["clipped_share"]) for record in read_history(model.path) if "clipped_share" in record]
    lengths, left_out = (
        [length for batch in some for length in batch.lengths.tolist()] for some in (chosen, _others(batches, chosen))
    )
    found = Diagnosis(model.path, task.name, _unit(task), data, lengths, [], None, clipped, [], left_out)
    if layers:
        training = task.network.training
        task.network.eval()
        try:
            found = _measured(model, chosen, found)
        finally:
            task.network.train(training)
    return replace(found, verdicts=judge(found, model))


@dataclass
class _Records:
    """What is kept of one direction of a layer, of each batch: a trace without its graph, and what gradients told."""

    traces: list[Trace] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)
    growths: list[Growth] = field(default_factory=list)

    def add(self, loss: Tensor, trace: Trace) -> None:
        """Measure one batch."""
        self.flows.append(gradient_by_lag(loss, trace))
        self.growths.append(measure_growth(trace))
        self.traces.append(_slim(trace))


def _measured(model: SavedModel, batches: Sequence[Any], found: Diagnosis) -> Diagnosis:
    task = model.task
    _require_numbers(model)
    looking = looking_layers(named_layers(task.network))
    kept: dict[str, _Records] = {}
    sizes: list[Size] = []
    carried = None
    for batch in batches:
        with traced() as traces:
            loss, carried = task.loss(task.network, batch, carried)
        for trace in traces:
            name = layer_name(task.network, trace)
            if name == looking[0].name:
                sizes.append(Size(trace.layout.tokens, len(trace.layout.batch_sizes)))
            if trace.steps:  # else no sequence of the batch has a step for this layer
                _require_finite(trace, name)
                kept.setdefault(name, _Records()).add(loss, trace)
    if looking[0].name not in kept:
        raise DataError("diagnose: no sequence has a step; give longer ones")
    layers = [_layer(name, records) for name, records in kept.items()]
    context = loss_by_context(task, looking, batches, sizes)
    return replace(found, layers=layers, context=context, lengths=_lengths(kept[looking[0].name].traces))


def _layer(name: str, records: _Records) -> LayerDiagnosis:
    singular, moduli = recurrent_spectrum(records.traces[0])
    return LayerDiagnosis(
        name=name,
        cell=records.traces[0].cell,
        flow=joined_flows(records.flows),
        singular=singular,
        moduli=moduli,
        exponents=lyapunov_exponents(records.growths),
        units=unit_habits(records.traces),
        lengths=_lengths(records.traces),
    )


def _slim(trace: Trace) -> Trace:
    """What the habits of units are told by, without the graph that gradients came through."""
    steps = {
        t: Step({name: gate.detach() for name, gate in step.gates.items()}, (), (step.after[0].detach(),), ())
        for t, step in trace.steps.items()
    }
    return replace(trace, steps=steps)


def _lengths(traces: Sequence[Trace]) -> list[int]:
    return [length for trace in traces for length in trace.layout.sorted_lengths().tolist()]


def _few(batches: Sequence[Any], weights: int) -> list[Any]:
    """Those that are measured: no empty ones, and no more than can be in seconds."""
    chosen: list[Any] = []
    steps = products = 0
    for batch in batches:
        longest = int(batch.lengths.max()) if len(batch.lengths) else 0
        if not longest:
            continue
        steps, products = steps + longest, products + longest * len(batch.lengths) * weights * _PASSES
        if chosen and (len(chosen) == _BATCHES or steps > _STEPS or products > _PRODUCTS):
            break  # and none of the later ones: what a language model carries on belongs to the next batch
        chosen.append(batch)
    if not chosen:
        raise DataError("diagnose: no sequence has a step; give longer ones")
    return chosen


def _others(batches: Sequence[Any], chosen: Sequence[Any]) -> list[Any]:
    return [batch for batch in batches if not any(batch is one for one in chosen)]


def _unit(task: Task) -> str:
    """What a recurrent layer reads at a step: several frames or steps of a series may be one of its own."""
    for option, together in (("stack", "stacks"), ("segment", "segments")):
        size = getattr(task.config.model, option, None) or 1
        if size > 1:
            return f"{together} of {size} {task.unit}"
    return task.unit


def _require_numbers(model: SavedModel) -> None:
    for name, parameter in model.task.network.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise DataError(
                f"{model.path}: expected weights that are numbers, found NaN or infinite ones in {name}; train again, "
                f"with a smaller --learning-rate"
            )


def _require_finite(trace: Trace, name: str) -> None:
    for t in sorted(trace.steps, reverse=trace.backwards):
        if not all(bool(part.isfinite().all()) for part in trace.steps[t].after):
            raise DataError(
                f"diagnose: {name}: a state is no number (NaN or infinite) at step {t + 1} of {len(trace.steps)}; "
                f"train again, with a smaller --learning-rate"
            )
