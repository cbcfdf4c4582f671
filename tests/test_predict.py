"""Predict: files, arguments, standard input; in order, as texts come, whole or not at all."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

import recurra

Cli = Callable[..., Result]
Rows = list[tuple[str, str]]


@pytest.fixture
def texts(reviews: Callable[[int, int], Rows]) -> list[str]:
    """Texts of mixed lengths, with an empty one and some that a careless writer of JSON or CSV would spoil."""
    made = [text for text, _ in reviews(30, 7)]
    return [*made[:10], "", 'he said "good", so', "naïve ☃ \\n film\ttoo", *made[10:]]


def parsed(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def assert_right(found: list[dict[str, Any]], texts: list[str], model: Path) -> None:
    assert [line["text"] for line in found] == texts
    expected = recurra.load(model).predict_proba(texts)
    for line, row in zip(found, expected, strict=True):
        assert list(line) == ["text", "label", "probabilities"]
        assert list(line["probabilities"]) == ["neg", "pos"]
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-6)
        np.testing.assert_allclose(list(line["probabilities"].values()), row, atol=1e-6)
        assert line["label"] == max(line["probabilities"], key=line["probabilities"].__getitem__)


def test_a_file(tiny_model: Path, texts: list[str], make_csv: Callable[[str, Rows], Path], cli: Cli) -> None:
    result = cli("predict", tiny_model, make_csv("a.csv", [(text, "") for text in texts]))
    assert result.exit_code == 0
    assert_right(parsed(result.stdout), texts, tiny_model)


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_standard_input(arguments: list[str], tiny_model: Path, texts: list[str], cli: Cli) -> None:
    result = cli("predict", tiny_model, *arguments, input="\ufeff" + "\n".join(texts))
    assert_right(parsed(result.stdout), texts, tiny_model)


def test_lines_of_windows_and_no_line_at_all(tiny_model: Path, cli: Cli) -> None:
    assert_right(
        parsed(cli("predict", tiny_model, input="good\r\n\r\nbad\r\n").stdout), ["good", "", "bad"], tiny_model
    )
    assert cli("predict", tiny_model, input="").stdout == ""


def test_arguments_of_all_kinds(tiny_model: Path, tmp_path: Path, cli: Cli) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("from a file\nand more\n")
    result = cli("predict", tiny_model, "a good film", lines, "-", "bad", input="typed\n")
    assert_right(parsed(result.stdout), ["a good film", "from a file", "and more", "typed", "bad"], tiny_model)


def test_more_texts_than_a_chunk_keep_their_order(tiny_model: Path, cli: Cli) -> None:
    texts = [f"{'good ' * (number % 5)}{number}" for number in range(2500)]
    assert [line["text"] for line in parsed(cli("predict", tiny_model, input="\n".join(texts)).stdout)] == texts


def test_another_column(tiny_model: Path, tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "a.tsv"
    file.write_text("id\tquote\n1\tgood\n2\tbad\n")
    result = cli("predict", tiny_model, file, "--text-column", "quote")
    assert_right(parsed(result.stdout), ["good", "bad"], tiny_model)
    result = cli("predict", tiny_model, file, "--text-column", "qoute")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "there is no column 'qoute', did you mean 'quote'?" in result.stderr


def test_output_is_a_file(tiny_model: Path, texts: list[str], tmp_path: Path, cli: Cli) -> None:
    place = tmp_path / "out.jsonl"
    result = cli("predict", tiny_model, "--output", place, input="\n".join(texts))
    assert (result.exit_code, result.stdout) == (0, "")
    assert_right(parsed(place.read_text(encoding="utf-8")), texts, tiny_model)


def test_a_failing_run_leaves_the_old_output(tiny_model: Path, tmp_path: Path, cli: Cli) -> None:
    place = tmp_path / "out.jsonl"
    place.write_text("old")
    result = cli("predict", tiny_model, "good", tmp_path / "none.csv", "--output", place)
    assert f"error: {tmp_path}/none.csv: there is no such file or folder" in result.stderr
    assert result.exit_code == 3
    assert cli("predict", tiny_model, "--output", place, input=b"good\n\xff\n").exit_code == 3
    assert (place.read_text(), [path.name for path in tmp_path.iterdir()]) == ("old", ["out.jsonl"])
    result = cli("predict", tiny_model, "good", "--output", tmp_path / "none" / "out.jsonl")
    assert (result.exit_code, "none/out.jsonl: cannot be written" in result.stderr) == (5, True)


def test_undecodable_input_is_named_by_its_line(tiny_model: Path, cli: Cli) -> None:
    result = cli("predict", tiny_model, input=b"good\nbad\ncaf\xe9\ngood\n")
    assert "error: standard input, line 3: expected UTF-8, found the byte 0xe9 at position 4" in result.stderr
    assert "iconv -f latin1 -t utf-8" in result.stderr
    assert result.exit_code == 3
    assert len(result.stdout.splitlines()) <= 2


@pytest.fixture
def predicting(tiny_model: Path, command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process that waits for its standard input."""
    pipe = subprocess.PIPE
    arguments = [*command, "predict", str(tiny_model)]
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as process:
        limit = threading.Timer(120, process.kill)  # an answer that does not come is a failure, not a wait
        limit.start()
        yield process
        limit.cancel()
        process.kill()


def test_a_line_is_answered_before_the_next_one_comes(predicting: subprocess.Popen[bytes]) -> None:
    """And when the reader goes away, as `head` does, the command ends without a word."""
    assert predicting.stdin is not None
    assert predicting.stdout is not None
    assert predicting.stderr is not None
    for text in ("good", "a bad film"):
        predicting.stdin.write(f"{text}\n".encode())
        predicting.stdin.flush()
        assert json.loads(predicting.stdout.readline())["text"] == text
    predicting.stdout.close()
    predicting.stdin.write(b"unread\n")
    predicting.stdin.flush()
    assert predicting.wait(60) == 141
    assert predicting.stderr.read() == b""
