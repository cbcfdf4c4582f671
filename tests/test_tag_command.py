"""recurra train tag and what asks its models: each format there and back, every bad input by its message."""

from __future__ import annotations

import gzip
import json
import logging
import random
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file
from seqeval.metrics import f1_score
from typer.testing import Result

import recurra
from recurra.data import load_tagged
from recurra.data.bundled import sentences_path
from recurra.spans import faults
from recurra.train import Callback

Cli = Callable[..., Result]
SIZES = {"embedding-size": 8, "hidden-size": 8, "character-embedding-size": 4, "character-hidden-size": 4}
SMALL = [part for name, size in SIZES.items() for part in (f"--{name}", str(size))] + ["--batch-size", "8"]
QUICK = [*SMALL, "--epochs", "2"]
WORDS = {"the": "O", "in": "O", "sails": "O", "Ann": "B-PER", "Lee": "I-PER", "Rome": "B-LOC", ".": "O"}


def made_up(count: int, seed: int = 0) -> list[tuple[list[str], list[str]]]:
    """Sentences of known words and their BIO tags; a family name follows a first name, or begins a span."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        words = rng.choices(list(WORDS), k=rng.randrange(1, 9))
        tags = [WORDS[word] for word in words]
        for place, tag in enumerate(tags):
            if tag == "I-PER" and (place == 0 or tags[place - 1] not in ("B-PER", "I-PER")):
                tags[place] = "B-PER"
        made.append((words, tags))
    return made


def written(form: str, sentences: list[tuple[list[str], list[str]]]) -> str:
    if form == "conllu":
        rows = [[(i, w, t) for i, (w, t) in enumerate(zip(*pair), 1)] for pair in sentences]
        return "".join(
            f"# sent_id = {number}\n"
            + "".join(f"{i}\t{w}\t_\tX\t{t}\t_\t_\t_\t_\tSpaceAfter=No\n" for i, w, t in row)
            + "\n"
            for number, row in enumerate(rows, 1)
        )
    if form == "conll":
        body = "\n".join("".join(f"{w} X {t}\n" for w, t in zip(*pair)) for pair in sentences)
        return f"-DOCSTART- X O\n\n{body}\n"
    if form == "jsonl":
        return "".join(json.dumps({"id": 1, "tokens": w, "tags": t}) + "\n" for w, t in sentences)
    if form == "tsv":
        rows = [f"{n}\t{w}\t{t}\n" for n, pair in enumerate(sentences) for w, t in zip(*pair)]
        return "sentence\tword\ttag\n" + "".join(rows)
    rows = [f'{n},"{w}",{t}\n' for n, pair in enumerate(sentences) for w, t in zip(*pair)]
    return "sentence,word,tag\n" + "".join(rows)


def options(form: str) -> list[str]:
    return ["--tag-column", "xpos"] if form == "conllu" else []


@pytest.fixture(scope="module", params=["conllu", "conll", "jsonl", "csv", "tsv"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A model of each format, with a CRF; tests only read it."""
    from typer.testing import CliRunner

    from recurra.cli import app

    form, folder = request.param, tmp_path_factory.mktemp(request.param)
    data = folder / f"train.{form}"
    data.write_text(written(form, made_up(120)), encoding="utf-8")
    arguments = ["train", "tag", str(data), *options(form), "--crf", *QUICK, "--learning-rate", "0.02"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(folder / "model")])
    assert result.exit_code == 0, result.output
    logging.getLogger("recurra").handlers = []
    return form, folder / "model"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of parts of speech; tests only read it."""
    place = tmp_path_factory.mktemp("models") / "tagger"
    tokens = [["The", "dog", "sails"], ["dogs", "sail", "."], ["Paint", "the", "door"]] * 8
    tags = [["DET", "NOUN", "VERB"], ["NOUN", "VERB", "PUNCT"], ["VERB", "DET", "NOUN"]] * 8
    sizes = {"hidden_size": 8, "embedding_size": 8, "character_embedding_size": 4, "character_hidden_size": 4}
    recurra.Tagger(**sizes, epochs=2, batch_size=8).fit(tokens, tags).save(place)
    return place


def test_a_file_is_written_in_its_own_form_with_legal_tags_and_confidences(trained, cli, tmp_path):
    form, place = trained
    new = made_up(40, seed=5)
    source, target = tmp_path / f"new.{form}", tmp_path / f"tagged.{form}"
    source.write_text(written(form, new), encoding="utf-8")
    assert cli("predict", place, source, "--output", target).exit_code == 0
    assert cli("predict", place, source).stdout == target.read_text(encoding="utf-8")
    loaded = recurra.load(place)
    expected, sure = loaded.predict_with_confidence([words for words, _ in new])
    column = {"conllu": "xpos", "conll": "3", "jsonl": "tags"}.get(form, "tag")
    found = list(load_tagged(target, tag_column=column))
    assert [sentence.tokens for sentence in found] == [words for words, _ in new]
    assert [sentence.tags for sentence in found] == expected
    assert not [tags for tags in expected if faults(tags, "BIO")]
    text = target.read_text(encoding="utf-8")
    assert all(f"{value:.4f}".rstrip("0") in text for row in sure for value in row)


def test_tags_written_in_place_of_others_give_the_file_back(trained, cli, tmp_path):
    """What is no tag is untouched: with the tags and without the confidences it is what was read."""
    form, place = trained
    source = tmp_path / f"new.{form}"
    source.write_text(written(form, made_up(9, seed=6)), encoding="utf-8")
    output = cli("predict", place, source).stdout
    tagged = recurra.load(place).predict([words for words, _ in made_up(9, seed=6)])
    expected = written(form, [(words, tags) for (words, _), tags in zip(made_up(9, seed=6), tagged)])
    if form == "jsonl":
        rows = [json.loads(line) for line in output.splitlines()]
        assert [row.pop("confidences") for row in rows]
        assert rows == [json.loads(line) for line in expected.splitlines()]
        return
    cut = {"conllu": r"|Confidence=", "conll": " ", "csv": ",", "tsv": "\t"}[form]
    lines = [
        line if line[:1] in ("", "#") or "-DOC" in line else line.rpartition(cut)[0] for line in output.split("\n")
    ]
    assert "\n".join(lines) == expected


def test_scores_are_those_of_seqeval_on_what_is_predicted(trained, cli, tmp_path):
    form, place = trained
    new = made_up(40, seed=7)
    source = tmp_path / f"new.{form}"
    source.write_text(written(form, new), encoding="utf-8")
    scores = json.loads(cli("evaluate", place, source, "--json").stdout)
    ours = recurra.load(place).predict([words for words, _ in new])
    truth = [tags for _, tags in new]
    assert scores["model"]["spans"]["f1"]["value"] == pytest.approx(f1_score(truth, ours))
    right = [a == b for pair in zip(truth, ours) for a, b in zip(*pair)]
    assert scores["model"]["accuracy"]["value"] == pytest.approx(sum(right) / len(right))
    shown = cli("evaluate", place, source).stdout
    for part in ("most frequent tag", "longest known span", "span F1 %", "by type of span", "most frequent errors"):
        assert part in shown


def test_several_files_become_one_that_holds_all_their_sentences(trained, cli, tmp_path):
    form, place = trained
    parts = [made_up(5, seed=8), made_up(4, seed=9)]
    sources = [tmp_path / f"{number}.{form}" for number in range(2)]
    for source, part in zip(sources, parts):
        source.write_text(written(form, part).rstrip("\n"), encoding="utf-8")  # nothing parts it from what follows
    target = tmp_path / f"both.{form}"
    result = cli("predict", place, *sources, "--output", target)
    if form in ("csv", "tsv"):
        assert result.exit_code == 2
        assert "expected one file, as it has a header" in result.output
        assert not target.exists()
        return
    assert result.exit_code == 0
    assert [s.tokens for s in load_tagged(target, labels="no")] == [words for part in parts for words, _ in part]
    (tmp_path / "other.jsonl" if form != "jsonl" else tmp_path / "other.conll").write_text(
        written("conll" if form == "jsonl" else "jsonl", parts[0])
    )
    mixed = cli("predict", place, sources[0], next(tmp_path.glob("other.*")))
    assert mixed.exit_code == 2
    assert "expected files of one form, to be written as one" in mixed.output


def test_rows_whose_name_says_nothing_are_read_as_told_and_csv_has_the_columns_of_tsv(cli, tmp_path):
    rows = [("of", "text", "kind")] + [(str(n), w, t) for n, pair in enumerate(made_up(40)) for w, t in zip(*pair)]
    (tmp_path / "a.txt").write_text("".join("\t".join(row) + "\n" for row in rows))
    (tmp_path / "a.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    columns = ["--token-column", "text", "--tag-column", "kind", "--sentence-column", "of"]
    arguments = [tmp_path / "a.txt", "--format", "tsv", *columns, *QUICK, "--out", tmp_path / "model"]
    assert cli("train", "tag", *arguments).exit_code == 0
    scores = [
        json.loads(cli("evaluate", tmp_path / "model", tmp_path / f"a.{form}", "--json").stdout)
        for form in ("txt", "csv")
    ]
    assert scores[0] == scores[1]
    answered = cli("predict", tmp_path / "model", tmp_path / "a.txt").stdout.splitlines()
    assert answered[0] == "of\ttext\tkind\tconfidence"
    assert [line.split("\t")[:2] for line in answered] == [list(row[:2]) for row in rows]


def test_alone_as_in_company(model, cli, tmp_path):
    sentences = [["The", "dog"], ["Paint"], ["unseen", "dogs", "sail", "the", "door", "."], [], ["dog"] * 50]
    rows = [{"tokens": words} for words in sentences]
    path = tmp_path / "all.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    together = [json.loads(line) for line in cli("predict", model, path).stdout.splitlines()]
    for row, found in zip(rows, together, strict=True):
        path.write_text(json.dumps(row) + "\n" + json.dumps({"tokens": ["x"]}) + "\n")
        alone = json.loads(cli("predict", model, path).stdout.splitlines()[0])
        assert alone["tags"] == found["tags"]
        assert alone["confidences"] == pytest.approx(found["confidences"], abs=1.01e-4)  # written with four decimals


@pytest.mark.parametrize("lines", [["The dog sails."], ["Paint the door!", "", "dog's"]])
def test_texts_are_divided_plainly_and_answered_as_json_lines(model, cli, lines):
    loaded = recurra.load(model)
    by_argument = cli("predict", model, *lines)
    by_line = cli("predict", model, input="\n".join(lines) + "\n")
    assert by_argument.stdout == by_line.stdout
    found = [json.loads(line) for line in by_line.stdout.splitlines()]
    words = {"The dog sails.": ["The", "dog", "sails", "."], "Paint the door!": ["Paint", "the", "door", "!"]}
    assert [row["tokens"] for row in found] == [words.get(line, [line] if line else []) for line in lines]
    tags, confidences = loaded.predict_with_confidence([row["tokens"] for row in found])
    assert [row["tags"] for row in found] == tags
    for row, values in zip(found, confidences):
        assert row["confidences"] == pytest.approx(values, abs=1.01e-4)


def test_a_line_is_answered_before_the_next_one_comes(model, command, environment):
    process = subprocess.Popen(
        [*command, "predict", str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    watch = threading.Timer(60, process.kill)
    watch.start()
    for text in ("The dog", "Paint"):
        process.stdin.write(f"{text}\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["tokens"] == text.split()
    process.stdin.close()
    with process.stdout:
        assert process.wait() == 0
    watch.cancel()


def test_asking_a_model_wrongly(model, cli, tmp_path):
    (tmp_path / "a.conll").write_text("dog NOUM\n.  VERB\n\n")
    cases: list[tuple[list[object], int, str]] = [
        (["evaluate", model, tmp_path / "a.conll"], 3, "'NOUM': 1, did you mean 'NOUN'?"),
        (["predict", model, tmp_path / "a.conll", "The dog"], 2, "expected files or texts, found the file"),
        (["predict", model, tmp_path / "a.conll", "--format", "conl"], 2, "did you mean 'conll'?"),
        (["predict", model, tmp_path / "none.conllu"], 3, "there is no such file"),
        (["predict", model, "The dog", "--format", "conll"], 2, "'format' (conll) would have no effect: no file is"),
        (["predict", model, tmp_path / "a.conll", "--text-column", "x"], 2, "'text_column' (x) would have no effect"),
        (["predict", model, "a \udcff b"], 3, "half of a surrogate pair, which is no character"),
    ]
    for arguments, code, message in cases:
        result = cli(*arguments)
        assert (result.exit_code, result.stdout) == (code, ""), arguments
        assert message in result.output


def test_a_packed_file_of_another_name(model, cli, tmp_path):
    with gzip.open(tmp_path / "words.conll.gz", "wt", encoding="utf-8") as file:
        file.write("The\ndog\n\nsails\n")
    (tmp_path / "words.txt").write_text("The\ndog\n\nsails\n")
    packed = cli("predict", model, tmp_path / "words.conll.gz").stdout
    assert packed == cli("predict", model, tmp_path / "words.txt", "--format", "conll").stdout
    assert [len(line.split()) for line in packed.splitlines()] == [3, 3, 0, 3]


def test_resumed_ends_as_uninterrupted(cli, tmp_path, monkeypatch):
    data = tmp_path / "a.conll"
    data.write_text(written("conll", made_up(40)), encoding="utf-8")
    arguments = ["train", "tag", data, *SMALL, "--epochs", "4", "--crf"]
    assert cli(*arguments, "--out", tmp_path / "whole").exit_code == 0

    def stop(self: Callback, record: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("recurra.progress.ProgressLine.on_epoch", stop)
        stopped = cli(*arguments, "--out", tmp_path / "parts")
    assert stopped.exit_code == 130
    resumed = cli(*arguments, "--out", tmp_path / "parts", "--resume")
    assert resumed.exit_code == 0, resumed.output
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(bool((ours[name] == theirs[name]).all()) for name in theirs)
    assert cli(*arguments, "--out", tmp_path / "parts").exit_code == 5
    assert cli(*arguments, "--out", tmp_path / "parts", "--overwrite").exit_code == 0


def test_starts_from_a_language_model(cli, tmp_path):
    (tmp_path / "text.txt").write_text("the dog sails in Rome .\nAnn sails .\n" * 40)
    sizes = ["--embedding-size", "8", "--hidden-size", "8", "--num-layers", "1", "--epochs", "1", "--batch-size", "4"]
    for tokens in ("words", "characters"):
        made = cli(
            "train", "language-model", tmp_path / "text.txt", "--tokens", tokens, *sizes, "--out", tmp_path / tokens
        )
        assert made.exit_code == 0, made.output
    data = tmp_path / "a.conll"
    data.write_text(written("conll", made_up(40)), encoding="utf-8")
    arguments = ["train", "tag", data, "--epochs", "1", "--out", tmp_path / "model", "--init-from"]
    wrong = cli(*arguments, tmp_path / "characters")
    assert wrong.exit_code == 2
    assert "expected a language model whose tokens are words or spaces" in wrong.output
    assert cli(*arguments, tmp_path / "words").exit_code == 0
    assert cli("predict", tmp_path / "model", "Ann sails in Rome").exit_code == 0
    (tmp_path / "words").rename(tmp_path / "elsewhere")  # what was taken over is in the model
    assert cli("check", tmp_path / "model").exit_code == 0


def test_beats_the_most_frequent_tags_of_the_bundled_sentences(cli, tmp_path):
    paths = [sentences_path(part) for part in ("train", "valid", "test")]
    sizes = ["--embedding-size", "32", "--hidden-size", "32", "--epochs", "8", "--learning-rate", "0.01"]
    arguments = [paths[0], "--valid", paths[1], "--test", paths[2], *sizes, "--out", tmp_path / "model"]
    result = cli("train", "tag", *arguments)
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "model" / "metrics.json").read_text())["test"]
    assert scores["baselines"]["most frequent tag"]["accuracy"]["value"] == pytest.approx(0.88, abs=0.02)
    assert scores["gain"]["most frequent tag"]["accuracy"]["low"] > 0.02
    card = (tmp_path / "model" / "README.md").read_text()
    assert "most frequent tag" in card
    assert "DET (" in card
