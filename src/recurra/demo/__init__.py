"""The demos: models learn from data that need no download, are scored, and a page is written about them."""

from recurra.demo.classify import print_summary, run_demo
from recurra.demo.forecast import print_forecast_summary, run_forecast_demo
from recurra.demo.language_model import print_language_summary, run_language_demo
from recurra.demo.transcribe import print_transcribe_summary, run_transcribe_demo
from recurra.demo.translate import print_translate_summary, run_translate_demo

__all__ = [
    "print_forecast_summary",
    "print_language_summary",
    "print_summary",
    "print_transcribe_summary",
    "print_translate_summary",
    "run_demo",
    "run_forecast_demo",
    "run_language_demo",
    "run_transcribe_demo",
    "run_translate_demo",
]
