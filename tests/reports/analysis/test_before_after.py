"""Tests of `reports.analysis.before_after` and its section of a report."""

import json
from dataclasses import replace

import pytest

from reports.analysis.before_after import StudyVersion, compare_versions
from reports.frames import study_frames
from reports.frames.study_frames import UserError
from reports.pages import before_after
from reports.sections import before_after as before_after_section


@pytest.fixture
def side(sample):
    """Return a function that makes a version of a study: scores are shifted by `up`, with noise seeded by `draws`.

    A label in `done` has only that number of recorded repeats. Repeats in `lost` diverge. Repeats in `bad` end far below the
    others.
    """

    def make(
        name, labels=("Adam", "MBSGD"), *, up=0.0, repeats=8, noise=0.001, draws=0, done=None, lost=(), bad=(), **keys
    ):
        import numpy as np

        from suite.records import Outcome, Point

        study = sample.study(labels, name=name, repeats=repeats, epochs=1, **keys)
        store = sample.Store()
        trials = sample.plan(study)
        for trial in trials:
            shared = np.random.default_rng([trial.repeat, draws]).normal(0, 0.01)
            own = np.random.default_rng([trial.repeat, draws, round(up * 1e6), len(trial.label)]).normal(0, noise)
            value = 0.1 if trial.repeat in bad else 0.9 + up + shared + own
            value = 1 - value if study.score == "test/loss" else value
            if trial.repeat in lost:
                store.add(trial, [], Outcome.DIVERGED, reason="not finite")
            elif trial.repeat < (done or {}).get(trial.label, repeats):
                store.add(trial, [Point(study.score, 1, trial.updates, value)])
        return StudyVersion(name, study, trials, study_frames.load(store, trials))

    return make


def unpaired(frames):
    """Return frames as if the trials had other random numbers."""
    return replace(frames, trials=frames.trials.assign(random_stream_key="other"))


def test_a_change_is_detected_by_pairing(side) -> None:
    """A gain of 0.005 with a shared standard deviation of 0.01 is better by means if paired, and undecided if not."""
    before, after = side("old", repeats=12), side("new", up=0.005, repeats=12)
    comparison = compare_versions(before, after, "bootstrap-t")
    assert (comparison.test, comparison.paired, comparison.unpaired_reason) == ("bootstrap-t", True, "")
    assert comparison.changes["verdict"].tolist() == ["better", "better"]
    assert comparison.changes["difference"].to_numpy() == pytest.approx(0.005, abs=0.002)
    assert compare_versions(after, before, "bootstrap-t").changes["verdict"].tolist() == ["worse", "worse"]
    other = StudyVersion("new", after.study, after.trials, unpaired(after.frames))
    comparison = compare_versions(before, other, "bootstrap-t")
    assert (comparison.test, comparison.paired) == ("bootstrap-t", False)
    assert comparison.changes["verdict"].tolist() == ["undecided", "undecided"]


def test_the_default_is_the_rank_test(side) -> None:
    """A gain of 0.03 is better, and the interval of the median change agrees with the verdict, paired or not."""
    before, after = side("old"), side("new", up=0.03)
    for version, paired in (
        (after, True),
        (StudyVersion("new", after.study, after.trials, unpaired(after.frames)), False),
    ):
        comparison = compare_versions(before, version)
        assert (comparison.test, comparison.paired, bool(comparison.unpaired_reason)) == ("rank", paired, not paired)
        changes = comparison.changes
        assert changes["verdict"].tolist() == ["better", "better"]
        assert (changes["superiority_low"] > 0.5).all()
        assert (changes["simultaneous_low"] > 0).all()
        assert changes["shift"].to_numpy() == pytest.approx(0.03, abs=0.01)
        assert compare_versions(version, before).changes["verdict"].tolist() == ["worse", "worse"]


def test_the_families_are_the_shared_labels_and_all_pairs(side) -> None:
    """Two shared labels of four: two changes, and all pairs of the three labels of each version."""
    before, after = side("old", ("Adam", "NAG", "MBSGD")), side("new", ("MBSGD", "Adam", "AdaGrad"), up=0.005)
    comparison = compare_versions(before, after)
    assert comparison.changes["label"].tolist() == ["MBSGD", "Adam"], "the order of the new one"
    assert len(comparison.all_pairs.pairs) == 15
    assert {"Adam · before", "Adam · after", "AdaGrad · after", "NAG · before"} < set(comparison.all_pairs.means)
    summary = comparison.setup_differences.set_index("what")
    assert summary.loc["NAG", "after"] == "not there"
    assert summary.loc["AdaGrad", "before"] == "not there"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"problem": "digits_mlp"}, "the problems, their data, options or root seeds differ"),
        ({"seed": 1}, "the problems, their data, options or root seeds differ"),
        ({"data": {"train": "0" * 64}}, "the problems, their data, options or root seeds differ"),
        ({"problem_options": {"a": 1}}, "the problems, their data, options or root seeds differ"),
        ({"repeat": 20}, "they share no repeat"),
    ],
)
def test_repeats_are_paired_only_if_they_draw_the_same_numbers(side, sample, wording, changed, why) -> None:
    """Another problem, option, root seed, data set, or other repeats: independent repeats with the reason, for every test."""
    before, after = side("old"), side("new", up=0.005)
    moved = [replace(t, **(changed if "repeat" not in changed else {"repeat": t.repeat + 20})) for t in after.trials]
    store = sample.Store()
    for new, old in zip(moved, after.trials, strict=True):
        points = after.frames.points[after.frames.points["trial_id"] == old.id]
        from suite.records import Point

        store.add(new, [Point(*row) for row in points[["metric", "epoch", "step", "value"]].itertuples(index=False)])
    after = StudyVersion("new", after.study, moved, study_frames.load(store, moved))
    for test in ("rank", "bootstrap-t"):
        comparison = compare_versions(before, after, test)
        assert (comparison.test, comparison.paired, comparison.unpaired_reason) == (test, False, why)
        assert comparison.all_pairs.paired is False
        assert comparison.changes["variance_reduction"].isna().all()
    wording(before_after_section.description(comparison)[1])


def test_an_edited_file_of_an_optimizer_leaves_the_repeats_paired(sample) -> None:
    """The optimizer's own file draws no random numbers, but that of the problem does."""
    trial = sample.plan(sample.study(["Adam"]))[0]
    one, two = (
        replace(trial, optimizer="own.signs:Signs", data={"train": "a"}, code={"own/signs.py": digest})
        for digest in "bc"
    )
    assert one.id != two.id
    assert study_frames.random_stream_key(one) == study_frames.random_stream_key(two)
    beside = [replace(each, data=each.data | each.code) for each in (one, two)]
    assert study_frames.random_stream_key(beside[0]) != study_frames.random_stream_key(beside[1])


def test_below_six_repeats_there_is_no_verdict(side, wording) -> None:
    """The answer states the number of repeats that a verdict needs."""
    comparison = compare_versions(side("old", repeats=5), side("new", up=0.3, repeats=5))
    assert set(comparison.changes["verdict"]) == {"undecided"}
    text = before_after_section.answer(comparison)
    assert "5 repeats" in text
    assert "at least 6" in text
    wording(text)


def test_paired_means_are_over_the_shared_repeats(side) -> None:
    """Paired means are over the shared repeats, and the change is their difference; unpaired means are over all."""
    before, after = side("old", repeats=8), side("new", up=0.005, repeats=12)
    other = StudyVersion("new", after.study, after.trials, unpaired(after.frames))
    paired, independent = compare_versions(before, after).changes, compare_versions(before, other).changes
    own = after.frames.points.query("label == 'Adam'").set_index("repeat")["value"].sort_index()
    assert paired.loc[0, "after"] == pytest.approx(own[:8].mean(), rel=1e-12)
    assert independent.loc[0, "after"] == pytest.approx(own.mean(), rel=1e-12)
    assert abs(own[:8].mean() - own.mean()) > 1e-4, "the two means differ"
    assert (paired["after"] - paired["before"]).to_numpy() == pytest.approx(paired["difference"].to_numpy(), abs=1e-12)
    for changes in (paired, independent):
        assert changes[["n_before", "n_after"]].to_numpy().tolist() == [[8, 12], [8, 12]]
        assert changes["n"].tolist() == [8, 8]


def test_a_label_with_few_shared_repeats_does_not_hide_the_others(side) -> None:
    """A label with 2 shared repeats stays undecided, and the other has the verdict and p-value that it has alone."""
    before, after = side("old", repeats=6), side("new", up=0.05, repeats=6, done={"MBSGD": 2})
    comparison = compare_versions(before, after)
    assert comparison.min_repeats == 6
    changes = comparison.changes.set_index("label")
    assert changes["verdict"].to_dict() == {"Adam": "better", "MBSGD": "undecided"}
    assert changes.loc["Adam", "adjusted_p"] == 2 / 64
    assert "not tested for MBSGD" in before_after_section.answer(comparison)


def test_identical_trials_are_reported(side, wording) -> None:
    """A version and its copy: no change, tied, and the description states that the trials are identical."""
    one = side("old")
    comparison = compare_versions(one, replace(one, name="copy"))
    assert comparison.identical == ("Adam", "MBSGD")
    assert comparison.changes["difference"].tolist() == [0.0, 0.0]
    assert comparison.changes["verdict"].tolist() == ["tied", "tied"]
    assert "Identical trials in both versions" in before_after_section.description(comparison)[2]
    wording("\n".join(before_after_section.description(comparison)))


def test_identical_trials_are_reported_only_if_no_others_are_compared(side, wording) -> None:
    """Six repeats, and the same with six more: paired no change by construction, unpaired another mean."""
    before, after = side("old", repeats=6), side("new", repeats=12)
    other = StudyVersion("new", after.study, after.trials, unpaired(after.frames))
    paired, independent = compare_versions(before, after), compare_versions(before, other)
    assert (paired.identical, independent.identical) == (("Adam", "MBSGD"), ())
    assert paired.changes["difference"].tolist() == [0.0, 0.0]
    assert (independent.changes["difference"].abs() > 1e-5).all()
    assert "independent" in before_after_section.description(independent)[1]
    table = before_after_section.changes_table(independent)
    at = [column.title for column in table.columns].index("n")
    assert {row[at].text for row in table.rows} == {"6, 12"}
    wording("\n".join([*before_after_section.description(independent), *table.notes]))
    wording("\n".join(before_after_section.changes_table(paired).notes))


def test_different_scores_are_an_error(side, wording) -> None:
    """A study with a loss as its score cannot be compared with one with an accuracy."""
    with pytest.raises(UserError) as error:
        compare_versions(side("old", score="test/loss"), side("new"))
    wording(error.value)


def test_without_a_common_label_all_pairs_are_compared(side, wording) -> None:
    """Two versions without a common label are compared in the family of all pairs, and the answer states it."""
    comparison = compare_versions(side("old", ("Adam",)), side("new", ("MBSGD",), up=0.03))
    assert comparison.changes.empty
    assert comparison.all_pairs.verdict("MBSGD · after", "Adam · before") == "better"
    wording(before_after_section.answer(comparison))


def test_the_page_has_the_results_and_no_markup_of_a_label(side, tmp_path, wording) -> None:
    """Page, tables, figures and manifest; a label with HTML and LaTeX in it is text everywhere."""
    label = "<img src=x>$\\alpha$ _%"
    before, after = side("old", ("Adam", label)), side("new", ("Adam", label), up=0.03)
    built = before_after.build(compare_versions(before, after), tmp_path / "page", "ravine compare old new")
    page = built.page.read_text(encoding="utf-8")
    assert "significantly better for Adam and <img" in built.answer
    wording(built.answer)
    assert "<img src=x>" not in page
    assert "&lt;img src=x&gt;" in page
    assert r"\$\textbackslash{}alpha\$" in (tmp_path / "page/changes.tex").read_text(encoding="utf-8")
    names = {path.name for path in (tmp_path / "page").rglob("*")}
    assert {"changes.csv", "changes.md", "pairs.csv", "manifest.json", "changes.svg", "changes.pdf"} <= names


def test_the_numbers_for_scripts_are_json(side) -> None:
    """The numbers have no NaN: pairing, test, every change with its interval and verdict."""
    comparison = compare_versions(side("old", repeats=6), side("new", repeats=1, up=0.005))
    summary = json.loads(json.dumps(before_after.summary(comparison), allow_nan=False))
    assert summary["changes"] == []
    assert summary["left_out"] == ["Adam", "MBSGD"]
    summary = json.loads(
        json.dumps(before_after.summary(compare_versions(side("old"), side("new", up=0.03))), allow_nan=False)
    )
    assert summary["paired"] is True
    assert [row["verdict"] for row in summary["changes"]] == ["better", "better"]
    assert (
        summary["changes"][0]["simultaneous_low"]
        < summary["changes"][0]["shift"]
        < summary["changes"][0]["simultaneous_high"]
    )


@pytest.mark.parametrize("score", ["test/accuracy", "test/loss"])
def test_a_change_with_one_very_bad_run_is_usually_better(side, wording, score) -> None:
    """The mean is worse because of one run; the answer says both, and the other direction is the opposite."""
    before = side("old", repeats=12, score=score, margin=0.0)
    after = side("new", up=0.03, repeats=12, bad=(3,), score=score, margin=0.0)
    there, back = compare_versions(before, after), compare_versions(after, before)
    assert there.changes["verdict"].tolist() == ["usually better, worse mean"] * 2
    assert back.changes["verdict"].tolist() == ["usually worse, better mean"] * 2
    sign = 1 if score == "test/accuracy" else -1
    assert (sign * there.changes["difference"] < 0).all()
    assert (sign * there.changes["shift"] > 0).all()
    wording(before_after_section.answer(there))
    wording(before_after_section.answer(back))


def test_lost_runs_count_as_the_worst(side, wording) -> None:
    """All runs after the change are lost: worse, with infinite changes in the table, but no mean; JSON has no infinity."""
    before, after = side("old"), side("new", lost=range(8))
    comparison = compare_versions(before, after)
    changes = comparison.changes
    assert changes["verdict"].tolist() == ["worse", "worse"]
    assert changes["superiority"].tolist() == [0.0, 0.0]
    assert changes[["before", "after", "difference"]].isna().all(axis=None), "no repeat ended ok in both versions"
    assert changes[["n_before", "n_after"]].to_numpy().tolist() == [[8, 8], [8, 8]]
    wording(before_after_section.answer(comparison))
    table = before_after_section.changes_table(comparison)
    at = [column.title for column in table.columns].index("Median change")
    assert [row[at].text for row in table.rows] == ["−∞", "−∞"]
    summary = json.loads(json.dumps(before_after.summary(comparison), allow_nan=False))
    (adam, _) = summary["changes"]
    assert (adam["shift"], adam["simultaneous_high"], adam["difference"]) == ("-Infinity", "-Infinity", None)
    some = compare_versions(before, side("new", up=0.05, lost=(0,)))
    means = compare_versions(before, side("new", up=0.05, lost=(0,)), "bootstrap-t")
    wording(before_after_section.answer(means))
    assert some.changes["n"].tolist() == [8, 8]
    assert some.changes["complete"].tolist() == [False, False]
    paired = some.changes["after"] - some.changes["before"]
    assert paired.to_numpy() == pytest.approx(some.changes["difference"].to_numpy()), "means without repeat 0"


def test_the_page_of_lost_runs_has_its_figure(side, tmp_path) -> None:
    """Infinite changes are drawn as far as they are finite, and the page is built."""
    comparison = compare_versions(side("old"), side("new", lost=(0, 1, 2)))
    built = before_after.build(comparison, tmp_path / "page", "ravine compare old new")
    assert "∞" in built.page.read_text(encoding="utf-8")
    assert (tmp_path / "page/figures/changes.svg").is_file()


@pytest.mark.parametrize("test", ["rank", "bootstrap-t"])
def test_every_note_of_the_changes_is_about_a_column(side, wording, test) -> None:
    """The notes use the titles of the columns: changes, not differences."""
    table = before_after_section.changes_table(compare_versions(side("old"), side("new", up=0.03), test))
    titles = {column.title for column in table.columns}
    for title in ("P(better)", "Change of the mean", "Minimum detectable change"):
        assert any(note.startswith(f"{title}: ") for note in table.notes), title
    assert {note.partition(":")[0] for note in table.notes if "simultaneous 95% interval" in note} <= titles
    wording("\n".join(table.notes))
