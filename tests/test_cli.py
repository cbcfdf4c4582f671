"""The command line: help without torch, usage errors, and what a run says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from rich.text import Text
from typer.testing import Result

import recurra
from recurra.cli.app import console
from recurra.config import CONFIGS, section_model
from recurra.pages.frame import make_page

Cli = Callable[..., Result]

WITHOUT_TORCH = """
import sys
from recurra.cli import main
try:
    main()
finally:
    heavy = {"torch", "sklearn", "polars", "numpy", "lightning_fabric", "tokenizers"} & set(sys.modules)
    print("heavy:", sorted(heavy))
"""


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["--help"], "Usage: ", 0),
        (["--version"], f"recurra {version('recurra')}", 0),
        (["train", "classify", "--help"], "--hidden-size", 0),
        (["train", "classify", "a.csv", "--hiden-size", "3"], "--hidden-size", 2),
        (["pedict", "m"], "Did you mean 'predict'?", 2),
        (["train", "classify", "a.csv", "--epochs", "many"], "unable to parse string as an integer", 2),
        (["train", "classify", "a.csv", "--cell", "lstn"], "'lstn' is not one of 'lstm', 'gru'", 2),
        (["train", "classify", "a.csv", "--overwrite", "--resume"], "--resume goes on: give one of them", 2),
        (
            ["train", "classify", "a.csv", "--epochs", "9", "--patience", "9"],
            "option 'patience' (9) would have no effect",
            2,
        ),
        (["predict"], "Missing argument 'model'", 2),
        (["bench", "--help"], "--threads", 0),
        (["bench", "--cells", "lstn"], "did you mean 'lstm'?", 2),
        (["bench", "--quick", "--full"], "give one of them", 2),
    ],
)
def test_help_and_usage_errors_do_not_wait_for_torch(arguments: list[str], said: str, code: int) -> None:
    ended = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *arguments], capture_output=True, text=True)
    lines = ended.stdout + ended.stderr
    assert "heavy: []" in ended.stdout
    assert said in re.sub(r"[\s│]+", " ", lines)
    assert "Traceback" not in lines
    assert ended.returncode == code


@pytest.mark.parametrize("task", CONFIGS)
def test_every_setting_is_an_option(task: str, cli: Cli) -> None:
    shown = cli("train", task, "--help", env={"COLUMNS": "200"}).stdout
    assert CONFIGS[task].summary in shown
    for section in CONFIGS[task].sections:
        for name in section_model(CONFIGS[task], section).model_fields:
            assert name == "data" or re.search(rf"--{name.replace('_', '-')}\b", shown), name


def test_no_arguments_show_help(cli: Cli) -> None:
    assert "Train, understand, check and ship" in cli().output


def test_train_says_what_it_does(reviews_csv: Path, tmp_path: Path, cli: Cli, small_options: list[str]) -> None:
    place = tmp_path / "runs" / "m"
    result = cli(
        "train", "classify", reviews_csv, "--out", place, *small_options, "--cell", "gru", "--no-bidirectional"
    )
    assert result.exit_code == 0
    assert f"{reviews_csv}: the text is column 'text': a well-known name" in result.stderr
    assert len(re.findall(r"^epoch [12]/2  loss ", result.stderr, re.MULTILINE)) == 2
    assert "test examples: 6 texts" in result.stdout
    assert "majority" in result.stdout
    assert "over the bag of words: " in result.stdout
    assert result.stdout.endswith(f"of 2; the model is in {place}\n")
    told = json.loads((place / "config.json").read_text())["settings"]
    assert (told["model"]["cell"], told["model"]["bidirectional"], told["model"]["hidden_size"]) == ("gru", False, 8)
    assert recurra.load(place).cell == "gru"


def test_quiet_says_results_only(reviews_csv: Path, tmp_path: Path, cli: Cli, small_options: list[str]) -> None:
    result = cli("--quiet", "train", "classify", reviews_csv, "--out", tmp_path / "m", *small_options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "test examples: 6 texts" in result.stdout


def test_the_default_place(
    reviews_csv: Path, tmp_path: Path, cli: Cli, small_options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("-q", "train", "classify", reviews_csv, *small_options).exit_code == 0
    assert [str(path) for path in Path("runs").iterdir()] == ["runs/reviews"]


def test_control_characters_of_a_text_are_shown_and_not_obeyed(capsys):
    terminal = console()
    terminal.print("a\x1b[31mb\x9bc\nd", style="bold", soft_wrap=True)
    terminal.print(Text("x\x1b]0;title\\y", style="red"))
    assert capsys.readouterr().out == "a␛[31mb\ufffdc\nd\nx␛]0;title\\y\n"


def test_a_file_name_with_control_characters_is_harmless_in_an_error(cli):
    result = cli("train", "classify", "no\x1b[31mthing.csv")
    assert "no␛[31mthing.csv: there is no such file" in result.output
    assert "\x1b" not in result.output


def test_a_page_has_no_control_characters():
    parts = dict.fromkeys(("lead", "tiles", "made_note", "settings_rows", "run_rows", "commands"), "a\x1b[31m\tb\n")
    assert "\x1b" not in make_page("recurra lab", "Red", parts, "")
