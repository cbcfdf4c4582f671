"""Symbols that the vocabulary need not have, written among those that it has; the rest is in test_generate.py."""

from __future__ import annotations

import pytest

from recurra.config import VocabularyConfig
from recurra.vocabulary import END, Vocabulary
from recurra.writing import TextStream, written


def stream(tokens: str, before: str = "") -> TextStream:
    settings = VocabularyConfig(tokens=tokens, min_count=1)  # type: ignore[arg-type]
    return TextStream(Vocabulary.build([["to be , or not ."]], settings, has_end=True), tokens, before)


@pytest.mark.parametrize(
    ("tokens", "symbols", "text"),
    [
        ("words", ["Zoë", ",", "new", "(", "77", ")", "."], "Zoë, new (77)."),
        ("words", ["$", "5", "%", "…"], "$5%…"),
        ("spaces", ["Zoë", ",", "(", "77", ")"], "Zoë , ( 77 )"),
        ("characters", ["Z", "o", "ë", " ", ","], "Zoë ,"),
    ],
)
def test_a_symbol_of_any_text_is_spaced_as_one_that_is_known(tokens: str, symbols: list[str], text: str) -> None:
    found = stream(tokens)
    assert "".join([*map(found.write_symbol, symbols), found.end()]) == text


@pytest.mark.parametrize(
    ("tokens", "before", "symbol", "text"),
    [
        ("words", "", "new", "new"),
        ("words", "to", "new", " new"),
        ("words", "to ", "new", "new"),
        ("words", "to\n", "new", "new"),
        ("words", "(", "new", "new"),
        ("words", "to", ")", ")"),
        ("spaces", "to", ")", " )"),
        ("characters", "to", "n", "n"),
    ],
)
def test_it_goes_on_from_a_text(tokens: str, before: str, symbol: str, text: str) -> None:
    assert stream(tokens, before).write_symbol(symbol) == text


@pytest.mark.parametrize("tokens", ["words", "spaces"])
def test_known_and_other_symbols_take_turns(tokens: str) -> None:
    found = stream(tokens)
    vocabulary = Vocabulary.build(
        [["to be , or not ."]],
        VocabularyConfig(tokens=tokens, min_count=1),
        has_end=True,  # type: ignore[arg-type]
    )
    (ids,) = vocabulary.encode(["to be ,"])
    pieces = [found.write(ids[0]), found.write_symbol("Zoë"), found.write(ids[2]), found.write(END)]
    pieces.append(found.write_symbol("new"))
    assert "".join(pieces) == ("to Zoë,\nnew" if tokens == "words" else "to Zoë ,\nnew")
    assert written(vocabulary, tokens, ids) == ("to be," if tokens == "words" else "to be ,")
