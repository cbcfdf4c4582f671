"""The state of a language model over a text: features by hand, correlations beside numpy's, units that are planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recurra.config import make_run_config
from recurra.data import Texts
from recurra.diagnose.states import FEATURES, Activity, features, find_followers, most_active, read_outputs
from recurra.tasks.language_model import ModelLanguage
from recurra.vocabulary import END, Vocabulary


def marks(name: str, line: str) -> str:
    return "".join("x" if value else "." for value in FEATURES[name](line))


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        ("inside parentheses", "f(a, [b]) c", ".xxxxxxx..."),
        ("inside parentheses", "a) (b", "...xx"),
        ("inside quotes", 'say "yes" now', "....xxxx....."),
        ("inside quotes", "it's not 'so', isn't it", ".........xxx..........."),
        ("inside quotes", "the `name", "........."),
        ("a line of an interactive session", "  >>> f", "xxxxxxx"),
        ("a line of an interactive session", "a >>> f", "......."),
    ],
)
def test_what_stands_inside(name, line, expected):
    assert marks(name, line) == expected


def test_features_are_those_after_each_token_and_none_after_a_line():
    found = features([2, 1, 1, 1, 2, 1], "  (a\n b\n")
    assert found["how far the line has come"].tolist() == [2, 3, 4, 0, 2, 0]
    assert found["how far the line is indented"].tolist() == [2, 2, 2, 0, 1, 0]
    assert found["inside parentheses"].tolist() == [0, 1, 1, 0, 0, 0]


def activity(unit: int) -> Activity:
    return Activity(["a"], [unit], np.zeros((1, 1), np.float32))


def test_a_planted_unit_is_found_with_numpys_correlation():
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(6_000, 8)).astype(np.float32)
    feature = (rng.random(6_000) < 0.3).astype(float)
    outputs[:, 5] -= 2 * feature
    outputs[:, 2] = 0.5  # does not vary
    (found,) = find_followers(outputs, {"planted": feature}, activity)
    assert (found.feature, found.unit, found.activity.units) == ("planted", 5, [5])
    assert found.chosen == pytest.approx(np.corrcoef(outputs[:3_000, 5], feature[:3_000])[0, 1], abs=1e-6)
    assert found.found == pytest.approx(np.corrcoef(outputs[3_000:, 5], feature[3_000:])[0, 1], abs=1e-6)
    assert found.found < -0.5
    assert abs(found.chance) < 0.1


def test_what_only_the_first_half_has_is_not_found_in_the_second():
    rng = np.random.default_rng(1)
    outputs = rng.normal(size=(4_000, 4)).astype(np.float32)
    feature = rng.normal(size=4_000)
    outputs[:2_000, 3] = feature[:2_000]
    (found,) = find_followers(outputs, {"half": feature}, activity)
    assert found.unit == 3
    assert found.chosen == pytest.approx(1)
    assert abs(found.found) < 0.1


def test_a_feature_that_a_half_lacks_is_left_out_and_the_closest_stands_first():
    rng = np.random.default_rng(2)
    outputs = rng.normal(size=(4_000, 4)).astype(np.float32)
    weak, strong = outputs[:, 1] + rng.normal(size=4_000) * 3, outputs[:, 2] + rng.normal(size=4_000)
    lacking = np.concatenate([rng.normal(size=2_000), np.zeros(2_000)])
    found = find_followers(outputs, {"weak": weak, "lacking": lacking, "strong": strong}, activity)
    assert [each.feature for each in found] == ["strong", "weak"]
    assert [each.unit for each in found] == [2, 1]


def test_the_most_active_units_vary_most_and_those_that_hold_a_value_stand_first():
    time = np.arange(400)
    flat, quick, slow = np.full(400, 0.9), (-1.0) ** time, np.sign(np.sin(time / 30))
    assert most_active(np.stack([flat, quick, slow], 1).astype(np.float32), 2) == [2, 1]


def test_outputs_are_those_of_the_network_read_symbol_by_symbol():
    config = make_run_config(
        "language-model", data="x", hidden_size=6, embedding_size=6, tokens="characters", cell="gru"
    )
    vocabulary = Vocabulary.build([["abc abd"] * 3], config.vocabulary, has_end=True)
    task = ModelLanguage(config, vocabulary)
    ids = task.encode(Texts.from_lists(["abd", "cab"])).ids
    network, state, expected = task.network.eval(), None, []
    with torch.no_grad():
        for id_ in [END, *ids.tolist()]:
            outputs, state = network.read(torch.tensor([[id_]]), state)
            expected.append(outputs[0, 0].numpy())
    np.testing.assert_allclose(read_outputs(task, ids), expected[1:], atol=1e-6)
