"""A problem of one's own: a regression without accuracy, with an option, and an optimizer of one's own beside it."""

import itertools
import json
import shutil
import textwrap
from pathlib import Path

import pytest

from suite.errors import UserError
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import run_trial

STUDY = """
title = "A line"
problem = "line:{problem}"
repeats = 2
epochs = 3
batch_size = 10
{score}

[[optimizer]]
name = "Halving"
kind = "line:Halving"
lr = 0.2

[[optimizer]]
name = "Momentum"
kind = "momentum"
lr = 0.1
problem_options = {{ start = {start} }}
"""


@pytest.fixture
def write(here):
    """Write the study, the problem's file beside it; returns its path."""

    def write(problem="LINE", score='score = "test/loss"', start=-5.0):
        shutil.copy(Path(__file__).parents[2] / "support" / "line.py", here)
        path = here / "line_study.toml"
        path.write_text(STUDY.format(problem=problem, score=score, start=start), encoding="utf-8")
        return path

    return write


def test_a_regression_goes_from_study_to_report(call, here, write):
    """Losses alone are recorded, the report has no column of an accuracy, and the entry's own start is told."""
    status, out, told = call("run", write())
    assert status == 0, told
    folder = here / "out/reports/line_study"
    header = (folder / "table.csv").read_text(encoding="utf-8").partition("\n")[0]
    assert "test/loss" in header
    assert "accuracy" not in header
    assert "lowest mean test loss" in " ".join(out.split())
    assert "start -5" in (folder / "table.md").read_text(encoding="utf-8").replace("\\", "")
    outcomes = {trial["outcome"] for trial in json.loads((folder / "manifest.json").read_text())["trials"]}
    assert outcomes == {"ok"}


def test_the_options_of_the_problem_are_part_of_the_identity(write):
    """Default options are written out in the trial; another start makes another trial, the same start the same."""
    one, other = plan(load_study(write()))[1], plan(load_study(write(start=-4.0)))[1]
    halving = plan(load_study(write()))[0]
    assert (halving.problem_options, one.problem_options) == ({"start": 0.0}, {"start": -5.0})
    assert one.id != other.id
    assert plan(load_study(write()))[1].id == one.id


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"score": ""},
            'score: there is no "test/accuracy". Write one of test/loss, train/loss',
        ),
        ({"start": '"left"'}, 'optimizer[2] ("Momentum").problem_options.start: expected a number, got "left"'),
        ({"problem": "UNCOUNTED"}, 'problem: line:UNCOUNTED has an accuracy but no method "correct"'),
        (
            {"score": 'score = "test/loss"\nproblem_options = { begin = 1 }'},
            "problem_options.begin: line has no such option. It has start",
        ),
    ],
)
def test_a_mistake_about_the_problem_is_one_line(write, changes, told):
    """A score that a regression does not have, an option's wrong value or name, a method that is missing."""
    with pytest.raises(UserError) as caught:
        plan(load_study(write(**changes)))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_optimizer_of_ones_own_may_ask_for_the_loss(here, write):
    """With `requires_loss_fn` its step is handed the batch's loss as a function: a line search makes every full batch better."""
    write()
    study = """
    title = "t"
    problem = "line:LINE"
    repeats = 1
    epochs = 30
    batch_size = "full"
    score = "test/loss"
    [[optimizer]]
    name = "Backtracking"
    kind = "line:Backtracking"
    """
    (here / "search.toml").write_text(textwrap.dedent(study), encoding="utf-8")
    (trial,) = plan(load_study(here / "search.toml"))
    result = run_trial(trial, folder=here)
    assert result.outcome is Outcome.OK, result.reason
    losses = [point.value for point in result.points if point.metric == "train/loss"]
    assert all(after < before for before, after in itertools.pairwise(losses[:8]))
    assert losses[-1] < 0.02  # the noise has the variance 0.01
