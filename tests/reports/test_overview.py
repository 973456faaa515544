"""`reports.overview`: the report on a study file with several parts."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from reports import overview
from reports.build import build


def _part(sample, tmp_path, name, scores, diverges=()):
    """A part with one score per label and repeat; those of `diverges` have none."""
    from suite.records import Outcome, Point

    study = sample.study(list(scores), name=f"all.{name}", repeats=len(next(iter(scores.values()))))
    study = study.model_copy(update={"part": name})
    trials, store = sample.plan(study), sample.Store()
    for trial in trials:
        lost = trial.label in diverges
        value = scores[trial.label][trial.repeat]
        curve = [Point("test/accuracy", epoch, 4 * epoch, value - 0.01 * (trial.epochs - epoch)) for epoch in (1, 2, 3)]
        store.add(trial, [] if lost else curve, Outcome.DIVERGED if lost else Outcome.OK, reason="up" if lost else "")
    return study, build(study, trials, store, tmp_path / f"all.{name}")


@pytest.fixture
def reports(sample, tmp_path, no_figures):
    """Three parts: Adam is best on two of them, AdaGrad on one, where MBSGD diverges."""
    good = {"Adam": [0.9, 0.91], "AdaGrad": [0.8, 0.81], "MBSGD": [0.7, 0.71]}
    bad = {"Adam": [0.5, 0.61], "AdaGrad": [0.55, 0.65], "MBSGD": [0.1, 0.1]}
    one, two = _part(sample, tmp_path, "one", good), _part(sample, tmp_path, "two", good)
    return [one, two, _part(sample, tmp_path, "odd", bad, diverges=("MBSGD",))]


def test_ranks_over_problems(reports):
    """Mean ranks by hand, the diverged optimizer last on its problem; Friedman's p of these ranks; how often the best wins."""
    from scipy.stats import friedmanchisquare

    standing = overview.stand(reports)
    assert standing.labels == ("Adam", "AdaGrad", "MBSGD")
    np.testing.assert_allclose(standing.ranks.mean, [4 / 3, 5 / 3, 3])
    assert list(standing.table["rank odd"]) == [2, 1, 3]
    assert standing.ranks.friedman == pytest.approx(friedmanchisquare([3, 3, 2], [2, 2, 3], [1, 1, 1]).pvalue)
    # Against AdaGrad: all pairs won on two problems; on the third 0.61 > 0.55 alone of four.
    np.testing.assert_allclose(standing.table["beaten"], [np.nan, (1 + 1 + 0.25) / 3, 1.0])


def test_profiles_count_updates_to_the_middle_target(reports):
    """The fastest of a repeat has τ = 1; one that diverged never reaches the target, nor does a repeat in which nobody does."""
    standing = overview.stand(reports)
    assert standing.timed == 3
    # Adam is the first in both repeats of two problems; of the third, where medians 0.555 and 0.6 set 0.5775, in one of two.
    assert standing.profiles.share[0][0] == pytest.approx(5 / 6)
    costs = overview._costs([report for _, report in reports], standing.labels)
    assert costs.shape == (3, 2, 3)
    assert np.isinf(costs[2, :, 2]).all()


def test_no_standing_without_two_problems_and_three_optimizers(reports, tmp_path):
    """One part, or two shared optimizers, give no ranks, and the page says what it takes."""
    assert overview.stand(reports[:1]) is None
    study, report = reports[0]
    fewer = report.estimates[report.estimates["label"] != "MBSGD"]
    assert overview.stand([reports[1], (study, dataclasses.replace(report, estimates=fewer))]) is None
    built = overview.build(_file(reports), reports[:1], tmp_path / "all")
    assert "it takes three optimizers that two parts share" in built.page.read_text(encoding="utf-8")


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
    files = json.loads((tmp_path / "all" / "manifest.json").read_text())["files"]
    assert {"index.html", "ranks.csv", "ranks.tex", "figures/profiles.pdf", "figures/critical-difference.svg"} <= set(
        files
    )


def test_numbers_for_scripts(reports, tmp_path):
    """The ranks stand beside the parts' own numbers."""
    built = overview.build(_file(reports), reports, tmp_path / "all")
    told = overview.summary(built, [{"study": "all.one"}])
    assert told["mean_ranks"] == {"Adam": pytest.approx(4 / 3), "AdaGrad": pytest.approx(5 / 3), "MBSGD": 3}
    assert told["parts"] == [{"study": "all.one"}]
    assert json.dumps(told)


def _file(reports):
    from suite.parts import StudyFile

    return StudyFile("all", "All <of> them", tuple(study for study, _ in reports), Path("all.toml"))
