"""`suite.tuning.sampling`: what is tried next."""

import dataclasses
import math

import pytest

from suite.errors import UserError
from suite.spec.study_file import load_study
from suite.tuning import sampling, storage
from suite.tuning import search as searching


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
def test_proposals_depend_on_the_number_alone_and_lie_in_their_ranges(tune, write_study, sampler):
    """A proposal is a function of the batches before, so it can be made again; another study seed makes others."""
    most = 14 if sampler == "tpe" else 7  # TPE draws at random until ten are told
    study = load_study(write_study(extra=f'[tune]\nbatch = 3\nrepeats = 2\nsampler = "{sampler}"\n')).override(
        trials=most, optimizers=("Adam",)
    )
    store = tune(study)[0]
    (search,) = searching.make_searches(study)
    with storage.Storage(storage.locate(None, store.root)) as held:
        history = held.study(search).get_trials()
    tried = [each.hyperparameters for each in store.configurations(study.name)]
    assert [sampling.proposal(search, history[:n], n) for n in range(most)] == tried
    other = dataclasses.replace(search, base=dataclasses.replace(search.base, seed=1))
    assert sampling.proposal(other, history[: most - 1], most - 1) != tried[-1]
    for values in tried[1:]:
        for name, (low, high) in {"lr": (1e-5, 1), "beta1": (0.5, 0.995), "beta2": (0.5, 0.9999)}.items():
            assert low <= values[name] <= high
    lr = sorted(math.log10(values["lr"]) for values in tried)
    assert lr[-1] - lr[0] > 2


def test_a_grid_is_the_product_of_its_points(write_study):
    """After the own setting every combination once; grids of different size are refused, since the budget is one."""
    extra = '[tune]\nsampler = "grid"\npoints = 3\n'
    study = load_study(write_study(extra=extra + 'parameters = ["lr"]\n'))
    (sgd, adam) = searching.make_searches(study)
    assert [sampling.proposal(sgd, (), n)["lr"] for n in range(4)] == [0.1, 1e-4, 0.0316228, 10.0]
    assert adam.configurations == 4
    with pytest.raises(UserError, match=r"toy_study.toml: tune.sampler: the grids differ in size \(SGD 4, Adam 28\)"):
        searching.make_searches(load_study(write_study(extra=extra)))
