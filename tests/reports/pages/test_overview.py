"""Tests of `reports.pages.overview`: the report on a study with several parts."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from reports.analysis import ranking
from reports.pages import overview
from reports.statistics import across_problems


def test_a_page_without_a_ranking_gives_the_reason(reports, tmp_path, wording):
    """One part gives no ranks."""
    built = overview.build(_file(reports), reports[:1], tmp_path / "all")
    assert built.ranking is None
    assert built.answer in built.page.read_text(encoding="utf-8")
    wording(built.answer)


@pytest.mark.parametrize("verdicts", ["better better", "better undecided", "undecided undecided", "worse undecided"])
def test_the_answer_names_the_optimizers_that_the_best_ranks_above(reports, wording, verdicts):
    """It names those that do not differ significantly, and those that are above the best if only the two are compared."""
    ranked = ranking.rank_optimizers([report.results(study) for study, report in reports])
    pairs = ranked.pairs.assign(verdict=[*verdicts.split(), "better"], adjusted_p=0.04)
    wording(overview._answer(dataclasses.replace(ranked, tested=True, pairs=pairs), reports))


def test_a_pair_without_a_test_does_not_count_as_undecided(reports, wording):
    """The answer says that it is not tested."""
    ranked = ranking.rank_optimizers([report.results(study) for study, report in reports])
    pairs = ranked.pairs.assign(verdict=["better", "undecided", "better"], adjusted_p=[0.01, np.nan, 0.01])
    answer = overview._answer(dataclasses.replace(ranked, tested=True, pairs=pairs), reports)
    assert "differ" not in answer
    assert f"{ranked.labels[0]} is not tested against {ranked.labels[2]}." in answer
    wording(answer)


def test_the_answer_on_two_optimizers_names_both(reports, wording):
    """There is no other optimizer to average over."""
    ranked = ranking.rank_optimizers([report.results(study) for study, report in reports])
    pairs = ranked.pairs.iloc[:1].assign(verdict="better", adjusted_p=0.04)
    wording(overview._answer(dataclasses.replace(ranked, tested=True, labels=ranked.labels[:2], pairs=pairs), reports))


def test_the_description_keeps_the_two_questions_apart(reports, wording):
    """With few problems it says why there is no critical difference; with ten it has the critical difference."""
    ranked = ranking.rank_optimizers([report.results(study) for study, report in reports])
    ranks = across_problems.Ranks(np.array([1.2, 1.9, 2.9]), 1.05, 0.0004, 10, 0.95)
    pages = [
        ranked,
        dataclasses.replace(ranked, paired=("one", "two"), critical=ranks),
        dataclasses.replace(ranked, paired=()),
    ]
    wording("\n\n".join("\n".join(overview._description(page, reports)) for page in pages))


def test_a_table_of_tested_optimizers_has_intervals_and_letters(reports, wording):
    """A label that is in no tested pair has a note."""
    ranked = ranking.rank_optimizers([report.results(study) for study, report in reports])
    bounds = {"best_superiority_low": [np.nan, 0.61, np.nan], "best_superiority_high": [np.nan, 0.88, np.nan]}
    pairs = ranked.pairs.assign(adjusted_p=[0.01, np.nan, np.nan], verdict=["better", "undecided", "undecided"])
    tested = dataclasses.replace(
        ranked, tested=True, pairs=pairs, table=ranked.table.assign(**bounds, letters=["a", "b", "ab"])
    )
    table = overview._ranks_table(tested)
    assert [row[2].text for row in table.rows] == ["–", "75% [61%, 88%]", "100%"]
    assert [row[3].text for row in table.rows] == ["a", "b", "ab"]
    wording("\n".join(table.notes))


def test_a_rank_shows_its_lost_repeats(reports, tmp_path, wording):
    """All repeats of MBSGD on one part diverged; no other repeat is lost."""
    built = overview.build(_file(reports), reports, tmp_path / "all", critical_difference=True)
    assert built.ranking.critical is not None, "requested"
    table = overview._ranks_table(built.ranking)
    rows = {row[0].text: [cell.text for cell in row[4:7]] for row in table.rows}
    assert rows == {"Adam": ["1", "1", "2"], "AdaGrad": ["2", "2", "1"], "MBSGD": ["3", "3", "3 (0/2)"]}
    assert sum("completed/started" in note for note in table.notes) == 1
    wording("\n".join(table.notes))


def test_figures_of_ten_problems(reports):
    """A tested ranking has its intervals, ten problems have critical differences, and followed ones have profiles."""
    from reports.figures.style import assign_styles

    ranked = ranking.rank_optimizers([report.results(study) for study, report in reports])
    ranks = across_problems.Ranks(np.array([1.2, 1.9, 2.9]), 1.05, 0.0004, 10, 0.95)
    pairs = ranked.pairs.assign(superiority_low=0.4, superiority_high=1.0)
    full = dataclasses.replace(ranked, tested=True, critical=ranks, pairs=pairs)
    figures = [figure.name for figure in overview._draw(full, assign_styles(ranked.labels))]
    assert figures == ["superiority", "critical-difference", "profiles"]


def test_the_page_links_to_each_part(reports, tmp_path, wording):
    """The page has the answer, a link to the page of each part, the ranks, the command and the files."""
    built = overview.build(_file(reports), reports, tmp_path / "all")
    page = built.page.read_text(encoding="utf-8")
    wording(built.answer)
    for study, report in reports:
        assert f'href="../all.{study.part}/index.html"' in page
        assert report.page.is_file()
    assert "ravine run all" in page
    assert page.count("data:image/svg+xml;base64") >= 1
    assert "Device: " in page[page.index('id="environment"') :]
    files = json.loads((tmp_path / "all" / "manifest.json").read_text())["files"]
    assert {"index.html", "ranks.csv", "ranks.tex", "rank_pairs.csv", "figures/profiles.pdf"} <= set(files)


def test_several_environments_are_listed_with_their_parts(reports):
    """One environment is listed once for all parts; of several, each is listed with its own parts."""
    (environment,) = overview._environments(reports)
    assert environment.startswith("Device: ")
    study, report = reports[1]
    trials = report.frames.trials.assign(torch="9.9")
    other = (study, dataclasses.replace(report, frames=dataclasses.replace(report.frames, trials=trials)))
    first, second = overview._environments([reports[0], other, reports[2]])
    assert first == f"one, odd: {environment}"
    assert second.startswith("two: Device: ")
    assert "torch 9.9" in second


def test_the_summary_has_the_ranks_and_the_summaries_of_the_parts(reports, tmp_path):
    """The values are plain JSON."""
    built = overview.build(_file(reports), reports, tmp_path / "all")
    values = overview.summary(built, [{"study": "all.one"}])
    ranked = values["ranking"]
    assert [(row["label"], row["superiority"]) for row in ranked["optimizers"]] == [
        ("Adam", 0.875),
        ("AdaGrad", 0.625),
        ("MBSGD", 0.0),
    ]
    assert [(pair["first"], pair["second"], pair["verdict"]) for pair in ranked["pairs"]] == [
        ("Adam", "AdaGrad", "undecided"),
        ("Adam", "MBSGD", "undecided"),
        ("AdaGrad", "MBSGD", "undecided"),
    ]
    assert ranked["problems"] == ranked["paired_problems"] == ["one", "two", "odd"]
    assert not ranked["has_verdicts"]
    assert "critical_difference" not in ranked
    assert values["parts"] == [{"study": "all.one"}]
    assert json.dumps(values)
    ranks = across_problems.Ranks(np.array([1.0, 2.0, 3.0]), 1.05, 0.01, 10, 0.95)
    built = dataclasses.replace(built, ranking=dataclasses.replace(built.ranking, critical=ranks))
    assert overview.summary(built, [])["ranking"]["critical_difference"] == 1.05


def _file(reports):
    from suite.spec.parts import StudyFile

    return StudyFile("all", "All <of> them", tuple(study for study, _ in reports), Path("all.toml"))
