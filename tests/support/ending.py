"""A function for processes of their own, in a module that they can import."""

import os
import time

from optimizer_packages import Result


def behave(kind):
    """Return the result of a kind that `works`, end the process of one that `ends`, and block that of one that `sleeps`."""
    if kind == "sleeps":
        time.sleep(60)
    if kind == "ends":
        os._exit(3)
    return Result(kind, "equal")
