"""Draw the bundled sentences from their grammar, sentences-grammar.txt, which says how it is read.

    python -m recurra.data.bundled.make_sentences FOLDER

The files are the same on every machine: all chance comes from one generator with a fixed seed.
"""

from __future__ import annotations

import random
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from recurra.errors import DataError

__all__ = ["GRAMMAR", "Grammar", "Token", "write_sentences"]

GRAMMAR = Path(__file__).with_name("sentences-grammar.txt")
PARTS = {"test": 300, "valid": 200, "train": 1000}
HELD_OUT = "*"
SEED = 1


class Token(NamedTuple):
    """A word, its UPOS, its entity tag (B-..., I-... or O), and whether it is written together with the one before."""

    word: str
    upos: str
    entity: str = "O"
    joined: bool = False


class Grammar:
    """The rules of a grammar file.

    Args:
        path: the file.
    """

    def __init__(self, path: Path = GRAMMAR) -> None:
        self.path = path
        self.rules: dict[str, list[str]] = {}
        self.tags: dict[str, set[str]] = defaultdict(set)
        name = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.strip() or line.lstrip().startswith("# "):
                continue
            if listed := re.fullmatch(r"(\w+)(?:/(\w+))?: (.+)", line):
                name, tag, words = listed.groups()
                self.rules[name] = [f"{word}/{tag}" if tag else word for word in words.split()]
                if tag:
                    for word in words.split():
                        self.tags[word.lstrip(HELD_OUT)].add(tag)
            elif line.startswith(" "):
                self.rules[name].append(line.strip())
            else:
                name = line.strip()
                self.rules[name] = []

    def draw(self, rng: random.Random, held_out: bool, name: str = "sentence", tag: str = "") -> list[Token]:
        """Draw one of the alternatives of a name.

        Args:
            rng: where chance comes from.
            held_out: whether alternatives with a star may be drawn.
            name: of the rule.
            tag: UPOS of the words of a list without one.

        Raises:
            DataError: a name without a rule, or a word whose tag is not told and not in the lists.
        """
        if name not in self.rules:
            raise DataError(
                f"{self.path}: ${name}: expected one of {', '.join(self.rules)}; add a rule or mend the name"
            )
        allowed = [rule for rule in self.rules[name] if held_out or not rule.startswith(HELD_OUT)]
        tokens: list[Token] = []
        entity, first = "", True
        for piece in rng.choice(allowed).removeprefix(HELD_OUT).split():
            if piece.startswith("["):
                entity, first = piece[1:], True
                continue
            for token in self._tokens(rng, held_out, piece.rstrip("]"), tag):
                if entity:
                    token = token._replace(entity=f"{'B' if first else 'I'}-{entity}")
                    first = False
                tokens.append(token)
            if piece.endswith("]"):
                entity = ""
        return tokens

    def _tokens(self, rng: random.Random, held_out: bool, piece: str, tag: str) -> list[Token]:
        """What one piece of an alternative stands for."""
        text, _, own = piece.partition("/")
        if text.startswith("$"):
            return self.draw(rng, held_out, text[1:], own)
        word = text.lstrip("+")
        known = self.tags.get(word, set())
        upos = own or tag or (next(iter(known)) if len(known) == 1 else "")
        if not upos:
            found = ", ".join(sorted(known)) or "none"
            raise DataError(f"{self.path}: {word!r}: expected one tag in the lists, found {found}; write {word}/TAG")
        return [Token(word, upos, joined=text != word)]


def _spelt(tokens: list[Token]) -> list[Token]:
    """Turn "a" into "an" before a vowel, and begin with a capital."""
    found = []
    for token, following in zip(tokens, [*tokens[1:], tokens[-1]]):
        vowel = token.word == "a" and following.word[0] in "aeiou"
        found.append(token._replace(word="an") if vowel else token)
    return [found[0]._replace(word=found[0].word[0].upper() + found[0].word[1:]), *found[1:]]


def _conllu(tokens: list[Token], number: str) -> str:
    """Write a sentence in CoNLL-U: UPOS, and the entity tag as XPOS."""
    lines, text = [], ""
    position = 0
    while position < len(tokens):
        end = position + 1
        while end < len(tokens) and tokens[end].joined:
            end += 1
        form = "".join(token.word for token in tokens[position:end])
        close = end < len(tokens) and tokens[end].upos == "PUNCT"
        space = "SpaceAfter=No" if close else "_"
        text += form if close else f"{form} "
        several = end - position > 1
        if several:
            lines.append("\t".join([f"{position + 1}-{end}", form, *"_______", space]))
        for index, token in enumerate(tokens[position:end], start=position + 1):
            fields = [str(index), token.word, "_", token.upos, token.entity, *"____", "_" if several else space]
            lines.append("\t".join(fields))
        position = end
    return "\n".join([f"# sent_id = {number}", f"# text = {text.strip()}", *lines, "", ""])


def write_sentences(folder: Path) -> None:
    """Write sentences-train.conllu, sentences-valid.conllu and sentences-test.conllu; no sentence occurs twice."""
    grammar, rng = Grammar(), random.Random(SEED)
    seen: set[tuple[str, ...]] = set()
    for part, count in PARTS.items():
        blocks: list[str] = []
        while len(blocks) < count:
            tokens = _spelt(grammar.draw(rng, held_out=part != "train"))
            words = tuple(token.word for token in tokens)
            if words not in seen:
                seen.add(words)
                blocks.append(_conllu(tokens, f"{part}-{len(blocks) + 1}"))
        (folder / f"sentences-{part}.conllu").write_text("".join(blocks), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write_sentences(Path(sys.argv[1]))
