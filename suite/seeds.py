"""A seed for each stream of random numbers, by name.

The optimizer is not part of the name. Repeat r of every optimizer starts from the same weights and sees the same batches,
so their scores are paired.
"""

import hashlib


def seed_for(root: int, problem: str, stage: str, repeat: int, stream: str) -> int:
    """Return the seed of one stream: the first 63 bits of the SHA-256 of the names, an integer in [0, 2⁶³).

    Args:
        root: The study's `seed`; 0 has no special meaning.
        problem: The key of the problem.
        stage: `final` or `tuning`, so that tuned settings run on repeats that the tuning did not use.
        repeat: The number of the repeat, from 0.
        stream: The purpose of the numbers: `initialisation`, `order`, `noise`; `random` and `numpy` for the global generators
            of these modules.
    """
    name = "\x1f".join((str(root), problem, stage, str(repeat), stream))
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1
