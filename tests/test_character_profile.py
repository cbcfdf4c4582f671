"""Profiles of characters by hand, and swapped columns told from columns that are not."""

from __future__ import annotations

import json
import math
import random
from dataclasses import asdict

import pytest

from recurra.character_profile import Profile, swapped

ENGLISH = [
    "the",
    "what",
    "know",
    "with",
    "work",
    "have",
    "they",
    "you",
    "think",
    "that",
    "we",
    "who",
    "how",
    "now",
    "look",
]
FRENCH = [
    "que",
    "qui",
    "nous",
    "vous",
    "été",
    "même",
    "quelle",
    "une",
    "c'est",
    "jusque",
    "très",
    "à",
    "mais",
    "lui",
    "est",
]
GREEK = ["και", "το", "είναι", "δεν", "μου", "για", "σπίτι", "νερό"]
FIGURES = ["two", "hundred", "and", "seven", "thousand", "one", "twelve", "five"]


def sentences(words: list[str], count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(words, k=rng.randint(3, 8))) for _ in range(count)]


def numbers(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [str(rng.randrange(10**6)) for _ in range(count)]


def verdict(sources: list[str], targets: list[str], trained: tuple[list[str], list[str]]) -> str | None:
    return swapped(sources, targets, Profile.of(trained[0]), Profile.of(trained[1]))


SIDES = {
    "French and English": (sentences(FRENCH, 500), sentences(ENGLISH, 500, 1), "Latin letters", "Latin letters"),
    "Greek and English": (sentences(GREEK, 500), sentences(ENGLISH, 500, 1), "Greek letters", "Latin letters"),
    "words and figures": (sentences(FIGURES, 500), numbers(500), "Latin letters", "digits"),
}


@pytest.mark.parametrize("sides", SIDES)
def test_swapped_columns_are_told(sides: str) -> None:
    sources, targets, of_sources, of_targets = SIDES[sides]
    trained = sources[:400], targets[:400]
    message = verdict(targets[400:], sources[400:], trained)
    assert message is not None
    assert message.startswith("the columns of sources and targets look swapped, by the characters that training had")
    expected = (
        f"mostly {of_targets} and the targets {of_sources}, where training translated {of_sources} into {of_targets}"
    )
    assert message.endswith(expected) == (of_sources != of_targets)


@pytest.mark.parametrize("sides", SIDES)
def test_columns_in_order_are_not(sides: str) -> None:
    sources, targets, *_ = SIDES[sides]
    assert verdict(sources[400:], targets[400:], (sources[:400], targets[:400])) is None


@pytest.mark.parametrize("sides", SIDES)
def test_one_language_on_both_sides_is_not(sides: str) -> None:
    sources, targets, *_ = SIDES[sides]
    trained = sources[:400], targets[:400]
    for side in (sources, targets):
        assert verdict(side[400:450], side[450:], trained) is None


def test_sides_that_look_alike_never_are() -> None:
    for seed in range(40):
        of_one, two, three, four = (sentences(ENGLISH, 25, 4 * seed + part) for part in range(4))
        assert verdict(of_one, two, (three, four)) is None
    # not even where they are the very texts of the other side
    assert (
        verdict(
            sentences(ENGLISH, 99, 1), sentences(ENGLISH, 99, 2), (sentences(ENGLISH, 99, 2), sentences(ENGLISH, 99, 1))
        )
        is None
    )


def test_little_text_tells_nothing() -> None:
    trained = sentences(GREEK, 100), sentences(ENGLISH, 100)
    assert verdict(["the cat"], ["το νερό"], trained) is None
    for count, told in ((199, False), (200, True)):
        assert (verdict(["e" * 200], ["ν" * count], trained) is not None) == told
        assert (verdict(["e" * 200], ["ν" * 200], (["ν" * count], ["e" * 200])) is not None) == told


def test_a_third_language_on_one_side_is_no_swap() -> None:
    trained = sentences(GREEK, 400), sentences(ENGLISH, 400)
    assert verdict(sentences(ENGLISH, 99), sentences(FRENCH, 99), trained) is None


def test_likelihood_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recurra.character_profile._MOST_CHARACTERS", 2)
    profile = Profile.of(["aaa b\tb", "\u3000cd"])
    assert profile == Profile({"a": 3, "b": 2}, rest=2, rest_kinds=2)
    assert profile.total == 7
    # 7 characters and 4 kinds and one more: 4/12 and 3/12; c, d and what was never seen share 5/12
    found = Profile({"a": 2, "x": 1}, rest=1, rest_kinds=1)
    assert profile.log_likelihood(found) == pytest.approx((2 * math.log(4 / 12) + 2 * math.log(5 / 3 / 12)) / 4)
    assert profile.log_likelihood(Profile({})) == 0


def test_many_kinds_make_none_likely() -> None:
    """A side of thousands of signs, most of them beyond the profile, must not make letters likely that it has not."""
    chinese = ["".join(chr(0x4E00 + (7 * row + place) % 3000) for place in range(20)) for row in range(600)]
    english = sentences(ENGLISH, 600)
    assert verdict(english[400:], chinese[400:], (chinese[:400], english[:400])) is not None
    assert verdict(chinese[400:], english[400:], (chinese[:400], english[:400])) is None
    assert Profile.of(chinese).script() == "CJK letters"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("καλημέρα a b", "Greek letters"),
        ("12 34 a", "digits"),
        ("Привет", "Cyrillic letters"),
        ("?!", "signs"),
        ("", "signs"),
        ("aα", "Greek letters"),  # of as many the first by name
    ],
)
def test_scripts(text: str, script: str) -> None:
    assert Profile.of([text]).script() == script


def test_kept_as_json() -> None:
    profile = Profile.of(["é 日本 \U0001f600 x", '"\\'])
    assert Profile(**json.loads(json.dumps(asdict(profile)))) == profile
    assert Profile.of([]) == Profile({})


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("k", "l", True),  # what French never and English often has; and what French has more often
        ("k", "n", False),  # on the other side what English has a little more often: French for English, and English
        ("n", "l", False),  # a little more English, a little more French: what is unusual on either side
    ],
)
def test_both_columns_must_fit_and_clearly(source: str, target: str, told: bool) -> None:
    trained = sentences(FRENCH, 400), sentences(ENGLISH, 400, 1)
    assert (verdict([source * 300], [target * 300], trained) is not None) == told
