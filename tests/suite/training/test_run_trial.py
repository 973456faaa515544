"""`suite.training.run_trial`: one trial from its description alone, the same bits every time."""

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
    """The trials of a study, and its folder."""
    path = write_study()
    return plan(load_study(path)), path.parent


def _bits(result):
    return result.weights, [(p.metric, p.step, p.value) for p in result.points]


def test_the_same_trial_gives_the_same_bits(trials):
    """Twice in a row, after other trials, and with the caller's random state and thread count changed."""
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
    assert _bits(once) == _bits(again)


def test_random_numbers_drawn_in_training_are_seeded(write_study):
    """Dropout, or an optimizer that adds noise, has a stream of its own: the same bits whatever ran before."""
    path = write_study("DROPOUT_BLOBS")
    first, _, second, _ = plan(load_study(path))
    torch.manual_seed(1)
    once = run_trial(first, folder=path.parent)
    torch.manual_seed(2)
    assert _bits(run_trial(first, folder=path.parent)) == _bits(once)
    assert run_trial(dataclasses.replace(first, repeat=5), folder=path.parent).weights != once.weights
    assert run_trial(second, folder=path.parent).weights != once.weights


def test_another_process_gives_the_same_bits(trials):
    """A trial run alone in a fresh process agrees with this one."""
    (first, *_), folder = trials
    code = (
        "from pathlib import Path; from suite.spec.study_file import load; from suite.spec.plan import plan; "
        "from suite.training.run_trial import run_trial; "
        f"p = Path({str(folder)!r}); print(run_trial(plan(load(p / 'toy_study.toml'))[0], folder=p).weights)"
    )
    fresh = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert fresh.stdout.strip() == run_trial(first, folder=folder).weights


def test_optimizers_of_a_repeat_start_alike_and_see_the_same_batches(write_study):
    """At a learning rate too small to move a weight every optimizer of a repeat has the same losses; others differ."""
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


def test_initial_weights_and_order_have_seeds_of_their_own(trials):
    """Another root seed changes both the first loss (weights, first batch) and the final weights; seed 0 is a seed."""
    (first, *_), folder = trials
    zero, one = (run_trial(dataclasses.replace(first, seed=seed), folder=folder) for seed in (0, 1))
    assert zero.points[0].value != one.points[0].value
    assert zero.weights != one.weights


def test_the_callers_random_state_is_left_alone(trials):
    """A trial draws from streams of its own."""
    (first, *_), folder = trials
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    run_trial(first, folder=folder)
    assert torch.rand(1) == expected


def test_an_exception_is_an_outcome(write_study):
    """A trial that breaks is a row with the exception's text and place; it does not raise."""
    path = write_study(extra='\n[[optimizer]]\nname = "mine"\nkind = "toy:Broken"\nlr = 0.1\n')
    result = run_trial(plan(load_study(path))[2], folder=path.parent)
    assert result.outcome is Outcome.FAILED
    assert result.reason.startswith("ValueError: a bug in the third step (toy.py, step, line ")
    assert result.weights == ""
    assert result.timing.total > 0


def test_divergence_is_an_outcome(write_study):
    """A learning rate far too large gives the outcome diverged, with weights and the losses up to there."""
    path = write_study()
    trial = plan(load_study(path))[0]
    big = dataclasses.replace(trial, hyperparameters={**trial.hyperparameters, "lr": 1e30})
    result = run_trial(big, folder=path.parent)
    assert result.outcome is Outcome.DIVERGED
    assert "update" in result.reason
    assert result.weights


def test_a_schedule_and_weight_decay_from_the_study_file_reach_the_training(write_study):
    """Each changes the weights of its trial, and the same entry without them does not."""
    entry = '\n[[optimizer]]\nname = "{}"\nkind = "sgd"\nlr = 0.1\n'
    extra = entry.format("decay") + "weight_decay = 0.1\n"
    extra += entry.format("cosine") + 'schedule = { kind = "cosine", warmup = 0.2 }\n'
    path = write_study(repeats=1, extra=extra)
    plain, _, decay, cosine = (run_trial(trial, folder=path.parent) for trial in plan(load_study(path)))
    assert {plain.outcome, decay.outcome, cosine.outcome} == {Outcome.OK}
    assert len({plain.weights, decay.weights, cosine.weights}) == 3


def test_the_environment_tells_where_it_ran(trials):
    """Device, one thread, CPU capability and versions stand beside the result."""
    (first, *_), folder = trials
    environment = run_trial(first, folder=folder).environment
    assert environment["device"] == "cpu"
    assert environment["threads"] == "1"
    assert environment["torch"] == torch.__version__
    assert environment["cpu_capability"]


def test_the_digest_sees_every_weight_and_buffer():
    """One bit more in a parameter or in a running statistic is another digest; memory layout is not."""
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
@pytest.mark.skipif(not shutil.which(os.environ.get("CXX", "g++")), reason="there is no C++ compiler here")
def test_compiled_trials_are_near_plain_ones_and_the_same_twice(trials):
    """Compiling moves bits and nothing more, and gives the same ones again."""
    (first, *_), folder = trials
    plain = run_trial(first, folder=folder)
    compiled, again = (run_trial(dataclasses.replace(first, compiled=True), folder=folder) for _ in range(2))
    assert compiled.outcome is Outcome.OK, compiled.reason
    assert _bits(compiled) == _bits(again)
    assert [p.value for p in compiled.points] == pytest.approx([p.value for p in plain.points], rel=1e-3)
    assert compiled.weights != plain.weights


@pytest.mark.data
def test_the_papers_network_trains_on_the_real_images(fashion_mnist):
    """128 images, two updates of the CNN, all 10,000 test images: twice the same bits, and accuracies are counts."""
    study = load_study("quick").override(repeats=1, epochs=1, train_examples=128, optimizers=("Adam",))
    (trial,) = plan(study)
    results = [run_trial(dataclasses.replace(trial, eval_every=1), data=fashion_mnist) for _ in range(2)]
    assert results[0].outcome is Outcome.OK
    assert _bits(results[0]) == _bits(results[1])
    last = {p.metric: p.value for p in results[0].points}
    assert last["test/accuracy"] * 10_000 == pytest.approx(round(last["test/accuracy"] * 10_000), abs=1e-9)
    assert last["train/accuracy"] * 128 == pytest.approx(round(last["train/accuracy"] * 128), abs=1e-9)
