"""`recurra train tag` on data that are at fault: what is said, and that nothing is left."""

from __future__ import annotations

import pytest

CONLLU = "1\ta\t_\tDET\tO\t_\t_\t_\t_\t_\n2\tb\t_\tNOUN\tB-X\t_\t_\t_\t_\t_\n\n"
BAD = {
    "width": (
        "a.conll",
        "a X\nb\n\nc Y\nd Y\n" * 9,
        [],
        3,
        ["line 2: expected 2 columns separated by spaces, found 1"],
    ),
    "width of conllu": ("a.conllu", CONLLU + "1\ta\tb\n\n", [], 3, ["line 4: expected 10 columns", "found 3"]),
    "number of a word": ("a.conllu", CONLLU + "7\ta\t_\tX\t_\t_\t_\t_\t_\t_\n", [], 3, ["word's number 1, found '7'"]),
    "lengths": ("a.jsonl", '{"tokens": ["a"], "tags": []}\n' * 4, [], 3, ["line 1: expected as many tags as tokens"]),
    "no list": ("a.jsonl", '{"tokens": "a b", "tags": []}\n', [], 3, ["expected a list in 'tokens', found a string"]),
    "fields": ("a.csv", "sentence,word,tag\n1,a\n", [], 3, ["line 2: expected 3 fields, found 2"]),
    "apart": ("a.csv", "sentence,word,tag\n1,a,X\n2,b,Y\n1,c,X\n", [], 3, ["line 4: expected a new sentence"]),
    "no tag": (
        "a.conllu",
        CONLLU.replace("NOUN", "_"),
        [],
        3,
        ["line 2: expected a tag for the token 'b', found none"],
    ),
    "schemes": (
        "a.conll",
        "a B-X\nb E-X\nc I-X\n\nd B-X\ne B-X\nf B-X\n\n" * 3,
        [],
        3,
        ["expected tags of one scheme"],
    ),
    "illegal": ("a.conll", "a B-X\nb I-X\n\nc O\nd I-X\n\ne B-X\n\nf B-X\ng B-X\n\n", [], 3, ["line 5: I-X after O"]),
    "bare": (
        "a.conll",
        "a B-X\nb Y\nc O\n\n" * 9,
        [],
        3,
        ["found tags without prefix:", "'Y': 9, the first at line 2"],
    ),
    "one tag": ("a.conll", "a X\nb X\n\n" * 9, [], 3, ["expected at least two different tags", "found one: 'X'"]),
    "control": ("a.jsonl", '{"tokens": ["a\\u0000"], "tags": ["X"]}\n', [], 3, ["holds a NUL (U+0000)"]),
    "surrogate": ("a.jsonl", '{"tokens": ["\\ud800"], "tags": ["X"]}\n', [], 3, ["half of a surrogate pair"]),
    "empty": ("a.conll", "\n\n", [], 3, ["expected sentences, found only blank lines"]),
    "no file": ("a.conll", None, [], 3, ["there is no such file"]),
    "no form": ("a.txt", "a X\n", [], 3, ["say what it is with --format"]),
    "column": ("a.conllu", CONLLU, ["--tag-column", "upo"], 3, ["there is no column 'upo', did you mean 'upos'?"]),
    "scheme of none": (
        "a.conllu",
        CONLLU * 9,
        ["--scheme", "BIO"],
        3,
        ["expected tags that mark spans, to be read as"],
    ),
    "idle": ("a.conllu", CONLLU * 9, ["--sentence-column", "x"], 2, ["'sentence_column' ('x') would have no effect"]),
    "no characters": (
        *("a.conllu", CONLLU * 9, ["--no-characters", "--character-hidden-size", "9"], 2),
        ["'character_hidden_size' (9) would have no effect: --no-characters leaves them out"],
    ),
    "no model": ("a.conllu", CONLLU * 9, ["--init-from", "nowhere"], 4, ["there is no such model directory"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_a_message_and_leaves_nothing(case, cli, tmp_path):
    name, content, more, code, messages = BAD[case]
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    result = cli("train", "tag", tmp_path / name, *more, "--out", tmp_path / "model")
    assert result.exit_code == code, result.output
    for message in messages:
        assert message in result.output
    assert {path.name for path in tmp_path.iterdir()} <= {name}
