"""What every task has: the options of reading, and how a score is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from recurra.checkpoint import read_model
from recurra.errors import SettingsError
from recurra.tasks import TASKS, Task

Cli = Callable[..., Result]

REFUSED = (
    "option 'tag_column' (UPOS) would have no effect: the model is of the task classify, "
    "whose options are text_column, label_column, delimiter, header"
)


def test_options_of_reading_that_were_given_are_chosen(tiny_model: Path) -> None:
    task = read_model(tiny_model).task
    assert task.chosen(task.reading) == {}
    found = task.chosen(task.reading, text_column="a", header=False, tag_column=None)
    assert found == {"text_column": "a", "header": False}


def test_an_option_of_another_task_is_refused(tiny_model: Path) -> None:
    task = read_model(tiny_model).task
    with pytest.raises(SettingsError) as caught:
        task.chosen(task.reading, text_column="a", tag_column="UPOS")
    assert str(caught.value) == REFUSED


def test_an_option_of_scoring_where_the_task_has_none(tiny_model: Path, reviews_csv: Path, cli: Cli) -> None:
    result = cli("evaluate", tiny_model, reviews_csv, "--dynamic", "0.1")
    why = "the model is of the task classify, whose options are text_column, label_column, delimiter, header"
    assert (result.exit_code, result.stderr) == (2, f"error: option 'dynamic' (0.1) would have no effect: {why}\n")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_an_option_of_another_task_on_the_command_line(
    command: str, tiny_model: Path, reviews_csv: Path, cli: Cli
) -> None:
    result = cli(command, tiny_model, reviews_csv, "--tag-column", "UPOS")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {REFUSED}\n")


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_every_task_says_what_it_is(task: type[Task]) -> None:
    assert task.title
    assert task.score
    assert task.enough_steps > 0


def test_a_share_is_shown_in_percent() -> None:
    assert TASKS["classify"].shown(0.8125) == "81.2 %"
