"""The options and arguments that commands share: their types, checks and help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Study = Annotated[str, typer.Argument(help="A name of `ravine list studies`, or the path of a study file.")]
Part = Annotated[list[str] | None, typer.Option(help="Only this part of a study that has parts; may be repeated.")]
Repeats = Annotated[int | None, typer.Option(help="Run so many repeats instead of the study's.")]
Epochs = Annotated[int | None, typer.Option(help="Train every optimizer for so many epochs.")]
TrainExamples = Annotated[int | None, typer.Option(help="Train on the first so many examples only.")]
Optimizer = Annotated[list[str] | None, typer.Option(help="Only this label or kind of the study; may be repeated.")]
Precision = Annotated[str | None, typer.Option(help="float32, tf32 (CUDA only) or bfloat16.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Trials at a time. Default: one a CPU core, or one a GPU; more share a GPU.")
]
Address = Annotated[
    str | None,
    typer.Option(
        help="The Ray cluster: host:port of its head, or auto. Default: RAY_ADDRESS, else a Ray of its own here."
    ),
]
Store = Annotated[str | None, typer.Option(help="Another MLflow store: a URI or a folder. Default: out/mlflow.db.")]
Data = Annotated[Path | None, typer.Option(help="The folder of the data set. Default: RAVINE_DATA, else it is found.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


class Executors(StrEnum):
    """Where trials run."""

    LOCAL = "local"
    RAY = "ray"


Executor = Annotated[Executors, typer.Option(help="Where trials run: processes of this machine, or Ray.")]


class Tests(StrEnum):
    """How a report compares pairs of optimizers."""

    MAX_T = "max-t"
    HOLM_T = "holm-t"
    WILCOXON = "wilcoxon"
    WELCH = "welch"
