"""The report on a study file with several parts: how optimizers rank over its problems, and where each part's own page is."""

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
    from reports.frames.study_frames import Study, StudyFile
    from reports.pages.files import RenderedFigure
    from reports.pages.study import Report

    Parts = Sequence[tuple[Study, Report]]


@dataclass(frozen=True, slots=True)
class Overview:
    """What was built: the page and its first sentence.

    `standing`: how optimizers stand; None below two problems or three optimizers. `claims`: what became of the sources' claims,
    where the study asks.
    """

    name: str
    page: Path
    answer: str
    standing: Ranking | None
    claims: Findings | None = None


def build(file: StudyFile, reports: Parts, folder: Path) -> Overview:
    """Build the report on the whole, from the reports of its parts.

    Args:
        file: Whose parts they are.
        reports: A study and its report for each part.
        folder: Where the report goes. An older report there is replaced.

    Raises:
        UserError: `folder` holds something that is no report.
    """
    files.check_place(folder)
    standing = rank_optimizers([report.results(study) for study, report in reports])
    asking = [claim_measurements.evidence(study, report.frames) for study, report in reports if study.claims]
    found = claims.evaluate_claims(asking) if asking else None
    sections = claims_section.sections(found) if found else ()
    told_of_ranks = _answer(standing, reports) if standing or not found else ""
    answer = " ".join(filter(None, (claims_section.answer(found) if found else "", told_of_ranks)))
    built = Overview(file.name, folder / "index.html", answer, standing, found)
    looks = _looks(reports)
    pictures = list(_draw(standing, looks)) if standing else []
    pictures += files.draw_sections(sections, looks)
    sheet = _sheet(standing, reports) if standing else None
    told = [
        {
            "name": study.part,
            "title": study.title,
            "problem": study.problem,
            "answer": report.answer,
            "emblem": report.emblem,
            "page": os.path.relpath(report.page, folder).replace(os.sep, "/"),
        }
        for study, report in reports
    ]
    values = {
        "file": file,
        "report_name": file.report_name,
        "answer": built.answer,
        "parts": told,
        "description": _words(standing),
        "table": sheet,
        "figures": pictures,
        "sections": sections,
        "environments": _where(reports),
        "styles": looks,
        "command": command(file),
    }
    with files.replacing(folder) as fresh:
        files.save(pictures, fresh)
        texts: dict[str, str] = {}
        if sheet and standing:
            texts |= {"ranks.csv": tables.csv(standing.table), "ranks.md": tables.markdown(sheet)}
            texts |= {"ranks.tex": tables.latex(sheet)}
        texts |= files.section_texts(sections)
        texts["report.md"] = files.render("overview.md.j2", values)
        values["files"] = sorted([*texts, "index.html", files.MANIFEST])
        texts["index.html"] = files.render("overview.html.j2", values)
        files.save_texts(texts, fresh)
        manifest = {"name": file.name, "overrides": list(file.overrides), "command": command(file)}
        files.finish(fresh, manifest | {"parts": [{"name": part["name"], "page": part["page"]} for part in told]})
    return built


def _where(reports: Parts) -> list[str]:
    """Where the parts were measured: a line for each place, with the parts that were measured there."""
    places: dict[str, list[str]] = {}
    for study, report in reports:
        places.setdefault(notes.where(report.frames), []).append(study.part)
    return [f"{', '.join(parts)}: {place}" if len(places) > 1 else place for place, parts in places.items()]


def summary(whole: Overview, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `--json` prints of several parts: each one's numbers, and the ranks over all."""
    standing = whole.standing
    found: dict[str, Any] = {
        "study": whole.name,
        "answer": whole.answer,
        "report": str(whole.page),
        "parts": list(parts),
    }
    if whole.claims:
        found["claims"] = claims_as_dict(whole.claims)
    if standing:
        found["mean_ranks"] = dict(zip(standing.labels, standing.ranks.mean.tolist(), strict=True))
        found |= {"critical_difference": standing.ranks.critical, "friedman_p": standing.ranks.friedman}
    return found


def _answer(standing: Ranking | None, reports: Parts) -> str:
    many = len(reports)
    if all(report.frames.on_surfaces for _, report in reports):
        return f"{many} surfaces, each with its own page: no ranking over functions that were chosen to differ."
    if standing is None:
        some = any(report.frames.on_surfaces for _, report in reports)
        why = (
            "surfaces have learning rates of their own"
            if some
            else "it takes two parts, and three optimizers that all have"
        )
        return f"{many} parts, each with its own page. No ranking over them: {why}."
    ranks, labels = standing.ranks, standing.labels
    near = [
        label for label, rank in zip(labels[1:], ranks.mean[1:], strict=True) if rank - ranks.mean[0] <= ranks.critical
    ]
    text = (
        f"{labels[0]} has the best mean rank over {ranks.problems} problems ({notes.number(float(ranks.mean[0]), 2)})"
    )
    if ranks.friedman > 1 - ranks.level:
        return f"{text}, but the ranks may be chance: Friedman's test gives {_p(ranks.friedman)}."
    if near:
        return f"{text}; not told from it by rank: {conclusions.join_labels(near)}."
    return f"{text}, and is told from all others by rank."


def _lossy(standing: Ranking) -> bool:
    """Whether any rank leaves repeats out."""
    return any((standing.table[f"ok_{part}"] < standing.table[f"run_{part}"]).any() for part in standing.parts)


def _words(standing: Ranking | None) -> tuple[str, ...]:
    if standing is None:
        return ()
    ranks = standing.ranks
    rough = " It is asymptotic, and a rough guide below ten problems." if ranks.problems < 10 else ""
    return (
        (
            "On each problem the optimizers are ranked by their mean score; 1 is the best, and one whose every repeat diverged "
            f"or stalled is last. Friedman's test that all rank alike: {_p(ranks.friedman)}; Nemenyi's critical "
            f"difference of mean ranks at {LEVEL:.0%}: {notes.number(ranks.critical, 2)} (Demšar 2006).{rough} Problems count, "
            "not repeats: another choice of problems is another ranking."
        ),
    )


def _p(p: float) -> str:
    text = conclusions.p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _looks(reports: Parts) -> Mapping[str, Any]:
    """A look for each label: that of the parts' own pages, where all have the same optimizers."""
    from reports.figures.style import assign_styles

    return assign_styles([*dict.fromkeys(label for _, report in reports for label in report.frames.labels)])


def _draw(standing: Ranking, looks: Mapping[str, Any]) -> Iterator[RenderedFigure]:
    import matplotlib.style

    from reports.figures.across_problems import critical_difference, profiles
    from reports.figures.style import STYLE, single_panel

    many, count = len(standing.labels), standing.ranks.problems
    with matplotlib.style.context(["default", dict(STYLE)]):
        figure, ax = single_panel(height=1.5 + 0.16 * many)
        critical_difference(standing.ranks, standing.labels, ax, looks)
        caption = (
            "Mean ranks, the best at the left. A bar joins optimizers that lie less than the critical difference apart."
        )
        yield files.picture(
            figure, "critical-difference", caption, f"Mean ranks of {many} optimizers over {count} problems."
        )
        if standing.profiles:
            figure, ax = single_panel()
            imported = standing.unit == "epochs"
            same = "the repeat of the same name" if imported else "the same repeat"
            profiles(standing.profiles, standing.labels, ax, looks)
            caption = (
                f"Performance profiles (Dolan and Moré 2002): the share of runs that reach the {MIDDLE} target within τ times "
                f"the {standing.unit} of the fastest optimizer in {same}, over {standing.timed} problems; pointwise "
                f"{LEVEL:.0%} percentile bootstrap bands."
            )
            yield files.picture(figure, "profiles", caption, f"Curves: performance profiles of {many} optimizers.")


def _sheet(standing: Ranking, reports: Parts) -> Table:
    scored = {study.part: title(study.score).lower() for study, _ in reports}
    columns = (
        Column("Optimizer", "left"),
        Column("Mean rank"),
        *(Column(part, rank=1) for part in standing.parts),
        Column(f"Beaten by {standing.labels[0]}", rank=2),
    )
    rows = []
    for _, row in standing.table.iterrows():
        cells = [Cell(row["label"], row["label"]), Cell(notes.number(row["mean_rank"], 2), float(row["mean_rank"]))]
        for part in standing.parts:
            rank = float(row[f"rank_{part}"])
            ok, run = (int(row[f"{count}_{part}"]) for count in ("ok", "run"))
            text = notes.number(rank, 0 if rank.is_integer() else 1) + (f" ({ok}/{run})" if ok < run else "")
            cells.append(Cell(text, rank, best=rank == 1))
        low, share, high = (float(row[key]) for key in ("probability_of_improvement_low", "probability_of_improvement", "probability_of_improvement_high"))
        text = tables.NO_VALUE if np.isnan(share) else f"{share:.0%}"
        text += f" [{low:.0%}, {high:.0%}]" if np.isfinite(low) else ""
        cells.append(Cell(text, share))
        rows.append(tuple(cells))
    remarks = (
        f"Ranks by mean score: {'; '.join(f'{part}: {scored[part]}' for part in standing.parts)}.",
        *(["(ok/run): the rank is of the mean of the repeats that ended ok."] if _lossy(standing) else []),
        (
            f"Beaten: how often a run of {standing.labels[0]} beats one of this optimizer, over all pairs of repeats, each "
            f"problem weighing the same, with its {LEVEL:.0%} percentile bootstrap interval over repeats."
        ),
    )
    return Table("ranks", "Ranks over problems", columns, tuple(rows), remarks)
