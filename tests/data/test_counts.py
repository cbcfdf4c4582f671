"""Values that are to be counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recurra.data.counts import require_counts
from recurra.data.series import Series, SeriesSet
from recurra.errors import DataError


def test_what_is_no_count_is_named(
    make_series: Callable[..., Series], make_series_set: Callable[..., SeriesSet]
) -> None:
    fine = make_series([0, 3, np.nan, 2**31], "fine")
    require_counts(make_series_set([fine]))
    wrong = make_series([[1, -1], [np.nan, 2], [0.5, 1]], "wrong")
    with pytest.raises(DataError) as caught:
        require_counts(make_series_set([fine, wrong]))
    assert str(caught.value) == (
        "made.csv: expected counts, 0, 1, 2 ..., as --output negative-binomial forecasts, found 2 other values:\n"
        "  'wrong', 2024-01-01: -1\n  'wrong', 2024-01-01 02:00:00: 0.5\nchoose another --output, or mend these values"
    )
    filled = replace(make_series([1, 1.5, 2]), filled=np.array([[False], [True], [False]]))
    with pytest.raises(DataError, match=r"1 other value:\n  'a', .*: 1\.5 \(put into a gap\)\n.*; --fill previous or"):
        require_counts(replace(make_series_set([filled]), fill="linear"))
    many = make_series(np.arange(30) + 0.5, "many")
    with pytest.raises(DataError, match=r"found 30 other values:\n(  .*\n){10}  and 20 more\n"):
        require_counts(make_series_set([many]))
