"""What several tests share: small labelled files, a tiny trained model made once, and the command line."""

from __future__ import annotations

import csv
import logging
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from recurra.cli import app
from recurra.config import make_run_config
from recurra.fit import fit

Rows = list[tuple[str, str]]

SMALL: dict[str, Any] = {"hidden_size": 8, "embedding_size": 8, "epochs": 2, "min_count": 1, "learning_rate": 0.02}
FILLERS = ["the", "film", "a", "plot", "it", "and", "cast", ",", "was", "music", "so", "scene", "that", "long"]


def made_up_reviews(count: int, seed: int) -> Rows:
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        label, telling = (("pos", ["good", "fine"]), ("neg", ["bad", "dull"]))[number % 2]
        words = [*rng.choices(FILLERS, k=rng.randint(1, 11)), rng.choice(telling)]
        rng.shuffle(words)
        rows.append((" ".join(words), label))
    return rows


def write_rows(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Models so small are no faster with more, and several that wait for one another on a busy machine far slower."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """The command line sets up the package's logger: no test inherits that, nor what a module's fixtures made of it."""
    logger = logging.getLogger("recurra")
    logger.handlers = []
    logger.setLevel(logging.NOTSET)
    yield
    logger.handlers = []
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def reviews() -> Callable[[int, int], Rows]:
    """Make so many texts of 2 to 12 words, with a seed, and their labels, which one word of each decides."""
    return made_up_reviews


@pytest.fixture
def make_csv(tmp_path: Path) -> Callable[[str, Rows], Path]:
    """Write texts and labels into a file of the test's own folder."""
    return lambda name, rows: write_rows(tmp_path / name, rows)


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """The settings of a training run that takes a moment."""
    return dict(SMALL)


@pytest.fixture(scope="session")
def small_options() -> list[str]:
    """The same settings as options of the command line."""
    return [part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(scope="session")
def reviews_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 labelled texts, 30 of each class."""
    return write_rows(tmp_path_factory.mktemp("data") / "reviews.csv", made_up_reviews(60, 0))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, reviews_csv: Path) -> Path:
    """A model directory made once; tests only read it."""
    place = tmp_path_factory.mktemp("models") / "tiny"
    fit(make_run_config("classify", data=str(reviews_csv), **SMALL), place)
    return place


@pytest.fixture
def model_copy(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may damage."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


@pytest.fixture
def cli() -> Callable[..., Result]:
    """Run the command line in this process; an error that it does not report itself fails the test."""

    def run(*arguments: object, **options: Any) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], **options)
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture(scope="session")
def command() -> list[str]:
    """The command line as a process of its own."""
    return [sys.executable, "-c", "from recurra.cli import main; main()"]


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment of such a process: one thread, as quick as any for so small a model."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
    return {**os.environ, **dict.fromkeys(names, "1")}


SMALL_LANGUAGE_MODEL: dict[str, Any] = {
    "hidden_size": 8,
    "embedding_size": 8,
    "num_layers": 1,
    "dropout": 0.0,
    "epochs": 2,
    "min_count": 1,
    "batch_size": 4,
    "steps": 10,
    "learning_rate": 0.02,
}


def made_up_lines(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    subjects, verbs = ["the cat", "a dog", "our film"], ["sees", "likes", "hates"]
    objects = ["the mouse .", "a bone !", "it , too .", ""]
    return [" ".join((rng.choice(subjects), rng.choice(verbs), rng.choice(objects))) for _ in range(count)]


@pytest.fixture
def lines() -> Callable[[int, int], list[str]]:
    """Make so many lines of running text, with a seed."""
    return made_up_lines


@pytest.fixture(scope="session")
def small_language_model() -> dict[str, Any]:
    """The settings of a language model that is trained in a moment."""
    return dict(SMALL_LANGUAGE_MODEL)


@pytest.fixture(scope="session")
def running_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 120 lines."""
    path = tmp_path_factory.mktemp("data") / "running.txt"
    path.write_text("".join(f"{line}\n" for line in made_up_lines(120, 0)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_language_model(tmp_path_factory: pytest.TempPathFactory, running_text: Path) -> Path:
    """The directory of a language model of words, made once; tests only read it."""
    place = tmp_path_factory.mktemp("models") / "language"
    fit(make_run_config("language-model", data=str(running_text), **SMALL_LANGUAGE_MODEL), place)
    return place


TONES = {"a": 500, "b": 900, "c": 1500, "d": 2300, " ": 3200}  # Hz
HEARD_AT = 8000
SMALL_TRANSCRIBER: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 32,
    "num_layers": 1,
    "dropout": 0.0,
    "stack": 2,
    "mels": 16,
    "time_masks": 0,
    "frequency_masks": 0,
    "epochs": 10,
    "batch_size": 8,
    "learning_rate": 0.02,
}


def played(text: str, seed: int = 0, sample_rate: int = HEARD_AT) -> NDArray[np.float32]:
    """A text as tones of 50 ms, one for each letter, 30 ms apart, with a little noise."""
    seconds = np.arange(round(0.05 * sample_rate)) / sample_rate
    pieces = [np.zeros(round(0.02 * sample_rate))]
    for letter in text:
        pieces += [0.4 * np.sin(2 * np.pi * TONES[letter] * seconds), np.zeros(round(0.03 * sample_rate))]
    sound = np.concatenate(pieces)
    return (sound + 0.01 * np.random.default_rng(seed).standard_normal(len(sound))).astype(np.float32)


def made_up_words(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join("".join(rng.choices("abcd", k=rng.randint(1, 3))) for _ in range(1 + n % 2)) for n in range(count)]


@pytest.fixture(scope="session")
def tones() -> Callable[..., NDArray[np.float32]]:
    """Play a text of the letters a to d and spaces, with a seed of its noise and a sample rate."""
    return played


@pytest.fixture(scope="session")
def tone_texts() -> Callable[[int, int], list[str]]:
    """Make so many texts of one or two words, with a seed."""
    return made_up_words


@pytest.fixture(scope="session")
def small_transcriber() -> dict[str, Any]:
    """The settings of a transcriber that learns tones in a second."""
    return dict(SMALL_TRANSCRIBER)


@pytest.fixture(scope="session")
def tones_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 90 recordings of 0.1 to 0.6 s beside it."""
    folder = tmp_path_factory.mktemp("tones")
    rows = ["path,text"]
    for number, text in enumerate(made_up_words(90, 0)):
        soundfile.write(folder / f"{number}.wav", played(text, number), HEARD_AT)
        rows.append(f"{number}.wav,{text}")
    path = folder / "tones.csv"
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_transcriber(tmp_path_factory: pytest.TempPathFactory, tones_csv: Path) -> Path:
    """The directory of a transcriber that can follow a stream and has learnt the tones; tests only read it."""
    place = tmp_path_factory.mktemp("models") / "transcriber"
    fit(make_run_config("transcribe", data=str(tones_csv), bidirectional=False, **SMALL_TRANSCRIBER), place)
    return place


_VOID = {"meta", "br", "link", "img", "input", "hr"}


class PageReader(HTMLParser):
    """Notes the elements of a page, and fails where one is not closed in turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="session")
def read_page() -> type[PageReader]:
    """Read an HTML page; one whose elements are not closed in turn fails the test."""
    return PageReader
