"""The options of the commands that ask a trained model: each once, whichever tasks and commands know it.

A model's task says which of them it takes (`reading`, `evaluating` and `answering` of :class:`recurra.tasks.Task`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["ANSWERING", "EVALUATING", "READING", "ModelArgument", "takes"]

ModelArgument = Annotated[Path, typer.Argument(help="Model directory, as made by recurra train.", show_default=False)]

_SEED = {"min": 0, "max": 2**31 - 1}
_ANY, _TAGGER, _TRANSLATOR = "Options", "Of a tagger", "Of a translator"
_LANGUAGE, _SERIES, _FORECASTER, _TRANSCRIBER = (
    "Of a language model",
    "Of a classifier of series",
    "Of a forecaster",
    "Of a transcriber",
)
_SEARCHERS = "Of a translator or transcriber"
_DRAWERS = "Of a translator or forecaster"


def _option(kind: type, panel: str, told: str, *names: str, **limits: Any) -> Any:
    return Annotated[kind | None, typer.Option(*names, help=told, rich_help_panel=panel, **limits)]


READING: dict[str, Any] = {
    "text_column": _option(str, _ANY, "Column with the text (default: as in training, or found)."),
    "label_column": _option(str, _ANY, "Column with the label (default: as in training, or found)."),
    "id_column": _option(str, _SERIES, "Column that tells series apart (default: as in training)."),
    "token_column": _option(str, _TAGGER, "Column with the token (default: as in training)."),
    "tag_column": _option(str, _TAGGER, "Column with the tag (default: as in training)."),
    "sentence_column": _option(str, _TAGGER, "Column that tells sentences apart."),
    "format": _option(str, _TAGGER, "conllu, conll, jsonl, csv or tsv (default: by name)."),
    "source_column": _option(str, _TRANSLATOR, "Column to translate from (default: as in training, or found)."),
    "target_column": _option(str, _TRANSLATOR, "Column to translate into (default: as in training, or found)."),
    "target": _option(str, _TRANSLATOR, "The target side, where DATA is the source side of parallel text."),
    "path_column": _option(str, _TRANSCRIBER, "Column with the recording's path (default: as in training, or found)."),
    "delimiter": _option(str, _ANY, "Field delimiter (default: by file name)."),
    "header": _option(bool, _ANY, "Whether the first row names the columns.", "--header/--no-header"),
}
_SEARCHING: dict[str, Any] = {
    "beam": _option(
        int, _SEARCHERS, "Answers that are followed at a time; 1 is greedy (default: 5, to transcribe 1).", min=1
    ),
    "length_penalty": _option(float, _TRANSLATOR, "The larger, the less long translations lose (default: 0.6)."),
    "coverage_penalty": _option(
        float, _TRANSLATOR, "The larger, the more lose those that leave source symbols out (default: 0)."
    ),
    "max_ratio": _option(
        float, _TRANSLATOR, "Most symbols for each source symbol, and 10 more (default: by training)."
    ),
    "language_model": _option(
        str, _TRANSCRIBER, "Language model that has a say: a directory of recurra's or an ARPA file."
    ),
    "language_weight": _option(float, _TRANSCRIBER, "How much of a say (default: 0.5)."),
    "language_bonus": _option(float, _TRANSCRIBER, "Nats for each symbol or word that it scores (default: 0.5)."),
    "draws": _option(int, _FORECASTER, "Paths that an autoregressive model draws (default: 200).", min=2),
    "seed": _option(int, _DRAWERS, "Seed of what is drawn (default: 0).", **_SEED),
}
EVALUATING: dict[str, Any] = {
    **_SEARCHING,
    "stride": _option(int, _FORECASTER, "Steps from one origin to the next (default: 1, or told).", min=1),
    "dynamic": _option(float, _LANGUAGE, "Learning rate of dynamic evaluation: it learns as it reads."),
}
ANSWERING: dict[str, Any] = {
    **_SEARCHING,
    "n_best": _option(int, _TRANSLATOR, "Translations of each text (default: 1).", min=1),
    "temperature": _option(float, _TRANSLATOR, "Draw translations, where no beam searches; below 1 likelier ones."),
    "top_k": _option(int, _TRANSLATOR, "Draw from so many likeliest symbols."),
    "top_p": _option(float, _TRANSLATOR, "Draw from the likeliest that together have this probability."),
    "attention": _option(
        Path, _TRANSLATOR, "Folder for pictures of where the decoder looked; the answers tell it too."
    ),
    "replace_unknown": _option(
        bool, _TRANSLATOR, "Write an unknown symbol as the source symbol looked at.", "--replace-unknown"
    ),
    "plots": _option(Path, _FORECASTER, "Folder for a picture of each forecast, with its intervals."),
    "chunk": _option(
        float,
        _TRANSCRIBER,
        "Seconds of sound fed at a time; what is understood so far is told too.",
        min=0.01,
        max=3600,
    ),
    "sample_rate": _option(int, _TRANSCRIBER, "Hz of raw 16-bit samples on standard input.", min=1000, max=192_000),
}


def takes(*tables: dict[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of some tables in place of its `**options`, in their order; each is None at first."""

    def shown(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
        hints = inspect.get_annotations(command, eval_str=True)
        kept = [parameter.replace(annotation=hints[parameter.name]) for parameter in own]
        table = {name: option for each in tables for name, option in each.items()}
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
            for name, option in table.items()
        ]
        command.__signature__ = inspect.Signature([*kept, *more])  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*kept, *more)}
        return command

    return shown
