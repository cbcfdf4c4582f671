"""The command line: arguments -> one call each. Heavy imports stay inside the commands, so that help is quick."""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic.fields import FieldInfo

from recurra.config import RunConfig, make_run_config, section_model
from recurra.errors import CheckFailed, OutputError, RecurraError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app", "main"]

app = typer.Typer(
    name="recurra",
    help="Train, understand, check and ship recurrent sequence models on your own data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
train_app = typer.Typer(help="Train a model on a file, folder or hub data set.", no_args_is_help=True)
app.add_typer(train_app, name="train")

ModelArgument = Annotated[Path, typer.Argument(help="Model directory, as made by recurra train.", show_default=False)]
TextColumn = Annotated[str | None, typer.Option(help="Column with the text (default: as in training, or found).")]
LabelColumn = Annotated[str | None, typer.Option(help="Column with the label (default: as in training, or found).")]
Delimiter = Annotated[str | None, typer.Option(help="Field delimiter (default: by file name).")]
Header = Annotated[bool | None, typer.Option("--header/--no-header", help="Whether the first row names the columns.")]


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"recurra {version('recurra')}")
        raise typer.Exit


@app.callback()
def _common(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only results and errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PlainFormatter())
    logger = logging.getLogger("recurra")
    logger.handlers = [handler]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)


class _PlainFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return prefix + record.getMessage()


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each setting of :class:`RunConfig`, passed on only where it was given."""
    own = inspect.signature(command, eval_str=True).parameters
    parameters = [parameter for parameter in own.values() if parameter.kind is not parameter.VAR_KEYWORD]
    for section in RunConfig.sections:
        for name, field in section_model(section).model_fields.items():
            if name in own:
                continue
            option = typer.Option(help=_with_default(field), show_default=False, rich_help_panel=section.title())
            annotation = Annotated[field.annotation | None, option]  # type: ignore[name-defined]
            parameters.append(
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            )

    def run(**arguments: Any) -> None:
        command(**{name: value for name, value in arguments.items() if value is not None})

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = command.__doc__
    return run


def _with_default(field: FieldInfo) -> str:
    told, default = str(field.description), field.default
    if "(default" in told or default is None or default is False:
        return told
    return f"{told} (default: {'yes' if default is True else default})"


@train_app.command("classify")
@_with_settings
def _train_classify(
    data: Annotated[str, typer.Argument(help="File, folder with one sub-folder per class, or hf:owner/name[:config].")],
    out: Annotated[Path | None, typer.Option(help="Model directory to make (default: runs/NAME-OF-DATA).")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")] = False,
    **settings: Any,
) -> None:
    """Train a text classifier: one of several classes for each text."""
    with _reported():
        config = make_run_config(data=data, **settings)
        if overwrite and resume:
            raise typer.BadParameter("--overwrite starts anew and --resume goes on: give one of them")
        from recurra.fit import fit
        from recurra.progress import ProgressLine, TensorBoard
        from recurra.show import print_scores

        place = out or Path("runs") / Path(data.removeprefix("hf:").replace(":", "-")).stem
        console = _console(stderr=True)
        callbacks: list[Any] = [ProgressLine(console)] if logging.getLogger("recurra").level <= logging.INFO else []
        if config.train.tensorboard:
            callbacks.append(TensorBoard(place.with_name(f"{place.name}-tensorboard")))
        fitted = fit(config, place, overwrite, resume, callbacks)
        part = "test" if "test" in fitted.metrics else "valid"
        print_scores(_console(), fitted.metrics[part], f"{part} examples", full=False)
        typer.echo(f"best epoch {fitted.metrics['best_epoch']} of {fitted.metrics['epochs']}; the model is in {place}")
        if fitted.interrupted:
            typer.echo(f"stopped by Ctrl-C after epoch {fitted.metrics['epochs']}; --resume goes on", err=True)
            raise typer.Exit(130)


@app.command("evaluate")
def _evaluate(
    model: ModelArgument,
    data: Annotated[str, typer.Argument(help="Labelled examples: a file, folder or hf:owner/name[:config].")],
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    delimiter: Delimiter = None,
    header: Header = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all scores as one JSON object.")] = False,
) -> None:
    """Score a model on labelled examples, beside its baselines."""
    with _reported():
        from recurra.checkpoint import read_model
        from recurra.evaluate import evaluate, load_labelled
        from recurra.show import print_scores

        saved = read_model(model)
        examples = load_labelled(saved.task, data, text_column, label_column, delimiter, header)
        scores = evaluate(saved.task, examples, saved.baseline).scores
        if as_json:
            typer.echo(json.dumps(scores, ensure_ascii=False))
        else:
            print_scores(_console(), scores, data)


@app.command("predict")
def _predict(
    model: ModelArgument,
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Files, or texts (default: standard input, one text a line).")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write, whole or not at all (default: print).")] = None,
    text_column: TextColumn = None,
    delimiter: Delimiter = None,
    header: Header = None,
) -> None:
    """Predict texts: one JSON object a line, in the order of the input."""
    with _reported():
        from recurra.checkpoint import read_model
        from recurra.files import atomic_writer
        from recurra.predict import chunks_of_inputs, predict_chunks

        saved = read_model(model)
        chunks = chunks_of_inputs(saved.task, inputs or [], text_column, delimiter, header)
        with contextlib.ExitStack() as stack:
            sink = stack.enter_context(atomic_writer(output)) if output is not None else sys.stdout.buffer
            for predictions in predict_chunks(saved.task, chunks):
                for prediction in predictions:
                    sink.write(json.dumps(prediction._asdict(), ensure_ascii=False).encode() + b"\n")
                sink.flush()


@app.command("check")
def _check(
    model: ModelArgument,
    data: Annotated[str | None, typer.Argument(help="Texts to try (default: the model's own data).")] = None,
    text_column: TextColumn = None,
) -> None:
    """Check a model's invariants: padding, batch, order, parity with torch.nn, reload."""
    with _reported():
        from recurra.check import check_model, examples_for
        from recurra.checkpoint import read_model

        saved = read_model(model)
        broken = []
        for finding in check_model(saved, examples_for(saved, data, text_column)):
            mark = "ok    " if finding.holds else "BROKEN"
            typer.echo(
                f"{mark}  {finding.name:8} {finding.difference:.1e}  (allowed {finding.allowed:.0e})  {finding.what}"
            )
            broken += [] if finding.holds else [finding.name]
        if broken:
            raise CheckFailed(f"{model}: does not hold: {', '.join(broken)}")


@app.command("demo")
def _demo(
    out: Annotated[Path, typer.Option(help="Folder for the models and the report.")] = Path("recurra-demo"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
) -> None:
    """Train RNN, GRU, LSTM and a feedforward model on the bundled reviews, and write an HTML report."""
    with _reported():
        from recurra.demo import print_summary, run_demo
        from recurra.progress import ProgressLine

        try:
            report = run_demo(out, seed, [ProgressLine(_console(stderr=True))])
        except KeyboardInterrupt:
            typer.echo(f"stopped by Ctrl-C: no report was written; models that were finished are in {out}", err=True)
            raise typer.Exit(130) from None
        print_summary(report, _console())


@app.command("bench")
def _bench(
    quick: Annotated[bool, typer.Option("--quick", help="The least, in under 20 s: to see that it works.")] = False,
    full: Annotated[bool, typer.Option("--full", help="All sizes, more rounds: about a quarter of an hour.")] = False,
    threads: Annotated[int | None, typer.Option(help="Threads of torch (default: its own choice).", min=1)] = None,
    cells: Annotated[
        str, typer.Option(help="Some of lstm, gru, rnn, with commas; series are of the first.")
    ] = "lstm,gru,rnn",
    out: Annotated[
        Path | None, typer.Option(help="Folder for bench.md, bench.json and bench.png (default: print only).")
    ] = None,
) -> None:
    """Time recurra's layers beside torch.nn and the limits of this machine."""
    with _reported():
        from recurra.bench.plan import chosen_cells, chosen_plan

        plan, names = chosen_plan(quick, full), chosen_cells(cells)
        from recurra.bench.files import prepare, save
        from recurra.bench.run import run_bench
        from recurra.bench.table import print_results

        if out is not None:
            prepare(out)
        results = run_bench(plan, names, threads)
        print_results(_console(), results)
        if out is not None and results.training:
            typer.echo(f"written: {', '.join(map(str, save(results, out)))}")
        if not results.finished:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """End the command with a plain message and the error's exit code."""
    try:
        yield
    except RecurraError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt:
        typer.echo("stopped by Ctrl-C", err=True)
        raise typer.Exit(130) from None
    except OSError as error:
        if error.filename is not None:  # a file that cannot be read; those that are written are named where they are
            typer.echo(f"error: {error.filename}: {error.strerror}", err=True)
            raise typer.Exit(RecurraError.exit_code) from error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter tries once more at its end
        if isinstance(error, BrokenPipeError):  # the reader has gone, as `head` does
            raise typer.Exit(141) from None
        typer.echo(f"error: standard output: cannot be written: {error.strerror or error}", err=True)
        raise typer.Exit(OutputError.exit_code) from error


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def main() -> None:
    """Run the command line."""
    app()
