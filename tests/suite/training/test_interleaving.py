"""`suite.training.interleaving`: trials that take turns compute what they would alone."""

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
def test_packed_trials_give_the_bits_of_lone_ones(write_study, slots):
    """With dropout, budgets of different lengths and one that diverges, so many at a time or all at once."""
    path = write_study("DROPOUT_BLOBS")
    trials = [dataclasses.replace(t, epochs=1 + i) for i, t in enumerate(plan(load_study(path)))]
    trials.append(dataclasses.replace(trials[0], hyperparameters={**trials[0].hyperparameters, "lr": 1e30}, epochs=3))
    alone = [run_trial(trial, folder=path.parent) for trial in trials]
    state = torch.random.get_rng_state()
    packed = run_trials(trials, slots, folder=path.parent)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [_bits(r) for r in packed] == [_bits(r) for r in alone]
    assert [r.trial for r in packed] == trials
    assert {r.environment.get("packed") for r in packed} == {str(slots) if slots > 1 else None}
    assert packed[-1].outcome is Outcome.DIVERGED
    assert len({r.weights for r in packed}) == len(trials)


def test_one_that_breaks_leaves_the_others_alone(write_study):
    """An exception is the outcome of its trial alone."""
    path = write_study()
    good, other, *_ = plan(load_study(path))
    results = run_trials([good, dataclasses.replace(other, problem="toy:BUGGY_BLOBS"), other], 3, folder=path.parent)
    assert [r.outcome for r in results] == [Outcome.OK, Outcome.FAILED, Outcome.OK]
    assert "a bug in the network" in results[1].reason
    assert _bits(results[2]) == _bits(run_trial(other, folder=path.parent))


def test_the_initial_weights_are_drawn_from_the_cpus_generator_alone(write_study, monkeypatch):
    """On CUDA the present generator of the device is the trial's noise, which drawing a network must not seed."""
    path = write_study()
    trial, *_ = plan(load_study(path))
    alone = run_trial(trial, folder=path.parent)
    monkeypatch.setattr(torch, "manual_seed", None)
    assert _bits(run_trial(trial, folder=path.parent)) == _bits(alone)


def test_precisions_are_not_mixed(write_study):
    """Precision is the process's: two of them in one pack are refused."""
    path = write_study()
    first, second, *_ = plan(load_study(path))
    with pytest.raises(ValueError, match="expected one precision, got"):
        run_trials([first, dataclasses.replace(second, precision="bfloat16")], 2, folder=path.parent)


def test_turns_are_taken_in_order():
    """Each goes on from yield to yield in turn; the next begins where one ends; results keep the order of the lanes."""
    log = []

    def run(name, steps):
        for step in range(steps):
            log.append(f"{name}{step}")
            yield
        return name

    lanes = (InterleavedRun(run(name, steps), 0, "cpu") for name, steps in (("a", 3), ("b", 1), ("c", 1), ("d", 0)))
    assert run_interleaved(lanes, 2) == ["a", "b", "c", "d"]
    assert log == ["a0", "b0", "a1", "a2", "c0"]


def test_no_lane_is_no_result():
    """Nothing to run comes to nothing."""
    assert run_interleaved([], 3) == []
