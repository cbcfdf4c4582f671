"""The commands that ask a trained model: evaluate, predict, check."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from recurra.cli.app import app, console, reported
from recurra.errors import CheckFailed

TAGGER: dict[str, Any] = {"rich_help_panel": "Of a tagger"}
TRANSLATOR: dict[str, Any] = {"rich_help_panel": "Of a translator"}

ModelArgument = Annotated[Path, typer.Argument(help="Model directory, as made by recurra train.", show_default=False)]
TextColumn = Annotated[str | None, typer.Option(help="Column with the text (default: as in training, or found).")]
LabelColumn = Annotated[str | None, typer.Option(help="Column with the label (default: as in training, or found).")]
TokenColumn = Annotated[str | None, typer.Option(help="Column with the token (default: as in training).", **TAGGER)]
TagColumn = Annotated[str | None, typer.Option(help="Column with the tag (default: as in training).", **TAGGER)]
SentenceColumn = Annotated[str | None, typer.Option(help="Column that tells sentences apart.", **TAGGER)]
Format = Annotated[str | None, typer.Option(help="conllu, conll, jsonl, csv or tsv (default: by name).", **TAGGER)]
SourceColumn = Annotated[
    str | None, typer.Option(help="Column to translate from (default: as in training, or found).", **TRANSLATOR)
]
TargetColumn = Annotated[
    str | None, typer.Option(help="Column to translate into (default: as in training, or found).", **TRANSLATOR)
]
Target = Annotated[
    str | None, typer.Option(help="The target side, where DATA is the source side of parallel text.", **TRANSLATOR)
]
Beam = Annotated[
    int | None,
    typer.Option(help="Translations that are followed at a time; 1 is greedy (default: 5).", min=1, **TRANSLATOR),
]
LengthPenalty = Annotated[
    float | None, typer.Option(help="The larger, the less long translations lose (default: 0.6).", **TRANSLATOR)
]
CoveragePenalty = Annotated[
    float | None,
    typer.Option(help="The larger, the more lose those that leave source symbols out (default: 0).", **TRANSLATOR),
]
MaxRatio = Annotated[
    float | None,
    typer.Option(help="Most symbols for each source symbol, and 10 more (default: by training).", **TRANSLATOR),
]
Delimiter = Annotated[str | None, typer.Option(help="Field delimiter (default: by file name).")]
Header = Annotated[bool | None, typer.Option("--header/--no-header", help="Whether the first row names the columns.")]


@app.command("evaluate")
def _evaluate(
    model: ModelArgument,
    data: Annotated[str, typer.Argument(help="Labelled examples: a file, folder or hf:owner/name[:config].")],
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    token_column: TokenColumn = None,
    tag_column: TagColumn = None,
    sentence_column: SentenceColumn = None,
    source_column: SourceColumn = None,
    target_column: TargetColumn = None,
    target: Target = None,
    format: Format = None,
    delimiter: Delimiter = None,
    header: Header = None,
    beam: Beam = None,
    length_penalty: LengthPenalty = None,
    coverage_penalty: CoveragePenalty = None,
    max_ratio: MaxRatio = None,
    dynamic: Annotated[
        float | None,
        typer.Option(
            help="Learning rate of dynamic evaluation: it learns as it reads.", rich_help_panel="Of a language model"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all scores as one JSON object.")] = False,
) -> None:
    """Score a model on labelled examples, beside its baselines."""
    with reported():
        from recurra.checkpoint import read_model
        from recurra.show import print_scores

        saved = read_model(model)
        reading = saved.task.chosen(
            saved.task.reading,
            text_column=text_column,
            label_column=label_column,
            token_column=token_column,
            tag_column=tag_column,
            sentence_column=sentence_column,
            source_column=source_column,
            target_column=target_column,
            target=target,
            format=format,
            delimiter=delimiter,
            header=header,
        )
        scoring = saved.task.chosen(
            saved.task.evaluating,
            dynamic=dynamic,
            beam=beam,
            length_penalty=length_penalty,
            coverage_penalty=coverage_penalty,
            max_ratio=max_ratio,
        )
        examples = saved.task.load_labelled(data, **reading)
        scores = saved.task.evaluate(examples, saved.baseline, **scoring)
        if as_json:
            typer.echo(json.dumps(scores, ensure_ascii=False))
        else:
            print_scores(console(), saved.task, scores, data)


@app.command("predict")
def _predict(
    model: ModelArgument,
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Files, or texts (default: standard input, one text a line).")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write, whole or not at all (default: print).")] = None,
    text_column: TextColumn = None,
    token_column: TokenColumn = None,
    tag_column: TagColumn = None,
    sentence_column: SentenceColumn = None,
    source_column: SourceColumn = None,
    format: Format = None,
    delimiter: Delimiter = None,
    header: Header = None,
    n_best: Annotated[
        int | None, typer.Option(help="Translations of each text (default: 1).", min=1, **TRANSLATOR)
    ] = None,
    beam: Beam = None,
    length_penalty: LengthPenalty = None,
    coverage_penalty: CoveragePenalty = None,
    max_ratio: MaxRatio = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Draw translations, where no beam searches; below 1 likelier ones.", **TRANSLATOR),
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw from so many likeliest symbols.", **TRANSLATOR)] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Draw from the likeliest that together have this probability.", **TRANSLATOR)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of what is drawn (default: 0).", min=0, max=2**31 - 1, **TRANSLATOR)
    ] = None,
    attention: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures of where the decoder looked; the answers tell it too.", **TRANSLATOR),
    ] = None,
    replace_unknown: Annotated[
        bool | None,
        typer.Option("--replace-unknown", help="Write an unknown symbol as the source symbol looked at.", **TRANSLATOR),
    ] = None,
) -> None:
    """Answer texts: JSON lines or, by a tagger, the form of file that was read."""
    with reported():
        from recurra.checkpoint import read_model
        from recurra.files import atomic_writer

        task = read_model(model).task
        options = task.chosen(
            (*task.reading, *task.answering),
            text_column=text_column,
            token_column=token_column,
            tag_column=tag_column,
            sentence_column=sentence_column,
            source_column=source_column,
            format=format,
            delimiter=delimiter,
            header=header,
            n_best=n_best,
            beam=beam,
            length_penalty=length_penalty,
            coverage_penalty=coverage_penalty,
            max_ratio=max_ratio,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            attention=attention,
            replace_unknown=replace_unknown,
        )
        with contextlib.ExitStack() as stack:
            answers = task.predict(inputs or [], **options)
            if attention is not None:
                from recurra.diagnose.alignment import with_pictures

                answers = with_pictures(answers, attention)
            sink = stack.enter_context(atomic_writer(output)) if output is not None else sys.stdout.buffer
            for lines in answers:
                sink.write(lines.encode())
                sink.flush()


@app.command("check")
def _check(
    model: ModelArgument,
    data: Annotated[str | None, typer.Argument(help="Examples to try (default: the model's own data).")] = None,
    text_column: TextColumn = None,
    token_column: TokenColumn = None,
    sentence_column: SentenceColumn = None,
    source_column: SourceColumn = None,
    target_column: TargetColumn = None,
    target: Target = None,
    format: Format = None,
) -> None:
    """Check a model's invariants: padding, batch, order, parity with torch.nn, reload."""
    with reported():
        from recurra.check import check_model
        from recurra.checkpoint import read_model

        saved = read_model(model)
        reading = saved.task.chosen(
            saved.task.reading,
            text_column=text_column,
            token_column=token_column,
            sentence_column=sentence_column,
            source_column=source_column,
            target_column=target_column,
            target=target,
            format=format,
        )
        broken = []
        for finding in check_model(saved, saved.task.sequences(data, **reading)):
            mark = "ok    " if finding.holds else "BROKEN"
            typer.echo(
                f"{mark}  {finding.name:8} {finding.difference:.1e}  (allowed {finding.allowed:.0e})  {finding.what}"
            )
            broken += [] if finding.holds else [finding.name]
        if broken:
            raise CheckFailed(f"{model}: does not hold: {', '.join(broken)}")
