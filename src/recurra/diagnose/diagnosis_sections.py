"""The page of a diagnosis: what was found in, HTML out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

from recurra.diagnose.diagnosis import DIAGNOSE, Diagnosis, LayerDiagnosis, Verdict
from recurra.diagnose.diagnosis_words import (
    MARKS,
    context_sentence,
    layer_row,
    measured_sentence,
    no_layers_sentence,
    reach_of,
)
from recurra.diagnose.gates import CLOSED, DEAD, OPEN, SATURATED
from recurra.pages.frame import make_page
from recurra.pages.pieces import fact_rows, section, tiles

__all__ = ["diagnosis_page"]

_BORDERS = {"problem": "rgb(var(--against))", "note": "var(--soft)", "good": "rgb(var(--for))"}
_HEADS = (
    "layer",
    "gradient below a hundredth after",
    "largest Lyapunov exponent",
    "largest singular value",
    "median half-life",
    "gates closed %",
    "gates open %",
    "dead units %",
    "|h| saturated %",
)
_Figures = Mapping[str, str]


def diagnosis_page(found: Diagnosis, figures: _Figures, facts: Mapping[str, str]) -> str:
    """Make the page.

    Args:
        found: what was measured.
        figures: SVG by the names of :func:`recurra.diagnose.diagnosis_figures.diagnosis_figures`.
        facts: of the run and the machine.
    """
    sections = [_verdicts(found)]
    if found.layers:
        sections += [_layers(found), _reach(found, figures), _weights(found, figures), _gates(found, figures)]
        sections += [_states(figures)]
    else:
        sections.append(section("layers", "Layers", f"<p>{escape(no_layers_sentence(found))}</p>"))
    sections.append(_training(figures))
    model = escape(str(found.model))
    commands = [verdict.command for verdict in found.verdicts if verdict.command]
    commands += [f"recurra evaluate {found.model} DATA", f"recurra explain {found.model} INPUT"]
    parts = {
        "lead": f"What the model <code>{model}</code> ({escape(found.task)}) remembers, forgets and could not learn. "
        f"{escape(measured_sentence(found))}",
        "tiles": tiles(_numbers(found)),
        "made_note": "All numbers lie beside this page in <code>diagnosis.json</code>, the figures as SVG files.",
        "settings_rows": "",
        "run_rows": fact_rows({"model": str(found.model), "task": found.task, "data": found.data, **facts}),
        "commands": escape("\n".join(commands)),
    }
    return make_page(DIAGNOSE, f"Diagnosis of {model}", parts, "\n".join(sections))


def _numbers(found: Diagnosis) -> list[tuple[str, str]]:
    problems = sum(verdict.level == "problem" for verdict in found.verdicts)
    notes = sum(verdict.level == "note" for verdict in found.verdicts)
    numbers = [(str(problems), f"problem{'' if problems == 1 else 's'}, and {notes} note{'' if notes == 1 else 's'}")]
    if found.layers:
        shortest = min(found.layers, key=_reach_number)
        numbers.append(
            (escape(reach_of(shortest)), f"steps until the gradient is below a hundredth<br>{escape(shortest.name)}")
        )
    if found.context is not None and found.context.steps:
        needed = found.context.needed
        shown = f"&gt; {max(found.context.steps)}" if needed is None else f"{needed:,}"
        numbers.append((shown, f"{escape(found.unit)} that the model needs to know"))
    if found.layers:
        dead, units = (sum(int(count) for count in counts) for counts in zip(*map(_dead, found.layers)))
        numbers.append((f"{dead:,}", f"dead units of {units:,}"))
    return numbers


def _reach_number(layer: LayerDiagnosis) -> float:
    reach = layer.flow.reach()
    return float("inf") if reach is None else reach


def _dead(layer: LayerDiagnosis) -> tuple[int, int]:
    return int(layer.units.dead.sum()), len(layer.units.dead)


def _verdicts(found: Diagnosis) -> str:
    body = "".join(map(_verdict, found.verdicts)) or "<p>No verdict: nothing was found that could be judged.</p>"
    return section("verdicts", "Verdict", body)


def _verdict(verdict: Verdict) -> str:
    lines = [f"<p><b>{MARKS[verdict.level]}: {escape(verdict.kind)}</b></p>", f"<p>{escape(verdict.sentence)}</p>"]
    if verdict.reason:
        lines.append(f'<p class="soft">Why this threshold: {escape(verdict.reason)}</p>')
    if verdict.remedy:
        lines.append(f"<p>What helps: {escape(verdict.remedy)}</p>")
    if verdict.command:
        lines.append(f"<pre>{escape(verdict.command)}</pre>")
    return f'<div class="pair" style="border-color:{_BORDERS[verdict.level]}">{"".join(lines)}</div>'


def _layers(found: Diagnosis) -> str:
    heads = "".join(f"<th>{name}</th>" for name in _HEADS)
    rows = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, *cells in map(layer_row, found.layers)
    )
    note = (
        f"Steps, and nats a step. A gate is called closed below {CLOSED} and open above {OPEN} (Karpathy, Johnson, "
        f"Fei-Fei, 2016); a unit is dead when its state deviates by less than {DEAD:g}, which is lost beside the "
        f"tenths by which units vary; |h| is saturated above {SATURATED}, where the derivative of tanh is below a "
        "tenth."
    )
    table = f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    return section("layers", "Layer by layer", f'{table}<p class="note">{note}</p>')


def _reach(found: Diagnosis, figures: _Figures) -> str:
    gradient = _figure(
        figures,
        "gradient.svg",
        "Read how fast the lines fall: where one is below the dashed line, the loss hardly tells the layer what it "
        "should have kept so many steps before. A line that falls below it left of the dotted median length leaves a "
        "part of the sequences unlearnt; one that rises explodes.",
        "The gradient cannot be followed over steps: no sequence has two, or no gradient arrives at a recurrent layer.",
    )
    said = "" if found.context is None else f" {escape(context_sentence(found.context, found.unit))}"
    context = _figure(
        figures,
        "context.svg",
        "The loss when the layers begin anew some steps before each step, so that the network sees so much of the "
        "input; stacked layers see further together than each alone. Read where the line meets the dashed one: "
        f"what lies further back is not used.{said}",
        "The loss by context length was not measured.",
    )
    why = (
        "A hundredth: an update from there is a hundredth of that of the last step, and drowns in what differs from "
        "one batch to the next."
    )
    body = f'<p>{why}</p><div class="two">{gradient}{context}</div>'
    return section("reach", "How far back it learns, and how far back it looks", body)


def _weights(found: Diagnosis, figures: _Figures) -> str:
    exponents = _figure(
        figures,
        "exponents.svg",
        "How fast two nearby states part along real sequences. Left of zero a small difference dies out, and with it "
        "what was read; right of zero it grows, and with it the gradient.",
        "No Lyapunov exponent was found.",
    )
    singular = _each_layer(found, figures, "weights", lambda layer: "the recurrent weights are no numbers")
    read = (
        "By how much each gate's recurrent weights stretch a state at most, direction by direction, is told by their "
        "singular values. In a simple cell, values all below 1 make gradients vanish; in a gated cell the gates have "
        "the last word."
    )
    return section("weights", "Recurrent weights", f"{exponents}<h3>Singular values</h3><p>{read}</p>{singular}")


def _gates(found: Diagnosis, figures: _Figures) -> str:
    if not any(layer.units.closed for layer in found.layers):
        return section("gates", "Gates", "<p>The cells of this model have no gates.</p>")
    half_life = _figure(
        figures,
        "half-life.svg",
        "After how many steps a unit has lost half of what it held, by the gate that keeps the state. Read how many "
        "units stand above the dashed median length: they can carry something through a whole sequence. A star never "
        "forgets.",
        "No half-life: the cells have no gate that keeps the state, or it never closes.",
    )
    scatter = _each_layer(found, figures, "gates", _without_scatter)
    read = (
        "A point for each unit and gate. At the right, gates that are nearly always open; at the top, nearly always "
        "closed; near the dashed line, gates that switch between both; at the bottom left, gates that stay between."
    )
    return section("gates", "Gates", f"{half_life}<h3>Open and closed</h3><p>{read}</p>{scatter}")


def _without_scatter(layer: LayerDiagnosis) -> str:
    if not layer.units.closed:
        return "this cell has no gates"
    return f"all gates stay between {CLOSED} and {OPEN} at every step, none is nearly open or closed"


def _states(figures: _Figures) -> str:
    norms = _figure(
        figures,
        "norms.svg",
        "A line that goes on rising says that the state has not settled within the sequences; one that is flat at the "
        "square root of the number of units says that all are saturated.",
        "The sequences have one step: there is no course of states over time.",
    )
    return section("states", "States over time", norms)


def _training(figures: _Figures) -> str:
    clipped = _figure(
        figures,
        "clipped.svg",
        "Read how high the line is at the end: where most steps are still clipped, the limit sets the step and not the "
        "learning rate.",
        "The history of this model does not tell how often the gradient was clipped.",
    )
    return section("training", "Clipping in training", clipped)


def _each_layer(found: Diagnosis, figures: _Figures, name: str, why: Callable[[LayerDiagnosis], str]) -> str:
    """The figures of all layers, of which one may stand beside another."""
    drawn = []
    for number, layer in enumerate(found.layers, 1):
        told = escape(layer.name)
        drawn.append(f"<div>{_figure(figures, f'{name}-{number}.svg', told, f'{told}: {why(layer)}.')}</div>")
    return f'<div class="two">{"".join(drawn)}</div>'


def _figure(figures: _Figures, name: str, caption: str, otherwise: str) -> str:
    """A figure with what to read from it; or a sentence in its place."""
    if name not in figures:
        return f'<p class="soft">{otherwise}</p>'
    return f"<figure>{figures[name]}<figcaption>{caption}</figcaption></figure>"
