"""`suite.problems.digits`: the digits are scikit-learn's, their split is fixed, and a study of them runs at once."""

import gzip
import hashlib

import numpy as np
import pytest
import torch

from suite.errors import UserError
from suite.problems import PROBLEMS, digits
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import run_trial

PROBLEM = PROBLEMS["digits_mlp"]


@pytest.fixture(scope="module")
def data():
    """All images."""
    return PROBLEM.load(None)


def test_the_images_are_those_that_scikit_learn_loads(data):
    """Training and test part together hold every image of `load_digits` with its digit, each once."""
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)
    theirs = np.column_stack([images, targets]).astype(np.uint8)
    assert hashlib.sha256(theirs.tobytes()).hexdigest() == PROBLEM.digests()["digits.csv"]
    inputs, labels = (
        torch.cat([data.train_inputs, data.test_inputs]),
        torch.cat([data.train_targets, data.test_targets]),
    )
    ours = torch.cat([inputs, labels[:, None]], dim=1).numpy().astype(np.uint8)
    assert sorted(map(bytes, ours)) == sorted(map(bytes, theirs))


def test_the_split_is_stratified(data):
    """1,442 and 355 images; of each digit a fifth, rounded down, is for the test."""
    assert (len(data.train_targets), len(data.test_targets)) == (PROBLEM.train_examples, PROBLEM.test_examples)
    assert (len(data.train_inputs), len(data.test_inputs)) == (1_442, 355)
    # 178, 182, 177, 183, 181, 182, 181, 179, 174 and 180 images of the digits 0 to 9
    assert torch.bincount(data.test_targets).tolist() == [35, 36, 35, 36, 36, 36, 36, 35, 34, 36]


def test_the_fifth_image_of_each_digit_is_the_first_to_test_on(data):
    """The split is made in the file's order: the rows that hold the fifth 0, 1, ... come out as the first test rows."""
    rows = digits._rows()
    fifth = sorted(int((rows[:, 64] == digit).nonzero()[4]) for digit in range(10))
    firsts = {int(digit): data.test_inputs[data.test_targets == digit][0] for digit in range(10)}
    for at in fifth:
        assert torch.equal(rows[at, :64], firsts[int(rows[at, 64])])


def test_the_network_is_64_64_10():
    """64·64 + 64 weights and biases of the first layer and 64·10 + 10 of the second make 4,810."""
    assert sum(p.numel() for p in PROBLEM.network().parameters()) == 64 * 64 + 64 + 64 * 10 + 10 == 4_810


def test_the_scores_are_the_plain_formula(data):
    """W₂ max(0, W₁ x/16 + b₁) + b₂ in numpy's float64 gives the network's scores."""
    torch.manual_seed(3)
    network, inputs = PROBLEM.network(), data.train_inputs[:5]
    w1, b1, w2, b2 = (p.detach().double().numpy() for p in network.parameters())
    hidden = np.maximum(0, inputs.numpy() / 16 @ w1.T + b1)
    np.testing.assert_allclose(network(PROBLEM.prepare(inputs)).detach().numpy(), hidden @ w2.T + b2, atol=1e-6)


@pytest.mark.parametrize("content", [b"1,2,3\n", b"no numbers\n"])
def test_a_file_that_is_not_the_digits_is_refused(monkeypatch, tmp_path, content):
    """Another version of the file, or a broken one, is one line with its place and what to do."""
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(digits, "FILE", tmp_path / "digits.csv.gz")  # an absolute path replaces the package's place
    with pytest.raises(UserError, match="Install scikit-learn again") as told:
        PROBLEM.load(None)
    assert str(tmp_path) in str(told.value)
    assert "\n" not in str(told.value)


def test_the_digits_are_learnt():
    """The first trial of Adam in the study `digits` reads nine test digits of ten."""
    trial = next(trial for trial in plan(load_study("digits")) if trial.label == "Adam")
    result = run_trial(trial)
    assert result.outcome is Outcome.OK, result.reason
    assert dict(result.trial.data) == PROBLEM.digests()
    assert [p.value for p in result.points if p.metric == "test/accuracy"][-1] > 0.9  # chance is 0.1
