"""Reports on stores with missing, diverged and failed trials: the report names them, and no mean includes them."""

import json
import math
import re
from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reports.frames.study_frames import UserError
from reports.pages.json_summary import summary
from reports.pages.study import build
from suite.records import Outcome

LABELS = ("MBSGD", "Adam", "AdaGrad")
OUTCOMES = st.sampled_from(["ok", "ok", "ok", "diverged", "stalled", "failed", "missing"])
TABLES = st.integers(1, 7).flatmap(
    lambda repeats: st.lists(st.lists(OUTCOMES, min_size=repeats, max_size=repeats), min_size=1, max_size=3)
)
FEW = settings(max_examples=15, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(table=TABLES)
@example(table=[["ok"]])
@example(table=[["ok"], ["ok"], ["ok"]])
@example(table=[["diverged"] * 6])
@example(table=[["diverged"] * 6, ["ok"] * 6])
@example(table=[["diverged"] * 6, ["diverged"] * 6, ["stalled"] * 6])
@example(table=[["ok"] * 6, ["ok"] + ["failed"] * 5])
@example(table=[["ok"] * 3 + ["missing"] * 3, ["missing"] * 3 + ["ok"] * 3])
@pytest.mark.usefixtures("no_figures")
def test_every_mean_is_that_of_its_ok_trials(sample, tmp_path_factory, table):
    """Means and counts follow from the ok trials alone. In P(better) the other runs are the worst, and tied with each other."""
    labels = LABELS[: len(table)]
    study = sample.study(labels, repeats=len(table[0]), epochs=2, batch_size=64, train_examples=128)
    trials = sample.plan(study, apart=True)
    store, scores_by_label = sample.Store(), {label: {} for label in labels}
    for trial in trials:
        outcome = table[labels.index(trial.label)][trial.repeat]
        points = sample.curve(trial, until=None if outcome == "ok" else 3)
        if outcome == "ok":
            scores_by_label[trial.label][trial.repeat] = [p.value for p in points if p.metric == "test/accuracy"][-1]
        if outcome != "missing":
            store.add(trial, points, Outcome(outcome), reason="" if outcome == "ok" else "the reason")
    if not store.all:
        with pytest.raises(UserError, match="nothing is recorded for the study sample"):
            build(study, trials, store, tmp_path_factory.mktemp("none") / "report")
        return
    report = build(study, trials, store, tmp_path_factory.mktemp("bad") / "report")
    values = json.loads(json.dumps(summary(report, "sample"), allow_nan=False))
    _check_estimates(values, table, scores_by_label)
    outcomes = dict(zip(labels, table, strict=True))
    _check_pairs(values, scores_by_label, outcomes)
    _check_text(report, values, table, scores_by_label)
    runs = {label: sum(outcome != "missing" for outcome in outcomes[label]) for label in labels}
    ranked = {label for tier in values["tiers"] for label in tier}
    assert {label for label in ranked if runs[label] < 2} == set()
    assert set(values["leaders"]) <= ranked
    assert bool(ranked) <= any(scores_by_label.values()), "without any ok run nothing is compared"


def _check_estimates(values, table, scores_by_label):
    """Counts, means and intervals are correct, and the best mean is first."""
    rows = {row["label"]: row for row in values["estimates"]}
    assert set(rows) == set(scores_by_label)
    for (label, scores), counts in zip(scores_by_label.items(), table, strict=True):
        row, run = rows[label], sum(outcome != "missing" for outcome in counts)
        assert (row["ok"], row["run"], row["planned"]) == (len(scores), run, len(counts))
        mean = row["test/accuracy"]
        assert math.isclose(mean, fmean(scores.values()), rel_tol=1e-12) if scores else mean is None
        assert (row["test/accuracy_low"] is None) == (len(scores) < 2)
    ranked = [row["test/accuracy"] for row in values["estimates"] if row["test/accuracy"] is not None]
    assert all(one >= other for one, other in pairwise(ranked)), "the best mean is not first"


def _check_pairs(values, scores_by_label, outcomes):
    """Differences are over the repeats that ended ok in both, P(better) over those that both have; too few give no verdict."""
    for pair in values["pairs"]:
        labels = pair["first"], pair["second"]
        first, second = (scores_by_label[label] for label in labels)
        ok = first.keys() & second.keys()
        shared = [r for r, both in enumerate(zip(*map(outcomes.get, labels), strict=True)) if "missing" not in both]
        assert pair["n"] == len(shared)
        assert pair["complete"] == (set(shared) == ok)
        if ok:
            assert math.isclose(pair["difference"], fmean(first[r] - second[r] for r in ok), abs_tol=1e-12)
        else:
            assert pair["difference"] is None
        if shared:
            a, b = ([scores.get(r, -math.inf) for r in shared] for scores in (first, second))
            wins = fmean((x > y) + 0.5 * (x == y) for x in a for y in b)
            assert math.isclose(pair["superiority"], wins, abs_tol=1e-12)
        if len(shared) < values["min_repeats"]:
            assert pair["verdict"] == "undecided"


def _check_text(report, values, table, scores_by_label):
    """Optimizers without a score, failures and missing trials are on the page."""
    page, text = report.page.read_text(encoding="utf-8"), (report.folder / "table.md").read_text(encoding="utf-8")
    if not any(scores_by_label.values()):
        assert "No optimizer has a test accuracy" in report.answer
    for (label, scores), counts, row in zip(
        scores_by_label.items(), table, sorted(values["estimates"], key=_label_index), strict=True
    ):
        assert row["label"] == label
        if set(counts) - {"ok", "missing"}:
            assert re.search(rf"{label}[:,] \d of \d (diverged|stalled|failed) \(the reason\)", text)
            assert "the reason" in page
        if row["run"] and not scores:
            assert re.search(rf"No score[^|]*{label}|No score[^|]*each optimizer", text)
    assert ("Incomplete: " in page) == any("missing" in counts for counts in table)
    assert "nan" not in text.casefold()


def _label_index(row):
    return LABELS.index(row["label"])
