"""Tests of `reports.analysis.claims` and `claim_measurements` on synthetic records with known answers."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.analysis import claim_measurements, claims, verdicts
from reports.analysis.claim_measurements import REFUTED, SUPPORTED, UNDECIDED, UNTESTED
from reports.analysis.claims import MIXED
from reports.frames.study_frames import STEP_LOSS, Frames, claim_digest
from reports.pages.json_summary import claims_as_dict
from reports.sections import claims as claims_section
from reports.statistics.rank_tests import paired_rank_tests, unpaired_rank_tests
from reports.text import tables
from suite.spec.claims import Claim
from suite.spec.study import Study

COLUMNS = ["label", "repeat", "outcome", "trial_id", "metric", "epoch", "step", "value"]


def made(values, *, part="", n=8, noise=0.01, seed=3, problem="toy", lost=(), stated=None, trial=None, **keys):
    """Return the results of a part: each metric has its mean and independent normal noise.

    A list gives the losses of the updates, a dictionary the mean by epoch, other numbers the mean after the last of 4 epochs.

    Args:
        lost: Pairs of label and repeat whose outcome is diverged.
        stated: The times of claims by digest.
        trial: Values of all trials.
        keys: Keys of the study.
    """
    rng, trials, points = np.random.default_rng(seed), [], []
    for label, metrics in values.items():
        for repeat in range(n):
            outcome = "diverged" if (label, repeat) in lost else "ok"
            row = {
                "label": label,
                "kind": "toy",
                "repeat": repeat,
                "trial_id": f"{part}{label}{repeat}",
                "outcome": outcome,
            }
            row |= {
                "reason": "",
                "started": 100.0,
                "epochs": 4,
                "batch_size": "256",
                "train_examples": 1000,
                "device": "cpu",
            }
            row |= {"packed": "", "problem_options": {}, "train_seconds": 1.0, "hyperparameters": {"lr": 0.1}}
            row |= {"seconds_per_update": 0.1, "state_bytes": 8.0}
            row["examples_per_second"] = metrics.get("examples_per_second", 1000) * math.exp(rng.normal(0, noise))
            trials.append(row | (trial or {}))
            for metric, mean in metrics.items():
                by_epoch = mean if isinstance(mean, dict) else {4: mean}
                if isinstance(mean, list):
                    steps = [(1, step, value * math.exp(rng.normal(0, noise))) for step, value in enumerate(mean, 1)]
                else:
                    steps = [(epoch, epoch, float(value + rng.normal(0, noise))) for epoch, value in by_epoch.items()]
                if metric != "examples_per_second" and outcome == "ok":
                    points += [(label, repeat, outcome, row["trial_id"], metric, *step) for step in steps]
    frame = pd.DataFrame(points, columns=COLUMNS)
    is_update = frame["metric"] == STEP_LOSS
    frames = Frames(pd.DataFrame(trials), frame[~is_update], dict.fromkeys(values, n), frame[is_update])
    entries = [{"name": label, "kind": "sgd"} for label in values]
    study = {"title": "T", "problem": problem, "repeats": n, "epochs": 4, "optimizer": entries, "part": part} | keys
    return claim_measurements.part_results(Study.model_validate(study), frames, stated or {})


def means(metric="train/loss", **by_label):
    """Return labels with one metric."""
    return {label: {metric: mean} for label, mean in by_label.items()}


def evaluate(*parts, **keys):
    """Return the finding on one claim with these keys."""
    return claims.evaluate_claims([Claim(text="A claim.", **keys)], parts).claims[0]


BETTER = {"better": "A", "than": "B", "metric": "train/loss"}


@pytest.mark.parametrize(("gap", "verdict"), [(-0.2, SUPPORTED), (0.2, REFUTED), (0.0, UNDECIDED)])
def test_better(gap, verdict):
    """A lower loss supports, a higher one refutes; no difference is undecided and has the number of repeats needed."""
    finding = evaluate(made(means(A=1 + gap, B=1.0)), **BETTER)
    (measurement,) = finding.measurements
    assert finding.verdict == measurement.verdict == verdict
    assert measurement.effect == pytest.approx(gap, abs=0.02)
    assert measurement.low < measurement.effect < measurement.high
    assert (measurement.probability > 0.9, measurement.probability < 0.1) == (gap < 0, gap > 0)
    assert (finding.repeats_needed > 8) == (verdict == UNDECIDED)
    assert measurement.what == "A − B, training loss"


@pytest.mark.parametrize("gap", [-0.2, -0.02, -0.005, 0.0, 0.01, 0.2])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_swapped_claim_has_the_opposite_result(gap, seed):
    """If `better` and `than` change places, supported and refuted do, and the interval and the probability are mirrored."""
    part = made(means(A=1 + gap, B=1.0), seed=seed)
    (one,), (other,) = (
        evaluate(part, **BETTER).measurements,
        evaluate(part, **BETTER | {"better": "B", "than": "A"}).measurements,
    )
    assert {SUPPORTED: REFUTED, REFUTED: SUPPORTED, UNDECIDED: UNDECIDED}[one.verdict] == other.verdict
    assert (one.effect, one.low, one.high) == pytest.approx((-other.effect, -other.high, -other.low))
    assert one.probability_low == pytest.approx(1 - other.probability_high)
    assert one.adjusted_p == other.adjusted_p


def test_all_claims_are_one_family():
    """Adjusted p-values, shifts and intervals are those of `paired_rank_tests` on all pairs of parts with equal repeats.

    A part with another number of repeats is another group. With two groups, Bonferroni's adjustment halves 1 − level.
    """
    parts = [
        made(means(A=0.99, B=1.0, C=1.01), part="one"),
        made(means(A=0.98, B=1.0), part="two", seed=4),
        made(means(A=0.9, B=1.0), part="three", n=12, seed=5),
    ]
    stated = [
        Claim(text="1", better="A", than=["B", "C"], metric="train/loss"),
        Claim(text="2", not_worse="B", than="A", metric="train/loss", margin=0.1),
    ]
    findings = claims.evaluate_claims(stated, parts)
    by_key = {(m.part_name, m.labels): m for finding in findings.claims for m in finding.measurements}
    groups = (
        [(0, "A", "B"), (1, "A", "B"), (0, "A", "C"), (0, "B", "A"), (1, "B", "A")],
        [(2, "A", "B"), (2, "B", "A")],
    )
    for pairs, n in zip(groups, (8, 12), strict=True):
        table = pd.DataFrame()
        for part, *labels in pairs:
            points = parts[part].frames.points.pivot_table(index="repeat", columns="label", values="value")
            table = pd.concat([table, -points[labels[0]], -points[labels[1]]], axis=1)
        first, rng = np.arange(0, 2 * len(pairs), 2), np.random.default_rng(verdicts.SEED)
        expected = paired_rank_tests(table.to_numpy(), rng, level=0.975, pairs=(first, first + 1))
        for i, (part, *labels) in enumerate(pairs):
            m = by_key[parts[part].study.part, tuple(labels)]
            assert m.adjusted_p == min(2 * expected.adjusted_p[i], 1)
            assert (m.effect, m.low, m.high) == (-expected.shift[i], -expected.shift_high[i], -expected.shift_low[i])
            assert (m.probability, m.n) == (expected.superiority[i], n)
    assert findings.tests == 7


def test_few_repeats_beside_many_can_be_significant():
    """A part of eight repeats keeps its verdicts beside a part of twenty with many equal optimizers."""
    many = made(means(A=1.0, **dict.fromkeys("CDEFGHI", 1.0)), part="many", n=20, seed=2)
    few = made(means(A=0.5, B=1.0), part="few", seed=3)
    claim = Claim(text="1", better="A", than=list("BCDEFGHI"), metric="train/loss")
    (finding,) = claims.evaluate_claims([claim], [many, few]).claims
    assert {m.verdict for m in finding.measurements if m.part_name == "few" and m.n} == {SUPPORTED}


def test_imported_results_are_independent():
    """Their repeats are not paired."""
    part = made(means(A=0.99, B=1.0), trial={"kind": "imported"})
    points = part.frames.points.pivot_table(index="repeat", columns="label", values="value")
    expected = unpaired_rank_tests(-points.to_numpy(), np.random.default_rng(verdicts.SEED))
    assert evaluate(part, **BETTER).measurements[0].adjusted_p == expected.adjusted_p[0]


def test_a_lost_run_is_the_worst():
    """Three of eight runs of A diverge: A has the lower loss in the others, and the claim is no longer supported."""
    values = means(A=0.9, B=1.0)
    assert evaluate(made(values, seed=5), **BETTER).verdict == SUPPORTED
    lost = evaluate(made(values, seed=5, lost=[("A", 0), ("A", 1), ("A", 2)]), **BETTER)
    assert lost.verdict == UNDECIDED
    assert lost.measurements[0].n == 8
    assert lost.measurements[0].probability == pytest.approx(5 / 8)
    for verdict, keys in ((REFUTED, BETTER), (SUPPORTED, BETTER | {"better": "B", "than": "A"})):
        every = [("A", repeat) for repeat in range(8)]
        assert evaluate(made(values, lost=every), **keys).verdict == verdict


def test_the_score_and_its_margin():
    """The default metric is the score. A significant difference within the study's margin refutes that one is better."""
    near = made(means("test/accuracy", A=0.605, B=0.6), noise=1e-4, margin=0.01)
    assert evaluate(near, better="A", than="B").verdict == REFUTED
    assert evaluate(near, better="A", than="B", margin=0.0).verdict == SUPPORTED
    assert evaluate(near, equivalent=["A", "B"]).verdict == SUPPORTED
    assert evaluate(near, equivalent=["A", "B"], margin=0.001).verdict == REFUTED
    assert evaluate(near, better="A", than="B", metric=["score", "test/accuracy"]).verdict == REFUTED, "one measurement"


@pytest.mark.parametrize(
    ("gap", "margin", "verdict"),
    [(0.0, 0.2, SUPPORTED), (0.1, 0.2, SUPPORTED), (0.5, 0.2, REFUTED), (-0.5, 0.2, REFUTED), (0.2, 0.2, UNDECIDED)],
)
def test_equivalence(gap, margin, verdict):
    """Supported inside the margin, refuted outside, else undecided; without a probability, and the first against each other."""
    part = made(means(A=1 + gap, B=1.0, C=1.0))
    finding = evaluate(part, equivalent=["A", "B", "C"], metric="train/loss", margin=margin)
    assert finding.verdict == verdict
    assert [m.labels for m in finding.measurements] == [("A", "B"), ("A", "C")]
    assert all(math.isnan(m.probability) for m in finding.measurements)
    assert all((m.clarity > 0) == (verdict == SUPPORTED) or verdict == UNDECIDED for m in finding.measurements)


@pytest.mark.parametrize(
    ("gap", "verdict"), [(-0.5, SUPPORTED), (0.0, SUPPORTED), (0.2, SUPPORTED), (0.3, UNDECIDED), (0.5, REFUTED)]
)
def test_not_worse(gap, verdict):
    """A may be worse by less than the margin of 0.3."""
    finding = evaluate(made(means(A=1 + gap, B=1.0)), not_worse="A", than="B", metric="train/loss", margin=0.3)
    assert finding.verdict == verdict


@pytest.mark.parametrize("base", [0.02, 0.3, 0.89])
def test_a_difference_of_the_margin_is_neither_inside_nor_outside(base):
    """0.03 − 0.02 and 0.9 − 0.89 are rounded to different sides of 0.01."""
    part = made(means(A=round(base + 0.01, 2), B=base), noise=0.0)
    keys = {"metric": "train/loss", "margin": 0.01}
    assert evaluate(part, equivalent=["A", "B"], **keys).verdict == UNDECIDED
    assert evaluate(part, not_worse="A", than="B", **keys).verdict == UNDECIDED


@pytest.mark.parametrize(
    ("speed", "verdict"), [(65.0, SUPPORTED), (60.0, SUPPORTED), (10.0, REFUTED), (0.01, REFUTED), (97.5, UNDECIDED)]
)
def test_ratios(speed, verdict):
    """65 times within a factor of 1.5; effects are ratios. `better` with a factor is about more than that factor."""
    part = made({"A": {"examples_per_second": 1000.0}, "B": {"examples_per_second": 1000.0 / speed}})
    keys = {"metric": "examples_per_second", "ratio": True, "factor": 65.0}
    (measurement,) = evaluate(part, equivalent=["A", "B"], within=1.5, **keys).measurements
    assert measurement.verdict == verdict
    assert measurement.effect == pytest.approx(speed, rel=0.03)
    assert measurement.low < speed * 1.01
    assert measurement.high > speed * 0.99
    assert measurement.what == "examples/s, A over B"
    more = evaluate(part, better="A", than="B", **keys).measurements[0]
    assert more.verdict == (UNDECIDED if speed == 65 else SUPPORTED if speed > 65 else REFUTED)
    assert more.effect == pytest.approx(measurement.effect)


def test_ratios_of_losses():
    """A loss of half the other's: the ratio is ½, and a factor of 0.4 is not reached."""
    part = made(means(A=0.5, B=1.0))
    keys = {"better": "A", "than": "B", "metric": "train/loss", "ratio": True}
    assert evaluate(part, **keys).measurements[0].effect == pytest.approx(0.5, rel=0.03)
    assert evaluate(part, **keys).verdict == SUPPORTED
    assert evaluate(part, **keys, factor=0.6).verdict == SUPPORTED
    assert evaluate(part, **keys, factor=0.4).verdict == REFUTED


def test_an_epoch():
    """The metric after epoch 1; if it was not evaluated then, the statement is not tested."""
    part = made({"A": {"train/loss": {1: 2.0, 4: 0.5}}, "B": {"train/loss": {1: 1.0, 4: 1.0}}})
    assert evaluate(part, **BETTER).verdict == SUPPORTED
    early = evaluate(part, **BETTER, epoch=1)
    assert (early.verdict, early.measurements[0].what) == (REFUTED, "A − B, training loss after epoch 1")
    never = evaluate(part, **BETTER, epoch=2).measurements[0]
    assert (never.verdict, never.reason) == (UNTESTED, "no training loss after epoch 2 is recorded for both")


@pytest.mark.parametrize(
    ("key", "met", "unmet"),
    [
        ("problem", "toy", "digits_mlp"),
        ("train_examples", 1000, 60000),
        ("epochs", 4, 5),
        ("batch_size", 256, "full"),
        ("device", "cuda", "cpu"),
    ],
)
def test_requirements(key, met, unmet, wording):
    """A statement whose trials do not meet a condition is not tested, with the reason; it neither supports nor refutes."""
    part = made(means(A=0.5, B=1.0), trial={"device": "cuda:0"})
    assert evaluate(part, **BETTER, requires={key: met}).verdict == SUPPORTED
    finding = evaluate(part, **BETTER, requires={key: unmet})
    assert (finding.verdict, finding.measurements[0].n) == (UNTESTED, 0)
    assert math.isnan(finding.measurements[0].effect)
    wording(claims_section.paragraph(finding))
    mixed = [{"text": "one", **BETTER}, {"text": "two", **BETTER, "requires": {key: unmet}}]
    assert evaluate(part, statement=mixed).verdict == UNDECIDED, "supported as far as it is tested is not supported"


def test_trials_that_cannot_be_compared():
    """Speeds of trials that shared a GPU, missing optimizers, missing records and metrics on test functions are not tested."""
    speeds = {"better": "A", "than": "B", "metric": "examples_per_second"}
    values = {label: {"train/loss": 1.0, "examples_per_second": speed} for label, speed in (("A", 9.0), ("B", 1.0))}
    assert evaluate(made(values), **speeds).verdict == SUPPORTED
    shared = evaluate(made(values, trial={"packed": "8"}), **speeds).measurements[0]
    assert (shared.verdict, "shared a GPU" in shared.reason) == (UNTESTED, True)
    other = evaluate(made(means(A=1.0, C=1.0)), **BETTER)
    assert other.measurements[0].reason == "no problem with training examples here has these optimizers"
    missing = evaluate(made(means(A=1.0, B=1.0), trial={"outcome": "missing"}), **BETTER)
    assert missing.measurements[0].reason == "nothing is recorded"
    assert evaluate(made(means(A=1.0, B=1.0)), optimizer="A", measure="height", below=1.0).verdict == UNTESTED


def test_too_few_repeats_give_no_verdict_and_do_not_affect_others():
    """A part with three repeats is undecided and needs six; the result of the other part is unchanged."""
    full, few = made(means(A=0.9, B=1.0), part="full"), made(means(A=0.5, B=1.0), part="few", n=3)
    alone, both = evaluate(full, **BETTER), evaluate(full, few, **BETTER)
    assert both.measurements[0].adjusted_p == alone.measurements[0].adjusted_p
    assert both.measurements[1].verdict == UNDECIDED
    assert (both.verdict, both.repeats_needed) == (UNDECIDED, 6)


def test_parts():
    """`problem` selects parts. Supported on one and refuted on another is mixed, and the table shows the counterexample."""
    parts = [made(means(A=0.5, B=1.0), part="one"), made(means(A=1.5, B=1.0), part="odd")]
    finding = evaluate(*parts, **BETTER)
    assert finding.verdict == MIXED
    assert claims_section.deciding(finding).part_name == "odd"
    assert evaluate(*parts, **BETTER, problem="one").verdict == SUPPORTED
    assert evaluate(*parts, **BETTER, problem=["odd"]).verdict == REFUTED


def test_several_others():
    """One counterexample refutes within a part; the paragraph says which one, also that it is the only one."""
    part = made(means(A=0.5, B=1.0, C=0.2, D=0.5))
    keys = {"better": "A", "metric": "train/loss"}
    finding = evaluate(part, **keys, than=["B", "C"])
    assert (finding.verdict, [m.verdict for m in finding.measurements]) == (REFUTED, [SUPPORTED, REFUTED])
    assert claims_section.paragraph(finding).endswith("Counterexamples: only C.")
    assert evaluate(part, **keys, than=["B", "D"]).verdict == UNDECIDED


def test_compound_claims(wording):
    """Each statement has its verdict; the claim is mixed if one is supported and another refuted."""
    part = made({"A": {"train/loss": 0.5, "test/accuracy": 0.6}, "B": {"train/loss": 1.0, "test/accuracy": 0.9}})
    statements = [{"text": "in loss", **BETTER}, {"better": "A", "than": "B"}]
    finding = evaluate(part, statement=statements, source="S 1", note="At one rate.")
    assert finding.verdicts == {"in loss": SUPPORTED, "statement 2": REFUTED}
    assert finding.verdict == MIXED
    wording(claims_section.paragraph(finding))


def test_combined_verdicts():
    """Claims of several statements or parts, one by one."""
    assert claims.combine([]) == claims.combine([UNTESTED]) == UNTESTED
    assert claims.combine([SUPPORTED, SUPPORTED]) == SUPPORTED
    assert claims.combine([SUPPORTED, UNDECIDED]) == claims.combine([SUPPORTED, UNTESTED]) == UNDECIDED
    assert claims.combine([REFUTED, UNDECIDED]) == claims.combine([REFUTED, UNTESTED]) == REFUTED
    assert claims.combine([SUPPORTED, REFUTED, UNDECIDED]) == claims.combine([UNDECIDED, MIXED]) == MIXED


@pytest.mark.parametrize(
    ("late", "stalls", "falls"),
    [(1.0, SUPPORTED, UNDECIDED), (0.8, REFUTED, SUPPORTED), (1.2, REFUTED, REFUTED), (0.99, UNDECIDED, SUPPORTED)],
)
def test_late_loss_change(late, stalls, falls):
    """Mean loss of the last quarter of updates over the quarter before: equal to 1 within 1%, or below 1."""
    part = made({"A": {STEP_LOSS: [*[1.0] * 15, *[late] * 5]}}, noise=0.005, n=10, seed=1)
    keys = {"optimizer": "A", "measure": "late_loss_change"}
    measurement = evaluate(part, **keys, equals=1.0, tolerance=0.01).measurements[0]
    assert (measurement.verdict, measurement.n) == (stalls, 10)
    assert measurement.effect == pytest.approx(late, rel=0.01)
    assert measurement.low < late * 1.01
    below = evaluate(part, **keys, below=1.0).measurements[0]
    assert (below.verdict, below.effect) == (falls, pytest.approx(measurement.effect))
    assert evaluate(part, **keys, above=0.5).verdict == SUPPORTED


def test_late_loss_change_by_hand():
    """Losses 4, 4, 2, 1 without noise: the last quarter is half of the quarter before. A diverged run counts as infinite."""
    part = made({"A": {STEP_LOSS: [4.0, 4.0, 2.0, 1.0]}}, noise=0.0, lost=[("A", 0)])
    measurement = evaluate(part, optimizer="A", measure="late_loss_change", below=1.0).measurements[0]
    assert sorted(measurement.first) == pytest.approx([-700.0, *[math.log(2)] * 7])
    assert measurement.effect == pytest.approx(0.5)


RANKED = {"reverses": ["A", "B", "C"]}


@pytest.mark.parametrize(
    ("there", "verdict"),
    [
        ({"A": 0.5, "B": 0.8, "C": 0.9}, SUPPORTED),
        ({"A": 0.9, "B": 0.5, "C": 0.3}, REFUTED),
        ({"A": 0.9, "B": 0.5, "C": 0.5}, UNDECIDED),
    ],
)
def test_reversed_rankings(there, verdict):
    """A pair that is better on one problem and worse on another supports. Pairs that are all decided without that refute."""
    here = made(means("test/accuracy", A=0.8, B=0.6, C=0.4), part="here", problem="here", margin=0.0)
    other = made(means("test/accuracy", **there), part="there", problem="there", seed=1, margin=0.0)
    finding = evaluate(here, other, **RANKED)
    assert (finding.verdict, len(finding.measurements)) == (verdict, 2)
    if verdict == SUPPORTED:
        assert {m.part_name for m in finding.measurements} == {"here", "there"}
        assert finding.measurements[0].effect > 0 > finding.measurements[1].effect
    findings = claims.evaluate_claims([Claim(text="R", **RANKED), Claim(text="B", better="A", than="B")], [here, other])
    assert (findings.tests, findings.pairs) == (2, 6), "rankings are a family of their own"
    assert findings.claims[0].measurements[0].adjusted_p == finding.measurements[0].adjusted_p


def test_a_tie_does_not_reverse_a_ranking():
    """Significantly lower but within the margin on a second problem: refuted. Lower by more on a third problem: supported."""
    here = made(means("test/accuracy", A=0.6, B=0.8), part="here", problem="here")
    there = made(means("test/accuracy", A=0.601, B=0.6), part="there", problem="there", noise=1e-5)
    assert evaluate(here, there, reverses=["A", "B"]).verdict == REFUTED
    worse = made(means("test/accuracy", A=0.7, B=0.6), part="worse", problem="worse", noise=0.02)
    finding = evaluate(here, there, worse, reverses=["A", "B"])
    assert finding.verdict == SUPPORTED
    assert {m.part_name for m in finding.measurements} == {"here", "worse"}


def test_a_reversal_needs_two_problems():
    """One problem with two budgets, or pairs on one problem only, are not enough."""
    here = made(means("test/accuracy", A=0.8, B=0.6), part="here")
    again = made(means("test/accuracy", A=0.6, B=0.8), part="again")
    assert evaluate(here, again, reverses=["A", "B"]).verdict == UNTESTED
    third = made(means("test/accuracy", A=0.6, C=0.8), part="third", problem="third")
    assert evaluate(here, third, **RANKED).verdict == UNTESTED


def test_a_reversal_is_between_two_problems():
    """A and B rank differently with two budgets of one problem, and are equal on the other problem: no reversal."""
    one, two = (
        made(means("test/accuracy", A=0.7 + gap, B=0.7 - gap), part=f"{gap}", margin=0.0) for gap in (0.1, -0.1)
    )
    other = made(means("test/accuracy", A=0.7, B=0.7), part="other", problem="other", margin=0.0)
    finding = evaluate(one, two, other, reverses=["A", "B"])
    assert finding.verdict == UNDECIDED
    assert len({m.part.study.problem for m in finding.measurements}) == 2
    opposite = made(means("test/accuracy", A=0.6, B=0.8), part="other", problem="other", margin=0.0)
    finding = evaluate(one, two, opposite, reverses=["A", "B"])
    assert finding.verdict == SUPPORTED
    assert [m.part_name for m in finding.measurements] == ["0.1", "other"]


def test_a_reversal_is_by_one_metric():
    """A has the better accuracy and the worse loss on both problems, so no ranking reverses."""
    values = {"A": {"test/accuracy": 0.8, "train/loss": 0.5}, "B": {"test/accuracy": 0.6, "train/loss": 0.3}}
    here, there = (made(values, part=name, problem=name, seed=seed, margin=0.0) for seed, name in enumerate("xy"))
    keys = {"reverses": ["A", "B"], "metric": ["score", "train/loss"]}
    finding = evaluate(here, there, **keys)
    assert finding.verdict == REFUTED
    assert len({m.what for m in finding.measurements}) == 1
    changed = values | {"A": {"test/accuracy": 0.8, "train/loss": 0.1}}
    finding = evaluate(here, made(changed, part="z", problem="z", margin=0.0), **keys)
    assert finding.verdict == SUPPORTED
    assert {m.what for m in finding.measurements} == {"A − B, training loss"}


def test_no_difference_is_rarely_decided():
    """Of 40 studies of five equal optimizers at most 6 have any verdict: the family-wise error rate is 5%."""
    false = 0
    for seed in range(40):
        part = made(means(**dict.fromkeys("ABCDE", 1.0)), seed=seed, n=8)
        keys = {"metric": "train/loss"}
        stated = [Claim(text="x", better=a, than=b, **keys) for a, b in ("AB", "AC", "BD", "CE", "ED")]
        false += any(f.verdict != UNDECIDED for f in claims.evaluate_claims(stated, [part]).claims)
    assert false <= 6


@pytest.fixture(scope="session")
def surfaces():
    """Return real runs of the two parts of the study `claims` on test functions, and the claims of the file."""
    from sample import Store

    from reports.frames import study_frames
    from suite.spec.parts import load_study_file
    from suite.spec.plan import plan
    from suite.training.run_trial import run_trial

    file, parts = load_study_file("claims"), {}
    for study in file.select(["constant", "valley"]).parts:
        trials, store = plan(study), Store()
        for trial in trials:
            result = run_trial(trial)
            store.add(trial, result.points, result.outcome)
        parts[study.part] = claim_measurements.part_results(study, study_frames.load(store, trials), {})
    return file.claims, parts


def test_real_runs_on_test_functions(surfaces):
    """The claims about test functions are supported, with numbers worked by hand; the others are not tested."""
    stated, parts = surfaces
    findings = claims.evaluate_claims(stated, list(parts.values()))
    by_name = {finding.name: finding for finding in findings.claims}
    assert [name for name, finding in by_name.items() if finding.verdict == SUPPORTED] == ["9", "10", "A", "B"]
    assert findings.tests == 0
    numbers = {
        name: [m.effect for m in by_name[name].measurements if m.expected] for name in ("5", "9", "10", "B", "M2")
    }
    assert numbers["5"][0] == pytest.approx(0.5, rel=1e-3), "1/√t: step 200 over step 50"
    assert numbers["9"] == pytest.approx([10.0, 1 / 1.9], rel=1e-3)
    assert numbers["M2"] == pytest.approx([10.0, 5.263, 3.690], rel=1e-3)
    assert numbers["10"][0] == math.inf
    assert len(numbers["10"]) == 9


VALLEY = {
    "end": ({"measure": "height"}, (0.1 * 25 * 0.92**400 + 2 * 4 * 0.6**400) / 10.5),
    "step 20": ({"measure": "height", "step": 20}, (0.1 * 0.943467**2 + 2 * 0.000073**2) / 10.5),
    "step": ({"measure": "step_over_gradient"}, 1.0),
    "ratio": ({"measure": "step_ratio"}, 0.92**150),
}


@pytest.mark.parametrize(("keys", "value"), VALLEY.values(), ids=VALLEY)
def test_measures_by_hand(keys, value):
    """Gradient descent with η = 0.4 on 0.1 x₁² + 2 x₂²: x₁ shrinks by 0.92 and x₂ by −0.6 in each step."""
    part = valley(0.4)
    finding = evaluate(part, optimizer="GD", equals=float(value), tolerance=0.001, **keys)
    assert finding.measurements[0].effect == pytest.approx(value, rel=1e-4)
    assert finding.verdict == SUPPORTED
    for name, factor, verdict in (("equals", 1.1, REFUTED), ("above", 0.9, SUPPORTED), ("below", 0.9, REFUTED)):
        assert evaluate(part, optimizer="GD", **{name: float(value * factor)}, **keys).verdict == verdict


def valley(rate, steps=200, keep=1):
    """Return gradient descent on the valley, with every `keep`-th step recorded."""
    x = np.array([-5.0, -2.0]) * np.array([1 - 0.2 * rate, 1 - 4 * rate]) ** np.arange(1, steps + 1)[:, None]
    rows = [
        ("GD", 0, "ok", "t", f"path/x{i + 1}", t, t, x[t - 1, i]) for t in range(keep, steps + 1, keep) for i in (0, 1)
    ]
    trials = made({"GD": {}}, n=1).frames.trials
    trials = trials.assign(problem_options=[{"surface": "valley"}], hyperparameters=[{"lr": rate}])
    frames = Frames(trials, pd.DataFrame(rows, columns=COLUMNS), {"GD": 1})
    return claim_measurements.part_results(made({"GD": {}}, n=1, problem="surface").study, frames, {})


def paths(outcome="ok", **x1):
    """Return the trajectories along x₁ of these labels on the valley, from their first step on."""
    rows = [
        (label, 0, outcome, label, f"path/x{axis}", step, step, value * (axis == 1))
        for label, values in x1.items()
        for step, value in enumerate(values, 1)
        for axis in (1, 2)
    ]
    part = made({label: {} for label in x1}, n=1, problem="surface")
    trials = part.frames.trials.assign(problem_options=[{"surface": "valley"}] * len(x1), outcome=outcome)
    frames = Frames(trials, pd.DataFrame(rows, columns=COLUMNS), dict.fromkeys(x1, 1))
    return claim_measurements.part_results(part.study, frames, {})


def test_a_height_of_zero():
    """The minimum is reached exactly: the height is below any number, better than that of another, and equal to 0."""
    part = paths(A=[1.0, 0.0], B=[1.0, 0.5], C=[1.0, 0.0])
    assert evaluate(part, optimizer="A", measure="height", below=0.01).verdict == SUPPORTED
    assert evaluate(part, optimizer="A", measure="height", above=0.01).verdict == REFUTED
    for better, than, verdict, ratio in (
        ("A", "B", SUPPORTED, 0),
        ("B", "A", REFUTED, math.inf),
        ("A", "C", REFUTED, 1),
    ):
        finding = evaluate(part, better=better, than=than, measure="height")
        assert (finding.verdict, finding.measurements[0].effect) == (verdict, ratio)


def test_two_trajectories_that_diverge_are_tied():
    """Neither ends nearer to the minimum than the other."""
    finding = evaluate(paths("diverged", A=[9.0], B=[99.0]), better="A", than="B", measure="height")
    assert (finding.verdict, finding.measurements[0].effect) == (REFUTED, 1.0)


def test_steps_that_are_not_recorded():
    """A step beyond the end, or a path of which every second step is recorded, is not tested, with the reason."""
    keys = {"optimizer": "GD", "below": 1.0}
    for part, measure in (
        (valley(0.4), {"measure": "height", "step": 201}),
        (valley(0.4), {"measure": "step_over_gradient", "step": 201}),
        (valley(0.4, keep=2), {"measure": "step_ratio"}),
        (valley(0.4, keep=2), {"measure": "step_over_gradient"}),
    ):
        assert evaluate(part, **keys, **measure).measurements[0].reason == "the trajectory does not have these steps"


def test_stated_before_the_trials():
    """The mark needs a time before the first trial of each part and label; a part without a time leaves it open."""
    claim = Claim(text="A claim.", **BETTER)

    def stated(*times):
        parts = []
        for number, time in enumerate(times):
            part = made(means(A=0.5, B=1.0), part=f"p{number}")
            known = {} if time is None else {claim_digest(claim, part.study): time}
            parts.append(made(means(A=0.5, B=1.0), part=f"p{number}", stated=known))
        return claims.evaluate_claims([claim], parts).claims[0].stated

    assert stated(99.0) is True
    assert stated(100.0) is stated(101.0) is False
    assert stated(None) is None
    assert stated(1.0, 1.0) is True
    assert stated(1.0, 101.0) is False
    assert stated(1.0, None) is None


def findings_of_all_kinds():
    """Return findings with each verdict."""
    part = made(means(A=0.5, B=1.0, C=1.0))
    stated = [
        Claim(text="S_1 & more.", id="s", source="X 1", **BETTER),
        Claim(text="R.", **BETTER | {"better": "B", "than": "A"}),
        Claim(text="M.", statement=[{"text": "a", **BETTER}, {"text": "b", **BETTER | {"better": "B", "than": "A"}}]),
        Claim(text="U.", **BETTER | {"better": "B", "than": "C"}),
        Claim(text="N.", **BETTER, requires={"device": "cuda"}),
        Claim(text="E.", equivalent=["B", "C"], metric="train/loss", margin=0.5),
    ]
    return claims.evaluate_claims(stated, [part])


def test_tables_for_pages_papers_and_scripts(wording):
    """Markdown, LaTeX without replaced characters, and JSON with each claim's verdict and measurements."""
    findings = findings_of_all_kinds()
    wording(claims_section.answer(findings))
    for section in claims_section.sections(findings):
        for table in section.tables:
            wording(tables.markdown(table))
            assert "[U+" not in tables.latex(table)
    summaries = json.loads(json.dumps(claims_as_dict(findings), allow_nan=False))
    assert [each["claim"] for each in summaries] == ["s", "2", "3", "4", "5", "6"]
    assert [each["verdict"] for each in summaries] == [SUPPORTED, REFUTED, MIXED, UNDECIDED, UNTESTED, SUPPORTED]
    assert summaries[2]["statements"] == {"a": SUPPORTED, "b": REFUTED}
    assert summaries[3]["repeats_needed"] > 8
    assert summaries[0]["stated_before_trials"] is None
    assert set(summaries[0]["measurements"][0]) >= {
        "part",
        "what",
        "n",
        "verdict",
        "effect",
        "probability",
        "adjusted_p",
    }


def test_the_figure_has_a_line_for_each_probability():
    """A supported claim is right of 50%, in the colour of its verdict; equivalence has no line."""
    from reports.figures import claims as figure

    blocks = figure.shown_measurements(findings_of_all_kinds())
    assert list(blocks) == ["s", "2", "3", "4"]
    ax = figure.forest_plot(blocks).axes[0]
    drawn = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert len(drawn) == 5
    assert drawn[0].get_xdata()[0] > 50 > drawn[1].get_xdata()[0]
    assert drawn[0].get_markerfacecolor() == figure.COLORS[SUPPORTED]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["Claim s", "Claim 2", "Claim 3", "Claim 4"]


def test_a_study_with_claims_reports_them(sample, tmp_path, no_figures):
    """A claim adds sections, tables and JSON to the report."""
    from reports.pages.json_summary import summary
    from reports.pages.study import build

    claim = {"text": "Momentum is faster.", "better": "Momentum", "than": "MBSGD", "metric": "train/loss"}
    study = sample.study(["MBSGD", "Momentum"], repeats=7)
    asked = sample.study(["MBSGD", "Momentum"], repeats=7, claim=[claim])
    store = sample.fill(sample.Store(), sample.plan(study))
    plain = build(study, sample.plan(study), store, tmp_path / "plain")
    built = build(asked, sample.plan(asked), store, tmp_path / "asked")
    assert plain.claims is None
    assert "claims" not in summary(plain, "sample")
    assert summary(built, "sample")["claims"][0]["verdict"] == SUPPORTED
    assert 'id="claims"' in built.page.read_text(encoding="utf-8")
    assert 'id="claims"' not in plain.page.read_text(encoding="utf-8")
    names = {path.name for path in built.folder.iterdir()}
    assert {"claims.csv", "claims.md", "claims.tex", "claims-measured.tex"} <= names
    assert "Remarks and measurements" in (built.folder / "report.md").read_text(encoding="utf-8")


def test_the_overview_of_several_parts_reports_their_claims(sample, tmp_path, no_figures):
    """Claims above the parts are tested together in the overview; those of a part on its own page."""
    from reports.pages import overview
    from reports.pages.study import build
    from suite.spec.parts import StudyFile

    claim, reports = {"text": "F.", "better": "Momentum", "than": "MBSGD", "metric": "train/loss"}, []
    for name in ("one", "two"):
        keys = {"part": name, "claim": [claim] if name == "two" else []}
        study = sample.study(["MBSGD", "Momentum"], name=f"all.{name}", repeats=7, **keys)
        trials = sample.plan(study)
        reports.append((study, build(study, trials, sample.fill(sample.Store(), trials), tmp_path / f"all.{name}")))
    file = StudyFile("all", "All", tuple(study for study, _ in reports), Path("all.toml"), (Claim(**claim),))
    built = overview.build(file, reports, tmp_path / "all")
    assert [m.part_name for m in built.claims.claims[0].measurements] == ["one", "two"]
    assert built.answer.startswith("Verdicts on 1 claim: 1 supported (1).")
    assert overview.summary(built, [])["claims"][0]["claim"] == "1"
    pages = [page.read_text(encoding="utf-8") for page in (built.page, reports[0][1].page, reports[1][1].page)]
    assert ['id="claims"' in page for page in pages] == [True, False, True]
