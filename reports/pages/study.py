"""Builds the report of one study: a folder that a person can open, cite, and build again.

The same records give the same bytes: nothing here asks for the time, the machine or a random number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from reports.analysis import claim_measurements, claims, verdicts
from reports.analysis import estimates as estimating
from reports.analysis.ranking import ProblemResults
from reports.frames import scores
from reports.frames.study_frames import (
    Frames,
    RecordStore,
    Study,
    Trial,
    UserError,
    command,
    load,
    load_reference,
    settings,
)
from reports.pages import files as writing
from reports.sections import claims as claims_section
from reports.sections import comparison as comparison_section
from reports.sections import other_intervals as robustness_section
from reports.sections import speed as speed_section
from reports.sections import time_to_target as target_section
from reports.sections import trajectories as path_section
from reports.text import conclusions, notes, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from reports.analysis.claims import Findings
    from reports.analysis.verdicts import Comparison
    from reports.figures.style import Style
    from reports.pages.files import RenderedFigure
    from reports.sections import Section
    from reports.statistics.pairwise_tests import Test


@dataclass(frozen=True, slots=True)
class Report:
    """What was built.

    Attributes:
        folder: Where it lies.
        page: The page to open in a browser.
        frames: The plan and its records.
        scores: A row per trial.
        estimates: A row per label.
        table: The table of estimates, for `tables.screen`.
        reference: The table of printed numbers beside ours, where the study has a reference.
        answer: The sentence on top of the page.
        comparison: The verdicts on all pairs.
        targets: A row per target and label with its time to the target; None where nothing was followed over time.
        times: The same with a row per target and trial.
        emblem: A figure that stands for the report on a page about several; None where it has none.
        claims: What became of the sources' claims, where the study asks; the report on the whole has those of a part.
    """

    folder: Path
    page: Path
    frames: Frames
    scores: pd.DataFrame
    estimates: pd.DataFrame
    table: tables.Table
    reference: tables.Table | None
    answer: str
    comparison: Comparison
    targets: pd.DataFrame | None
    times: pd.DataFrame | None
    emblem: RenderedFigure | None = None
    claims: Findings | None = None

    def results(self, study: Study) -> ProblemResults:
        """Return what the ranking over several problems reads of this report on `study`."""
        return ProblemResults(study, self.frames, self.scores, self.estimates, self.times)


@dataclass(slots=True)
class _Contents:
    """All that the writers need, gathered once."""

    study: Study
    frames: Frames
    scores: pd.DataFrame
    estimates: pd.DataFrame
    compared: pd.DataFrame | None
    metrics: tuple[str, ...]
    settings: dict[str, str]
    data: dict[str, str]
    styles: dict[str, Style]
    comparison: Comparison
    curves: dict[str, pd.DataFrame] = field(default_factory=dict)
    """From metric to its mean curves with both bands; of surfaces there are none."""
    sections: list[Section] = field(default_factory=list)
    tables: list[tables.Table] = field(default_factory=list)
    figures: list[RenderedFigure] = field(default_factory=list)
    surfaces: tuple[path_section.SurfaceResults, ...] = ()
    """The paths, where all trials are on surfaces: there is no chance, so nothing is compared by repeats."""
    claims: Findings | None = None


def build(
    study: Study,
    trials: Sequence[Trial],
    store: RecordStore,
    folder: Path,
    *,
    tuning: pd.DataFrame | None = None,
    test: Test | None = None,
    more: Sequence[Section] = (),
) -> Report:
    """Build the report of a study: page, tables, figures and manifest.

    The folder is written beside its place and then put there, so an interrupted build leaves the old report whole.

    Args:
        study: The study, for its words, its score and its reference.
        trials: The plan; the report covers exactly these.
        store: Where the records are.
        folder: Where the report goes. An older report there is replaced.
        tuning: A row per Optuna trial of the run that the study's settings come from (see `reports.analysis.tuning`).
        test: How pairs are compared (`comparison.TESTS`); default: `max-t`, and `welch` for imported results.
        more: Further parts of the report, to stand first.

    Raises:
        UserError: Nothing is recorded yet, the study's reference does not exist, or `folder` holds something that is
            no report.
    """
    writing.check_place(folder)
    frames = load(store, trials)
    if not frames.recorded:
        raise UserError(f"nothing is recorded for the study {study.name} yet. Run `{command(study)}` first")
    test = test or ("welch" if study.imported else "max-t")
    contents = _gather(study, trials, frames, test, None if tuning is None or tuning.empty else tuning)
    contents.sections[:0] = [replace(section, position="first") for section in more]
    contents.figures += [*_draw(contents), *writing.draw_sections(contents.sections, contents.styles)]
    with writing.replacing(folder) as fresh:
        _write(contents, fresh)
    sheets = contents.tables
    return Report(
        folder=folder,
        page=folder / "index.html",
        frames=frames,
        scores=contents.scores,
        estimates=contents.estimates,
        table=sheets[0],
        reference=sheets[1] if len(sheets) > 1 else None,
        answer=_answer(contents),
        comparison=contents.comparison,
        targets=_raw(contents, "targets"),
        times=_raw(contents, "times"),
        emblem=next((drawn for drawn in contents.figures if contents.surfaces), None),
        claims=contents.claims,
    )


def _raw(contents: _Contents, name: str) -> pd.DataFrame | None:
    """The raw numbers of this name that a part of the report has."""
    return next((section.data[name] for section in contents.sections if name in section.data), None)


def _gather(
    study: Study, trials: Sequence[Trial], frames: Frames, test: Test, tuning: pd.DataFrame | None
) -> _Contents:
    from reports.figures.style import assign_styles
    from reports.sections.tuning import tuning_section

    metrics = scores.measured(frames, study.score)
    final = scores.final(frames, metrics)
    told = settings(study, trials)
    book = load_reference(study.reference) if study.reference else {}
    printed = {label: numbers for label, numbers in book.get("results", {}).items() if label in frames.planned}
    table = estimating.by_label(frames, final, metrics, study.score, settings=told, published=printed)
    wide = verdicts.wide(final, study.score, frames.labels)
    compared = verdicts.compare(
        wide,
        score=study.score,
        higher=scores.higher_is_better(study.score),
        margin=study.margin,
        test=test,
        seeded=not frames.imported,
    )
    contents = _Contents(
        study=study,
        frames=frames,
        scores=final,
        estimates=table,
        compared=estimating.against_reference(table, final, printed, metrics) if printed else None,
        metrics=metrics,
        settings=told,
        data={name: digest for trial in trials for name, digest in trial.data.items()},
        styles=assign_styles([*dict.fromkeys([*frames.labels, *(() if tuning is None else tuning["optimizer"])])]),
        comparison=compared,
    )
    contents.surfaces = path_section.surface_results(frames) if frames.on_surfaces else ()
    if contents.surfaces:
        return _on_surfaces(contents)
    if tuning is not None:
        contents.sections.append(tuning_section(tuning, final, study.score, frames.labels))
    varied = notes.varied(imported=frames.imported)
    if len(compared.means) > 1:
        contents.sections.append(comparison_section.comparison(compared, varied=varied))
    timed = target_section.time_to_target(frames, study.score, list(table["label"]))
    contents.sections += [timed] if timed else []
    fast = speed_section.speed(final, list(table["label"]), packed=notes.packed(frames))
    contents.sections += [fast] if fast else []
    contents.curves = {metric: estimating.by_epoch(frames.points, metric, simultaneous=True) for metric in metrics}
    robust = robustness_section.robustness(final, study.score, list(table["label"]), contents.curves, varied=varied)
    contents.sections += [robust] if robust else []
    if study.claims and not study.part:
        contents.claims = claims.evaluate_claims([claim_measurements.evidence(study, frames)])
        contents.sections += claims_section.sections(contents.claims)
    level = float(table["level"].iloc[0])
    remarks = (
        *notes.table_notes(frames, table, study.score),
        *conclusions.success(table, level),
        *conclusions.distribution_warning(compared),
        *conclusions.power_statement(compared),
        *([conclusions.COVERAGE] if (table["ok"] > 1).any() else []),
    )
    contents.tables.append(tables.overview(table, metrics, study.score, heading=study.title, remarks=remarks))
    if contents.compared is not None:
        sources = (
            f"Printed: {book.get('source', study.reference)}.",
            *([" ".join(str(book["note"]).split())] if book.get("note") else []),
            f"Our repeats: from the lowest to the highest. {_one_more(contents.compared)}",
            "Examples/s belong to their device and are no comparison of optimizers.",
        )
        heading = "Printed numbers beside ours"
        contents.tables.append(tables.printed(contents.compared, table, heading=heading, remarks=sources))
    return contents


def _one_more(compared: pd.DataFrame) -> str:
    """What lying outside the range of our repeats says of a printed run."""
    chances = ", ".join(
        f"{(n - 1) / (n + 1):.0%} for n = {n}" for n in sorted({int(n) for n in compared["n"] if n > 1})
    )
    if not chances:
        return "A single repeat has no range."
    return (
        f"One more run like ours lies within their range with probability (n − 1)/(n + 1), {chances}, so some printed numbers "
        "lie outside by chance; the interval of the mean is narrower and says nothing of a single run."
    )


def _on_surfaces(contents: _Contents) -> _Contents:
    """What the report on a study holds whose trials are all on surfaces."""
    contents.styles |= path_section.trajectory_styles(contents.frames)
    first, *others = contents.surfaces
    remarks = notes.table_notes(contents.frames, contents.estimates, contents.study.score)
    contents.tables.append(path_section.surface_table(first, name="estimates", heading=contents.study.title, remarks=remarks))
    sheets = tuple(path_section.surface_table(on, name=f"heights-{on.key}", heading=f"On {on.key}") for on in others)
    contents.sections.append(replace(path_section.section(contents.surfaces), tables=sheets))
    return contents


def _draw(contents: _Contents) -> Iterator[RenderedFigure]:
    """The figures of the whole; those of surfaces are their section's."""
    if contents.surfaces:
        return iter(())
    from reports.pages.study_figures import FigureInputs, figure_specs

    return figure_specs(
        FigureInputs(
            frames=contents.frames,
            scores=contents.scores,
            table=contents.estimates,
            score=contents.study.score,
            curves=contents.curves,
            settings=contents.settings,
            styles=contents.styles,
        )
    )


def _answer(contents: _Contents) -> str:
    """The verdict, then the best mean of those compared, with its interval; on surfaces, who came nearest to a minimum."""
    if contents.surfaces:
        return path_section.answer(contents.surfaces)
    table, compared = contents.estimates, contents.comparison.means
    table = table[table["label"].isin(list(compared))] if compared else table
    told = (conclusions.verdict(contents.comparison), notes.headline(table, contents.study.score))
    return " ".join(text for text in told if text)


def _write(contents: _Contents, folder: Path) -> None:
    """Every file of the report, the manifest last: it holds the digests of all others."""
    writing.save(contents.figures, folder)
    texts = {"table.csv": tables.csv(contents.estimates), "scores.csv": tables.csv(contents.scores)}
    if contents.compared is not None:
        texts["reference.csv"] = tables.csv(contents.compared)
    texts |= writing.section_texts(contents.sections)
    sheets = {"table" if sheet.name == "estimates" else sheet.name: sheet for sheet in contents.tables}
    for stem, sheet in sheets.items():
        texts |= {f"{stem}.md": tables.markdown(sheet), f"{stem}.tex": tables.latex(sheet)}
    sheets |= {sheet.name: sheet for section in contents.sections for sheet in section.tables}
    texts |= {f"{stem}.html": writing.render("table.html.j2", {"table": sheet}) for stem, sheet in sheets.items()}
    told = _told(contents)
    texts["report.md"] = writing.render("report.md.j2", told)
    files = sorted([*texts, "index.html", writing.MANIFEST])
    texts["index.html"] = writing.render("index.html.j2", told | {"files": files})
    writing.save_texts(texts, folder)
    writing.finish(folder, _manifest(contents))


def _told(contents: _Contents) -> dict[str, Any]:
    """What the report's two texts, Markdown and page, are made of."""
    study, frames, table = contents.study, contents.frames, contents.estimates
    return {
        "study": study,
        "tables": contents.tables,
        "figures": contents.figures,
        "answer": _answer(contents),
        "sections": contents.sections,
        "caution": _caution(contents),
        "animations": path_section.animations(contents.surfaces, contents.styles),
        "on_surfaces": bool(contents.surfaces),
        "diverged": sum(int(ground.ended["diverges"].sum()) for ground in contents.surfaces),
        "incomplete": notes.incomplete(frames),
        "mixed": notes.mixed(frames),
        "failures": notes.failures(frames),
        "setup": notes.experimental_setup(study, frames, contents.data),
        "settings": _settings(contents),
        "styles": contents.styles,
        "labels": frames.labels,
        "without_figure": [label for label in frames.labels if label not in {p.label for p in contents.figures}],
        "command": command(study),
        "score": scores.title(study.score),
        "higher": scores.higher_is_better(study.score),
        "num_trajectories": sum(len(ground.ended) for ground in contents.surfaces),
        "planned": len(frames.trials),
        "ok": int(table["ok"].sum()),
    }


def _caution(contents: _Contents) -> str:
    """What the answer must not be taken for."""
    if contents.surfaces:
        return path_section.CAUTION
    return notes.ON_IMPORTED if contents.frames.imported else notes.CAUTION


def _settings(contents: _Contents) -> list[dict[str, Any]]:
    """For each label: its kind, its budget, and every option of its optimizer, defaults included; unknown if imported."""
    if contents.frames.imported:
        return []
    first = contents.frames.trials.drop_duplicates("label")
    return [
        {
            "label": row["label"],
            "kind": row["kind"],
            "batch": row["batch_size"],
            "epochs": row["epochs"],
            "examples": row["train_examples"],
            "options": [
                f"{name} = {json.dumps(value, default=str)}" for name, value in sorted(row["hyperparameters"].items())
            ],
        }
        for _, row in first.iterrows()
    ]


def _manifest(contents: _Contents) -> dict[str, Any]:
    study, frames = contents.study, contents.frames
    trials = frames.trials[["trial_id", "label", "repeat", "outcome", "reason", "weights"]]
    return {
        "study": study.model_dump(mode="json"),
        "name": study.name,
        "overrides": list(study.overrides),
        "command": command(study),
        "complete": frames.recorded == len(frames.trials),
        "interval": {
            "method": str(contents.estimates["method"].iloc[0]),
            "level": float(contents.estimates["level"].iloc[0]),
        },
        "comparison": {
            "test": contents.comparison.test,
            "level": contents.comparison.level,
            "margin": contents.comparison.margin,
        },
        "environment": {
            key: sorted({str(value) for value in frames.trials[key]} - {""}) for key in notes.environment(frames)
        },
        "data": contents.data,
        "trials": [{str(key): value for key, value in row.items()} for row in trials.to_dict(orient="records")],
    }
