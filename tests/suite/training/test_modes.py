"""`suite.training.modes`: an optimizer with `train()` and `eval()` is evaluated and recorded at its evaluation weights."""

import dataclasses
import shutil
from pathlib import Path

import averaging
import pytest
import torch
from averaging import Averaged, AveragedRule
from torch import nn
from toy import BLOBS

from suite.optimizers import OPTIMIZERS
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.flat_parameters import flatten
from suite.training.interleaving import InterleavedRun, Seeds, run_interleaved
from suite.training.loop import train
from suite.training.modes import Modes
from suite.training.run_trial import digest, run_trial, run_trials
from suite.trials import Trial

TRIAL = Trial(
    label="a",
    problem="blobs",
    optimizer="sgd",
    hyperparameters={},
    batch_size=60,
    epochs=3,
    train_examples=256,
    repeat=0,
)


pytestmark = pytest.mark.usefixtures("one_thread")


def _run(make, trial=TRIAL, prepare=list):
    """Train in the loop of the suite, and return the result, the network and the optimizer."""
    torch.manual_seed(1)
    network = BLOBS.network()
    optimizer = make(prepare(network.parameters()))
    order = torch.Generator().manual_seed(2)
    run = train(trial, BLOBS, BLOBS.load(None), network, optimizer, None, order)
    return run_interleaved([InterleavedRun(run, Seeds(0, 0, 0), "cpu")], 1)[0], network, optimizer


def _plain_run(make, epochs=3):
    """Train in a plain loop, and return the metrics and the network.

    Modes are set as the authors of such optimizers recommend: beside those of the network.
    """
    torch.manual_seed(1)
    network, data, order = BLOBS.network(), BLOBS.load(None), torch.Generator().manual_seed(2)
    optimizer = make(network.parameters())
    step_losses, test_losses = [], []
    for _ in range(epochs):
        network.train()
        optimizer.train()
        for indices in torch.randperm(256, generator=order).split(60):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(data.train_inputs[indices]), data.train_targets[indices])
            loss.backward()
            optimizer.step()
            step_losses.append(loss.item())
        network.eval()
        optimizer.eval()
        with torch.no_grad():
            test_losses.append(nn.functional.cross_entropy(network(data.test_inputs), data.test_targets).item())
    return step_losses, test_losses, network


def _values(run, metric):
    return [point.value for point in run.points if point.metric == metric]


def _package_class(module, name):
    return getattr(
        pytest.importorskip(module, reason=f'{module} is not installed: pip install "ravine[optimizers]"'), name
    )


PACKAGES = [
    ("schedulefree", "SGDScheduleFree", {"lr": 0.3, "warmup_steps": 3}),
    ("schedulefree", "AdamWScheduleFree", {"lr": 0.05, "weight_decay": 0.1}),
    ("schedulefree", "RAdamScheduleFree", {"lr": 0.05}),
    ("pytorch_optimizer", "ScheduleFreeSGD", {"lr": 0.3}),
    ("pytorch_optimizer", "ScheduleFreeAdamW", {"lr": 0.05}),
    ("pytorch_optimizer", "SPlus", {"lr": 0.05}),
]


@pytest.mark.parametrize(("module", "name", "options"), [("averaging", "Averaged", {}), *PACKAGES])
def test_the_loop_equals_a_plain_loop_that_sets_the_modes(module, name, options):
    """Step losses are those where the gradient is taken; test losses and final weights are those of evaluation mode."""
    cls = _package_class(module, name)
    run, network, _ = _run(lambda params: cls(params, **options))
    step_losses, test_losses, plain = _plain_run(lambda params: cls(params, **options))
    assert digest(network) == digest(plain)
    assert _values(run, "train/step_loss") == pytest.approx(step_losses, rel=1e-7)
    assert _values(run, "test/loss") == pytest.approx(test_losses, rel=1e-6)
    assert run.outcome is Outcome.OK


def test_evaluation_weights_are_not_the_training_weights():
    """With the mean of all points, test losses and final weights differ from those of plain SGD, and step losses do not."""
    averaged, network, _ = _run(Averaged)
    plain, plain_network, _ = _run(lambda params: torch.optim.SGD(params, lr=0.1))
    assert _values(averaged, "train/step_loss") == pytest.approx(_values(plain, "train/step_loss"), rel=1e-6)
    for one, other in zip(_values(averaged, "test/loss"), _values(plain, "test/loss"), strict=True):
        assert one != pytest.approx(other, rel=1e-3)
    assert digest(network) != digest(plain_network)


def test_methods_are_called_once_for_each_change_of_the_mode():
    """Epochs 2 and 4 of four are evaluated: training mode is restored between them, and the run ends in evaluation mode."""
    _, network, optimizer = _run(Averaged, dataclasses.replace(TRIAL, epochs=4, eval_every=2))
    assert optimizer.calls == ["train", "eval", "train", "eval"]
    assert not network.training


def test_a_rule_with_modes_is_flattened():
    """Flat, and with tensors for captured steps, a rule has the evaluation weights of the same rule in plain PyTorch."""

    def capturable(params):
        optimizer = AveragedRule(params)
        optimizer.capturable()
        return optimizer

    step_losses, test_losses, plain = _plain_run(Averaged)
    for make, prepare in [(AveragedRule, list), (AveragedRule, flatten), (capturable, flatten)]:
        run, network, _ = _run(make, prepare=prepare)
        assert _values(run, "train/step_loss") == pytest.approx(step_losses, rel=1e-5)
        assert _values(run, "test/loss") == pytest.approx(test_losses, rel=1e-5)
        for name, value in network.state_dict().items():
            torch.testing.assert_close(value, plain.state_dict()[name], rtol=1e-4, atol=1e-6)


def test_a_stopped_run_has_its_evaluation_weights():
    """A run that diverges ends in evaluation mode, too."""
    run, _, optimizer = _run(lambda params: Averaged(params, lr=1e30))
    assert run.outcome is Outcome.DIVERGED
    assert optimizer.calls == ["train", "eval"]


def test_infinite_evaluation_weights_diverge():
    """A run is diverged if its evaluation weights are not finite, although its training weights are."""
    run, _, _ = _run(averaging.InfiniteAverage, dataclasses.replace(TRIAL, eval_every=3))
    assert run.outcome is Outcome.DIVERGED
    assert run.reason.startswith("a weight was not finite after the last update")


def test_an_optimizer_without_both_methods_has_no_modes():
    """An attribute that is no method, or one method alone, is not called; the network has modes nevertheless."""

    class Half(torch.optim.SGD):
        train = True

        def eval(self):
            raise AssertionError

    network = BLOBS.network()
    modes = Modes(network, Half(network.parameters()))
    modes.eval()
    assert not network.training
    modes.train()
    assert network.training


@pytest.mark.parametrize("kind", ["schedule_free_sgd", "schedule_free_adamw"])
def test_a_schedule_free_trial_is_evaluated_at_the_average(write_study, kind):
    """Its test loss is that of the average, which it ends with; evaluating only at the end changes no update."""
    path = write_study(repeats=1, extra=f'\n[[optimizer]]\nname = "x"\nkind = "{kind}"\nlr = 0.3\n')
    trial = dataclasses.replace(plan(load_study(path))[2], epochs=4)
    often, rarely = (run_trial(dataclasses.replace(trial, eval_every=n), folder=path.parent) for n in (1, 4))
    assert often.outcome is Outcome.OK
    assert often.weights == rarely.weights
    assert _values(often, "train/step_loss") == _values(rarely, "train/step_loss")
    assert _values(often, "test/loss")[-1:] == _values(rarely, "test/loss")
    interleaved = run_trials([trial] * 2, 2, folder=path.parent)
    assert {result.weights for result in interleaved} == {often.weights}
    for prepare in (list, flatten):
        run, network, optimizer = _run(lambda params: OPTIMIZERS[kind](params, lr=0.3), prepare=prepare)
        averages = [optimizer.state[p]["x"] for p in optimizer.param_groups[0]["params"]]
        assert all(map(torch.equal, optimizer.param_groups[0]["params"], averages))
        data = BLOBS.load(None)
        with torch.no_grad():
            loss = nn.functional.cross_entropy(network(data.test_inputs), data.test_targets).item()
        assert _values(run, "test/loss")[-1] == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize("kind", ["Averaged", "AveragedRule"])
def test_a_study_records_the_evaluation_weights(write_study, kind):
    """The digest of a trial is that of evaluation mode, and the trial is reproducible, alone and beside others."""
    path = write_study(extra=f'\n[[optimizer]]\nname = "mean"\nkind = "averaging:{kind}"\nlr = 0.1\n')
    shutil.copy(Path(averaging.__file__), path.parent)
    trials = [trial for trial in plan(load_study(path)) if trial.label in {"mean", "SGD"}]  # both at 0.1
    results = [run_trial(trial, folder=path.parent) for trial in trials]
    assert [result.outcome for result in results] == [Outcome.OK] * 4
    beside = run_trials(trials, 3, folder=path.parent)
    assert [(r.weights, r.points) for r in beside] == [(r.weights, r.points) for r in results]
    steps = {r.trial.name: _values(r, "train/step_loss") for r in results}
    assert steps["mean r0"] == pytest.approx(steps["SGD r0"], rel=1e-5)
    assert results[0].weights != results[2].weights
    # evaluating only at the end changes neither the training nor the final weights
    rarely = run_trial(dataclasses.replace(trials[2], eval_every=2), folder=path.parent)
    assert rarely.weights == results[2].weights
