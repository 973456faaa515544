"""`suite.training.evaluation`: loss and accuracy over all examples, as often as asked."""

import pytest
import torch
from torch import nn
from toy import BLOBS

from suite.training.evaluation import BATCH, Evaluation


def _evaluate(network, inputs, targets):
    evaluation = Evaluation(BLOBS, network, inputs, targets, "float32")
    evaluation.begin()
    return evaluation.read()


def test_evaluation_covers_every_example():
    """The mean over all test examples is that of one pass, with a last batch that is not full."""
    torch.manual_seed(0)
    network, n = BLOBS.network(), 2 * BATCH["cpu"] + 3
    inputs, targets = torch.randn(n, 2), torch.randint(0, 4, (n,))
    network.eval()
    outputs = network(inputs)
    expected = (
        nn.functional.cross_entropy(outputs, targets).item(),
        (outputs.argmax(1) == targets).float().mean().item(),
    )
    network.train()
    assert _evaluate(network, inputs, targets) == pytest.approx(expected, rel=1e-6)


def test_each_evaluation_begins_anew():
    """Asked again after the weights have changed, it tells of the new weights alone."""
    torch.manual_seed(0)
    network, data = BLOBS.network(), BLOBS.load(None)
    evaluation = Evaluation(BLOBS, network, data.test_inputs, data.test_targets, "float32")
    for _ in range(4):
        evaluation.begin()
        evaluation.read()
        with torch.no_grad():
            network[-1].weight.mul_(1.5)
    evaluation.begin()
    assert evaluation.read() == _evaluate(network, data.test_inputs, data.test_targets)


def test_evaluation_leaves_the_running_statistics_alone():
    """Batch norm's running mean is moved by training batches only."""
    network, data = BLOBS.network(), BLOBS.load(None)
    before = network[1].running_mean.clone()
    _evaluate(network, data.test_inputs, data.test_targets)
    assert torch.equal(network[1].running_mean, before)
