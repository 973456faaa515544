"""A process that trains, epoch by epoch, when its standard input says so: Ravine's engine, or the loop it is held against.

    python peer.py ravine --precision float32 --slots 1
    python peer.py usual --threads 2 --loaders 0

It prints `ready`, and then the seconds of each epoch. Every competitor has a process of its own, with its own threads and
allocator settings, as a user would have it.
"""

import argparse
import sys
import time

import torch
from torch import nn

from suite.data import datasets as data
from suite.execution.local import keep_memory
from suite.optimizers import Momentum
from suite.problems import PROBLEMS
from suite.training.devices import deterministic_mode
from suite.training.evaluation import Evaluation
from suite.training.flat_parameters import flatten
from suite.training.interleaving import InterleavedRun, run_interleaved
from suite.training.loop import train_epoch
from suite.training.step import TrainingStep
from suite.trials import Trial

BATCH = 256
PROBLEM = PROBLEMS["fashion_mnist_cnn"]


def usual(options):
    """What tutorials show: torchvision's data set, a shuffling loader, the loss and the accuracy of each batch."""
    from torch.utils.data import DataLoader, Subset
    from torchvision import datasets, transforms

    torch.set_num_threads(options.threads)
    folder, device = data.ensure(data.FASHION_MNIST), torch.device(options.device)

    def loader(count, *, train):
        images = datasets.FashionMNIST(folder, train=train, transform=transforms.ToTensor())
        return DataLoader(
            Subset(images, range(count)),
            batch_size=BATCH,
            shuffle=train,
            num_workers=options.loaders,
            persistent_workers=options.loaders > 0,
            pin_memory=device.type == "cuda",
        )

    training = loader(options.examples, train=True)
    test = loader(options.evaluated, train=False) if options.evaluated else ()
    network = _paper_network().to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def epoch():
        network.train()
        total = correct = 0.0
        for x, y in training:
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)  # noqa: PLW2901
            outputs = network(x)
            loss = nn.functional.cross_entropy(outputs, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            correct += (outputs.argmax(1) == y).sum().item()
        network.eval()
        with torch.no_grad():
            for x, y in test:
                outputs = network(x.to(device))
                total += nn.functional.cross_entropy(outputs, y.to(device)).item() * len(y)
                correct += (outputs.argmax(1) == y.to(device)).sum().item()
        return total, correct

    return epoch


def _paper_network():
    """The paper's network as one would write it down: pooling after the ReLU, channels first."""
    layers = []
    for before, after in ((1, 72), (72, 256), (256, 128)):
        layers += [nn.Conv2d(before, after, 3), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    head = [nn.Flatten(), nn.Linear(128, 84), nn.BatchNorm1d(84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*layers, *head)


def ravine(options):
    """Ravine's engine as a worker runs it, in so many slots."""
    keep_memory()
    if options.device != "cpu":
        torch.cuda.set_device(options.device)
    images = PROBLEM.load(data.ensure(data.FASHION_MNIST)).to(options.device)
    trial = Trial(
        label="momentum",
        problem=PROBLEM.key,
        optimizer="momentum",
        hyperparameters={},
        batch_size=BATCH,
        epochs=1,
        train_examples=options.examples,
        repeat=0,
        precision=options.precision,
    )
    runs = [_run(trial, images, options) for _ in range(options.slots)]

    def epoch():
        with deterministic_mode(options.precision):
            return run_interleaved((InterleavedRun(run(), 0, options.device) for run in runs), options.slots)

    return epoch


def _run(trial, images, options):
    """One trial, an epoch each time it is called."""
    network = PROBLEM.network().to(options.device)
    optimizer = Momentum(flatten(network.parameters()), lr=0.01)
    if options.device != "cpu":
        optimizer.capturable()
    updates = TrainingStep(trial, PROBLEM, images, network, optimizer, None)
    test = images.test_inputs[: options.evaluated], images.test_targets[: options.evaluated]
    evaluation = Evaluation(PROBLEM, network, *test, trial.precision, captured=updates.captured)
    order = torch.Generator().manual_seed(0)

    def run():
        yield from train_epoch(trial, network, updates, order)
        updates.losses.tolist()
        if options.evaluated:
            evaluation.begin()
            yield
            evaluation.read()

    return run


def main():
    """Train an epoch for each line of standard input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["usual", "ravine"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--examples", type=int, default=2048)
    parser.add_argument("--evaluated", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--loaders", type=int, default=0)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--slots", type=int, default=1)
    options = parser.parse_args()
    epoch = {"usual": usual, "ravine": ravine}[options.what](options)
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        epoch()
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
