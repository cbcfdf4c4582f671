"""Text -> time stamps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import polars as pl

from recurra.data.faults import SHOWN, listed
from recurra.data.time_stamps import Times
from recurra.errors import DataError

__all__ = ["RowNames", "are_dates", "mostly_times", "parse_times"]

RowNames = Callable[[Sequence[int]], list[str]]
_log = logging.getLogger("recurra")
_ZONE = r"(?i):\d\d(?:[.,]\d+)?\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$"
_ZONE_AWAY = r"(?i)(:\d\d(?:[.,]\d+)?)\s*(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$"
_COMMON = "%Y-%m-%d %H:%M:%S"
_FORMATS = (_COMMON, "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f")
_OTHER_WAYS = {  # to write a date -> with hyphens
    r"^(\d{4})/(\d{1,2})/(\d{1,2})": "$1-$2-$3",
    r"(?i)^(\d{4})[- ]?q1$": "$1-01",
    r"(?i)^(\d{4})[- ]?q2$": "$1-04",
    r"(?i)^(\d{4})[- ]?q3$": "$1-07",
    r"(?i)^(\d{4})[- ]?q4$": "$1-10",
    r"^(\d{4}-\d{1,2})$": "$1-01",
}
_REMEDY = (
    "write them as 2016-07-01, 2016-07-01 12:30, 2016-07, 2016Q3 or whole numbers, or, if another column holds the "
    "time, name it with --time-column"
)


def parse_times(values: pl.Series, place: str, row_names: RowNames | None = None) -> Times:
    """Return time stamps from text; those with a time zone become UTC, which is logged.

    Whole numbers are times of their own, unless all are dates without marks: 20160701, or 201607 over several years.

    Args:
        values: strings, or what becomes them, [n].
        place: what messages call them.
        row_names: what messages call some rows, given by their indices [default: row 1 and so on].

    Returns:
        [n], datetime64[us], or int64 of whole numbers.

    Raises:
        DataError: values that are missing or no times, or some with a time zone and some without, listed.
    """
    text = values.cast(pl.String).str.strip_chars()
    whole = text.cast(pl.Int64, strict=False)
    if text.len() and not whole.null_count():
        dates = _unmarked_dates(text, place)
        return whole.to_numpy() if dates is None else _as_numpy(dates)
    zones = text.str.extract(_ZONE, 1)
    stamps = _stamps(text, zones)
    names = row_names or (lambda rows: [f"row {row + 1:,}" for row in rows])
    if stamps.null_count():
        rows = stamps.is_null().arg_true()
        shown = rows.head(SHOWN).to_list()
        found = ["nothing" if text[row] is None or text[row] == "" else repr(text[row]) for row in shown]
        lines = [f"{name}: found {what}" for name, what in zip(names(shown), found)]
        raise DataError(
            f"{place}: expected a time in each row, found none in {rows.len():,} of {text.len():,}:\n"
            f"{listed(lines, rows.len())}\n{_REMEDY}"
        )
    told = text.len() - zones.null_count()
    if told and zones.null_count():
        rows_of = [int(zones.is_not_null().arg_true()[0]), int(zones.is_null().arg_true()[0])]
        lines = [f"{name}: found {text[row]!r}" for name, row in zip(names(rows_of), rows_of)]
        raise DataError(
            f"{place}: expected a time zone in each row or in none, found one in {told:,} of {text.len():,}:\n"
            f"{listed(lines)}\nwrite it in all of them, or in none"
        )
    if told:
        _log.info("%s: times with a time zone are read as those of UTC", place)
    return _as_numpy(stamps)


def are_dates(values: pl.Series) -> pl.Series:
    """Return which strings are dates, with a clock or without; whole numbers are none."""
    text = values.str.strip_chars()
    dates: pl.Series = _stamps(text, text.str.extract(_ZONE, 1)).is_not_null()
    return dates


def mostly_times(values: pl.Series, whole: bool) -> bool:
    """Return whether more than half of the strings that are there are dates or, with `whole`, whole numbers."""
    fit = are_dates(values)
    if whole:
        fit = fit | values.str.strip_chars().cast(pl.Int64, strict=False).is_not_null()
    return 2 * int(fit.sum()) > int(values.count())


def _as_numpy(stamps: pl.Series) -> Times:
    found: Times = stamps.to_numpy().astype("datetime64[us]")
    return found


def _stamps(text: pl.Series, zones: pl.Series) -> pl.Series:
    """Return what text without white space around it means in UTC; null where it means no time."""
    bare = text
    if zones.null_count() < zones.len():
        bare = bare.str.replace(_ZONE_AWAY, "$1").zip_with(zones.is_not_null(), bare)
    bare = bare.str.replace("T", " ", literal=True)
    stamps = _strict(bare, _COMMON)
    rest = stamps.is_null().arg_true()
    if rest.len():  # a file writes its times in one way, and mostly in the common one; the others take longer
        other = bare.gather(rest)
        for form, meaning in _OTHER_WAYS.items():
            other = other.str.replace(form, meaning)
        stamps = stamps.scatter(rest, pl.select(pl.coalesce(_strict(other, form) for form in _FORMATS)).to_series())
    offsets = {zone: _offset(zone) for zone in zones.drop_nulls().unique()}
    if not any(offsets.values()):
        return stamps
    ahead: pl.Series = zones.replace_strict(offsets, default=0, return_dtype=pl.Int64)
    utc: pl.Series = stamps - ahead.cast(pl.Duration("us"))
    return utc


def _strict(text: pl.Series, form: str) -> pl.Series:
    """Return the dates of a form whose year has four digits; null for all else."""
    found: pl.Series = text.str.to_datetime(form, time_unit="us", strict=False)
    return found.set(found.dt.year() < 1000, None)


def _offset(zone: str) -> int:
    """Return how many microseconds a zone is before UTC."""
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "")
    minutes = 60 * int(digits[:2]) + int(digits[2:] or 0)
    return 60_000_000 * (minutes if zone[0] == "+" else -minutes)


def _unmarked_dates(text: pl.Series, place: str) -> pl.Series | None:
    """Return the dates that whole numbers are if all are such, and log it."""
    for digits, form, suffix in ((8, "%Y%m%d", ""), (6, "%Y%m%d", "01")):
        if not text.str.contains(rf"^(1[89]|20|21)\d{{{digits - 2}}}$").all():
            continue
        dates = _strict(text + suffix, form)
        # A counter from 200,001 on would not leave out 200,013.
        if not dates.null_count() and (digits == 8 or dates.dt.year().n_unique() > 1):
            _log.info("%s: whole numbers such as %s are read as dates", place, text[0])
            return dates
    return None
