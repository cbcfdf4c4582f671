"""The sections of the report on transcription: findings in, the pieces of HTML that its template asks for out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

from recurra.demo.transcribe_figures import by_noise_figure, learning_figure, listened_figure
from recurra.demo.transcribe_findings import (
    Listened,
    TranscribeReport,
    next_transcribe_commands,
    transcribe_sentences,
)
from recurra.pages.pieces import Parts, changes_sentence, fact_rows, settings_rows, tiles

__all__ = ["TRANSCRIBE_SECTIONS"]

_RATES = ("character_error", "sentence_error")
_TRAINED = (0.0, 20.0)  # decibels of the recordings that it learns from
_WORST = 6  # recordings that are shown


def overview(report: TranscribeReport) -> Parts:
    """The first sentences and the four large numbers."""
    heard, model = report.heard, report.scores["model"]
    easy = heard.whole(heard.noise == heard.levels()[0])
    factor = max(each.real_time_factor for each in report.listened)
    numbers = [
        (f"{100 * model['character_error']['value']:.1f} %", f"of all keys wrong<br>95 % interval {_range(model)}"),
        (f"{100 * easy['value']:.0f} %", "of the numbers under little noise without a mistake"),
        (f"{1 / factor:,.0f} times", "as fast as the sound comes, fed in pieces, one thread"),
        (f"{report.seconds:.0f} s", "for the recordings, the training, the scores and this page"),
    ]
    return {
        "lead": "A network learnt to write down the keys of a telephone from their sound. Nobody told it which sound "
        "is which key, nor when a key sounds: it had recordings and what was dialled. "
        f"{escape(transcribe_sentences(report)[0])}",
        "tiles": tiles(numbers),
        **{part: f"{size:,}" for part, size in report.sizes.items()},
        "units": f"{report.config.model.hidden_size}",
        "stack": f"{report.config.model.stack}",
        "milliseconds": f"{report.config.model.stack * report.config.features.hop_ms:.0f}",
    }


def _range(found: Mapping[str, Mapping[str, float]]) -> str:
    share = found["character_error"]
    return f"{100 * share['low']:.1f} to {100 * share['high']:.1f}"


def listened(report: TranscribeReport) -> Parts:
    """Some recordings: what they look like, what the network says, and what came of it."""
    return {"listened": "".join(map(_listened, report.listened))}


def _listened(each: Listened) -> str:
    said = "".join(key for key, _, _ in each.truth)
    wrong = f"heard as <code>{escape(each.text)}</code>" if each.text else "nothing heard"
    verdict = "right" if each.text == said else wrong
    title = (
        f"Spectrogram of a recording of {said} under noise of {each.noise:.0f} decibels, its keys in truth and as "
        "heard, and the probability of each symbol over time"
    )
    return (
        f"<h3><code>{escape(said)}</code> at {each.noise:.0f} dB: {verdict}</h3>"
        f'<figure class="large">{listened_figure(each, title)}</figure>'
    )


def noise(report: TranscribeReport) -> Parts:
    """Errors by noise, as a figure and a table."""
    heard = report.heard
    errors = {level: heard.error(heard.noise == level) for level in heard.levels()}
    rows = []
    for level, error in errors.items():
        among = heard.noise == level
        whole = heard.whole(among)
        rows.append(
            f"<tr><td>{level:.0f}</td><td>{among.sum():,}</td><td>{_share(error)}</td><td>{_share(whole)}</td></tr>"
        )
    return {
        "by_noise_figure": by_noise_figure(errors, _TRAINED, "Share of wrong keys by the signal-to-noise ratio"),
        "noise_rows": "".join(rows),
    }


def _share(found: Mapping[str, float]) -> str:
    return f"{100 * found['value']:.1f}<small>{100 * found['low']:.1f} to {100 * found['high']:.1f}</small>"


def scores(report: TranscribeReport) -> Parts:
    """The model beside the baseline."""
    rows = []
    for name, found in {"this model": report.scores["model"], **report.scores["baselines"]}.items():
        main = ' class="main"' if name == "this model" else ""
        rows.append(
            f"<tr{main}><td>{escape(name)}</td>{''.join(f'<td>{_share(found[rate])}</td>' for rate in _RATES)}</tr>"
        )
    return {"score_rows": "".join(rows)}


def stream(report: TranscribeReport) -> Parts:
    """What was understood of a recording as it came."""
    each = report.listened[0]
    rows = "".join(
        f"<tr><td>{partial.seconds:.1f}</td><td><code>{escape(partial.text) or '&nbsp;'}</code></td></tr>"
        for partial in each.partials
    )
    return {"partial_rows": rows, "streamed": escape(transcribe_sentences(report)[1])}


def worst(report: TranscribeReport) -> Parts:
    """The recordings with the most errors."""
    pairs = zip(report.heard.said, report.heard.heard, report.heard.noise, strict=True)
    wrong = [(said, heard, level) for said, heard, level in pairs if said != heard]
    wrong.sort(key=lambda each: (-each[2], each[0]))
    rows = "".join(
        f"<tr><td>{level:.0f}</td><td><code>{escape(said)}</code></td>"
        f"<td><code>{escape(heard) or '&ndash;'}</code></td></tr>"
        for said, heard, level in wrong[:_WORST]
    )
    return {"wrong_rows": rows or '<tr><td colspan="3">none</td></tr>', "wrong": f"{len(wrong):,}"}


def curve(report: TranscribeReport) -> Parts:
    """The loss over the steps of training."""
    best = report.metrics["best_epoch"]
    return {
        "curve_note": f"{len(report.losses):,} steps in {len(report.history)} passes, {report.training_seconds:.0f} "
        f"seconds with reading and scores. What is kept is epoch {best}.",
        "curve_figure": learning_figure(
            report.losses, report.history, "Loss over the steps of training, in training and validation"
        ),
    }


def made(report: TranscribeReport) -> Parts:
    """Settings, facts of the run, and what to try next."""
    return {
        "made_note": f"{escape(changes_sentence(report.config))} It learnt on one thread. The recordings, their "
        "manifests and the model directory lie beside this page.",
        "settings_rows": settings_rows(report.config, report.metrics["epochs"]),
        "run_rows": fact_rows(report.facts),
        "commands": escape("\n".join(next_transcribe_commands(report))),
    }


TRANSCRIBE_SECTIONS: list[Callable[[TranscribeReport], Parts]] = [
    overview,
    listened,
    noise,
    scores,
    stream,
    worst,
    curve,
    made,
]
