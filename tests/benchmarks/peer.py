"""A process that trains an epoch for each line of its standard input: Ravine's loop, or the usual loop.

    python peer.py ravine --precision float32 --slots 1
    python peer.py usual --threads 2 --loaders 0

It prints `ready`, and then the seconds of each epoch. Each loop has a separate process with its own threads and
allocator settings, as for a user.
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
from suite.training.interleaving import InterleavedRun, Seeds, run_interleaved
from suite.training.loop import epoch_orders, train_epoch
from suite.training.step import TrainingStep
from suite.trials import Trial

BATCH = 256
PROBLEM = PROBLEMS["fashion_mnist_cnn"]


def usual(options):
    """Return a function that trains an epoch as in tutorials: torchvision, a shuffling loader, metrics of each batch."""
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
    network = _plain_network().to(device)
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


def _plain_network():
    """Return the CNN in the usual order: pooling after the ReLU, channels first."""
    layers = []
    for before, after in ((1, 72), (72, 256), (256, 128)):
        layers += [nn.Conv2d(before, after, 3), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    head = [nn.Flatten(), nn.Linear(128, 84), nn.BatchNorm1d(84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*layers, *head)


def ravine(options):
    """Return a function that trains an epoch as a worker of Ravine, in N slots."""
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
            return run_interleaved(
                (InterleavedRun(run(), Seeds(0, 0, 0), options.device) for run in runs), options.slots
            )

    return epoch


def _run(trial, images, options):
    """Return a function that trains one trial for an epoch."""
    network = PROBLEM.network().to(options.device)
    optimizer = Momentum(flatten(network.parameters()), lr=0.01)
    if options.device != "cpu":
        optimizer.capturable()
    step = TrainingStep(trial, PROBLEM, images, network, optimizer, None)
    test = images.test_inputs[: options.evaluated], images.test_targets[: options.evaluated]
    evaluation = Evaluation(PROBLEM, network, *test, trial.precision, capture=step.capturable)
    orders = epoch_orders(trial, torch.Generator().manual_seed(0))

    def run():
        yield from train_epoch(step, next(orders))
        step.losses.tolist()
        if options.evaluated:
            evaluation.start()
            yield
            evaluation.result()

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
