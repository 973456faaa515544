"""`ravine report` and `ravine compare`: reports from what is recorded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ravine import arguments, console, context
from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.analysis.before_after import Side
    from reports.statistics.pairwise_tests import Test
    from suite.spec.parts import StudyFile
    from suite.spec.study import Study
    from suite.tracking.store import Store
    from suite.trials import Trial


def report(
    study: arguments.Study,
    part: arguments.Part = None,
    repeats: arguments.Repeats = None,
    epochs: arguments.Epochs = None,
    train_examples: arguments.TrainExamples = None,
    optimizer: arguments.Optimizer = None,
    precision: arguments.Precision = None,
    store: arguments.Store = None,
    test: Annotated[
        arguments.Tests | None,
        typer.Option(
            help="How pairs are compared: sign flips, paired t, signed ranks, or unpaired. "
            "Default: sign flips; unpaired for imported results."
        ),
    ] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Report on the run that comes with Ravine, and on yours against it.")
    ] = False,
    as_json: arguments.Json = False,
) -> None:
    """Build tables, figures and the HTML page of a study again from the store, without training."""
    from suite.spec.plan import plan

    chosen = context.studies(
        study,
        part,
        repeats=repeats,
        epochs=epochs,
        train_examples=train_examples,
        precision=precision,
        optimizer=optimizer,
    )
    if baseline:
        _baseline(chosen.one(), store, test.value if test else None, as_json=as_json)
        return
    planned, records = [(each, plan(each)) for each in chosen.parts], context.open_store(store, create=False)
    for each, trials in planned:
        records.include(each, records.records([trial.id for trial in trials]).values())
    make(chosen, planned, records, test.value if test else None, as_json=as_json)


def compare(
    before: Annotated[str, typer.Argument(help="A study, such as paper or paper@precision=bfloat16, or an export.")],
    after: Annotated[str, typer.Argument(help="Another, on which the verdicts are.")],
    test: Annotated[
        arguments.Tests | None,
        typer.Option(help="Default: sign flips where both drew the same random numbers, else Welch."),
    ] = None,
    store: arguments.Store = None,
    as_json: arguments.Json = False,
) -> None:
    """Did the change help? Set two studies, or two versions of one, side by side."""
    import shlex

    from reports.analysis.before_after import versus
    from reports.pages import before_after

    one, two = _side(before, store), _side(after, store)
    if one.name == two.name:
        raise UserError(f"both are {one.name}. Before a change, keep what was: ravine export {one.name} before.zip")
    found = versus(one, two, test.value if test else None)
    words = ["ravine", "compare", before, after, *(["--test", test.value] if test else [])]
    built = before_after.build(found, context.REPORTS / f"{two.name}_against_{one.name}", shlex.join(words))
    if as_json:
        console.as_json(before_after.summary(found) | {"report": str(built.page)})
        return
    console.report(built.sheet, built.answer, built.page)


def make(
    chosen: StudyFile,
    planned: Iterable[tuple[Study, tuple[Trial, ...]]],
    store: Store,
    test: Test | None = None,
    *,
    as_json: bool = False,
) -> None:
    """Build and keep the report of each part and, where there are several, that on the whole; print tables or numbers."""
    from reports.frames import study_frames
    from reports.pages import overview
    from reports.pages.json_summary import summary
    from reports.pages.study import build

    reports = []
    for study, trials in planned:
        folder = context.REPORTS / study.report_name
        built = build(study, trials, store, folder, tuning=study_frames.tuning(study, store), test=test)
        store.write_report(study, folder)
        reports.append((study, built))
        if not as_json:
            console.report(built.sheet, built.answer, built.page)
    whole = overview.build(chosen, reports, context.REPORTS / chosen.report_name) if len(reports) > 1 else None
    if as_json:
        told = [summary(built, study.name) for study, built in reports]
        console.as_json(overview.summary(whole, told) if whole else told[0])
    elif whole:
        console.report(None, whole.answer, whole.page, "Report on all parts")


def _baseline(study: Study, store: str | None, test: Test | None, *, as_json: bool) -> None:
    """Report on the run of a study that comes with Ravine, and on the user's own against it where there is one."""
    from reports.analysis.before_after import Side, versus
    from reports.frames import study_frames
    from reports.pages import before_after
    from reports.pages.json_summary import summary
    from reports.pages.study import build
    from reports.sections import before_after as versus_section
    from suite.spec.plan import plan
    from suite.transfer import archive

    shipped, found = archive.baselines(), None
    if study.name not in shipped:
        raise UserError(f"no run of {study.name} comes with Ravine. There are: {', '.join(shipped) or 'none'}")
    read, records = archive.read(shipped[study.name]), context.existing_store(store)
    given = _overrides(study.name, ",".join(read.study.overrides))
    names, _ = given.pop("optimizer") or (), given.pop("part")
    # Where the command line changes nothing, also what was run as the shipped one was.
    for wanted in (study,) if study.overrides else (study, study.override(optimizers=tuple(names), **given)):
        trials = plan(wanted)
        own = study_frames.load(records, trials) if records else None
        if own and own.recorded:
            theirs = Side("shipped", read.study, read.trials, study_frames.load(read, read.trials))
            found = versus(theirs, Side("yours", wanted, trials, own), test)
            break
    told = read.study.model_copy(update={"title": f"{read.study.title} (the run that comes with Ravine)"})
    more = [versus_section.section(found)] if found else []
    folder = context.REPORTS / f"{study.name}@baseline"
    built = build(told, read.trials, read, folder, test=test, more=more)
    if as_json:
        console.as_json(summary(built, study.name) | ({"yours": before_after.summary(found)} if found else {}))
        return
    if not found:
        console.report(built.sheet, built.answer, built.page)
        console.note(
            f"the store has nothing to compare with it. Run it as it was run: {study_frames.command(read.study)}"
        )
        return
    console.finding(built.sheet, built.answer)
    changes = versus_section.changes_sheet(found) if len(found.changes) else None
    console.report(changes, versus_section.answer(found), built.page)


def _side(words: str, store: str | None) -> Side:
    """A study of the store, its overrides written as in the name of its report, or an export."""
    from reports.analysis.before_after import Side
    from reports.frames import study_frames
    from suite.spec.plan import plan
    from suite.transfer import archive

    if words.endswith(".zip"):
        read = archive.read(Path(words))
        return Side(Path(words).stem, read.study, read.trials, study_frames.load(read, read.trials))
    # A tuned study has an @ in its name.
    whole = Path(words).is_file() or (context.STUDIES / f"{words}.toml").is_file()
    name, _, changes = (words, "", "") if whole else words.partition("@")
    file = context.studies(name, **_overrides(words, changes))
    if len(file.parts) > 1:
        parts = ", ".join(study.part for study in file.parts)
        raise UserError(
            f"the study {name} has several parts: {parts}. Write one after an @: {name}@part={file.parts[0].part}"
        )
    chosen = file.one()
    trials = plan(chosen)
    frames = study_frames.load(context.open_store(store, create=False), trials)
    if not frames.recorded:
        raise UserError(
            f"nothing is recorded for {chosen.report_name} yet. Run it first: {study_frames.command(chosen)}"
        )
    return Side(chosen.report_name, chosen, trials, frames)


def _overrides(words: str, changes: str) -> dict[str, Any]:
    """What stands after the @: `repeats=6,precision=bfloat16`."""
    keys = ("repeats", "epochs", "train_examples", "precision", "optimizer", "part")
    given: dict[str, Any] = dict.fromkeys(keys)
    for change in re.split(rf",(?=(?:{'|'.join(keys)})=)", changes) if changes else []:
        key, _, value = change.partition("=")
        if key not in keys or not value or (key in keys[:3] and not (value.isascii() and value.isdecimal())):
            told = f'"{words}": expected changes after the @, got "{change}"'
            raise UserError(f"{told}. For example paper@repeats=6,precision=bfloat16")
        given[key] = int(value) if key in keys[:3] else value
    label, part = given["optimizer"], given["part"]
    return given | {"optimizer": label.split("+") if label else None, "part": [part] if part else None}
