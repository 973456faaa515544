"""`suite.training.interleaving`: trials that share a process give the results of trials alone."""

import dataclasses
import random

import numpy as np
import pytest
import torch

from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training import run_trial as run_trial_module
from suite.training.interleaving import InterleavedRun, Seeds, run_interleaved
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


NOISY = """
import random
import numpy as np
import torch

random.random(), np.random.random(), torch.rand(1)  # an import that draws

class Noisy(torch.optim.SGD):
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.data += 1e-3 * random.gauss(0, 1) + 1e-3 * np.random.normal() + 1e-3 * torch.randn(1).item()
        return super().step()
"""
NOISY_DATA = """

class NoisyBlobs(Blobs):
    def load(self, root):
        import random
        import numpy as np
        data = super().load(root)
        noise = random.random() + np.random.random() + torch.rand(1)
        return Data(data.train_inputs + noise, data.train_targets, data.test_inputs, data.test_targets)

NOISY = NoisyBlobs()
"""


def _states():
    """Return the states of the global generators."""
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002
    return torch.random.get_rng_state().tolist(), random.getstate(), repr(numpy_state)


def test_every_global_generator_is_seeded_for_each_trial(write_study):
    """An optimizer, an import and a problem that draw from torch, `random` and NumPy give the same bits in any company."""
    path = write_study("NOISY", repeats=2, extra='\n[[optimizer]]\nname = "noisy"\nkind = "noisy:Noisy"\nlr = 0.1\n')
    (path.parent / "noisy.py").write_text(NOISY, encoding="utf-8")
    with (path.parent / "toy.py").open("a", encoding="utf-8") as file:
        file.write(NOISY_DATA)
    trials = [trial for trial in plan(load_study(path)) if trial.label != "SGD"]
    before = _states()
    first = run_trials(trials, 1, folder=path.parent)
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    after = _states()
    run_trial_module._load_data.cache_clear()
    packed = run_trials(trials[::-1], 4, folder=path.parent)[::-1]
    assert _states() == after != before
    assert [_bits(r) for r in packed] == [_bits(r) for r in first]
    assert [r.outcome for r in first] == [Outcome.OK] * 4
    assert len({r.weights for r in first}) == 4


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

    runs = (
        InterleavedRun(run(name, steps), Seeds(0, 0, 0), "cpu")
        for name, steps in (("a", 3), ("b", 1), ("c", 1), ("d", 0))
    )
    assert run_interleaved(runs, 2) == ["a", "b", "c", "d"]
    assert log == ["a0", "b0", "a1", "a2", "c0"]


def test_no_runs_have_no_results():
    """Without runs the list of results is empty."""
    assert run_interleaved([], 3) == []
