"""recurra train translate and what asks its models: each form of pairs, each option, all bad input by its message."""

from __future__ import annotations

import gzip
import json
import logging
import random
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import recurra
from recurra.checkpoint import read_model
from recurra.cli import app
from recurra.tasks.translate import Translate

Cli = Callable[..., Result]
Pairs = list[tuple[str, str]]

SIZES = ["--hidden-size", "8", "--embedding-size", "8", "--min-count", "1", "--batch-size", "16", "--tokens", "spaces"]
QUICK = [*SIZES, "--epochs", "1"]
GREEK = str.maketrans("abcdefgh", "αβγδεζηθ")


def made_up(count: int, seed: int = 0) -> Pairs:
    """Words of Latin letters, and the same in Greek from the end; no source comes twice."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        letters = rng.choices("abcdefgh", k=rng.randint(2, 6))
        found[" ".join(letters)] = " ".join(letters[::-1]).translate(GREEK)
    return [*found.items()]


def write(path: Path, pairs: Pairs) -> Path:
    """Pairs in the form that the name of the file says; CSV with columns of other names beside a third one."""
    if path.suffix == ".jsonl":
        rows = [json.dumps({"translation": {}, "id": 1} | {"src": a, "tgt": b}, ensure_ascii=False) for a, b in pairs]
    elif path.suffix == ".csv":
        rows = ["number,said,meant", *(f'{number},"{a}",{b}' for number, (a, b) in enumerate(pairs))]
    elif path.suffix == ".tsv":
        rows = [f"{a}\t{b}" for a, b in pairs]
    else:
        path.with_suffix(".el").write_text("".join(f"{b}\n" for _, b in pairs), encoding="utf-8")
        rows = [a for a, _ in pairs]
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def reading(path: Path) -> list[Any]:
    """The options that the form needs."""
    if path.suffix == ".csv":
        return ["--source-column", "said", "--target-column", "meant"]
    return ["--target", path.with_suffix(".el")] if path.suffix == ".en" else []


def made(folder: Path, data: Path, *options: Any) -> Path:
    arguments = ["train", "translate", data, *reading(data), *options, "--out", folder / "model"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    logging.getLogger("recurra").handlers = []
    return folder / "model"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with attention; tests only read it."""
    folder = tmp_path_factory.mktemp("translator")
    more = ["--epochs", "4", "--learning-rate", "0.02"]
    return made(folder, write(folder / "pairs.tsv", made_up(120)), *SIZES, *more)


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without attention; tests only read it."""
    folder = tmp_path_factory.mktemp("blind")
    return made(folder, write(folder / "pairs.tsv", made_up(40)), *QUICK, "--attention", "none")


def answers(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.removesuffix("\n").split("\n")]


def said(result: Result) -> str:
    """What stands in the frames of messages, on one line."""
    return re.sub(r"[\s│]+", " ", result.stderr)


@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.csv", "pairs.jsonl", "pairs.en"])
def test_each_form_of_pairs_is_learnt_from_scored_and_translated(name: str, cli: Cli, tmp_path: Path) -> None:
    pairs = made_up(60)
    data = write(tmp_path / name, pairs)
    trained = cli("train", "translate", data, *reading(data), *QUICK, "--out", tmp_path / "m")
    assert trained.exit_code == 0, trained.output
    for part in ("this model", "copied source", "nearest source", "perplexity", "points of chrF", "BLEU nrefs:1|"):
        assert part in trained.stdout
    assert "train: 54 sources" in trained.stderr
    new = write(tmp_path / f"new.{name.split('.')[1]}", made_up(30, seed=3))
    given = ["--target", new.with_suffix(".el")] if name.endswith(".en") else []  # columns are those of training
    scores = json.loads(cli("evaluate", tmp_path / "m", new, *given, "--json").stdout)
    assert (scores["pairs"], scores["sources"]) == (30, 30)
    assert "warning" not in cli("evaluate", tmp_path / "m", new, *given).stderr
    found = answers(cli("predict", tmp_path / "m", new))
    assert [row["source"] for row in found] == [source for source, _ in made_up(30, seed=3)]
    loaded = recurra.load(tmp_path / "m")
    assert [row["translation"] for row in found] == loaded.predict([row["source"] for row in found])


def test_other_pairs_for_validation_and_test(cli: Cli, tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{part}.en", made_up(20, seed)) for seed, part in enumerate(("train", "valid", "test"))]
    arguments = [
        "train",
        "translate",
        paths[0],
        "--target",
        paths[0].with_suffix(".el"),
        *QUICK,
        "--out",
        tmp_path / "m",
    ]
    both = [part for path in paths[1:] for part in (f"--{path.stem}", path)]
    for options, message in (
        (both, "option 'valid' ({valid}): expected 'valid_target' too, as the training pairs are parallel text"),
        (["--valid-target", paths[1]], "option 'valid_target' ({valid}) would have no effect: there is no --valid"),
    ):
        result = cli(*arguments, *options)
        assert (result.exit_code, message.format(valid=paths[1]) in result.stderr) == (2, True), result.stderr
    more = [part for path in paths[1:] for part in (f"--{path.stem}-target", path.with_suffix(".el"))]
    assert cli(*arguments, *both, *more).exit_code == 0
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert [metrics[part]["pairs"] for part in ("valid", "test")] == [20, 20]


@pytest.mark.parametrize(
    "options",
    [
        ["--tokens", "characters", "--target-tokens", "words"],
        ["--tokens", "bpe", "--shared", "--min-count", "2"],
        ["--attention", "additive", "--input-feeding", "--coverage", "--cell", "gru", "--decoder-cell", "rnn"],
        ["--attention", "multihead", "--heads", "2", "--scheduled-sampling", "0.5", "--num-layers", "2"],
        ["--attention", "dot", "--no-bidirectional", "--copying", "--max-length", "3"],
        ["--attention", "none", "--lowercase", "--optimizer", "sgd", "--learning-rate", "1"],
    ],
    ids=lambda options: options[1],
)
def test_every_kind_of_model_is_kept_and_asked(options: list[str], cli: Cli, tmp_path: Path) -> None:
    data = write(tmp_path / "pairs.tsv", made_up(30))
    trained = cli("train", "translate", data, *QUICK, *options, "--out", tmp_path / "m")
    assert trained.exit_code == 0, trained.output
    assert len(answers(cli("predict", tmp_path / "m", "a b zz c d", "", "--n-best", "2"))[0]["n_best"]) == 2
    assert cli("evaluate", tmp_path / "m", data).exit_code == 0


def test_scores_tell_of_how_was_searched(model: Path, cli: Cli, tmp_path: Path) -> None:
    data = write(tmp_path / "new.tsv", made_up(30, seed=2))
    told = [[], ["--beam", "1"], ["--beam", "3", "--length-penalty", "0"], ["--max-ratio", "0.01"]]
    found = [json.loads(cli("evaluate", model, data, "--json", *options).stdout) for options in told]
    assert len({scores["model"]["perplexity"]["value"] for scores in found}) == 1
    assert found[0]["capped"] == 0
    assert len({scores["model"]["bleu"]["value"] for scores in found}) > 1
    answered = [row["translation"] for row in answers(cli("predict", model, data, "--beam", "1"))]
    right = [a == b for a, (_, b) in zip(answered, made_up(30, seed=2), strict=True)]
    assert found[1]["model"]["exact"]["value"] == pytest.approx(sum(right) / 30)
    shown = cli("evaluate", model, data).stdout
    for part in ("with their intervals", "ROUGE-1 %", "this model by tokens of the source", "chrF nrefs:1|"):
        assert part in shown


def assert_alike(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """The same but for the rounding of sums, which other company in a batch can change."""
    assert [(row["source"], row["translation"]) for row in found] == [
        (row["source"], row["translation"]) for row in expected
    ]
    assert [row["score"] for row in found] == pytest.approx([row["score"] for row in expected], abs=1e-5)


@pytest.mark.parametrize("ending", ["txt", "en", "EN.gz", "csv", "jsonl"])
def test_texts_of_any_kind_are_translated_alike(ending: str, model: Path, cli: Cli, tmp_path: Path) -> None:
    texts = ["a b c", "", "h g", "a zz"]
    expected = answers(cli("predict", model, *texts))
    assert [row["source"] for row in expected] == texts
    assert_alike(answers(cli("predict", model, input="".join(f"{text}\n" for text in texts))), expected)
    assert_alike(answers(cli("predict", model, "-", input="\n".join(texts))), expected)
    path = tmp_path / f"texts.{ending}"
    lines = "".join(f"{text}\n" for text in texts)
    if ending.endswith("gz"):
        with gzip.open(path, "wt") as file:
            file.write(lines)
    elif ending == "jsonl":
        path.write_text("".join(json.dumps({"n": 1, "body": text}) + "\n" for text in texts))
    else:
        path.write_text(
            lines if ending != "csv" else "n,body\n" + "".join(f"{n},{text}\n" for n, text in enumerate(texts))
        )
    told = ["--source-column", "body"] if ending in ("csv", "jsonl") else []
    assert_alike(answers(cli("predict", model, path, *told)), expected)
    assert cli("predict", model, path, *told, "--output", tmp_path / "out.jsonl").stdout == ""
    assert answers(cli("predict", model, path, *told)) == [
        json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def test_files_and_texts_together_are_answered_in_order(model: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"{source}\n" for source, _ in made_up(300)))
    found = answers(cli("predict", model, "h h", tmp_path / "a.txt", "-", "--beam", "1", input="a a\n"))
    assert [row["source"] for row in found] == ["h h", *(source for source, _ in made_up(300)), "a a"]


def test_n_best(model: Path, cli: Cli) -> None:
    (found,) = answers(cli("predict", model, "a b c", "--n-best", "3", "--beam", "4", "--length-penalty", "0"))
    scores = [each["score"] for each in found["n_best"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert scores == pytest.approx([each["log_probability"] for each in found["n_best"]])
    assert {key: found[key] for key in ("translation", "score")} == {
        key: found["n_best"][0][key] for key in ("translation", "score")
    }
    assert "n_best" not in answers(cli("predict", model, "a b c", "--beam", "4"))[0]
    assert len(answers(cli("predict", model, "a b c", "--n-best", "7"))[0]["n_best"]) == 7  # the beam is as wide
    ((by_load,),) = [recurra.load(model).translate(["a b c"], beam=4, length_penalty=0.0)]
    assert by_load[0].score == found["score"]


def test_attention_as_pictures_and_as_data(model: Path, blind: Path, cli: Cli, tmp_path: Path) -> None:
    texts = ["a b c", "", "zz a"]
    found = answers(cli("predict", model, *texts, "--n-best", "2", "--attention", tmp_path / "pictures"))
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["1.svg", "2.svg", "3.svg"]
    for text, row in zip(texts, found):
        for each in (row, *row.get("n_best", [])):  # an empty text has one answer
            told = each["alignment"]
            assert len(told["source"]) == len(text.split())
            assert len(told["weights"]) == len(told["target"]) == len(each["translation"].split())
            assert all(len(weights) == len(told["source"]) for weights in told["weights"])
            assert all(sum(weights) == pytest.approx(1, abs=1e-5) for weights in told["weights"] if weights)
    plain = answers(cli("predict", model, *texts))
    assert [row["translation"] for row in plain] == [row["translation"] for row in found]
    assert all("alignment" not in row for row in plain)
    result = cli("predict", blind, "a", "--attention", tmp_path / "none")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "would have no effect: the model has none" in said(result)
    assert not (tmp_path / "none").exists()


def test_what_is_drawn_is_told_by_the_seed(model: Path, cli: Cli, tmp_path: Path) -> None:
    texts = ["a b c", "h g", "a b c", "d e f"]
    arguments = ["predict", model, *texts, "--temperature", "1.5"]
    first = answers(cli(*arguments, "--seed", "1"))
    assert first == answers(cli(*arguments, "--seed", "1"))
    assert first != answers(cli(*arguments, "--seed", "2"))
    assert answers(cli(*arguments)) == answers(cli(*arguments, "--seed", "0"))
    assert first[0]["translation"] != first[2]["translation"]  # each text has draws of its own
    drawing = ["--temperature", "1.5", "--seed", "1"]
    (tmp_path / "a.txt").write_text("".join(f"{text}\n" for text in texts))
    for found in (
        answers(cli("predict", model, tmp_path / "a.txt", *drawing)),
        answers(cli("predict", model, *texts[:2], "-", *drawing, input="a b c\nd e f\n")),
        answers(cli("predict", model, "a b c", "g", "d d d d d d", "d e f", *drawing))[:1]
        + first[1:3]
        + answers(cli("predict", model, "x", "y", "z", "d e f", *drawing))[3:],
    ):
        assert [row["translation"] for row in found] == [row["translation"] for row in first]
    several = answers(cli("predict", model, "a b c", *drawing, "--n-best", "4"))[0]["n_best"]
    assert len({each["translation"] for each in several}) > 1
    for options in (["--top-k", "1"], ["--top-p", "0.000001"], ["--temperature", "0"]):
        greedy = answers(cli("predict", model, *texts, *options))
        assert [r["translation"] for r in greedy] == [
            r["translation"] for r in answers(cli("predict", model, *texts, "--beam", "1"))
        ]


def test_unknown_words_are_written_by_attention_and_copies(cli: Cli, tmp_path: Path) -> None:
    pairs = [(f"say {a} n{n}", f"n{n} {b} said") for n, (a, b) in enumerate(made_up(60))]
    data = write(tmp_path / "pairs.tsv", pairs)
    options = [*QUICK, "--min-count", "2", "--epochs", "6", "--learning-rate", "0.03"]
    found = {}
    for name, more in (("replaced", []), ("copied", ["--copying"])):
        place = made(tmp_path / name, data, *options, *more)
        texts = ["say a b new", "say h zz"]
        found[name] = [
            answers(cli("predict", place, *texts, *told))
            for told in ([], ["--replace-unknown"] if name == "replaced" else ["--beam", "1"])
        ]
    plain, replaced = found["replaced"]
    assert "[UNK]" in plain[0]["translation"]
    for before, after in zip(plain, replaced):
        assert "[UNK]" not in after["translation"]
        assert after["score"] == before["score"]
        kept = zip(before["translation"].split(), after["translation"].split(), strict=True)
        assert all(one == other or (one == "[UNK]" and other in before["source"].split()) for one, other in kept)
    assert any("new" in row["translation"] or "zz" in row["translation"] for rows in found["copied"] for row in rows)


def test_a_line_is_answered_before_the_next_one_comes(
    model: Path, command: list[str], environment: dict[str, str]
) -> None:
    arguments = [*command, "predict", str(model), "--temperature", "1"]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdin is not None
    assert process.stdout is not None
    watch = threading.Timer(60, process.kill)
    watch.start()
    for text in ("a b", "c"):
        process.stdin.write(f"{text}\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["source"] == text
    process.stdin.close()
    with process.stdout:
        assert process.wait() == 0
    watch.cancel()


def test_columns_that_were_swapped_are_warned_about(model: Path, cli: Cli, tmp_path: Path) -> None:
    swapped = write(tmp_path / "swapped.tsv", [(b, a) for a, b in made_up(60, seed=4)])
    result = cli("evaluate", model, swapped)
    assert result.exit_code == 0
    assert "warning: " in result.stderr
    assert (
        "the columns of sources and targets look swapped, by the characters that training had: the sources are mostly "
        "Greek letters and the targets Latin letters, where training translated Latin letters into Greek letters"
    ) in said(result)
    path = tmp_path / "named.csv"
    path.write_text("source,target\n" + "".join(f"{b},{a}\n" for a, b in made_up(60, seed=4)))
    right = cli("evaluate", model, path, "--source-column", "target", "--target-column", "source")
    assert "look swapped" not in said(right)


def test_a_source_of_5000_tokens(model: Path, cli: Cli, tmp_path: Path) -> None:
    long = " ".join("abcdefgh" * 625)
    data = write(tmp_path / "long.tsv", [(long, "α"), *made_up(20)])
    valid = write(tmp_path / "valid.tsv", made_up(5, seed=9))
    given = ["--valid", valid, "--test-share", "0", *QUICK, "--attention", "additive"]
    result = cli("train", "translate", data, *given, "--out", tmp_path / "m")
    assert result.exit_code == 0, result.output
    assert "warning: train: the longest source has 5,000 tokens; --max-length cuts such texts" in said(result)
    assert cli("train", "translate", data, *given, "--max-length", "9", "--out", tmp_path / "s").exit_code == 0
    (found,) = answers(cli("predict", model, long, "--beam", "2", "--max-ratio", "0.001"))
    assert found["source"] == long
    assert len(found["translation"].split()) <= 15


def test_a_vocabulary_smaller_than_the_beam_that_is_not_asked_for(cli: Cli, tmp_path: Path) -> None:
    pairs = [(source, "x " * len(target.split())) for source, target in made_up(30)]
    place = made(tmp_path, write(tmp_path / "pairs.tsv", pairs), *QUICK)
    assert cli("predict", place, "a b").exit_code == 0
    result = cli("predict", place, "a b", "--beam", "5")
    assert result.exit_code == 2
    assert "beam: expected at most the size of the vocabulary, 4, got 5; narrow the beam" in result.stderr


@pytest.mark.parametrize("name", ["target_tokenizer.json", "tokenizer.json"])
@pytest.mark.parametrize("change", ["gone", "other"])
def test_a_vocabulary_that_is_missing_or_another(name: str, change: str, model: Path, cli: Cli, tmp_path: Path) -> None:
    place = Path(shutil.copytree(model, tmp_path / "m"))
    if change == "gone":
        (place / name).unlink()
    else:
        (place / name).write_text((model / name).read_text() + " ")
    message = f"{name} missing" if change == "gone" else f"{name} is not the file that was saved"
    for arguments in (["predict", place, "a b"], ["evaluate", place, "x.tsv"], ["check", place]):
        result = cli(*arguments)
        assert (result.exit_code, result.stdout) == (4, "")
        assert f"{place}: damaged: {message}; train again or restore a copy" in result.stderr


TSV = "".join(f"{a}\t{b}\n" for a, b in made_up(30))
CSV = "said,meant,note\n" + "".join(f"{a},{b},foo bar\n" for a, b in made_up(30))
BAD: dict[str, tuple[dict[str, str], list[str], int, str]] = {
    "lengths": (
        {"a.en": "a\nb\nc\n", "a.el": "α\nβ\n"},
        ["--target", "a.el"],
        3,
        "expected equally many lines, as line n of one belongs to line n of the other, found 3 in a.en and 2 in a.el",
    ),
    "no other side": ({"a.en": "a\nb\nc\n"}, [], 3, "or, in parallel text, the file with the other side (--target)"),
    "other side missing": ({"a.en": "a\n"}, ["--target", "a.el"], 3, "a.el: there is no such file"),
    "other side empty": ({"a.en": "a\n", "a.el": ""}, ["--target", "a.el"], 3, "a.el: the file is empty (0 bytes)"),
    "same side twice": (
        {"a.en": "a\n"},
        ["--target", "a.en"],
        3,
        "given as both sides of parallel text; name the file",
    ),
    "empty side": (
        {"a.tsv": f"{TSV}a\t\n \tβ\n"},
        [],
        3,
        "one of white space alone: a.tsv, line 31: 'column_2' a.tsv, line 32: 'column_1' fill them in",
    ),
    "empty lines": (
        {"a.en": "a\n\nc\n", "a.el": "α\nβ\n\n"},
        ["--target", "a.el"],
        3,
        "a.en and a.el, line 2: 'source' a.en and a.el, line 3: 'target' fill them in, or take these rows out of both",
    ),
    "one target": (
        {"a.tsv": "".join(f"{a}\tx\n" for a, _ in made_up(9))},
        [],
        3,
        "column 'column_2' holds the same text in each of the 9 rows: 'x'; there is nothing to learn",
    ),
    "one source": (
        {"a.tsv": "".join(f"x\t{b}\n" for _, b in made_up(9))},
        [],
        3,
        "column 'column_1' holds the same text in each of the 9 rows: 'x'; there is nothing to learn",
    ),
    "one column": ({"a.txt": "a b\nc d\n"}, [], 3, "expected two columns, found one, 'text'; say what separates them"),
    "few": (
        {"a.tsv": "a\tα\nb\tβ\n"},
        [],
        3,
        "expected at least 3 different source texts, to be divided into training",
    ),
    "three columns": ({"a.csv": CSV}, [], 3, "expected two columns of text, found 3"),
    "no column": (
        {"a.csv": CSV},
        ["--source-column", "sad"],
        3,
        "--source-column: there is no column 'sad', did you m",
    ),
    "one column for both": (
        {"a.csv": CSV},
        ["--source-column", "said", "--target-column", "said"],
        3,
        "column 'said' is given as the source and as the target; name two columns",
    ),
    "column beside parallel text": (
        {"a.en": "a\n", "a.el": "α\n"},
        ["--target", "a.el", "--source-column", "said"],
        2,
        "option 'source_column' (said) would have no effect: --target gives parallel text",
    ),
    "delimiter of parallel text": (
        {"a.en": "a\n", "a.el": "α\n"},
        ["--target", "a.el", "--delimiter", "tab"],
        2,
        "option 'delimiter' ('tab') would have no effect: a.en is parallel text",
    ),
    "not UTF-8": ({"a.tsv": TSV + "\udce9\tx\n"}, [], 3, "expected UTF-8"),
    "half a character": ({"a.jsonl": '{"source": "\\ud800", "target": "x"}\n' * 9}, [], 3, "half of a surrogate pair"),
    "no such file": ({}, [], 3, "a.tsv: there is no such file"),
    "blind coverage": (
        {"a.tsv": TSV},
        ["--attention", "none", "--coverage"],
        2,
        "option 'coverage' (True) would have no effect: --attention none looks nowhere",
    ),
    "blind copying": ({"a.tsv": TSV}, ["--attention", "none", "--copying"], 2, "'copying' (True) would have no effect"),
    "blind feeding": (
        {"a.tsv": TSV},
        ["--attention", "none", "--input-feeding"],
        2,
        "option 'input_feeding' (True) would have no effect: with --attention none there is nothing to feed",
    ),
    "two vocabularies": (
        {"a.tsv": TSV},
        ["--copying", "--target-tokens", "words"],
        2,
        "option 'target_tokens' (words) would have no effect: --shared and --copying have one vocabulary",
    ),
    "smoothed copies": ({"a.tsv": TSV}, ["--copying", "--label-smoothing", "0.2"], 2, "--copying learns without it"),
    "heads": ({"a.tsv": TSV}, ["--heads", "2"], 2, "'heads' (2) would have no effect: only --attention multihead has"),
    "odd heads": (
        {"a.tsv": TSV},
        ["--attention", "multihead", "--heads", "3", "--hidden-size", "8"],
        2,
        "heads: expected a number that divides 16, the size of the memory, got 3",
    ),
    "no attention": ({"a.tsv": TSV}, ["--attention", "loung"], 2, "'loung' is not one of 'none', 'additive', 'dot'"),
    "typo": ({"a.tsv": TSV}, ["--atention", "dot"], 2, "No such option: --atention (Possible options: --attention,"),
    "of another task": ({"a.tsv": TSV}, ["--crf"], 2, "No such option: --crf"),
    "share": ({"a.tsv": TSV}, ["--scheduled-sampling", "1.5"], 2, "should be less than or equal to 1, found 1.5"),
    "smoothing": ({"a.tsv": TSV}, ["--label-smoothing", "1"], 2, "'label_smoothing': input should be less than 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_a_message_and_leaves_nothing(
    case: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, more, code, message = BAD[case]
    monkeypatch.chdir(tmp_path)
    for name, content in files.items():
        Path(name).write_bytes(content.encode("utf-8", "surrogateescape"))
    result = cli("train", "translate", next(iter(files), "a.tsv"), *more, "--out", "model")
    assert result.exit_code == code, result.output
    assert message in said(result)
    assert {path.name for path in tmp_path.iterdir()} == set(files)


ASKED: list[tuple[list[str], int, str]] = [
    (
        ["predict", "MODEL", "a", "--beam", "99"],
        2,
        "beam: expected at most the size of the vocabulary, 11, got 99; nar",
    ),
    (["predict", "MODEL", "a", "--beam", "0"], 2, "greater than or equal to 1"),
    (
        ["predict", "MODEL", "a", "--length-penalty", "-1"],
        2,
        "length_penalty: expected a number of 0 (none) or more, g",
    ),
    (["predict", "MODEL", "a", "--length-penalty", "nan"], 2, "length_penalty: expected a number of 0 (none) or more"),
    (["predict", "MODEL", "a", "--coverage-penalty", "-1"], 2, "coverage_penalty: expected a number of 0 (none) or mo"),
    (["predict", "BLIND", "a", "--coverage-penalty", "1"], 2, "coverage_penalty: it needs attention weights, and this"),
    (
        ["predict", "MODEL", "a", "--coverage-penalty", "1", "--beam", "1"],
        2,
        "coverage_penalty: it has no effect witho",
    ),
    (["predict", "MODEL", "a", "--max-ratio", "0"], 2, "max_ratio: expected a number above 0, at most 10,000, got 0.0"),
    (["predict", "MODEL", "a", "--max-ratio", "1e30"], 2, "max_ratio: expected a number above 0, at most 10,000, got"),
    (
        ["predict", "MODEL", "a", "--n-best", "4", "--beam", "3"],
        2,
        "n_best: expected at most the beam, 3, got 4; widen",
    ),
    (["predict", "MODEL", "a", "--n-best", "0"], 2, "greater than or equal to 1"),
    (
        ["predict", "MODEL", "a", "--seed", "1"],
        2,
        "option 'seed' (1) would have no effect: nothing is drawn; --tempera",
    ),
    (["predict", "MODEL", "a", "--seed", "1", "--temperature", "0"], 2, "option 'seed' (1) would have no effect"),
    (["predict", "MODEL", "a", "--seed", "-1"], 2, "greater than or equal to 0"),
    (["predict", "MODEL", "a", "--seed", "9" * 20, "--temperature", "1"], 2, "less than or equal to 2147483647"),
    (["predict", "MODEL", "a", "--temperature", "-1"], 2, "temperature: expected a number of 0 (greedy) or more"),
    (["predict", "MODEL", "a", "--temperature", "1", "--beam", "3"], 2, "beam: 3 has no effect with a sampler"),
    (
        ["predict", "MODEL", "a", "--temperature", "0", "--n-best", "2"],
        2,
        "n_best: with temperature 0 all 2 draws would",
    ),
    (["predict", "MODEL", "a", "--top-k", "0"], 2, "top_k: expected an integer of at least 1"),
    (["predict", "MODEL", "a", "--top-p", "1.5"], 2, "top_p: expected a number above 0 and at most 1"),
    (["predict", "BLIND", "a", "--replace-unknown"], 2, "'replace_unknown' would have no effect: the model has no att"),
    (
        ["predict", "BLIND", "a", "--attention", "p"],
        2,
        "option 'attention' (p) would have no effect: the model has none",
    ),
    (["predict", "MODEL", "a", "--source-column", "x"], 2, "'source_column' (x) would have no effect: no file is read"),
    (["predict", "MODEL", "a", "--delimiter", "tab"], 2, "'delimiter' (tab) would have no effect: no file is read"),
    (["predict", "MODEL", "a", "--header"], 2, "option 'header' (True) would have no effect: no file is read"),
    (["predict", "MODEL", "a", "--text-column", "x"], 2, "'text_column' (x) would have no effect: the model is of the"),
    (
        ["predict", "MODEL", "a", "--format", "tsv"],
        2,
        "option 'format' (tsv) would have no effect: the model is of the t",
    ),
    (["predict", "MODEL", "PAIRS", "--source-column", "x"], 3, "--source-column: there is no column 'x'"),
    (["predict", "MODEL", "none.tsv"], 3, "none.tsv: there is no such file"),
    (["predict", "MODEL", "a \udcff"], 3, "half of a surrogate pair"),
    (["predict", "MODEL", "a", "--bean", "3"], 2, "No such option: --bean (Possible options: --beam)"),
    (
        ["predict", "CLASSIFIER", "a", "--beam", "3"],
        2,
        "option 'beam' (3) would have no effect: the model is of the task",
    ),
    (
        ["predict", "CLASSIFIER", "a", "--attention", "p"],
        2,
        "option 'attention' (p) would have no effect: the model is o",
    ),
    (["predict", "CLASSIFIER", "a", "--replace-unknown"], 2, "'replace_unknown' (True) would have no effect"),
    (
        ["evaluate", "CLASSIFIER", "PAIRS", "--target", "x"],
        2,
        "option 'target' (x) would have no effect: the model is of",
    ),
    (["evaluate", "MODEL", "PAIRS", "--dynamic", "0.1"], 2, "option 'dynamic' (0.1) would have no effect"),
    (["evaluate", "MODEL", "PAIRS", "--label-column", "x"], 2, "option 'label_column' (x) would have no effect"),
    (
        ["evaluate", "MODEL", "PAIRS", "--beam", "99"],
        2,
        "beam: expected at most the size of the vocabulary, 11, got 99",
    ),
    (
        ["evaluate", "MODEL", "PAIRS", "--length-penalty", "-2"],
        2,
        "length_penalty: expected a number of 0 (none) or mor",
    ),
    (["evaluate", "MODEL", "PAIRS", "--target", "none.el"], 3, "none.el: there is no such file"),
    (
        ["evaluate", "MODEL", "PAIRS", "--target", "PAIRS", "--source-column", "x"],
        2,
        "'source_column' (x) would have no",
    ),
    (["evaluate", "MODEL", "PAIRS", "--target", "PAIRS"], 3, "given as both sides of parallel text"),
    (["evaluate", "MODEL", "PAIRS", "--target-column", "1"], 3, "'1'"),
    (["evaluate", "BLIND", "PAIRS", "--coverage-penalty", "1"], 2, "coverage_penalty: it needs attention weights"),
    (["check", "MODEL", "PAIRS", "--source-column", "x"], 3, "--source-column: there is no column 'x'"),
    (["check", "MODEL", "none.tsv"], 3, "none.tsv: there is no such file"),
    (["generate", "MODEL"], 2, "expected a language model, found a model of the task translate"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), ASKED, ids=lambda part: None)
def test_asking_a_model_wrongly(
    arguments: list[str],
    code: int,
    message: str,
    model: Path,
    blind: Path,
    tiny_model: Path,
    cli: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    stands_for = {"MODEL": model, "BLIND": blind, "CLASSIFIER": tiny_model}
    stands_for["PAIRS"] = write(tmp_path / "pairs.tsv", made_up(9, seed=5))
    result = cli(*(stands_for.get(argument, argument) for argument in arguments))
    assert message in said(result), result.output
    assert (result.exit_code, result.stdout) == (code, "")
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.tsv"]


def test_one_side_identical_everywhere_is_said_of_what_is_scored(model: Path, cli: Cli, tmp_path: Path) -> None:
    result = cli("evaluate", model, write(tmp_path / "a.tsv", [(a, "α") for a, _ in made_up(9)]))
    assert result.exit_code == 0
    assert "column 'column_2' holds the same text in each row: 'α'" in said(result)


@pytest.mark.parametrize("options", [[], ["--copying", "--coverage"]], ids=["two vocabularies", "copying"])
def test_check_passes(options: list[str], cli: Cli, tmp_path: Path) -> None:
    data = write(tmp_path / "pairs.en", made_up(40))
    place = made(tmp_path, data, *QUICK, *options)
    given = [data, *reading(data)] if options else []  # its own data, or those named
    checked = cli("check", place, *given)
    assert (checked.exit_code, checked.stdout.count("ok ")) == (0, 7), checked.output


def test_the_data_elsewhere_it_is_checked_on_random_symbols(model: Path, cli: Cli, monkeypatch: Any) -> None:
    task = read_model(model).task
    assert isinstance(task, Translate)
    gone = task.config.data.model_copy(update={"data": "gone.tsv"})
    task.config = task.config.model_copy(update={"data": gone})
    assert len(task.sequences(None)) == 64


def test_attention_learns_to_read_from_the_end(cli: Cli, tmp_path: Path) -> None:
    """Digits reversed: far above the source as it is, and above the answer to the most similar one."""
    rng = random.Random(0)
    texts = {" ".join(rng.choices("0123456789", k=rng.randint(2, 6))) for _ in range(640)}
    data = write(tmp_path / "digits.tsv", [(text, text[::-1]) for text in sorted(texts)])
    sizes = [
        "--tokens",
        "spaces",
        "--hidden-size",
        "32",
        "--embedding-size",
        "32",
        "--min-count",
        "1",
        "--dropout",
        "0",
    ]
    told = ["--epochs", "12", "--learning-rate", "0.02", "--batch-size", "16", "--valid-share", "0.02"]
    trained = cli("train", "translate", data, *sizes, *told, "--test-share", "0.1", "--out", tmp_path / "m")
    assert trained.exit_code == 0, trained.output
    scores = json.loads((tmp_path / "m" / "metrics.json").read_text())["test"]
    theirs = [found["exact"]["value"] for found in scores["baselines"].values()]
    assert scores["model"]["exact"]["value"] > 0.6 > 0.2 > max(theirs)
    assert scores["gain"]["low"] > 20
    ((found,),) = recurra.load(tmp_path / "m").translate(["1 2 3 4"])
    assert found.alignment is not None
    assert found.alignment.argmax(1).tolist() == [3, 2, 1, 0]
