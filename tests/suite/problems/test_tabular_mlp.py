"""`suite.problems.tabular_mlp`: the table is scikit-learn's, standardised by its training rows, and it is learnt."""

import gzip

import numpy as np
import pytest
import torch

from suite.errors import UserError
from suite.problems import PROBLEMS, scikit_learn
from suite.records import Outcome
from suite.training.run_trial import run_trial
from suite.trials import Trial

PROBLEM = PROBLEMS["tabular_mlp"]


def test_the_rows_are_those_that_scikit_learn_loads():
    """Every fifth row is a test row, and each column has mean 0 and variance 1 over the other rows."""
    from sklearn.datasets import load_diabetes

    features, target = load_diabetes(return_X_y=True, scaled=False)
    table = np.column_stack([features, target])
    test = np.arange(442) % 5 == 4
    train = table[~test]
    expected = (table - train.mean(axis=0)) / np.sqrt(((train - train.mean(axis=0)) ** 2).mean(axis=0))
    data = PROBLEM.load(None)
    for inputs, targets, rows in (
        (data.train_inputs, data.train_targets, expected[~test]),
        (data.test_inputs, data.test_targets, expected[test]),
    ):
        np.testing.assert_allclose(torch.cat([inputs, targets[:, None]], dim=1).numpy(), rows, atol=1e-5)
    assert (len(data.train_inputs), len(data.test_inputs)) == (PROBLEM.train_examples, PROBLEM.test_examples)


def test_a_constant_prediction_has_the_chance_loss():
    """The mean of the training targets, 0, has half their variance, ½, as its loss."""
    targets = PROBLEM.load(None).train_targets
    assert PROBLEM.loss(torch.zeros(354), targets).item() == pytest.approx(PROBLEM.chance_loss, rel=1e-5)


def test_another_file_is_an_error(monkeypatch, tmp_path, wording):
    """Another version of the table is an error with both digests."""
    (tmp_path / "diabetes_data_raw.csv.gz").write_bytes(gzip.compress(b"1 2 3\n"))
    monkeypatch.setattr(scikit_learn, "FOLDER", tmp_path)  # an absolute path replaces that of the package
    with pytest.raises(UserError) as error:
        PROBLEM.load(None)
    wording(error.value)


def test_the_table_is_learnt():
    """AdamW ends far below the chance loss on the test rows, and its digests are part of the trial."""
    trial = Trial(
        label="a",
        problem="tabular_mlp",
        optimizer="adamw",
        hyperparameters={"lr": 0.003},
        batch_size=32,
        epochs=10,
        train_examples=354,
        repeat=0,
    )
    run = run_trial(trial)
    assert run.outcome is Outcome.OK, run.reason
    assert [point.value for point in run.points if point.metric == "test/loss"][-1] < 0.35
