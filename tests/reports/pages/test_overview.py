"""Tests of `reports.pages.overview`: the report on a study with several parts."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from reports.analysis import ranking
from reports.pages import overview


def test_a_page_without_a_ranking_gives_the_reason(reports, tmp_path, wording):
    """One part gives no ranks."""
    built = overview.build(_file(reports), reports[:1], tmp_path / "all")
    assert built.ranking is None
    assert built.answer in built.page.read_text(encoding="utf-8")
    wording(built.answer)


@pytest.mark.parametrize(
    ("means", "friedman"),
    [([1.5, 1.5, 3.0], 0.01), ([1.0, 1.9, 3.1], 0.01), ([1.0, 2.5, 2.5], 0.01), ([1.0, 2.5, 2.5], 0.2)],
)
def test_the_answer_names_the_optimizers_that_do_not_differ_from_the_best(reports, wording, means, friedman):
    """This includes an optimizer with the same mean rank as the best."""
    ranked = ranking.rank_optimizers([report.results(study) for study, report in reports])
    ranks = dataclasses.replace(ranked.ranks, mean=np.array(means), critical=1.0, friedman=friedman)
    wording(overview._answer(dataclasses.replace(ranked, ranks=ranks), reports))


def test_a_rank_shows_its_excluded_repeats(reports, tmp_path):
    """All repeats of MBSGD on one part diverged; other ranks exclude no repeat."""
    built = overview.build(_file(reports), reports, tmp_path / "all")
    table = overview._ranks_table(built.ranking, reports)
    rows = {row[0].text: [cell.text for cell in row[2:5]] for row in table.rows}
    assert rows == {"Adam": ["1", "1", "2"], "AdaGrad": ["2", "2", "1"], "MBSGD": ["3", "3", "3 (0/2)"]}
    assert sum("completed/started" in note for note in table.notes) == 1


def test_the_page_links_to_each_part(reports, tmp_path, wording):
    """The page has the answer, a link to the page of each part, the ranks, the command and the files."""
    built = overview.build(_file(reports), reports, tmp_path / "all")
    page = built.page.read_text(encoding="utf-8")
    wording(built.answer)
    for study, report in reports:
        assert f'href="../all.{study.part}/index.html"' in page
        assert report.page.is_file()
    assert "ravine run all" in page
    assert page.count("data:image/svg+xml;base64") >= 2
    assert "Device: " in page[page.index('id="environment"') :]
    files = json.loads((tmp_path / "all" / "manifest.json").read_text())["files"]
    assert {"index.html", "ranks.csv", "ranks.tex", "figures/profiles.pdf", "figures/critical-difference.svg"} <= set(
        files
    )


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
    assert values["mean_ranks"] == {"Adam": pytest.approx(4 / 3), "AdaGrad": pytest.approx(5 / 3), "MBSGD": 3}
    assert values["parts"] == [{"study": "all.one"}]
    assert json.dumps(values)


def _file(reports):
    from suite.spec.parts import StudyFile

    return StudyFile("all", "All <of> them", tuple(study for study, _ in reports), Path("all.toml"))
