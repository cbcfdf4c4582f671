"""Running text for a language model: read line by line, and divided where it stands, never shuffled."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.config import LanguageModelDataConfig
from recurra.data.columns import find_columns
from recurra.data.divide import same_source
from recurra.data.hub import is_hub
from recurra.data.text import Part, Texts, hub_splits, load_texts
from recurra.errors import DataError, SettingsError

__all__ = ["Corpus", "corpus_in_memory", "load_corpus"]

_log = logging.getLogger("recurra")
_PARTS = ("train", "valid", "test")


class Corpus(NamedTuple):
    """The lines of a text by what they are for, each part in the order of its file."""

    train: Texts
    valid: Texts
    test: Texts | None


def load_corpus(config: LanguageModelDataConfig) -> Corpus:
    """Open the text of a run: files given, splits of the hub, or the last parts of the training text.

    Where the text is divided, its end is the test part and what comes before that the validation part, each at a line's
    end and with its share of the characters.

    Raises:
        DataError: a source is missing, malformed or given twice, or too short to be divided.
        SettingsError: the shares leave nothing to train on.
        MissingExtraError: a hub data set, and the `datasets` library is not installed.
    """
    given = _given(config)
    missing = {
        part: share
        for part, share in (("valid", config.valid_share), ("test", config.test_share))
        if part not in given and share
    }
    if sum(missing.values()) >= 1:
        total = " + ".join(map(str, missing.values()))
        raise SettingsError(f"options 'valid_share' and 'test_share': expected a sum below 1, found {total}")
    if missing:
        given |= divide_text(given["train"], missing)
    return Corpus(given["train"], given["valid"], given.get("test"))


def corpus_in_memory(texts: list[str], validation: list[str] | None, valid_share: float) -> Corpus:
    """Make a corpus, without a test part, from lines that lie in memory.

    Args:
        texts: the lines, called X in messages.
        validation: lines to validate on; the last ones of `texts` when None.
        valid_share: their share.

    Raises:
        DataError: there are too few lines.
    """
    given = Texts.from_lists(texts, name="X")
    if validation is not None:
        for name, lines in (("X", texts), ("validation_data", validation)):
            if not lines:
                raise DataError(f"{name}: expected at least one line, found none")
        return Corpus(given, Texts.from_lists(validation, name="validation_data"), None)
    parts = divide_text(given, {"valid": valid_share})
    return Corpus(parts["train"], parts["valid"], None)


def _given(config: LanguageModelDataConfig) -> dict[str, Texts]:
    """The parts that have a file or a split of their own."""
    sources = {part: source for part, source in zip(_PARTS, (config.data, config.valid, config.test)) if source}
    for part, source in sources.items():
        for other in list(sources)[list(sources).index(part) + 1 :]:
            if same_source(source, sources[other]):
                raise DataError(
                    f"{sources[other]}: given as {part} and as {other} text; a score on text that was trained or "
                    f"chosen on would be dishonest; give another"
                )
    found: dict[str, Texts] = {}
    if is_hub(config.data):
        tables = hub_splits(config.data)
        if "train" not in tables:
            raise DataError(f"{config.data}: expected a split called train, found {', '.join(tables)}")
        columns = find_columns(tables["train"], config.text_column, labels="no")
        found = {
            part: Texts(table, columns) for part, table in tables.items() if part not in sources or part == "train"
        }
        del sources["train"]
    for part, source in sources.items():
        found[part] = load_texts(source, text_column=config.text_column, labels="no", preferred=("text", ""))
    for texts in found.values():
        texts.check()
    return found


def divide_text(texts: Texts, shares: dict[str, float]) -> dict[str, Texts]:
    """Cut a text at lines' ends: the training part first, then the validation part, the test part last."""
    sizes = np.fromiter((len(text) + 1 for chunk in texts.chunks() for text in chunk.texts), np.int64)
    share_of = {"train": 1 - sum(shares.values()), **shares}
    ends = np.searchsorted(sizes.cumsum(), np.cumsum(list(share_of.values())) * sizes.sum() * (1 - 1e-12)) + 1
    ends = _with_room(ends, len(sizes), texts.name)
    starts = [0, *ends[:-1]]
    of_row = np.zeros(len(sizes), np.uint8)
    for number, (start, end) in enumerate(zip(starts, ends)):
        of_row[start:end] = number
    parts = {
        part: texts.part(f"{texts.name} ({part})", Part(of_row, number, {"": int((of_row == number).sum())}))
        for number, part in enumerate(share_of)
    }
    said = ", ".join(f"{len(parts[part]):,} for {part}" for part in shares)
    _log.info("%s: its last lines are held out: %s", texts.name, said)
    return parts


def _with_room(ends: NDArray[np.int64], lines: int, name: str) -> list[int]:
    """Ends of the parts that leave each at least one line, the last at the end of the text."""
    if lines < len(ends):
        raise DataError(
            f"{name}: expected at least {len(ends)} lines, to be divided into {len(ends)} parts, found {lines}; "
            f"break it into lines, or give --valid and --test (or --test-share 0)"
        )
    kept = [min(int(end), lines - (len(ends) - 1 - number)) for number, end in enumerate(ends)]
    for number in range(1, len(kept)):
        kept[number] = max(kept[number], kept[number - 1] + 1)
    return [*kept[:-1], lines]
