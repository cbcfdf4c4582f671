"""The demo of transcription on few recordings: its files, its model, its page, and what it will not overwrite."""

from __future__ import annotations

import dataclasses
import io
import re
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from rich.console import Console

from recurra.checkpoint import read_model
from recurra.demo import print_transcribe_summary, run_transcribe_demo
from recurra.demo.report import render_transcribe
from recurra.demo.transcribe import NumberCounts
from recurra.demo.transcribe_findings import Heard, TranscribeReport, transcribe_sentences
from recurra.errors import OutputError
from recurra.train import Callback

COUNTS = NumberCounts(train=24, valid=6, test=10)
SETTINGS = {"epochs": 2, "hidden_size": 8}
SECTIONS = ["task", "listened", "noise", "scores", "stream", "wrong", "curve", "made"]


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[TranscribeReport]:
    """A demo that was run twice into the same folder, the second time over the first."""
    out = tmp_path_factory.mktemp("demo") / "out"
    return [run_transcribe_demo(out, 1, counts=COUNTS, **SETTINGS) for _ in range(2)]


@pytest.fixture(scope="module")
def made(twice: list[TranscribeReport]) -> TranscribeReport:
    return twice[1]


@pytest.fixture(scope="module")
def page(made: TranscribeReport) -> str:
    return (made.out / "report.html").read_text(encoding="utf-8")


def test_the_folder_holds_recordings_manifests_model_and_page(made: TranscribeReport) -> None:
    assert {path.name for path in made.out.iterdir()} == {
        *("model", "sounds", "train.csv", "valid.csv", "test.csv", "report.html")
    }
    assert made.sizes == COUNTS._asdict()
    for part, count in COUNTS._asdict().items():
        rows = pl.read_csv(made.out / f"{part}.csv", schema_overrides={"text": pl.String})
        assert rows.columns == ["path", "text", "decibels"]
        assert rows.height == count
        for path in rows["path"]:
            found = soundfile.info(made.out / path)
            assert (found.samplerate, found.channels, found.subtype) == (8000, 1, "PCM_16")
    assert pl.read_csv(made.out / "test.csv")["decibels"].to_list() == [20, 10, 5, 0, -5] * 2


def test_the_same_seed_gives_the_same_scores(twice: list[TranscribeReport]) -> None:
    first, second = twice
    assert first.scores == second.scores
    assert first.heard.heard == second.heard.heard


def test_what_was_heard_is_what_the_saved_model_hears(made: TranscribeReport) -> None:
    saved = read_model(made.out / "model")
    assert made.metrics == saved.metrics
    everything = np.ones(len(made.heard.said), bool)
    found = made.heard.error(everything)["value"]
    assert found == pytest.approx(made.scores["model"]["character_error"]["value"])
    assert [each.noise for each in made.listened] == [20, 5, -5]
    for each in made.listened:
        assert each.streamed == each.text == made.heard.heard[int(each.name[5:9])]
        assert "".join(key for key, _, _ in each.truth) == made.heard.said[int(each.name[5:9])]
        assert each.probabilities.sum(1) == pytest.approx(1, abs=1e-5)
        assert each.probabilities.shape == (-(-len(each.spectrogram) // 3), len(each.symbols))


def heard(*pairs: tuple[str, str, float]) -> Heard:
    said, texts, noise = zip(*pairs)
    return Heard(said, texts, np.array(noise))


def test_errors_by_hand() -> None:
    found = heard(("123", "123", 20), ("12", "1", 0), ("4567", "4067", 0))
    among = found.noise == 0
    assert found.error(among)["value"] == pytest.approx(2 / 6)
    assert found.whole(among)["value"] == 0
    assert found.whole(found.noise == 20)["value"] == 1
    assert found.error(found.noise == 20)["value"] == 0
    assert 0 < found.error(found.noise == 20)["high"] < 1  # none seen is no proof of none
    assert found.levels() == [20, 0]


def test_the_page_has_all_sections_and_nothing_from_outside(page: str) -> None:
    assert re.findall(r'<section id="(\w+)">', page) == SECTIONS
    assert "$" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert page.count("<svg") == page.count("<title>") - 1 == 5


def test_the_template_asks_for_what_the_sections_give() -> None:
    asked = set(re.findall(r"\$(\w+)", (files("recurra.demo") / "transcribe.html").read_text(encoding="utf-8")))
    assert asked == {
        *("train", "valid", "test", "stack", "milliseconds", "units", "listened", "by_noise_figure", "noise_rows"),
        *("score_rows", "streamed", "partial_rows", "wrong", "wrong_rows", "curve_note", "curve_figure"),
    }


def test_numbers_of_the_page_are_those_of_the_scores(made: TranscribeReport, page: str) -> None:
    for name, found in {"this model": made.scores["model"], **made.scores["baselines"]}.items():
        row = re.search(rf"<tr[^>]*><td>{name}</td>(.*?)</tr>", page)
        assert row is not None
        assert f"<td>{100 * found['character_error']['value']:.1f}<small>" in row[1]
    assert sum(f"<tr><td>{level:.0f}</td>" in page for level in made.heard.levels()) == 5


def test_what_is_heard_is_text_on_the_page(made: TranscribeReport) -> None:
    evil = dataclasses.replace(made.listened[0], text="<script>alert(1)</script>")
    page = render_transcribe(dataclasses.replace(made, listened=[evil], facts={"<b>": "& $lead"}))
    assert "<script>alert" not in page
    assert "&amp; $lead" in page
    silent = dataclasses.replace(made.listened[0], text="")
    assert "nothing heard" in render_transcribe(dataclasses.replace(made, listened=[silent]))


def test_the_summary_names_scores_report_and_commands(made: TranscribeReport) -> None:
    console = Console(file=io.StringIO(), width=100)
    print_transcribe_summary(made, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("20 dB", "-5 dB", "report.html", "recurra predict", "--chunk", *transcribe_sentences(made)):
        assert part in printed.replace("\n", " "), part


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("report.html", "<p>mine</p>", "not made by this command"),
        ("train.csv", "a,b\n1,2\n", "not made by this command"),
        ("model/notes.txt", "mine", "not made by this command"),
        ("mine.txt", "mine", "it holds mine.txt, not made by this command"),
    ],
)
def test_foreign_files_are_left_alone(tmp_path: Path, name: str, content: str, said: str) -> None:
    place = tmp_path / "out" / name
    place.parent.mkdir(parents=True)
    place.write_text(content)
    with pytest.raises(OutputError, match=said):
        run_transcribe_demo(tmp_path / "out", 0, counts=COUNTS, **SETTINGS)
    assert place.read_text() == content


def test_ctrl_c_leaves_no_page(made: TranscribeReport, tmp_path: Path) -> None:
    class Stop(Callback):
        def on_step(self, record: object) -> None:
            raise KeyboardInterrupt

    out = Path(shutil.copytree(made.out, tmp_path / "out"))
    with pytest.raises(KeyboardInterrupt):
        run_transcribe_demo(out, 0, [Stop()], counts=COUNTS, **SETTINGS)
    assert not (out / "report.html").exists()
