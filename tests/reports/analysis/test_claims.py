"""Tests of `reports.analysis.claims` on synthetic records with known answers."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from reports.analysis import claim_measurements, claims
from reports.analysis.claim_measurements import ClaimTest
from reports.analysis.claims import MIXED, REFUTED, SUPPORTED, UNDECIDED, UNMEASURED
from reports.frames import study_frames
from reports.frames.study_frames import STEP_LOSS, Frames
from reports.pages.json_summary import claims_as_dict
from reports.sections import claims as claims_section
from reports.statistics import pairwise_tests
from reports.text import tables

OPTIONS = {
    "sgd": {"lr": 0.01},
    "momentum": {"lr": 0.01, "momentum": 0.9},
    "nag": {"lr": 0.01, "momentum": 0.9},
    "nag_paper": {"lr": 0.01, "momentum": 0.9},
    "adadelta": {"lr": 1.0, "eps": 1e-6},
}


def made(
    values, *, part="made", n=8, noise=0.01, seed=3, options=None, problem="toy", score="test/accuracy", margin=0.002
):
    """Return a part whose labels are kinds with an optional suffix; each metric has this mean and independent noise.

    A list gives the values of the updates of each repeat. `options` are added to those of a label's kind.
    """
    rng = np.random.default_rng(seed)
    trials, points = [], []
    for label, metrics in values.items():
        kind = label.partition(" ")[0]
        budget = {"batch_size": "2", "epochs": 1} if label == "sgd small" else {"batch_size": "256", "epochs": 4}
        for repeat in range(n):
            row = {
                "label": label,
                "kind": kind,
                "repeat": repeat,
                "trial_id": f"{part} {label} {repeat}",
                "outcome": "ok",
            }
            row |= {
                "reason": "",
                "train_seconds": 1.0,
                "problem_options": {},
                "train_examples": 1000,
                "packed": "",
                **budget,
            }
            row["hyperparameters"] = OPTIONS.get(kind, {"lr": 0.01}) | (options or {}).get(label, {})
            speed = metrics.get("examples_per_second", 1000.0)
            row["examples_per_second"] = speed * float(np.exp(rng.normal(0, noise)))
            trials.append(row)
            common = {key: row[key] for key in ("label", "repeat", "outcome", "trial_id")}
            for metric, mean in metrics.items():
                if isinstance(mean, list):
                    for step, value in enumerate(mean, 1):
                        noisy = value * float(np.exp(rng.normal(0, noise)))
                        points.append(common | {"metric": metric, "epoch": 1, "step": step, "value": noisy})
                elif metric != "examples_per_second":
                    for epoch in {1, budget["epochs"]}:
                        noisy = mean + float(rng.normal(0, noise))
                        points.append(common | {"metric": metric, "epoch": epoch, "step": epoch, "value": noisy})
    columns = ["label", "repeat", "outcome", "trial_id", "metric", "epoch", "step", "value"]
    every = pd.DataFrame(points, columns=columns)
    of_updates = every["metric"] == STEP_LOSS
    frames = Frames(pd.DataFrame(trials), every[~of_updates], dict.fromkeys(values, n), every[of_updates])
    study = SimpleNamespace(part=part, problem=problem, score=score, margin=margin, batch_size=256, epochs=4)
    return claim_measurements.evidence(study, frames)


def losses(**means):
    """Return labels with a training loss each and a common accuracy."""
    return {label: {"train/loss": mean, "test/accuracy": 0.5} for label, mean in means.items()}


def evaluate(key, *parts):
    """Return the finding on one claim."""
    return next(each for each in claims.evaluate_claims(parts).claims if each.claim.key == key)


PAIRS = [
    ("1", "momentum", "sgd"),
    ("2", "nag", "momentum"),
    ("2, as printed", "nag_paper", "momentum"),
    ("3", "adagrad", "momentum"),
    ("C", "nadam", "adam"),
    ("C, as printed", "nadam_paper", "adam"),
]


@pytest.mark.parametrize(("key", "one", "other"), PAIRS)
@pytest.mark.parametrize(("gap", "verdict"), [(-0.2, SUPPORTED), (0.2, REFUTED), (0.0, UNDECIDED)])
def test_a_claim_on_the_training_loss(key, one, other, gap, verdict):
    """A clear difference supports or refutes, by its sign; none is undecided and has the number of repeats needed."""
    finding = evaluate(key, made(losses(**{one: 1 + gap, other: 1.0})))
    assert finding.verdict == verdict
    assert (finding.repeats_needed > 8) == (verdict == UNDECIDED)
    if gap:
        assert finding.measurements[0].effect == pytest.approx(gap, abs=0.02)
        assert finding.measurements[0].low < finding.measurements[0].effect < finding.measurements[0].high


def test_claims_without_measurements(wording):
    """A claim without a measurement is `not measured here`, and its paragraph states how it is measured."""
    findings = claims.evaluate_claims([made(losses(sgd=1.0, momentum=0.5))])
    assert {each.claim.key for each in findings.claims if each.verdict != UNMEASURED} == {"1"}
    assert "9 not measured here (2, 3, 4, 5, 6, 7, 8, 9, 10)" in claims_section.answer(findings)
    paragraphs = [claims_section.paragraph(each) for each in findings.claims]
    assert "Required measurement: examples/s" in paragraphs[4]
    wording("\n".join([paragraphs[0], paragraphs[4]]))
    assert len(claims_section.claims_table(findings).rows) == len(claims.CLAIMS)


def test_too_few_repeats_give_no_verdict_and_do_not_affect_others():
    """A part with three repeats is undecided and needs six; the verdict on the other part is unchanged."""
    full, few = made(losses(sgd=1.0, momentum=0.5)), made(losses(sgd=1.0, momentum=0.5), part="few", n=3)
    alone, finding = evaluate("1", full), evaluate("1", full, few)
    assert finding.measurements[0] == alone.measurements[0]
    assert finding.measurements[1].verdict == UNDECIDED
    assert (finding.verdict, finding.repeats_needed) == (UNDECIDED, 6)


def test_a_claim_supported_on_one_part_only_is_mixed():
    """The table shows the counterexample."""
    finding = evaluate("1", made(losses(sgd=1.0, momentum=0.5)), made(losses(sgd=1.0, momentum=1.5), part="odd"))
    assert finding.verdict == MIXED
    assert claims_section.deciding(finding).part == "odd"


def test_different_learning_rates_are_not_compared():
    """Momentum at a learning rate that the others do not have is no measurement of claim 1."""
    other = {"momentum": {"lr": 0.02}}
    assert evaluate("1", made(losses(sgd=1.0, adam=1.0, momentum=0.5), options=other)).verdict == UNMEASURED


@pytest.mark.parametrize(
    ("speed", "behind", "verdicts", "verdict"),
    [
        (65.0, -0.3, (SUPPORTED, SUPPORTED, SUPPORTED), SUPPORTED),
        (10.0, -0.3, (SUPPORTED, REFUTED, SUPPORTED), MIXED),
        (0.5, 0.3, (REFUTED, REFUTED, REFUTED), REFUTED),
        (97.0, -0.3, (SUPPORTED, UNDECIDED, SUPPORTED), UNDECIDED),  # the interval holds 65 · 1.5 = 97.5
    ],
)
def test_batches_of_two(speed, behind, verdicts, verdict):
    """Claim 4 has three sub-claims: slower, about 65 times, behind after one epoch; effects of speeds are ratios."""
    large = {"examples_per_second": 1000.0, "test/accuracy": 0.6, "train/loss": 1.0}
    small = {"examples_per_second": 1000.0 / speed, "test/accuracy": 0.6 + behind, "train/loss": 1.0}
    finding = evaluate("4", made({"sgd": large, "sgd small": small, "adam": large}))
    assert tuple(finding.sub_claims.values()) == verdicts
    assert finding.verdict == verdict
    assert finding.measurements[2].what.endswith("after epoch 1 of 500 and 4 updates")
    for each in finding.measurements[:2]:
        assert each.ratio
        assert each.effect == pytest.approx(speed, rel=0.03)


def test_speeds_of_trials_that_shared_a_device_are_not_compared():
    """Only the accuracy after an epoch is measured for claim 4."""
    part = made({label: {"test/accuracy": 0.6} for label in ("sgd", "sgd small", "adam")})
    frames = dataclasses.replace(part.frames, trials=part.frames.trials.assign(packed="8"))
    finding = evaluate("4", dataclasses.replace(part, frames=frames))
    assert list(finding.sub_claims) == ["behind"]


@pytest.mark.parametrize(
    ("late", "sub_claim", "verdict"),
    [
        (1.0, "AdaGrad stalls on networks", SUPPORTED),
        (0.8, "AdaGrad stalls on networks", REFUTED),
        (0.8, "RMSProp and AdaDelta do not stall on networks", SUPPORTED),
        (1.0, "RMSProp and AdaDelta do not stall on networks", REFUTED),
        (1.2, "RMSProp and AdaDelta do not stall on networks", REFUTED),
        (0.99, "AdaGrad stalls on networks", UNDECIDED),
    ],
)
def test_stalled_training_losses(late, sub_claim, verdict):
    """Claim 5 on networks: the last quarter of a run and the quarter before; within 1% is stalled."""
    steps = [*[1.0] * 15, *[late] * 5]
    kinds = ("adagrad", "rmsprop", "adadelta")
    finding = evaluate("5", made({kind: {"train/step_loss": steps} for kind in kinds}, noise=0.005))
    assert finding.sub_claims[sub_claim] == verdict
    assert finding.measurements[0].effect == pytest.approx(late, rel=0.02)


@pytest.mark.parametrize(
    ("rate", "eps", "verdict"),
    [(-0.2, 0.0, SUPPORTED), (0.2, 0.2, REFUTED), (-0.2, 0.2, MIXED), (0.004, 0.0, UNDECIDED)],
)
def test_adadelta_at_other_learning_rates(rate, eps, verdict):
    """Claim 6: no other rate may be better by more than the margin, and no other ε may make a difference."""
    accuracy = {"adadelta": 0.6, "adadelta ten": 0.6 + rate, "adadelta eps": 0.6 + eps, "adam": 0.6}
    options = {"adadelta ten": {"lr": 10.0}, "adadelta eps": {"eps": 1e-4}}
    values = {label: {"test/accuracy": value} for label, value in accuracy.items()}
    finding = evaluate("6", made(values, options=options, noise=0.001, margin=0.004, seed=5))
    assert finding.verdict == verdict
    assert [each.part for each in finding.measurements] == ["made", "made"]


@pytest.mark.parametrize(
    ("others", "verdict"),
    [((0.7, 0.7), SUPPORTED), ((0.7, 0.9), REFUTED), ((0.7, 0.8), UNDECIDED), ((0.8, 0.8), UNDECIDED)],
)
def test_adam_against_each_adaptive_method(others, verdict):
    """Claim 7 is about all others: a better one refutes it, and one that does not differ significantly leaves it undecided."""
    good = {"adam": 0.8, "rmsprop": others[0], "adamax": others[1]}
    finding = evaluate(
        "7", made({label: {"test/accuracy": value, "train/loss": 1 - value} for label, value in good.items()})
    )
    assert finding.verdict == verdict
    assert len(finding.measurements) == 4


def accuracies(**means):
    """Return labels with an accuracy each."""
    return {label: {"test/accuracy": mean} for label, mean in means.items()}


@pytest.mark.parametrize(
    ("there", "verdict"),
    [
        ({"adam": 0.5, "sgd": 0.8, "momentum": 0.9}, SUPPORTED),
        ({"adam": 0.9, "sgd": 0.5, "momentum": 0.3}, REFUTED),
        ({"adam": 0.9, "sgd": 0.5, "momentum": 0.5}, UNDECIDED),
    ],
)
def test_ranks_on_two_problems(there, verdict):
    """Claim 8: a pair that changes sides supports it; if all pairs are decided and none does, it is refuted; else undecided."""
    here = made(accuracies(adam=0.8, sgd=0.6, momentum=0.4), part="here", problem="here", margin=0.0)
    finding = evaluate("8", here, made(accuracies(**there), part="there", problem="there", seed=1, margin=0.0))
    assert finding.verdict == verdict
    assert len(finding.measurements) == 2
    if verdict == SUPPORTED:
        assert {each.part for each in finding.measurements} == {"here", "there"}
        assert finding.measurements[0].effect > 0 > finding.measurements[1].effect
        assert all(each.size > 0 for each in finding.measurements)


def test_a_tie_is_not_a_change_of_sides():
    """Claim 8: better on one problem and significantly lower, but within the margin, on another: tied, not worse."""
    here = made(accuracies(adam=0.6, sgd=0.8), part="here", problem="here")
    there = made(accuracies(adam=0.601, sgd=0.6), part="there", problem="there", noise=1e-5)
    finding = evaluate("8", here, there)
    assert finding.measurements[1].tied
    assert finding.measurements[1].high < 0
    assert finding.verdict == REFUTED
    worse = made(accuracies(adam=0.7, sgd=0.6), part="worse", problem="worse", noise=0.02)
    finding = evaluate("8", here, there, worse)
    assert finding.verdict == SUPPORTED, "a tie, however sure, hides no third problem"
    assert [each.part for each in finding.measurements] == ["here", "worse"]


@pytest.mark.parametrize(("mean", "needed"), [(0.003, 28), (0.002, 41)])
def test_the_repeats_needed_for_non_inferiority(mean, needed):
    """A mean of 0.003 with margin 0.002 needs as many repeats as a difference of 0.005 from 0."""
    values = np.random.default_rng(0).normal(size=8)
    values = mean + 0.008 * (values - values.mean()) / values.std(ddof=1)
    (measurement,) = claims.judge_measurements([ClaimTest("6", "", "made", "x", pd.Series(values), "not below", 0.002)])
    assert measurement.verdict == UNDECIDED
    assert measurement.repeats_needed == pairwise_tests.repeats_needed(mean + 0.002, 0.008, 0.95)
    assert abs(measurement.repeats_needed - needed) < 8
    assert (measurement.size, measurement.size_low < 0 < measurement.size_high) == (
        pytest.approx((mean + 0.002) / 0.008),
        True,
    )


def test_sizes_that_support_equivalence_are_positive():
    """The size is the distance to the margin: positive inside, negative outside."""
    rng = np.random.default_rng(0)
    for mean, verdict in ((0.0, SUPPORTED), (-0.05, SUPPORTED), (0.5, REFUTED)):
        (measurement,) = claims.judge_measurements(
            [ClaimTest("5", "", "made", "x", pd.Series(rng.normal(mean, 0.01, 8)), "near", 0.1)]
        )
        assert measurement.verdict == verdict
        assert (
            (measurement.size_low > 0)
            == (measurement.size > 0)
            == (measurement.size_high > 0)
            == (verdict == SUPPORTED)
        )


def test_only_problems_with_both_optimizers_count_for_a_pair():
    """Claim 8: further problems with only one of the optimizers do not change the result of two problems."""
    here = made(accuracies(adam=0.8, sgd=0.6), part="here", problem="here")
    there = made(accuracies(adam=0.6, sgd=0.8), part="there", problem="there")
    third = [made(accuracies(**{kind: 0.7}), part=kind, problem=kind) for kind in ("sgd", "adamax")]
    assert evaluate("8", here, there, *third).measurements == evaluate("8", here, there).measurements
    assert evaluate("8", here, *third).verdict == UNMEASURED


def test_one_problem_is_not_enough_for_ranks():
    """Claim 8 needs two problems; the same one with another budget does not count."""
    here = made(accuracies(adam=0.8, sgd=0.6), problem="here")
    again = made(accuracies(adam=0.6, sgd=0.8), part="again", problem="here")
    assert evaluate("8", here, again).verdict == UNMEASURED


def test_the_family_wise_error_rate_is_controlled():
    """Of 200 families without a difference, at most 19 have a false verdict: 5% plus three standard errors."""
    rng, false = np.random.default_rng(0), 0
    for _ in range(200):
        noise = rng.normal(size=(7, 12))
        asked = [ClaimTest("1", "", "made", "x", pd.Series(column), "below") for column in noise.T]
        false += any(each.verdict != UNDECIDED for each in claims.judge_measurements(asked))
    assert false <= 200 * 0.05 + 3 * np.sqrt(200 * 0.05 * 0.95)


def test_a_family_of_differences_agrees_with_compare():
    """The differences of all pairs, tested as a family, have the p and the level of `compare`."""
    matrix = np.random.default_rng(0).normal(size=(8, 3)) + np.array([0, 0.5, 2])
    first, second = pairwise_tests.pairs(3)
    comparison = pairwise_tests.compare(matrix, np.random.default_rng(1))
    family = pairwise_tests.family(matrix[:, first] - matrix[:, second], np.random.default_rng(1))
    np.testing.assert_array_equal(family.adjusted, comparison.adjusted)
    assert family.simultaneous_level == comparison.simultaneous_level


def test_combining():
    """Support and refutation are mixed; refutation without support refutes; support with an undecided part is undecided."""
    assert claims.combine([]) == UNMEASURED
    assert claims.combine([SUPPORTED, SUPPORTED]) == SUPPORTED
    assert claims.combine([SUPPORTED, UNDECIDED]) == UNDECIDED
    assert claims.combine([REFUTED, UNDECIDED]) == REFUTED
    assert claims.combine([SUPPORTED, REFUTED, UNDECIDED]) == MIXED
    assert claims.combine([UNDECIDED, MIXED]) == MIXED


@pytest.fixture(scope="module")
def surfaces(sample):
    """Return the results of the two parts of the study `claims` with deterministic trajectories, from real runs."""
    from suite.spec.parts import load_study_file
    from suite.spec.plan import plan
    from suite.training.run_trial import run_trial

    parts = []
    for study in load_study_file("claims").select(["constant", "valley"]).parts:
        store, trials = sample.Store(), plan(study)
        for trial in trials:
            result = run_trial(trial)
            store.add(trial, result.points, result.outcome, reason=result.reason)
        parts.append(claim_measurements.evidence(study, study_frames.load(store, trials)))
    return parts


def test_deterministic_checks(surfaces):
    """Real runs support claims 9, 10, A, B and the deterministic part of 5; first steps are 10, 5.26 and 3.69 η."""
    findings = claims.evaluate_claims(surfaces)
    by_key = {each.claim.key: each for each in findings.claims}
    assert {key for key, each in by_key.items() if each.verdict == SUPPORTED} == {"5", "9", "10", "A", "B"}
    assert [each.effect for each in by_key["9"].measurements] == pytest.approx([10, 1 / 1.9], rel=1e-6)
    assert by_key["5"].measurements[0].effect == pytest.approx(0.5)
    assert by_key["10"].measurements[-1].effect == 9  # every setting but the one at the very bound
    assert [each.effect for each in findings.misprints] == pytest.approx([10, 10 / 1.9, 3.69], abs=0.005)


def _swapped(part, one, other):
    """Return a part in which two labels have exchanged trajectories."""
    points_ = part.trajectories.assign(label=part.trajectories["label"].replace({one: other, other: one}))
    return dataclasses.replace(part, trajectories=points_)


@pytest.mark.parametrize(
    ("at", "one", "other", "key", "sub_claim"),
    [
        (0, "Momentum", "GD", "9", "constant"),
        (0, "AdaGrad", "RMSProp", "5", "AdaGrad's step shrinks"),
        (0, "AdaGrad", "RMSProp", "5", "RMSProp's and AdaDelta's do not"),
        (1, "Momentum 0.95/0.9", "NAG 0.37/0.5", "9", "alternating"),
        (1, "Momentum 0.76/0.5", "Momentum 0.6/0.5", "10", "momentum does not"),
        (1, "GD 0.49", "GD 0.51", "10", "the stability bounds"),
        (1, "RMSProp 0.4", "AdaGrad 0.4", "A", ""),
        (1, "AdaGrad 2", "AdaGrad 0.4", "B", ""),
    ],
)
def test_another_trajectory_refutes(surfaces, at, one, other, key, sub_claim):
    """With the trajectory of another rule each deterministic sub-claim is refuted."""
    finding = next(
        each for each in claims.evaluate_claims([_swapped(surfaces[at], one, other)]).claims if each.claim.key == key
    )
    assert finding.sub_claims[sub_claim] == REFUTED


@pytest.mark.parametrize("outcome", ["missing", "failed"])
def test_missing_and_failed_trajectories_are_not_measured(surfaces, outcome):
    """They neither support nor refute claims 10, A and B."""
    part = surfaces[1]
    fast = [*part.settings("sgd", lr=0.6), *part.settings("momentum", lr=0.6)]
    labels = [*fast, "RMSProp 0.4", "AdaGrad 2"]
    trials, points_ = part.frames.trials, part.trajectories
    trials = trials.assign(outcome=trials["outcome"].mask(trials["label"].isin(labels), outcome))
    points_ = points_[~points_["label"].isin(labels) | ((outcome == "failed") & (points_["step"] == 0))]
    findings = claims.evaluate_claims(
        [dataclasses.replace(part, frames=dataclasses.replace(part.frames, trials=trials), trajectories=points_)]
    )
    by_key = {each.claim.key: each for each in findings.claims}
    assert [by_key[key].verdict for key in "AB"] == [claims.UNMEASURED] * 2
    assert set(by_key["10"].sub_claims) == {"the stability bounds"}
    assert by_key["10"].measurements[-1].effect == 9 - len(fast)


def test_a_trajectory_counts_although_another_repeat_failed(surfaces):
    """All repeats on a test function are equal, so one usable repeat is enough."""
    part = surfaces[1]
    trials = part.frames.trials
    broken = trials[trials["label"] == "RMSProp 0.4"].assign(repeat=1, outcome="failed")
    frames = dataclasses.replace(part.frames, trials=pd.concat([broken, trials], ignore_index=True))
    verdicts = [
        [each.verdict for each in claims.evaluate_claims([one]).claims]
        for one in (part, dataclasses.replace(part, frames=frames))
    ]
    assert verdicts[0] == verdicts[1]


def test_gradient_descent_without_divergence_refutes(surfaces):
    """Claim 10 is mixed if gradient descent with η = 0.6 converges."""
    part = surfaces[1]
    trials = part.frames.trials.assign(outcome="ok")
    near = part.trajectories[part.trajectories["label"] == "GD 0.49"].assign(label="GD 0.6")
    points_ = pd.concat([part.trajectories[part.trajectories["label"] != "GD 0.6"], near])
    converging = dataclasses.replace(part, frames=dataclasses.replace(part.frames, trials=trials), trajectories=points_)
    finding = next(each for each in claims.evaluate_claims([converging]).claims if each.claim.key == "10")
    assert finding.sub_claims["gradient descent diverges"] == REFUTED
    assert finding.verdict == MIXED


def test_the_effects_of_the_misprints(surfaces):
    """The paragraph has the printed NAG's gap, that of momentum at 0.019, how near they are, and the printed NAdam's steps."""
    means = {
        "momentum": 0.5,
        "momentum fast": 0.4,
        "nag": 0.49,
        "nag_paper": 0.4,
        "adam": 0.6,
        "nadam": 0.6,
        "nadam_paper": 0.7,
    }
    part = made(losses(**means), noise=1e-4, options={"momentum fast": {"lr": 0.019}})
    text = claims_section.misprints(claims.evaluate_claims([part, *surfaces]))
    assert "nag_paper − momentum, training loss −0.100" in text
    assert "momentum fast − momentum, training loss −0.100" in text
    assert "differ by at most 0.000" in text
    assert "a difference of −0.005" in text
    assert "nadam_paper − nadam, training loss 0.10" in text
    assert "a training loss of 0.227 for it and of 0.214 for Adam, a difference of 0.013" in text
    assert "10.00, 5.26, 3.69 times η" in text
    assert claims_section.misprints(claims.evaluate_claims([made(losses(sgd=1.0))])) == ""


def test_tables_for_pages_papers_and_scripts(surfaces):
    """Markdown, LaTeX without replaced characters, and JSON with each claim's verdict, repeats and measurements."""
    findings = claims.evaluate_claims([made(losses(sgd=1.0, momentum=1.0)), *surfaces])
    for section in claims_section.sections(findings):
        for sheet in section.tables:
            assert "| 1 |" in tables.markdown(sheet)
            assert "[U+" not in tables.latex(sheet)
    summaries = json.loads(json.dumps(claims_as_dict(findings), allow_nan=False))
    assert [each["claim"] for each in summaries] == [claim.key for claim in claims.CLAIMS]
    assert summaries[0]["verdict"] == UNDECIDED
    assert summaries[0]["repeats_needed"] > 8
    assert summaries[9]["sub_claims"] == {"constant": SUPPORTED, "alternating": SUPPORTED}
    rows = claims.rows(findings)
    assert set(rows["claim"]) == {claim.key for claim in claims.CLAIMS}


def test_the_figure_has_a_line_for_each_tested_measurement():
    """Two measurements are two lines; a supported one is right of 0, in the colour of its verdict."""
    from reports.figures import claims as claims_figure

    findings = claims.evaluate_claims([made(losses(sgd=1.0, momentum=0.5, nag=0.5))])
    ax = claims_figure.forest_plot(findings).axes[0]
    drawn = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert len(drawn) == 2
    assert drawn[0].get_xdata()[0] > 0
    assert drawn[0].get_markerfacecolor() == claims_figure.COLORS[SUPPORTED]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["Claim 1", "Claim 2"]
    named = [text.get_text() for text in ax.texts]
    assert [name.rpartition(": ")[2] for name in named] == [
        "momentum − sgd, training loss",
        "nag − momentum, training loss",
    ]


def test_a_study_with_claims_reports_them(sample, tmp_path, no_figures):
    """`claims = true` adds the section, its tables and its JSON to the report; without it there is none."""
    from reports.pages.json_summary import summary
    from reports.pages.study import build

    study = sample.study(["MBSGD", "Momentum"], repeats=7)
    store = sample.fill(sample.Store(), sample.plan(study))
    plain, asked = (
        build(each, sample.plan(study), store, tmp_path / name)
        for name, each in {"plain": study, "asked": study.model_copy(update={"claims": True})}.items()
    )
    assert plain.claims is None
    assert "claims" not in summary(plain, "sample")
    assert summary(asked, "sample")["claims"][0]["verdict"] == SUPPORTED
    page = asked.page.read_text(encoding="utf-8")
    assert 'id="claims"' in page
    assert "not measured here" in page
    assert 'id="claims"' not in plain.page.read_text(encoding="utf-8")
    assert {"claims.csv", "claims.md", "claims.tex", "claims-measured.tex"} <= {
        each.name for each in asked.folder.iterdir()
    }
    assert "Measurements of each claim" in (asked.folder / "report.md").read_text(encoding="utf-8")


def test_the_overview_of_several_parts_reports_their_claims(sample, tmp_path, no_figures):
    """Claims of the parts are evaluated together in the overview, and not on the pages of the parts."""
    from reports.pages import overview
    from reports.pages.study import build
    from suite.spec.parts import StudyFile

    reports = []
    for name in ("one", "two"):
        study = sample.study(["MBSGD", "Momentum"], name=f"all.{name}", repeats=7)
        study = study.model_copy(update={"part": name, "claims": True})
        trials = sample.plan(study)
        reports.append((study, build(study, trials, sample.fill(sample.Store(), trials), tmp_path / f"all.{name}")))
    file = StudyFile("all", "All", tuple(study for study, _ in reports), Path("all.toml"))
    built = overview.build(file, reports, tmp_path / "all")
    assert built.claims.claims[0].verdict == SUPPORTED
    assert [each.part for each in built.claims.claims[0].measurements] == ["one", "two"]
    assert built.answer.startswith("Verdicts on the ten claims")
    assert overview.summary(built, [])["claims"][0]["claim"] == "1"
    assert 'id="claims"' in built.page.read_text(encoding="utf-8")
    assert 'id="claims"' not in reports[0][1].page.read_text(encoding="utf-8")
    report = (tmp_path / "all" / "report.md").read_text(encoding="utf-8")
    assert "## Measurements of each claim" in report
    assert report.count("Momentum − MBSGD") > 2
