"""recurra train TASK DATA: one command for each task, with an option for each of its settings."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo

from recurra.cli.app import app, console, reported
from recurra.config import CONFIGS, RunConfig, make_run_config, section_model

__all__ = ["train_app"]

train_app = typer.Typer(help="Train a model on a file, folder or hub data set.", no_args_is_help=True)
app.add_typer(train_app, name="train")

Out = Annotated[Path | None, typer.Option(help="Model directory to make (default: runs/NAME-OF-DATA).")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")]


def _train_command(task: str, config: type[RunConfig]) -> Callable[..., None]:
    """Make the command of a task: its own few parameters, and one option for each setting."""

    def command(
        data: str, out: Path | None = None, overwrite: bool = False, resume: bool = False, **settings: Any
    ) -> None:
        given = {name: value for name, value in settings.items() if value is not None}
        _train(task, data, out, overwrite, resume, given)

    kind, keyword = inspect.Parameter, inspect.Parameter.KEYWORD_ONLY
    argument = typer.Argument(help=section_model(config, "data").model_fields["data"].description, show_default=False)
    parameters = [
        kind("data", kind.POSITIONAL_OR_KEYWORD, annotation=Annotated[str, argument]),
        kind("out", keyword, default=None, annotation=Out),
        kind("overwrite", keyword, default=False, annotation=Overwrite),
        kind("resume", keyword, default=False, annotation=Resume),
    ]
    for section in config.sections:
        for name, field in section_model(config, section).model_fields.items():
            if name != "data":
                option = typer.Option(help=_with_default(field), show_default=False, rich_help_panel=section.title())
                annotation = Annotated[field.annotation | None, option]  # type: ignore[name-defined]
                parameters.append(kind(name, keyword, default=None, annotation=annotation))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = config.summary
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


for _name, _config in CONFIGS.items():
    train_app.command(_name)(_train_command(_name, _config))
