"""Tests of `suite.tuning.pruning`: a much worse configuration is pruned, one within the noise is not."""

import numpy as np
import pytest

from suite.tuning.pruning import should_prune

BEST = [0.50, 0.52]
GOOD = [[0.51, 0.55], [0.54, 0.54], [0.53, 0.53], [0.55, 0.59]]
BAD = [[2.0, 1.0], [1.5, 2.3], [2.2, 0.9]]


def test_only_a_much_worse_configuration_is_pruned():
    """The bound is four standard deviations, as worked by hand; it is smaller after more repeats."""
    # The better half of the 7 others are the four good ones. Their differences to the best, (.01, .03), (.04, .02),
    # (.03, .01) and (.05, .07), have the variance .0002 each: s = .0141, and four of it are .0566 after one repeat.
    complete = [*BAD, *GOOD, BEST]
    assert should_prune([0.50 + 0.057], complete)
    assert not should_prune([0.50 + 0.056], complete)
    assert should_prune([0.50 + 0.041, 0.52 + 0.041], complete), "after two repeats the bound is 0.0566 / √2 = 0.0400"
    assert not should_prune([0.50 + 0.039, 0.52 + 0.039], complete)


def test_repeats_are_compared_in_pairs():
    """The effect of a repeat on all configurations is removed: 1.02 is close to the best in the first repeat only."""
    uneven = [[1.0, 0.1], [1.01, 0.12], [1.02, 0.11], [1.01, 0.13], [1.03, 0.12], [1.5, 0.7], [1.6, 0.8], [1.7, 0.9]]
    assert not should_prune([1.02], uneven)
    assert should_prune([1.02, 0.7], uneven)


@pytest.mark.parametrize("complete", [[], [BEST], [BEST, *GOOD[:3]], [[v[0]] for v in [BEST, *GOOD, *BAD]]])
def test_nothing_is_pruned_before_the_variance_is_known(complete):
    """Nothing is pruned with fewer than four degrees of freedom; there are none with one repeat."""
    assert not should_prune([9.0], complete)


def test_an_equal_configuration_is_rarely_pruned():
    """Of 2,000 configurations as good as the best, under paired noise, at most 2% are pruned after one of three repeats."""
    rng = np.random.default_rng(0)
    pruned = 0
    for _ in range(2000):
        shared = rng.normal(0, 0.05, 3)
        values = shared + rng.normal(0, 0.02, (13, 3))
        pruned += should_prune(list(values[0, :1]), [list(v) for v in values[1:]])
    assert pruned / 2000 < 0.02
