"""Every optimizer that seven packages export, in a trial and in a plain loop: `tox -e optimizers` writes docs/optimizers.md.

Ravine plans, probes and runs a class as `ravine run` does, with the options in `SETTINGS`. The plain loop trains the same
network on the same batches without Ravine's training code. Either both have the same losses and final weights, or Ravine
refuses the class before anything runs. Compilers are off in both (`TORCHDYNAMO_DISABLE`): they take minutes for some classes.

Each class has a process of its own with a time limit. The outcomes are kept in out/optimizer_packages.json, so a second call
measures only what is missing or has another version. Arguments restrict a call to packages and classes:
`tox -e optimizers -- heavyball torch.optim:Muon`.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import inspect
import json
import multiprocessing
import os
import platform
import random
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from markdown_tables import grid, put
from pebble import ProcessExpired, ProcessPool
from torch import nn

from suite.errors import UserError, format_value
from suite.execution import step_probe
from suite.optimizers import find_optimizer
from suite.records import STEP_LOSS, Outcome
from suite.seeds import seed_for
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.devices import deterministic_mode
from suite.training.run_trial import digest, run_trial

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "optimizers.md"
STATE = Path("out") / "optimizer_packages.json"
PROBLEM = ROOT / "tests" / "support" / "digits_cnn.py"
SECONDS = 300
"""The time limit of a class."""
EPOCHS, EXAMPLES, BATCH_SIZE = 2, 440, 60
STUDY = f"""
title = "One optimizer"
problem = "digits_cnn:DIGITS_CNN"
repeats = 1
epochs = {EPOCHS}
batch_size = {BATCH_SIZE}
train_examples = {EXAMPLES}
"""
PACKAGES = {  # modules, and the distributions that they are in
    "torch.optim": "torch",
    "pytorch_optimizer": "pytorch-optimizer",
    "schedulefree": "schedulefree",
    "heavyball": "heavyball",
    "optimi": "torch-optimi",
    "lion_pytorch": "lion-pytorch",
    "prodigyopt": "prodigyopt",
}


@dataclass(frozen=True)
class Setting:
    """What the entry of a class has besides its kind, and what the plain loop does for it.

    Attributes:
        options: Keyword arguments of the constructor.
        extra: Keyword arguments that only its `**kwargs` takes.
        closure: Whether its step takes a closure.
        create_graph: Whether it differentiates the gradients.
        inner: The kind of the optimizer that a wrapper gets. Its options are `inner_options`.
        inner_options: Keyword arguments of the constructor of the inner optimizer.
        after_gradients: Whether its step with a closure starts from the gradients of an evaluation before it, as SAM does.
    """

    options: dict[str, object] = field(default_factory=dict)
    extra: dict[str, object] = field(default_factory=dict)
    closure: bool = False
    create_graph: bool = False
    inner: str = ""
    inner_options: dict[str, object] = field(default_factory=dict)
    after_gradients: bool = False

    def entry(self, kind: str) -> list[str]:
        """Return the lines of an entry of a study file that name its optimizer."""
        if not self.inner:
            return [f'kind = "{kind}"', *self.lines()]
        options = "".join(f", {name} = {format_value(value)}" for name, value in self.options.items())
        inner = replace(self, options=self.inner_options)
        return [f'kind = "{self.inner}"', f'wraps = [{{ kind = "{kind}"{options} }}]', *inner.lines()]

    def lines(self) -> list[str]:
        """Return the lines of its options."""
        lines = [f"{name} = {format_value(value)}" for name, value in self.options.items()]
        if self.extra:
            extra = ", ".join(f"{name} = {format_value(value)}" for name, value in self.extra.items())
            lines.append(f"extra = {{ {extra} }}")
        return [*lines, *(f"{name} = true" for name in ("closure", "create_graph") if getattr(self, name))]


DEFAULTS = Setting()
SETTINGS = {
    "torch.optim:LBFGS": Setting(closure=True),
    "pytorch_optimizer:AdaHessian": Setting(create_graph=True),
    "pytorch_optimizer:AliG": Setting(closure=True),
    "pytorch_optimizer:BSAM": Setting({"num_data": EXAMPLES}, closure=True, after_gradients=True),
    "pytorch_optimizer:LBFGS": Setting(closure=True),
    "pytorch_optimizer:Ranger21": Setting({"num_iterations": 16}),
    "pytorch_optimizer:SophiaH": Setting(create_graph=True),
    **{
        f"pytorch_optimizer:{name}": Setting(inner="torch.optim:SGD", inner_options={"lr": 0.1, "momentum": 0.9})
        for name in ("Lookahead", "OrthoGrad", "ScheduleFreeWrapper", "TRAC")
    },
    **{
        f"pytorch_optimizer:{name}": Setting(
            inner="torch.optim:SGD", inner_options={"lr": 0.1}, closure=True, after_gradients=True
        )
        for name in ("FriendlySAM", "LookSAM", "SAM")
    },
    "pytorch_optimizer:WSAM": Setting(inner="torch.optim:SGD", inner_options={"lr": 0.1}, closure=True),
    **{f"schedulefree:{name}ScheduleFreeClosure": Setting(closure=True) for name in ("AdamW", "RAdam", "SGD")},
    **{f"optimi:{name}": Setting({"lr": 1e-3}) for name in ("Adam", "AdamW", "Adan", "RAdam", "Ranger")},
    "optimi:Lion": Setting({"lr": 1e-4}),
    "optimi:SGD": Setting({"lr": 1e-2}),
    "optimi:StableAdamW": Setting({"lr": 1e-3, "triton": False}),
}
_WRAPPER = "wraps another optimizer, which it requires as an object"
_MODEL = "requires the network itself instead of its parameters"
NOT_MEASURED = {  # classes that are no optimizers of parameters by themselves
    "heavyball:PSGDBase": "the base class of the PSGD methods",
    "heavyball:SOAPBase": "the base class of SOAP and its variants",
}

EQUAL, REFUSED, DIFFERENT, FAILED, TRACEBACK, NO_RESULT = (
    "equal",
    "refused",
    "different",
    "failed",
    "traceback",
    "no result",
)
VERDICTS = (EQUAL, REFUSED, DIFFERENT, FAILED, TRACEBACK, NO_RESULT)


@dataclass
class Result:
    """The result of a class.

    Attributes:
        kind: "module:Class".
        verdict: One of `VERDICTS`.
        reason: Why it is not equal, or what else the trial reports.
        weights: The digest of the plain loop's final weights; empty if the plain loop raises an error.
        versions: What the result depends on.
    """

    kind: str
    verdict: str
    reason: str = ""
    weights: str = ""
    versions: dict[str, str] = field(default_factory=dict)


def exported(module: str) -> list[str]:
    """Return the kinds of all optimizers that a module exports, sorted."""
    values = vars(importlib.import_module(module)).items()
    return sorted(f"{module}:{name}" for name, value in values if _is_optimizer(value) and not name.startswith("_"))


def _is_optimizer(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer


# --- a class in two runs -----------------------------------------------------------------------------------------------


@dataclass
class PlainRun:
    """What the plain loop computes.

    Attributes:
        losses: The loss of each step.
        test_losses: The test loss after each epoch.
        weights: The digest of the final weights.
        has_trained: Whether a parameter has changed.
    """

    losses: list[float]
    test_losses: list[float]
    weights: str
    has_trained: bool


def measure(kind: str, setting: Setting, folder: Path) -> Result:
    """Return the result of a class, whose two runs are made in this process.

    Args:
        kind: "module:Class".
        setting: Its options.
        folder: An empty folder, or one with the module.
    """
    (folder / PROBLEM.name).write_bytes(PROBLEM.read_bytes())
    path = folder / "study.toml"
    entry = ["[[optimizer]]", 'name = "it"', *setting.entry(kind)]
    path.write_text("\n".join([STUDY, *entry, ""]), encoding="utf-8")
    plain: PlainRun | None = None
    try:
        plain = plain_run(find_optimizer(kind, folder), setting, folder)
        error = ""
    except Exception as raised:  # noqa: BLE001 (other people's code)
        error = " ".join(f"{type(raised).__name__}: {raised}".split())
    weights = plain.weights if plain else ""
    try:
        return Result(kind, *_compare(path, plain, error), weights)
    except UserError as refusal:
        return Result(kind, REFUSED, "; ".join(_reason(kind, line) for line in refusal.lines), weights)
    except Exception:  # noqa: BLE001 (it is the result)
        return Result(kind, TRACEBACK, traceback.format_exc(), weights)


def _compare(path: Path, plain: PlainRun | None, error: str) -> tuple[str, str]:
    """Return verdict and reason; raise UserError if Ravine refuses the study."""
    study = load_study(path)
    (trial,) = plan(study)
    with mock.patch.object(step_probe, "call_in_process", _call):
        errors = step_probe.probe_errors([(study, [trial])], "cpu")
    if errors:
        raise UserError.combine(errors)
    result = run_trial(trial, folder=path.parent)
    if result.outcome is Outcome.FAILED:
        return FAILED, result.reason
    if plain is None:
        return DIFFERENT, f"the trial runs, and the plain loop raises {error}"
    values = {
        name: [point.value for point in result.points if point.metric == name] for name in (STEP_LOSS, "test/loss")
    }
    count = len(values[STEP_LOSS])
    equal = {
        "losses of the steps": count > 0 and np.array_equal(values[STEP_LOSS], plain.losses[:count], equal_nan=True),
        "test losses": np.allclose(
            values["test/loss"], plain.test_losses[: len(values["test/loss"])], rtol=1e-5, atol=0
        ),
        "final weights": result.weights == plain.weights or count < len(plain.losses),  # it may have stopped
    }
    if not all(equal.values()):
        return DIFFERENT, f"{', '.join(name for name, is_equal in equal.items() if not is_equal)} differ"
    if not plain.has_trained:
        return DIFFERENT, "the weights did not change"
    return EQUAL, "" if result.outcome is Outcome.OK else f"{result.outcome.value}: {result.reason}"


def _call(function: object, calls: object, device: str) -> list[object]:
    """Replace `call_in_process`: a class has a process of its own already."""
    return [function(*arguments) for arguments in calls]


def _reason(kind: str, line: object) -> str:
    """Return why a class is refused, in the words of the message, without place and hint."""
    key = line.location.rpartition(").")[2]
    problem = line.problem.removeprefix(f"{kind} cannot train the network of digits_cnn:DIGITS_CNN: ")
    return problem if key == "kind" else f"{key}: {problem}"


def plain_run(cls: type[torch.optim.Optimizer], setting: Setting, folder: Path) -> PlainRun:
    """Train in a plain loop; of Ravine it has the problem, the seeds, the number of threads and the digest of weights."""
    from digits_cnn import DIGITS_CNN as problem  # noqa: N811

    names = ("initialisation", "noise", "random", "numpy", "order")
    seeds = {name: seed_for(0, "digits_cnn:DIGITS_CNN", "final", 0, name) for name in names}
    data = problem.load(None)
    with deterministic_mode("float32"), _generators_restored():
        torch.manual_seed(seeds["initialisation"])
        network = problem.network()
        torch.manual_seed(seeds["noise"])
        random.seed(seeds["random"])
        bits = np.random.MT19937(np.random.SeedSequence(seeds["numpy"]))
        np.random.set_state(np.random.RandomState(bits).get_state())  # noqa: NPY002
        order = torch.Generator().manual_seed(seeds["order"])
        initial, losses, test_losses = copy.deepcopy(network), [], []
        optimizer = _construct(cls, setting, network, folder)
        for epoch in range(EPOCHS):
            network.train()
            _call_one(optimizer, "train", *(["clear_and_load_backup"] if epoch else []))
            for batch in torch.randperm(EXAMPLES, generator=order).split(BATCH_SIZE):
                evaluate = partial(_loss, problem, network, data.train_inputs[batch], data.train_targets[batch])
                losses.append(_plain_update(optimizer, network, setting, evaluate))
            network.eval()
            _call_one(optimizer, "eval", "backup_and_load_cache")
            with torch.no_grad():
                test_losses.append(_loss(problem, network, data.test_inputs, data.test_targets).item())
    has_trained = not all(map(torch.equal, initial.parameters(), network.parameters()))
    return PlainRun(losses, test_losses, digest(network), has_trained)


def _construct(cls, setting, network, folder):
    """Return an optimizer, or a wrapper around an object or with the class of its inner optimizer, as its authors show it."""
    if not setting.inner:
        return cls(network.parameters(), **setting.options, **setting.extra)
    inner = find_optimizer(setting.inner, folder)
    if "base_optimizer" not in inspect.signature(cls).parameters:
        return cls(inner(network.parameters(), **setting.inner_options), **setting.options)
    model = {"model": network} if "model" in inspect.signature(cls).parameters else {}
    return cls(params=network.parameters(), base_optimizer=inner, **model, **setting.options, **setting.inner_options)


def _call_one(optimizer, *names):
    """Call the first of the methods that an optimizer has, if any: those of its modes, or of Lookahead's slow weights."""
    for name in names:
        if hasattr(optimizer, name):
            getattr(optimizer, name)()
            return


def _loss(problem, network, inputs, targets):
    return nn.functional.cross_entropy(network(problem.prepare(inputs)), targets)


def _plain_update(optimizer, network, setting, evaluate) -> float:
    """Make an update, and return the loss of its first evaluation, the only one that changes the buffers of the network."""
    losses = []

    def closure() -> torch.Tensor:
        buffers = [buffer.clone() for buffer in network.buffers()]
        optimizer.zero_grad()
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Using backward\\(\\) with create_graph=True")
            loss = evaluate()
            loss.backward(create_graph=setting.create_graph)
        if losses:
            with torch.no_grad():
                for buffer, value in zip(network.buffers(), buffers, strict=True):
                    buffer.copy_(value)
        losses.append(loss.item())
        return loss.detach()

    if setting.after_gradients or not setting.closure:
        closure()
    if setting.closure:
        optimizer.step(closure)
    else:
        optimizer.step()
    if setting.create_graph:
        optimizer.zero_grad()  # frees the graph
    return losses[0]


class _generators_restored:  # noqa: N801
    """Restore the states of the global generators at the end."""

    def __enter__(self) -> None:
        self.states = torch.random.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002

    def __exit__(self, *_: object) -> None:
        torch.random.set_rng_state(self.states[0])
        random.setstate(self.states[1])
        np.random.set_state(self.states[2])  # noqa: NPY002


# --- all classes -------------------------------------------------------------------------------------------------------


def measure_alone(kind: str) -> Result:
    """Return the result of a class, for a process that measures nothing else."""
    sys.path.insert(0, str(PROBLEM.parent))
    warnings.simplefilter("ignore")  # packages have advice for users
    with tempfile.TemporaryDirectory(prefix="ravine-optimizers-") as folder:
        return measure(kind, SETTINGS.get(kind, DEFAULTS), Path(folder))


def in_processes(function, kinds, seconds):
    """Yield the result of each kind from a process of its own, which is ended after a number of seconds."""
    context = multiprocessing.get_context("forkserver")
    with ProcessPool(max_workers=1, max_tasks=1, context=context) as pool:
        for kind in kinds:
            try:
                yield pool.schedule(function, args=[kind], timeout=seconds).result()
            except FutureTimeoutError:
                yield Result(kind, NO_RESULT, f"not finished after {seconds} seconds")
            except ProcessExpired as error:
                yield Result(kind, NO_RESULT, f"the process ended with exit status {error.exitcode}")


def versions(kind: str) -> dict[str, str]:
    """Return what a result depends on: the versions of the package and of torch, and the digest of the code."""
    files = [*sorted((ROOT / "suite").rglob("*.py")), PROBLEM, Path(__file__)]
    code = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    return {name: metadata.version(name) for name in (PACKAGES[kind.partition(":")[0]], "torch")} | {"code": code}


def main(arguments: list[str]) -> None:
    """Measure what has no result yet, and write the document."""
    os.environ["TORCHDYNAMO_DISABLE"] = "1"  # for the processes of the classes
    kinds = [kind for module in PACKAGES for kind in exported(module) if kind not in NOT_MEASURED]
    state = json.loads(STATE.read_text(encoding="utf-8")) if STATE.is_file() else {}
    results = {kind: Result(**state[kind]) for kind in kinds if kind in state}
    chosen = [kind for kind in kinds if not arguments or {kind, kind.partition(":")[0]} & set(arguments)]
    missing = [kind for kind in chosen if kind not in results or results[kind].versions != versions(kind)]
    multiprocessing.set_forkserver_preload(["optimizer_packages", "torch._dynamo", *PACKAGES])
    for result in in_processes(measure_alone, missing, SECONDS):
        result.versions = versions(result.kind)
        results[result.kind] = result
        STATE.parent.mkdir(exist_ok=True)
        STATE.write_text(json.dumps({kind: asdict(r) for kind, r in results.items()}, indent=1), encoding="utf-8")
        print(f"{result.kind}: {result.verdict}{result.reason and f' ({result.reason})'}", flush=True)
    ordered = [results[kind] for kind in kinds if kind in results]
    text = put(DOCUMENT.read_text(encoding="utf-8"), "counts", counts(ordered))
    DOCUMENT.write_text(put(text, "classes", classes(ordered)), encoding="utf-8")


# --- tables ------------------------------------------------------------------------------------------------------------


def counts(results: list[Result]) -> str:
    """Return the number of classes of each package by verdict."""
    rows = []
    for module, distribution in PACKAGES.items():
        found = [result for result in results if result.kind.startswith(f"{module}:")]
        if found:
            version = found[0].versions.get(distribution, "")
            rows.append([f"{distribution} {version}", len(found), *_by_verdict(found)])
    rows.append(["all", len(results), *_by_verdict(results)])
    table = grid(["package", "classes", *VERDICTS], [[str(cell) for cell in row] for row in rows])
    conditions = f"CPU, one thread; Python {platform.python_version()}, torch {torch.__version__}"
    return f"{table}\n\nn = 1 trial for each class; {conditions}."


def _by_verdict(results: list[Result]) -> list[int]:
    found = Counter(result.verdict for result in results)
    return [found[verdict] for verdict in VERDICTS]


def classes(results: list[Result]) -> str:
    """Return a table with a row for each class, the ones that are not measured at the end."""
    head = ["class", "verdict", "options", "reason or remark"]
    same: dict[str, list[str]] = {}
    for result in results:
        if result.verdict == EQUAL:
            same.setdefault(result.weights, []).append(result.kind)
    rows = []
    for result in results:
        others = [kind for kind in same.get(result.weights, []) if kind != result.kind]
        remarks = [result.reason.splitlines()[-1]] if result.reason else []
        remarks += [f"the same weights as {', '.join(f'`{kind}`' for kind in others)}"] if others else []
        entry = SETTINGS.get(result.kind, DEFAULTS).entry(result.kind)
        options = "; ".join(f"`{line}`" for line in entry if line != f'kind = "{result.kind}"')
        rows.append([f"`{result.kind}`", result.verdict, options, "; ".join(remarks)])
    rows += [[f"`{kind}`", "not measured", "", reason] for kind, reason in NOT_MEASURED.items()]
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    import optimizer_packages  # results are pickled by the name of this module

    optimizer_packages.main(sys.argv[1:])
