"""The command line: the Typer application, exit statuses and Ctrl-C."""

from __future__ import annotations

import errno
import functools
import gc
import io
import os
import sys
import unicodedata
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar

import typer

from ravine import console, context
from ravine.commands import info, report, train, transfer
from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

_FREE = "Free some space. Recorded results are kept; the same command resumes"
_OTHER = "Make it writable, or work in another folder"
UNWRITABLE = {errno.ENOSPC: _FREE, errno.EDQUOT: _FREE, errno.EFBIG: _FREE, errno.EROFS: _OTHER, errno.EACCES: _OTHER}
"""Errors of the system when nothing can be written, and their hints."""

app = typer.Typer(
    help="Ravine benchmarks optimizers: seeded, repeated trials, recorded in MLflow, compared with confidence intervals.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: ravine run quick",
)


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 a trial failed, 2 invalid input, 130 stopped by Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without the character ± prints a question mark
    gc.set_threshold(50_000)  # modules of torch and MLflow stay: scanning them took a tenth of a report
    os.environ["MPLBACKEND"] = "agg"  # figures go to files; importing matplotlib fails if this names no backend
    try:
        _check_characters()
        app()
    except UserError as error:
        for line in str(error).split("\n"):
            console.note(line)
        sys.exit(2)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        console.note(f"{error.filename or context.OUT}: {error.strerror}. {UNWRITABLE[error.errno]}")
        sys.exit(2)


def _check_characters() -> None:
    """Refuse control characters and line ends in arguments and in Ravine's environment variables."""
    inputs = {f"argument {at}": word for at, word in enumerate(sys.argv[1:], 1)}
    inputs |= {name: os.environ.get(name, "") for name in ("RAVINE_DATA", "RAVINE_CACHE", "MLFLOW_TRACKING_URI")}
    for location, text in inputs.items():
        control = next((mark for mark in text if unicodedata.category(mark) in {"Cc", "Zl", "Zp"}), None)
        if control:
            raise UserError(location, f"contains the unprintable character U+{ord(control):04X}", "Remove it")


def _version(requested: bool) -> None:
    if requested:
        from suite.training.provenance import version

        print(f"ravine {version('ravine')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def _interruptible(command: Callable[P, R]) -> Callable[P, R]:
    """Return the command, which exits with status 130 on Ctrl-C."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            kept = "Recorded results are kept; the same command resumes" if command in {train.run, train.tune} else ""
            raise typer.Exit(console.stopped(kept)) from None

    return wrapped


for _command in (  # in the order of the help
    train.run,
    train.tune,
    report.report,
    info.status,
    train.verify,
    info.ui,
    report.compare,
    transfer.export,
    transfer.merge,
    transfer.import_,
    info.data,
    info.doctor,
    info.list_,
):
    app.command(_command.__name__.strip("_"))(_interruptible(_command))
