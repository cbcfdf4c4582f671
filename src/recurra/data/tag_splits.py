"""Training, validation and test sentences from what the configuration names, or from lists in memory."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.config import TagDataConfig
from recurra.data.divide import PARTS, into_parts, refuse_full_shares, refuse_same_source
from recurra.data.faults import listed
from recurra.data.tagged import TaggedSentences
from recurra.data.tagged_load import TagFormat, format_of, load_tagged
from recurra.errors import DataError, nearest
from recurra.spans import Scheme, all_tags, type_of

__all__ = [
    "TagSplits",
    "in_one_form",
    "known_tags",
    "load_tag_splits",
    "reading_like",
    "refuse_unseen",
    "split_off",
    "tag_splits_in_memory",
]

_log = logging.getLogger("recurra")
_COLUMNS = ("token_column", "tag_column", "sentence_column")


class TagSplits(NamedTuple):
    """The sentences of a run by what they are for, and the form of the training file; None for lists in memory."""

    train: TaggedSentences
    valid: TaggedSentences
    test: TaggedSentences | None
    format: TagFormat | None = None

    def parts(self) -> dict[str, TaggedSentences]:
        """The sentences of each part that there is."""
        parts = {"train": self.train, "valid": self.valid}
        return parts if self.test is None else {**parts, "test": self.test}


def load_tag_splits(config: TagDataConfig, seed: int) -> TagSplits:
    """Open the sentences of a run: from files given, or split off the training sentences.

    Whole sentences are drawn with the seed; what stands in the held-out ones alone is brought back, so that training
    sees every tag. All is read once, so that a fault is known before training begins.

    Args:
        config: what was told about the data.
        seed: seed of the division.

    Raises:
        DataError: a source is missing, malformed, too short to be divided or given twice, or has tags that training
            has not.
        SettingsError: an option has no effect on these sources, or the shares leave nothing to train on.
    """
    refuse_full_shares(config.valid_share, config.test_share)
    refuse_same_source(config.data, config.valid, config.test)
    form = format_of(config.data, config.format)
    told = {name: getattr(config, name) for name in ("format", *_COLUMNS) if getattr(config, name) is not None}
    train = in_one_form(load_tagged(config.data, labels="required", **told), config.scheme)
    given = {
        part: in_one_form(
            load_tagged(source, labels="required", **reading_like(source, config, form, {})), train.scheme()
        )
        for part, source in (("valid", config.valid), ("test", config.test))
        if source is not None
    }
    shares = {part: getattr(config, f"{part}_share") for part in ("valid", "test") if part not in given}
    parts = {"train": train, **given, **split_off(train, {p: share for p, share in shares.items() if share}, seed)}
    known = known_tags(parts["train"])
    for part in given:
        refuse_unseen(parts[part], known)
    return TagSplits(parts["train"], parts["valid"], parts.get("test"), form)


def tag_splits_in_memory(
    tokens: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str]],
    validation: tuple[Sequence[Sequence[str]], Sequence[Sequence[str]]] | None,
    valid_share: float,
    seed: int,
) -> TagSplits:
    """Return the training and validation sentences.

    Args:
        tokens: of n sentences, called X in messages.
        tags: of their tokens.
        validation: tokens and tags; a share of the sentences when None.
        valid_share: that share.
        seed: of the division.

    Raises:
        DataError: tokens and tags do not fit together, or there are too few sentences.
    """
    train = in_one_form(TaggedSentences.from_lists(tokens, tags, "X"), None)
    if validation is None:
        parts = split_off(train, {"valid": valid_share}, seed)
        return TagSplits(parts["train"], parts["valid"], None)
    valid = in_one_form(TaggedSentences.from_lists(*validation, name="validation_data"), train.scheme())
    refuse_unseen(valid, known_tags(train))
    return TagSplits(train, valid, None)


def reading_like(
    source: str, config: TagDataConfig, form: TagFormat | None, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return how to read another file: as is told now; else, if it has the form of the training file, as that one.

    Args:
        source: the file.
        config: how the training file was read.
        form: that of the training file; None if there was none.
        given: options of :func:`recurra.data.tagged_load.load_tagged` that were told now.

    Raises:
        DataError: the file is missing, or it cannot be told what form it has.
    """
    told = dict(given)
    if "format" not in told and config.format is not None:
        try:
            format_of(source)
        except DataError:
            told["format"] = config.format  # its name says nothing, as that of the training file did not
    of_source = format_of(source, told.get("format"))
    if of_source != form and not {of_source, form} <= {"csv", "tsv"}:  # columns by name, in the same way
        return told
    as_before = {name: getattr(config, name) for name in _COLUMNS if getattr(config, name) is not None}
    return {**as_before, **told}


def in_one_form(sentences: TaggedSentences, scheme: Scheme | None) -> TaggedSentences:
    """Return the sentences in a scheme or, without one, in that which they are in, BILOU in the letters of BIOES.

    Raises:
        DataError: the tags mark no spans, and a scheme is told.
    """
    wanted = scheme or sentences.scheme()
    return sentences if wanted is None else sentences.in_scheme(wanted)


def split_off(train: TaggedSentences, shares: Mapping[str, float], seed: int) -> dict[str, TaggedSentences]:
    """Divide sentences: a share of them, at least one, for each part, and the rest for "train".

    Raises:
        DataError: fewer sentences than parts.
    """
    if not shares:
        return {}
    need = 1 + len(shares)
    if len(train) < need:
        raise DataError(
            f"{train.name}: expected at least {need} sentences, to be divided into {into_parts(shares)}, found "
            f"{len(train)}; add sentences, or give validation and test sentences of their own"
        )
    drawn = np.random.default_rng(seed).permutation(len(train))
    of_sentence = np.zeros(len(train), np.uint8)
    start = 0
    for number, (part, share) in enumerate(shares.items(), start=1):
        most = len(drawn) - start - (need - number)
        count = min(max(1, round(len(drawn) * share)), most)
        of_sentence[drawn[start : start + count]] = PARTS[part]
        start += count
    _bring_back(train, of_sentence)
    counts = np.bincount(of_sentence, minlength=len(PARTS))
    for part in shares:
        if not counts[PARTS[part]]:
            raise DataError(
                f"{train.name}: expected sentences to hold out ({part}), found a tag in each that is nowhere else; "
                f"add sentences, or give validation and test sentences of their own"
            )
    said = " and ".join(f"{counts[PARTS[part]]:,} for {part}" for part in shares)
    _log.info("%s: split off whole sentences, by seed: %s", train.name, said)
    return {part: train.part(of_sentence, PARTS[part], f"{train.name} ({part})") for part in ("train", *shares)}


def _bring_back(train: TaggedSentences, of_sentence: NDArray[np.uint8]) -> None:
    """Move a sentence of each tag that would be nowhere in training back to it."""
    trained: set[str] = set()
    first: dict[str, int] = {}  # of a tag, the first sentence that is held out
    for number, sentence in enumerate(train):
        if of_sentence[number] == PARTS["train"]:
            trained.update(sentence.tags or ())
        else:
            for tag in sentence.tags or ():
                first.setdefault(tag, number)
    for tag, number in first.items():
        if tag not in trained:
            of_sentence[number] = PARTS["train"]


def known_tags(train: TaggedSentences) -> list[str]:
    """Return the tags of the training sentences, sorted; where they mark spans, all tags of these types of spans."""
    counts, scheme = train.tag_counts(), train.scheme()
    if scheme is None:
        return sorted(counts)
    return all_tags({type_ for type_ in map(type_of, counts) if type_ is not None}, scheme)


def refuse_unseen(sentences: TaggedSentences, known: Sequence[str]) -> None:
    """Require that the tags of sentences are among those that training knows.

    Raises:
        DataError: others, listed with their counts and the nearest known tag.
    """
    unseen = {tag: count for tag, count in sentences.tag_counts().items() if tag not in known}
    if unseen:
        shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
        found = listed([f"'{tag}': {count:,}{nearest(tag, known)}" for tag, count in unseen.items()])
        raise DataError(
            f"{sentences.name}: expected the tags {shown}; never seen in training:\n{found}\n"
            f"correct them, or add examples of them to the training data"
        )
