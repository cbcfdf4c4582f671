"""recurra train transcribe and what asks its models: each form of recordings, each option, all bad input by name."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from recurra.cli import app
from recurra.data.features import LogMel

Cli = Callable[..., Result]
Play = Callable[..., NDArray[np.float32]]
Make = Callable[..., Path]

WORDS = ["ab", "c", "dab", "bd"]
SIZES = ["--cell", "gru", "--hidden-size", "32", "--num-layers", "1", "--dropout", "0", "--stack", "2"]
HEARD = ["--time-masks", "0", "--frequency-masks", "0", "--batch-size", "8", "--learning-rate", "0.02"]
STREAMING = [*SIZES, *HEARD, "--no-bidirectional"]
QUICK = [*STREAMING, "--mels", "16", "--epochs", "1"]
LEARN = [*STREAMING, "--mels", "16", "--epochs", "12"]


def phrases(count: int, seed: int = 0) -> list[str]:
    """Texts of one or two of four words."""
    chance = np.random.default_rng(seed)
    return [" ".join(chance.choice(WORDS, 1 + number % 2)) for number in range(count)]


def write(path: Path, samples: NDArray[Any], sample_rate: int = 8000, **options: Any) -> Path:
    """Samples as audio, or as features of it, as the name of the file says."""
    features = LogMel(sample_rate, 16, 25.0, 10.0)
    if path.suffix == ".npy":
        np.save(path, features(samples))
    elif path.suffix == ".npz":
        np.savez(path, features=features(samples))
    else:
        soundfile.write(path, samples, sample_rate, **options)
    return path


@pytest.fixture(scope="session")
def make(tones: Play) -> Callable[..., Path]:
    """Write recordings of texts, of a form, and what lists them: a manifest, or a folder with transcripts beside."""

    def made(path: Path, texts: Sequence[str], form: str = ".wav", seed: int = 0) -> Path:
        folder = path.parent if path.suffix else path
        folder.mkdir(exist_ok=True)
        names = [f"{path.stem}{number}{form}" for number in range(len(texts))]
        for number, (name, text) in enumerate(zip(names, texts)):
            write(folder / name, tones(text, seed + number))
            if not path.suffix:
                (folder / name).with_suffix(".txt").write_text(f"{text}\n")
        if path.suffix == ".jsonl":
            rows = [json.dumps({"audio": name, "sentence": text}) for name, text in zip(names, texts)]
        else:
            rows = ["path,text", *(f"{name},{text}" for name, text in zip(names, texts))]
        if path.suffix:
            path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        return path

    return made


def trained(data: Path, place: Path, *options: Any) -> Result:
    arguments = ["train", "transcribe", data, *options, "--out", place]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    logging.getLogger("recurra").handlers = []
    return result


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory, tones_csv: Path) -> Path:
    """A model that reads from both ends; tests only read it."""
    place = tmp_path_factory.mktemp("both") / "model"
    trained(tones_csv, place, *SIZES, *HEARD, "--mels", "16", "--epochs", "8")
    return place


@pytest.fixture(scope="session")
def of_features(tmp_path_factory: pytest.TempPathFactory, make: Make) -> Path:
    """A model of features, in whose folder a manifest lists them; tests only read it."""
    folder = tmp_path_factory.mktemp("features")
    trained(make(folder / "m.csv", phrases(60), ".npy"), folder / "model", *STREAMING, "--epochs", "12")
    return folder / "model"


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.removesuffix("\n").split("\n")]


def of_baseline(scores: dict[str, Any], rate: str) -> float:
    return float(scores["baselines"]["most frequent transcript"][rate]["value"])


def said(result: Result) -> str:
    """What stands in the frames of messages, on one line."""
    return re.sub(r"[\s│]+", " ", result.stderr)


def assert_alike(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same transcript, but for the rounding of sums, and the time that it took."""
    assert found["text"] == expected["text"]
    assert found["confidence"] == pytest.approx(expected["confidence"], abs=2e-4)
    assert [word["word"] for word in found["words"]] == [word["word"] for word in expected["words"]]
    for ours, theirs in zip(found["words"], expected["words"]):
        for name in ("start", "end", "confidence"):
            assert ours[name] == pytest.approx(theirs[name], abs=2e-3)


# learnt from, scored and answered


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("m.csv", ".wav"),
        ("m.csv", ".flac"),
        ("m.csv", ".ogg"),
        ("folder", ".wav"),
        ("m.jsonl", ".wav"),
        ("m.csv", ".npy"),
        ("folder", ".npz"),
    ],
)
def test_each_form_of_recordings_is_learnt_from_scored_and_answered(
    name: str, form: str, make: Make, cli: Cli, tmp_path: Path
) -> None:
    data = make(tmp_path / name, phrases(60), form)
    features = form in (".npy", ".npz")
    result = cli(
        "train",
        "transcribe",
        data,
        *(LEARN[:-4] if features else LEARN[:-2]),
        "--epochs",
        "10",
        "--out",
        tmp_path / "m",
    )
    assert result.exit_code == 0, result.output
    for part in ("this model", "most frequent", "word", "character", "sentence", "points less word error"):
        assert part in result.stdout
    assert ("heard at 8,000 Hz" in said(result)) is not features
    new = make(tmp_path / f"new{Path(name).suffix}", phrases(20, seed=1), form, 100)
    scores = json.loads(cli("evaluate", tmp_path / "m", new, "--json").stdout)
    assert scores["model"]["character_error"]["value"] < 0.2 < 0.6 < of_baseline(scores, "character_error")
    found = lines(cli("predict", tmp_path / "m", new))
    assert len(found) == 20
    heard = dict(zip((Path(row["path"]).stem for row in found), (row["text"] for row in found)))
    right = {f"new{number}": text for number, text in enumerate(phrases(20, seed=1))}
    assert jiwer.wer([*right.values()], [heard[stem] for stem in right]) == pytest.approx(
        scores["model"]["word_error"]["value"]
    )


@pytest.mark.parametrize("tokens", ["characters", "words", "spaces", "bpe"])
def test_each_kind_of_symbol_is_learnt(tokens: str, make: Make, cli: Cli, tmp_path: Path) -> None:
    data = make(tmp_path / "m.csv", phrases(80))
    trained(data, tmp_path / "m", *LEARN, "--tokens", tokens)
    new = make(tmp_path / "new.csv", phrases(20, seed=1), seed=100)
    scores = json.loads(cli("evaluate", tmp_path / "m", new, "--json").stdout)
    assert scores["model"]["word_error"]["value"] < 0.4 < 0.6 < of_baseline(scores, "word_error")
    for row in lines(cli("predict", tmp_path / "m", new)):
        assert " ".join(word["word"] for word in row["words"]) == row["text"]
        ends = [time for word in row["words"] for time in (word["start"], word["end"])]
        assert all(0 <= time <= row["seconds"] + 5e-4 for time in ends)
        assert [word["start"] for word in row["words"]] == sorted(word["start"] for word in row["words"])


def test_other_recordings_for_validation_and_test(make: Make, cli: Cli, tmp_path: Path) -> None:
    paths = {
        part: make(tmp_path / f"{part}.csv", phrases(12, seed)) for seed, part in enumerate(("train", "valid", "test"))
    }
    trained(paths["train"], tmp_path / "m", *QUICK, "--valid", paths["valid"], "--test", paths["test"])
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert [metrics[part]["recordings"] for part in ("valid", "test")] == [12, 12]
    result = cli("train", "transcribe", paths["train"], *QUICK, "--valid", paths["train"], "--out", tmp_path / "n")
    assert (result.exit_code, (tmp_path / "n").exists()) == (3, False)


def test_evaluation_is_that_of_jiwer_on_what_is_predicted(
    tiny_transcriber: Path, make: Make, cli: Cli, tone_texts: Any, tmp_path: Path
) -> None:
    texts = tone_texts(30, 9)
    data = make(tmp_path / "new.csv", [text.replace("d", "a")[:3].strip() for text in texts])
    data.write_text(data.read_text().replace("a,", "a, ").replace("b\n", "d\n"))  # some are wrong now
    wanted = [row.split(",")[1] for row in data.read_text().splitlines()[1:]]
    for options in ([], ["--beam", "4"]):
        heard = [row["text"] for row in lines(cli("predict", tiny_transcriber, data, *options))]
        scores = json.loads(cli("evaluate", tiny_transcriber, data, "--json", *options).stdout)
        model = scores["model"]
        assert 0 < model["word_error"]["value"] == pytest.approx(jiwer.wer(wanted, heard))
        assert model["character_error"]["value"] == pytest.approx(jiwer.cer(wanted, heard))
        wrong = sum(a != b for a, b in zip(wanted, heard)) / 30
        assert model["sentence_error"]["value"] == pytest.approx(wrong)
        counts = jiwer.process_words(wanted, heard)
        assert (model["substitutions"], model["deletions"], model["insertions"]) == (
            counts.substitutions,
            counts.deletions,
            counts.insertions,
        )
    shown = cli("evaluate", tiny_transcriber, data)
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())
    whole = shown.stdout.replace("\n", "")  # a long path is folded
    for part in ("new.csv: 30", "this model", "most frequent errors", "said above", "unknown symbols: 0.0 %"):
        assert part in whole, part


def test_unknown_letters_and_impossible_transcripts_are_said_of_what_is_scored(
    tiny_transcriber: Path, make: Make, cli: Cli, tmp_path: Path
) -> None:
    data = make(tmp_path / "new.csv", ["ab", "c", "d"])
    data.write_text("path,text\nnew0.wav,ab\nnew1.wav,éçé\nnew2.wav,dddddddddddddddddddd\n")
    result = cli("evaluate", tiny_transcriber, data)
    assert result.exit_code == 0
    assert "new.csv: 3 symbols in 1 of 3 transcripts are unknown, and no model can write them: 'é': 2 'ç': 1" in said(
        result
    )
    assert "new.csv: 2 of 3 transcripts cannot be spelt in their recordings: a step of the network is 2 frames" in said(
        result
    )
    assert "new2.wav: 4 steps, 39 needed for 'dddddddddddddddddddd' they count as errors" in said(result)
    assert "unknown symbols: 12.0 % of the transcripts'" in result.stdout


# asked


def test_files_manifests_folders_and_features_are_answered_in_order(
    tiny_transcriber: Path, of_features: Path, make: Make, cli: Cli, tmp_path: Path
) -> None:
    alone = make(tmp_path / "one.csv", ["ab", "c"])
    folder = make(tmp_path / "folder", ["d", "dab"])
    files = [tmp_path / "one1.wav", alone, folder, tmp_path / "one0.wav"]
    found = lines(cli("predict", tiny_transcriber, *files))
    assert [row["text"] for row in found] == ["c", "ab", "c", "d", "dab", "ab"]
    assert found[0]["path"] == str(tmp_path / "one1.wav")
    assert {*found[0]} == {"path", "text", "confidence", "words", "seconds", "real_time_factor"}
    assert found[0]["seconds"] == pytest.approx(0.1)
    assert 0 < found[0]["real_time_factor"] < 5
    given = [
        write(tmp_path / name, soundfile.read(tmp_path / "one0.wav", dtype="float32")[0]) for name in ("a.npy", "b.npz")
    ]
    first, second = lines(cli("predict", of_features, *given))
    assert {**first, "path": ""} == {**second, "path": ""}
    assert (first["text"], first["frames"], {*first["words"][0]}) == (
        "ab",
        16,
        {"word", "start_frame", "end_frame", "confidence"},
    )
    out = tmp_path / "answers.jsonl"
    assert cli("predict", tiny_transcriber, *files, "--output", out).stdout == ""
    assert [json.loads(line)["text"] for line in out.read_text().splitlines()] == [row["text"] for row in found]


def test_sound_of_any_kind_is_heard_alike(tiny_transcriber: Path, tones: Play, cli: Cli, tmp_path: Path) -> None:
    """Stereo, 8 bits, 96 kHz, floats: the same text at the same times; silence says nothing."""
    mono, high = tones("ab c"), tones("ab c", sample_rate=96_000)
    paths = [
        write(tmp_path / "mono.wav", mono),
        write(tmp_path / "stereo.wav", np.stack([mono, mono], 1)),
        write(tmp_path / "eight.wav", mono, subtype="PCM_U8"),
        write(tmp_path / "high.flac", high, 96_000),
        write(tmp_path / "float.wav", mono, subtype="FLOAT"),
        write(tmp_path / "small.ogg", mono),
    ]
    expected, *others = lines(cli("predict", tiny_transcriber, *paths))
    assert expected["text"] == "ab c"
    for row in others:
        assert (row["text"], row["seconds"]) == ("ab c", pytest.approx(expected["seconds"], abs=1e-3)), row["path"]
        for ours, theirs in zip(row["words"], expected["words"]):
            assert ours["start"] == pytest.approx(theirs["start"], abs=0.021)
    for samples in (np.zeros(4000), np.zeros(10)):
        (row,) = lines(cli("predict", tiny_transcriber, write(tmp_path / "silent.wav", samples)))
        assert (row["text"], row["words"], row["seconds"]) == ("", [], pytest.approx(len(samples) / 8000, abs=5e-4))


def test_a_lower_sample_rate_than_that_of_the_model_is_said(
    tiny_transcriber: Path, tones: Play, cli: Cli, tmp_path: Path
) -> None:
    paths = [write(tmp_path / f"{rate}.wav", tones("ab", 0, rate), rate) for rate in (8000, 7350, 16_000)]
    result = cli("predict", tiny_transcriber, *paths)
    assert [row["text"][0] for row in lines(result)] == ["a", "a", "a"]
    assert (
        "warning: of 3 given: 1 recording has a lower sample rate (7,350 Hz) than the 8,000 Hz at which they are heard"
        ": nothing is in their upper bands"
    ) in said(result)


@pytest.mark.parametrize("sample_rate", [None, 8000, 16_000, 44_100])
@pytest.mark.parametrize("name", ["tiny_transcriber", "both"])
def test_raw_samples_on_standard_input(
    sample_rate: int | None, name: str, tones: Play, cli: Cli, request: Any, tmp_path: Path
) -> None:
    model = request.getfixturevalue(name)
    samples = tones("ab dc", sample_rate=sample_rate or 8000)
    path = write(tmp_path / "a.wav", samples, sample_rate or 8000)
    raw = (samples * 32768).round().astype("<i2").tobytes()
    told = [] if sample_rate is None else ["--sample-rate", sample_rate]
    for dash in ([], ["-"]):
        *partial, found = lines(cli("predict", model, *dash, *told, input=raw))
        (expected,) = lines(cli("predict", model, path))
        assert_alike(found, expected)
        assert (found["path"], found["text"]) == ("-", "ab dc")
        assert found["seconds"] == pytest.approx(expected["seconds"], abs=2e-4)
        assert bool(partial) is (name == "tiny_transcriber")


@pytest.mark.parametrize("chunk", ["0.01", "0.013", "0.1", "60"])
def test_chunks_tell_what_is_understood_so_far_and_in_the_end_the_same(
    chunk: str, tiny_transcriber: Path, tones: Play, cli: Cli, tmp_path: Path
) -> None:
    texts = ["ab dc", "c", "dab"]
    paths = [write(tmp_path / f"{number}.wav", tones(text)) for number, text in enumerate(texts)]
    for options in ([], ["--beam", "4"]):
        expected = lines(cli("predict", tiny_transcriber, *paths, *options))
        found = lines(cli("predict", tiny_transcriber, *paths, "--chunk", chunk, *options))
        for path, text, whole in zip(paths, texts, expected, strict=True):
            *partial, final = [row for row in found if row["path"] == str(path)]
            assert_alike(final, whole)
            assert final["seconds"] == whole["seconds"]
            assert final["text"] == text
            assert all({*row} == {"path", "seconds", "partial"} for row in partial)
            told = [row["partial"] for row in partial]
            assert all(text.startswith(part) for part in told)
            assert told == sorted({*told}, key=len)  # each only once, and ever longer
            assert len(told) > (len(text) // 2 if float(chunk) < 0.05 else 0)
            assert [row["seconds"] for row in partial] == sorted({row["seconds"] for row in partial})
            ends = [round(float(chunk) * number, 3) for number in range(60)]
            seen = {row["seconds"] for row in partial}
            assert seen <= {*ends, whole["seconds"]}
            assert seen & {*ends[1::2]} or chunk in ("0.01", "60")  # half a step; and none before the end


def test_a_stream_is_answered_before_it_ends(
    tiny_transcriber: Path, tones: Play, command: list[str], environment: dict[str, str]
) -> None:
    arguments = [*command, "predict", str(tiny_transcriber), "--chunk", "0.05"]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdin is not None
    assert process.stdout is not None
    watch = threading.Timer(60, process.kill)
    watch.start()
    raw = (
        (np.concatenate([tones("ab"), 0.01 * np.random.default_rng(0).standard_normal(800)]) * 32768)
        .astype("<i2")
        .tobytes()
    )
    process.stdin.write(raw)
    process.stdin.flush()
    heard = ""
    while heard != "ab":
        heard = json.loads(process.stdout.readline())["partial"]
    process.stdin.close()
    with process.stdout:
        assert json.loads(process.stdout.readlines()[-1])["text"] == "ab"
        assert process.wait() == 0
    watch.cancel()


# searched


@pytest.fixture(scope="session")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of characters that knows "ca" and "db", but neither "cb" nor "da"."""
    folder = tmp_path_factory.mktemp("language")
    (folder / "lines.txt").write_text(
        "".join(f"{one} {other}\n" for one, other in [("ca", "db"), ("db", "ca"), ("ca", "ca")] * 60)
    )
    sizes = [
        "--hidden-size",
        "16",
        "--embedding-size",
        "8",
        "--num-layers",
        "1",
        "--dropout",
        "0",
        "--learning-rate",
        "0.02",
    ]
    told = ["--tokens", "characters", "--epochs", "4", "--batch-size", "4", "--steps", "20", "--test-share", "0"]
    arguments = ["train", "language-model", folder / "lines.txt", *sizes, *told, "--out", folder / "model"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    logging.getLogger("recurra").handlers = []
    return folder / "model"


def test_a_language_model_decides_between_what_sounds_alike(
    tiny_transcriber: Path, language_model: Path, tones: Play, cli: Cli, tmp_path: Path
) -> None:
    """Behind c both a and b sound at once."""
    path = write(tmp_path / "both.wav", 0.5 * tones("cb") + 0.5 * tones("ca"))
    (plain,) = lines(cli("predict", tiny_transcriber, path))
    told = ["--language-model", language_model, "--language-weight", "2"]
    weak = ["--language-model", language_model, "--language-weight", "0.001", "--language-bonus", "0"]
    for options, text in (([], "cb"), (told, "ca"), (weak, "cb"), ([*told, "--beam", "3"], "ca")):
        (found,) = lines(cli("predict", tiny_transcriber, path, *options))
        assert (found["text"], [word["word"] for word in found["words"]]) == (text, [text]), options
    (helped,) = lines(cli("predict", tiny_transcriber, path, *told))
    assert helped["confidence"] < plain["confidence"]  # it is the network's, which thought otherwise
    *partial, final = lines(cli("predict", tiny_transcriber, path, *told, "--chunk", "0.03"))
    assert_alike(final, helped)
    assert partial[-1]["partial"] == "cb"  # until the end the likeliest symbols
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,text\nboth.wav,ca\n")
    for options, errors in (([], 1.0), (told, 0.0)):
        scores = json.loads(cli("evaluate", tiny_transcriber, manifest, "--json", *options).stdout)
        assert scores["model"]["word_error"]["value"] == errors


# checked


@pytest.mark.parametrize(("name", "of"), [("tiny_transcriber", None), ("both", "new.csv"), ("of_features", None)])
def test_check_passes(name: str, of: str | None, make: Make, cli: Cli, request: Any, tmp_path: Path) -> None:
    """On its own recordings, or on those that are named."""
    data = [] if of is None else [make(tmp_path / of, phrases(5))]
    checked = cli("check", request.getfixturevalue(name), *data)
    names = [line.split()[1] for line in checked.stdout.splitlines() if line.startswith("ok ")]
    follows = [] if name == "both" else ["stream", "future"]
    assert names == ["padding", "batch", "order", "parity", "gradient", *follows, "reload"]
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "baseline.safetensors"])
def test_a_model_that_was_damaged(name: str, tiny_transcriber: Path, cli: Cli, tmp_path: Path) -> None:
    place = Path(shutil.copytree(tiny_transcriber, tmp_path / "m"))
    (place / name).write_bytes((place / name).read_bytes() + b" ")
    for arguments in (["predict", place, "a.wav"], ["evaluate", place, "x.csv"], ["check", place]):
        result = cli(*arguments)
        assert (result.exit_code, result.stdout) == (4, "")
        assert f"{place}: damaged: {name} is not the file that was saved; train again or restore" in said(result)


# refused


def test_impossible_transcripts_are_listed_before_training(make: Make, cli: Cli, tmp_path: Path) -> None:
    data = make(tmp_path / "m.csv", [*phrases(12), "d", "c"])
    rows = data.read_text().splitlines()
    data.write_text("\n".join([*rows[:-2], "m12.wav,dabc", "m13.wav,cc"]) + "\n")
    told = ["--valid-share", "0.2", "--test-share", "0", "--seed"]
    place = tmp_path / "model"
    for seed in range(9):  # they are held out by some seeds
        result = cli(
            "train", "transcribe", data, *QUICK[:-2], "--stack", "5", *told, seed, "--epochs", "1", "--out", place
        )
        if result.exit_code:
            break
        shutil.rmtree(place)
    assert (result.exit_code, place.exists(), "epoch" in result.stderr) == (3, False, False)
    assert (
        "transcripts cannot be spelt in their recordings: a step of the network is 5 frames, and each symbol needs a "
        in said(result)
    )
    assert f"{tmp_path}/m12.wav: 2 steps, 4 needed for 'dabc'" in said(result)
    assert "say --stack 2, mend the transcripts, or take these out" in said(result)
    done = cli("train", "transcribe", data, *QUICK[:-2], *told, seed, "--epochs", "1", "--out", place)
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="session")
def pile(tmp_path_factory: pytest.TempPathFactory, tones: Play) -> Path:
    """A folder of good and bad files; tests only read copies of it."""
    folder = tmp_path_factory.mktemp("pile")
    for number, text in enumerate([*TEXTS, "ab"]):
        write(folder / f"{number}.wav", tones(text))
        write(folder / f"{number}.npy", tones(text))
    whole = (folder / "0.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[:1000])
    (folder / "empty.wav").write_bytes(b"")
    (folder / "noise.flac").write_bytes(b"no sound at all" * 99)
    write(folder / "none.wav", np.zeros(0))
    write(folder / "nan.wav", np.where(np.arange(800) == 400, np.nan, 0.1), subtype="FLOAT")
    write(folder / "short.wav", np.zeros(100))
    flac = write(folder / "late.flac", np.random.default_rng(0).standard_normal(9000) / 9)
    flac.write_bytes(flac.read_bytes()[:9000])
    np.save(folder / "nan.npy", np.where(np.arange(48).reshape(3, 16) == 20, np.nan, 1.0))
    np.save(folder / "flat.npy", np.zeros(9))
    np.save(folder / "wide.npy", np.zeros((9, 17)))
    np.save(folder / "words.npy", np.array([["a", "b"]]))
    (folder / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    (folder / "silent").mkdir()
    (folder / "silent" / "0.wav").write_bytes(whole)
    return folder


TEXTS = ["ab", "c", "dab", "bd", "b", "a"]
HEAD = "path,text\n"
GOOD = HEAD + "".join(f"{number}.wav,{text}\n" for number, text in enumerate(TEXTS))
FEATURES = GOOD.replace(".wav", ".npy")
REST = f"{HEAD}6.wav,ab\n"
HELD = ["--valid", "v.csv", "--test-share", "0"]
BAD: dict[str, tuple[dict[str, str], list[str], int, list[str]]] = {
    "no such manifest": ({}, ["m.csv"], 3, ["m.csv: there is no such file"]),
    "missing, double, without path, all at once": (
        {"m.csv": f"{GOOD}gone.wav,a\n0.wav,ab\n,c\nlost/x.flac,b\n"},
        ["m.csv"],
        3,
        [
            "m.csv: 4 faulty rows:",
            "m.csv, line 8: there is no file gone.wav",
            "m.csv, line 9: 0.wav is listed already (m.csv, line 2)",
            "m.csv, line 10: no path",
            "m.csv, line 11: there is no file lost/x.flac",
            "correct these rows or take them out; relative paths begin at ",
        ],
    ),
    "sample rates of the manifest": (
        {"m.csv": "path,text,sample_rate\n0.wav,ab,16000\n1.wav,c,8000\n2.wav,dab,8 kHz\n3.wav,bd,0\n"},
        ["m.csv"],
        3,
        [
            "m.csv: 3 faulty rows:",
            "line 2: sample_rate is 16,000 Hz, but 0.wav has 8,000 Hz",
            "line 4: expected Hz in column 'sample_rate', found '8 kHz'",
            "line 5: expected Hz in column 'sample_rate', found '0'",
        ],
    ),
    "damaged files, all at once": (
        {"m.csv": f"{GOOD}cut.wav,a\nempty.wav,a\nnoise.flac,a\nnone.wav,a\n", "v.csv": REST},
        ["m.csv", *HELD],
        3,
        [
            "m.csv: 4 faulty recordings:",
            "cut.wav: the file is cut off: expected 2,880 bytes, found 956; copy or record it again, or take it out",
            "empty.wav: the file is empty (0 bytes)",
            "noise.flac: expected audio (WAV, FLAC, OGG) that is whole, cannot be decoded: Format not recognised",
            "none.wav: expected samples, found a header without any",
            "mend these recordings, or take them out",
        ],
    ),
    "damaged within, all at once": (
        {"m.csv": f"{GOOD}nan.wav,a\nlate.flac,a\n", "v.csv": REST},
        ["m.csv", *HELD],
        3,
        [
            "m.csv: 2 faulty recordings:",
            "nan.wav: expected finite samples, found nan at 0.050 s",
            "late.flac: expected audio (WAV, FLAC, OGG) that is whole, cannot be decoded",
        ],
    ),
    "damaged files held out": (
        {"m.csv": GOOD, "v.csv": f"{REST}cut.wav,a\nnan.wav,a\n"},
        ["m.csv", *HELD],
        3,
        ["v.csv: 2 faulty recordings:", "cut.wav: the file is cut off", "nan.wav: expected finite samples"],
    ),
    "damaged features, all at once": (
        {
            "m.csv": f"{FEATURES}nan.npy,a\nflat.npy,a\nwide.npy,a\nwords.npy,a\ncut.npz,a\n",
            "v.csv": REST.replace(".wav", ".npy"),
        },
        ["m.csv", *HELD],
        3,
        [
            "m.csv: 5 faulty recordings:",
            "nan.npy: expected finite numbers, found others, first in frame 2",
            "flat.npy: expected frames of numbers [T, F], at least one, found the shape (9,)",
            "wide.npy: expected 16 numbers in a frame, found 17",
            "words.npy: expected real numbers, found values of type <U1",
            "cut.npz: cannot be read as an array of numbers",
        ],
    ),
    "shorter than a frame": (
        {"m.csv": GOOD},
        ["m.csv", "--frame-ms", "900"],
        3,
        ["expected sound, found no recording as long as a frame (900.0 ms); give longer ones, or say a shorter --fr"],
    ),
    "both kinds": (
        {"m.csv": f"{GOOD}0.npy,a\n", "v.csv": REST},
        ["m.csv", *HELD],
        3,
        ["m.csv: expected audio or features, found both: 1 of 7 recordings are features, such as 0.npy; give either"],
    ),
    "features held out": (
        {"m.csv": GOOD, "v.csv": REST.replace(".wav", ".npy")},
        ["m.csv", *HELD],
        3,
        ["v.csv: 1 faulty recording:", "6.npy: expected audio, as in training, found features"],
    ),
    "audio held out": (
        {"m.csv": FEATURES, "v.csv": REST},
        ["m.csv", *HELD],
        3,
        ["v.csv: 1 faulty recording:", "6.wav: expected features (.npy or .npz), as in training, found audio"],
    ),
    "in two parts": (
        {"m.csv": GOOD, "v.csv": GOOD},
        ["m.csv", *HELD],
        3,
        ["v.csv: recordings that stand in the train"],
    ),
    "bands of features": (
        {"m.csv": FEATURES},
        ["m.csv", "--mels", "16"],
        2,
        ["option 'mels' (16) would have no effect: m.csv (train) holds features already, such as "],
    ),
    "sample rate of features": (
        {"m.csv": FEATURES},
        ["m.csv", "--sample-rate", "8000"],
        2,
        ["option 'sample_rate' (8000) would have no effect"],
    ),
    "which column": (
        {"m.csv": "path,one,other\n0.wav,ab c,b\n1.wav,c,ab d\n"},
        ["m.csv"],
        3,
        ["the text may be any of ['one', 'other']", "name it with --text-column"],
    ),
    "no path": ({"m.csv": "file name,text\nx,a\ny,b\n"}, ["m.csv"], 3, ["found no column of paths to recordings"]),
    "column for both": (
        {"m.csv": GOOD},
        ["m.csv", "--path-column", "path", "--text-column", "path"],
        3,
        ["column 'path' is given as path and as text; name two columns"],
    ),
    "typo in a column": (
        {"m.csv": GOOD},
        ["m.csv", "--text-column", "txt"],
        3,
        ["--text-column: there is no column 'txt', did you mean 'text'?"],
    ),
    "no group": (
        {"m.csv": GOOD},
        ["m.csv", "--group-column", "speaker"],
        3,
        ["--group-column: there is no column 'speaker'"],
    ),
    "one text": (
        {"m.csv": f"{HEAD}0.wav,a b\n1.wav,a  b\n2.wav,a b\n3.wav,a b\n"},
        ["m.csv"],
        3,
        ["expected different transcripts, found the same one for each of the", "'a b'; there is nothing to learn"],
    ),
    "no text at all": (
        {"m.csv": f"{HEAD}0.wav,\n1.wav,\n2.wav,\n3.wav,\n"},
        ["m.csv", "--text-column", "text"],
        3,
        ["found the same one for each of the"],
    ),
    "few": (
        {"m.csv": f"{HEAD}0.wav,a\n1.wav,b\n"},
        ["m.csv"],
        3,
        ["expected at least 3 recordings, to be divided into training"],
    ),
    "no rows": ({"m.csv": HEAD}, ["m.csv"], 3, ["m.csv: "]),
    "empty manifest": ({"m.csv": ""}, ["m.csv"], 3, ["m.csv: the file is empty (0 bytes)"]),
    "not UTF-8": ({"m.csv": f"{HEAD}0.wav,\udce9\n1.wav,b\n"}, ["m.csv"], 3, ["expected UTF-8"]),
    "folder without transcripts": (
        {},
        ["silent"],
        3,
        ["silent: expected a transcript beside each recording, as name.txt beside name.wav; 1 of 1 have none: 0.wav"],
    ),
    "folder with a column": (
        {},
        ["silent", "--text-column", "a"],
        2,
        ["'text_column' ('a') would have no effect: sil"],
    ),
    "folder without recordings": ({"texts/a.txt": "a"}, ["texts"], 3, ["texts: expected recordings (.wav .flac"]),
    "too many bands": ({"m.csv": GOOD}, ["m.csv", "--mels", "400"], 2, ["option 'mels' (400): expected fewer bands"]),
    "sound lost": ({"m.csv": GOOD}, ["m.csv", "--hop-ms", "30"], 2, ["hop_ms (30.0) must be at most frame_ms (25.0)"]),
    "no frame": (
        {"m.csv": GOOD},
        ["m.csv", "--frame-ms", "0.1", "--hop-ms", "0.1"],
        2,
        ["expected at least 2 samples in a frame and 1 in a hop, found 1 and 1 at 8000 Hz; make them longer"],
    ),
    "low rate": ({"m.csv": GOOD}, ["m.csv", "--sample-rate", "10"], 2, ["greater than or equal to 1000, found 10"]),
    "no number": ({"m.csv": GOOD}, ["m.csv", "--hop-ms", "nan"], 2, ["'hop_ms': "]),
    "endless": (
        {"m.csv": GOOD},
        ["m.csv", "--frame-ms", "inf"],
        2,
        ["'frame_ms': input should be less than or equal to 1000, found inf"],
    ),
    "no stack": ({"m.csv": GOOD}, ["m.csv", "--stack", "0"], 2, ["should be greater than or equal to 1, found 0"]),
    "tokens": (
        {"m.csv": GOOD},
        ["m.csv", "--tokens", "letters"],
        2,
        ["'letters' is not one of 'words', 'spaces', 'characters', 'bpe'"],
    ),
    "few byte pairs": (
        {"m.csv": GOOD},
        ["m.csv", "--tokens", "bpe", "--vocabulary-size", "99"],
        2,
        ["bpe needs at least 258"],
    ),
    "typo": ({"m.csv": GOOD}, ["m.csv", "--bidirectionl"], 2, ["No such option: --bidirectionl", "--bidirectional"]),
    "of another task": ({"m.csv": GOOD}, ["m.csv", "--horizon", "3"], 2, ["No such option: --horizon"]),
    "group beside a split": (
        {"m.csv": "path,text,split\n0.wav,a,train\n1.wav,b,train\n2.wav,c,valid\n"},
        ["m.csv", "--split-column", "split", "--group-column", "text"],
        2,
        ["option 'group_column' (text) would have no effect: --split-column divides them"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_a_message_and_leaves_nothing(
    case: str, pile: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, arguments, code, messages = BAD[case]
    monkeypatch.chdir(shutil.copytree(pile, tmp_path, dirs_exist_ok=True))
    for name, content in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(content.encode("utf-8", "surrogateescape"))
    before = {path.name for path in tmp_path.iterdir()}
    result = cli("train", "transcribe", *arguments, "--epochs", "1", "--hidden-size", "4", "--out", "model")
    for message in messages:
        assert message in said(result), result.output
    assert (result.exit_code, "epoch 1" in result.stderr) == (code, False)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_stereo_8_bits_96_khz_and_silence_are_learnt_from(tones: Play, cli: Cli, tmp_path: Path) -> None:
    rows = []
    for number, text in enumerate([*TEXTS, *TEXTS, "", ""]):
        rate = 96_000 if number % 3 == 0 else 8000
        sound = tones(text, number, rate) if text else np.zeros(rate // 10)
        told = {"subtype": "PCM_U8"} if number % 3 == 1 else {}
        write(tmp_path / f"{number}.wav", np.stack([sound, sound], 1) if number % 2 else sound, rate, **told)
        rows.append(f"{number}.wav,{text}\n")
    (tmp_path / "m.csv").write_text(HEAD + "".join(rows))
    result = cli("train", "transcribe", tmp_path / "m.csv", *QUICK, "--sample-rate", "16000", "--out", tmp_path / "m")
    assert result.exit_code == 0, result.output
    assert "m.csv: 2 of 14 transcripts are empty" in said(result)
    assert "have a lower sample rate (8,000 Hz) than the 16,000 Hz at which they are heard" in said(result)


ASKED: list[tuple[list[str], int, str]] = [
    (
        ["predict", "STREAM", "gone.wav", "0.wav", "cut.wav", "0.npy", "empty.wav", "noise.flac"],
        3,
        "of 6 given: 5 faulty recordings: gone.wav: there is no such file or folder, did you mean 'none.wav'? cut.wav: "
        "the file is cut off: expected 2,880 bytes, found 956; copy or record it again, or take it out 0.npy: expected "
        "audio, as in training, found features empty.wav: the file is empty (0 bytes) noise.flac: expected audio (WAV, "
        "FLAC, OGG) that is whole, cannot be decoded",
    ),
    (
        ["predict", "STREAM", "gone.wav"],
        3,
        "error: gone.wav: there is no such file or folder, did you mean 'none.wav'?",
    ),
    (["predict", "STREAM", "0.npy"], 3, "error: 0.npy: expected audio, as in training, found features"),
    (["predict", "STREAM", "nan.wav"], 3, "nan.wav: expected finite samples, found nan at 0.050 s"),
    (["predict", "STREAM", "late.flac"], 3, "late.flac: expected audio (WAV, FLAC, OGG) that is whole, cannot be dec"),
    (["predict", "STREAM", "some text"], 3, "some text: there is no such file"),
    (["predict", "STREAM", "m.csv", "--path-column", "pat"], 3, "--path-column: there is no column 'pat', did you mea"),
    (["predict", "STREAM", "texts"], 3, "texts: expected recordings (.wav .flac"),
    (["predict", "STREAM", "lost.csv"], 3, "lost.csv: 2 faulty rows: lost.csv, line 2: there is no file gone.wav lost"),
    (
        ["predict", "FEATURES", "0.wav", "wide.npy", "gone.npy"],
        3,
        "of 3 given: 2 faulty recordings: 0.wav: expected features (.npy or .npz), as in training, found audio "
        "gone.npy: there is no such file",
    ),
    (["predict", "FEATURES", "wide.npy"], 3, "wide.npy: expected 16 numbers in a frame, as in training, found 17"),
    (["predict", "FEATURES", "nan.npy"], 3, "nan.npy: expected finite numbers, found others, first in frame 2"),
    (
        ["predict", "FEATURES", "-"],
        3,
        "standard input: expected features (.npy or .npz), as in training, found raw sam",
    ),
    (["predict", "FEATURES", "0.npy", "--chunk", "0.1"], 2, "'chunk' (0.1) would have no effect: the model reads feat"),
    (
        ["predict", "BOTH", "0.wav", "--chunk", "0.1"],
        2,
        "option 'chunk' (0.1) would have no effect: the model reads from both ends, so it waits for the last sample; "
        "train with --no-bidirectional to follow a stream",
    ),
    (["predict", "BOTH", "-", "--chunk", "0.1"], 2, "train with --no-bidirectional to follow a stream"),
    (
        ["predict", "STREAM", "0.wav", "--chunk", "0"],
        2,
        "Invalid value for '--chunk': Input should be greater than or equal to 0.01",
    ),
    (["predict", "STREAM", "0.wav", "--chunk", "nan"], 2, "Invalid value for '--chunk'"),
    (["predict", "STREAM", "0.wav", "--chunk", "inf"], 2, "'--chunk': Input should be less than or equal to 3600"),
    (["predict", "STREAM", "0.wav", "--sample-rate", "8000"], 2, "'sample_rate' (8000) would have no effect: no raw s"),
    (
        ["predict", "STREAM", "-", "--sample-rate", "10"],
        2,
        "'--sample-rate': Input should be greater than or equal to 1000",
    ),
    (
        ["predict", "STREAM", "-", "--sample-rate", "999999999"],
        2,
        "'--sample-rate': Input should be less than or equal to 192000",
    ),
    (["predict", "STREAM", "-"], 3, "standard input: expected samples of 16 bits, found an odd number of bytes"),
    (["predict", "STREAM", "0.wav", "--text-column", "x"], 2, "option 'text_column' (x) would have no effect: no man"),
    (["predict", "STREAM", "0.wav", "--delimiter", "tab"], 2, "option 'delimiter' (tab) would have no effect: no man"),
    (["predict", "STREAM", "-", "--header"], 2, "option 'header' (True) would have no effect: no manifest is read"),
    (["predict", "STREAM", "0.wav", "--beam", "0"], 2, "'--beam': Input should be greater than or equal to 1"),
    (["predict", "STREAM", "0.wav", "--bean", "2"], 2, "No such option: --bean (Possible options: --beam)"),
    (["predict", "STREAM", "0.wav", "--n-best", "2"], 2, "option 'n_best' (2) would have no effect: the model is of"),
    (
        ["predict", "STREAM", "0.wav", "--language-weight", "1"],
        2,
        "'language_weight' (1.0) would have no effect: there",
    ),
    (["predict", "STREAM", "0.wav", "--language-bonus", "0"], 2, "'language_bonus' (0.0) would have no effect: there"),
    (["predict", "STREAM", "0.wav", "--language-model", "gone"], 3, "gone: "),
    (["predict", "STREAM", "0.wav", "--language-model", "STREAM"], 2, "expected a language model"),
    (
        ["predict", "STREAM", "0.wav", "--language-model", "LANGUAGE", "--beam", "1"],
        2,
        "option 'language_model' would have no effect: with --beam 1 nothing is compared",
    ),
    (
        ["predict", "STREAM", "0.wav", "--language-model", "LANGUAGE", "--language-weight", "0"],
        2,
        "language_weight: expected a number above 0, or no --language-model, got 0.0",
    ),
    (
        ["evaluate", "STREAM", "m.csv", "--language-model", "LANGUAGE", "--language-bonus", "nan"],
        2,
        "language_bonus: expected a finite number, got nan",
    ),
    (["evaluate", "STREAM", "m.csv", "--chunk", "1"], 2, "No such option: --chunk"),
    (["evaluate", "STREAM", "m.csv", "--language-weight", "1"], 2, "'language_weight' (1.0) would have no effect"),
    (["evaluate", "STREAM", "m.csv", "--label-column", "x"], 2, "option 'label_column' (x) would have no effect"),
    (["evaluate", "STREAM", "m.csv", "--text-column", "x"], 3, "--text-column: there is no column 'x'"),
    (["evaluate", "STREAM", "silent"], 3, "silent: expected a transcript beside each recording"),
    (["evaluate", "STREAM", "silent/0.wav"], 3, "expected its transcript in silent/0.txt, found no such file"),
    (["evaluate", "STREAM", "silent", "--path-column", "x"], 2, "'path_column' ('x') would have no effect: silent is"),
    (["evaluate", "STREAM", "lost.csv"], 3, "lost.csv: 2 faulty rows:"),
    (["evaluate", "STREAM", "f.csv"], 3, "f.csv: 6 faulty recordings: 0.npy: expected audio, as in training, found f"),
    (["evaluate", "FEATURES", "m.csv"], 3, "m.csv: 6 faulty recordings: 0.wav: expected features (.npy or .npz), as i"),
    (["check", "STREAM", "lost.csv"], 3, "lost.csv: 2 faulty rows:"),
    (["check", "FEATURES", "m.csv"], 3, "m.csv: 6 faulty recordings:"),
    (["predict", "CLASSIFIER", "a", "--chunk", "1"], 2, "option 'chunk' (1.0) would have no effect: the model is of"),
    (["predict", "CLASSIFIER", "a", "--sample-rate", "8000"], 2, "option 'sample_rate' (8000) would have no effect"),
    (["evaluate", "CLASSIFIER", "m.csv", "--path-column", "path"], 2, "'path_column' (path) would have no effect"),
    (["generate", "STREAM"], 2, "expected a language model, found a model of the task transcribe"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), ASKED, ids=lambda part: None)
def test_asking_a_model_wrongly(
    arguments: list[str],
    code: int,
    message: str,
    pile: Path,
    cli: Cli,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(shutil.copytree(pile, tmp_path, dirs_exist_ok=True))
    (tmp_path / "texts").mkdir()
    for name, content in (("m", GOOD), ("f", FEATURES), ("lost", f"{HEAD}gone.wav,a\nlost.wav,b\n0.wav,ab\n")):
        Path(f"{name}.csv").write_text(content)
    before = {path.name for path in tmp_path.iterdir()}
    models = {"STREAM": "tiny_transcriber", "BOTH": "both", "FEATURES": "of_features", "LANGUAGE": "language_model"}
    models["CLASSIFIER"] = "tiny_model"
    told = [request.getfixturevalue(models[each]) if each in models else each for each in arguments]
    result = cli(*told, input=b"odd")
    assert message in said(result), result.output
    if "odd number" not in message:
        assert result.stdout == ""
    assert result.exit_code == code
    assert {path.name for path in tmp_path.iterdir()} == before
