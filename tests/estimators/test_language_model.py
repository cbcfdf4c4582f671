"""A language model as an estimator."""

from __future__ import annotations

import inspect
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import recurra
from recurra import LanguageModel
from recurra.config import LanguageModelConfig, section_model
from recurra.data import Texts
from recurra.errors import DataError, SettingsError

Lines = Callable[[int, int], list[str]]


@pytest.fixture(scope="module")
def model(small_language_model: dict[str, Any], running_text: Path) -> LanguageModel:
    return LanguageModel(**small_language_model).fit(running_text.read_text().splitlines())


def test_arguments_are_the_config_fields_with_their_defaults() -> None:
    fields = {
        name: field
        for section in LanguageModelConfig.sections
        for name, field in section_model(LanguageModelConfig, section).model_fields.items()
    }
    told = {n: p for n, p in inspect.signature(LanguageModel.__init__).parameters.items() if n != "self"}
    for name, argument in told.items():
        assert argument.default == fields[name].default, name
    of_files = set(section_model(LanguageModelConfig, "data").model_fields) - {"valid_share"}
    assert set(fields) - set(told) == of_files | {"tensorboard"}
    assert set(LanguageModel().get_params()) == set(told)


def test_perplexity_is_that_of_all_symbols(model: LanguageModel, lines: Lines) -> None:
    texts = lines(30, 1)
    ids = model.task_.encode(Texts.from_lists(texts)).ids
    expected = model.task_.log_probabilities(ids).mean()
    assert model.score(texts) == pytest.approx(expected)
    assert model.perplexity(texts) == pytest.approx(math.exp(-expected))
    assert 1 < model.perplexity(texts) < len(model.task_.vocabulary)


def test_text_and_what_is_likeliest(model: LanguageModel) -> None:
    assert model.generate("the cat", 5, seed=1) == model.generate("the cat", 5, seed=1)
    assert "".join(model.stream("the cat", 5, temperature=0)) == model.generate("the cat", 5, temperature=0)
    found = model.next("the", count=4)
    assert len(found) == 4
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert sum(model.next("", 10_000).values()) == pytest.approx(1, abs=1e-5)
    (surprise,) = model.surprise(["the cat"])
    assert [token["token"] for token in surprise["tokens"]] == ["the", "cat", "\n"]


def test_saved_loaded_pickled(model: LanguageModel, lines: Lines, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    texts = lines(10, 2)
    for again in (recurra.load(tmp_path / "m"), pickle.loads(pickle.dumps(model))):
        assert isinstance(again, LanguageModel)
        assert again.score(texts) == model.score(texts)
        assert again.history_ == model.history_
        assert again.generate("a", 9, seed=4) == model.generate("a", 9, seed=4)
    assert recurra.load(tmp_path / "m").get_params() == {**model.get_params(), "valid_share": 0.05}
    assert clone(model).get_params() == model.get_params()


def test_given_validation_lines(lines: Lines, small_language_model: dict[str, Any]) -> None:
    model = LanguageModel(**small_language_model).fit(lines(40, 0), validation_data=lines(10, 1))
    assert model.history_[-1]["valid_score"] <= 0
    with pytest.raises(SettingsError, match=r"option 'valid_share' \(0.3\) would have no effect: validation_data"):
        LanguageModel(**small_language_model, valid_share=0.3).fit(lines(40, 0), validation_data=lines(10, 1))


def test_missing_texts_are_empty_lines(lines: Lines, small_language_model: dict[str, Any]) -> None:
    one, other = (
        LanguageModel(**small_language_model).fit([*lines(40, 0), blank, "a"])  # type: ignore[list-item]
        for blank in (None, "")
    )
    np.testing.assert_array_equal(one.score(["a dog"]), other.score(["a dog"]))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", "X: expected a list of texts, found one text"),
        ([], "X: expected at least 2 lines"),
        ([1, 2], "X, row 1: expected a text, found int"),
        (["a"], "X: expected at least 2 lines"),
        (["a\ud800"] * 9, "X: a text holds half of a surrogate pair"),
        (["a b"] * 9, r"X \(train\): expected at least 64 symbols for batches of 32 pieces, found"),
    ],
)
def test_texts_at_fault(texts: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        LanguageModel().fit(texts)


def test_questions_at_fault(model: LanguageModel) -> None:
    with pytest.raises(DataError, match="X: expected at least one line, found none"):
        model.score([])
    with pytest.raises(DataError, match="X: expected a list of texts"):
        model.surprise("text")
    with pytest.raises(SettingsError, match="temperature: expected a number of 0"):
        model.stream("a", temperature=-1)
    with pytest.raises(SettingsError, match="top_p: expected a number above 0"):
        model.generate("a", top_p=0)
    with pytest.raises(SettingsError, match="length: expected at least 1 symbol, found 0"):
        model.generate("a", 0)
    with pytest.raises(SettingsError, match="count: expected at least 1 symbol, found -1"):
        model.next("a", -1)
    for ask in (LanguageModel().generate, LanguageModel().next, LanguageModel().score, LanguageModel().surprise):
        with pytest.raises(NotFittedError):
            ask(["a"])  # type: ignore[operator]
