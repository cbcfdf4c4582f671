"""The application that the commands belong to, how it logs, and how a command ends with an error."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from recurra.errors import OutputError, RecurraError
from recurra.signs import harmless

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app", "console", "reported"]

_ORDER = ("train", "evaluate", "predict", "explain", "diagnose", "check", "compare", "lab", "demo")


class _InOrder(TyperGroup):
    """Lists the commands in the order in which one needs them, those of a single task or of the machine at the end."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        return [*_ORDER, *(name for name in super().list_commands(ctx) if name not in _ORDER)]


app = typer.Typer(
    cls=_InOrder,
    name="recurra",
    help="Train, understand, check and ship recurrent sequence models on your own data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
        return prefix + harmless(record.getMessage())


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """End the command with a plain message and the error's exit code."""
    try:
        yield
    except RecurraError as error:
        typer.echo(f"error: {harmless(str(error))}", err=True)
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


def console(stderr: bool = False) -> Console:
    """A terminal to print on, which obeys no control character of a text that is printed."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Harmless(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else segment._replace(text=harmless(segment.text))

    return Harmless(stderr=stderr, highlight=False)
