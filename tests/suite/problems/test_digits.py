"""`suite.problems.digits`: the digits are those of scikit-learn, their split is fixed, and they are learnt."""

import gzip
import hashlib

import numpy as np
import pytest
import torch

from suite.errors import UserError
from suite.problems import PROBLEMS, digits, scikit_learn
from suite.problems.scikit_learn import read_rows
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
    """The training and test sets together have every image of `load_digits` with its digit, once."""
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
    """The sets have 1,442 and 355 images; a fifth of each digit, rounded down, is in the test set."""
    assert (len(data.train_targets), len(data.test_targets)) == (PROBLEM.train_examples, PROBLEM.test_examples)
    assert (len(data.train_inputs), len(data.test_inputs)) == (1_442, 355)
    # 178, 182, 177, 183, 181, 182, 181, 179, 174 and 180 images of the digits 0 to 9
    assert torch.bincount(data.test_targets).tolist() == [35, 36, 35, 36, 36, 36, 36, 35, 34, 36]


def test_the_fifth_image_of_each_digit_is_its_first_test_image(data):
    """The split follows the order of the file: the fifth 0, the fifth 1, ... are the first test images of their digits."""
    rows = torch.from_numpy(read_rows(digits.FILE, digits.SHA256, "uint8", ","))
    fifth = sorted(int((rows[:, 64] == digit).nonzero()[4]) for digit in range(10))
    first_images = {int(digit): data.test_inputs[data.test_targets == digit][0] for digit in range(10)}
    for index in fifth:
        assert torch.equal(rows[index, :64], first_images[int(rows[index, 64])])


def test_the_number_of_parameters():
    """64·64 + 64 weights and biases of the first layer and 64·10 + 10 of the second make 4,810."""
    assert sum(p.numel() for p in PROBLEM.network().parameters()) == 64 * 64 + 64 + 64 * 10 + 10 == 4_810


def test_the_scores_equal_their_formula(data):
    """W₂ max(0, W₁ x/16 + b₁) + b₂ in numpy's float64 equals the scores of the network."""
    torch.manual_seed(3)
    network, inputs = PROBLEM.network(), data.train_inputs[:5]
    w1, b1, w2, b2 = (p.detach().double().numpy() for p in network.parameters())
    hidden = np.maximum(0, inputs.numpy() / 16 @ w1.T + b1)
    np.testing.assert_allclose(network(PROBLEM.prepare(inputs)).detach().numpy(), hidden @ w2.T + b2, atol=1e-6)


@pytest.mark.parametrize("content", [b"1,2,3\n", b"no numbers\n"])
def test_another_file_is_an_error(monkeypatch, tmp_path, wording, content):
    """Another version of the file, or an unreadable one, is an error with its path and a hint."""
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(scikit_learn, "FOLDER", tmp_path)  # an absolute path replaces that of the package
    with pytest.raises(UserError) as error:
        PROBLEM.load(None)
    wording(error.value)


def test_the_digits_are_learnt():
    """The first trial of Adam in the study `digits` has a test accuracy above 0.9."""
    trial = next(trial for trial in plan(load_study("digits")) if trial.label == "Adam")
    result = run_trial(trial)
    assert result.outcome is Outcome.OK, result.reason
    assert dict(result.trial.data) == PROBLEM.digests()
    assert [p.value for p in result.points if p.metric == "test/accuracy"][-1] > 0.9  # chance is 0.1
