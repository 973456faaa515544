"""Small problems for tests as a user would write them, in a file beside the study, such as `toy:BLOBS`."""

import math
import os
import signal
import time
from pathlib import Path

import torch
from torch import nn

from ravine import Data, Problem


class Blobs(Problem):
    """Four Gaussian clouds in the plane and a small network with batch norm. A trial takes about ten milliseconds."""

    key = "blobs"
    summary = "four Gaussian clouds, a network of 8 hidden units"
    source = "synthetic"
    train_examples = 256
    test_examples = 100
    chance_loss = math.log(4)
    min_batch_size = 2

    def network(self):
        return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))

    def load(self, root):
        generator = torch.Generator().manual_seed(5)
        targets = torch.arange(self.train_examples + self.test_examples) % 4
        centres = torch.tensor([[2.0, 2.0], [-2.0, 2.0], [-2.0, -2.0], [2.0, -2.0]])
        inputs = centres[targets] + torch.randn(len(targets), 2, generator=generator)
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
    """The same values after a fifth of a second, which is enough time to kill the process."""

    key = "slow_blobs"
    seconds = 0.2

    def network(self):
        time.sleep(self.seconds)
        return super().network()


class QuickBlobs(SlowBlobs):
    """The same after a twentieth of a second."""

    key = "quick_blobs"
    seconds = 0.05


class DeadlyBlobs(Blobs):
    """Kills its process, as the system does when it is out of memory, unless there is a file `spare` beside this one."""

    key = "deadly_blobs"

    def network(self):
        if not Path(__file__).with_name("spare").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().network()


def _count_try():
    """Append this process to the file `tries` beside this one, and return the number of its lines."""
    with Path(__file__).with_name("tries").open("a+") as file:
        print(os.getpid(), file=file, flush=True)
        file.seek(0)
        return len(file.readlines())


class OnceDeadlyBlobs(Blobs):
    """Kills its process when it runs for the first time, and counts its runs in the file `tries`."""

    key = "once_deadly_blobs"

    def network(self):
        if _count_try() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().network()


class QuietBlobs(Blobs):
    """Ends its process with exit status 0, as the clean-up of a library might, and counts its runs in the file `tries`."""

    key = "quiet_blobs"

    def network(self):
        _count_try()
        os._exit(0)


class ContextBlobs(Blobs):
    """Makes its process unusable, as an illegal access does to the CUDA context, and raises; counts its runs in `tries`."""

    key = "context_blobs"

    def network(self):
        from suite.execution import local

        _count_try()
        local.device_works = lambda _: False
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


class HungryBlobs(Blobs):
    """Has memory for 16 examples at a time in training, in which the activations for the backward pass are stored."""

    key = "hungry_blobs"

    def loss(self, outputs, targets):
        if len(outputs) > 16 and torch.is_grad_enabled():
            self.run_out_of_memory()
        return super().loss(outputs, targets)


class CudaHungryBlobs(HungryBlobs):
    """Raises the error of CUDA's allocator."""

    key = "cuda_hungry_blobs"

    def run_out_of_memory(self):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class CpuHungryBlobs(HungryBlobs):
    """Requests more memory from torch's CPU allocator than any machine has."""

    key = "cpu_hungry_blobs"

    def run_out_of_memory(self):
        torch.empty(2**50)


class PythonHungryBlobs(HungryBlobs):
    """Requests more memory from Python than any machine has."""

    key = "python_hungry_blobs"

    def run_out_of_memory(self):
        bytearray(2**60)


class DropoutBlobs(Blobs):
    """Draws random numbers during training."""

    key = "dropout_blobs"

    def network(self):
        return nn.Sequential(*super().network(), nn.Dropout(0.5))


class BuggyBlobs(Blobs):
    """Has a bug in `network`."""

    key = "buggy_blobs"

    def network(self):
        raise RuntimeError("a bug in the network")


class Noise(Blobs):
    """Has inputs without information about the labels, so nothing can be learnt."""

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
