"""The commands that only a language model serves: generate and next."""

from __future__ import annotations

import json
import sys
from itertools import chain
from typing import Annotated

import typer

from recurra.cli.app import app, console, reported
from recurra.cli.options import ModelArgument

Prompt = Annotated[str, typer.Option(help="What comes before (default: nothing, the beginning of a line).")]


@app.command("generate")
def _generate(
    model: ModelArgument,
    prompt: Prompt = "",
    length: Annotated[int, typer.Option(help="How many symbols.", min=1)] = 200,
    temperature: Annotated[float, typer.Option(help="Below 1 likelier, above 1 more varied; 0 the likeliest.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw among so many likeliest symbols.")] = None,
    top_p: Annotated[float, typer.Option(help="Draw among the likeliest that have this probability together.")] = 1.0,
    repetition_penalty: Annotated[
        float, typer.Option(help="Above 1, symbols of late become less likely by this factor.")
    ] = 1.0,
    seed: Annotated[
        int | None, typer.Option(help="For the same text again (default: another one each time).", min=0, max=2**31 - 1)
    ] = None,
) -> None:
    """Write text that goes on from a prompt, as it is made up."""
    with reported():
        from recurra.generate import generate
        from recurra.nn.sampling import Sampler
        from recurra.start import read_language_model

        sampler = Sampler(temperature, top_k, top_p, repetition_penalty)
        pieces = generate(read_language_model(model), prompt, length, sampler, seed)
        first = next(pieces)  # a prompt that is at fault is found before it is printed
        try:
            for piece in chain((prompt, first), pieces):
                sys.stdout.write(piece)
                sys.stdout.flush()
        finally:
            sys.stdout.write("\n")


@app.command("next")
def _next(
    model: ModelArgument,
    prompt: Annotated[str, typer.Argument(help="What comes before; may be empty.")] = "",
    count: Annotated[int, typer.Option(help="How many symbols.", min=1)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what a language model holds most likely after a prompt."""
    with reported():
        from recurra.generate import most_likely
        from recurra.show import print_table
        from recurra.start import read_language_model
        from recurra.tables import ScoreTable

        found = most_likely(read_language_model(model), prompt, count)
        if as_json:
            typer.echo(json.dumps({each.text: each.probability for each in found}, ensure_ascii=False))
            return
        rows: list[tuple[str, ...]] = [(_printable(each.text), f"{100 * each.probability:.2f}") for each in found]
        place = f"after {prompt!r}" if prompt else "at the beginning of a line"
        print_table(console(), ScoreTable(place, ("", "probability %"), rows))


def _printable(text: str) -> str:
    """A text on one line: what moves the cursor is shown as it is written in JSON."""
    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in text)
