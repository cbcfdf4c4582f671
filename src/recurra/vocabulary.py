"""Symbols <-> ids: words, characters or byte pairs, through the `tokenizers` library."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from recurra.config import SymbolsConfig, VocabularyConfig
from recurra.errors import DataError, SettingsError

__all__ = ["END", "PADDING", "UNKNOWN", "Token", "Vectors", "Vocabulary", "split_words"]

_log = logging.getLogger("recurra")

PADDING = 0
UNKNOWN = 1
END = 2  # of a line, in the vocabulary of a language model
_SPECIAL = ["[PAD]", "[UNK]"]
_END = "end of line"  # no token of any kind has spaces in it
_RESERVED = frozenset((*_SPECIAL, _END))
_WORD = r"\w+(?:['’]\w+)*|[^\w\s]"  # noqa: RUF001  a word keeps its apostrophes: "don't" is one symbol
_PATTERNS = {"words": _WORD, "spaces": r"\S+", "characters": r"[\s\S]"}
_LONGEST = 200  # characters of a given token that can be a symbol, so that a file of symbols stays small
_PRINTED = (*range(33, 127), *range(161, 173), *range(174, 256))  # bytes that stand for themselves in a byte pair
_OTHERS = [byte for byte in range(256) if byte not in _PRINTED]
_BYTES = {chr(byte): byte for byte in _PRINTED} | {chr(256 + number): byte for number, byte in enumerate(_OTHERS)}
_DEFAULT_SIZE = {"words": 50_000, "spaces": 50_000, "characters": 50_000, "bpe": 8_000}


class Token(NamedTuple):
    """A piece of a text and its id; `known` is false where the id is that of the unknown symbol."""

    text: str
    id: int
    known: bool


class Vectors(NamedTuple):
    """Pretrained vectors for some symbols: their ids [K] and values [K, E]."""

    ids: Tensor
    values: Tensor


def split_words(text: str) -> list[str]:
    """Return the words and signs of a text as they are written, as those of the vocabularies of words are divided.

    >>> split_words("Don't panic (yet).")
    ["Don't", 'panic', '(', 'yet', ')', '.']
    """
    return [piece for piece, _ in _split(_WORD).pre_tokenize_str(text)]


def _split(pattern: str) -> Any:
    return pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)


class Vocabulary:
    """The symbols known to a model.

    >>> words = Vocabulary.build([["to be or not to be"]], VocabularyConfig(min_count=1))
    >>> words.encode(["not to be", "to see"])
    [[4, 3, 2], [3, 1]]
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.encode_special_tokens = True  # a "[PAD]" that stands in a text is text

    @classmethod
    def build(cls, chunks: Iterable[list[str]], config: VocabularyConfig, has_end: bool = False) -> Vocabulary:
        """Learn the symbols of the training texts, the most frequent first.

        Args:
            chunks: the texts, in lists of any size; read once.
            config: what a symbol is, how many are kept, and how often one must be seen.
            has_end: whether there is a symbol for the end of a line, which each line feed within a text is too.

        Raises:
            SettingsError: fewer byte pairs asked for than there are bytes.
        """
        size = config.vocabulary_size or _DEFAULT_SIZE[config.tokens]
        special = [*_SPECIAL, _END] if has_end else _SPECIAL
        if has_end:
            chunks = ([line for text in texts for line in text.split("\n")] for texts in chunks)
        if config.tokens == "bpe":
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            least = len(alphabet) + len(special)
            if size < least:
                raise SettingsError(
                    f"option 'vocabulary_size': bpe needs at least {least}, one for each byte; found {size}"
                )
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokenizer.decoder = decoders.ByteLevel()
            trainer: Any = trainers.BpeTrainer(
                vocab_size=size,
                min_frequency=config.min_count,
                special_tokens=special,
                initial_alphabet=alphabet,
                show_progress=False,
            )
        else:
            tokenizer = Tokenizer(models.WordLevel(unk_token=_SPECIAL[UNKNOWN]))
            tokenizer.pre_tokenizer = _split(_PATTERNS[config.tokens])
            trainer = trainers.WordLevelTrainer(
                vocab_size=size + len(_RESERVED), min_frequency=config.min_count, show_progress=False
            )
        tokenizer.normalizer = _normalizer(config)
        tokenizer.train_from_iterator(chunks, trainer=trainer)
        if config.tokens != "bpe":  # the trainer would give a special symbol's id away where a text has a word "[PAD]"
            learnt = tokenizer.get_vocab()
            kept = [symbol for symbol in sorted(learnt, key=learnt.__getitem__) if symbol not in _RESERVED]
            tokenizer.model = _word_level([*special, *kept[: size - len(special)]])
            tokenizer.add_special_tokens(special)
        return cls(tokenizer)

    @classmethod
    def from_counts(cls, tokens: Mapping[str, int], config: SymbolsConfig) -> Vocabulary:
        """Learn the symbols of texts that others have divided into tokens, the most frequent first.

        A symbol is a token, in lower case if asked. One of more than 200 characters is unknown, and so is one that is
        written as a special symbol is: a word "[PAD]" is no padding.

        Args:
            tokens: each distinct one, and how often it occurs.
            config: how many are kept, and how often one must be seen.

        >>> words = Vocabulary.from_counts({"To": 1, "be": 2, "or": 1, "to": 1}, SymbolsConfig(min_count=2))
        >>> words.symbols(), words.lookup(["TO", "be", "or", "[PAD]"])
        (['[PAD]', '[UNK]', 'be', 'to'], [3, 2, 1, 1])
        """
        normalizer = _normalizer(config)
        counts: Counter[str] = Counter()
        for token, count in tokens.items():
            counts[normalizer.normalize_str(token)] += count
        size = config.vocabulary_size or _DEFAULT_SIZE["words"]
        fit = [s for s, n in counts.items() if n >= config.min_count and len(s) <= _LONGEST and s not in _RESERVED]
        kept = sorted(fit, key=lambda symbol: (-counts[symbol], symbol))[: size - len(_SPECIAL)]
        tokenizer = Tokenizer(_word_level([*_SPECIAL, *kept]))
        tokenizer.normalizer = normalizer
        return cls(tokenizer)

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    @cached_property
    def has_end(self) -> bool:
        """Whether there is a symbol for the end of a line, which is `END`."""
        return self._tokenizer.token_to_id(_END) == END

    def normalized(self, text: str) -> str:
        """Return a text as it is before it is divided: in normal form C and, if asked, in lower case."""
        normal: str = self._tokenizer.normalizer.normalize_str(text)
        return normal

    def lookup(self, tokens: Sequence[str]) -> list[int]:
        """Return the id of each token, taken as it is and not divided."""
        normalizer, numbers = self._tokenizer.normalizer, self._numbers
        return [numbers.get(normalizer.normalize_str(token), UNKNOWN) for token in tokens]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """The id of each symbol that a text can have."""
        return {symbol: id_ for symbol, id_ in self._tokenizer.get_vocab().items() if symbol not in _RESERVED}

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Return the ids of each text's symbols; a text without any gives an empty list."""
        found = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        return [_without_padding(ids) if PADDING in ids else ids for ids in found]

    def encode_lines(self, texts: list[str]) -> list[list[int]]:
        r"""Return the ids of each text's symbols, with that of the end of a line behind each of its lines.

        >>> words = Vocabulary.build([["to be or not to be"]], VocabularyConfig(min_count=1), has_end=True)
        >>> words.encode_lines(["to be", "to\nbe", ""])
        [[4, 3, 2], [4, 2, 3, 2], [2]]
        """
        divided = [text.split("\n") for text in texts]
        encoded = iter(self.encode([line for lines in divided for line in lines]))
        return [[id_ for _ in lines for id_ in (*next(encoded), END)] for lines in divided]

    def tokens(self, text: str) -> list[Token]:
        """Return the pieces of a text as they were written, with their ids."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        ids = _without_padding(encoding.ids)
        return [Token(text[start:stop], id_, id_ != UNKNOWN) for id_, (start, stop) in zip(ids, encoding.offsets)]

    def byte_pair(self, id_: int) -> bytes:
        """Return the bytes of a symbol that is a byte pair; they may be a part of a character."""
        return bytes(_BYTES[character] for character in self._symbols[id_])

    def symbol(self, id_: int) -> str:
        """Return the symbol of an id."""
        return self._symbols[id_]

    def symbols(self) -> list[str]:
        """Return the symbols in the order of their ids."""
        return list(self._symbols)

    @cached_property
    def _symbols(self) -> list[str]:
        ids = self._tokenizer.get_vocab()
        return sorted(ids, key=ids.__getitem__)

    def to_json(self) -> str:
        """Return the content of a `tokenizer.json`."""
        return self._tokenizer.to_str(pretty=True)

    @classmethod
    def from_json(cls, content: str) -> Vocabulary:
        """Make a vocabulary from the content of a `tokenizer.json`.

        Raises:
            ValueError: the content is no tokenizer.
        """
        try:
            return cls(Tokenizer.from_str(content))
        except Exception as error:  # the library raises bare Exception
            raise ValueError(str(error)) from error

    def read_vectors(self, path: str | Path) -> Vectors:
        """Read the vectors of the known symbols from a GloVe or fastText text file, line by line.

        Raises:
            DataError: the file is missing, a line has another number of values than the first or a value that is no
                number, or no symbol has a vector.
        """
        known = {symbol: id_ for id_, symbol in enumerate(self.symbols()) if id_ >= len(_SPECIAL)}
        found: dict[int, list[float]] = {}
        size = 0
        try:
            # Large files hold some broken words, which no text can have: they are passed over.
            lines = Path(path).open(encoding="utf-8", errors="surrogateescape")  # noqa: SIM115  closed below
        except OSError as error:
            raise DataError(f"{path}: cannot read the vectors: {error.strerror}") from None
        with lines:
            for number, line in enumerate(lines, 1):
                fields = line.rstrip().split(" ")
                if number == 1 and len(fields) == 2:
                    continue  # fastText begins with the number of words and their size
                size = size or len(fields) - 1
                if len(fields) <= size or (len(fields) > size + 1 and _is_number(fields[1])):
                    raise DataError(
                        f"{path}, line {number}: expected a word and {size} numbers, found {len(fields) - 1}"
                    )
                word = " ".join(fields[:-size])  # some files have words with spaces in them
                if word in known:
                    found[known[word]] = _numbers(fields[-size:], f"{path}, line {number}: after '{word}'")
        if not found:
            raise DataError(f"{path}: none of the {len(known):,} known words has a vector; is it of another language?")
        share = len(found) / len(known)
        _log.info(
            "vectors: %s of %s known words (%.0f %%) have one in %s",
            f"{len(found):,}",
            f"{len(known):,}",
            100 * share,
            path,
        )
        return Vectors(torch.tensor(list(found)), torch.tensor(list(found.values())))


def _word_level(symbols: Sequence[str]) -> Any:
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    return models.WordLevel(numbers, unk_token=_SPECIAL[UNKNOWN])


def _without_padding(ids: list[int]) -> list[int]:
    """Make a word that is written as the padding symbol is, between spaces, the unknown one."""
    return [UNKNOWN if id_ == PADDING else id_ for id_ in ids]


def _normalizer(config: SymbolsConfig) -> Any:
    return normalizers.Sequence([normalizers.NFC(), *([normalizers.Lowercase()] if config.lowercase else [])])


def _numbers(fields: list[str], place: str) -> list[float]:
    for field in fields:
        if not _is_number(field):
            raise DataError(f"{place}: expected finite numbers, found '{field}'")
    return [float(field) for field in fields]


def _is_number(field: str) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False
