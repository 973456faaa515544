"""A user's own problem, a regression without accuracy and with an option, and a user's own optimizers."""

import itertools
import json
import shutil
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from suite.errors import UserError
from suite.problems import find_problem
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
    """Write the study and the file of the problem; return the path of the study."""

    def write(problem="LINE", score='score = "test/loss"', start=-5.0):
        shutil.copy(Path(__file__).parents[2] / "support" / "line.py", here)
        path = here / "line_study.toml"
        path.write_text(STUDY.format(problem=problem, score=score, start=start), encoding="utf-8")
        return path

    return write


def test_a_regression_from_study_to_report(call, here, write):
    """Only losses are recorded, the report has no accuracy, and it shows the start of the entry."""
    status, out, err = call("run", write())
    assert status == 0, err
    folder = here / "out/reports/line_study"
    header = (folder / "table.csv").read_text(encoding="utf-8").partition("\n")[0]
    assert "test/loss" in header
    assert "accuracy" not in header
    assert "lowest mean test loss" in " ".join(out.split())
    assert "start -5" in (folder / "table.md").read_text(encoding="utf-8").replace("\\", "")
    outcomes = {trial["outcome"] for trial in json.loads((folder / "manifest.json").read_text())["trials"]}
    assert outcomes == {"ok"}


def test_the_options_of_the_problem_are_part_of_the_id(write):
    """The trial has all options, defaults included; another start gives another id, the same start the same id."""
    one, other = plan(load_study(write()))[1], plan(load_study(write(start=-4.0)))[1]
    halving = plan(load_study(write()))[0]
    assert (halving.problem_options, one.problem_options) == ({"start": 0.0}, {"start": -5.0})
    assert one.id != other.id
    assert plan(load_study(write()))[1].id == one.id


@pytest.mark.parametrize(
    "changes",
    [
        {"score": ""},
        {"start": '"left"'},
        {"problem": "UNCOUNTED"},
        {"score": 'score = "test/loss"\nproblem_options = { begin = 1 }'},
    ],
    ids=["score", "value", "method", "option"],
)
def test_an_error_about_the_problem_is_one_line(write, wording, changes):
    """A score that a regression does not have, an invalid value, a missing method, an unknown option."""
    with pytest.raises(UserError) as error:
        plan(load_study(write(**changes)))
    wording(error.value)


@pytest.mark.parametrize("attribute", ["requires_loss_fn", "takes_loss"])
@pytest.mark.filterwarnings("ignore:.*is now called requires_loss_fn:FutureWarning")
def test_a_users_optimizer_may_require_the_loss(here, write, attribute):
    """With `requires_loss_fn`, or its old name, the step gets the loss as a function, so a line search reduces it."""
    write()
    code = (here / "line.py").read_text(encoding="utf-8")
    (here / "line.py").write_text(code.replace("requires_loss_fn", attribute), encoding="utf-8")
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


OLD_NAMES = """
from line import Line


class OldNames(Line):
    key = "line"
    smallest_batch = 2

    def sample(self, n):
        return super().synthetic_batch(n + 1)

    def readings(self, network):
        return {"slope": network.weight.item()}


class NewNames(OldNames):
    min_batch_size = 3


OLD_NAMES, NEW_NAMES = OldNames(), NewNames()
"""


def test_old_names_of_methods_are_read_with_a_warning(here, write, wording):
    """A problem with the old names of methods and attributes works, after one warning for each."""
    write()
    (here / "old_names.py").write_text(OLD_NAMES, encoding="utf-8")
    with pytest.warns(FutureWarning) as caught:
        problem = find_problem("old_names:OLD_NAMES", here)
    assert [warning.filename for warning in caught] == [str(here / "old_names.py")] * 3
    for warning in caught:
        wording(warning.message)
    assert problem.min_batch_size == 2
    assert [len(tensor) for tensor in problem.synthetic_batch(4)] == [5, 5]
    newer = find_problem("old_names:NEW_NAMES", here)
    assert newer.min_batch_size == 3
    trial = replace(
        plan(load_study(write()))[0], problem="old_names:OLD_NAMES", optimizer="sgd", hyperparameters={"lr": 0.1}
    )
    result = run_trial(trial, folder=here)
    assert result.outcome is Outcome.OK, result.reason
    assert {point.metric for point in result.points} >= {"slope", "test/loss"}
