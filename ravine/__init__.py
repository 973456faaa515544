"""The front door: the command line. Each command parses, calls into `suite` and `reports`, and prints."""

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

_FREE = "Free some space; what was recorded is kept, and the same command goes on from there"
_OTHER = "Make it writable for you, or work in another folder"
UNWRITABLE = {errno.ENOSPC: _FREE, errno.EDQUOT: _FREE, errno.EFBIG: _FREE, errno.EROFS: _OTHER, errno.EACCES: _OTHER}
"""What the system says where nothing can be written, and the mend."""
INTERRUPTED = 130

app = typer.Typer(
    help="Ravine benchmarks optimizers: seeded, repeated trials, recorded in MLflow, compared with confidence intervals.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: ravine run quick",
)


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 a trial failed, 2 a mistake of the user's, 130 stopped by Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks the letter ± shows a question mark
    gc.set_threshold(50_000)  # what torch and MLflow import stays: a report spent a tenth of its time looking it over
    os.environ["MPLBACKEND"] = "agg"  # figures go to files; matplotlib cannot be imported where this names no backend
    try:
        _check_words()
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


def _check_words() -> None:
    """Refuse control characters and ends of lines in arguments and in what the environment says to Ravine."""
    told = {f"argument {at}": word for at, word in enumerate(sys.argv[1:], 1)}
    told |= {name: os.environ.get(name, "") for name in ("RAVINE_DATA", "RAVINE_CACHE", "MLFLOW_TRACKING_URI")}
    for place, text in told.items():
        odd = next((mark for mark in text if unicodedata.category(mark) in {"Cc", "Zl", "Zp"}), None)
        if odd:
            raise UserError(f"{place}: it holds the character U+{ord(odd):04X}, which does not print. Leave it out")


def _version(wanted: bool) -> None:
    if wanted:
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
    """A command that ends with status 130 on Ctrl-C."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            kept = ". What was recorded is kept; the same command goes on from there"
            print(f"\nravine: stopped{kept if command in {train.run, train.tune} else ''}", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None

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
