"""An explanation on a terminal and as a page: its numbers, coloured text, heat maps, and no empty plot."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from recurra.diagnose.explained import Explained, Forming
from recurra.diagnose.explained_figures import explained_figures, forming_figure, states_figure
from recurra.diagnose.explained_sections import explained_page
from recurra.diagnose.explained_terminal import print_explained
from recurra.diagnose.explained_words import changes, of_interest, strongest
from recurra.diagnose.heat import heat_figure

SVG = "{http://www.w3.org/2000/svg}"
Make = Callable[..., Explained]
WORDS = ["not", "a", "good", "film"]


def printed(found: Explained, colours: bool = False) -> str:
    file = io.StringIO()
    kind = {"force_terminal": True, "color_system": "standard"} if colours else {}
    print_explained(found, Console(file=file, width=100, highlight=False, **kind))
    return file.getvalue()


def page_of(found: Explained) -> str:
    return explained_page(found, explained_figures(found), "runs/reviews", {"made on": "a day"})


def pixels(drawing: str) -> list[np.ndarray]:
    """The images in a figure, [rows, columns, 4] each."""
    found = re.findall(r"data:image/png;base64,\s*([^\"]+)\"", drawing)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def test_one_answer_in_numbers(make_explained: Make):
    text = printed(make_explained(WORDS, ["pos"]))
    assert text.startswith("classify: not a good film\npos (97.3 %)\n")
    for row in (r"not +\+0\.250 +\+0\.125", r"a +-0\.500 +-0\.250", r"good +\+0\.750 +\+0\.375", r"film +-1\.000"):
        assert re.search(row, text)
    assert "add up to -0.500 log-odds; the answer moved by -0.501, from -0.250" in text
    assert "to -0.751; missed by 0.001." in text
    assert "\x1b" not in text


def test_influences_are_coloured_and_what_speaks_against_is_underlined(make_explained: Make):
    found = make_explained(WORDS, ["pos"], known=[True, True, False, True])
    text = printed(found, colours=True)
    (line,) = [line for line in text.splitlines() if "film" in line and "good" in line and "\x1b[" in line]
    styles = dict(re.findall(r"\x1b\[([\d;]+)m\[?(\w+)\]?\x1b\[0m", line))
    by_word = {word: style.split(";") for style, word in styles.items()}
    assert by_word["not"] == ["34"]  # a quarter of the strongest: blue letters
    assert by_word["a"] == ["4", "30", "43"]  # half of it: underlined, on yellow
    assert by_word["film"] == ["1", "4", "30", "43"]
    assert "[good]" in line
    assert "4" not in by_word["good"][:2]


def test_several_answers_and_a_small_table(make_explained: Make):
    tags = ["DET", "ADJ", "NOUN", "X"]
    names = [f"{word}:\u00a0{tag}" for word, tag in zip(WORDS, tags)]
    told = [f"{word}: {tag} (50.0 %)" for word, tag in zip(WORDS, tags)]
    found = make_explained(WORDS, tags, task="tag", names=names, told=told)
    text = printed(found)
    assert re.search(r"piece +not: DET +a: ADJ +good: NOUN +film: X", text)
    assert re.search(r"film +-1\.000 +-2\.000 +-3\.000 +-4\.000", text)
    assert "film: X (50.0 %)   film -4.000  good +3.000  a -2.000  not +1.000" in text
    assert "The influences on each of 4 answers add up" in text
    assert "miss it by at most 0.001" in text


def test_many_answers_show_those_that_moved_furthest(make_explained: Make):
    pieces = [f"w{number}" for number in range(50)]
    found = make_explained(pieces, [f"t{number}" for number in range(50)], task="translate")
    assert of_interest(found, 3) == [47, 48, 49]
    text = printed(found)
    assert "What moved each answer most, 20 of 50 (--json has all):" in text
    assert "t49 (97.3 %)" in text
    assert "t29 (97.3 %)" not in text


def test_many_pieces_show_the_strongest(make_explained: Make):
    found = make_explained([f"w{number}" for number in range(60)], ["pos"])
    text = printed(found)
    assert "the 40 strongest of 60 (--json has all)" in text
    assert re.search(r"w59 +-15\.000", text)
    assert not re.search(r"w19 +-5\.000", text)
    assert strongest(np.array([0.0, -2.0, 1.0]), 5) == [1, 2]


def test_surprise_of_a_language_model(make_explained: Make):
    found = make_explained(
        ["the", "cat", "\n"], ["the", "cat", "\n"], task="language-model", unit="nats", surprise=True
    )
    found = replace(found, scores=-np.log(2.0) * np.array([1.0, 12.0, 3.0]))
    text = printed(found)
    assert "mean surprise 5.33 bits" in text
    assert re.search(r"cat +12\.0\s+↵ +3\.0\s+the +1\.0", text)
    page = page_of(found)
    shown = re.findall(r'<span class="tok" style="--a:([\d.]+)" title="(\w+|↵): ([\d.]+) bits"', page)
    assert ("0.86", "cat", "12.0") in shown
    assert ("0.07", "the", "1.0") in shown
    assert "5.33" in page


def test_steps_of_a_series_are_bars_with_signs(make_explained: Make):
    found = make_explained(["1", "2-3", "4"], ["slow"], source="series.csv", is_text=False)
    assert "influence  ▃▆█\n  sign       +-+\n" in printed(found)
    assert 'class="tokens"' not in page_of(found)


def test_pieces_without_any_influence_are_told_and_make_no_empty_table(make_explained: Make, read_page):
    words = [str(number) for number in range(300)]
    found = make_explained(words, ["pos"])
    nothing = np.zeros_like(found.influences)
    found = replace(found, influences=nothing, left_out=nothing, scores=found.start, gap=0 * found.gap)
    assert "None of 300 pieces has an influence on pos." in printed(found)
    assert "strongest" not in printed(found)
    page = page_of(found)
    read_page(page)
    assert "None of 300 pieces has an influence on the answer." in page
    assert "strongest of" not in page


def test_times_and_classes_of_two_words_are_read_as_they_are(make_explained: Make):
    pieces = ["2016-07-29 16:00:00 to 2016-07-29 17:00:00", "0.04 s"]
    found = make_explained(pieces, ["y"], is_text=False, forming=[Forming(1, "up", 0.5), Forming(2, "far up", 0.6)])
    text = printed(found)
    assert "·" not in text
    for piece in pieces:
        assert piece in text
    assert "far up" in forming_figure(found.forming, True)


def test_what_was_not_read_is_told_with_its_reason(make_explained: Make):
    words = ["a", "b"]
    of_text = make_explained(words, ["pos"], truncated=1)
    assert "1 piece at the end was not given to the model: its longest input was reached." in page_of(of_text)
    read = make_explained(words, words, task="language-model", surprise=True, truncated=1_901)
    assert "The first 2 symbols are explained; 1,901 more follow." in printed(read)
    assert "longest input" not in page_of(read)


def test_a_number_that_is_a_text_is_shown_as_one(make_explained: Make):
    found = make_explained(["911"], ["pos"])
    assert "sign   " not in printed(found)
    assert 'class="tokens"' in page_of(found)


def test_forecasts_are_no_probabilities(make_explained: Make):
    forming = [Forming(1, "May: 0.25", 0.25), Forming(2, "May: 0.75", 0.75)]
    found = make_explained(["March", "April"], ["May"], forming=forming, probable=False)
    assert "April → May: 0.75\n" in printed(found)
    assert "75.0 %" not in page_of(found)
    assert ">forecast<" in re.sub(r"\s", "", forming_figure(forming, False))


def test_the_answer_as_it_forms(make_explained: Make, forming: list[Forming], read_page):
    found = make_explained(WORDS, ["pos"], forming=forming)
    text = printed(found)
    assert (
        "     1 of 4  not → neg (60.0 %)\n     3 of 4  good → pos (90.0 %)\n     4 of 4  film → pos (97.0 %)\n" in text
    )
    assert [one.read for one in changes(forming)] == [1, 3, 4]
    assert changes([]) == []
    many = [Forming(number, str(number), 0.5) for number in range(100)]
    assert [one.read for one in changes(many)][::11] == [0, 99]
    assert "forming" in [attributes.get("id") for _, attributes in read_page(page_of(found)).seen]
    drawing = forming_figure(forming, True)
    assert {"neg", "pos"} <= {text.strip() for text in ElementTree.fromstring(drawing).itertext()}


def test_the_states_of_the_most_active_units(make_explained: Make):
    found = make_explained(WORDS, ["pos"])
    assert "Most active units of encoder, layer 1, h over 4 steps:" in printed(found)
    assert re.search(r"unit +0  ▁██▂  \+0\.00 to \+0\.91", printed(found))
    images = pixels(states_figure(found.layers[0]))
    assert [image.shape for image in images] == [(32, 4, 4)] * 6  # 16 of 20 units, two points high, of 6 parts
    assert "no recurrent layer" in printed(replace(found, layers=[]))


def test_heat_is_full_above_zero_and_flat_below():
    values = np.array([[0.5, -1.0], [0.0, 2.0]])
    drawing = heat_figure({"a panel": (values, 1.0)}, ["<b>", "$y$"], ["a\x00", " b"], "A <title>")
    (image,) = pixels(drawing)
    assert image[..., 3].tolist() == [[128, 0], [128, 255], [0, 255], [0, 255]]
    assert tuple(image[0, 0, :3]) != tuple(image[1, 1, :3])
    root = ElementTree.fromstring(drawing)
    assert root.findtext(f"{SVG}title") == "A <title>"
    texts = {text.strip() for text in root.itertext()}
    assert {"<b>", "$y$", "a␀", "·b", "a panel"} <= texts
    assert drawing == heat_figure({"a panel": (values, 1.0)}, ["<b>", "$y$"], ["a\x00", " b"], "A <title>")


def test_the_page_is_whole(make_explained: Make, forming: list[Forming], read_page):
    attention = np.array([[0.1, 0.2, 0.3, 0.4]])
    found = make_explained(WORDS, ["pos"], forming=forming, attention=attention, truncated=3)
    reader = read_page(page_of(found))
    sections = [attributes["id"] for tag, attributes in reader.seen if tag == "section"]
    assert sections == ["answer", "influences", "attention", "forming", "states", "made"]
    assert sum(tag == "svg" for tag, _ in reader.seen) == 4
    tokens = [
        attributes.get("title") for _, attributes in reader.seen if "token" in (attributes.get("class") or "").split()
    ]
    assert [title for title in tokens if title] == [
        "not: +0.25, speaks for the answer",
        "a: −0.50, speaks against it",
        "good: +0.75, speaks for the answer",
        "film: −1.00, speaks against it",
    ]
    for text in ("3 pieces at the end were not given", "missed by 0.001", "0.400", "−1.000", "−0.500"):
        assert text in reader.text
    assert re.search(r"0\.400", printed(found))


def test_the_page_of_several_answers(make_explained: Make, read_page):
    found = make_explained(WORDS, list("abcdefghij"), whole="abcdefghij", attention=np.full((10, 4), 0.25))
    figures = explained_figures(found)
    assert sorted(figures) == ["attention.svg", "explanation.svg", "left-out.svg", "states-1.svg"]
    assert pixels(figures["explanation.svg"])[0].shape == (20, 4, 4)
    reader = read_page(page_of(found))
    assert "The 8 answers that moved furthest are shown." in reader.text
    assert "abcdefghij" in reader.text
    titles = [ElementTree.fromstring(figure).findtext(f"{SVG}title") for figure in figures.values()]
    assert len(set(titles)) == 4


def test_the_page_loads_nothing_and_escapes_what_is_given(make_explained: Make, evil: str, read_page):
    pieces, answers = [evil, "</svg>", "$x$"], [evil, "<b>"]
    found = make_explained(pieces, answers, task="translate", unit=evil, attention=np.full((2, 3), 0.3))
    found = replace(found, forming=[Forming(1, evil, 0.5), Forming(2, "<i>", 0.6)])
    page = page_of(found)
    assert "<script" not in page
    assert "<b>bold" not in page
    reader = read_page(page)
    assert reader.text.count(evil) > 5
    for tag, attributes in reader.seen:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "i"}
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
    assert {link for link in re.findall(r"\w+://[^\s\"')]+", page) if "www.w3.org" not in link} == set()
    assert evil in printed(found)
    alone = replace(make_explained([evil], [evil]), forming=[Forming(1, evil, 0.5), Forming(1, "_" + evil, 0.5)])
    assert "<script" not in page_of(alone)
    assert evil in printed(alone)


@pytest.mark.parametrize("pieces", [[], ["one"]])
def test_no_piece_and_one_piece(pieces: list[str], make_explained: Make, read_page):
    found = make_explained(pieces, ["pos"])
    text = read_page(page_of(found)).text
    assert ("The model read no piece" in text) == (not pieces)
    assert ("There is nothing to explain" in printed(found)) == (not pieces)
    assert sorted(explained_figures(found)) == (["explanation.svg", "states-1.svg"] if pieces else [])
