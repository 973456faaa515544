"""`reports.pages.overview`: the report on a study file with several parts."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from reports.analysis import ranking
from reports.pages import overview


def test_a_page_without_standing_says_what_it_takes(reports, tmp_path):
    """One part gives no ranks."""
    built = overview.build(_file(reports), reports[:1], tmp_path / "all")
    assert "it takes two parts, and three optimizers that all have" in built.page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("means", "told"),
    [
        ([1.5, 1.5, 3.0], "not told from it by rank: AdaGrad."),
        ([1.0, 1.9, 3.1], "not told from it by rank: AdaGrad."),
        ([1.0, 2.5, 2.5], "is told from all others by rank."),
    ],
)
def test_the_answer_names_all_that_are_near_the_best(reports, means, told):
    """Also one whose mean rank is the same as the best's."""
    found = ranking.rank_optimizers(
        [report.results(study) for study, report in [report.results(study) for study, report in reports]]
    )
    ranks = dataclasses.replace(found.ranks, mean=np.array(means), critical=1.0, friedman=0.01)
    assert overview._answer(dataclasses.replace(found, ranks=ranks), reports).endswith(told)


def test_a_rank_says_what_it_leaves_out(reports, tmp_path):
    """MBSGD's repeats of a part diverged, as its rank there tells; other ranks leave nothing out."""
    built = overview.build(_file(reports), reports, tmp_path / "all")
    rows = {row[0].text: [cell.text for cell in row[2:5]] for row in overview._sheet(built.standing, reports).rows}
    assert rows == {"Adam": ["1", "1", "2"], "AdaGrad": ["2", "2", "1"], "MBSGD": ["3", "3", "3 (0/2)"]}


def test_the_page_leads_to_each_part(reports, tmp_path):
    """The page has the answer, each part's answer with a link that leads to its page, the ranks, and a manifest of it all."""
    built = overview.build(_file(reports), reports, tmp_path / "all")
    page = built.page.read_text(encoding="utf-8")
    assert "Adam has the best mean rank over 3 problems (1.33)" in built.answer
    for study, report in reports:
        assert f'href="../all.{study.part}/index.html"' in page
        assert report.page.is_file()
    assert "ravine run all" in page
    assert page.count("data:image/svg+xml;base64") >= 2
    assert "Device: " in page[page.index('id="where"') :]
    files = json.loads((tmp_path / "all" / "manifest.json").read_text())["files"]
    assert {"index.html", "ranks.csv", "ranks.tex", "figures/profiles.pdf", "figures/critical-difference.svg"} <= set(
        files
    )


def test_where_it_was_measured_names_the_parts(reports, tmp_path):
    """One place is told once for all; of several, each with the parts that were measured there."""
    (told,) = overview._where(reports)
    assert told.startswith("Device: ")
    study, report = reports[1]
    trials = report.frames.trials.assign(torch="9.9")
    other = (study, dataclasses.replace(report, frames=dataclasses.replace(report.frames, trials=trials)))
    first, second = overview._where([reports[0], other, reports[2]])
    assert first == f"one, odd: {told}"
    assert second.startswith("two: Device: ")
    assert "torch 9.9" in second


def test_numbers_for_scripts(reports, tmp_path):
    """The ranks stand beside the parts' own numbers."""
    built = overview.build(_file(reports), reports, tmp_path / "all")
    told = overview.summary(built, [{"study": "all.one"}])
    assert told["mean_ranks"] == {"Adam": pytest.approx(4 / 3), "AdaGrad": pytest.approx(5 / 3), "MBSGD": 3}
    assert told["parts"] == [{"study": "all.one"}]
    assert json.dumps(told)


def _file(reports):
    from suite.spec.parts import StudyFile

    return StudyFile("all", "All <of> them", tuple(study for study, _ in reports), Path("all.toml"))
