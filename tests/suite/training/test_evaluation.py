"""`suite.training.evaluation`: loss and accuracy over all examples."""

import pytest
import torch
from torch import nn
from toy import BLOBS

from suite.training.evaluation import BATCH_SIZES, Evaluation


def _evaluate(network, inputs, targets):
    evaluation = Evaluation(BLOBS, network, inputs, targets, "float32")
    evaluation.start()
    return evaluation.result()


def test_evaluation_covers_every_example():
    """The mean over all test examples equals that of one pass, although the last batch is smaller."""
    torch.manual_seed(0)
    network, n = BLOBS.network(), 2 * BATCH_SIZES["cpu"] + 3
    inputs, targets = torch.randn(n, 2), torch.randint(0, 4, (n,))
    network.eval()
    outputs = network(inputs)
    expected = (
        nn.functional.cross_entropy(outputs, targets).item(),
        (outputs.argmax(1) == targets).float().mean().item(),
    )
    network.train()
    assert _evaluate(network, inputs, targets) == pytest.approx(expected, rel=1e-6)


def test_evaluations_are_independent():
    """After a change of the weights, the result is that of the new weights."""
    torch.manual_seed(0)
    network, data = BLOBS.network(), BLOBS.load(None)
    evaluation = Evaluation(BLOBS, network, data.test_inputs, data.test_targets, "float32")
    for _ in range(4):
        evaluation.start()
        evaluation.result()
        with torch.no_grad():
            network[-1].weight.mul_(1.5)
    evaluation.start()
    assert evaluation.result() == _evaluate(network, data.test_inputs, data.test_targets)


def test_evaluation_does_not_change_the_running_statistics():
    """Only training batches update the running mean of batch norm."""
    network, data = BLOBS.network(), BLOBS.load(None)
    before = network[1].running_mean.clone()
    _evaluate(network, data.test_inputs, data.test_targets)
    assert torch.equal(network[1].running_mean, before)
