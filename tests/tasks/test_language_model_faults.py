"""Language modelling of odd texts: those that nothing can be learnt from, and those that hold what is no word."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recurra.errors import DataError, RecurraError, SettingsError
from recurra.tasks.language_model import ModelLanguage
from recurra.train import train

Make = Callable[..., ModelLanguage]


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_learning_rate_that_is_none(language_model: Make, rate: float) -> None:
    with pytest.raises(SettingsError, match=r"option 'dynamic': expected a learning rate above 0, found"):
        language_model().log_probabilities(np.array([5, 6], np.int32), dynamic=rate)


def test_a_learning_rate_that_is_too_large(language_model: Make) -> None:
    with pytest.raises(RecurraError, match=r"no longer numbers: choose a --dynamic smaller than 1e\+30"):
        language_model(steps=20, cell="rnn_relu").log_probabilities(np.array([5, 6] * 50, np.int32), dynamic=1e30)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["a b"] * 2, {"batch_size": 4}, r"X \(train\): expected at least 8 symbols for batches of 4 pieces, found 3"),
        (
            ["a"] * 30,
            {},
            r"X \(train\): expected at least two different symbols that are seen 1 times \(--min-count\), found 1",
        ),
        ([""] * 30, {}, "expected at least two different symbols .* found 0"),
        (["a b", "c d"] * 1 + ["e f g"] * 1, {"min_count": 2, "batch_size": 1}, r"seen 2 times .* found 0"),
        (["a b c d e"], {}, "X: expected at least 2 lines, to be divided into 2 parts, found 1"),
        ([], {}, "X: expected at least 2 lines, to be divided into 2 parts, found 0"),
    ],
)
def test_a_text_that_nothing_can_be_learnt_from(
    language_model: Make, lines: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        language_model(lines, **options)


def test_the_least_text_that_works(language_model: Make) -> None:
    task = language_model(["a b", "a b", "a"], batch_size=2, steps=5)
    train(task)
    assert math.isfinite(task.validate().loss)


@pytest.mark.parametrize("tokens", ["words", "spaces", "characters", "bpe"])
def test_control_characters_are_text(language_model: Make, tokens: str) -> None:
    lines = ["a\x00b \x1b[1m c\x85d \u2028 e"] * 20
    task = language_model(lines, tokens=tokens, **({"min_count": 2} if tokens == "bpe" else {}))
    train(task)
    (found,) = task.surprise(lines[:1])
    assert found["text"] == lines[0]
    assert all(token.get("known", True) for token in found["tokens"])
    if tokens in ("characters", "bpe"):
        assert "\x00" in "".join(token["token"] for token in found["tokens"])


def test_line_feeds_within_a_text_end_lines(language_model: Make) -> None:
    apart, within = (language_model(lines * 30, tokens="characters") for lines in (["a b", "c"], ["a b\nc"]))
    assert "\n" not in within.vocabulary.symbols()
    assert apart.data is not None
    assert within.data is not None
    np.testing.assert_array_equal(within.data.train.ids[:6], apart.data.train.ids[:6])
    assert (within.data.train.characters, len(within.data.train.ids)) == (6 * 24, 6 * 24)


def test_sequences_to_check_are_of_bounded_length(language_model: Make, tmp_path: Any) -> None:
    path = tmp_path / "long.txt"
    path.write_text("a b " * 5000 + "\na\n")
    assert [len(ids) for ids in language_model().sequences(str(path))] == [1000, 2]
    task = language_model()
    task.config = task.config.model_copy(update={"data": task.config.data.model_copy(update={"data": "gone.txt"})})
    assert len(task.sequences(None)) == 64
    assert [len(found) for found in task.responses([[], [5, 6]])] == [0, 2]
    assert [len(found) for found in task.responses([[]])] == [0]
