"""The command line: arguments -> one call each. Heavy imports stay inside the commands, so that help is quick."""

# each of these adds its commands to the application
from recurra.cli import compare, lab, language, models, tours, train, understand  # noqa: F401
from recurra.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    app()
