"""Runs trials: seeds, network, optimizer, training loop, outcome, digest of the weights."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from suite import optimizers, problems
from suite.code_versions import code_versions
from suite.data import datasets
from suite.errors import UserError
from suite.optimizers.wrappers import find_wrapper
from suite.problems import Data
from suite.problems.validation_split import validation_split
from suite.records import Outcome, TrialResult
from suite.seeds import seed_for
from suite.training.build_optimizer import build_optimizer
from suite.training.closure import backward, starts_from_gradients
from suite.training.devices import deterministic_mode
from suite.training.interleaving import InterleavedRun, RandomState, Seeds, run_interleaved
from suite.training.loop import train
from suite.training.modes import Modes
from suite.training.out_of_memory import is_out_of_memory, largest_fitting_batch
from suite.training.provenance import environment
from suite.training.step import autocast

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from torch import Tensor, nn

    from suite.problems import Problem
    from suite.records import Point
    from suite.trials import EvaluateOn, Trial


def run_trial(
    trial: Trial, *, device: str = "cpu", data: Path | None = None, folder: Path | None = None
) -> TrialResult:
    """Run a trial from its description alone and return its result.

    The same trial gives bit-for-bit identical weights, whatever ran before in this process.

    Args:
        trial: The trial.
        device: `cpu`, `cuda` or `cuda:N`, as `suite.training.devices.resolve_device` returns it.
        data: The folder of the data set (`suite.data.datasets.ensure`); None for a problem without data.
        folder: Where optimizers named `module:Class` are looked up besides the installed packages.

    Returns:
        The result. After an exception its outcome is `failed`, and `reason` has the text.
    """
    return run_trials([trial], 1, device=device, data=data, folder=folder)[0]


def run_trials(
    trials: Sequence[Trial],
    slots: int,
    *,
    device: str = "cpu",
    data: Path | None = None,
    folder: Path | None = None,
) -> list[TrialResult]:
    """Run trials in one process and return their results in the order of `trials`.

    Each trial gives weights that are bit-for-bit identical to those of the trial alone.

    Args:
        trials: Trials of one precision, which is set for the process meanwhile.
        slots: The number of trials at a time; the next trial begins when one ends.
        device: As for `run_trial`, like the other arguments.

    Raises:
        ValueError: The trials have different precisions.
    """
    precision, *others = {trial.precision for trial in trials}
    if others:
        raise ValueError(f"trials: expected one precision, got {precision}, {', '.join(others)}")
    current_device = torch.cuda.device(device) if device.startswith("cuda") else contextlib.nullcontext()
    for trial in trials:  # imports may draw random numbers or change settings of torch, and happen once for a process
        with contextlib.suppress(Exception):  # the trial itself will raise it again
            check_code(trial, folder)
    with deterministic_mode(precision), current_device:
        runs = (
            InterleavedRun(
                _run(t, device, functools.partial(_load_examples, t, data, device), folder, slots), _seeds(t), device
            )
            for t in trials
        )
        return run_interleaved(runs, slots)


def probe(trial: Trial, folder: Path | None, device: str = "cpu") -> str:
    """Return why two updates of the trial's network and an evaluation fail; empty if they do not.

    The examples are synthetic (`Problem.synthetic_batch`), a few at a time. There are two updates, because many optimizers only
    allocate their state in the first one. If they fail, two updates on the first training examples decide, unless these would
    have to be downloaded: synthetic examples may all be equal, and the gradient of a layer then zero.

    Args:
        trial: The trial; its network, optimizer, schedule and precision are those of the probe.
        folder: As for `run_trial`.
        device: As for `run_trial`.
    """
    problem = problems.find_problem(trial.problem, folder)
    short = _short(trial, problem, epochs=1)
    reason = _run_short(short, folder, device, problem.synthetic_batch).reason
    if reason and (data := _available_data(problem)):
        reason = _run_short(short, folder, device, lambda n: (data.train_inputs[:n], data.train_targets[:n])).reason
    return reason


def ignores_schedule(trial: Trial, folder: Path | None) -> bool:
    """Return whether the optimizer of a trial ignores a change of its learning rate after the first update.

    Twelve updates with a falling learning rate then give the same weights as twelve with a constant one.

    Args:
        trial: A trial whose `probe` does not fail.
        folder: As for `run_trial`.
    """
    problem = problems.find_problem(trial.problem, folder)
    data = _available_data(problem)

    def load(n: int) -> tuple[Tensor, Tensor]:
        return (data.train_inputs[:n], data.train_targets[:n]) if data else problem.synthetic_batch(n)

    short = _short(trial, problem, epochs=6)
    falling = {"kind": "linear", "warmup": 0.0, "final": 0.0, "gamma": 0.1, "milestones": ()}
    results = [_run_short(replace(short, schedule=schedule), folder, "cpu", load) for schedule in (None, falling)]
    return len({result.weights for result in results}) == 1 and results[0].outcome is Outcome.OK


def _short(trial: Trial, problem: Problem, epochs: int) -> Trial:
    """Return a trial with a number of epochs of two updates, a few examples each."""
    size = max(problem.min_batch_size, 1 if trial.train_examples == 1 else 2)
    changes: dict[str, Any] = {"batch_size": size, "train_examples": 2 * size, "chunk": None, "epoch_updates": None}
    rest: dict[str, Any] = {"evaluate_on": "test", "evaluate_examples": None, "compiled": False, "eval_every": epochs}
    return replace(trial, epochs=epochs, **changes, **rest)


def _run_short(
    trial: Trial, folder: Path | None, device: str, load: Callable[[int], tuple[Tensor, Tensor]]
) -> TrialResult:
    """Run a short trial on n examples, which `load` returns; its reason is empty unless it failed."""

    def examples(_: Problem) -> Data:
        inputs, targets = load(trial.train_examples)
        return Data(inputs, targets, inputs, targets).to(device)

    with deterministic_mode(trial.precision):
        run = InterleavedRun(_run(trial, device, examples, folder, 1), _seeds(trial), device)
        (result,) = run_interleaved([run], 1)
    return result if result.outcome is Outcome.FAILED else replace(result, reason="")


def _available_data(problem: Problem) -> Data | None:
    """Return the examples of a problem on the CPU; None if they would have to be downloaded, or cannot be read."""
    with contextlib.suppress(Exception):
        data_set = problem.data_set
        if data_set is None or datasets.find_folder(data_set):
            return _load_data(problem, datasets.ensure(data_set) if data_set else None, "cpu", None)
    return None


def check_code(trial: Trial, folder: Path | None) -> None:
    """Check that the code of a trial is that of its description.

    Raises:
        UserError: A file or a package has changed since the trial was planned, or cannot be imported.
    """
    problem, kind = problems.find_problem(trial.problem, folder), optimizers.find_optimizer(trial.optimizer, folder)
    used = [(trial.problem, type(problem), trial.data), (trial.optimizer, kind, trial.code)]
    used += [(each["kind"], find_wrapper(each["kind"], folder), trial.code) for each in trial.wraps]
    groups = [group for group in trial.groups if "kind" in group]
    used += [(each["kind"], optimizers.find_optimizer(each["kind"], folder), each.get("code", {})) for each in groups]
    for spec, cls, planned in used:
        for name, version in code_versions(spec, folder, cls).items():
            if planned.get(name, version) != version:
                raise UserError(name, "changed after the study was planned", "Run the same command again")


def _run(
    trial: Trial, device: str, load: Callable[[Problem], Data], folder: Path | None, slots: int
) -> Generator[None, None, TrialResult]:
    """Run a trial and yield whenever it would next wait for the device; the generator's value is the result.

    Args:
        load: Returns the examples of the problem on the device.
    """
    started, clock = time.time(), time.perf_counter()
    here = environment(device) | ({"packed": str(slots)} if slots > 1 else {})
    result = TrialResult(trial=trial, outcome=Outcome.FAILED, environment=here, started=started)
    out_of_memory = False
    try:
        result = yield from _train(result, device, load, folder)
    except Exception as error:  # noqa: BLE001 (whatever breaks a trial is its outcome)
        result, out_of_memory = replace(result, reason=_describe(error)), is_out_of_memory(error)
    if out_of_memory:  # outside the handler, in which the exception keeps the tensors of the step
        result = replace(result, reason=f"out of memory: {result.reason}{_fitting_batch(trial, device, folder)}")
    return replace(result, timing=replace(result.timing, total=time.perf_counter() - clock))


def _train(
    result: TrialResult, device: str, load: Callable[[Problem], Data], folder: Path | None
) -> Generator[None, None, TrialResult]:
    """Train from the description of a trial; the generator's value is `result` with outcome, metrics and weights."""
    trial = result.trial
    check_code(trial, folder)
    problem = problems.find_problem(trial.problem, folder)
    examples = load(problem)
    network = _initial_network(trial, problem).to(device)
    from_gradients = trial.closure and starts_from_gradients(
        lambda copied: build_optimizer(trial, copied, folder, device)[0], network, create_graph=trial.create_graph
    )
    optimizer, lr_scheduler = build_optimizer(trial, network, folder, device)
    order = torch.Generator().manual_seed(_seed(trial, "order"))
    run = yield from train(
        trial, problem, examples, network, optimizer, lr_scheduler, order, from_gradients=from_gradients
    )
    return replace(
        result,
        outcome=run.outcome,
        reason=run.reason,
        points=tuple(_rename_metric(point, trial.evaluate_on) for point in run.points),
        weights=digest(network),
        timing=run.timing,
    )


def _fitting_batch(trial: Trial, device: str, folder: Path | None) -> str:
    """Return a sentence with the batch size for which a step has enough memory; empty if it cannot be determined."""
    problem = problems.find_problem(trial.problem, folder)
    network: nn.Module | None = None

    def step(num_examples: int) -> None:
        nonlocal network
        network = _initial_network(trial, problem).to(device)
        optimizer, _ = build_optimizer(trial, network, folder, device)
        Modes(network, optimizer).train()
        inputs, targets = (tensor.to(device) for tensor in problem.synthetic_batch(num_examples))

        def evaluate() -> Tensor:
            assert network is not None
            with torch.enable_grad(), autocast(trial.precision, torch.device(device).type):
                loss = problem.loss(network(problem.prepare(inputs)), targets)
            backward(loss, create_graph=trial.create_graph)
            return loss.detach()

        evaluate()
        if trial.closure:
            optimizer.step(evaluate)  # type: ignore[arg-type]
        else:
            optimizer.step()
        optimizer.zero_grad()  # frees the graph of `create_graph`

    key = "chunk" if trial.batch_size == "full" else "batch_size"
    requested = trial.chunk if trial.batch_size == "full" else trial.batch_size
    max_examples = requested if isinstance(requested, int) else trial.train_examples
    size = largest_fitting_batch(step, max_examples)
    if size is None:
        return ""
    if size == max_examples:
        return f". A step of {size} examples fits if nothing else uses the memory. Use fewer --workers"
    return f". A step of {size} examples fits. Write {key} = {size}"


def _initial_network(trial: Trial, problem: Problem) -> nn.Module:
    """Return the network with its initial weights, drawn on the CPU so that they are the same for every device."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_seed(trial, "initialisation"))  # of the CPU alone
        return problem.network(**trial.problem_options)


def _seeds(trial: Trial) -> Seeds:
    return Seeds(torch=_seed(trial, "noise"), random=_seed(trial, "random"), numpy=_seed(trial, "numpy"))


def _seed(trial: Trial, stream: str) -> int:
    return seed_for(trial.seed, trial.problem, trial.stage, trial.repeat, stream)


def _load_examples(trial: Trial, root: Path | None, device: str, problem: Problem) -> Data:
    """Return the examples of a trial on its device, with views of those that it is evaluated on."""
    examples = _load_data(problem, root, device, trial.problem if trial.evaluate_on == "validation" else None)
    return replace(
        examples,
        test_inputs=examples.test_inputs[: trial.evaluate_examples],
        test_targets=examples.test_targets[: trial.evaluate_examples],
    )


@functools.lru_cache(maxsize=2)
def _load_data(problem: Problem, folder: Path | None, device: str, split: str | None) -> Data:
    """Return the examples on the device; they are kept for the next trial of this process.

    Args:
        split: The name of the problem, to split its training examples and leave out the test examples; else None.
    """
    seeds = Seeds(*(seed_for(0, problem.key, "data", 0, stream) for stream in ("noise", "random", "numpy")))
    with RandomState(seeds).current():  # the data is the same whichever trial loads it
        data = problem.load(folder)
    data = (validation_split(data, split, ordered=problem.ordered) if split else data).to(device)
    if device != "cpu":
        torch.cuda.synchronize(device)  # trials on other streams will read it, too
    return data


def _rename_metric(point: Point, evaluate_on: EvaluateOn) -> Point:
    """Return the point; a test metric is named after what the trial is evaluated on."""
    if not point.metric.startswith("test/"):
        return point
    return replace(point, metric=f"{evaluate_on}/{point.metric.removeprefix('test/')}")


def digest(network: nn.Module) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of all parameters and buffers, in the network's order."""
    total = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        values = tensor.detach().cpu().contiguous()
        total.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        total.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _describe(error: Exception) -> str:
    """Return the exception in one line, with the last line of code outside torch that raised it.

    There is no line if torch raised it and no code of a user is involved.
    """
    if isinstance(error, UserError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if "site-packages/torch" not in frame.filename] or list(frames)
    last = outside[-1] if outside else None
    is_torchs = last is not None and last is not frames[-1] and Path(last.filename).parent == Path(__file__).parent
    line = f" ({Path(last.filename).name}, {last.name}, line {last.lineno})" if last and not is_torchs else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}{line}"
