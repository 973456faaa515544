"""Tests of `suite.tuning.sampling`: the next configuration."""

import dataclasses
import math

import pytest

from suite.errors import UserError
from suite.spec.study_file import load_study
from suite.tuning import sampling, storage
from suite.tuning import search as searching


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
def test_proposals_depend_on_earlier_batches_only_and_lie_in_their_ranges(tune, write_study, sampler):
    """A proposal is a function of the earlier batches, so it can be repeated; another study seed gives others."""
    num_trials = 14 if sampler == "tpe" else 7  # TPE samples at random for the first ten
    study = load_study(write_study(extra=f'[tune]\nbatch = 3\nrepeats = 2\nsampler = "{sampler}"\n')).override(
        trials=num_trials, optimizers=("Adam",)
    )
    store = tune(study)[0]
    (search,) = searching.make_searches(study)
    with storage.Storage(storage.locate(None, store.root)) as optuna:
        history = optuna.study(search).get_trials()
    tried = [configuration.hyperparameters for configuration in store.configurations(study.name)]
    assert [sampling.propose(search, history[:n], n) for n in range(num_trials)] == tried
    other = dataclasses.replace(search, base=dataclasses.replace(search.base, seed=1))
    assert sampling.propose(other, history[: num_trials - 1], num_trials - 1) != tried[-1]
    for values in tried[1:]:
        for name, (low, high) in {"lr": (1e-5, 1), "beta1": (0.5, 0.995), "beta2": (0.5, 0.9999)}.items():
            assert low <= values[name] <= high
    lr = sorted(math.log10(values["lr"]) for values in tried)
    assert lr[-1] - lr[0] > 2


def test_a_grid_is_the_product_of_its_points(write_study, wording):
    """It has the default setting, then every combination once. Grids of different sizes are refused."""
    extra = '[tune]\nsampler = "grid"\npoints = 3\n'
    study = load_study(write_study(extra=extra + 'parameters = ["lr"]\n'))
    (sgd, adam) = searching.make_searches(study)
    assert [sampling.propose(sgd, (), n)["lr"] for n in range(4)] == [0.1, 1e-4, 0.0316228, 10.0]
    assert adam.configurations == 4
    with pytest.raises(UserError) as error:
        searching.make_searches(load_study(write_study(extra=extra)))
    wording(error.value)
