"""Training the paper's CNN at batch 256 on one CPU thread: Ravine's loop beside the usual one, in the same run.

The usual loop is what tutorials show: torchvision's data set with ToTensor, a shuffling DataLoader, `loss.item()` and the
accuracy of each batch. Both train on the first 1,024 images with the same optimizer, evaluation excluded.
"""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset

from suite.executors import prepare_worker
from suite.optimizers import Momentum
from suite.problems import PROBLEMS
from suite.records import Trial
from suite.training import _train_epoch

EXAMPLES = 1024
PROBLEM = PROBLEMS["fashion_mnist_cnn"]


@pytest.fixture(autouse=True)
def _as_a_worker():
    prepare_worker()  # the allocator's settings hold for both rivals
    torch.set_num_threads(1)


def benchmark_usual_loop(benchmark, fashion_mnist):
    """Images one by one from the data set, channels first, a synchronisation for each batch."""
    from torchvision import datasets, transforms

    images = datasets.FashionMNIST(fashion_mnist, train=True, transform=transforms.ToTensor())
    loader = DataLoader(Subset(images, range(EXAMPLES)), batch_size=256, shuffle=True)
    network = PROBLEM.network().to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def epoch():
        network.train()
        total = correct = 0.0
        for x, y in loader:
            outputs = network(x)
            loss = nn.functional.cross_entropy(outputs, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            correct += (outputs.argmax(1) == y).sum().item()
        return total, correct

    _measure(benchmark, epoch)


def benchmark_ravine(benchmark, fashion_mnist):
    """Images resident as bytes, batches by index, channels last, metrics kept on the device."""
    data, network = PROBLEM.load(fashion_mnist), PROBLEM.network()
    trial = Trial(
        label="momentum",
        problem=PROBLEM.key,
        optimizer="momentum",
        hyperparameters={},
        batch_size=256,
        epochs=1,
        train_examples=EXAMPLES,
        repeat=0,
    )
    optimizer, order = Momentum(network.parameters(), lr=0.01), torch.Generator().manual_seed(0)
    _measure(benchmark, lambda: _train_epoch(trial, PROBLEM, data, network, optimizer, None, order))


def _measure(benchmark, epoch):
    benchmark.group = "one epoch of 1,024 images, one thread"
    benchmark.pedantic(epoch, rounds=7, warmup_rounds=1)
    benchmark.extra_info["examples_per_second"] = EXAMPLES / benchmark.stats.stats.median
