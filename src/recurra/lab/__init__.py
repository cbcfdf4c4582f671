"""The classic experiments on recurrent networks: each one command, seeded, minutes on two cores, a page of figures."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from recurra.errors import SettingsError, nearest
from recurra.lab.experiment import Experiment, Outcome

__all__ = ["EXPERIMENTS", "find_experiment"]


def _experiment(name: str, heading: str, question: str, minutes: float) -> Experiment:
    """One whose module, of the same name, has the function `run`; it is imported when it is run."""

    def run(seed: int, quick: bool, tell: Callable[[str], None]) -> Outcome:
        found: Outcome = import_module(f"{__name__}.{name.replace('-', '_')}").run(seed, quick, tell)
        return found

    return Experiment(name, heading, question, minutes, run)


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        _experiment(
            "eigenvalues",
            "How far back a gradient reaches",
            "Does a gradient vanish, hold or explode on its way back through time, and what decides it?",
            0.2,
        ),
        _experiment(
            "clipping",
            "What clipping saves",
            "What happens to a training whose gradients explode, and what does clipping them save or cost?",
            3,
        ),
        _experiment(
            "memory",
            "Adding two numbers from long ago",
            "Over how many steps does each kind of network learn to keep a number?",
            4,
        ),
        _experiment(
            "copy",
            "Saying again what was said long ago",
            "Over how many steps does each kind of network learn to keep a row of symbols?",
            4,
        ),
        _experiment(
            "padding",
            "What padding does to an answer",
            "Does a classifier's answer depend on the batch that a text is in, and how is it made not to?",
            0.6,
        ),
        _experiment(
            "bidirectional",
            "What lies ahead",
            "What does a bidirectional net know at a step that a forward one of the same size cannot?",
            1,
        ),
        _experiment(
            "bottleneck",
            "All of a sequence in one vector",
            "How long a sequence can be written again from the encoder's last state alone, how long with attention?",
            3,
        ),
        _experiment(
            "truncation",
            "How far truncated backpropagation learns",
            "Can a net whose gradient goes back n steps learn what lies more than n steps back, if its state goes on?",
            2.5,
        ),
        _experiment(
            "order",
            "Where order matters",
            "When does reading in order beat counting, and is it the recurrence that does?",
            1.5,
        ),
    )
}


def find_experiment(name: str) -> Experiment:
    """Return the experiment of that name.

    Raises:
        SettingsError: there is none; the nearest is named.
    """
    if name not in EXPERIMENTS:
        raise SettingsError(
            f"lab: expected all or one of {', '.join(EXPERIMENTS)}, found {name!r}{nearest(name, EXPERIMENTS)}"
        )
    return EXPERIMENTS[name]
