"""Telephone keys as sound: the right tones, at the right times, under as much noise as told."""

from __future__ import annotations

import numpy as np
import pytest

from recurra.demo.keypad import KEYS, RATE, dial, draw_number, key_tones
from recurra.errors import SettingsError

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)


def powers(sound: np.ndarray) -> dict[int, float]:
    """The power of a sound at each of the eight frequencies, by a sum written out."""
    time = np.arange(len(sound)) / RATE
    return {hertz: abs((sound * np.exp(-2j * np.pi * hertz * time)).mean()) ** 2 for hertz in (*ROWS, *COLUMNS)}


def test_each_key_has_its_row_and_its_column() -> None:
    assert [key_tones(key) for key in KEYS] == [(row, column) for row in ROWS for column in COLUMNS]
    for wrong in ("E", "", "12"):
        with pytest.raises(SettingsError, match=r"key: expected one of 123A456B789C\*0#D, got"):
            key_tones(wrong)


def test_while_a_key_sounds_its_two_tones_are_the_strongest() -> None:
    dialled = dial(KEYS, 40.0, np.random.default_rng(0))
    assert dialled.text == KEYS
    for key, start, end in dialled.keys:
        found = powers(dialled.samples[round(start * RATE) : round(end * RATE)])
        strongest = sorted(found, key=found.__getitem__)[-2:]
        assert tuple(sorted(strongest)) == key_tones(key)


def test_keys_and_pauses_follow_one_another() -> None:
    dialled = dial(draw_number(np.random.default_rng(1), 8, 8), 10.0, np.random.default_rng(1))
    times = [0.0, *(moment for key in dialled.keys for moment in key[1:]), len(dialled.samples) / RATE]
    pauses, keys = np.diff(times)[::2], np.diff(times)[1::2]
    assert ((pauses >= 0.0499) & (pauses <= 0.2001)).all()
    assert ((keys >= 0.0599) & (keys <= 0.1601)).all()
    assert dialled.samples.dtype == np.float32
    assert 0.19 < np.abs(dialled.samples).max() < 0.91


@pytest.mark.parametrize("noise", [-5.0, 0.0, 20.0])
def test_the_noise_is_as_strong_as_told(noise: float) -> None:
    dialled = dial("147*2580" * 20, noise, np.random.default_rng(2))
    sounding = np.zeros(len(dialled.samples), bool)
    for _, start, end in dialled.keys:
        sounding[round(start * RATE) : round(end * RATE)] = True
    silence, both = (np.square(dialled.samples[chosen]).mean() for chosen in (~sounding, sounding))
    assert 10 * np.log10((both - silence) / silence) == pytest.approx(noise, abs=0.5)


def test_the_same_seed_gives_the_same_sound() -> None:
    first, second, other = (dial("159D", 5.0, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.keys == second.keys != other.keys


def test_numbers_have_so_many_keys() -> None:
    chance = np.random.default_rng(0)
    drawn = [draw_number(chance, 2, 4) for _ in range(200)]
    assert {len(number) for number in drawn} == {2, 3, 4}
    assert set("".join(drawn)) == set(KEYS)
