"""The arguments and options that commands share: types, checks and help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Study = Annotated[str, typer.Argument(help="A name from `ravine list studies`, or the path of a study file.")]
Part = Annotated[list[str] | None, typer.Option(help="Use only this part of the study; may be repeated. Default: all.")]
Repeats = Annotated[int | None, typer.Option(help="Run N repeats. Default: those of the study.")]
Epochs = Annotated[int | None, typer.Option(help="Train every optimizer for N epochs. Default: those of the study.")]
TrainExamples = Annotated[int | None, typer.Option(help="Train on the first N examples. Default: those of the study.")]
Optimizer = Annotated[
    list[str] | None, typer.Option(help="Use only this label or kind of optimizer; may be repeated. Default: all.")
]
Precision = Annotated[
    str | None, typer.Option(help="Compute in float32, tf32 (CUDA only) or bfloat16. Default: that of the study.")
]
Trials = Annotated[
    int | None, typer.Option(help="Try N configurations of each optimizer. Default: those of the study.")
]
Device = Annotated[str, typer.Option(help="Run on auto, cpu, cuda or cuda:N.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Run N trials at a time. Default: one per CPU core or GPU; more share a GPU."),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Connect to this Ray cluster: host:port of its head, or auto. "
        "Default: RAY_ADDRESS, else a local Ray instance."
    ),
]
Store = Annotated[str | None, typer.Option(help="Use another MLflow store: a URI or a folder. Default: out/mlflow.db.")]
Data = Annotated[
    Path | None,
    typer.Option(help="Use the data set in this folder. Default: RAVINE_DATA, else the cache or a download."),
]
DryRun = Annotated[bool, typer.Option(help="Print the plan, what is done and the expected time; run nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


class Executors(StrEnum):
    """The executors of trials."""

    LOCAL = "local"
    RAY = "ray"


Executor = Annotated[Executors, typer.Option(help="Run trials in processes of this machine, or on Ray.")]


class Tests(StrEnum):
    """The tests that compare pairs of optimizers."""

    RANK = "rank"
    BOOTSTRAP_T = "bootstrap-t"
