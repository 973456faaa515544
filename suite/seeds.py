"""A seed for each stream of random numbers, by name.

The optimizer is never part of the name: repeat r of every optimizer starts from the same weights and sees the same
batches, so their scores can be compared in pairs.
"""

import hashlib


def seed_for(root: int, problem: str, stage: str, repeat: int, stream: str) -> int:
    """The seed of one stream: the first 63 bits of the SHA-256 of the names.

    Args:
        root: The study's `seed`; 0 is a seed like any other.
        problem: The key of the problem.
        stage: `final` or `tuning`, so that tuned settings are judged on repeats that the tuning never saw.
        repeat: Which repeat, from 0.
        stream: What the numbers are for: `initialisation`, `order`, `noise`.

    Returns:
        An integer in [0, 2⁶³), the range that every generator takes.
    """
    name = "\x1f".join((str(root), problem, stage, str(repeat), stream))
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1
