"""How `recurra explain` reads an input of each task: the one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from recurra.diagnose.reading import Reading
from recurra.diagnose.readings.classify import read_classify
from recurra.diagnose.readings.forecast import read_forecast
from recurra.diagnose.readings.language_model import read_language_model
from recurra.diagnose.readings.tag import read_tag
from recurra.diagnose.readings.transcribe import read_transcribe
from recurra.diagnose.readings.translate import read_translate

__all__ = ["READINGS"]

READINGS: Mapping[str, Callable[[Any, str, int, Mapping[str, Any]], Reading]] = {
    "classify": read_classify,
    "tag": read_tag,
    "language-model": read_language_model,
    "translate": read_translate,
    "forecast": read_forecast,
    "transcribe": read_transcribe,
}
