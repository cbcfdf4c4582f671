"""Texts as ids in one flat file: what is kept, cut and counted."""

from __future__ import annotations

import numpy as np
import pytest

from recurra.config import VocabularyConfig
from recurra.data import Texts
from recurra.data.encoded import Encoded, encode
from recurra.vocabulary import UNKNOWN, Vocabulary

TEXTS = ["a b c", "", "c c z", "b"]


@pytest.fixture
def vocabulary() -> Vocabulary:
    """The ids of c, b and a are 2, 3 and 4."""
    return Vocabulary.build([["a b b c c c"]], VocabularyConfig(min_count=1))


def test_ids_in_the_order_of_the_texts(vocabulary):
    encoded = encode(Texts.from_lists(TEXTS), vocabulary)
    assert [encoded[index].tolist() for index in range(len(encoded))] == [[4, 3, 2], [], [2, 2, UNKNOWN], [3]]
    assert encoded.lengths.tolist() == [3, 0, 3, 1]
    assert encoded.starts.tolist() == [0, 3, 3, 6, 7]
    assert encoded.labels is None
    assert (encoded.empty, encoded.unknown, encoded.truncated) == (1, 1, 0)
    assert encoded.unknown_share == pytest.approx(1 / 7)


def test_labels_are_numbers_in_the_order_of_the_classes(vocabulary):
    texts = Texts.from_lists(TEXTS, ["no", "yes", "maybe", "yes"])
    encoded = encode(texts, vocabulary, ["maybe", "no", "yes"])
    assert encoded.labels is not None
    assert encoded.labels.tolist() == [1, 2, 0, 2]
    assert encode(texts, vocabulary).labels is None  # not wanted


def test_labels_wanted_but_not_there(vocabulary):
    assert encode(Texts.from_lists(TEXTS), vocabulary, ["no", "yes"]).labels is None


@pytest.mark.parametrize(("longest", "cut"), [(1, 2), (2, 2), (3, 0), (9, 0)])
def test_longer_texts_are_cut_at_the_end_and_counted(vocabulary, longest, cut):
    encoded = encode(Texts.from_lists(TEXTS), vocabulary, max_length=longest)
    whole = encode(Texts.from_lists(TEXTS), vocabulary)
    assert encoded.truncated == cut
    for index in range(len(TEXTS)):
        assert encoded[index].tolist() == whole[index][:longest].tolist()


def test_unknown_symbols_that_are_cut_off_do_not_count(vocabulary):
    assert encode(Texts.from_lists(["a z"]), vocabulary, max_length=1).unknown == 0


def test_texts_without_any_symbol(vocabulary):
    encoded = encode(Texts.from_lists(["", None, " "]), vocabulary)
    assert (len(encoded), encoded.empty, len(encoded.ids), encoded.unknown_share) == (3, 3, 0, 0)


def test_many_chunks_are_one_after_the_other(vocabulary):
    texts = ["a " * (number % 7) for number in range(10_000)]  # more than two chunks
    labels = [str(number % 3) for number in range(10_000)]
    encoded = encode(Texts.from_lists(texts, labels), vocabulary, ["0", "1", "2"])
    assert encoded.lengths.tolist() == [number % 7 for number in range(10_000)]
    assert encoded.labels is not None
    assert encoded.labels.tolist() == [number % 3 for number in range(10_000)]
    assert set(encoded.ids.tolist()) == {4}


def test_ids_are_on_disk_and_cannot_be_written(vocabulary):
    encoded = encode(Texts.from_lists(TEXTS), vocabulary)
    assert isinstance(encoded.ids, np.memmap)
    assert encoded.ids.dtype == np.int32
    with pytest.raises(ValueError, match="read-only"):
        encoded.ids[0] = 1


def test_is_frozen(vocabulary):
    encoded: Encoded = encode(Texts.from_lists(TEXTS), vocabulary)
    with pytest.raises(AttributeError):
        encoded.unknown = 0  # type: ignore[misc]
