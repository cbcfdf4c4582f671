"""recurra diagnose and recurra explain: what they print and write, and each bad input by its message."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import Result

import recurra.checkpoint
from recurra.config import make_run_config
from recurra.fit import fit

Cli = Callable[..., Result]
TEXT = "the film was good"


def only_numbers(text: str) -> dict[str, Any]:
    """What a line of JSON holds; NaN and infinity, which JSON has not, fail."""

    def fail(constant: str) -> None:
        raise AssertionError(constant)

    found: dict[str, Any] = json.loads(text, parse_constant=fail)
    return found


@pytest.fixture(scope="session")
def bag_model(tmp_path_factory: pytest.TempPathFactory, reviews_csv: Path, small: dict[str, Any]) -> Path:
    """A model without a recurrent layer."""
    place = tmp_path_factory.mktemp("models") / "bag"
    fit(make_run_config("classify", data=str(reviews_csv), cell="feedforward", **{**small, "epochs": 1}), place)
    return place


@pytest.fixture
def nan_model(model_copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model one of whose recurrent weights is no number; that its file is another is not looked at."""
    weights = load_file(model_copy / "model.safetensors")
    weights["encoder.recurrent.weight_hh_l0"][0, 0] = torch.nan
    save_file(weights, model_copy / "model.safetensors")
    metrics = json.loads((model_copy / "metrics.json").read_text(encoding="utf-8"))
    hashes = next(value for value in metrics.values() if isinstance(value, dict) and "model.safetensors" in value)
    hashes["model.safetensors"] = recurra.checkpoint._sha256(model_copy / "model.safetensors")
    (model_copy / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return model_copy


def test_diagnose_prints_and_writes(tiny_model: Path, reviews_csv: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "new" / "report"
    result = cli("diagnose", tiny_model, reviews_csv, "--out", out)
    assert result.exit_code == 0, result.output
    assert "Layers" in result.output
    assert f"Measured on 60 sequences of {reviews_csv}" in result.output
    assert f"written: {out / 'report.html'}" in result.output
    names = {path.name for path in out.iterdir()}
    assert {"report.html", "diagnosis.json", "gradient.svg", "context.svg", "weights-1.svg"} <= names
    found = only_numbers((out / "diagnosis.json").read_text(encoding="utf-8"))
    assert found["task"] == "classify"
    assert len(found["lengths"]) == 60
    if os.name == "posix":
        assert out.stat().st_mode & 0o777 == 0o777 & ~_umask()


def test_an_older_report_is_replaced_whole(bag_model: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "report"
    out.mkdir()
    (out / "report.html").write_text('<meta name="generator" content="recurra diagnose">')
    (out / "diagnosis.json").write_text('{"made_by": "recurra diagnose"}')
    (out / "gradient.svg").write_text("<!-- made by recurra diagnose -->\n<svg></svg>")
    printed = cli("diagnose", bag_model, "--out", out, "--json").stdout
    assert only_numbers(printed) == only_numbers((out / "diagnosis.json").read_text(encoding="utf-8"))
    assert not (out / "gradient.svg").exists()
    assert list(tmp_path.iterdir()) == [out]
    assert cli("diagnose", bag_model, "--out", out).exit_code == 0  # and so is this one


def test_a_folder_where_the_older_report_is_set_aside_stays(bag_model: Path, tmp_path: Path, cli: Cli) -> None:
    out, old = tmp_path / "report", tmp_path / "report.old"
    old.mkdir()
    (old / "letter.txt").write_text("dear")
    assert "report.old: in use: it holds letter.txt" in cli("explain", bag_model, TEXT, "--out", out).output
    assert [path.name for path in tmp_path.iterdir()] == ["report.old"]
    out.mkdir()
    result = cli("explain", bag_model, TEXT, "--out", out)
    assert result.exit_code == 5
    assert "report.old: in use: it would be removed with the older report" in result.output
    assert (old / "letter.txt").read_text() == "dear"


def test_a_report_that_a_kill_left_aside_is_put_back(bag_model: Path, tmp_path: Path, cli: Cli) -> None:
    out, old = tmp_path / "report", tmp_path / "report.old"
    assert cli("explain", bag_model, TEXT, "--out", out).exit_code == 0
    out.rename(old)
    assert cli("explain", bag_model, TEXT, "--out", out).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.parametrize("command", ["diagnose", "explain"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("logo.svg", '<svg role="img"><title>Our logo</title></svg>'),
        ("notes.txt", "dear"),
        ("sub/letter.txt", "dear"),
        ("sub.svg/letter.txt", "dear"),
        ("diagnosis.json", '{"patient": "Smith"}'),
        ("explanation.json", '{"patient": "Smith"}'),
    ],
)
def test_files_of_the_user_stay(
    command: str, name: str, text: str, bag_model: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recurra.pages.folder.atomic_folder", None)  # nothing is to be written
    given = [] if command == "diagnose" else [TEXT]
    file = tmp_path / "mine" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    page = tmp_path / "mine" / "report.html"
    for _ in range(2):  # without the command's page, and beside it
        result = cli(command, bag_model, *given, "--out", tmp_path / "mine")
        assert result.exit_code == 5, result.output
        assert name.partition("/")[0] in result.output.replace("\n", "")
        assert file.read_text() == text
        page.write_text(f'<meta name="generator" content="recurra {command}">')
    assert page.read_text() == f'<meta name="generator" content="recurra {command}">'


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_explain_prints_and_writes(tiny_model: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "report"
    result = cli("explain", tiny_model, TEXT, "--out", out)
    assert result.exit_code == 0, result.output
    assert "Influence on" in result.output
    names = {path.name for path in out.iterdir()}
    assert {"report.html", "explanation.json", "explanation.svg", "forming.svg", "states-1.svg"} <= names
    found = only_numbers((out / "explanation.json").read_text(encoding="utf-8"))
    assert found["pieces"] == TEXT.split()
    moved = found["scores"][0] - found["start"][0]
    assert sum(found["influences"][0]) == pytest.approx(moved, abs=1e-3)
    only = cli("explain", tiny_model, TEXT, "--json")
    assert only_numbers(only.stdout) == found


def test_a_file_is_explained_by_its_first(tiny_model: Path, tiny_transcriber: Path, tones_csv: Path, cli: Cli) -> None:
    result = cli("explain", tiny_transcriber, tones_csv.parent / "0.wav", "--json")
    assert only_numbers(result.stdout)["task"] == "transcribe"
    assert cli("explain", tiny_transcriber, tones_csv.parent / "0.wav").exit_code == 0


def test_a_language_model(tiny_language_model: Path, running_text: Path, cli: Cli) -> None:
    result = cli("explain", tiny_language_model, "the cat sees")
    assert "What surprised most" in result.output
    assert "Layers" in cli("diagnose", tiny_language_model, running_text).output


def test_a_model_without_recurrent_layer(bag_model: Path, reviews_csv: Path, tmp_path: Path, cli: Cli) -> None:
    diagnosed = cli("diagnose", bag_model, reviews_csv, "--out", tmp_path / "a")
    assert diagnosed.exit_code == 0
    assert "no recurrent layer" in diagnosed.output
    assert not (tmp_path / "a" / "gradient.svg").exists()
    explained = cli("explain", bag_model, TEXT, "--out", tmp_path / "b")
    assert "no recurrent layer" in explained.output
    assert "no recurrent layer" in (tmp_path / "b" / "report.html").read_text(encoding="utf-8")


def test_one_token(tiny_model: Path, make_csv: Callable[..., Path], cli: Cli) -> None:
    assert cli("explain", tiny_model, "good").exit_code == 0
    result = cli("diagnose", tiny_model, make_csv("one.csv", [("good", "pos"), ("bad", "neg")]))
    assert result.exit_code == 0
    assert "1 step each" in result.output


@pytest.mark.parametrize("command", ["diagnose", "explain"])
def test_a_folder_of_something_else_is_left_alone(command: str, tiny_model: Path, tmp_path: Path, cli: Cli) -> None:
    given = [] if command == "diagnose" else [TEXT]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    result = cli(command, tiny_model, *given, "--out", mine)
    assert result.exit_code == 5
    assert f"{mine}: in use: it holds letter.txt, not made by this command; choose another --out" in result.output
    assert [path.name for path in mine.iterdir()] == ["letter.txt"]
    (mine / "letter.txt").rename(mine / "report.html")
    assert "report.html: in use: not made by this command" in cli(command, tiny_model, *given, "--out", mine).output
    assert "it is a file" in cli(command, tiny_model, *given, "--out", mine / "report.html").output
    assert f"{tiny_model}: in use: it holds" in cli(command, tiny_model, *given, "--out", tiny_model).output


def test_a_report_of_one_command_is_not_replaced_by_the_other(tiny_model: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "out"
    assert cli("explain", tiny_model, TEXT, "--out", out).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    result = cli("diagnose", tiny_model, "--out", out)
    assert result.exit_code == 5
    assert "not made by this command" in result.output
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (out / "letter.txt").write_text("dear")  # beside what it has made
    assert "it holds letter.txt" in cli("explain", tiny_model, TEXT, "--out", out).output


@pytest.mark.parametrize("command", ["diagnose", "explain"])
def test_ctrl_c_leaves_nothing(
    command: str, tiny_model: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("recurra.pages.folder.write_text", stop)
    given = [] if command == "diagnose" else [TEXT]
    result = cli(command, tiny_model, *given, "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert "stopped by Ctrl-C" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["diagnose", "explain"])
def test_bad_input_by_its_message(command: str, tiny_model: Path, nan_model: Path, tmp_path: Path, cli: Cli) -> None:
    given = [] if command == "diagnose" else [TEXT]
    missing = cli(command, tmp_path / "none", *given)
    assert missing.exit_code == 4
    assert "none" in missing.output
    foreign = cli(command, tiny_model, *given, "--token-column", "t")
    assert foreign.exit_code == 2
    assert "option 'token_column' (t) would have no effect" in foreign.output
    broken = cli(command, nan_model, *given, "--out", tmp_path / "out")
    assert broken.exit_code == 3
    assert "NaN" in broken.output
    assert not (tmp_path / "out").exists()


def test_bad_data_by_their_message(tiny_model: Path, make_csv: Callable[..., Path], tmp_path: Path, cli: Cli) -> None:
    unseen = cli("diagnose", tiny_model, make_csv("unseen.csv", [("good", "mixed"), ("bad", "neg")]))
    assert unseen.exit_code == 3
    assert "mixed" in unseen.output
    gone = cli("diagnose", tiny_model, tmp_path / "gone.csv")
    assert gone.exit_code == 3
    assert "gone.csv" in gone.output
    empty = cli("explain", tiny_model, "")
    assert empty.exit_code == 3
    assert "at least one symbol" in empty.output


def test_help_names_both(cli: Cli) -> None:
    assert "Show what in an input moved" in cli("explain", "--help").output
    assert "Measure what a model remembers" in cli("diagnose", "--help").output
