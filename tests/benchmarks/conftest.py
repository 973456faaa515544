"""Adds the device and versions to the JSON file of the benchmarks."""

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config, machine_info):
    """Add device, versions and commit to the results."""
    from suite.training.provenance import environment

    machine_info["ravine"] = environment("cpu")


@pytest.fixture(scope="session")
def fashion_mnist():
    """Return the folder of Fashion-MNIST."""
    from suite.data import datasets

    return datasets.ensure(datasets.FASHION_MNIST)
