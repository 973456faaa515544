"""The report on a study with several parts: the ranks of the optimizers over its problems, and links to each part."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.analysis import claim_measurements, claims
from reports.analysis.ranking import rank_optimizers
from reports.frames.scores import title
from reports.frames.study_frames import command
from reports.pages import files
from reports.pages.json_summary import claims_as_dict
from reports.sections import claims as claims_section
from reports.statistics.intervals import LEVEL
from reports.statistics.time_to_target import MIDDLE
from reports.text import conclusions, notes, tables
from reports.text.tables import Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from reports.analysis.claims import Findings
    from reports.analysis.ranking import Ranking
    from reports.figures.style import Style
    from reports.frames.study_frames import Study, StudyFile
    from reports.pages.files import RenderedFigure
    from reports.pages.study import Report

    Parts = Sequence[tuple[Study, Report]]


@dataclass(frozen=True, slots=True)
class Overview:
    """A built report on all parts.

    Attributes:
        name: The name of the study.
        page: The page to open in a browser.
        answer: The first sentences of the page.
        ranking: The ranks; None with fewer than two problems or three optimizers.
        claims: The findings on the claims, if the study tests them.
    """

    name: str
    page: Path
    answer: str
    ranking: Ranking | None
    claims: Findings | None = None


def build(file: StudyFile, reports: Parts, folder: Path) -> Overview:
    """Build the report on all parts from the reports of the parts.

    Args:
        file: The study file with the parts.
        reports: A study and its report for each part.
        folder: The destination. An older report there is replaced.

    Raises:
        UserError: `folder` is not the folder of a report.
    """
    from reports.figures.style import assign_styles

    files.check_destination(folder)
    ranking = rank_optimizers([report.results(study) for study, report in reports])
    evidence = [claim_measurements.evidence(study, report.frames) for study, report in reports if study.claims]
    findings = claims.evaluate_claims(evidence) if evidence else None
    sections = claims_section.sections(findings) if findings else ()
    answers = (
        claims_section.answer(findings) if findings else "",
        _answer(ranking, reports) if ranking or not findings else "",
    )
    answer = " ".join(filter(None, answers))
    styles = assign_styles([*dict.fromkeys(label for _, report in reports for label in report.frames.labels)])
    table = _ranks_table(ranking, reports) if ranking else None
    parts = [
        {
            "name": study.part,
            "title": study.title,
            "problem": study.problem,
            "answer": report.answer,
            "thumbnail": report.thumbnail,
            "page": os.path.relpath(report.page, folder).replace(os.sep, "/"),
        }
        for study, report in reports
    ]
    values = {
        "file": file,
        "report_name": file.report_name,
        "answer": answer,
        "parts": parts,
        "description": _description(ranking),
        "table": table,
        "figures": [*(_draw(ranking, styles) if ranking else ()), *files.draw_sections(sections, styles)],
        "sections": sections,
        "environments": _environments(reports),
        "styles": styles,
        "command": command(file),
    }
    texts = files.table_texts(table) | {"ranks.csv": tables.csv(ranking.table)} if table and ranking else {}
    manifest = {
        "name": file.name,
        "overrides": list(file.overrides),
        "command": command(file),
        "parts": [{"name": part["name"], "page": part["page"]} for part in parts],
    }
    files.write_report(folder, values, texts, manifest, index="overview.html.j2", report="overview.md.j2")
    return Overview(file.name, folder / "index.html", answer, ranking, findings)


def summary(overview: Overview, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what `ravine report STUDY --json` prints of several parts: their summaries, the ranks and the claims."""
    values: dict[str, Any] = {
        "study": overview.name,
        "answer": overview.answer,
        "report": str(overview.page),
        "parts": list(parts),
    }
    if overview.claims:
        values["claims"] = claims_as_dict(overview.claims)
    if ranking := overview.ranking:
        values["mean_ranks"] = dict(zip(ranking.labels, ranking.ranks.mean.tolist(), strict=True))
        values |= {"critical_difference": ranking.ranks.critical, "friedman_p": ranking.ranks.friedman}
    return values


def _environments(reports: Parts) -> list[str]:
    """Return a line for each environment; if there are several, each begins with its parts."""
    by_environment: dict[str, list[str]] = {}
    for study, report in reports:
        by_environment.setdefault(notes.environment_line(report.frames), []).append(study.part)
    if len(by_environment) == 1:
        return list(by_environment)
    return [f"{', '.join(parts)}: {environment}" for environment, parts in by_environment.items()]


def _answer(ranking: Ranking | None, reports: Parts) -> str:
    """Return which optimizer has the best mean rank and from which others it differs, or why there is no ranking."""
    on_surfaces = [report.frames.on_surfaces for _, report in reports]
    if all(on_surfaces):
        reason = "the functions were chosen to be different"
        return f"{len(reports)} test functions, each with its own page. There is no overall ranking, because {reason}."
    if ranking is None:
        reason = (
            "each test function has its own learning rates"
            if any(on_surfaces)
            else "it needs at least two parts and three optimizers that all parts have"
        )
        return f"{notes.counted(len(reports), 'part')}, each with its own page. There is no overall ranking, because {reason}."
    ranks, (best, *others) = ranking.ranks, ranking.labels
    text = f"{best} has the best mean rank over {ranks.problems} problems ({notes.number(float(ranks.mean[0]), 2)})"
    if ranks.friedman > 1 - ranks.level:
        return f"{text}, but the ranks do not differ significantly (Friedman's test, {_p_text(ranks.friedman)})."
    close = [
        label for label, mean in zip(others, ranks.mean[1:], strict=True) if mean - ranks.mean[0] <= ranks.critical
    ]
    if close:
        return f"{text}; its rank does not differ significantly from that of {notes.join_labels(close)}."
    return f"{text}; its rank differs significantly from those of all others."


def _description(ranking: Ranking | None) -> tuple[str, ...]:
    """Return how the ranks are computed, with their test and critical difference."""
    if ranking is None:
        return ()
    ranks = ranking.ranks
    caveat = " It is asymptotic, and only a rough guide below ten problems." if ranks.problems < 10 else ""
    return (
        (
            "On each problem the optimizers are ranked by mean score, and 1 is the best. An optimizer whose repeats all "
            f"diverged or stalled is ranked last. Friedman's test of equal ranks gives {_p_text(ranks.friedman)}. Nemenyi's "
            f"critical difference of mean ranks is {notes.number(ranks.critical, 2)} at the {LEVEL:.0%} level (Demšar 2006)."
            f"{caveat} The sample is the set of problems, not of repeats; other problems may give another ranking."
        ),
    )


def _p_text(p: float) -> str:
    text = conclusions.p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _draw(ranking: Ranking, styles: Mapping[str, Style]) -> Iterator[RenderedFigure]:
    """Yield the critical-difference diagram and, if there are times to a target, the performance profiles."""
    import matplotlib.style

    from reports.figures.across_problems import critical_difference, performance_profiles
    from reports.figures.style import STYLE, single_panel

    num_labels = len(ranking.labels)
    with matplotlib.style.context(["default", dict(STYLE)]):
        figure, ax = single_panel(height=1.5 + 0.16 * num_labels)
        critical_difference(ranking.ranks, ranking.labels, ax, styles)
        caption = (
            "Mean ranks, the best at the left. A bar joins optimizers whose mean ranks differ by at most the critical "
            "difference."
        )
        alt = f"Mean ranks of {num_labels} optimizers over {ranking.ranks.problems} problems."
        yield files.render_figure(figure, "critical-difference", caption, alt)
        if ranking.profiles:
            figure, ax = single_panel()
            performance_profiles(ranking.profiles, ranking.labels, ax, styles)
            repeat = "the repeat with the same name" if ranking.unit == "epochs" else "the same repeat"
            caption = (
                f"Performance profiles (Dolan and Moré 2002): the share of runs that reach the {MIDDLE} target within τ times "
                f"the {ranking.unit} of the fastest optimizer in {repeat}, over {ranking.timed} problems, with pointwise "
                f"{LEVEL:.0%} percentile bootstrap bands."
            )
            alt = f"Curves: performance profiles of {num_labels} optimizers."
            yield files.render_figure(figure, "profiles", caption, alt)


def _ranks_table(ranking: Ranking, reports: Parts) -> Table:
    """Return the table of ranks: mean, by part, and how often a run of the best optimizer is better."""
    best, parts = ranking.labels[0], ranking.parts
    columns = (
        Column("Optimizer", "left"),
        Column("Mean rank"),
        *(Column(part, rank=1) for part in parts),
        Column(f"P({best} better)", rank=2),
    )
    rows, any_excluded = [], False
    for _, row in ranking.table.iterrows():
        cells = [Cell(row["label"], row["label"]), Cell(notes.number(row["mean_rank"], 2), float(row["mean_rank"]))]
        for part in parts:
            rank, ok, run = float(row[f"rank_{part}"]), int(row[f"ok_{part}"]), int(row[f"run_{part}"])
            text = notes.number(rank, 0 if rank.is_integer() else 1) + (f" ({ok}/{run})" if ok < run else "")
            any_excluded |= ok < run
            cells.append(Cell(text, rank, best=rank == 1))
        low, share, high = (float(row[f"probability_of_improvement{end}"]) for end in ("_low", "", "_high"))
        text = tables.NO_VALUE if np.isnan(share) else f"{share:.0%}"
        text += f" [{low:.0%}, {high:.0%}]" if np.isfinite(low) else ""
        cells.append(Cell(text, share))
        rows.append(tuple(cells))
    metrics = {study.part: title(study.score).lower() for study, _ in reports}
    remarks = (
        f"Ranks by mean score: {'; '.join(f'{part}: {metrics[part]}' for part in parts)}.",
        *(["(completed/started): the rank is that of the mean of the completed repeats."] if any_excluded else []),
        (
            f"P({best} better): how often a run of {best} is better than one of this optimizer, over all pairs of repeats and "
            f"with equal weight for each problem, with its {LEVEL:.0%} percentile bootstrap interval over repeats."
        ),
    )
    return Table("ranks", "Ranks over problems", columns, tuple(rows), remarks)
