"""The report on a study with several parts: the ranking of the optimizers over its problems, and links to each part."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.analysis import claim_measurements, claims
from reports.analysis.ranking import MIN_PROBLEMS, rank_optimizers
from reports.analysis.verdicts import BETTER, SEED, UNDECIDED, WORSE
from reports.frames.scores import title
from reports.frames.study_frames import command
from reports.pages import files
from reports.pages.json_summary import claims_as_dict, records
from reports.sections import claims as claims_section
from reports.statistics.across_problems import MIN_REPEATS, MIN_TOTAL_REPEATS
from reports.statistics.intervals import LEVEL
from reports.statistics.sign_flips import MAX_PATTERNS
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
        ranking: The ranking; None with fewer than two problems or two optimizers.
        claims: The findings on the claims above the parts, if there are any.
    """

    name: str
    page: Path
    answer: str
    ranking: Ranking | None
    claims: Findings | None = None


def build(file: StudyFile, reports: Parts, folder: Path, *, critical_difference: bool = False) -> Overview:
    """Build the report on all parts from the reports of the parts.

    Args:
        file: The study file with the parts.
        reports: A study and its report for each part.
        folder: The destination. An older report there is replaced.
        critical_difference: Whether the critical difference is requested for any number of problems.

    Raises:
        UserError: `folder` is not the folder of a report.
    """
    from reports.figures.style import assign_styles

    files.check_destination(folder)
    by_problem = [report.results(study) for study, report in reports]
    ranking = rank_optimizers(by_problem, critical_difference=critical_difference)
    results = [claim_measurements.part_results(study, report.frames, report.stated) for study, report in reports]
    findings = claims.evaluate_claims(file.claims, results) if file.claims else None
    sections = claims_section.sections(findings) if findings else ()
    answers = (
        claims_section.answer(findings) if findings else "",
        _answer(ranking, reports) if ranking or not findings else "",
    )
    answer = " ".join(filter(None, answers))
    styles = assign_styles([*dict.fromkeys(label for _, report in reports for label in report.frames.labels)])
    table = _ranks_table(ranking) if ranking else None
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
        "description": _description(ranking, reports) if ranking else (),
        "table": table,
        "figures": [*(_draw(ranking, styles) if ranking else ()), *files.draw_sections(sections, styles)],
        "sections": sections,
        "environments": _environments(reports),
        "styles": styles,
        "command": command(file),
    }
    texts = files.table_texts(table) if table else {}
    if ranking:
        texts |= {"ranks.csv": tables.csv(ranking.table), "rank_pairs.csv": tables.csv(ranking.pairs)}
    manifest = {
        "name": file.name,
        "overrides": list(file.overrides),
        "command": command(file),
        "parts": [{"name": part["name"], "page": part["page"]} for part in parts],
    }
    files.write_report(folder, values, texts, manifest, index="overview.html.j2", report="overview.md.j2")
    return Overview(file.name, folder / "index.html", answer, ranking, findings)


def summary(overview: Overview, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what `ravine report STUDY --json` prints of several parts: their summaries, the ranking and the claims."""
    values: dict[str, Any] = {
        "study": overview.name,
        "answer": overview.answer,
        "report": str(overview.page),
        "parts": list(parts),
    }
    if overview.claims:
        values["claims"] = claims_as_dict(overview.claims)
    if ranking := overview.ranking:
        values["ranking"] = {
            "problems": list(ranking.parts),
            "paired_problems": list(ranking.paired),
            "level": ranking.level,
            "has_verdicts": ranking.tested,
            "optimizers": records(ranking.table),
            "pairs": records(ranking.pairs),
        }
        if ranks := ranking.critical:
            values["ranking"] |= {
                "mean_ranks": dict(zip(ranking.labels, ranks.mean.tolist(), strict=True)),
                "critical_difference": ranks.critical,
                "friedman_p": ranks.friedman,
            }
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
    """Return the best optimizer over these problems and the others that it ranks above, or why there is no ranking."""
    on_surfaces = [report.frames.on_surfaces for _, report in reports]
    if all(on_surfaces):
        reason = "the functions were chosen to be different"
        return f"{len(reports)} test functions, each with its own page. There is no overall ranking, because {reason}."
    if ranking is None:
        reason = (
            "each test function has its own learning rates"
            if any(on_surfaces)
            else "it needs at least two parts and two optimizers that all parts have"
        )
        return f"{notes.counted(len(reports), 'part')}, each with its own page. There is no overall ranking, because {reason}."
    best, others = ranking.labels[0], ranking.labels[1:]
    against = f"one of {others[0]}" if len(others) == 1 else "one of another optimizer"
    share = float(ranking.table["superiority"].iloc[0])
    headline = (
        f"On these {len(ranking.parts)} problems, a run of {best} ends better than {against} with an estimated "
        f"probability of {share:.0%} on average."
    )
    if not ranking.tested:
        return f"{headline} No two optimizers are tested, because {_NEEDED}."
    pairs = ranking.pairs[ranking.pairs["first"] == best]
    found = pairs["verdict"].mask(pairs["adjusted_p"].isna(), _UNTESTED)
    groups = {
        verdict: pairs.loc[found == verdict, "second"].tolist() for verdict in (BETTER, UNDECIDED, WORSE, _UNTESTED)
    }
    if len(others) > 1 and len(groups[BETTER]) == len(others):
        return f"{headline} {best} ranks significantly above all others."
    sentences = (
        f"{best} ranks significantly above {notes.join_labels(groups[BETTER])}." if groups[BETTER] else "",
        f"{best} does not differ significantly from {notes.join_labels(groups[UNDECIDED])}."
        if groups[UNDECIDED]
        else "",
        f"{best} ranks significantly below {notes.join_labels(groups[WORSE])} if only the two are compared."
        if groups[WORSE]
        else "",
        f"{best} is not tested against {notes.join_labels(groups[_UNTESTED])}." if groups[_UNTESTED] else "",
    )
    return " ".join([headline, *filter(None, sentences)])


_UNTESTED = "not tested"
_NEEDED = f"a test needs at least {MIN_REPEATS} runs of each optimizer on every problem and {MIN_TOTAL_REPEATS} on all problems"


def _description(ranking: Ranking, reports: Parts) -> tuple[str, ...]:
    """Return what is ranked and the statements on these problems and on other problems, each with its test."""
    metrics = {study.part: title(study.score).lower() for study, _ in reports}
    unpaired = [part for part in ranking.parts if part not in ranking.paired]
    what = (
        "P(better) is the probability that a run of one optimizer, with new seeds, ends better than a run of another. A tie "
        "counts as one half. A run that diverged, stalled or failed is worse than all others. On each problem, optimizers are "
        "ranked by their mean P(better) against the others. All problems have equal weights. Scores: "
        f"{'; '.join(f'{part}: {metrics[part]}' for part in ranking.parts)}."
    )
    kind = "Repeats are paired by seed."
    if unpaired:
        kind = f"Repeats are paired by seed, except on {notes.join_labels(unpaired)}." if ranking.paired else ""
        kind += " Runs without common seeds are compared as independent runs."
    these = (
        "On these problems, two optimizers differ significantly if the average of P(better) differs significantly from 50%. "
        f"The test is a studentised permutation test, step-down over all pairs at the {ranking.level:.0%} level "
        f"({MAX_PATTERNS:,} random permutations, seed {SEED}). {kind.strip()} docs/statistics.md has its measured error rates"
        f"{' for problems with paired repeats' * bool(unpaired)}."
    )
    if ranks := ranking.critical:
        other = (
            f"For other problems, the {ranks.problems} problems are the sample. Friedman's test of equal mean ranks gives "
            f"{_p_text(ranks.friedman)}. Nemenyi's critical difference of mean ranks is {notes.number(ranks.critical, 2)} at "
            f"the {ranks.level:.0%} level (Demšar 2006). Both are approximate for few problems."
        )
    else:
        other = (
            "This test makes no statement on other problems. A report has the critical difference of mean "
            f"ranks (Demšar 2006) for three or more optimizers on at least {MIN_PROBLEMS} problems. With fewer problems it is "
            "approximate, and `ravine report --critical-difference` adds it."
        )
    return what, these, other


def _p_text(p: float) -> str:
    text = conclusions.p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _draw(ranking: Ranking, styles: Mapping[str, Style]) -> Iterator[RenderedFigure]:
    """Yield P(better) of the best optimizer, the critical differences and the performance profiles, if there are any."""
    import matplotlib.style

    from reports.figures.across_problems import critical_difference, performance_profiles, superiority_of_best
    from reports.figures.style import STYLE, single_panel

    num_labels, best = len(ranking.labels), ranking.labels[0]
    with matplotlib.style.context(["default", dict(STYLE)]):
        if ranking.tested:
            figure, ax = single_panel(height=1.1 + 0.28 * num_labels)
            superiority_of_best(ranking, ax, styles)
            caption = (
                f"Probability that a run of {best} ends better than a run of another optimizer, averaged over the problems, "
                f"with simultaneous {ranking.level:.0%} intervals. Dashed: no significant difference from {best}."
            )
            alt = f"Intervals: P(better) of {best} against {notes.counted(num_labels - 1, 'optimizer')}."
            yield files.render_figure(figure, "superiority", caption, alt)
        if ranks := ranking.critical:
            figure, ax = single_panel(height=1.5 + 0.16 * num_labels)
            critical_difference(ranks, ranking.labels, ax, styles)
            caption = (
                "Mean ranks of P(better), the best at the left. A bar joins optimizers whose mean ranks differ by at most "
                "the critical difference."
            )
            alt = f"Mean ranks of {num_labels} optimizers over {ranks.problems} problems."
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


def _ranks_table(ranking: Ranking) -> Table:
    """Return the table of ranks: P(better) against the others and of the best optimizer, letters, and the rank on each part."""
    best, parts = ranking.labels[0], ranking.parts
    columns = (
        Column("Optimizer", "left"),
        Column("P(better)"),
        Column(f"P({best} better)", rank=1),
        Column("Letters", "left", rank=1),
        *(Column(f"Rank on {part}", rank=2) for part in parts),
    )
    rows, any_lost = [], False
    for _, row in ranking.table.iterrows():
        low, share, high = (float(row[f"best_superiority{end}"]) for end in ("_low", "", "_high"))
        text = tables.NO_VALUE if np.isnan(share) else f"{share:.0%}"
        text += f" [{low:.0%}, {high:.0%}]" if np.isfinite(low) else ""
        mean = float(row["superiority"])
        cells = [Cell(row["label"], row["label"]), Cell(f"{mean:.0%}", mean), Cell(text, share)]
        cells.append(Cell(row["letters"], row["letters"]) if ranking.tested else Cell(tables.NO_VALUE))
        for part in parts:
            rank, ok, run = float(row[f"rank_{part}"]), int(row[f"ok_{part}"]), int(row[f"run_{part}"])
            text = notes.number(rank, 0 if rank.is_integer() else 1) + (f" ({ok}/{run})" if ok < run else "")
            any_lost |= ok < run
            cells.append(Cell(text, rank, best=rank == 1))
        rows.append(tuple(cells))
    untested = [label for label in ranking.labels if not _is_tested(ranking, label)] if ranking.tested else []
    remarks = (
        "P(better): mean over the other optimizers and the problems.",
        f"P({best} better): against this optimizer, mean over the problems, with its simultaneous {ranking.level:.0%} interval."
        if ranking.tested
        else f"No interval and no letters, because {_NEEDED}.",
        *(["Letters: optimizers that share a letter do not differ significantly."] if ranking.tested else []),
        *([f"Not tested: {notes.join_labels(untested)}. The reason is that {_NEEDED}."] if untested else []),
        *(["(completed/started): runs that are not completed count as worse than all others."] if any_lost else []),
    )
    return Table("ranks", "Ranking over problems", columns, tuple(rows), remarks)


def _is_tested(ranking: Ranking, label: str) -> bool:
    """Return whether any pair with an optimizer is tested."""
    pairs = ranking.pairs
    return bool(pairs.loc[(pairs["first"] == label) | (pairs["second"] == label), "adjusted_p"].notna().any())
