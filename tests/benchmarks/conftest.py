"""What a benchmark's figures mean: device and versions go into the JSON file."""

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config, machine_info):
    """Add device, versions and commit to the results."""
    from suite.training.provenance import environment

    machine_info["ravine"] = environment("cpu")


@pytest.fixture(scope="session")
def fashion_mnist():
    """The folder of the real Fashion-MNIST."""
    from suite.data import datasets

    return datasets.ensure(datasets.FASHION_MNIST)
