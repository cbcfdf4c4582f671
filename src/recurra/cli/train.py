"""recurra train TASK DATA: one command for each task, with an option for each of its settings."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo

from recurra.cli.app import app, console, reported
from recurra.config import CONFIGS, RunConfig, make_run_config, section_model

__all__ = ["settings_command", "train_app"]

train_app = typer.Typer(help="Train a model on a file, folder or hub data set.", no_args_is_help=True)
app.add_typer(train_app, name="train")

Out = Annotated[Path | None, typer.Option(help="Model directory to make (default: runs/NAME-OF-DATA).")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")]


def settings_command(
    config: type[RunConfig],
    own: Sequence[inspect.Parameter],
    run: Callable[..., None],
    summary: str,
    left_out: Sequence[str] = (),
) -> Callable[..., None]:
    """Make a command for a task: the data, parameters of its own, and one option for each setting.

    Args:
        config: the task's.
        own: the command's parameters beside the data.
        run: called with `data`, the own parameters by name, and `settings`, those settings that were given.
        summary: what the command says of itself.
        left_out: settings that are no options of it.
    """
    names = {parameter.name for parameter in own}

    def command(data: str, **options: Any) -> None:
        given = {name: value for name, value in options.items() if name not in names and value is not None}
        run(data=data, settings=given, **{name: options[name] for name in names})

    kind = inspect.Parameter
    argument = typer.Argument(help=section_model(config, "data").model_fields["data"].description, show_default=False)
    parameters = [kind("data", kind.POSITIONAL_OR_KEYWORD, annotation=Annotated[str, argument]), *own]
    for section in config.sections:
        for name, field in section_model(config, section).model_fields.items():
            if name not in ("data", *left_out):
                option = typer.Option(help=_with_default(field), show_default=False, rich_help_panel=section.title())
                annotation = Annotated[field.annotation | None, option]  # type: ignore[name-defined]
                parameters.append(kind(name, kind.KEYWORD_ONLY, default=None, annotation=annotation))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = summary
    return command


def _with_default(field: FieldInfo) -> str:
    told, default = str(field.description), field.default
    if "(default" in told or default is None or default is False:
        return told
    return f"{told} (default: {'yes' if default is True else default})"


def _train(task: str, data: str, out: Path | None, overwrite: bool, resume: bool, settings: dict[str, Any]) -> None:
    with reported():
        config = make_run_config(task, data=data, **settings)
        if overwrite and resume:
            raise typer.BadParameter("--overwrite starts anew and --resume goes on: give one of them")
        from recurra.fit import fit
        from recurra.progress import ProgressLine, TensorBoard
        from recurra.show import print_scores
        from recurra.tasks import TASKS

        place = out or Path("runs") / Path(data.removeprefix("hf:").replace(":", "-")).stem
        callbacks: list[Any] = []
        if logging.getLogger("recurra").level <= logging.INFO:
            callbacks.append(ProgressLine(console(stderr=True), TASKS[task]))
        if config.train.tensorboard:
            callbacks.append(TensorBoard(place.with_name(f"{place.name}-tensorboard")))
        fitted = fit(config, place, overwrite, resume, callbacks)
        part = "test" if "test" in fitted.metrics else "valid"
        print_scores(console(), fitted.task, fitted.metrics[part], f"{part} examples", full=False)
        typer.echo(f"best epoch {fitted.metrics['best_epoch']} of {fitted.metrics['epochs']}; the model is in {place}")
        if fitted.interrupted:
            typer.echo(f"stopped by Ctrl-C after epoch {fitted.metrics['epochs']}; --resume goes on", err=True)
            raise typer.Exit(130)


_OWN = [
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
    for name, default, annotation in (("out", None, Out), ("overwrite", False, Overwrite), ("resume", False, Resume))
]
for _name, _config in CONFIGS.items():
    train_app.command(_name)(settings_command(_config, _OWN, partial(_train, _name), _config.summary))
