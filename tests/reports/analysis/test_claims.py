"""`reports.analysis.claims`: from measurements to verdicts, on made-up records whose answers are known."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from reports.analysis import claim_measurements, claims
from reports.analysis.claim_measurements import ClaimTest
from reports.analysis.claims import MIXED, UNDECIDED, REFUTED, SUPPORTED, UNMEASURED
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
    """A part whose labels are kinds (and what follows a blank): each label's metrics have these means, with noise of their own.

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
            found = {key: row[key] for key in ("label", "repeat", "outcome", "trial_id")}
            for metric, mean in metrics.items():
                if isinstance(mean, list):
                    for step, value in enumerate(mean, 1):
                        told = value * float(np.exp(rng.normal(0, noise)))
                        points.append(found | {"metric": metric, "epoch": 1, "step": step, "value": told})
                elif metric != "examples_per_second":
                    for epoch in {1, budget["epochs"]}:
                        told = mean + float(rng.normal(0, noise))
                        points.append(found | {"metric": metric, "epoch": epoch, "step": epoch, "value": told})
    columns = ["label", "repeat", "outcome", "trial_id", "metric", "epoch", "step", "value"]
    every = pd.DataFrame(points, columns=columns)
    of_updates = every["metric"] == STEP_LOSS
    frames = Frames(pd.DataFrame(trials), every[~of_updates], dict.fromkeys(values, n), every[of_updates])
    study = SimpleNamespace(part=part, problem=problem, score=score, margin=margin, batch_size=256, epochs=4)
    return claim_measurements.evidence(study, frames)


def losses(**means):
    """Labels with a training loss each, and one accuracy for all."""
    return {label: {"train/loss": mean, "test/accuracy": 0.5} for label, mean in means.items()}


def found(key, *parts):
    """What became of one claim."""
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
    """A clear gap the claimed way supports, one the other way refutes, none leaves open and says how many repeats it takes."""
    told = found(key, made(losses(**{one: 1 + gap, other: 1.0})))
    assert told.verdict == verdict
    assert (told.repeats_needed > 8) == (verdict == UNDECIDED)
    if gap:
        assert told.measurements[0].effect == pytest.approx(gap, abs=0.02)
        assert told.measurements[0].low < told.measurements[0].effect < told.measurements[0].high


def test_what_is_not_in_a_study_is_told_so(wording):
    """A claim without its measurement is `not measured here`, and its paragraph says what it takes."""
    told = claims.evaluate_claims([made(losses(sgd=1.0, momentum=0.5))])
    assert {each.claim.key for each in told.claims if each.verdict != UNMEASURED} == {"1"}
    assert "9 not measured here (2, 3, 4, 5, 6, 7, 8, 9, 10)" in claims_section.answer(told)
    paragraphs = [claims_section.paragraph(each) for each in told.claims]
    assert "Required measurement: examples/s" in paragraphs[4]
    wording("\n".join([paragraphs[0], paragraphs[4]]))
    assert len(claims_section.claims_table(told).rows) == len(claims.CLAIMS)


def test_too_few_repeats_give_no_verdict_and_hide_no_other():
    """Three repeats on one part leave it open, six needed, and the other part's verdict is as if that part were not there."""
    full, few = made(losses(sgd=1.0, momentum=0.5)), made(losses(sgd=1.0, momentum=0.5), part="few", n=3)
    alone, told = found("1", full), found("1", full, few)
    assert told.measurements[0] == alone.measurements[0]
    assert told.measurements[1].verdict == UNDECIDED
    assert (told.verdict, told.repeats_needed) == (UNDECIDED, 6)


def test_a_claim_that_holds_on_one_part_only_holds_partly():
    """Supported here and refuted there: partly, and the table shows the counterexample."""
    told = found("1", made(losses(sgd=1.0, momentum=0.5)), made(losses(sgd=1.0, momentum=1.5), part="odd"))
    assert told.verdict == MIXED
    assert claims_section.deciding(told).part == "odd"


def test_rates_that_differ_are_not_compared():
    """Claims are about one learning rate: momentum at another rate than the others' is no measurement of claim 1."""
    other = {"momentum": {"lr": 0.02}}
    assert found("1", made(losses(sgd=1.0, adam=1.0, momentum=0.5), options=other)).verdict == UNMEASURED


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
    """Claim 4 has three halves: slower at all, about 65 times, behind after one epoch; the ratio is shown as one."""
    large = {"examples_per_second": 1000.0, "test/accuracy": 0.6, "train/loss": 1.0}
    small = {"examples_per_second": 1000.0 / speed, "test/accuracy": 0.6 + behind, "train/loss": 1.0}
    told = found("4", made({"sgd": large, "sgd small": small, "adam": large}))
    assert tuple(told.sub_claims.values()) == verdicts
    assert told.verdict == verdict
    assert told.measurements[2].what.endswith("after epoch 1 of 500 and 4 updates")
    for each in told.measurements[:2]:
        assert each.ratio
        assert each.effect == pytest.approx(speed, rel=0.03)


def test_trials_that_took_turns_have_no_speed_of_their_own():
    """Claim 4 is not judged by them, but for the accuracy after an epoch; a report says so beneath its speeds."""
    part = made({label: {"test/accuracy": 0.6} for label in ("sgd", "sgd small", "adam")})
    frames = dataclasses.replace(part.frames, trials=part.frames.trials.assign(packed="8"))
    told = found("4", dataclasses.replace(part, frames=frames))
    assert list(told.sub_claims) == ["behind"]


@pytest.mark.parametrize(
    ("late", "half", "verdict"),
    [
        (1.0, "AdaGrad stalls on networks", SUPPORTED),
        (0.8, "AdaGrad stalls on networks", REFUTED),
        (0.8, "RMSProp and AdaDelta do not stall on networks", SUPPORTED),
        (1.0, "RMSProp and AdaDelta do not stall on networks", REFUTED),
        (1.2, "RMSProp and AdaDelta do not stall on networks", REFUTED),
        (0.99, "AdaGrad stalls on networks", UNDECIDED),
    ],
)
def test_whether_a_loss_still_falls(late, half, verdict):
    """Claim 5 on networks: the last quarter of a run against the quarter before, within 1% is standing still."""
    steps = [*[1.0] * 15, *[late] * 5]
    kinds = ("adagrad", "rmsprop", "adadelta")
    told = found("5", made({kind: {"train/step_loss": steps} for kind in kinds}, noise=0.005))
    assert told.sub_claims[half] == verdict
    assert told.measurements[0].effect == pytest.approx(late, rel=0.02)


@pytest.mark.parametrize(
    ("rate", "eps", "verdict"),
    [(-0.2, 0.0, SUPPORTED), (0.2, 0.2, REFUTED), (-0.2, 0.2, MIXED), (0.004, 0.0, UNDECIDED)],
)
def test_adadelta_at_other_rates(rate, eps, verdict):
    """Claim 6: no other rate may be better by more than the margin, and no other ε may make a difference."""
    accuracy = {"adadelta": 0.6, "adadelta ten": 0.6 + rate, "adadelta eps": 0.6 + eps, "adam": 0.6}
    options = {"adadelta ten": {"lr": 10.0}, "adadelta eps": {"eps": 1e-4}}
    values = {label: {"test/accuracy": value} for label, value in accuracy.items()}
    told = found("6", made(values, options=options, noise=0.001, margin=0.004, seed=5))
    assert told.verdict == verdict
    assert [each.part for each in told.measurements] == ["made", "made"]


@pytest.mark.parametrize(
    ("others", "verdict"),
    [((0.7, 0.7), SUPPORTED), ((0.7, 0.9), REFUTED), ((0.7, 0.8), UNDECIDED), ((0.8, 0.8), UNDECIDED)],
)
def test_adam_against_each_adaptive_method(others, verdict):
    """Claim 7 speaks of all other methods: one that is better refutes it, one that cannot be told leaves it open."""
    good = {"adam": 0.8, "rmsprop": others[0], "adamax": others[1]}
    told = found("7", made({label: {"test/accuracy": value, "train/loss": 1 - value} for label, value in good.items()}))
    assert told.verdict == verdict
    assert len(told.measurements) == 4


def accuracies(**means):
    """Labels with an accuracy each."""
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
    """Claim 8: a pair that changes sides supports it, all pairs decided alike refute it, else it stays open."""
    here = made(accuracies(adam=0.8, sgd=0.6, momentum=0.4), part="here", problem="here", margin=0.0)
    told = found("8", here, made(accuracies(**there), part="there", problem="there", seed=1, margin=0.0))
    assert told.verdict == verdict
    assert len(told.measurements) == 2
    if verdict == SUPPORTED:
        assert {each.part for each in told.measurements} == {"here", "there"}
        assert told.measurements[0].effect > 0 > told.measurements[1].effect
        assert all(each.size > 0 for each in told.measurements)


def test_a_tie_is_no_change_of_sides():
    """Claim 8: better here and, surely, a little less within the margin there: that is equally good, not worse."""
    here = made(accuracies(adam=0.6, sgd=0.8), part="here", problem="here")
    there = made(accuracies(adam=0.601, sgd=0.6), part="there", problem="there", noise=1e-5)
    told = found("8", here, there)
    assert told.measurements[1].tied
    assert told.measurements[1].high < 0
    assert told.verdict == REFUTED
    worse = made(accuracies(adam=0.7, sgd=0.6), part="worse", problem="worse", noise=0.02)
    told = found("8", here, there, worse)
    assert told.verdict == SUPPORTED, "a tie, however sure, hides no third problem"
    assert [each.part for each in told.measurements] == ["here", "worse"]


@pytest.mark.parametrize(("mean", "needed"), [(0.003, 28), (0.002, 41)])
def test_what_is_not_to_be_worse_needs_what_lies_between_it_and_the_margin(mean, needed):
    """Of 0.003 with s = 0.008 it is 0.005 to −0.002, as many repeats as for a difference of 0.005; not what is left above."""
    values = np.random.default_rng(0).normal(size=8)
    values = mean + 0.008 * (values - values.mean()) / values.std(ddof=1)
    (told,) = claims.judge_measurements([ClaimTest("6", "", "made", "x", pd.Series(values), "not below", 0.002)])
    assert told.verdict == UNDECIDED
    assert told.repeats_needed == pairwise_tests.repeats_needed(mean + 0.002, 0.008, 0.95)
    assert abs(told.repeats_needed - needed) < 8
    assert (told.size, told.size_low < 0 < told.size_high) == (pytest.approx((mean + 0.002) / 0.008), True)


def test_support_lies_at_the_right_of_zero_also_where_no_difference_is_claimed():
    """From the margin inwards: no difference lies at the margin's own width, one beyond the margin at the left."""
    rng = np.random.default_rng(0)
    for mean, verdict in ((0.0, SUPPORTED), (-0.05, SUPPORTED), (0.5, REFUTED)):
        (told,) = claims.judge_measurements(
            [ClaimTest("5", "", "made", "x", pd.Series(rng.normal(mean, 0.01, 8)), "near", 0.1)]
        )
        assert told.verdict == verdict
        assert (told.size_low > 0) == (told.size > 0) == (told.size_high > 0) == (verdict == SUPPORTED)


def test_a_pair_counts_where_both_were_run():
    """Claim 8: a third problem with one optimizer, or with another, takes nothing from what two problems say."""
    here = made(accuracies(adam=0.8, sgd=0.6), part="here", problem="here")
    there = made(accuracies(adam=0.6, sgd=0.8), part="there", problem="there")
    third = [made(accuracies(**{kind: 0.7}), part=kind, problem=kind) for kind in ("sgd", "adamax")]
    assert found("8", here, there, *third).measurements == found("8", here, there).measurements
    assert found("8", here, *third).verdict == UNMEASURED


def test_one_problem_ranks_nothing():
    """Claim 8 takes two problems, and the same one with another budget is no second."""
    here = made(accuracies(adam=0.8, sgd=0.6), problem="here")
    again = made(accuracies(adam=0.6, sgd=0.8), part="again", problem="here")
    assert found("8", here, again).verdict == UNMEASURED


def test_the_family_keeps_its_error():
    """Of 200 families without any difference, 19 at most have a false verdict: 5% and three standard errors of 3.1."""
    rng, false = np.random.default_rng(0), 0
    for _ in range(200):
        noise = rng.normal(size=(7, 12))
        asked = [ClaimTest("1", "", "made", "x", pd.Series(column), "below") for column in noise.T]
        false += any(each.verdict != UNDECIDED for each in claims.judge_measurements(asked))
    assert false <= 200 * 0.05 + 3 * np.sqrt(200 * 0.05 * 0.95)


def test_a_family_of_pairs_is_that_of_the_comparison():
    """The differences of all pairs, judged as a family, have the p and the level that `compare` gives."""
    matrix = np.random.default_rng(0).normal(size=(8, 3)) + np.array([0, 0.5, 2])
    first, second = pairwise_tests.pairs(3)
    whole = pairwise_tests.compare(matrix, np.random.default_rng(1))
    family = pairwise_tests.family(matrix[:, first] - matrix[:, second], np.random.default_rng(1))
    np.testing.assert_array_equal(family.adjusted, whole.adjusted)
    assert family.simultaneous_level == whole.simultaneous_level


def test_combining():
    """Support and refutation make partly; refutation without support refutes; support beside an open question is open."""
    assert claims.combine([]) == UNMEASURED
    assert claims.combine([SUPPORTED, SUPPORTED]) == SUPPORTED
    assert claims.combine([SUPPORTED, UNDECIDED]) == UNDECIDED
    assert claims.combine([REFUTED, UNDECIDED]) == REFUTED
    assert claims.combine([SUPPORTED, REFUTED, UNDECIDED]) == MIXED
    assert claims.combine([UNDECIDED, MIXED]) == MIXED


@pytest.fixture(scope="module")
def surfaces(sample):
    """The two parts of the study `claims` whose paths are exact, really run."""
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


def test_what_the_rules_fix(surfaces):
    """Claims 9, 10, A, B and the exact half of 5 hold on trained paths: 10, 1/1.9, ½, and first steps of 10, 5.26, 3.69 η."""
    told = claims.evaluate_claims(surfaces)
    by_key = {each.claim.key: each for each in told.claims}
    assert {key for key, each in by_key.items() if each.verdict == SUPPORTED} == {"5", "9", "10", "A", "B"}
    assert [each.effect for each in by_key["9"].measurements] == pytest.approx([10, 1 / 1.9], rel=1e-6)
    assert by_key["5"].measurements[0].effect == pytest.approx(0.5)
    assert by_key["10"].measurements[-1].effect == 9  # every setting but the one at the very bound
    assert [each.effect for each in told.misprints] == pytest.approx([10, 10 / 1.9, 3.69], abs=0.005)


def _swapped(part, one, other):
    """A part in which two labels have each other's paths."""
    ways = part.trajectories.assign(label=part.trajectories["label"].replace({one: other, other: one}))
    return dataclasses.replace(part, trajectories=ways)


@pytest.mark.parametrize(
    ("at", "one", "other", "key", "half"),
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
def test_a_path_that_does_otherwise_refutes(surfaces, at, one, other, key, half):
    """With the path of another rule each exact half is refuted, so what supports it is the path."""
    told = next(
        each for each in claims.evaluate_claims([_swapped(surfaces[at], one, other)]).claims if each.claim.key == key
    )
    assert told.sub_claims[half] == REFUTED


@pytest.mark.parametrize("outcome", ["missing", "failed"])
def test_a_path_that_was_not_run_or_broke_says_nothing(surfaces, outcome):
    """Neither that gradient descent does not diverge nor that momentum does not, nor who comes nearer."""
    part = surfaces[1]
    fast = [*part.settings("sgd", lr=0.6), *part.settings("momentum", lr=0.6)]
    labels = [*fast, "RMSProp 0.4", "AdaGrad 2"]
    trials, ways = part.frames.trials, part.trajectories
    trials = trials.assign(outcome=trials["outcome"].mask(trials["label"].isin(labels), outcome))
    ways = ways[~ways["label"].isin(labels) | ((outcome == "failed") & (ways["step"] == 0))]
    told = claims.evaluate_claims(
        [dataclasses.replace(part, frames=dataclasses.replace(part.frames, trials=trials), trajectories=ways)]
    )
    by_key = {each.claim.key: each for each in told.claims}
    assert [by_key[key].verdict for key in "AB"] == [claims.UNMEASURED] * 2
    assert set(by_key["10"].sub_claims) == {"the stability bounds"}
    assert by_key["10"].measurements[-1].effect == 9 - len(fast)


def test_a_path_that_ended_counts_though_a_repeat_of_it_broke(surfaces):
    """Every repeat on a surface is the same path: what is drawn from the one that ended is measured, too."""
    part = surfaces[1]
    trials = part.frames.trials
    broken = trials[trials["label"] == "RMSProp 0.4"].assign(repeat=1, outcome="failed")
    frames = dataclasses.replace(part.frames, trials=pd.concat([broken, trials], ignore_index=True))
    verdicts = [
        [each.verdict for each in claims.evaluate_claims([one]).claims]
        for one in (part, dataclasses.replace(part, frames=frames))
    ]
    assert verdicts[0] == verdicts[1]


def test_gradient_descent_that_does_not_diverge_refutes(surfaces):
    """Claim 10's first half: had gradient descent with η = 0.6 come nearer, it would be refuted."""
    part = surfaces[1]
    trials = part.frames.trials.assign(outcome="ok")
    near = part.trajectories[part.trajectories["label"] == "GD 0.49"].assign(label="GD 0.6")
    ways = pd.concat([part.trajectories[part.trajectories["label"] != "GD 0.6"], near])
    mended = dataclasses.replace(part, frames=dataclasses.replace(part.frames, trials=trials), trajectories=ways)
    told = next(each for each in claims.evaluate_claims([mended]).claims if each.claim.key == "10")
    assert told.sub_claims["gradient descent diverges"] == REFUTED
    assert told.verdict == MIXED


def test_what_the_misprints_did(surfaces):
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
    told = claims_section.misprints(claims.evaluate_claims([part, *surfaces]))
    assert "nag_paper − momentum, training loss −0.100" in told
    assert "momentum fast − momentum, training loss −0.100" in told
    assert "differ by at most 0.000" in told
    assert "a difference of −0.005" in told
    assert "nadam_paper − nadam, training loss 0.10" in told
    assert "a training loss of 0.227 for it and of 0.214 for Adam, a difference of 0.013" in told
    assert "10.00, 5.26, 3.69 times η" in told
    assert claims_section.misprints(claims.evaluate_claims([made(losses(sgd=1.0))])) == ""


def test_tables_for_pages_papers_and_scripts(surfaces):
    """Markdown, LaTeX without a code in place of a sign, and JSON with each claim's verdict, repeats and measurements."""
    told = claims.evaluate_claims([made(losses(sgd=1.0, momentum=1.0)), *surfaces])
    for section in claims_section.sections(told):
        for sheet in section.tables:
            assert "| 1 |" in tables.markdown(sheet)
            assert "[U+" not in tables.latex(sheet)
    found = json.loads(json.dumps(claims_as_dict(told), allow_nan=False))
    assert [each["claim"] for each in found] == [claim.key for claim in claims.CLAIMS]
    assert found[0]["verdict"] == UNDECIDED
    assert found[0]["repeats_needed"] > 8
    assert found[9]["sub_claims"] == {"constant": SUPPORTED, "alternating": SUPPORTED}
    rows = claims.rows(told)
    assert set(rows["claim"]) == {claim.key for claim in claims.CLAIMS}


def test_the_figure_has_a_line_for_each_measurement_that_varies():
    """Two measurements, two lines; the supported one lies at the right of 0, in the colour of its verdict."""
    from reports.figures import claims as claims_figure

    told = claims.evaluate_claims([made(losses(sgd=1.0, momentum=0.5, nag=0.5))])
    ax = claims_figure.forest_plot(told).axes[0]
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


def test_a_study_that_asks_shows_its_claims(sample, tmp_path, no_figures):
    """`claims = true` puts the section, its tables and its numbers for scripts into the report; without it there is none."""
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


def test_the_whole_of_several_parts_shows_their_claims(sample, tmp_path, no_figures):
    """Parts that ask are settled together on the page of the whole, and not on their own pages."""
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
