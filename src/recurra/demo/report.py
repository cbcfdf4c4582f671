"""The demos' reports: one HTML page each with all in it, made only of what a run has measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from string import Template
from typing import TypeVar

from recurra.demo.classify_findings import Report
from recurra.demo.classify_sections import SECTIONS
from recurra.demo.forecast_findings import ForecastReport
from recurra.demo.forecast_sections import FORECAST_SECTIONS
from recurra.demo.language_findings import LanguageReport
from recurra.demo.language_sections import LANGUAGE_SECTIONS
from recurra.demo.transcribe_findings import TranscribeReport
from recurra.demo.transcribe_sections import TRANSCRIBE_SECTIONS
from recurra.demo.translate_findings import TranslateReport
from recurra.demo.translate_sections import TRANSLATE_SECTIONS
from recurra.pages.frame import make_page, mark
from recurra.pages.pieces import Parts

__all__ = [
    "FORECAST_MARK",
    "LANGUAGE_MARK",
    "MARK",
    "TRANSCRIBE_MARK",
    "TRANSLATE_MARK",
    "render",
    "render_forecast",
    "render_language",
    "render_transcribe",
    "render_translate",
]

_Report = TypeVar("_Report")
_DEMO, _LANGUAGE_DEMO, _TRANSLATE_DEMO = "recurra demo", "recurra demo language-model", "recurra demo translate"
_FORECAST_DEMO, _TRANSCRIBE_DEMO = "recurra demo forecast", "recurra demo transcribe"
MARK = mark(_DEMO)  # what tells that a page was made by the demo
LANGUAGE_MARK = mark(_LANGUAGE_DEMO)
TRANSLATE_MARK = mark(_TRANSLATE_DEMO)
TRANSCRIBE_MARK = mark(_TRANSCRIBE_DEMO)
FORECAST_MARK = mark(_FORECAST_DEMO)


def render(report: Report) -> str:
    """Make the page of the demo of classification."""
    return _page("classify.html", _parts(SECTIONS, report), _DEMO, "Reading reviews in order")


def render_language(report: LanguageReport) -> str:
    """Make the page of the demo of language modelling."""
    parts = _parts(LANGUAGE_SECTIONS, report)
    return _page("language.html", parts, _LANGUAGE_DEMO, "Learning to write documentation")


def render_translate(report: TranslateReport) -> str:
    """Make the page of the demo of translation."""
    return _page("translate.html", _parts(TRANSLATE_SECTIONS, report), _TRANSLATE_DEMO, "What a fixed vector forgets")


def render_forecast(report: ForecastReport) -> str:
    """Make the page of the demo of forecasting."""
    return _page("forecast.html", _parts(FORECAST_SECTIONS, report), _FORECAST_DEMO, "The sea a year ahead")


def render_transcribe(report: TranscribeReport) -> str:
    """Make the page of the demo of transcription."""
    return _page("transcribe.html", _parts(TRANSCRIBE_SECTIONS, report), _TRANSCRIBE_DEMO, "Listening to a telephone")


def _parts(sections: Sequence[Callable[[_Report], Parts]], report: _Report) -> Parts:
    """What the sections of a report put in the places of the template and the frame, by the names of these."""
    return {name: text for section in sections for name, text in section(report).items()}


def _page(name: str, parts: Parts, generator: str, heading: str) -> str:
    """Put the parts in their places in a template beside this file, and in the frame that all pages share."""
    template = Template((files("recurra.demo") / name).read_text(encoding="utf-8"))
    return make_page(generator, heading, parts, template.substitute(parts))
