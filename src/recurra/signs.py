"""Control characters, which a text of somebody else may hold, as signs: no terminal obeys them and no page breaks."""

from __future__ import annotations

__all__ = ["SIGNS", "harmless"]

# The pictures that Unicode has for C0; those of C1, a second set that terminals obey, have none.
SIGNS = {code: chr(0x2400 + code) for code in range(32)} | {127: "␡"}
SIGNS |= dict.fromkeys((*range(128, 160), 0xFFFE, 0xFFFF), "\ufffd")
_KEPT = {code: sign for code, sign in SIGNS.items() if chr(code) not in "\t\n"}


def harmless(text: str) -> str:
    r"""Return a text with its control characters as signs, but for tabs and line ends.

    >>> harmless("a\x1b[31m\tb")
    'a␛[31m\tb'
    """
    return text.translate(_KEPT)
