"""`suite.problems.validation_split`: a fixed sixth of the training examples, without any test example."""

import torch

from suite.problems import Data
from suite.problems.validation_split import validation_examples, validation_split


def _data(n=60):
    return Data(torch.arange(n), torch.arange(n) + 1000, -torch.arange(1, 11), -torch.arange(1, 11))


def test_the_two_parts_are_the_training_set():
    """One example in six is for validation and the others for training, each once and with its target."""
    split = validation_split(_data(), "p")
    assert (len(split.train_inputs), len(split.test_inputs)) == (50, 10)
    assert sorted(split.train_inputs.tolist() + split.test_inputs.tolist()) == list(range(60))
    assert torch.equal(split.train_inputs + 1000, split.train_targets)
    assert torch.equal(split.test_inputs + 1000, split.test_targets)
    assert validation_examples(60_000) == 10_000


def test_no_test_example_is_accessible():
    """No value of the test set is in the split, and no tensor of the split shares memory with the data."""
    data = _data()
    split = validation_split(data, "p")
    originals = {getattr(data, name).untyped_storage().data_ptr() for name in data.__slots__}
    for name in split.__slots__:
        assert getattr(split, name).min() >= 0
        assert getattr(split, name).untyped_storage().data_ptr() not in originals


def test_the_split_is_fixed():
    """A problem has one split for every random state, another problem has another; the examples are not consecutive."""
    first = validation_split(_data(), "p").test_inputs
    torch.manual_seed(3)
    assert torch.equal(validation_split(_data(), "p").test_inputs, first)
    assert not torch.equal(validation_split(_data(), "q").test_inputs, first)
    assert (first.diff() != 1).any()


def test_the_split_of_a_text_is_by_position():
    """Of examples whose neighbours belong together, the last sixth is for validation, in order; nothing is shared."""
    data = _data()
    split = validation_split(data, "p", ordered=True)
    assert split.train_inputs.tolist() == list(range(50))
    assert split.test_inputs.tolist() == list(range(50, 60))
    assert torch.equal(split.test_inputs + 1000, split.test_targets)
    assert split.train_inputs.untyped_storage().data_ptr() != data.train_inputs.untyped_storage().data_ptr()
