"""What the tests of the optimizers share."""

import pytest


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """Run every test of this folder with one thread."""
