"""Small problems that the tests share, written as a user would: one file beside the study, named `toy:BLOBS`."""

import math
import os
import signal
import time
from pathlib import Path

import torch
from torch import nn

from suite.problems import Data, Problem


class Blobs(Problem):
    """Four Gaussian clouds in the plane; a small network with batch norm. A trial takes some ten milliseconds."""

    key = "blobs"
    summary = "four Gaussian clouds, a network of 8 hidden units"
    source = "made up for the tests"
    train_examples = 256
    test_examples = 100
    chance_loss = math.log(4)
    min_batch_size = 2

    def network(self):
        return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))

    def load(self, root):
        draw = torch.Generator().manual_seed(5)
        targets = torch.arange(self.train_examples + self.test_examples) % 4
        centres = torch.tensor([[2.0, 2.0], [-2.0, 2.0], [-2.0, -2.0], [2.0, -2.0]])
        inputs = centres[targets] + torch.randn(len(targets), 2, generator=draw)
        n = self.train_examples
        return Data(inputs[:n], targets[:n], inputs[n:], targets[n:])

    def synthetic_batch(self, n):
        return torch.zeros(n, 2), torch.zeros(n, dtype=torch.int64)

    def prepare(self, inputs):
        return inputs

    def loss(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets)

    def correct(self, outputs, targets):
        return (outputs.argmax(dim=1) == targets).sum()


class SlowBlobs(Blobs):
    """The same numbers, a fifth of a second later: time enough to be killed in."""

    key = "slow_blobs"
    seconds = 0.2

    def network(self):
        time.sleep(self.seconds)
        return super().network()


class QuickBlobs(SlowBlobs):
    """The same again, a twentieth of a second later."""

    key = "quick_blobs"
    seconds = 0.05


class DeadlyBlobs(Blobs):
    """Kills its own process, as the system does when memory runs out, unless a file `spare` lies beside this one."""

    key = "deadly_blobs"

    def network(self):
        if not Path(__file__).with_name("spare").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().network()


def _tries():
    """Note this process in a file beside this one; how many are noted there."""
    with Path(__file__).with_name("tries").open("a+") as file:
        print(os.getpid(), file=file, flush=True)
        file.seek(0)
        return len(file.readlines())


class OnceDeadlyBlobs(Blobs):
    """Kills its own process the first time that it is run, and notes each time in a file beside this one."""

    key = "once_deadly_blobs"

    def network(self):
        if _tries() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().network()


class QuietBlobs(Blobs):
    """Ends its own process with exit status 0, as some library's clean-up might; notes each time in a file beside this one."""

    key = "quiet_blobs"

    def network(self):
        _tries()
        os._exit(0)


class ContextBlobs(Blobs):
    """Breaks its process for good, as an illegal access breaks CUDA's context, and raises; notes each time in a file."""

    key = "context_blobs"

    def network(self):
        from suite.execution import local

        _tries()
        local.device_works = lambda _: False
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


class HungryBlobs(Blobs):
    """Has memory for 16 examples at a time in training, where what the backward pass needs is kept."""

    key = "hungry_blobs"

    def loss(self, outputs, targets):
        if len(outputs) > 16 and torch.is_grad_enabled():
            self.eat()
        return super().loss(outputs, targets)


class CudaHungryBlobs(HungryBlobs):
    """Runs out of it as CUDA's allocator does."""

    key = "cuda_hungry_blobs"

    def eat(self):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class CpuHungryBlobs(HungryBlobs):
    """Asks torch's CPU allocator for more than any machine has."""

    key = "cpu_hungry_blobs"

    def eat(self):
        torch.empty(2**50)


class PythonHungryBlobs(HungryBlobs):
    """Asks Python for more than any machine has."""

    key = "python_hungry_blobs"

    def eat(self):
        bytearray(2**60)


class DropoutBlobs(Blobs):
    """Draws random numbers while it trains."""

    key = "dropout_blobs"

    def network(self):
        return nn.Sequential(*super().network(), nn.Dropout(0.5))


class BuggyBlobs(Blobs):
    """Has a bug where the network is built."""

    key = "buggy_blobs"

    def network(self):
        raise RuntimeError("a bug in the network")


class Noise(Blobs):
    """Labels that have nothing to do with the inputs: nothing can be learnt."""

    key = "noise"

    def load(self, root):
        data = super().load(root)
        return Data(torch.zeros_like(data.train_inputs), data.train_targets, data.test_inputs, data.test_targets)


BLOBS, SLOW_BLOBS, DEADLY_BLOBS, NOISE = Blobs(), SlowBlobs(), DeadlyBlobs(), Noise()
DROPOUT_BLOBS, BUGGY_BLOBS = DropoutBlobs(), BuggyBlobs()
QUICK_BLOBS = QuickBlobs()
CUDA_HUNGRY_BLOBS, CPU_HUNGRY_BLOBS, PYTHON_HUNGRY_BLOBS = CudaHungryBlobs(), CpuHungryBlobs(), PythonHungryBlobs()
ONCE_DEADLY_BLOBS, QUIET_BLOBS, CONTEXT_BLOBS = OnceDeadlyBlobs(), QuietBlobs(), ContextBlobs()


class Broken(torch.optim.SGD):
    """An optimizer that raises in its third step."""

    def step(self, closure=None):
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == 3:
            raise ValueError("a bug in the third step")
        return super().step(closure)
