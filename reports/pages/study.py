"""Build the report of one study: a folder with a page, tables, figures, numbers and a manifest.

The same records give the same bytes: no function reads the time, the machine or a random number.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from reports.analysis import claim_measurements, claims, estimates, verdicts
from reports.analysis.ranking import ProblemResults
from reports.frames import scores
from reports.frames.study_frames import (
    Frames,
    RecordStore,
    Study,
    Trial,
    UserError,
    claim_times,
    command,
    load,
    load_reference,
    settings,
)
from reports.pages import files
from reports.sections import claims as claims_section
from reports.sections import comparison as comparison_section
from reports.sections import other_intervals as other_intervals_section
from reports.sections import speed as speed_section
from reports.sections import time_to_target as time_to_target_section
from reports.sections import trajectories as trajectories_section
from reports.text import conclusions, notes, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
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
    """A built report.

    Attributes:
        folder: Its folder.
        page: The page to open in a browser.
        frames: The plan and its records.
        scores: A row per trial.
        estimates: A row per label.
        table: The table of estimates, for `tables.screen`.
        reference: The table of published values and ours, if the study has a reference.
        answer: The first sentences of the page.
        comparison: The verdicts on all pairs.
        targets: A row per target and label with its time to the target; None if no metric was recorded over time.
        times: A row per target and trial with its time to the target; None like `targets`.
        thumbnail: The figure that represents a report on test functions on the page of several parts; else None.
        claims: The findings on the claims of the study. The report on all parts has those of the file.
        stated: When each claim was first recorded, by digest, in seconds since 1970.
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
    thumbnail: RenderedFigure | None = None
    claims: Findings | None = None
    stated: Mapping[str, float] = field(default_factory=dict)

    def results(self, study: Study) -> ProblemResults:
        """Return what the ranking over several problems reads of this report on `study`."""
        return ProblemResults(study, self.frames, self.scores, self.estimates, self.times)


@dataclass(slots=True)
class _Contents:
    """The content of a report.

    Attributes:
        reference: Published values beside ours, if the study has a reference.
        settings: The settings of each label in words.
        data: The digest of each file of the data set.
        curves: The mean curves with their bands by metric; none for test functions.
        tables: The estimates, then the published values, if any.
        surfaces: The trajectories, if all trials are on test functions. These are deterministic: no pair is compared.
    """

    study: Study
    frames: Frames
    scores: pd.DataFrame
    estimates: pd.DataFrame
    reference: pd.DataFrame | None
    settings: dict[str, str]
    data: dict[str, str]
    styles: dict[str, Style]
    comparison: Comparison
    curves: dict[str, pd.DataFrame] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    tables: list[tables.Table] = field(default_factory=list)
    figures: list[RenderedFigure] = field(default_factory=list)
    surfaces: tuple[trajectories_section.SurfaceResults, ...] = ()
    claims: Findings | None = None

    def section_data(self, name: str) -> pd.DataFrame | None:
        """Return the raw numbers with this name, if a section has them."""
        return next((section.data[name] for section in self.sections if name in section.data), None)


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

    An interrupted build leaves an older report intact.

    Args:
        study: The study.
        trials: The plan; the report covers exactly these.
        store: Where the records are.
        folder: The destination. An older report there is replaced.
        tuning: A row per Optuna trial of the run that the study's settings come from (see `reports.analysis.tuning`).
        test: The test of pairs (`pairwise_tests.TESTS`). Default: `rank`.
        more: Further sections, which come first.

    Raises:
        UserError: No trial is recorded, the study's reference does not exist, or `folder` is not the folder of a report.
    """
    files.check_destination(folder)
    frames = load(store, trials)
    if not frames.recorded:
        problem = f"nothing is recorded for the study {study.name}"
        raise UserError("STUDY", problem, f"Run it first: {command(study)}")
    contents = _gather(study, trials, frames, test or "rank", None if tuning is None or tuning.empty else tuning)
    stated = claim_times(study, store)
    if study.claim:
        contents.claims = claims.evaluate_claims(study.claim, [claim_measurements.part_results(study, frames, stated)])
        contents.sections += claims_section.sections(contents.claims)
    contents.sections[:0] = [replace(section, position="first") for section in more]
    contents.figures += [*_draw_study_figures(contents), *files.draw_sections(contents.sections, contents.styles)]
    answer = _answer(contents)
    templates = {"index": "index.html.j2", "report": "report.md.j2"}
    files.write_report(folder, _template_values(contents, answer), _texts(contents), _manifest(contents), **templates)
    return Report(
        folder=folder,
        page=folder / "index.html",
        frames=frames,
        scores=contents.scores,
        estimates=contents.estimates,
        table=contents.tables[0],
        reference=contents.tables[1] if len(contents.tables) > 1 else None,
        answer=answer,
        comparison=contents.comparison,
        targets=contents.section_data("targets"),
        times=contents.section_data("times"),
        thumbnail=next((figure for figure in contents.figures if contents.surfaces), None),
        claims=contents.claims,
        stated=stated,
    )


def _gather(
    study: Study, trials: Sequence[Trial], frames: Frames, test: Test, tuning: pd.DataFrame | None
) -> _Contents:
    """Return the content of a report, without its figures."""
    from reports.figures.style import assign_styles

    metrics = scores.measured(frames, study.score)
    final = scores.final(frames, metrics)
    label_settings = settings(study, trials)
    reference = load_reference(study.reference) if study.reference else {}
    published = {label: values for label, values in reference.get("results", {}).items() if label in frames.planned}
    table = estimates.by_label(frames, final, metrics, study.score, settings=label_settings, published=published)
    comparison = verdicts.compare(
        verdicts.wide(final, study.score, frames.labels),
        score=study.score,
        higher=scores.higher_is_better(study.score),
        margin=study.margin,
        test=test,
        paired=not frames.imported,
        seeded=not frames.imported,
    )
    contents = _Contents(
        study=study,
        frames=frames,
        scores=final,
        estimates=table,
        reference=estimates.against_reference(table, final, published, metrics) if published else None,
        settings=label_settings,
        data={name: digest for trial in trials for name, digest in trial.data.items()},
        styles=assign_styles([*dict.fromkeys([*frames.labels, *(() if tuning is None else tuning["optimizer"])])]),
        comparison=comparison,
    )
    if frames.on_surfaces:
        contents.surfaces = trajectories_section.surface_results(frames)
    if contents.surfaces:
        _add_surfaces(contents)
        return contents
    contents.curves = {metric: estimates.by_epoch(frames.points, metric, simultaneous=True) for metric in metrics}
    _add_sections(contents, tuning)
    remarks = (
        *notes.table_notes(frames, table, study.score),
        *notes.risk_note(table),
        *conclusions.power_statement(comparison),
        *([conclusions.COVERAGE] if (table["ok"] > 1).any() else []),
    )
    contents.tables.append(tables.estimates_table(table, metrics, study.score, heading=study.title, remarks=remarks))
    if contents.reference is not None:
        sources = _reference_notes(study, reference, contents.reference)
        heading = "Published values and ours"
        contents.tables.append(tables.reference_table(contents.reference, table, heading=heading, remarks=sources))
    return contents


def _add_sections(contents: _Contents, tuning: pd.DataFrame | None) -> None:
    """Add the sections of a study that is not on test functions."""
    study, frames, final = contents.study, contents.frames, contents.scores
    order, variation = list(contents.estimates["label"]), notes.variation_note(imported=frames.imported)
    sections: list[Section | None] = []
    if tuning is not None:
        from reports.sections.tuning import tuning_section

        sections.append(tuning_section(tuning, final, study.score, frames.labels))
    if len(contents.comparison.means) > 1:
        sections.append(comparison_section.comparison(contents.comparison, variation=variation))
    sections += [
        time_to_target_section.time_to_target(frames, study.score, order),
        speed_section.speed(final, order, shared_device=notes.shared_device_note(frames)),
        other_intervals_section.interval_sensitivity(final, study.score, order, contents.curves, variation=variation),
    ]
    contents.sections += [section for section in sections if section]


def _add_surfaces(contents: _Contents) -> None:
    """Add the tables and the section of trajectories on test functions."""
    contents.styles |= trajectories_section.trajectory_styles(contents.frames)
    first, *others = contents.surfaces
    remarks = notes.table_notes(contents.frames, contents.estimates, contents.study.score)
    to_table = trajectories_section.surface_table
    contents.tables.append(to_table(first, name="estimates", heading=contents.study.title, remarks=remarks))
    more = tuple(to_table(surface, name=f"heights-{surface.key}", heading=f"On {surface.key}") for surface in others)
    contents.sections.append(replace(trajectories_section.section(contents.surfaces), tables=more))


def _reference_notes(study: Study, reference: Mapping[str, Any], compared: pd.DataFrame) -> list[str]:
    """Return the notes of the table of published values: their source, and what the range of our repeats means."""
    counts = sorted({int(n) for n in compared["n"] if n > 1})
    probabilities = ", ".join(f"{(n - 1) / (n + 1):.0%} for n = {n}" for n in counts)
    note = " ".join(str(reference.get("note", "")).split())
    meaning = (
        "A further run of ours would fall within the range of our n repeats with probability (n − 1)/(n + 1), that is "
        f"{probabilities}. Some published values therefore lie outside the range by chance. The interval of the "
        "mean is narrower, because it is about the mean and not about a single run."
        if counts
        else "A single repeat has no range."
    )
    return [
        f"Published: {reference.get('source', study.reference)}.",
        *([note] if note else []),
        f"Range of our repeats: from the lowest value to the highest. {meaning}",
        "Throughput depends on the hardware and does not compare optimizers.",
    ]


def _draw_study_figures(contents: _Contents) -> Iterator[RenderedFigure]:
    """Return the figures that belong to no section; reports on test functions have none."""
    if contents.surfaces:
        return iter(())
    from reports.pages.study_figures import FigureInputs, study_figures

    return study_figures(
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
    """Return the verdicts and the best mean with its interval; on test functions, which optimizer ended lowest."""
    if contents.surfaces:
        return trajectories_section.answer(contents.surfaces)
    table = contents.estimates
    compared = [label for label, mean in contents.comparison.means.items() if math.isfinite(mean)]
    table = table[table["label"].isin(compared)] if compared else table
    headline = notes.headline(table, contents.study.score)
    conclusion = conclusions.conclusion(contents.comparison, name_best=False)
    sentences = (headline, conclusion) if contents.comparison.has_verdicts else (conclusion, headline)
    return " ".join(filter(None, sentences))


def _texts(contents: _Contents) -> dict[str, str]:
    """Return the files of the report besides its pages and the files of its sections, by name."""
    texts = {"table.csv": tables.csv(contents.estimates), "scores.csv": tables.csv(contents.scores)}
    if contents.reference is not None:
        texts["reference.csv"] = tables.csv(contents.reference)
    by_stem = {"table" if table.name == "estimates" else table.name: table for table in contents.tables}
    for stem, table in by_stem.items():
        texts |= files.table_texts(table, stem)
    by_stem |= {table.name: table for section in contents.sections for table in section.tables}
    texts |= {f"{stem}.html": files.render("table.html.j2", {"table": table}) for stem, table in by_stem.items()}
    return texts


def _template_values(contents: _Contents, answer: str) -> dict[str, Any]:
    """Return the values of the report's two templates, HTML and Markdown."""
    study, frames, surfaces = contents.study, contents.frames, contents.surfaces
    caution = notes.caution(imported=frames.imported)
    with_figure = {figure.label for figure in contents.figures}
    return {
        "study": study,
        "tables": contents.tables,
        "figures": contents.figures,
        "answer": answer,
        "sections": contents.sections,
        "caution": trajectories_section.CAUTION if surfaces else caution,
        "animations": trajectories_section.animations(surfaces, contents.styles),
        "on_surfaces": bool(surfaces),
        "diverged": sum(int(surface.ended["diverges"].sum()) for surface in surfaces),
        "num_trajectories": sum(len(surface.ended) for surface in surfaces),
        "incomplete": notes.incomplete(frames),
        "mixed": notes.mixed(frames),
        "failures": notes.failures(frames),
        "setup": notes.experimental_setup(study, frames, contents.data),
        "settings": _settings(frames),
        "styles": contents.styles,
        "labels": frames.labels,
        "without_figure": [label for label in frames.labels if label not in with_figure],
        "command": command(study),
        "score": scores.title(study.score),
        "higher": scores.higher_is_better(study.score),
        "planned": len(frames.trials),
        "ok": int(contents.estimates["ok"].sum()),
    }


def _settings(frames: Frames) -> list[dict[str, Any]]:
    """Return each label's kind, budget and options of its optimizer, defaults included; nothing if imported."""
    if frames.imported:
        return []
    return [
        {
            "label": row["label"],
            "kind": row["kind"],
            "batch": row["batch_size"],
            "epochs": row["epochs"],
            "examples": row["train_examples"],
            "options": [
                f"{name} = {json.dumps(value, default=str)}" for name, value in sorted(row["settings"].items())
            ],
        }
        for _, row in frames.trials.drop_duplicates("label").iterrows()
    ]


def _manifest(contents: _Contents) -> dict[str, Any]:
    """Return the manifest without the digests: the study, its command, the methods, the environment, every trial."""
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
            "paired": contents.comparison.paired,
            "level": contents.comparison.level,
            "margin": contents.comparison.margin,
        },
        "environment": {
            key: sorted({str(value) for value in frames.trials[key]} - {""}) for key in notes.environment(frames)
        },
        "data": contents.data,
        "trials": [{str(key): value for key, value in row.items()} for row in trials.to_dict(orient="records")],
    }
