"""A translator in Python searches as the command does."""

from __future__ import annotations

import json

import pytest

from recurra import Translator

PAIRS = {"a": "one", "b": "twotwotwotwotwotwotwotwo", "c": "three"}
TEXTS = ["ca", "bb", "a", ""]


@pytest.fixture(scope="module")
def model():
    sources = [first + second for first in PAIRS for second in PAIRS] * 4
    targets = [" ".join(PAIRS[letter] for letter in source) for source in sources]
    return Translator(tokens="characters", epochs=1, embedding_size=4, hidden_size=4, min_count=1).fit(sources, targets)


def test_the_same_as_the_command(model, cli, tmp_path):
    model.save(tmp_path / "model")
    answered = cli("predict", tmp_path / "model", "--n-best", "2", input="\n".join(TEXTS) + "\n").stdout.splitlines()
    for row, found in zip(answered, model.translate(TEXTS, n_best=2), strict=True):
        line = json.loads(row)
        told = [(each["translation"], each["score"]) for each in line.get("n_best", [line])]
        assert told == [(each.text, pytest.approx(each.score, rel=1e-6)) for each in found]


def test_no_more_symbols_than_allowed(model):
    assert all(each.capped and len(each.tokens) <= 12 for (each,) in model.translate(["ab"] * 3, beam=1, max_ratio=1.0))
    assert model.task_.known.max_ratio > 10  # training had longer ones: they have room unless told otherwise
    ((long,),) = model.translate(["ab"], beam=1)
    assert len(long.tokens) > 12
