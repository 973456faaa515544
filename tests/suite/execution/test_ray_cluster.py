"""`suite.execution.ray_cluster`: trials on a real Ray cluster, also one that loses nodes, give the results of this machine."""

import contextlib
import dataclasses
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import process_info
import pytest

from suite.errors import UserError
from suite.execution import ray_cluster, runner
from suite.records import Outcome, TrialResult
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tracking.store import Store, locate
from suite.training.run_trial import run_trial

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("no_figures")]

TRACED = """
import os
import time
from toy import Blobs

class Traced(Blobs):
    '''Writes the process id of its raylet to a file, and takes a while.'''

    key = "traced"

    def network(self):
        with open(os.path.join(os.environ["RAVINE_CACHE"], "starts"), "a") as file:
            file.write(f"{os.getppid()}\\n")
        time.sleep(0.4)
        return super().network()

TRACED = Traced()
"""


@pytest.fixture(scope="module")
def ray():
    """Return Ray if it is installed."""
    return pytest.importorskip("ray", reason='Ray is not installed: pip install "ravine[ray]"')


@pytest.fixture(scope="module")
def nodes(ray, tmp_path_factory):
    """Return a cluster of a head and two more nodes with one CPU each; lost nodes are detected quickly."""
    from ray.cluster_utils import Cluster

    fast_checks = {"health_check_period_ms": 500, "health_check_failure_threshold": 2, "health_check_timeout_ms": 1000}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAVINE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.delenv("RAVINE_DATA", raising=False)
        size = {"num_cpus": 1, "object_store_memory": ray_cluster.OBJECT_STORE_BYTES, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args={**size, "_system_config": fast_checks})
        for _ in range(2):
            cluster.add_node(**size)
        yield cluster
        cluster.shutdown()


@pytest.fixture
def connected(nodes):
    """Return a connection to the cluster."""
    with ray_cluster.Cluster(nodes.address) as connection:
        yield connection


@pytest.fixture
def traced(write_study):
    """Return the path of a study whose problem is in a file that imports another one."""
    path = write_study("BLOBS", repeats=6)
    (path.parent / "traced.py").write_text(TRACED, encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("toy:BLOBS", "traced:TRACED"), encoding="utf-8")
    return path


def _table(here, name):
    """Return the table of a report without the columns in seconds."""
    import pandas as pd

    table = pd.read_csv(here / "out" / "reports" / name / "table.csv")
    return table[[column for column in table if "second" not in column]]


def test_a_cluster_that_loses_a_node_gives_the_results_of_this_machine(nodes, connected, traced, here, monkeypatch):
    """One of three nodes is killed during a trial: same digests, same table, and that trial ran twice."""
    from reports.pages.study import build

    monkeypatch.setenv("RAVINE_CACHE", str(here))
    study = load_study(traced)
    trials = plan(study)
    stores = {name: Store(locate(str(here / name), here), here) for name in ("local", "ray")}
    for trial in trials:  # in this process, whose environment the trials read
        stores["local"].write(study, run_trial(trial, folder=study.folder))
    monkeypatch.undo()
    starts = Path(os.environ["RAVINE_CACHE"]) / "starts"
    workers = {node.all_processes["raylet"][0].process.pid: node for node in nodes.worker_nodes}
    killed = []

    def kill():
        seen = 3  # each node has started one by then
        while not killed:
            started = [int(line) for line in starts.read_text().split()] if starts.exists() else []
            for raylet in started[seen:]:
                if raylet in workers and not killed:
                    killed.append(raylet)
                    os.kill(raylet, signal.SIGKILL)  # a moment after it has started a trial
            seen = max(seen, len(started))
            time.sleep(0.01)

    with connected.executor(None, len(trials), connected.device("auto"), None, study.folder) as executor:
        assert executor.workers == 3
        threading.Thread(target=kill, daemon=True).start()
        assert runner.run(study, trials, stores["ray"], executor) == {Outcome.OK: len(trials)}
    assert killed
    assert len(starts.read_text().split()) > len(trials)
    weights = {}
    for name, store in stores.items():
        records = store.records([trial.id for trial in trials])
        weights[name] = [records[trial.id].weights for trial in trials]
        build(study, trials, store, here / "out" / "reports" / name)
    assert weights["ray"] == weights["local"]
    assert len(set(weights["ray"])) == len(trials)
    assert _table(here, "ray").equals(_table(here, "local"))
    nodes.remove_node(workers[killed[0]])


def test_a_tuning_on_a_cluster_gives_the_results_of_this_machine(nodes, traced, call, here):
    """The complete command gives the same configurations, values and digests of the final trials."""
    tune = "\n[tune]\ntrials = 3\nbatch = 2\nrepeats = 1\nobjective = 'validation/loss'\nparameters = ['lr']\n"
    traced.write_text(traced.read_text(encoding="utf-8").replace("traced:TRACED", "toy:BLOBS") + tune, encoding="utf-8")
    small = ["--optimizer", "Adam", "--repeats", "2"]
    assert call("tune", traced, *small, "--store", "local")[0] == 0
    status, _, err = call("tune", traced, *small, "--store", "ray", "--executor", "ray", "--address", nodes.address)
    assert status == 0, err
    results = []
    for name in ("local", "ray"):
        store = Store(locate(str(here / name), here), here, create=False)
        configurations = [
            dataclasses.replace(configuration, seconds=0, run_id="", recorded=0)
            for configuration in store.configurations(traced.stem)
        ]
        (tuned,) = (here / "out" / "studies").glob("*.toml")
        final = store.records([trial.id for trial in plan(load_study(tuned))])
        results.append((configurations, {key: record.weights for key, record in final.items()}))
    assert results[0] == results[1]
    assert (len(results[0][0]), len(results[0][1])) == (3, 4)


@pytest.mark.parametrize("problem", ["DEADLY_BLOBS", "QUIET_BLOBS"])
def test_a_trial_that_ends_its_process_fails_after_the_retries(connected, write_study, monkeypatch, problem):
    """A trial whose process is killed or exits with status 0 fails with a reason, and the next one runs."""
    monkeypatch.setattr(ray_cluster, "RETRIES", 1)
    path = write_study(repeats=1)
    deadly, good = plan(load_study(write_study(problem, repeats=1, name="deadly")))[0], plan(load_study(path))[0]
    with connected.executor(None, 2, "cpu", None, path.parent) as executor:
        lost = runner.future_result(executor.submit(deadly), deadly)
        assert lost.outcome is Outcome.FAILED
        assert lost.reason.startswith("the worker was lost: ")
        assert executor.submit(good).result(timeout=120).outcome is Outcome.OK


def test_a_trial_runs_again_after_its_raylet_was_lost(connected, write_study, monkeypatch):
    """After an error of Ray itself, the trial runs again."""
    import ray
    from ray.exceptions import LocalRayletDiedError

    path = write_study()
    trial = plan(load_study(path))[0]
    original, tasks = ray.get, []

    def get(task):
        tasks.append(task)
        if len(tasks) == 1:
            raise LocalRayletDiedError
        return original(task)

    monkeypatch.setattr(ray, "get", get)
    with connected.executor(1, 1, "cpu", None, path.parent) as executor:
        assert executor.submit(trial).result(timeout=120).outcome is Outcome.OK
    assert len(tasks) == 2


def test_more_workers_than_gpus_share_them(nodes, connected, write_study, here, monkeypatch):
    """Four trials at a time share two GPUs: each requests half of one and sees only that one, and no fifth runs."""
    study = load_study(write_study(repeats=6))

    def run_on_node(trial, device, data, sent):
        started = time.time()
        (here / f"{trial.id}.started").touch()
        while len(list(here.glob("*.started"))) < 4 and time.time() < started + 60:  # four run at the same time
            time.sleep(0.05)
        time.sleep(0.1)
        gpu_and_end = f"{os.environ['CUDA_VISIBLE_DEVICES']} {time.time()}"
        return TrialResult(trial=trial, outcome=Outcome.OK, reason=gpu_and_end, started=started)

    monkeypatch.setattr(ray_cluster, "run_on_node", run_on_node)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)  # Ray does not start with hidden GPUs
    node = nodes.add_node(num_cpus=6, num_gpus=2, object_store_memory=ray_cluster.OBJECT_STORE_BYTES)
    try:
        assert connected.device("auto") == "cuda"
        with connected.executor(4, 12, "cuda", None, study.folder) as executor:
            results = [future.result(timeout=120) for future in [executor.submit(trial) for trial in plan(study)]]
    finally:
        nodes.remove_node(node)
    spans = [(result.started, *result.reason.split()) for result in results]
    assert {gpu for _, gpu, _ in spans} == {"0", "1"}
    for began, _, _ in spans:
        active = [gpu for start, gpu, end in spans if start <= began < float(end)]
        assert len(active) <= 4
        assert max(active.count("0"), active.count("1")) <= 2
    assert max(sum(start <= began < float(end) for start, _, end in spans) for began, _, _ in spans) == 4


def test_errors_of_a_cluster_have_one_line(connected, nodes, call, write_study, wording):
    """No GPU, a device with a number, an address without a listener, an invalid address, an address without --executor ray."""
    path = write_study()
    for device in ("cuda", "cuda:1"):
        with pytest.raises(UserError) as error:
            connected.device(device)
        wording(error.value, {nodes.address: "<address>"})
    for address in ("127.0.0.1:9", "head"):
        status, _, err = call("run", path, "--executor", "ray", "--address", address)
        assert (status, err.count("\n")) == (2, 1)
        wording(err)
    status, _, err = call("run", path, "--address", nodes.address)
    assert (status, err.count("\n")) == (2, 1)
    wording(err)


def test_without_ray_the_error_has_a_hint(call, write_study, monkeypatch, wording):
    """`--executor ray` without Ray is an error in one line with status 2."""
    monkeypatch.setitem(sys.modules, "ray", None)
    status, _, err = call("run", write_study(), "--executor", "ray")
    assert status == 2
    wording(err)


def test_a_local_ray_instance_is_private_and_ends_with_the_command(ray, write_study):
    """It listens on 127.0.0.1 only, and no worker or server of it outlives a coordinator that is killed."""
    path = write_study("SLOW_BLOBS", repeats=100)
    command = [sys.executable, "-m", "ravine", "run", path, "--executor", "ray", "--workers", "2"]
    with subprocess.Popen(
        command, cwd=path.parent, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    ) as coordinator:
        assert coordinator.stderr.readline().startswith("200 trials on 2 workers"), coordinator.stderr.read()
        assert coordinator.stderr.readline().startswith("1/200 ")
        processes = process_info.session_processes(coordinator.pid)
        addresses = [address for pid in processes for address in process_info.listening_addresses(pid)]
        coordinator.kill()
    assert any("raylet" in command for command in processes.values())
    assert len(addresses) > 3
    assert set(addresses) == {"127.0.0.1"}
    deadline = time.monotonic() + 60
    while _without_agents(coordinator.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _without_agents(coordinator.pid) == {}


def _without_agents(session):
    """Return the processes of a session except Ray's two agents, which end by themselves a minute or two later."""
    return {pid: command for pid, command in process_info.session_processes(session).items() if "Agent" not in command}


# --- on a node, without Ray ------------------------------------------------------------------------------------------


def test_the_modules_beside_a_study_are_sent_to_the_node(traced, here, tmp_path, monkeypatch):
    """Modules and packages are written to the node's cache, in a folder named by their content; other files are not."""
    (here / "package" / "inner").mkdir(parents=True)
    for name in ("package/__init__.py", "package/inner/part.py", "notes.txt"):
        (here / name).write_text("# x\n", encoding="utf-8")
    sent = ray_cluster.modules(here)
    assert set(sent) == {"toy.py", "traced.py", "package/__init__.py", "package/inner/part.py"}
    monkeypatch.setenv("RAVINE_CACHE", str(tmp_path / "node"))
    trial = plan(load_study(traced))[0]
    result = ray_cluster.run_on_node(trial, "cpu", None, sent)
    assert (result.outcome, result.reason) == (Outcome.OK, "")
    (folder,) = (tmp_path / "node" / "modules").iterdir()
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.py")} == set(sent)
    assert ray_cluster.modules(None) == {}


def test_two_processes_of_a_node_share_the_modules(tmp_path, monkeypatch):
    """If two begin at the same time, the second does not replace the files of the first."""
    monkeypatch.setenv("RAVINE_CACHE", str(tmp_path))
    both, original = threading.Barrier(2), tempfile.TemporaryDirectory

    def slow(**options):
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
        return original(**options)

    def write(_):
        folder = ray_cluster._write_modules.__wrapped__((("own.py", b"# x"),))
        return folder, folder.stat().st_ino

    monkeypatch.setattr(ray_cluster.tempfile, "TemporaryDirectory", slow)
    with ThreadPoolExecutor(2) as pool:
        ((folder, inode),) = set(pool.map(write, range(2)))
    assert folder.stat().st_ino == inode
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    (folder / "own.py").write_text("# edited", encoding="utf-8")
    assert (write(0)[0] / "own.py").read_bytes() == b"# x", "damaged files are written again"


def test_a_node_refuses_trials_that_it_would_compute_differently(traced, here, tmp_path, monkeypatch, wording):
    """Another training version and a module that was edited after the plan give a failed trial with node and hint."""
    monkeypatch.setenv("RAVINE_CACHE", str(tmp_path / "node"))
    trial = plan(load_study(traced))[0]
    other = ray_cluster.run_on_node(dataclasses.replace(trial, contract=trial.contract + 1), "cpu", None, {})
    assert other.outcome is Outcome.FAILED
    wording(other.reason, {platform.node(): "<node>"})
    sent = ray_cluster.modules(here)
    edited = ray_cluster.run_on_node(trial, "cpu", None, sent | {"traced.py": sent["traced.py"] + b"# edited\n"})
    assert edited.outcome is Outcome.FAILED
    wording(edited.reason, {platform.node(): "<node>"})


def test_a_node_finds_and_verifies_the_data(here, tmp_path, monkeypatch):
    """The node uses its RAVINE_DATA; a file with another digest gives a failed trial with the reason."""
    trial = plan(load_study("airfoil").override(repeats=1, epochs=1))[0]
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "airfoil_self_noise.dat").write_bytes(b"1 2 3\r\n")
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path / "wrong"))
    ray_cluster._find_data.cache_clear()
    result = ray_cluster.run_on_node(trial, "cpu", None, {})
    assert result.outcome is Outcome.FAILED
    assert "expected sha1 76e5be15" in result.reason
    ray_cluster._find_data.cache_clear()


@pytest.mark.parametrize(("workers", "gpus", "share"), [(1, 1, 1), (2, 2, 1), (3, 2, 0.5), (3, 1, 0.3333), (1, 4, 1)])
def test_a_trial_requests_its_share_of_a_gpu(workers, gpus, share):
    """The trials fit on the GPUs, and the shares of a GPU never add up to more than one."""
    assert ray_cluster.gpu_share(workers, gpus) == share
    assert int(1 / share) * gpus >= workers
