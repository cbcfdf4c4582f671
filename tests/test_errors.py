"""Bad input: the message and the exit code arrive, without a traceback, and nothing half-written is left behind.

What the messages say about data is tested more finely in tests/data.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

import recurra
from recurra import errors

Cli = Callable[..., Result]
Rows = list[tuple[str, str]]
ENOUGH = "".join(f"good film {i},pos\nbad film {i},neg\n" for i in range(10))


def test_exit_codes_are_those_of_the_tree() -> None:
    drawn = re.findall(r"^(?:[├└]── )?(\w+) +(\d)  ", errors.__doc__ or "", re.MULTILINE)
    assert sorted(name for name, _ in drawn) == sorted(set(errors.__all__) - {"nearest"})
    for name, code in drawn:
        assert getattr(errors, name).exit_code == int(code), name


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", [], "the file is empty (0 bytes)"),
        ("text;label\na;b\nc;d\n", [], "found one column, and a semicolon in each of the first lines"),
        (f"text,label\n{ENOUGH}too,many,fields\n", [], "line 22: expected 2 fields, found 3"),
        (f"text,label\n{ENOUGH}", ["--text-column", "txt"], "there is no column 'txt', did you mean 'text'?"),
        (b"text,label\ncaf\xe9,pos\n", [], "line 2, byte 4 of that line: expected UTF-8, found 0xe9"),
        ("text,label\na,pos\nb,pos\nc,pos\n", [], "expected at least two classes in column 'label'"),
        (f"text,label\n{ENOUGH}odd,rare\n", [], "too few of:\n  'rare': 1"),
        ("text,label\n" + '" ",pos\n" ",neg\n' * 10, [], "no text has a single symbol"),
    ],
    ids=["empty", "delimiter", "ragged", "no-column", "encoding", "one-class", "rare-class", "no-symbol"],
)
def test_train_names_what_is_wrong_with_data(
    content: str | bytes, options: list[str], message: str, tmp_path: Path, cli: Cli
) -> None:
    data = tmp_path / "a.csv"
    data.write_bytes(content.encode() if isinstance(content, str) else content)
    result = cli("train", "classify", data, "--out", tmp_path / "m", *options)
    assert f"error: {data}" in result.stderr
    assert message in result.stderr
    assert (result.exit_code, result.stdout) == (3, "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_missing_file_offers_the_nearest(reviews_csv: Path, tmp_path: Path, cli: Cli) -> None:
    wrong = reviews_csv.with_name("review.csv")
    result = cli("train", "classify", wrong, "--out", tmp_path / "m")
    assert result.stderr == f"error: {wrong}: there is no such file or folder, did you mean 'reviews.csv'?\n"
    assert (result.exit_code, list(tmp_path.iterdir())) == (3, [])


def test_class_never_seen_in_training(
    tiny_model: Path, reviews_csv: Path, make_csv: Callable[[str, Rows], Path], tmp_path: Path, cli: Cli
) -> None:
    test = make_csv("test.csv", [("good", "pos"), ("so so", "poss"), ("meh", "poss")])
    result = cli("train", "classify", reviews_csv, "--test", test, "--out", tmp_path / "m")
    assert f"never seen in training (its classes: 'neg', 'pos'):\n  'poss': 2 in {test}" in result.stderr
    assert (result.exit_code, [path.name for path in tmp_path.iterdir()]) == (3, ["test.csv"])
    result = cli("evaluate", tiny_model, test)
    assert f"error: {test}: expected the classes neg, pos" in result.stderr
    assert "never seen in training: 'poss' (2 texts), did you mean 'pos'?" in result.stderr
    assert (result.exit_code, result.stdout) == (3, "")


def test_empty_texts_are_kept_predicted_and_counted(
    tiny_model: Path, reviews: Callable[..., Rows], make_csv: Callable[[str, Rows], Path], tmp_path: Path,
    cli: Cli, small_options: list[str],
) -> None:  # fmt: skip
    train = make_csv("train.csv", [*reviews(60, 1), *[("", "pos")] * 8, *[("   ", "neg")] * 8])
    result = cli("train", "classify", train, "--out", tmp_path / "m", "--test-share", "0", *small_options)
    kept = re.findall(r"(\d+) empty texts, kept", result.stderr)
    assert (result.exit_code, sum(map(int, kept))) == (0, 16)
    test = make_csv("test.csv", [("good", "pos"), ("", "neg"), (" ", "pos")])
    assert "empty texts: 2" in cli("evaluate", tiny_model, test).stdout
    lines = cli("predict", tiny_model, test).stdout.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith('{"text": "", "label": ')


def test_long_texts_are_cut_only_if_asked_and_said(
    make_csv: Callable[[str, Rows], Path], reviews: Callable[..., Rows], tmp_path: Path, cli: Cli,
    small_options: list[str],
) -> None:  # fmt: skip
    long = "good " * 6000
    train = make_csv("train.csv", [*reviews(60, 1), *[(long, "pos")] * 3])
    options = [*small_options, "--valid-share", "0.05", "--test-share", "0"]
    whole = cli("train", "classify", train, "--out", tmp_path / "whole", *options, "--cell", "feedforward")
    assert "warning: train: the longest text has 6,000 tokens; --max-length cuts such texts" in whole.stderr
    assert "cut to" not in whole.stderr
    cut = cli("train", "classify", train, "--out", tmp_path / "cut", *options, "--max-length", "50")
    assert (whole.exit_code, cut.exit_code) == (0, 0)
    said = re.findall(r"(\d+) texts cut to 50 tokens", cut.stderr)
    assert sum(map(int, said)) == 3
    assert "longest text" not in cut.stderr
    # The same prediction for the first 50 words as for all: none of the others was read.
    model = recurra.load(tmp_path / "cut")
    assert model.predict_proba([long]).tolist() == model.predict_proba(["good " * 50]).tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hidden-size", "0"], "options: 'hidden_size': input should be greater than or equal to 1, found 0"),
        (["--device", "tpu"], "'device': "),
        (["--cell", "feedforward", "--bidirectional"], "option 'bidirectional' (True) would have no effect"),
        (["--patience", "10", "--epochs", "6"], "option 'patience' (10) would have no effect: the run ends"),
        (["--tokens", "bpe", "--vectors", "glove.txt"], "would have no effect: the vectors are of words"),
        (["--valid-share", "0.6", "--test-share", "0.5"], "expected a sum below 1, found 0.6 + 0.5"),
    ],
)
def test_settings_that_cannot_be(options: list[str], message: str, reviews_csv: Path, tmp_path: Path, cli: Cli) -> None:
    result = cli("train", "classify", reviews_csv, "--out", tmp_path / "m", *options)
    assert message in result.stderr
    assert (result.exit_code, result.stdout, list(tmp_path.iterdir())) == (2, "", [])


def test_options_that_no_file_needs(tiny_model: Path, cli: Cli) -> None:
    result = cli("predict", tiny_model, "a good film", "--text-column", "text")
    assert result.stderr == "error: option 'text_column' (text) would have no effect: no file is read\n"
    assert (result.exit_code, result.stdout) == (2, "")


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let this process write no file beyond a size; the test's own report may be one, so only while the block runs."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("size", "named"),
    [(200, tempfile.gettempdir()), (3000, "m.partial/model.safetensors")],
    ids=["ids", "weights"],
)
def test_no_room_for_a_file_of_a_run(
    size: int, named: str, reviews_csv: Path, tmp_path: Path, cli: Cli, small_options: list[str]
) -> None:
    arguments = ["train", "classify", reviews_csv, "--out", tmp_path / "m", *small_options, "--hidden-size", "16"]
    with largest_file(size):
        result = cli(*arguments)
    assert f"{named}: cannot be written: File too large\n" in result.stderr
    assert (result.exit_code, list(tmp_path.iterdir())) == (5, [])


def test_a_disk_that_fills_up_leaves_a_run_to_resume(
    reviews_csv: Path, tmp_path: Path, cli: Cli, small_options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["train", "classify", reviews_csv, "--out", tmp_path / "m", *small_options]
    sync, syncs = os.fsync, iter(range(1000))

    def fill_up(handle: int) -> None:
        if next(syncs) == 7:  # the settings are 2 files, an epoch is 3
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    monkeypatch.setattr(os, "fsync", fill_up)
    result = cli(*arguments)
    assert re.search(r"error: .*m\.partial/\w+\.\w+: the disk is full \([\d,]+ MiB free\); make room", result.stderr)
    assert (result.exit_code, [path.name for path in tmp_path.iterdir()]) == (5, ["m.partial"])
    assert cli("predict", tmp_path / "m", "good").stderr.startswith(f"error: {tmp_path}/m: nothing was finished yet")
    assert cli(*arguments, "--resume").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_standard_output_that_is_full(tiny_model: Path, command: list[str], environment: dict[str, str]) -> None:
    with open("/dev/full", "wb") as full:
        arguments = [*command, "predict", str(tiny_model), "good"]
        ended = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, env=environment, text=True)
    assert ended.stderr == "error: standard output: cannot be written: No space left on device\n"
    assert ended.returncode == 5
