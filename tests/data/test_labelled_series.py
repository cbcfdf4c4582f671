"""Series with labels in tables: a series a row, a step a row; how they are found, divided, and standardised."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recurra.config import ClassifyDataConfig
from recurra.data.encoded_series import Standardisation, encode_series
from recurra.data.labelled_series import LabelledSeries
from recurra.data.labelled_series_columns import holds_series
from recurra.data.labelled_series_splits import Trained, load_labelled_series, load_series_splits
from recurra.data.splits import open_training
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]

WIDE = "motion,t0,t1,t2\nwalk,1,2,3\nrun,4,,\nwalk,-1.5,1e2,\n"
LONG = (
    "unique_id,ds,x,y,label,note\n"
    "b,2,20,-20,walk,n\na,1,1,-1,run,n\nb,1,10,-10,walk,n\na,3,3,-3,run,m\na,2,2,-2,run,n\n"
)


def as_lists(series: LabelledSeries) -> list[list[list[float]]]:
    return [values.tolist() for values in series.values]


def trained(series: LabelledSeries) -> Trained:
    return Trained(series.origin, series.channels)


def config(path: Path, **options: object) -> ClassifyDataConfig:
    return ClassifyDataConfig(data=str(path), **options)  # type: ignore[arg-type]


# a series in each row


def test_a_series_a_row(write: Write) -> None:
    series = load_labelled_series(str(write("w.csv", WIDE)))
    assert as_lists(series) == [[[1], [2], [3]], [[4]], [[-1.5], [100]]]
    assert (series.labels, series.ids, series.channels) == (["walk", "run", "walk"], ["1", "2", "3"], ("1",))
    assert (series.origin.id_column, series.origin.label_column, series.origin.width) == (None, "motion", 3)


def test_the_form_of_the_ucr_archive(write: Write) -> None:
    series = load_labelled_series(str(write("u.tsv", "1\t0.5\t0.25\tNaN\n-1\t1\t2\t3\n1\t9\tNaN\tNaN\n-1\t1\t1\t1\n")))
    assert as_lists(series) == [[[0.5], [0.25]], [[1], [2], [3]], [[9]], [[1], [1], [1]]]
    assert (series.labels, series.origin.label_column) == (["1", "-1", "1", "-1"], "column_1")


def test_other_forms_of_table_give_the_same(write: Write, tmp_path: Path) -> None:
    expected = load_labelled_series(str(write("w.csv", WIDE)))
    frame = pl.read_csv(tmp_path / "w.csv")
    frame.write_parquet(tmp_path / "w.parquet")
    frame.write_ndjson(tmp_path / "w.jsonl")
    for name in ("w.parquet", "w.jsonl"):
        found = load_labelled_series(str(tmp_path / name))
        assert (as_lists(found), found.labels) == (as_lists(expected), expected.labels)


def test_numbers_keep_every_digit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=50) * 10.0 ** np.arange(-25, 25)
    pl.DataFrame({"label": ["a", "b"] * 25, "v": values, "w": -values}).write_parquet(tmp_path / "p.parquet")
    found = load_labelled_series(str(tmp_path / "p.parquet"))
    assert np.array_equal(np.stack(found.values)[:, :, 0], np.stack([values, -values], 1))


LABELS = [
    ("class,t0,t1\n1,5,6\n2,7,8\n", {}, ["1", "2"]),  # a well-known name
    ("y,t0,t1\n1,5,6\n2,7,8\n", {}, ["1", "2"]),
    ("t0,label,t1\n1,5,6\n2,7,8\n", {}, ["5", "7"]),
    ("id,t0,t1,kind\n1,5,6,a\n2,7,8,b\n", {}, ["a", "b"]),  # the only one that is no number; id is no value
    ("t0,t1,walks\n5,6,true\n7,8,false\n", {}, ["true", "false"]),
    ("g,t0,t1\n1,5,6\n2,7,8\n", {"label_column": "g"}, ["1", "2"]),
    ("0.5,6,1\n7.5,8,2\n0.1,2,1\n3.5,4,2\n", {}, ["1", "2", "1", "2"]),  # at the end of a row without names
]


@pytest.mark.parametrize(("content", "options", "labels"), LABELS)
def test_the_label_is_found(write: Write, content: str, options: dict[str, str], labels: list[str]) -> None:
    series = load_labelled_series(str(write("l.csv", content)), **options)  # type: ignore[arg-type]
    assert series.labels == labels
    assert {len(values) for values in series.values} == {2}


CHOICES = [
    ("t0,t1,a,b\n5,6,x,y\n7,8,z,w\n", "the label may be any of ['a', 'b']; its columns are 't0', 't1', 'a', 'b'"),
    ("t0,t1\n5,6\n7,8\n", "found no column that can be the label; its columns are 't0', 't1'; name it with --label"),
    ("1,6,1\n2,8,2\n1,2,1\n2,4,2\n", "the label may be the first column or the last, as both hold few different whole"),
    ("label,kind\na,x\nb,y\n", "found no column of numbers beside the label"),
]


@pytest.mark.parametrize(("content", "message"), CHOICES)
def test_what_cannot_be_told_is_an_error(write: Write, content: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load_labelled_series(str(write("l.csv", content)))
    assert message in str(caught.value)


WIDE_FAULTS = [
    ("run,4,x,6\nrun,?,2,3\n", "w.csv: 2 faulty cells:", "line 5, column 't1': expected a finite number, found 'x'"),
    ("run,4,inf,6\n", "1 faulty cell:", "line 5, column 't1': expected a finite number, found 'inf'"),
    ("run,4,,6\n", "1 faulty cell:", "line 5, column 't1': expected a number, as the series goes on behind it, found"),
    ("run,NaN,5,6\n", "1 faulty cell:", "line 5, column 't0': expected a number, as the series goes on behind it"),
    ("run,,,\n", "expected at least one number in each row, found none:", "line 5"),
    (",1,2,3\n", "expected a label in column 'motion' of each row; 1 row has none:", "line 5"),
    ("run,1,2\n", "1 faulty line:", "line 5: expected 4 fields, found 3"),
]


@pytest.mark.parametrize(("rows", "head", "line"), WIDE_FAULTS)
def test_faulty_rows(write: Write, rows: str, head: str, line: str) -> None:
    with pytest.raises(DataError) as caught:
        load_labelled_series(str(write("w.csv", WIDE + rows)))
    assert head in str(caught.value)
    assert line in str(caught.value)


def test_many_faulty_cells_are_counted(write: Write) -> None:
    with pytest.raises(DataError) as caught:
        load_labelled_series(str(write("w.csv", WIDE + "run,1,x,3\n" * 30 + "walk,1,2,3\n" * 60)))
    assert "30 faulty cells" in str(caught.value)
    assert str(caught.value).splitlines()[-2].strip() == "and 20 more"


# a step of a series in each row


def test_a_step_a_row_in_the_order_of_time(write: Write) -> None:
    series = load_labelled_series(str(write("r.csv", LONG)))
    assert as_lists(series) == [[[10, -10], [20, -20]], [[1, -1], [2, -2], [3, -3]]]
    assert (series.ids, series.labels, series.channels) == (["b", "a"], ["walk", "run"], ("x", "y"))
    assert (series.origin.id_column, series.origin.label_column) == ("unique_id", "label")


def test_a_step_a_row_in_the_order_of_the_file(write: Write) -> None:
    path = write("r.csv", "who,x,label\nb,2,u\na,1,v\nb,1,u\n")
    series = load_labelled_series(str(path), id_column="who")
    assert (as_lists(series), series.ids) == ([[[2], [1]], [[1]]], ["b", "a"])


LONG_FAULTS = [
    ("c,1,1,,walk,n\n", "line 7, column 'y': expected a number, found none"),
    ("c,1,1,z,walk,n\n", "line 7, column 'y': expected a finite number, found 'z'"),
    (",1,1,2,walk,n\n", "line 7, column 'unique_id': expected the id of a series, found none"),
    (
        "a,4,1,2,walk,n\n",
        "column 'label' at all steps of a series, which 'unique_id' tells, found others in:\n  'a': 2",
    ),
    ("a,1,1,2,run,n\n", "expected each time of a series once in column 'ds', found twice:\n  'a' at 1"),
    ("a,soon,1,2,run,n\n", "'ds'"),
    ("a,4,1,2,,n\n", "expected a label in column 'label' of each row; 1 row has none"),
]


@pytest.mark.parametrize(("rows", "message"), LONG_FAULTS)
def test_faulty_steps(write: Write, rows: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load_labelled_series(str(write("r.csv", LONG + rows)))
    assert message in str(caught.value)


# read as those of training were


def test_channels_are_taken_by_name_in_the_order_of_training(write: Write) -> None:
    known = trained(load_labelled_series(str(write("r.csv", LONG))))
    path = write("n.csv", "y,unique_id,z,x\n1,a,9,2\n3,a,9,4\n")
    assert as_lists(load_labelled_series(str(path), known, labels="no")) == [[[2, 1], [4, 3]]]
    path = write("o.csv", "y,who,z\n1,a,9\n")
    with pytest.raises(DataError, match=r"there is no column 'unique_id'.*its columns are 'y', 'who', 'z'"):
        load_labelled_series(str(path), known, labels="no")
    with pytest.raises(DataError, match="expected the columns x, y, as in training, found no x; its columns are"):
        load_labelled_series(str(path), known, labels="no", id_column="who")


def test_a_label_is_no_value_when_predicting(write: Write) -> None:
    known = trained(load_labelled_series(str(write("w.csv", "class,t0,t1\n1,5,6\n2,7,8\n"))))
    for content in ("class,t0,t1\n3,5,6\n", "t0,t1\n5,6\n", "label,t0,t1\n1,5,6\n"):
        series = load_labelled_series(str(write("n.csv", content)), known, labels="no")
        assert (as_lists(series), series.labels) == ([[[5], [6]]], None)


def test_without_names_the_number_of_columns_tells_whether_there_are_labels(write: Write) -> None:
    known = trained(load_labelled_series(str(write("u.tsv", "1\t.5\t.2\n2\t1\t2\n1\t9\t8\n2\t1\t1\n"))))
    for content in ("7\t5\t6\n", "5\t6\n"):
        assert as_lists(load_labelled_series(str(write("n.tsv", content)), known, labels="no")) == [[[5], [6]]]
    with pytest.raises(DataError, match="expected 3 columns, a label and 2 values as in training, or the values alone"):
        load_labelled_series(str(write("n.tsv", "1\t2\t3\t4\n")), known, labels="no")
    with pytest.raises(DataError, match="found no column that can be the label"):
        load_labelled_series(str(write("n.tsv", "5\t6\n")), known)


def test_without_names_after_training_on_another_form(write: Write) -> None:
    known = trained(load_labelled_series(str(write("t.ts", "@classLabel true 1 2\n@data\n1,2:1\n2,2:2\n"))))
    path = str(write("u.tsv", "1\t.5\t.2\n2\t1\t2\n1\t9\t8\n2\t1\t1\n"))
    assert load_labelled_series(path, known).labels == ["1", "2", "1", "2"]
    with pytest.raises(
        DataError, match=r"u\.tsv: column_1 may be a label or a value; give the columns names, or leave"
    ):
        load_labelled_series(path, known, labels="no")
    assert len(load_labelled_series(path, known, labels="no", label_column="column_1").values[0]) == 2
    bare = str(write("v.tsv", ".5\t.2\n.1\t2\n"))
    assert as_lists(load_labelled_series(bare, known, labels="no"))[0] == [[0.5], [0.2]]


def test_steps_without_names(write: Write) -> None:
    path = str(write("s.csv", "a,1,u\na,2,u\nb,3,v\n"))
    series = load_labelled_series(path, header=False, id_column="column_1")
    assert (as_lists(series), series.labels) == ([[[1], [2]], [[3]]], ["u", "v"])
    again = load_labelled_series(path, trained(series), header=False)
    assert (as_lists(again), again.labels) == (as_lists(series), series.labels)


def test_other_channels_and_options_without_effect(write: Write) -> None:
    wide = trained(load_labelled_series(str(write("w.csv", WIDE))))
    two = write("t.ts", "@classLabel true a b\n@data\n1,2:3,4:a\n")
    with pytest.raises(DataError, match=r"expected series of 1 channel, as in training \(1\), found 2 \(1, 2\)"):
        load_labelled_series(str(two), wide)
    with pytest.raises(SettingsError, match=r"'id_column' \(motion\) would have no effect: the series of training had"):
        load_labelled_series(str(write("w.csv", WIDE)), wide, id_column="motion")
    for option, value in (("label_column", "a"), ("id_column", "a"), ("delimiter", ";"), ("header", False)):
        with pytest.raises(SettingsError, match=rf"'{option}' .* would have no effect: .*t\.ts is a \.ts file"):
            load_labelled_series(str(two), **{option: value})  # type: ignore[arg-type]


# numbers or texts

KINDS = [
    (WIDE + "run,7,8,\n", True),
    (LONG, True),
    ("1,2,3\n1,5,6\n2,7,8\n2,1,1\n", True),
    ("unique_id,x,label\na,1,u\na,2,u\nb,3,v\nb,4,v\n", True),
    ("text,label\na film,1\nanother film,0\n", False),
    ("text,a,b\nyes,1,2\nno,3,4\nyes,5,6\nno,7,8\n", False),  # the name alone says that it is text
    ("remark,a,b\nso good,1,2\nnot at all,3,4\n", False),  # each one different
    ("remark,score\nyes,1\nno,2\nyes,1\nno,2\n", False),  # one number a row is no series
    ("unique_id,remark,label\n1,a b c,u\n2,d e f,v\n", False),
    ("split,label,t0,t1\ntrain,a,1,2\nvalid,b,3,4\ntest,a,3,4\ntrain,b,1,1\n", True),
]


@pytest.mark.parametrize(("content", "expected"), KINDS)
def test_whether_a_table_holds_series(write: Write, content: str, expected: bool, caplog) -> None:
    settings = config(write("k.csv", content))
    with caplog.at_level(logging.INFO, "recurra"):
        assert holds_series(open_training(settings), settings) is expected
    assert ("holds series of numbers" in caplog.text) is expected


# divided

MANY = "label,t0,t1\n" + "".join(f"{'ab'[n % 2]},{n},{-n}\n" for n in range(40))


def test_a_share_of_each_class_is_split_off(write: Write) -> None:
    path = write("m.csv", MANY)
    splits = load_series_splits(config(path, valid_share=0.2, test_share=0.1), 0)
    assert splits.test is not None
    parts = [splits.train, splits.valid, splits.test]
    assert [part.label_counts() for part in parts] == [{"a": 14, "b": 14}, {"a": 4, "b": 4}, {"a": 2, "b": 2}]
    assert sorted(int(values[0, 0]) for part in parts for values in part.values) == list(range(40))
    for part in parts:
        assert all("ab"[int(v[0, 0]) % 2] == label for v, label in zip(part.values, part.labels or ()))
    assert splits.train.name == f"{path} (train)"
    again, other = (load_series_splits(config(path), seed).train.ids for seed in (0, 1))
    assert load_series_splits(config(path), 0).train.ids == again != other
    assert load_series_splits(config(path, test_share=0.0), 0).test is None


def test_a_column_divides(write: Write) -> None:
    rows = "".join(
        f"{'ab'[n % 2]},{n},{n},{part}\n" for part, n in zip(["train"] * 4 + ["dev"] * 2 + ["test"], range(7))
    )
    splits = load_series_splits(config(write("m.csv", "label,t0,t1,split\n" + rows)), 0)
    assert splits.test is not None
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [4, 2, 1]
    assert as_lists(splits.test) == [[[6], [6]]]
    steps = "".join(f"{n},{'ab'[n % 2]},{n},{'train' if n < 4 else 'valid'}\n" * 2 for n in range(6))
    settings = config(write("l.csv", "unique_id,label,v,part\n" + steps), split_column="part", test_share=0.0)
    long = load_series_splits(settings, 0)
    assert (long.train.ids, long.valid.ids, long.test) == (["0", "1", "2", "3"], ["4", "5"], None)


def test_files_of_their_own_in_any_form(write: Write) -> None:
    wide, ts = write("m.csv", MANY), write("t.ts", "@classLabel true a b\n@data\n1,2,3:a\n4:b\n")
    splits = load_series_splits(config(wide, test=str(ts)), 0)
    assert splits.test is not None
    assert (as_lists(splits.test), splits.test.labels) == ([[[1], [2], [3]], [[4]]], ["a", "b"])
    assert len(splits.train) + len(splits.valid) == 40
    other = load_series_splits(config(ts, valid=str(wide), test=str(write("n.csv", MANY))), 0)
    assert (len(other.train), len(other.valid)) == (2, 40)


DIVISIONS = [
    ("label,t0,t1\n" + "a,1,2\n" * 9, {}, DataError, "expected at least two classes in column 'label' of the training"),
    ("label,t0,t1\n" + "a,1,2\n" * 9 + "b,1,2\n", {}, DataError, "expected at least 3 examples of each class"),
    (
        MANY,
        {"valid": "v.csv"},
        DataError,
        "classes that are never seen in training (its classes: 'a', 'b'):\n  'c': 1 in",
    ),
    (MANY, {"valid_share": 0.6, "test_share": 0.5}, SettingsError, "expected a sum below 1"),
]


@pytest.mark.parametrize(("content", "options", "kind", "message"), DIVISIONS)
def test_what_cannot_be_divided(
    write: Write, content: str, options: dict[str, object], kind: type[Exception], message: str
) -> None:
    other = write("v.csv", "label,t0,t1\na,1,2\nc,1,2\n")
    options = {name: str(other) if name == "valid" else value for name, value in options.items()}
    with pytest.raises(kind) as caught:
        load_series_splits(config(write("m.csv", content), **options), 0)
    assert message in str(caught.value)


def test_one_class_of_a_ts_file(write: Write) -> None:
    path = write("t.ts", "@classLabel true a b\n@data\n" + "1,2:a\n" * 5)
    message = "expected at least two classes of the training series, found one: 'a' (5 series); add series of another"
    with pytest.raises(DataError) as caught:
        load_series_splits(config(path), 0)
    assert message in str(caught.value)
    assert "--label-column" not in str(caught.value)


@pytest.mark.parametrize("option", ["split_column", "label_column", "id_column", "delimiter", "header"])
def test_options_of_tables_for_ts_files(write: Write, option: str) -> None:
    path = write("t.ts", "@classLabel true a b\n@data\n" + "1,2:a\n2:b\n" * 9)
    value = True if option == "header" else ";"
    with pytest.raises(SettingsError, match=rf"'{option}' \({value}\) would have no effect: .*t\.ts is a \.ts file"):
        load_series_splits(config(path, **{option: value}), 0)


# standardised


def made(*values: list[list[float]]) -> LabelledSeries:
    return LabelledSeries.numbered(
        "made", [np.array(one, float) for one in values], list("ab" * len(values))[: len(values)]
    )


def test_standardised_by_all_steps_together() -> None:
    rng = np.random.default_rng(0)
    series = made(*(rng.normal(1e6, [1e-3, 5.0], (n, 2)).tolist() for n in (3, 1, 40)))
    standardisation = Standardisation.fit(series)
    encoded = encode_series(series, standardisation, ["a", "b"])
    steps = np.concatenate(series.values)
    expected = (steps - steps.mean(0)) / steps.std(0)
    np.testing.assert_allclose(np.concatenate(encoded.values), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        np.concatenate(encoded.values).std(0), 1, rtol=1e-4
    )  # float32 before would lose channel 1
    assert encoded.values[0].dtype == np.float32
    assert (encoded.lengths.tolist(), encoded.labels.tolist()) == ([3, 1, 40], [0, 1, 0])  # type: ignore[union-attr]
    again = Standardisation.from_json(standardisation.to_json())
    assert np.array_equal(again.apply(series.values[0]), encoded[0])


def test_a_channel_that_never_varies(caplog: pytest.LogCaptureFixture) -> None:
    series = made([[0.1, 1.0], [0.1, 2.0]], [[0.1, 4.0]])
    standardisation = Standardisation.fit(series)
    assert standardisation.deviation[0] == 1
    assert "the same number at all steps in channel 1, which so tells nothing" in caplog.text
    np.testing.assert_allclose(encode_series(series, standardisation, ["a", "b"]).values[1][0, 0], 0, atol=1e-15)


def test_numbers_too_large() -> None:
    with pytest.raises(DataError, match=r"made: holds numbers up to 1\.0e\+200; scale them down"):
        Standardisation.fit(made([[1e200]], [[-1e200]]))
    with pytest.raises(DataError, match="expected numbers like those of training, found far larger ones in 1 series"):
        encode_series(made([[1e200]]), Standardisation(np.zeros(1), np.ones(1)), ["a", "b"])
