"""`suite.training.run_trial`: a trial from its description alone, bit-for-bit identical every time."""

import dataclasses
import os
import shutil
import subprocess
import sys

import pytest
import torch

from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import digest, run_trial


@pytest.fixture
def trials(write_study):
    """Return the trials of a study, and its folder."""
    path = write_study()
    return plan(load_study(path)), path.parent


def _digests(result):
    return result.weights, [(p.metric, p.step, p.value) for p in result.points]


def test_a_trial_is_reproducible(trials):
    """Its results do not depend on other trials before it, or on the caller's random state and thread count."""
    (first, second, *_), folder = trials
    once = run_trial(first, folder=folder)
    run_trial(second, folder=folder)
    torch.manual_seed(99)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    again = run_trial(first, folder=folder)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert once.outcome is Outcome.OK
    assert len(once.weights) == 64
    assert _digests(once) == _digests(again)


def test_random_numbers_drawn_in_training_are_seeded(write_study):
    """Dropout, or an optimizer that adds noise, has a random stream that does not depend on what ran before."""
    path = write_study("DROPOUT_BLOBS")
    first, _, second, _ = plan(load_study(path))
    torch.manual_seed(1)
    once = run_trial(first, folder=path.parent)
    torch.manual_seed(2)
    assert _digests(run_trial(first, folder=path.parent)) == _digests(once)
    assert run_trial(dataclasses.replace(first, repeat=5), folder=path.parent).weights != once.weights
    assert run_trial(second, folder=path.parent).weights != once.weights


def test_another_process_gives_identical_weights(trials):
    """A trial alone in a new process has the weights of this one."""
    (first, *_), folder = trials
    code = (
        "from pathlib import Path; from suite.spec.study_file import load_study; from suite.spec.plan import plan; "
        "from suite.training.run_trial import run_trial; "
        f"p = Path({str(folder)!r}); print(run_trial(plan(load_study(p / 'toy_study.toml'))[0], folder=p).weights)"
    )
    new_process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert new_process.stdout.strip() == run_trial(first, folder=folder).weights


def test_optimizers_of_a_repeat_share_initial_weights_and_batches(write_study):
    """At a learning rate too small to change a weight, all optimizers of a repeat have the same losses; repeats differ."""
    extra = '\n[[optimizer]]\nname = "m"\nkind = "momentum"\nlr = 1e-30\n'
    path = write_study(extra=extra)
    text = path.read_text(encoding="utf-8").replace("lr = 0.1\n", "lr = 1e-30\n").replace("lr = 0.05", "lr = 1e-30")
    path.write_text(text, encoding="utf-8")
    losses = {}
    for trial in plan(load_study(path)):
        result = run_trial(trial, folder=path.parent)
        losses[trial.name] = tuple(p.value for p in result.points if p.metric == "train/step_loss")
    assert len(losses["SGD r0"]) == 8
    assert losses["SGD r0"] == losses["Adam r0"] == losses["m r0"]
    assert losses["SGD r0"] != losses["SGD r1"]


def test_initial_weights_and_order_depend_on_the_seed(trials):
    """Another root seed changes the first loss (weights, first batch) and the final weights; 0 is an ordinary seed."""
    (first, *_), folder = trials
    zero, one = (run_trial(dataclasses.replace(first, seed=seed), folder=folder) for seed in (0, 1))
    assert zero.points[0].value != one.points[0].value
    assert zero.weights != one.weights


def test_the_random_state_of_the_caller_does_not_change(trials):
    """A trial draws from separate streams."""
    (first, *_), folder = trials
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    run_trial(first, folder=folder)
    assert torch.rand(1) == expected


def test_an_exception_is_an_outcome(write_study):
    """A failing trial has a result with the exception's text and line; it does not raise."""
    path = write_study(extra='\n[[optimizer]]\nname = "mine"\nkind = "toy:Broken"\nlr = 0.1\n')
    result = run_trial(plan(load_study(path))[2], folder=path.parent)
    assert result.outcome is Outcome.FAILED
    assert result.reason.startswith("ValueError: a bug in the third step (toy.py, step, line ")
    assert result.weights == ""
    assert result.timing.total > 0


def test_divergence_is_an_outcome(write_study):
    """A learning rate far too large gives the outcome diverged, with weights and a reason."""
    path = write_study()
    trial = plan(load_study(path))[0]
    big = dataclasses.replace(trial, hyperparameters={**trial.hyperparameters, "lr": 1e30})
    result = run_trial(big, folder=path.parent)
    assert result.outcome is Outcome.DIVERGED
    assert "update" in result.reason
    assert result.weights


def test_schedule_and_weight_decay_of_a_study_file_are_used(write_study):
    """Each changes the weights of its trial."""
    entry = '\n[[optimizer]]\nname = "{}"\nkind = "sgd"\nlr = 0.1\n'
    extra = entry.format("decay") + "weight_decay = 0.1\n"
    extra += entry.format("cosine") + 'schedule = { kind = "cosine", warmup = 0.2 }\n'
    path = write_study(repeats=1, extra=extra)
    plain, _, decay, cosine = (run_trial(trial, folder=path.parent) for trial in plan(load_study(path)))
    assert {plain.outcome, decay.outcome, cosine.outcome} == {Outcome.OK}
    assert len({plain.weights, decay.weights, cosine.weights}) == 3


def test_the_environment_of_a_result(trials):
    """A result has the device, one thread, the CPU capability and versions."""
    (first, *_), folder = trials
    environment = run_trial(first, folder=folder).environment
    assert environment["device"] == "cpu"
    assert environment["threads"] == "1"
    assert environment["torch"] == torch.__version__
    assert environment["cpu_capability"]


def test_the_digest_covers_every_weight_and_buffer():
    """One bit in a parameter or in a running statistic changes the digest; the memory layout does not."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    before = digest(network)
    assert digest(network.to(memory_format=torch.channels_last)) == before
    network[1].running_mean[0] += 1e-7
    changed = digest(network)
    assert changed != before
    with torch.no_grad():
        network[0].bias[0] = torch.nextafter(network[0].bias[0], torch.tensor(9.0))
    assert digest(network) != changed


@pytest.mark.compiler
@pytest.mark.skipif(not shutil.which(os.environ.get("CXX", "g++")), reason="no C++ compiler was found")
def test_compiled_trials_are_near_plain_ones_and_reproducible(trials):
    """Compiled steps change results in the last bits only, and are bit-for-bit identical twice."""
    (first, *_), folder = trials
    plain = run_trial(first, folder=folder)
    compiled, again = (run_trial(dataclasses.replace(first, compiled=True), folder=folder) for _ in range(2))
    assert compiled.outcome is Outcome.OK, compiled.reason
    assert _digests(compiled) == _digests(again)
    assert [p.value for p in compiled.points] == pytest.approx([p.value for p in plain.points], rel=1e-3)
    assert compiled.weights != plain.weights


@pytest.mark.data
def test_the_cnn_trains_on_fashion_mnist(fashion_mnist):
    """128 training images and all 10,000 test images: the result is reproducible, and accuracies are counts of images."""
    study = load_study("quick").override(repeats=1, epochs=1, train_examples=128, optimizers=("Adam",))
    (trial,) = plan(study)
    results = [run_trial(dataclasses.replace(trial, eval_every=1), data=fashion_mnist) for _ in range(2)]
    assert results[0].outcome is Outcome.OK
    assert _digests(results[0]) == _digests(results[1])
    last = {p.metric: p.value for p in results[0].points}
    assert last["test/accuracy"] * 10_000 == pytest.approx(round(last["test/accuracy"] * 10_000), abs=1e-9)
    assert last["train/accuracy"] * 128 == pytest.approx(round(last["train/accuracy"] * 128), abs=1e-9)
