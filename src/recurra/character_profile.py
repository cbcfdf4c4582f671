"""How often each character occurs on the two sides of pairs, by which columns are recognised that were swapped."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Profile", "swapped"]

_MOST_CHARACTERS = 200
_FEWEST_CHARACTERS = 200  # of a side: fewer say little about what it is
_ALIKE = 0.1  # nats a character, both sides together: what tells the sides of training apart must be more


@dataclass(frozen=True)
class Profile:
    """The characters of texts, but for white space.

    The probability of a character is (count + 1) / (characters + kinds), with one kind more for what was never seen;
    those beyond the most frequent share theirs evenly.

    Attributes:
        counts: of the 200 most frequent characters.
        rest: how often others occur.
        rest_kinds: how many others there are.
    """

    counts: Mapping[str, int]
    rest: int = 0
    rest_kinds: int = 0

    @classmethod
    def of(cls, texts: Iterable[str]) -> Profile:
        """Count the characters of texts; of those as frequent the first by code are kept.

        >>> Profile.of(["to be", "or not"])
        Profile(counts={'o': 3, 't': 2, 'b': 1, 'e': 1, 'n': 1, 'r': 1}, rest=0, rest_kinds=0)
        """
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update("".join(text.split()))
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        others = ordered[_MOST_CHARACTERS:]
        return cls(dict(ordered[:_MOST_CHARACTERS]), sum(count for _, count in others), len(others))

    @property
    def total(self) -> int:
        """How many characters were counted."""
        return sum(self.counts.values()) + self.rest

    def log_likelihood(self, of: Profile) -> float:
        """The mean log-probability of the characters of other texts, in nats a character; 0 where they have none."""
        kinds = len(self.counts) + self.rest_kinds + 1
        known = sum(
            count * math.log((self.counts[character] + 1) / (self.total + kinds))
            for character, count in of.counts.items()
            if character in self.counts
        )
        others = of.total - sum(count for character, count in of.counts.items() if character in self.counts)
        each = (self.rest + self.rest_kinds + 1) / (self.rest_kinds + 1) / (self.total + kinds)
        return (known + others * math.log(each)) / max(1, of.total)

    def script(self) -> str:
        """What most of the 200 characters are, in words, such as "Greek letters" or "digits"; "signs" where no letter.

        >>> Profile.of(["Καλημέρα, world"]).script()
        'Greek letters'
        """
        found: Counter[str] = Counter()
        for character, count in self.counts.items():
            if character.isalnum():
                found[unicodedata.name(character, "unknown").split()[0]] += count
        if not found:
            return "signs"
        name = min(found, key=lambda name: (-found[name], name))
        return "digits" if name == "DIGIT" else f"{name if name == 'CJK' else name.capitalize()} letters"


def swapped(
    sources: Iterable[str], targets: Iterable[str], source_profile: Profile, target_profile: Profile
) -> str | None:
    """Say so where the two columns of pairs fit the characters of training clearly better the other way round.

    That is where each column has a higher likelihood under the profile of the other side than under its own, and both
    together gain at least half of what the sides of training would gain; never where these look alike, nor where a
    column, or that of training, has fewer than 200 characters.

    Args:
        sources: the texts of the column read as sources.
        targets: those of the column read as targets.
        source_profile: of the training sources.
        target_profile: of the training targets.

    Returns:
        The sentence of a warning, or None.
    """
    found, trained = (Profile.of(sources), Profile.of(targets)), (source_profile, target_profile)
    if min(side.total for side in (*found, *trained)) < _FEWEST_CHARACTERS:
        return None
    expected = sum(_gains(trained, trained[::-1]))
    gains = _gains(trained, found)
    if expected < _ALIKE or min(gains) <= 0 or sum(gains) < expected / 2:
        return None
    ours, theirs = ([side.script() for side in sides] for sides in (found, trained))
    described = ""
    if theirs[0] != theirs[1]:
        described = (
            f": the sources are mostly {ours[0]} and the targets {ours[1]}, "
            f"where training translated {theirs[0]} into {theirs[1]}"
        )
    return f"the columns of sources and targets look swapped, by the characters that training had{described}"


def _gains(trained: tuple[Profile, Profile], found: tuple[Profile, Profile]) -> tuple[float, float]:
    """How much better the sources fit the training targets than the training sources, and the targets inversely."""
    (source, target), (ours, theirs) = trained, found
    return (
        target.log_likelihood(ours) - source.log_likelihood(ours),
        source.log_likelihood(theirs) - target.log_likelihood(theirs),
    )
