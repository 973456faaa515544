"""`suite.problems.validation_split`: the validation split is a fixed sixth of the training examples, and knows no test example."""

import torch

from suite.problems import Data
from suite.problems.validation_split import validation_examples, validation_split


def _data(n=60):
    return Data(torch.arange(n), torch.arange(n) + 1000, -torch.arange(1, 11), -torch.arange(1, 11))


def test_the_two_parts_make_up_the_training_set():
    """One in six is held out, the rest is trained on, each with its own target, none in both and none left out."""
    split = validation_split(_data(), "p")
    assert (len(split.train_inputs), len(split.test_inputs)) == (50, 10)
    assert sorted(split.train_inputs.tolist() + split.test_inputs.tolist()) == list(range(60))
    assert torch.equal(split.train_inputs + 1000, split.train_targets)
    assert torch.equal(split.test_inputs + 1000, split.test_targets)
    assert validation_examples(60_000) == 10_000


def test_no_test_example_is_within_reach():
    """No value of the test set is in the split, and no tensor of it shares memory with what it was taken from."""
    data = _data()
    split = validation_split(data, "p")
    whole = {getattr(data, name).untyped_storage().data_ptr() for name in data.__slots__}
    for name in split.__slots__:
        assert getattr(split, name).min() >= 0
        assert getattr(split, name).untyped_storage().data_ptr() not in whole


def test_the_split_is_fixed():
    """The same problem has the same split whatever the random state, another problem another one; it is no run of rows."""
    first = validation_split(_data(), "p").test_inputs
    torch.manual_seed(3)
    assert torch.equal(validation_split(_data(), "p").test_inputs, first)
    assert not torch.equal(validation_split(_data(), "q").test_inputs, first)
    assert (first.diff() != 1).any()
