"""`ravine report` and `ravine compare`: reports from recorded results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ravine import arguments, console, context
from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.analysis.before_after import StudyVersion
    from reports.statistics.pairwise_tests import Test
    from suite.spec.parts import StudyFile
    from suite.spec.study import Study
    from suite.tracking.store import Store
    from suite.trials import Trial


@context.takes_study
def report(
    chosen: StudyFile,
    store: arguments.Store = None,
    test: Annotated[
        arguments.Tests | None,
        typer.Option(
            help="Compare pairs by P(better), a permutation test of ranks, or by means, a bootstrap-t test. Default: rank."
        ),
    ] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Report on the run that ships with Ravine, and compare yours with it.")
    ] = False,
    critical_difference: Annotated[
        bool,
        typer.Option(
            "--critical-difference",
            help="Add the critical difference of mean ranks if a study has fewer than ten problems.",
        ),
    ] = False,
    as_json: arguments.Json = False,
) -> None:
    """Build the tables, figures and HTML page of a study from the store, without training."""
    from suite.spec.plan import plan

    if baseline:
        _baseline(chosen.single(), store, test.value if test else None, as_json=as_json)
        return
    planned, records = [(study, plan(study)) for study in chosen.parts], context.open_store(store, create=False)
    for study, trials in planned:
        records.tag_with_study(study, records.records([trial.id for trial in trials]).values())
    build_reports(
        chosen,
        planned,
        records,
        test.value if test else None,
        critical_difference=critical_difference,
        as_json=as_json,
    )


def compare(
    before: Annotated[
        str, typer.Argument(help="Read this study, such as paper or paper@precision=bfloat16, or this export.")
    ],
    after: Annotated[str, typer.Argument(help="Compare it with this one; verdicts are about it.")],
    test: Annotated[
        arguments.Tests | None,
        typer.Option(help="Compare by P(better) or by means. Default: rank."),
    ] = None,
    store: arguments.Store = None,
    as_json: arguments.Json = False,
) -> None:
    """Compare two studies, or two versions of one."""
    import shlex

    from reports.analysis.before_after import compare_versions
    from reports.pages import before_after

    old, new = _version(before, store), _version(after, store)
    if old.name == new.name:
        hint = f"Export the results before a change: ravine export {old.name} before.zip"
        raise UserError("AFTER", f"both are {old.name}", hint)
    comparison = compare_versions(old, new, test.value if test else None)
    words = ["ravine", "compare", before, after, *(["--test", test.value] if test else [])]
    built = before_after.build(comparison, context.REPORTS / f"{new.name}_against_{old.name}", shlex.join(words))
    if as_json:
        console.as_json(before_after.summary(comparison) | {"report": str(built.page)})
        return
    console.report(built.table, built.answer, built.page)


def build_reports(
    chosen: StudyFile,
    planned: Iterable[tuple[Study, tuple[Trial, ...]]],
    store: Store,
    test: Test | None = None,
    *,
    critical_difference: bool = False,
    as_json: bool = False,
) -> None:
    """Build and record the report of each part and, if there are several, an overview; print tables or JSON."""
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
            console.report(built.table, built.answer, built.page)
    combined = None
    if len(reports) > 1:
        folder = context.REPORTS / chosen.report_name
        combined = overview.build(chosen, reports, folder, critical_difference=critical_difference)
    if as_json:
        summaries = [summary(built, study.name) for study, built in reports]
        console.as_json(overview.summary(combined, summaries) if combined else summaries[0])
    elif combined:
        console.report(None, combined.answer, combined.page, "Report on all parts")


def _baseline(study: Study, store: str | None, test: Test | None, *, as_json: bool) -> None:
    """Report on the shipped run of a study, and compare the user's own run with it if there is one."""
    from reports.analysis.before_after import StudyVersion, compare_versions
    from reports.frames import study_frames
    from reports.pages import before_after
    from reports.pages.json_summary import summary
    from reports.pages.study import build
    from reports.sections import before_after as before_after_section
    from suite.spec.plan import plan
    from suite.transfer import archive

    shipped, comparison = archive.baselines(), None
    if study.name not in shipped:
        known = ", ".join(shipped) or "none"
        raise UserError("--baseline", f"no run of {study.name} ships with Ravine", f"Shipped runs: {known}")
    baseline, records = archive.read(shipped[study.name]), context.existing_store(store)
    changes = _overrides(study.name, ",".join(baseline.study.overrides))
    names, _ = changes.pop("optimizer") or (), changes.pop("part")
    # If the command line changes nothing, a run with the budget of the shipped one is accepted, too.
    for candidate in (study,) if study.overrides else (study, study.override(optimizers=tuple(names), **changes)):
        trials = plan(candidate)
        frames = study_frames.load(records, trials) if records else None
        if frames and frames.recorded:
            reference = StudyVersion(
                "shipped", baseline.study, baseline.trials, study_frames.load(baseline, baseline.trials)
            )
            comparison = compare_versions(reference, StudyVersion("yours", candidate, trials, frames), test)
            break
    title = f"{baseline.study.title} (the run that ships with Ravine)"
    titled = baseline.study.model_copy(update={"title": title, "claim": study.claim})
    more = [before_after_section.section(comparison)] if comparison else []
    folder = context.REPORTS / f"{study.name}@baseline"
    built = build(titled, baseline.trials, baseline, folder, test=test, more=more)
    if as_json:
        yours = {"yours": before_after.summary(comparison)} if comparison else {}
        console.as_json(summary(built, study.name) | yours)
        return
    if not comparison:
        console.report(built.table, built.answer, built.page)
        console.note(f"the store has no run to compare with it. Run it: {study_frames.command(baseline.study)}")
        return
    console.conclusion(built.table, built.answer)
    changes_table = before_after_section.changes_table(comparison) if len(comparison.changes) else None
    console.report(changes_table, before_after_section.answer(comparison), built.page)


def _version(words: str, store: str | None) -> StudyVersion:
    """Return a study of the store, its overrides written as in the name of its report, or an export."""
    from reports.analysis.before_after import StudyVersion
    from reports.frames import study_frames
    from suite.spec.plan import plan
    from suite.transfer import archive

    if words.endswith(".zip"):
        exported = archive.read(Path(words))
        frames = study_frames.load(exported, exported.trials)
        return StudyVersion(Path(words).stem, exported.study, exported.trials, frames)
    # A tuned study has an @ in its name.
    is_name = Path(words).is_file() or (context.STUDIES / f"{words}.toml").is_file()
    name, _, changes = (words, "", "") if is_name else words.partition("@")
    file = context.load_studies(name, **_overrides(words, changes))
    if len(file.parts) > 1:
        parts = ", ".join(study.part for study in file.parts)
        hint = f"Write one after an @: {name}@part={file.parts[0].part}"
        raise UserError("STUDY", f"the study {name} has several parts: {parts}", hint)
    chosen = file.single()
    trials = plan(chosen)
    frames = study_frames.load(context.open_store(store, create=False), trials)
    if not frames.recorded:
        hint = f"Run it first: {study_frames.command(chosen)}"
        raise UserError("STUDY", f"nothing is recorded for {chosen.report_name}", hint)
    return StudyVersion(chosen.report_name, chosen, trials, frames)


def _overrides(words: str, changes: str) -> dict[str, Any]:
    """Return the changes after the @, for example `repeats=6,precision=bfloat16`."""
    keys = ("repeats", "epochs", "train_examples", "precision", "optimizer", "part")
    overrides: dict[str, Any] = dict.fromkeys(keys)
    for change in re.split(rf",(?=(?:{'|'.join(keys)})=)", changes) if changes else []:
        key, _, value = change.partition("=")
        if key not in keys or not value or (key in keys[:3] and not (value.isascii() and value.isdecimal())):
            problem = f'expected changes after the @, got "{change}"'
            raise UserError(f'"{words}"', problem, "For example paper@repeats=6,precision=bfloat16")
        overrides[key] = int(value) if key in keys[:3] else value
    label, part = overrides["optimizer"], overrides["part"]
    return overrides | {"optimizer": label.split("+") if label else None, "part": [part] if part else None}
