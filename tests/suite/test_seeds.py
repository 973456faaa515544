"""`suite.seeds`: a seed for each stream of random numbers, by name."""

import pytest

from suite.seeds import seed_for

NAMES = {"root": 0, "problem": "p", "stage": "final", "repeat": 0, "stream": "order"}


def test_the_seed_is_the_start_of_a_sha256():
    """The seed follows the documented rule, so it is the same on every machine."""
    # printf '0\x1fp\x1ffinal\x1f0\x1forder' | sha256sum | cut -c 1-16  ->  the first 64 bits, halved
    import hashlib

    digest = hashlib.sha256(b"0\x1fp\x1ffinal\x1f0\x1forder").hexdigest()
    assert seed_for(**NAMES) == int(digest[:16], 16) // 2


@pytest.mark.parametrize(
    "change", [{"root": 1}, {"problem": "q"}, {"stage": "tuning"}, {"repeat": 1}, {"stream": "initialisation"}]
)
def test_every_name_counts(change):
    """Another root, problem, stage, repeat or stream gives another seed."""
    assert seed_for(**{**NAMES, **change}) != seed_for(**NAMES)


def test_names_are_separated():
    """Moving a character from one name to the next gives another seed."""
    assert seed_for(0, "ab", "c", 0, "s") != seed_for(0, "a", "bc", 0, "s")


def test_seeds_are_valid_for_generators():
    """All seeds are in [0, 2^63), the range of torch generators."""
    seeds = [seed_for(0, "p", "final", repeat, "order") for repeat in range(1000)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
