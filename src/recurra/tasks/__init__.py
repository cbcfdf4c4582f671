"""The one table of tasks."""

from recurra.tasks.base import Start, Task
from recurra.tasks.classify import Classify
from recurra.tasks.forecast import Forecast
from recurra.tasks.language_model import ModelLanguage
from recurra.tasks.tag import Tag
from recurra.tasks.transcribe import Transcribe
from recurra.tasks.translate import Translate

__all__ = ["TASKS", "Start", "Task"]

_ALL: tuple[type[Task], ...] = (Classify, Tag, ModelLanguage, Translate, Forecast, Transcribe)
TASKS: dict[str, type[Task]] = {task.name: task for task in _ALL}
