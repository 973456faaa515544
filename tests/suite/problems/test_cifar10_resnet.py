"""`suite.problems.cifar10_resnet` on small files in the format of CIFAR-10, which the test writes."""

import dataclasses
import hashlib
import pickle

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from suite.data import datasets
from suite.errors import UserError
from suite.problems import PROBLEMS
from suite.records import Outcome
from suite.training.run_trial import _load_data, run_trial
from suite.trials import Trial

PROBLEM = PROBLEMS["cifar10_resnet"]


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Write five batches of 8 images and a test batch; return the data set, its folder, and images and labels by file."""
    folder, random, content = tmp_path / "given", np.random.default_rng(3), {}
    folder.mkdir()
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        images = random.integers(0, 256, (8, 3072), dtype=np.uint8)
        labels = random.integers(0, 10, 8).tolist()
        content[name] = images, labels
        (folder / name).write_bytes(pickle.dumps({"data": images, "labels": labels}, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}, protocol=2))
    md5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5[name]] for name in sorted(content)[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5["batches.meta"]})
    monkeypatch.setenv("RAVINE_CACHE", str(tmp_path / "cache"))
    return dataclasses.replace(datasets.CIFAR10, files=md5), folder, content


def test_the_images_are_those_of_the_files(small):
    """Red, green and blue rows of each batch are the channels of its images, in the order of the files."""
    data_set, folder, content = small
    data = PROBLEM.load(datasets.ensure(data_set, folder))
    images = torch.cat([data.train_inputs, data.test_inputs])
    targets = torch.cat([data.train_targets, data.test_targets])
    assert (len(data.train_inputs), len(data.test_inputs)) == (40, 8)
    assert images.dtype == torch.uint8
    assert torch.equal(images.flatten(1), torch.from_numpy(np.concatenate([x for x, _ in content.values()])))
    assert targets.tolist() == [label for _, labels in content.values() for label in labels]
    x = PROBLEM.prepare(images)
    assert (x.min().item(), x.max().item()) == (-0.5, 0.5)


def test_a_trial_runs_on_the_files(small):
    """A trial trains on all 40 images and is evaluated on the 8 test images, whose accuracy is a multiple of 1/8."""
    data_set, folder, _ = small
    trial = Trial(
        label="a",
        problem="cifar10_resnet",
        optimizer="momentum",
        hyperparameters={"lr": 0.01},
        batch_size=16,
        epochs=2,
        train_examples=40,
        repeat=0,
    )
    root = datasets.ensure(data_set, folder)
    runs = []
    for _ in range(2):
        _load_data.cache_clear()
        runs.append(run_trial(trial, data=root))
    _load_data.cache_clear()
    assert runs[0].outcome is Outcome.OK, runs[0].reason
    assert runs[0].weights == runs[1].weights
    accuracy = {point.metric: point.value for point in runs[0].points}["test/accuracy"]
    assert accuracy * 8 == round(accuracy * 8)


def test_a_wrong_archive_is_refused(small, tmp_path, wording):
    """A truncated batch is refused with both digests before it is unpickled, and nothing is written."""
    data_set, folder, _ = small
    expected = data_set.files["data_batch_3"]
    wrong = (folder / "data_batch_3").read_bytes()[:-1]
    (folder / "data_batch_3").write_bytes(wrong)
    with pytest.raises(UserError) as error:
        datasets.ensure(data_set, folder)
    assert f"data_batch_3: expected md5 {expected}, got {hashlib.md5(wrong).hexdigest()}" in str(error.value)
    assert not (tmp_path / "cache").exists()
    with pytest.raises(UserError) as error:
        PROBLEM.load(tmp_path / "empty")
    wording(error.value)
