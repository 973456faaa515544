"""`suite.execution.ray_cluster`: trials on a real Ray, with nodes that die, give what they give on this machine."""

import contextlib
import dataclasses
import os
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

from suite.execution import ray_cluster, runner
from suite.records import Outcome, TrialResult
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tracking.store import Store, locate
from suite.training.run_trial import run_trial

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("no_figures")]

TRACED = """
import os
import time
from toy import Blobs

class Traced(Blobs):
    '''Tells which process of Ray's it runs below, and takes a while.'''

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
    """Ray, where it is installed."""
    return pytest.importorskip("ray", reason='Ray is not installed: pip install "ravine[ray]"')


@pytest.fixture(scope="module")
def nodes(ray, tmp_path_factory):
    """A head and two further nodes of one CPU each, with a cache of their own; the dead are noticed soon."""
    from ray.cluster_utils import Cluster

    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 2, "health_check_timeout_ms": 1000}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAVINE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.delenv("RAVINE_DATA", raising=False)
        size = {"num_cpus": 1, "object_store_memory": ray_cluster.OBJECTS, "include_dashboard": False}
        found = Cluster(initialize_head=True, head_node_args={**size, "_system_config": quick})
        for _ in range(2):
            found.add_node(**size)
        yield found
        found.shutdown()


@pytest.fixture
def connected(nodes):
    """A connection to it."""
    with ray_cluster.Cluster(nodes.address) as found:
        yield found


@pytest.fixture
def traced(write_study):
    """The path of a study whose problem lies in a file of its own, which imports another one."""
    path = write_study("BLOBS", repeats=6)
    (path.parent / "traced.py").write_text(TRACED, encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("toy:BLOBS", "traced:TRACED"), encoding="utf-8")
    return path


def _table(here, name):
    """The table of the report of a study, without what is measured in seconds."""
    import pandas as pd

    table = pd.read_csv(here / "out" / "reports" / name / "table.csv")
    return table[[column for column in table if "second" not in column]]


def test_a_cluster_that_loses_a_node_gives_the_table_of_this_machine(nodes, connected, traced, here, monkeypatch):
    """A head and two nodes, one of them killed in the middle of a trial: same digests, same table, that trial ran twice."""
    from reports.pages.study import build

    monkeypatch.setenv("RAVINE_CACHE", str(here))
    study = load_study(traced)
    trials = plan(study)
    stores = {name: Store(locate(str(here / name), here), here) for name in ("local", "ray")}
    for trial in trials:  # in this process, whose environment the trials read
        stores["local"].write(study, run_trial(trial, folder=study.folder))
    monkeypatch.undo()
    starts = Path(os.environ["RAVINE_CACHE"]) / "starts"
    others = {node.all_processes["raylet"][0].process.pid: node for node in nodes.worker_nodes}
    killed = []

    def kill():
        seen = 3  # each node has one by then
        while not killed:
            started = [int(line) for line in starts.read_text().split()] if starts.exists() else []
            for place in started[seen:]:
                if place in others and not killed:
                    killed.append(place)
                    os.kill(place, signal.SIGKILL)  # a moment after it has started a trial
            seen = max(seen, len(started))
            time.sleep(0.01)

    with connected.executor(None, len(trials), connected.device("auto"), None, study.folder) as executor:
        assert executor.workers == 3
        threading.Thread(target=kill, daemon=True).start()
        assert runner.run(study, trials, stores["ray"], executor) == {Outcome.OK: len(trials)}
    assert killed
    assert len(starts.read_text().split()) > len(trials)
    found = {}
    for name, store in stores.items():
        records = store.records([trial.id for trial in trials])
        found[name] = [records[trial.id].weights for trial in trials]
        build(study, trials, store, here / "out" / "reports" / name)
    assert found["ray"] == found["local"]
    assert len(set(found["ray"])) == len(trials)
    assert _table(here, "ray").equals(_table(here, "local"))
    nodes.remove_node(others[killed[0]])


def test_a_tuning_on_a_cluster_is_that_of_this_machine(nodes, traced, call, here):
    """Both commands in full: same configurations, same values, same digests of the final trials."""
    tune = "\n[tune]\ntrials = 3\nbatch = 2\nrepeats = 1\nobjective = 'validation/loss'\nparameters = ['lr']\n"
    traced.write_text(traced.read_text(encoding="utf-8").replace("traced:TRACED", "toy:BLOBS") + tune, encoding="utf-8")
    small = ["--optimizer", "Adam", "--repeats", "2"]
    assert call("tune", traced, *small, "--store", "local")[0] == 0
    status, _, told = call("tune", traced, *small, "--store", "ray", "--executor", "ray", "--address", nodes.address)
    assert status == 0, told
    found = []
    for name in ("local", "ray"):
        store = Store(locate(str(here / name), here), here, create=False)
        tried = [
            dataclasses.replace(each, seconds=0, run_id="", recorded=0) for each in store.configurations(traced.stem)
        ]
        (tuned,) = (here / "out" / "studies").glob("*.toml")
        final = store.records([trial.id for trial in plan(load_study(tuned))])
        found.append((tried, {key: record.weights for key, record in final.items()}))
    assert found[0] == found[1]
    assert (len(found[0][0]), len(found[0][1])) == (3, 4)


@pytest.mark.parametrize("problem", ["DEADLY_BLOBS", "QUIET_BLOBS"])
def test_a_trial_that_ends_its_process_fails_after_some_tries(connected, write_study, monkeypatch, problem):
    """Killed, or ended with exit status 0: it is a failed trial with a reason, and the next one runs."""
    monkeypatch.setattr(ray_cluster, "RETRIES", 1)
    path = write_study(repeats=1)
    deadly, good = plan(load_study(write_study(problem, repeats=1, name="deadly")))[0], plan(load_study(path))[0]
    with connected.executor(None, 2, "cpu", None, path.parent) as executor:
        lost = runner.settled(executor.submit(deadly), deadly)
        assert lost.outcome is Outcome.FAILED
        assert lost.reason.startswith("the worker was lost: ")
        assert executor.submit(good).result(timeout=120).outcome is Outcome.OK


def test_a_raylet_that_dies_under_a_trial_is_a_loss_like_others(connected, write_study, monkeypatch):
    """Whatever error of Ray's own tells of a loss, the trial runs again; an error of ours does not."""
    import ray
    from ray.exceptions import LocalRayletDiedError

    path = write_study()
    trial = plan(load_study(path))[0]
    found, asked = ray.get, []

    def get(task):
        asked.append(task)
        if len(asked) == 1:
            raise LocalRayletDiedError
        return found(task)

    monkeypatch.setattr(ray, "get", get)
    with connected.executor(1, 1, "cpu", None, path.parent) as executor:
        assert executor.submit(trial).result(timeout=120).outcome is Outcome.OK
    assert len(asked) == 2


def test_more_workers_than_gpus_share_them(nodes, connected, write_study, here, monkeypatch):
    """Four trials at a time on two GPUs: each asks for half of one, sees one alone, and no fifth runs beside them."""
    study = load_study(write_study(repeats=6))

    def traced(trial, device, data, sent):
        started = time.time()
        (here / f"{trial.id}.started").touch()
        while len(list(here.glob("*.started"))) < 4 and time.time() < started + 60:  # four are there at the same time
            time.sleep(0.05)
        time.sleep(0.1)
        seen = f"{os.environ['CUDA_VISIBLE_DEVICES']} {time.time()}"
        return TrialResult(trial=trial, outcome=Outcome.OK, reason=seen, started=started)

    monkeypatch.setattr(ray_cluster, "run_on_node", traced)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)  # Ray refuses GPUs that it hides
    node = nodes.add_node(num_cpus=6, num_gpus=2, object_store_memory=ray_cluster.OBJECTS)
    try:
        assert connected.device("auto") == "cuda"
        with connected.executor(4, 12, "cuda", None, study.folder) as executor:
            results = [each.result(timeout=120) for each in [executor.submit(trial) for trial in plan(study)]]
    finally:
        nodes.remove_node(node)
    seen = [(result.started, *result.reason.split()) for result in results]
    assert {gpu for _, gpu, _ in seen} == {"0", "1"}
    for began, _, _ in seen:
        beside = [gpu for start, gpu, end in seen if start <= began < float(end)]
        assert len(beside) <= 4
        assert max(beside.count("0"), beside.count("1")) <= 2
    assert max(sum(start <= began < float(end) for start, _, end in seen) for began, _, _ in seen) == 4


def test_what_a_cluster_lacks_is_told_in_one_line(connected, nodes, call, write_study):
    """No GPU there, a device by number, an address that nobody listens at, an address without Ray."""
    path = write_study()
    with pytest.raises(ray_cluster.UserError, match=r"--device: there is no GPU in the cluster at .* Write auto"):
        connected.device("cuda")
    with pytest.raises(ray_cluster.UserError, match=r'on a cluster Ray chooses the GPU, so "cuda:1"'):
        connected.device("cuda:1")
    for address, why in (("127.0.0.1:9", "Connection refused"), ("head", "expected host:port")):
        status, _, told = call("run", path, "--executor", "ray", "--address", address)
        assert status == 2
        assert told.startswith(f'ravine: --address: no Ray answers at "{address}": ')
        assert why in told
        assert told.count("\n") == 1
    status, _, told = call("run", path, "--address", nodes.address)
    assert (status, told.count("\n")) == (2, 1)
    assert "Add --executor ray" in told


def test_without_ray_the_mend_is_told(call, write_study, monkeypatch):
    """`--executor ray` where Ray is not installed: one line, status 2."""
    monkeypatch.setitem(sys.modules, "ray", None)
    status, _, told = call("run", write_study(), "--executor", "ray")
    assert status == 2
    assert told == 'ravine: --executor: Ray is not installed here. Write, in a clone of Ravine: pip install ".[ray]"\n'


def test_a_ray_of_ones_own_is_private_and_ends_with_the_command(ray, write_study):
    """It listens on 127.0.0.1 alone, and none of its workers and servers outlives a coordinator that is killed."""
    path = write_study("SLOW_BLOBS", repeats=100)
    command = [sys.executable, "-m", "ravine", "run", path, "--executor", "ray", "--workers", "2"]
    with subprocess.Popen(
        command, cwd=path.parent, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    ) as coordinator:
        assert coordinator.stderr.readline().startswith("200 trials on 2 workers"), coordinator.stderr.read()
        assert coordinator.stderr.readline().startswith("1/200 ")
        family = process_info.family(coordinator.pid)
        listening = [place for pid in family for place in process_info.listening(pid)]
        coordinator.kill()
    assert any("raylet" in command for command in family.values())
    assert len(listening) > 3
    assert set(listening) == {"127.0.0.1"}
    end = time.monotonic() + 60
    while _at_work(coordinator.pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert _at_work(coordinator.pid) == {}


def _at_work(session):
    """The processes of a session but Ray's two agents, which notice by themselves, a minute or two later."""
    return {pid: command for pid, command in process_info.family(session).items() if "Agent" not in command}


# --- on a node, without Ray ------------------------------------------------------------------------------------------


def test_the_modules_beside_a_study_travel_with_it(traced, here, tmp_path, monkeypatch):
    """A file, what it imports and packages go to the node's cache, under a name of their content; other files do not."""
    (here / "package" / "inner").mkdir(parents=True)
    for name in ("package/__init__.py", "package/inner/part.py", "notes.txt"):
        (here / name).write_text("# x\n", encoding="utf-8")
    sent = ray_cluster.modules(here)
    assert set(sent) == {"toy.py", "traced.py", "package/__init__.py", "package/inner/part.py"}
    monkeypatch.setenv("RAVINE_CACHE", str(tmp_path / "node"))
    trial = plan(load_study(traced))[0]
    there = ray_cluster.run_on_node(trial, "cpu", None, sent)
    assert (there.outcome, there.reason) == (Outcome.OK, "")
    (folder,) = (tmp_path / "node" / "modules").iterdir()
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.py")} == set(sent)
    assert ray_cluster.modules(None) == {}


def test_two_processes_of_a_node_share_the_modules(tmp_path, monkeypatch):
    """Where two begin at once, what the first has written stays: the second does not put its own in place of it."""
    monkeypatch.setenv("RAVINE_CACHE", str(tmp_path))
    both, temporary = threading.Barrier(2), tempfile.TemporaryDirectory

    def slowly(**given):
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
        return temporary(**given)

    def write(_):
        folder = ray_cluster._written.__wrapped__((("own.py", b"# x"),))
        return folder, folder.stat().st_ino

    monkeypatch.setattr(ray_cluster.tempfile, "TemporaryDirectory", slowly)
    with ThreadPoolExecutor(2) as pool:
        ((folder, written),) = set(pool.map(write, range(2)))
    assert folder.stat().st_ino == written
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    (folder / "own.py").write_text("# edited", encoding="utf-8")
    assert (write(0)[0] / "own.py").read_bytes() == b"# x", "what was damaged is written anew"


def test_a_node_refuses_what_it_would_compute_otherwise(traced, here, tmp_path, monkeypatch):
    """Another training contract, and a module that was edited after the plan: failed, with the node and the mend."""
    monkeypatch.setenv("RAVINE_CACHE", str(tmp_path / "node"))
    trial = plan(load_study(traced))[0]
    other = ray_cluster.run_on_node(dataclasses.replace(trial, contract=trial.contract + 1), "cpu", None, {})
    assert other.outcome is Outcome.FAILED
    assert other.reason.startswith("node ")
    assert "Install one version on all machines" in other.reason
    sent = ray_cluster.modules(here)
    edited = ray_cluster.run_on_node(trial, "cpu", None, sent | {"traced.py": sent["traced.py"] + b"# edited\n"})
    assert (edited.outcome, "traced.py changed after the study was planned" in edited.reason) == (Outcome.FAILED, True)


def test_a_node_finds_the_data_by_itself_and_verifies_it(here, tmp_path, monkeypatch):
    """RAVINE_DATA of the node counts, a folder with other bytes is refused by digest, and the trial says so."""
    trial = plan(load_study("airfoil").override(repeats=1, epochs=1))[0]
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "airfoil_self_noise.dat").write_bytes(b"1 2 3\r\n")
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path / "wrong"))
    ray_cluster._data.cache_clear()
    result = ray_cluster.run_on_node(trial, "cpu", None, {})
    assert result.outcome is Outcome.FAILED
    assert "expected sha1 76e5be15" in result.reason
    ray_cluster._data.cache_clear()


@pytest.mark.parametrize(("workers", "gpus", "share"), [(1, 1, 1), (2, 2, 1), (3, 2, 0.5), (3, 1, 0.3333), (1, 4, 1)])
def test_a_trial_asks_for_its_part_of_a_gpu(workers, gpus, share):
    """So many trials fit on so many GPUs, and their parts never add up to more than one."""
    assert ray_cluster.gpu_share(workers, gpus) == share
    assert int(1 / share) * gpus >= workers
