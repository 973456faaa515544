"""Runs trials on the machines of a Ray cluster. The only importer of ray.

A trial is a task that uses one CPU, and on a GPU also a share of it. It computes what it would compute on this machine: on
one thread, with data that its node finds or fetches and verifies, and with the modules beside the study file, which are
sent with it. A trial whose process or node is lost runs again on another one.
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

from suite.code_versions import module_file
from suite.errors import UserError
from suite.execution.local import device_works, keep_memory
from suite.records import Outcome, TrialResult
from suite.trials import TRAINING_VERSION, Trial

if TYPE_CHECKING:
    from concurrent.futures import Future

RETRIES = 3
"""How often a trial runs again after its process or node was lost; after that it has failed."""
MAX_TASKS = 4096
"""Trials at a time if no number is given: more than any cluster has slots, so that nodes that join later have work."""
OBJECT_STORE_BYTES = 128 * 2**20
"""Bytes for objects of a local Ray instance; a result has about ten thousand."""

TIMEOUT_SECONDS = 10.0
"""Seconds to wait for a connection to a cluster's head."""

Modules = dict[str, bytes]
"""Python files by their path below the folder of the study."""


class Cluster:
    """A connection to Ray; one for each process.

    Args:
        address: `host:port` of a cluster's head, or `auto` for the cluster of this machine. None for RAY_ADDRESS, and
            without that for a local Ray instance, which listens on 127.0.0.1 and ends with this process.

    Raises:
        UserError: Ray is not installed, or no cluster answers.
    """

    def __init__(self, address: str | None) -> None:
        self.address = address or os.environ.get("RAY_ADDRESS") or "local"
        environment = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": "0"}
        options: dict[str, Any] = {}
        if self.address == "local":
            environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # a local instance listens on 127.0.0.1 only
            environment["RAY_AUTH_MODE"] = "token"  # other users of this machine cannot submit tasks
            options = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        for name, value in environment.items():
            os.environ.setdefault(name, value)
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            import ray
        except ImportError:
            hint = 'Run in a clone of Ravine: pip install ".[ray]"'
            raise UserError("--executor", "Ray is not installed", hint) from None
        try:
            _check_listening(self.address)  # Ray itself would try for minutes
            ray.init(self.address, log_to_driver=False, logging_level=logging.ERROR, **options)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            reason = " ".join(str(error).split())[:300].rstrip(".")
            hint = "Start a cluster (ray start --head), or omit --address"
            raise UserError("--address", f'no Ray cluster answers at "{self.address}" ({reason})', hint) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        ray.shutdown()

    def device(self, requested: str) -> str:
        """Return the device that `--device` stands for: `cpu` or `cuda`.

        Raises:
            UserError: The cluster has no such device.
        """
        if requested not in {"auto", "cpu", "cuda"}:
            raise UserError("--device", f'on a cluster Ray assigns the GPUs, got "{requested}"', "Write cuda")
        gpus, cpus = capacity("cuda"), capacity("cpu")
        if requested == "cuda" and not gpus:
            raise UserError("--device", f"the cluster at {self.address} has no GPU", "Write auto, or add a node")
        if not cpus:
            raise UserError(
                "--address", f"no CPU in the cluster at {self.address}", "Run ray start --address=... on a node"
            )
        return "cuda" if gpus and requested != "cpu" else "cpu"

    def workers(self, device: str) -> int:
        """Return the default number of trials at a time: one for each CPU, on CUDA one for each GPU."""
        return max(capacity(device), 1)

    def executor(
        self, workers: int | None, max_workers: int, device: str, data: Path | None, folder: Path | None
    ) -> RayTasks:
        """Return the executor of trials, at most `max_workers` at a time; the other arguments are those of `RayTasks`."""
        return RayTasks(workers if workers is None else min(workers, max_workers), device, data, folder)


class RayTasks:
    """Trials as tasks of the cluster that this process is connected to.

    Args:
        workers: The number of trials at a time; None for one for each CPU of the cluster, on CUDA one for each GPU, nodes
            that join later included.
        device: `cpu` or `cuda`, as `Cluster.device` returns it.
        data: The folder of the data set on every node; None if each node finds or fetches it.
        folder: The folder of the modules that a study names besides the installed packages; they are sent to the nodes.
    """

    def __init__(self, workers: int | None, device: str, data: Path | None, folder: Path | None) -> None:
        import ray

        self._requested_workers, self._device = workers, device
        share = gpu_share(workers or 1, capacity("cuda")) if device == "cuda" else 0
        self._task: Any = ray.remote(num_cpus=1, num_gpus=share, max_retries=0, max_calls=0)(run_on_node)
        self._data, self._folder = data, folder
        self._threads = ThreadPoolExecutor(min(workers or MAX_TASKS, MAX_TASKS))
        self._running: set[Any] = set()
        self._stopped = False
        self.workers = workers or max(capacity(device), 1)

    def submit(self, trial: Trial) -> Future[TrialResult]:
        """Run a trial on a node with free resources."""
        self.workers = self._requested_workers or max(capacity(self._device), 1)  # nodes join and leave
        return self._threads.submit(self._run, trial)

    def _run(self, trial: Trial) -> TrialResult:
        import ray
        from ray.exceptions import RayError, RayTaskError

        specs = [spec.partition(":")[0] for spec in (trial.problem, trial.optimizer) if ":" in spec]
        needs_modules = self._folder is not None and any(module_file(name, self._folder) for name in specs)
        arguments = (trial, self._device, self._data, self._modules if needs_modules else {})
        loss: Exception = RuntimeError("stopped")
        for attempt in range(1 + RETRIES):
            time.sleep(attempt / 2)  # Ray offers a dead node for a moment
            if self._stopped:
                break
            task = self._task.remote(*arguments)
            self._running.add(task)
            try:
                result: TrialResult = ray.get(task)
            except RayTaskError as error:
                return _failed(trial, f"a node cannot run it: {' '.join(str(error.cause).split())[-500:]}")
            except RayError as error:  # Ray's own: a process, its raylet, its node or an object is lost
                loss = error
            else:
                return result
            finally:
                self._running.discard(task)
        raise loss

    @functools.cached_property
    def _modules(self) -> Any:
        """The modules beside the study, in Ray's object store."""
        import ray

        return ray.put(modules(self._folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the running trials."""
        import ray

        self._stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for task in list(self._running):
            ray.cancel(task, force=True)
        self._threads.shutdown()


def _check_listening(address: str) -> None:
    """Raise OSError or ValueError if nothing listens at `host:port`."""
    if address in {"local", "auto"}:
        return
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise ValueError("expected host:port, such as 10.0.0.1:6379, or auto")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS):
        pass


def capacity(device: str) -> int:
    """Return the number of CPUs or GPUs that the cluster has now."""
    import ray

    resources: dict[str, float] = ray.cluster_resources()
    return int(resources.get("CPU" if device == "cpu" else "GPU", 0))


def gpu_share(workers: int, gpus: int) -> float:
    """Return the share of a GPU for each of `workers` trials at a time: 1, 1/2, 1/3, ..., rounded down."""
    return math.floor(10_000 / max(math.ceil(workers / gpus), 1)) / 10_000


def modules(folder: Path | None) -> Modules:
    """Return the Python files that a module in the folder may import: those in it, and in packages below it."""
    if folder is None:
        return {}
    paths = sorted(folder.glob("*.py"))
    for package in sorted(path.parent for path in folder.glob("*/__init__.py")):
        paths += sorted(package.rglob("*.py"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


# --- on a node -------------------------------------------------------------------------------------------------------


def run_on_node(trial: Trial, device: str, data: Path | None, sent: Modules) -> TrialResult:
    """Run a trial in this process of a node and return its result; a failed one if the node lacks what it needs.

    Args:
        trial: The trial.
        device: `cpu`, or `cuda` for the GPU that Ray assigns to this process.
        data: The folder of the data set; None to find or fetch it.
        sent: The modules beside the study file.
    """
    from suite.training.run_trial import check_code, run_trial

    keep_memory()
    if device == "cuda":
        device = "cuda:0"
    if not device_works(device):
        os._exit(1)  # every further trial in this process would fail; Ray starts another one
    try:
        folder = _write_modules(tuple(sorted(sent.items())))
        _check_version(trial)
        check_code(trial, folder)
        root = _find_data(trial.problem, folder, data)
    except (UserError, OSError) as error:
        return _failed(trial, f"node {platform.node()}: {error}")
    return run_trial(trial, device=device, data=root, folder=folder)


def _check_version(trial: Trial) -> None:
    """Check that Ravine here computes what the description of the trial says.

    Raises:
        UserError: The training version differs.
    """
    if trial.contract != TRAINING_VERSION:
        problem = f"{TRAINING_VERSION} in the installed Ravine, {trial.contract} in the trial"
        raise UserError("training version", problem, "Install the same version of Ravine on all machines")


def _failed(trial: Trial, reason: str) -> TrialResult:
    return TrialResult(trial=trial, outcome=Outcome.FAILED, reason=reason, started=time.time())


@functools.cache
def _find_data(problem: str, folder: Path | None, data: Path | None) -> Path | None:
    """Return the folder of a problem's data set on this node, verified once for each process."""
    from suite import problems
    from suite.data import datasets

    data_set = problems.find_problem(problem, folder).data_set
    return datasets.ensure(data_set, data) if data_set else None


@functools.cache
def _write_modules(sent: tuple[tuple[str, bytes], ...]) -> Path | None:
    """Write the sent modules to a folder of this node, named by their content, which all its processes share."""
    from filelock import FileLock

    from suite.data.datasets import cache_folder

    if not sent:
        return None
    total = hashlib.sha256()
    for name, content in sent:
        total.update(f"{name} {len(content)}\n".encode() + content)
    folder = cache_folder() / "modules" / total.hexdigest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_folder() / ".modules.lock"):  # no process deletes a folder that another one imports from
        if any(not (folder / name).is_file() or (folder / name).read_bytes() != content for name, content in sent):
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                complete = Path(scratch, "complete")
                for name, content in sent:
                    (complete / name).parent.mkdir(parents=True, exist_ok=True)
                    (complete / name).write_bytes(content)
                shutil.rmtree(folder, ignore_errors=True)
                complete.rename(folder)
    return folder
