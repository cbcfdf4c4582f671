"""The one table of tasks."""

from recurra.tasks.base import Task
from recurra.tasks.classify import Classify
from recurra.tasks.language_model import LanguageModel

__all__ = ["TASKS", "Task"]

TASKS: dict[str, type[Task]] = {task.name: task for task in (Classify, LanguageModel)}
