"""Where trials run: the machines of a Ray cluster. The only importer of ray.

A trial is a task of one CPU, on a GPU also of a fraction of it. It computes what it would on this machine: on one thread,
with data that its node finds or fetches and verifies for itself, and with the modules beside the study file, which travel
with it. A trial whose process or node is lost runs again elsewhere.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import math
import os
import platform
import shutil
import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from suite.errors import UserError
from suite.plugins import digest
from suite.records import Outcome, TrialResult
from suite.trials import TRAINING_VERSION, Trial

if TYPE_CHECKING:
    from concurrent.futures import Future

RETRIES = 3
"""How often a trial runs again whose process or node was lost; after that it has failed."""
MAX_TASKS = 4096
"""Trials at a time where no number is given: more than any cluster has slots, so that nodes that join later have work."""
OBJECTS = 128 * 2**20
"""Bytes for objects of a Ray that is started here; a result has some ten thousand."""

TIMEOUT_SECONDS = 10.0
"""Seconds that a cluster's head has to answer in."""

Modules = dict[str, bytes]
"""Python files by their path below the folder of the study."""


class Cluster:
    """A connection to Ray; one for each process.

    Args:
        address: Of a cluster's head, `host:port`, or `auto` for the one that runs on this machine; None for RAY_ADDRESS,
            and without that for a Ray of its own on this machine, which listens on 127.0.0.1 and ends with this process.

    Raises:
        UserError: Ray is not installed, or no cluster answers.
    """

    def __init__(self, address: str | None) -> None:
        self.address = address or os.environ.get("RAY_ADDRESS") or "local"
        local = self.address == "local"
        quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": "0"}
        if local:
            quiet["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # a Ray that is no cluster keeps to 127.0.0.1
            quiet["RAY_AUTH_MODE"] = "token"  # other users of this machine cannot give it work
        for name, value in quiet.items():
            os.environ.setdefault(name, value)
        own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": OBJECTS} if local else {}
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            import ray
        except ImportError:
            raise UserError(
                '--executor: Ray is not installed here. Write, in a clone of Ravine: pip install ".[ray]"'
            ) from None
        try:
            _knock(self.address)  # Ray itself would go on trying for minutes
            ray.init(self.address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            why = " ".join(str(error).split())[:300].rstrip(".")
            raise UserError(
                f'--address: no Ray answers at "{self.address}": {why}. Start one (ray start --head), or leave --address out'
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        ray.shutdown()

    def device(self, wanted: str) -> str:
        """What `--device` stands for here: `cpu` or `cuda`.

        Raises:
            UserError: The cluster has no such device.
        """
        if wanted not in {"auto", "cpu", "cuda"}:
            raise UserError(
                f'--device: on a cluster Ray chooses the GPU, so "{wanted}" cannot be asked for. Write cuda'
            )
        gpus, cpus = capacity("cuda"), capacity("cpu")
        if wanted == "cuda" and not gpus:
            raise UserError(f"--device: there is no GPU in the cluster at {self.address}. Write auto, or add a node")
        device = "cuda" if gpus and wanted != "cpu" else "cpu"
        if not cpus:
            raise UserError(f"--address: the cluster at {self.address} has no CPU. Add a node: ray start --address=...")
        return device

    def workers(self, device: str) -> int:
        """How many trials run at a time by default: one a CPU, one a GPU on CUDA."""
        return max(capacity(device), 1)

    def executor(self, workers: int | None, most: int, device: str, data: Path | None, folder: Path | None) -> RayTasks:
        """Where trials run, at most so many; the other arguments are those of `RayTasks`."""
        return RayTasks(workers if workers is None else min(workers, most), device, data, folder)


class RayTasks:
    """Trials as tasks of the cluster that this process is connected to.

    Args:
        workers: How many trials at a time; None for one a CPU of the cluster, one a GPU on CUDA, also of nodes that come later.
        device: `cpu` or `cuda`, as `Cluster.device` gives it.
        data: The folder of the data set on every node; None where each finds or fetches it.
        folder: Where modules that a study names lie besides the installed packages; they are sent to the nodes.
    """

    def __init__(self, workers: int | None, device: str, data: Path | None, folder: Path | None) -> None:
        import ray

        self._wanted, self._device = workers, device
        share = gpu_share(workers or 1, capacity("cuda")) if device == "cuda" else 0
        self._task: Any = ray.remote(num_cpus=1, num_gpus=share, max_retries=0, max_calls=0)(run_on_node)
        self._data, self._folder = data, folder
        self._threads = ThreadPoolExecutor(min(workers or MAX_TASKS, MAX_TASKS))
        self._running: set[Any] = set()
        self._stopped = False
        self.workers = workers or max(capacity(device), 1)

    def submit(self, trial: Trial) -> Future[TrialResult]:
        """Run a trial on a node that has room for it."""
        self.workers = self._wanted or max(capacity(self._device), 1)  # nodes come and go
        return self._threads.submit(self._run, trial)

    def _run(self, trial: Trial) -> TrialResult:
        import ray
        from ray.exceptions import RayError, RayTaskError

        own = any(digest(spec, self._folder) for spec in (trial.problem, trial.optimizer))
        arguments = (trial, self._device, self._data, self._modules if own else {})
        lost: Exception = RuntimeError("stopped")
        for attempt in range(1 + RETRIES):
            time.sleep(attempt / 2)  # a node that died is for a moment still offered
            if self._stopped:
                break
            task = self._task.remote(*arguments)
            self._running.add(task)
            try:
                result: TrialResult = ray.get(task)
            except RayTaskError as error:
                return _failed(trial, f"a node cannot run it: {' '.join(str(error.cause).split())[-500:]}")
            except RayError as error:  # Ray's own: a process, its raylet, its node or what it needed is gone
                lost = error
            else:
                return result
            finally:
                self._running.discard(task)
        raise lost

    @functools.cached_property
    def _modules(self) -> Any:
        """The modules beside the study, where every node can get them."""
        import ray

        return ray.put(modules(self._folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End what runs, in the middle of it."""
        import ray

        self._stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for task in list(self._running):
            ray.cancel(task, force=True)
        self._threads.shutdown()


def _knock(address: str) -> None:
    """Raise OSError or ValueError where nothing listens at `host:port`."""
    if address in {"local", "auto"}:
        return
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise ValueError("expected host:port, such as 10.0.0.1:6379, or auto")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS):
        pass


def capacity(device: str) -> int:
    """How many CPUs or GPUs the nodes of the cluster have now."""
    import ray

    resources: dict[str, float] = ray.cluster_resources()
    return int(resources.get("CPU" if device == "cpu" else "GPU", 0))


def gpu_share(workers: int, gpus: int) -> float:
    """The part of a GPU that a trial asks for, so that so many trials run at a time: 1, 1/2, 1/3, ..., rounded down."""
    return math.floor(10_000 / max(math.ceil(workers / gpus), 1)) / 10_000


def modules(folder: Path | None) -> Modules:
    """The Python files that a module in the folder may import: those in it, and in packages below it."""
    if folder is None:
        return {}
    found = sorted(folder.glob("*.py"))
    for package in sorted(path.parent for path in folder.glob("*/__init__.py")):
        found += sorted(package.rglob("*.py"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


# --- on a node -------------------------------------------------------------------------------------------------------


def run_on_node(trial: Trial, device: str, data: Path | None, sent: Modules) -> TrialResult:
    """Run a trial in this process of a node.

    Args:
        trial: What to run.
        device: `cpu`, or `cuda` for the GPU that Ray lets this process see.
        data: The folder of the data set; None to find or fetch it.
        sent: The modules beside the study file.

    Returns:
        The result; a failed one where the node lacks what the trial needs.
    """
    from suite.training.run_trial import run_trial

    _prepare()
    if device == "cuda" and not _sound():
        os._exit(1)  # whatever it ran from now on would fail; another process takes its place
    try:
        folder = _written(tuple(sorted(sent.items())))
        _check(trial, folder)
        root = _data(trial.problem, folder, data)
    except (UserError, OSError) as error:
        return _failed(trial, f"node {platform.node()}: {error}")
    return run_trial(trial, device="cuda:0" if device == "cuda" else device, data=root, folder=folder)


def _check(trial: Trial, folder: Path | None) -> None:
    """Refuse a trial that would not be here what its description says."""
    if trial.contract != TRAINING_VERSION:
        raise UserError(
            f"its Ravine has training contract {TRAINING_VERSION}, the trial {trial.contract}. Install one version on all machines"
        )
    for spec in (trial.problem, trial.optimizer):
        for name, found in digest(spec, folder).items():
            if trial.data[name] != found:
                raise UserError(f"{name} changed after the study was planned. Give the same command again")


def _failed(trial: Trial, reason: str) -> TrialResult:
    return TrialResult(trial=trial, outcome=Outcome.FAILED, reason=reason, started=time.time())


def _sound() -> bool:
    """Whether the GPU still works for this process: an illegal access breaks it for good."""
    import torch

    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


@functools.cache
def _prepare() -> None:
    """What a process does before its first trial."""
    from suite.execution.local import keep_memory

    keep_memory()


@functools.cache
def _data(problem: str, folder: Path | None, data: Path | None) -> Path | None:
    """The folder of a problem's data set on this node, verified once for each process."""
    from suite import problems
    from suite.data import datasets

    data_set = problems.find_problem(problem, folder).data_set
    return datasets.ensure(data_set, data) if data_set else None


@functools.cache
def _written(sent: tuple[tuple[str, bytes], ...]) -> Path | None:
    """The folder of this node with the modules that were sent; named by their content, so all processes share it."""
    from filelock import FileLock

    from suite.data.datasets import cache_folder

    if not sent:
        return None
    total = hashlib.sha256()
    for name, content in sent:
        total.update(f"{name} {len(content)}\n".encode() + content)
    folder = cache_folder() / "modules" / total.hexdigest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_folder() / ".modules.lock"):  # what one process has written is not taken from under its import
        if any(not (folder / name).is_file() or (folder / name).read_bytes() != content for name, content in sent):
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                whole = Path(scratch, "whole")
                for name, content in sent:
                    (whole / name).parent.mkdir(parents=True, exist_ok=True)
                    (whole / name).write_bytes(content)
                shutil.rmtree(folder, ignore_errors=True)
                whole.rename(folder)
    return folder
