"""The report on a study file with several parts: how optimizers rank over its problems, and where each part's own page is."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports import answers, claim_measurements, claims, claims_section, notes, several, tables, writing
from reports.frame import command
from reports.intervals import LEVEL
from reports.scores import higher_is_better, title
from reports.summary import settled
from reports.tables import Cell, Column, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from reports.build import Report
    from reports.claims import Findings
    from reports.frame import Study, StudyFile
    from reports.several import Array, Profiles, Ranks
    from reports.writing import Picture

Parts = list[tuple["Study", "Report"]]

TARGET = "middle"
"""Whose times the performance profiles are made of (`reports.targets.QUANTILES`)."""
RATIOS = np.geomspace(1, 100, 201)
SEED = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How optimizers stand over problems.

    Attributes:
        labels: Those that all problems have, by mean rank.
        parts: The names of the parts, in their order.
        table: A row per label: `label`, `mean_rank`, `rank <part>` for each part, and how often a run of the first label beats
            one of this: `beaten`, `beaten low`, `beaten high`.
        ranks: Mean ranks with their test, in the order of `labels`.
        profiles: Of the time to a target; None where no part was followed over time.
        timed: How many parts the profiles cover.
        unit: What their times are counted in.
    """

    labels: tuple[str, ...]
    parts: tuple[str, ...]
    table: pd.DataFrame
    ranks: Ranks
    profiles: Profiles | None
    timed: int
    unit: str


@dataclass(frozen=True, slots=True)
class Overview:
    """What was built: the page and its first sentence.

    `standing`: how optimizers stand; None below two problems or three optimizers. `claims`: what became of the sources' claims,
    where the study asks.
    """

    name: str
    page: Path
    answer: str
    standing: Standing | None
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
    writing.check_place(folder)
    standing = stand(reports)
    asking = [claim_measurements.evidence(study, report.frames) for study, report in reports if study.claims]
    found = claims.settle(asking) if asking else None
    sections = claims_section.sections(found) if found else ()
    told_of_ranks = _answer(standing, reports) if standing or not found else ""
    answer = " ".join(filter(None, (claims_section.answer(found) if found else "", told_of_ranks)))
    built = Overview(file.name, folder / "index.html", answer, standing, found)
    looks = _looks(reports)
    pictures = list(_draw(standing, looks)) if standing else []
    pictures += writing.draw_sections(sections, looks)
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
        "told": told,
        "words": _words(standing),
        "sheet": sheet,
        "pictures": pictures,
        "sections": sections,
        "where": [notes.where(report.frames) for _, report in reports],
        "looks": looks,
        "command": command(file),
    }
    with writing.replacing(folder) as fresh:
        writing.save(pictures, fresh)
        texts: dict[str, str] = {}
        if sheet and standing:
            texts |= {"ranks.csv": tables.csv(standing.table), "ranks.md": tables.markdown(sheet)}
            texts |= {"ranks.tex": tables.latex(sheet)}
        texts |= writing.section_texts(sections)
        texts["report.md"] = writing.render("overview.md.j2", values)
        values["files"] = sorted([*texts, "index.html", writing.MANIFEST])
        texts["index.html"] = writing.render("overview.html.j2", values)
        writing.save_texts(texts, fresh)
        manifest = {"name": file.name, "overrides": list(file.overrides), "command": command(file)}
        writing.finish(fresh, manifest | {"parts": [{"name": part["name"], "page": part["page"]} for part in told]})
    return built


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
        found["claims"] = settled(whole.claims)
    if standing:
        found["mean_ranks"] = dict(zip(standing.labels, standing.ranks.mean.tolist(), strict=True))
        found |= {"critical_difference": standing.ranks.critical, "friedman_p": standing.ranks.friedman}
    return found


def stand(reports: Parts) -> Standing | None:
    """How optimizers stand over the problems; None below two problems with a score, or three optimizers that all have.

    An optimizer whose every repeat of a part diverged or stalled ranks last there.
    """
    if any(report.frames.on_surfaces for _, report in reports):
        return (
            None  # each surface has learning rates of its own, and what can be said of four functions is said of each
        )
    known = [(study, report) for study, report in reports if report.estimates[study.score].notna().any()]
    shared = [label for label in (known[0][1].frames.labels if known else ()) if _is_everywhere(label, known)]
    if len(known) < 2 or len(shared) < 3:
        return None
    means = np.array([_goodness(study, report, shared) for study, report in known])
    ranks = several.mean_ranks(means, higher=True)
    order = sorted(range(len(shared)), key=lambda at: (ranks.mean[at], at))
    labels = [shared[at] for at in order]
    ranks = replace(ranks, mean=ranks.mean[order], p=ranks.p[np.ix_(order, order)])
    table = pd.DataFrame({"label": labels, "mean_rank": ranks.mean})
    for (study, _), row in zip(known, means[:, order], strict=True):
        table[f"rank {study.part}"] = pd.Series(-row).rank().to_numpy()
    runs = {label: _runs(known, label) for label in labels}
    beaten = [(np.nan,) * 3] + [
        several.probability_of_improvement(runs[labels[0]], runs[label], np.random.default_rng(SEED))
        for label in labels[1:]
    ]
    table[["beaten", "beaten low", "beaten high"]] = beaten
    costs = _costs([report for _, report in known], labels)
    profiles = several.performance_profiles(costs, RATIOS, np.random.default_rng(SEED)) if len(costs) else None
    unit = "epochs" if any(report.frames.imported for _, report in known) else "updates"
    return Standing(tuple(labels), tuple(study.part for study, _ in known), table, ranks, profiles, len(costs), unit)


def _is_everywhere(label: str, reports: Parts) -> bool:
    """Whether every part has results of an optimizer, good ones or none."""
    for study, report in reports:
        row = report.estimates[report.estimates["label"] == label]
        if row.empty or (pd.isna(row[study.score].iloc[0]) and not _lost(report, label)):
            return False
    return True


def _lost(report: Report, label: str) -> bool:
    """Whether every repeat of an optimizer diverged or stalled."""
    own = report.scores.loc[report.scores["label"] == label, "outcome"]
    return bool(own.isin(["diverged", "stalled"]).all())


def _goodness(study: Study, report: Report, labels: Sequence[str]) -> Array:
    """Mean scores, more is better; minus infinity where every repeat was lost."""
    means = report.estimates.set_index("label")[study.score].reindex(list(labels)).to_numpy(dtype=np.float64)
    return np.where(np.isnan(means), -np.inf, means if higher_is_better(study.score) else -means)


def _runs(reports: Parts, label: str) -> Array:
    """The scores of an optimizer's repeats, more is better, a row per part: NaN where there is none, a low value if lost."""
    rows = []
    for study, report in reports:
        own = report.scores[report.scores["label"] == label].sort_values("repeat")
        sign = 1.0 if higher_is_better(study.score) else -1.0
        values = sign * own[study.score].to_numpy(dtype=np.float64)
        worst = (sign * report.scores[study.score]).min() - 1
        rows.append(np.where(own["outcome"].isin(["diverged", "stalled"]), worst, values))
    width = max(map(len, rows))
    return np.array([np.pad(row, (0, width - len(row)), constant_values=np.nan) for row in rows])


def _costs(reports: Sequence[Report], labels: Sequence[str]) -> Array:
    """Updates to the target, by part, repeat and label: infinite where it was missed, NaN where there was no run."""
    found = []
    for report in reports:
        if report.times is None:
            continue
        times = report.times[report.times["target"] == TARGET]
        times = times.assign(cost=np.where(times["reached"], times["step"], np.inf))
        wide = times.pivot_table(index="repeat", columns="label", values="cost", aggfunc="last").reindex(
            columns=list(labels)
        )
        found.append(wide.to_numpy(dtype=np.float64))
    if not found:
        return np.empty((0, 0, len(labels)))
    deep = max(map(len, found))
    return np.array([np.pad(each, ((0, deep - len(each)), (0, 0)), constant_values=np.nan) for each in found])


def _answer(standing: Standing | None, reports: Parts) -> str:
    many = len(reports)
    if all(report.frames.on_surfaces for _, report in reports):
        return f"{many} surfaces, each with its own page: no ranking over functions that were chosen to differ."
    if standing is None:
        return f"{many} parts, each with its own page. No ranking over them: it takes three optimizers that two parts share."
    ranks, labels = standing.ranks, standing.labels
    near = [label for label, rank in zip(labels, ranks.mean, strict=True) if 0 < rank - ranks.mean[0] <= ranks.critical]
    text = (
        f"{labels[0]} has the best mean rank over {ranks.problems} problems ({notes.number(float(ranks.mean[0]), 2)})"
    )
    if ranks.friedman > 1 - ranks.level:
        return f"{text}, but the ranks may be chance: Friedman's test gives {_p(ranks.friedman)}."
    if near:
        return f"{text}; not told from it by rank: {answers.listed(near)}."
    return f"{text}, and is told from all others by rank."


def _words(standing: Standing | None) -> tuple[str, ...]:
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
    text = answers.p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _looks(reports: Parts) -> Mapping[str, Any]:
    """A look for each label: that of the parts' own pages, where all have the same optimizers."""
    from reports.figures import styles

    return styles([*dict.fromkeys(label for _, report in reports for label in report.frames.labels)])


def _draw(standing: Standing, looks: Mapping[str, Any]) -> Iterator[Picture]:
    import matplotlib.style

    from reports import figures, several_figures

    many, count = len(standing.labels), standing.ranks.problems
    with matplotlib.style.context(["default", dict(figures.STYLE)]):
        figure, ax = figures.single(height=1.5 + 0.16 * many)
        several_figures.critical_difference(standing.ranks, standing.labels, ax, looks)
        caption = (
            "Mean ranks, the best at the left. A bar joins optimizers that lie less than the critical difference apart."
        )
        yield writing.picture(
            figure, "critical-difference", caption, f"Mean ranks of {many} optimizers over {count} problems."
        )
        if standing.profiles:
            figure, ax = figures.single()
            several_figures.profiles(standing.profiles, standing.labels, ax, looks)
            caption = (
                f"Performance profiles (Dolan and Moré 2002): the share of runs that reach the {TARGET} target within τ times "
                f"the {standing.unit} of the fastest optimizer in the same repeat, over {standing.timed} problems; pointwise "
                f"{LEVEL:.0%} percentile bootstrap bands."
            )
            yield writing.picture(figure, "profiles", caption, f"Curves: performance profiles of {many} optimizers.")


def _sheet(standing: Standing, reports: Parts) -> Sheet:
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
            rank = float(row[f"rank {part}"])
            cells.append(Cell(notes.number(rank, 0 if rank.is_integer() else 1), rank, best=rank == 1))
        low, share, high = (float(row[key]) for key in ("beaten low", "beaten", "beaten high"))
        text = tables.NO_VALUE if np.isnan(share) else f"{share:.0%}"
        text += f" [{low:.0%}, {high:.0%}]" if np.isfinite(low) else ""
        cells.append(Cell(text, share))
        rows.append(tuple(cells))
    remarks = (
        f"Ranks by mean score: {'; '.join(f'{part}: {scored[part]}' for part in standing.parts)}.",
        (
            f"Beaten: how often a run of {standing.labels[0]} beats one of this optimizer, over all pairs of repeats, each "
            f"problem weighing the same, with its {LEVEL:.0%} percentile bootstrap interval over repeats."
        ),
    )
    return Sheet("ranks", "Ranks over problems", columns, tuple(rows), remarks)
