"""What is compared: the cells of each task, the settings of each run, and every bad input by its message."""

from __future__ import annotations

import re
from typing import Any

import pytest

from recurra.compare import make_plan
from recurra.compare.plan import known_cells
from recurra.config import CONFIGS
from recurra.errors import SettingsError


def test_every_task_knows_its_cells() -> None:
    knows = {task: known_cells(task) for task in CONFIGS}
    assert all({"lstm", "gru", "rnn"} < set(cells) for cells in knows.values())
    assert [task for task, cells in knows.items() if "feedforward" in cells] == ["classify", "tag"]
    assert make_plan("classify", "a.csv").cells == ("lstm", "gru", "rnn", "rnn_relu", "feedforward")


def test_seeds_follow_each_other_and_settings_reach_each_run() -> None:
    plan = make_plan("classify", "a.csv", "gru, rnn", seeds=2, seed=7, hidden_size=4, epochs=3)
    assert plan.seeds == (7, 8)
    config: Any = plan.config("rnn", 8, hidden_size=5)
    found = (config.model.cell, config.train.seed, config.model.hidden_size, config.train.epochs)
    assert found == ("rnn", 8, 5, 3)


def test_what_a_feedforward_network_has_not_is_told_to_the_others() -> None:
    plan = make_plan("classify", "a.csv", ["feedforward", "gru"], bidirectional=False)
    configs: list[Any] = [plan.config(cell, 0) for cell in plan.cells]
    assert [config.model.bidirectional for config in configs] == [False, False]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"task": "clasify"}, "compare: expected one of classify, tag, language-model, translate, forecast, "),
        ({"task": "clasify"}, "found 'clasify', did you mean 'classify'?"),
        ({"cells": "lstm,grru"}, "option 'cells': expected some of lstm, gru, rnn, rnn_relu, feedforward, which are "),
        ({"cells": "lstm,grru"}, "what the task classify knows, found 'grru', did you mean 'gru'?"),
        ({"task": "forecast", "cells": "gru,feedforward"}, "what the task forecast knows, found 'feedforward'"),
        ({"cells": "gru"}, "option 'cells': expected two or more to compare, of lstm, gru, rnn, rnn_relu, feedforward"),
        ({"cells": ""}, "knows, found ''"),
        ({"cells": "gru,gru"}, "option 'cells': gru is named twice"),
        ({"seeds": 0}, "option 'seeds': expected at least 1, found 0; 3 give an interval"),
        ({"equal": "tiem"}, "option 'equal': expected parameters or time, found 'tiem', did you mean 'time'?"),
        ({"minutes": 2}, "option 'minutes' (2) would have no effect: only --equal time has a limit of time"),
        ({"minutes": -1, "equal": "time"}, "option 'minutes': expected a number above 0, found -1"),
        ({"minutes": float("inf"), "equal": "time"}, "option 'minutes': expected a number above 0, found inf"),
        ({"minutes": float("nan"), "equal": "time"}, "option 'minutes': expected a number above 0, found nan"),
        ({"minutes": 1, "equal": "time", "epochs": 3}, "option 'epochs' (3) would have no effect: --minutes says"),
        ({"equal": "time", "patience": 3}, "option 'patience' (3): with --equal time each run uses its time"),
        ({"hiden_size": 3}, "unknown option 'hiden_size', did you mean 'hidden_size'?"),
        ({"pooling": "final"}, "a feedforward model has no final state; choose mean, max or attention"),
        ({"cells": "gru,rnn", "init_from": "m"}, "option 'cell' (gru) would have no effect: --init-from takes"),
        ({"seed": 2**31 - 1}, "'seed': input should be less than 2147483648"),
    ],
)
def test_bad_input(told: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        make_plan(**{"task": "classify", "data": "a.csv", **told})
