"""The command line: arguments -> one call each. Heavy imports stay inside the commands, so that help is quick."""

from recurra.cli import lab, language, models, tours, train  # noqa: F401  each adds its commands to the application
from recurra.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    app()
