"""The examples run as a reader runs them, and reach what they claim."""

from __future__ import annotations

import math
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from recurra.demo.keypad import RATE, dial

FOLDER = Path(__file__).parent.parent / "examples"
SENTENCE = "Everything is quick except the search, which is slow."


def run(name: str, folder: Path, environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(FOLDER / name), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def load(name: str) -> dict[str, Any]:
    """What an example defines."""
    return runpy.run_path(str(FOLDER / name))


def test_each_example_is_listed():
    listed = re.findall(r"\]\((\w+\.py)\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(path.name for path in FOLDER.glob("*.py"))


def test_basic_lstm_text_classification(tmp_path, environment):
    printed = run("01_basic_lstm_text_classification.py", tmp_path, environment, SENTENCE)
    epochs = re.findall(r"^epoch +(\d+)/(\d+)  loss (\d\.\d+)  validation accuracy ([\d.]+) %$", printed, re.MULTILINE)
    assert [int(number) for number, *_ in epochs] == list(range(1, int(epochs[0][1]) + 1))
    assert float(epochs[-1][2]) < 0.5 < float(epochs[0][2])
    (accuracy, majority) = re.findall(r"test accuracy ([\d.]+) % \(majority class ([\d.]+) %\)", printed)[0]
    assert float(accuracy) > 80
    assert float(majority) == 50
    assert float(re.findall(r"test macro F1 ([\d.]+) %", printed)[0]) > 80
    assert re.search(rf"^(positive|negative) \(\d+ %\): {re.escape(SENTENCE)}$", printed, re.MULTILINE)
    assert not any(tmp_path.iterdir())


def test_gru_bidirectional_rnn(tmp_path, environment):
    sentences = ["Paint the old doors green .", "Paint dries slowly ."]
    printed = run("02_gru_bidirectional_rnn.py", tmp_path, environment, *sentences)
    score = r"([\d.]+) %, of words not in training ([\d.]+) %"
    epochs = re.findall(rf"^([\w ]+), epoch +(\d+)/\d+  validation: {score}$", printed, re.MULTILINE)
    assert [int(number) for _, number, *_ in epochs] == [*range(1, len(epochs) // 2 + 1)] * 2
    names = ("most frequent tag of each word", "forward GRU", "bidirectional GRU")
    usual, forward, both = (re.search(rf"^{name}: {score}$", printed, re.MULTILINE).groups() for name in names)
    assert 85 < float(usual[0]) < 90
    assert float(usual[0]) + 3 < float(forward[0]) < float(both[0]) - 3
    assert float(both[0]) > 96
    assert float(usual[1]) + 20 < float(both[1])
    assert printed.splitlines()[-2:] == [
        "Paint/VERB the/DET old/ADJ doors/NOUN green/ADJ ./PUNCT",
        "Paint/NOUN dries/VERB slowly/ADV ./PUNCT",
    ]
    assert not any(tmp_path.iterdir())


def test_seq2seq_attention(tmp_path, environment):
    number = "forty million seven thousand and twelve"
    printed = run("03_seq2seq_attention.py", tmp_path, environment, number)
    losses = re.findall(r"^(without|with) attention, step +\d+/\d+  loss (\d\.\d+)$", printed, re.MULTILINE)
    assert [name for name, _ in losses] == ["without"] * 8 + ["with"] * 8
    assert float(losses[-1][1]) < 0.05 < 0.2 < float(losses[7][1])
    by_length = r"words \((\d+) numbers\), right without attention +([\d.]+) %, with attention +([\d.]+) %$"
    rows = [[float(part) for part in row] for row in re.findall(by_length, printed, re.MULTILINE)]
    counts, without, attentive = zip(*rows)
    assert sum(counts) == 1000
    assert min(attentive) > 90
    assert without[0] > 85  # one vector is enough for a short source
    assert list(without) == sorted(without, reverse=True)
    assert without[-1] < 20
    assert f"\n{number}: 40007012\n" in printed
    picture = printed[printed.index(" 4 0 0 0 7 0 1 2\n") :].splitlines()[1:]
    assert [line.split()[0] for line in picture] == number.split()
    of_seven = picture[number.split().index("seven")][10:]
    assert of_seven[2 * "40007012".index("7")] == max(of_seven, key=" .:-=+*#@".index)


def test_seq2seq_attention_names_a_word_of_no_number(tmp_path, environment):
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run("03_seq2seq_attention.py", tmp_path, environment, "four dozen")
    assert "'dozen' is no word of a number; there are: zero one" in failed.value.stderr


def test_forecast(tmp_path, environment):
    printed = run("04_forecast.py", tmp_path, environment, "Nino 1+2")
    epochs = re.findall(r"^epoch +(\d+)/\d+  training loss ([\d.]+)  validation loss ([\d.]+)$", printed, re.MULTILINE)
    assert [int(number) for number, *_ in epochs] == list(range(1, len(epochs) + 1))
    assert float(epochs[-1][1]) < 0.8 * float(epochs[0][1])
    by_month = r"^(.+?) +mean error ([\d.]+) degrees; " + ", ".join(
        f"{month} ahead ([\\d.]+)" for month in (1, 3, 6, 12)
    )
    errors = {name: [float(error) for error in found] for name, *found in re.findall(by_month, printed, re.MULTILINE)}
    assert list(errors) == ["as a year before", "mean of the month", "it stays so", "linear map", "GRU"]
    assert errors["as a year before"][0] == pytest.approx(0.88, abs=0.006)  # as recurra's seasonal naive forecast
    assert errors["GRU"][0] < min(errors[name][0] for name in list(errors)[:4]) - 0.03
    assert errors["GRU"][1] < 0.3 < 0.7 < errors["mean of the month"][1]
    held = float(re.findall(r"80 % intervals of the GRU hold (\d+) %", printed)[0])
    assert 65 < held < 90
    assert "with another future the forecast changes by 0\n" in printed
    *_, heading = re.findall(r"^(.+), after the last month of the file:$", printed, re.MULTILINE)
    months = re.findall(r"^  month +(\d+): ([\d.]+) \(([\d.]+) to ([\d.]+)\)$", printed, re.MULTILINE)
    assert (heading, [int(number) for number, *_ in months]) == ("Nino 1+2", list(range(1, 13)))
    assert all(18 < float(low) < float(middle) < float(high) < 30 for _, middle, low, high in months)
    assert not any(tmp_path.iterdir())


def test_forecast_names_a_region_that_is_none(tmp_path, environment):
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run("04_forecast.py", tmp_path, environment, "Nino 5")
    assert "'Nino 5' is no region; there are: Nino 1+2, Nino 3, Nino 3.4, Nino 4" in failed.value.stderr


def test_character_language_model(tmp_path, environment):
    printed = run("05_character_language_model.py", tmp_path, environment, "Return the ", "\u4e2d")
    losses = [float(loss) for loss in re.findall(r"^epoch \d/5  training loss ([\d.]+) bits", printed, re.MULTILINE)]
    assert len(losses) == 5
    assert losses == sorted(losses, reverse=True)
    by_order = re.findall(r"^test, counts after (\d) characters: ([\d.]+) bits a character$", printed, re.MULTILINE)
    assert [order for order, _ in by_order] == ["0", "2", "4"]
    anew, carried, whole = map(float, re.findall(r"^test, LSTM that [\w ]+: ([\d.]+)", printed, re.MULTILINE))
    assert carried == whole < anew - 0.2
    assert carried < min(float(bits) for _, bits in by_order)
    (said,) = re.findall(r"^--- (.*)$", printed, re.MULTILINE)  # nothing goes on from what was never met
    assert said == "'Return the ' goes on"
    assert len(printed[printed.index("Return the ", printed.index(said) + len(said)) :]) == 11 + 200 + 1
    assert not any(tmp_path.iterdir())


def test_counts_of_characters_are_probabilities():
    bits_of_counts = load("05_character_language_model.py")["bits_of_counts"]
    # "ab" over and over: after "a" always "b". Witten-Bell by hand: a came 8 times of 16 (2 kinds, each 1/2 to begin
    # with), b came 8 times behind 8 a's (1 kind).
    of_b = (8 + 1 * (8 + 2 * 0.5) / 18) / (8 + 1)
    assert bits_of_counts("ab" * 8, "ab", 1) == pytest.approx(-math.log2(of_b))


def test_transcribe_ctc(tmp_path, environment):
    recording = tmp_path / "call.wav"
    soundfile.write(recording, dial("A2#", 10, np.random.default_rng(1)).samples, RATE)
    printed = run("06_transcribe_ctc.py", tmp_path, environment, "0123*#", "call.wav")
    rates = re.findall(r"^tones at +(-?\d+) dB: .* tones +([\d.]+) %, LSTM +([\d.]+) %; alone, (\d+) of", printed, re.M)
    assert [noise for noise, *_ in rates] == ["20", "0", "-5", "-10"]
    usual, found = ([float(row[place]) for row in rates] for place in (1, 2))
    assert max(found[:2]) < 3
    assert found[2] < usual[2] - 10
    assert [row[3] for row in rates] == ["0"] * 4  # padding does not matter
    assert printed.splitlines()[-2:] == ["0123*#: heard 0123*#", "call.wav: heard A2#"]


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [("12E", "'12E' is neither a file nor a number; the keys are 123A456B789C*0#D"), ("", "'' is neither a file nor")],
)
def test_transcribe_ctc_names_what_is_no_number(wish, complaint, tmp_path, environment):
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run("06_transcribe_ctc.py", tmp_path, environment, wish)
    assert complaint in failed.value.stderr


def test_transcribe_ctc_names_a_recording_at_another_rate(tmp_path, environment):
    soundfile.write(tmp_path / "call.wav", np.zeros(100, np.float32), 16_000)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run("06_transcribe_ctc.py", tmp_path, environment, "call.wav")
    assert "call.wav: expected one channel at 8000 Hz, found 1 at 16000 Hz" in failed.value.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.name for path in sorted(FOLDER.glob("*.py"))])
def test_an_example_repeats(name, tmp_path, environment):
    first, second = (run(name, tmp_path, environment) for _ in range(2))
    assert first == second
