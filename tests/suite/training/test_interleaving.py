"""`suite.training.interleaving`: trials that share a process give the results of trials alone."""

import dataclasses

import pytest
import torch

from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.interleaving import InterleavedRun, run_interleaved
from suite.training.run_trial import run_trial, run_trials


def _bits(result):
    return result.outcome, result.weights, str(result.points)  # as text, where NaN equals NaN


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_interleaved_trials_are_identical_to_trials_alone(write_study, slots):
    """With dropout, budgets of different lengths and one that diverges, for several numbers of slots."""
    path = write_study("DROPOUT_BLOBS")
    trials = [dataclasses.replace(t, epochs=1 + i) for i, t in enumerate(plan(load_study(path)))]
    trials.append(dataclasses.replace(trials[0], hyperparameters={**trials[0].hyperparameters, "lr": 1e30}, epochs=3))
    alone = [run_trial(trial, folder=path.parent) for trial in trials]
    state = torch.random.get_rng_state()
    interleaved = run_trials(trials, slots, folder=path.parent)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [_bits(r) for r in interleaved] == [_bits(r) for r in alone]
    assert [r.trial for r in interleaved] == trials
    assert {r.environment.get("packed") for r in interleaved} == {str(slots) if slots > 1 else None}
    assert interleaved[-1].outcome is Outcome.DIVERGED
    assert len({r.weights for r in interleaved}) == len(trials)


def test_a_failure_does_not_affect_the_other_trials(write_study):
    """An exception is the outcome of its own trial only."""
    path = write_study()
    good, other, *_ = plan(load_study(path))
    results = run_trials([good, dataclasses.replace(other, problem="toy:BUGGY_BLOBS"), other], 3, folder=path.parent)
    assert [r.outcome for r in results] == [Outcome.OK, Outcome.FAILED, Outcome.OK]
    assert "a bug in the network" in results[1].reason
    assert _bits(results[2]) == _bits(run_trial(other, folder=path.parent))


def test_the_initial_weights_come_from_the_generator_of_the_cpu(write_study, monkeypatch):
    """On CUDA the current generator of the device is the trial's noise; drawing a network must not seed it."""
    path = write_study()
    trial, *_ = plan(load_study(path))
    alone = run_trial(trial, folder=path.parent)
    monkeypatch.setattr(torch, "manual_seed", None)
    assert _bits(run_trial(trial, folder=path.parent)) == _bits(alone)


def test_precisions_are_not_mixed(write_study):
    """Precision is a setting of the process, so two of them at a time are an error."""
    path = write_study()
    first, second, *_ = plan(load_study(path))
    with pytest.raises(ValueError, match="expected one precision, got"):
        run_trials([first, dataclasses.replace(second, precision="bfloat16")], 2, folder=path.parent)


def test_runs_advance_in_turn():
    """Each run advances to its next yield in turn; the next run begins when one ends; results keep the order of the runs."""
    log = []

    def run(name, steps):
        for step in range(steps):
            log.append(f"{name}{step}")
            yield
        return name

    runs = (InterleavedRun(run(name, steps), 0, "cpu") for name, steps in (("a", 3), ("b", 1), ("c", 1), ("d", 0)))
    assert run_interleaved(runs, 2) == ["a", "b", "c", "d"]
    assert log == ["a0", "b0", "a1", "a2", "c0"]


def test_no_runs_have_no_results():
    """Without runs the list of results is empty."""
    assert run_interleaved([], 3) == []
