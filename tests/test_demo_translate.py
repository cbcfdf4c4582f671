"""The demo of translation: its lists, whose answers are read back by rules of their own, its models and its page."""

from __future__ import annotations

import io
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from recurra.checkpoint import read_model
from recurra.demo import print_translate_summary, run_translate_demo
from recurra.demo.numbers import (
    LONGEST_TESTED,
    LONGEST_TRAINED,
    PairCounts,
    make_lists,
    old_style,
    ordinal,
    spoken_day,
    spoken_number,
    spoken_year,
)
from recurra.diagnose.translate_findings import TranslateReport
from recurra.errors import OutputError, SettingsError
from recurra.train import Callback, EpochRecord

COUNTS = PairCounts(train=200, valid=20, test=40)
TINY = {"hidden_size": 8, "embedding_size": 8, "epochs": 1}
ONES = dict(zip(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], range(10)))
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
TENS = dict(zip(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], range(20, 100, 10)))
VALUES = {**ONES, **dict(zip(TEENS.split(), range(10, 20))), **TENS, "oh": 0}
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
ORDINALS = {"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12, "twentieth": 20}
ORDINALS |= {"thirtieth": 30}


def read_number(words: str) -> int:
    """A number of up to four digits, by adding and multiplying from left to right."""
    total = part = 0
    for word in words.replace("-", " ").split():
        if word == "thousand":
            total, part = 1000 * part, 0
        elif word == "hundred":
            part *= 100
        elif word != "and":
            part += VALUES[word]
    return total + part


def read_ordinal(words: str) -> int:
    *tens, last = words.split("-")
    own = ORDINALS.get(last) or VALUES[last.removesuffix("th")]
    return own + (TENS[tens[0]] if tens else 0)


def read_item(words: str) -> str:
    """A day or a number in figures, by rules that are not those that made it; not a year."""
    month = next((number for number, name in enumerate(MONTHS, 1) if name in words), None)
    if month is not None:
        rest = re.sub(rf"\b(the|of|{MONTHS[month - 1]})\b", "", words).strip()
        digits = re.sub(r"\D", "", rest)
        return f"{month:02}-{int(digits) if digits else read_ordinal(rest):02}"
    if "-and-" in words:
        ones, tens = words.split("-and-")
        return str(TENS[tens] + ONES[ones])
    return str(read_number(words))


@pytest.mark.parametrize("joined", [True, False])
def test_all_numbers_are_read_back(joined: bool) -> None:
    spoken = [spoken_number(number, joined) for number in range(10_000)]
    assert [read_number(words) for words in spoken] == list(range(10_000))
    assert len(set(spoken)) == 10_000


def test_years_old_numbers_and_ordinals() -> None:
    for year in (*range(1100, 2000), *range(2010, 2100)):
        words = spoken_year(year)
        first, *rest = words.split(" ", 1)
        assert 100 * VALUES[first] + (read_number(rest[0].replace("oh ", "")) if rest[0] != "hundred" else 0) == year
    for number in (each for each in range(21, 100) if each % 10):
        ones, tens = old_style(number).split("-and-")
        assert ONES[ones] + TENS[tens] == number
    for number in range(1, 32):
        assert read_ordinal(ordinal(number)) == number


def test_each_day_of_a_leap_year_in_each_style() -> None:
    for number in range(366):
        day = date(2000, 1, 1) + timedelta(number)
        for style in range(4):
            assert read_item(spoken_day(day, style)) == f"{day.month:02}-{day.day:02}"
    assert [spoken_day(date(2000, 5, day), 3) for day in (1, 2, 3, 11, 12, 13, 21)] == [
        f"May {text}" for text in ("1st", "2nd", "3rd", "11th", "12th", "13th", "21st")
    ]


@pytest.mark.parametrize(
    ("make", "wrong", "message"),
    [
        (spoken_number, 10_000, "number: expected 0 to 9999, got 10000"),
        (spoken_number, -1, "number: expected 0 to 9999, got -1"),
        (spoken_year, 2005, "year: expected 1100 to 1999 or 2010 to 2099, got 2005"),
        (old_style, 30, "number: expected 21 to 99 and no multiple of ten, got 30"),
        (ordinal, 0, "number: expected 1 to 99, got 0"),
    ],
)
def test_what_cannot_be_said(make, wrong: int, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make(wrong)
    assert str(caught.value) == message


def test_lists_differ_are_as_long_as_said_and_a_function_of_the_seed() -> None:
    lists = make_lists(3, COUNTS)
    assert lists == make_lists(3, COUNTS) != make_lists(4, COUNTS)
    assert {part: len(pairs) for part, pairs in lists.items()} == COUNTS._asdict()
    figures = [pair.figures for pairs in lists.values() for pair in pairs]
    assert len(set(figures)) == len(figures)
    lengths = {part: {len(pair.figures.split()) for pair in pairs} for part, pairs in lists.items()}
    assert lengths["train"] == lengths["valid"] == set(range(1, LONGEST_TRAINED + 1))
    assert lengths["test"] == set(range(1, LONGEST_TESTED + 1))
    for pair in lists["train"]:
        items, answers = pair.words.split(", "), pair.figures.split()
        assert len(items) == len(answers)
        for words, answer in zip(items, answers):
            if any(month in words for month in MONTHS) or "-and-" in words:
                assert read_item(words) == answer


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TranslateReport:
    """A demo that was run twice into the same folder, the second time over the first."""
    out = tmp_path_factory.mktemp("demo") / "out"
    run_translate_demo(out, 1, counts=COUNTS, **TINY)
    return run_translate_demo(out, 1, counts=COUNTS, **TINY)


def test_the_folder_has_lists_models_and_a_page(made: TranslateReport) -> None:
    expected = {"train.tsv", "valid.tsv", "test.tsv", "report.html", "attention", "fixed-vector"}
    assert {path.name for path in made.out.iterdir()} == expected
    lines = (made.out / "test.tsv").read_text(encoding="utf-8").splitlines()
    assert [tuple(line.split("\t")) for line in lines[1:]] == make_lists(1, COUNTS)["test"]
    kinds = {name: read_model(made.out / name).task.config.model.attention for name in ("attention", "fixed-vector")}
    assert kinds == {"attention": "additive", "fixed-vector": "none"}


def test_shares_are_counted_from_the_answers(made: TranslateReport) -> None:
    for answers in made.answers.values():
        right = [one == other for one, other in zip(answers.texts, answers.right, strict=True)]
        everywhere = made.items > 0
        assert answers.exact(everywhere)["value"] == pytest.approx(sum(right) / len(right))


def test_the_page_is_whole_and_needs_nothing_else(made: TranslateReport) -> None:
    page = (made.out / "report.html").read_text(encoding="utf-8")
    assert "<h1>What a fixed vector forgets</h1>" in page
    assert page.count("<svg") >= 4
    assert not re.search(r"\$\{?[a-z_]+", page.split("</style>", 1)[1])
    assert not re.search(r'(?:src|href)="https?://', page)


def test_the_summary_says_scores_and_what_to_try(made: TranslateReport) -> None:
    console = Console(file=io.StringIO(), width=100)
    print_translate_summary(made, console)
    said = console.file.getvalue()
    for part in ("with attention", "fixed vector", "nearest source", "report.html", "recurra predict", "recurra check"):
        assert part in said


def test_nothing_foreign_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"it holds notes\.txt, not made by the demo"):
        run_translate_demo(tmp_path, counts=COUNTS, **TINY)
    other = tmp_path / "other"
    other.mkdir()
    (other / "train.tsv").write_text("a\tb\n")
    with pytest.raises(OutputError, match=r"train\.tsv: in use: not made by the demo"):
        run_translate_demo(other, counts=COUNTS, **TINY)


def test_stopping_leaves_no_page(tmp_path: Path) -> None:
    class Stop(Callback):
        def on_epoch(self, record: EpochRecord) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_translate_demo(tmp_path / "out", callbacks=[Stop()], counts=COUNTS, **TINY)
    assert not (tmp_path / "out" / "report.html").exists()
