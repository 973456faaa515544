"""Tests of `reports.analysis.before_after` and its part of a report: two versions of a study side by side."""

import json
from dataclasses import replace

import pytest

from reports.analysis.before_after import StudyVersion, compare_versions
from reports.frames import study_frames
from reports.frames.study_frames import UserError
from reports.pages import before_after
from reports.sections import before_after as versus_section


@pytest.fixture
def side(sample):
    """A version of a study: its labels' scores are shifted by `up`, with a noise that its `draws` decide.

    Of a label in `done` only so many repeats have run.
    """

    def make(name, labels=("Adam", "MBSGD"), *, up=0.0, repeats=8, noise=0.001, draws=0, done=None, **keys):
        import numpy as np

        from suite.records import Point

        study = sample.study(labels, name=name, repeats=repeats, epochs=1, **keys)
        store = sample.Store()
        trials = sample.plan(study)
        for trial in trials:
            shared = np.random.default_rng([trial.repeat, draws]).normal(0, 0.01)
            own = np.random.default_rng([trial.repeat, draws, round(up * 1e6), len(trial.label)]).normal(0, noise)
            if trial.repeat < (done or {}).get(trial.label, repeats):
                store.add(trial, [Point("test/accuracy", 1, trial.updates, 0.9 + up + shared + own)])
        return StudyVersion(name, study, trials, study_frames.load(store, trials))

    return make


def test_a_change_is_found_by_pairs_that_the_noise_of_seeds_would_hide(side) -> None:
    """A gain of 0.005 beneath a spread of 0.01 that both versions share: better paired, undecided without pairing."""
    before, after = side("old"), side("new", up=0.005)
    found = compare_versions(before, after)
    assert (found.test, found.unpaired_reason) == ("max-t", "")
    assert found.changes["verdict"].tolist() == ["better", "better"]
    assert found.changes["difference"].to_numpy() == pytest.approx(0.005, abs=0.002)
    assert compare_versions(before, after, "welch").changes["verdict"].tolist() == ["undecided", "undecided"]
    assert compare_versions(after, before).changes["verdict"].tolist() == ["worse", "worse"]


def test_the_family_is_the_shared_labels_and_another_is_all_pairs(side) -> None:
    """Four labels, two of them shared: two changes, and all pairs of the four columns of each side."""
    before, after = side("old", ("Adam", "NAG", "MBSGD")), side("new", ("MBSGD", "Adam", "AdaGrad"), up=0.005)
    found = compare_versions(before, after)
    assert found.changes["label"].tolist() == ["MBSGD", "Adam"], "the order of the new one"
    assert len(found.all_pairs.pairs) == 15
    assert {"Adam · before", "Adam · after", "AdaGrad · after", "NAG · before"} < set(found.all_pairs.means)
    told = found.setup_differences.set_index("what")
    assert told.loc["NAG", "after"] == "not there"
    assert told.loc["AdaGrad", "before"] == "not there"


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
    """Another problem, option, root seed, data set, or other repeats: Welch's test with the reason; no paired test."""
    before, after = side("old"), side("new", up=0.005)
    moved = [replace(t, **(changed if "repeat" not in changed else {"repeat": t.repeat + 20})) for t in after.trials]
    store = sample.Store()
    for new, old in zip(moved, after.trials, strict=True):
        points = after.frames.points[after.frames.points["trial_id"] == old.id]
        from suite.records import Point

        store.add(new, [Point(*row) for row in points[["metric", "epoch", "step", "value"]].itertuples(index=False)])
    after = StudyVersion("new", after.study, moved, study_frames.load(store, moved))
    found = compare_versions(before, after)
    assert (found.test, found.unpaired_reason) == ("welch", why)
    assert why in versus_section.description(found)[1]
    with pytest.raises(UserError) as error:
        compare_versions(before, after, "max-t")
    wording(error.value)


def test_an_edited_file_of_an_optimizer_leaves_the_repeats_paired(sample) -> None:
    """The optimizer's own file draws no random number; where the problem lies in it as well, nobody can tell."""
    trial = sample.plan(sample.study(["Adam"]))[0]
    one, two = (
        replace(trial, optimizer="own.signs:Signs", data={"train": "a", "own/signs.py": digest}) for digest in "bc"
    )
    assert one.id != two.id
    assert study_frames.random_stream_key(one) == study_frames.random_stream_key(two)
    beside = [replace(each, problem="own.signs:PROBLEM") for each in (one, two)]
    assert study_frames.random_stream_key(beside[0]) != study_frames.random_stream_key(beside[1])


def test_below_six_repeats_there_is_no_verdict(side, wording) -> None:
    """However large the change: the answer says how many repeats it takes."""
    found = compare_versions(side("old", repeats=5), side("new", up=0.3, repeats=5))
    assert set(found.changes["verdict"]) == {"undecided"}
    text = versus_section.answer(found)
    assert "5 repeats" in text
    assert "at least 6" in text
    wording(text)


def test_means_are_those_of_the_repeats_that_both_have(side) -> None:
    """Paired, a mean after is over the shared repeats and the change is the difference of the two; unpaired, over all."""
    before, after = side("old", repeats=8), side("new", up=0.005, repeats=12)
    paired, unpaired = compare_versions(before, after).changes, compare_versions(before, after, "welch").changes
    own = after.frames.points.query("label == 'Adam'").set_index("repeat")["value"].sort_index()
    assert paired.loc[0, "after"] == pytest.approx(own[:8].mean(), rel=1e-12)
    assert unpaired.loc[0, "after"] == pytest.approx(own.mean(), rel=1e-12)
    assert abs(own[:8].mean() - own.mean()) > 1e-4, "the two means differ"
    assert (paired["after"] - paired["before"]).to_numpy() == pytest.approx(paired["difference"].to_numpy(), abs=1e-12)
    assert paired[["n_before", "n_after"]].to_numpy().tolist() == [[8, 12], [8, 12]]


def test_a_label_with_few_shared_repeats_does_not_hide_the_others(side) -> None:
    """A label with 2 shared repeats stays undecided, and the other has the verdict and p-value that it has alone."""
    before, after = side("old", repeats=6), side("new", up=0.05, repeats=6, done={"MBSGD": 2})
    comparison = compare_versions(before, after)
    assert comparison.min_repeats == 6
    changes = comparison.changes.set_index("label")
    assert changes["verdict"].to_dict() == {"Adam": "better", "MBSGD": "undecided"}
    assert changes.loc["Adam", "adjusted_p"] == 2 / 64


def test_the_same_trials_are_told(side, wording) -> None:
    """A version against its own copy: no change, tied, and the page says that these are the very same trials."""
    one = side("old")
    found = compare_versions(one, replace(one, name="copy"))
    assert found.identical == ("Adam", "MBSGD")
    assert found.changes["difference"].tolist() == [0.0, 0.0]
    assert found.changes["verdict"].tolist() == ["tied", "tied"]
    assert "Identical trials in both versions" in versus_section.description(found)[2]
    wording("\n".join(versus_section.description(found)))


def test_the_same_trials_and_more_are_told_only_where_they_are_compared_alone(side, wording) -> None:
    """Six repeats against the same and six more: paired no change by construction, unpaired another mean, and so said."""
    before, after = side("old", repeats=6), side("new", repeats=12)
    paired, unpaired = compare_versions(before, after), compare_versions(before, after, "welch")
    assert (paired.identical, unpaired.identical) == (("Adam", "MBSGD"), ())
    assert paired.changes["difference"].tolist() == [0.0, 0.0]
    assert (unpaired.changes["difference"].abs() > 1e-5).all()
    assert "independent" in versus_section.description(unpaired)[1]
    table = versus_section.changes_table(unpaired)
    at = [column.title for column in table.columns].index("n")
    assert {row[at].text for row in table.rows} == {"6, 12"}
    wording("\n".join([*versus_section.description(unpaired), *table.notes]))
    wording("\n".join(versus_section.changes_table(paired).notes))


def test_different_scores_are_an_error(side, wording) -> None:
    """A study with a loss as its score cannot be compared with one with an accuracy."""
    with pytest.raises(UserError) as error:
        compare_versions(side("old", score="test/loss"), side("new"))
    wording(error.value)


def test_without_a_common_label_all_pairs_are_left(side, wording) -> None:
    """Two versions under two names are compared in the family of all pairs, and the answer says so."""
    found = compare_versions(side("old", ("Adam",)), side("new", ("MBSGD",), up=0.005))
    assert found.changes.empty
    assert found.all_pairs.verdict("MBSGD · after", "Adam · before") == "better"
    wording(versus_section.answer(found))


def test_the_page_holds_what_was_found_and_no_markup_of_a_label(side, tmp_path, wording) -> None:
    """Page, tables, figures and manifest; a label with HTML and LaTeX in it is text everywhere."""
    odd = "<img src=x>$\\alpha$ _%"
    before, after = side("old", ("Adam", odd)), side("new", ("Adam", odd), up=0.005)
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
    """One value without NaN: pairing, test, every change with its interval and verdict."""
    found = compare_versions(side("old", repeats=6), side("new", repeats=1, up=0.005))
    told = json.loads(json.dumps(before_after.summary(found), allow_nan=False))
    assert told["changes"] == []
    assert told["left_out"] == ["Adam", "MBSGD"]
    told = json.loads(
        json.dumps(before_after.summary(compare_versions(side("old"), side("new", up=0.005))), allow_nan=False)
    )
    assert told["paired"] is True
    assert [row["verdict"] for row in told["changes"]] == ["better", "better"]
    assert (
        told["changes"][0]["simultaneous_low"]
        < told["changes"][0]["difference"]
        < told["changes"][0]["simultaneous_high"]
    )
