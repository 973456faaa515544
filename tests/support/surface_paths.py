"""Synthetic trajectories on surfaces for tests of the report, one for each way in which a trajectory can end."""

import pandas as pd

from reports.frames.study_frames import Frames

DOWN = [(-4.0, 1.0), (-2.0, 0.5), (-0.1, 0.01)]
TRAJECTORIES = {  # label: learning rate, surface, outcome, points after each step
    "GD 0.4": (0.4, "valley", "ok", DOWN),
    "GD 0.6": (0.6, "valley", "ok", [(-4.0, 90.0), (-3.0, -900.0)]),
    "GD 2": (2.0, "valley", "diverged", [(-4.0, 1e9), (3.0, 1e200)]),
    "Adam 0.4": (0.4, "valley", "ok", [(-4.0, 30.0), (-2.0, 0.5), (-2.0, 0.5)]),
    "Far": (0.1, "beale", "ok", [(1.5, 0.7)]),
    "Gone": (0.1, "valley", "missing", []),
}


def trajectory_frames(trajectories):
    """Return the data frames of these trajectories, with one repeat each."""
    trials, points = [], []
    for label, (rate, surface, outcome, positions) in trajectories.items():
        kind = {"GD": "sgd", "Gone": "adamax"}.get(label.split()[0], "adam")
        common = {"label": label, "repeat": 0, "outcome": outcome}
        settings = {"kind": kind, "epochs": 3, "hyperparameters": {"lr": rate}, "problem_options": {"surface": surface}}
        trials.append(common | settings)
        for step, (x1, x2) in enumerate(positions, 1):
            values = {"path/x1": x1, "path/x2": x2, "test/loss": 0.0}
            points += [common | {"epoch": step, "step": step, "metric": m, "value": v} for m, v in values.items()]
    columns = ["label", "repeat", "outcome", "epoch", "step", "metric", "value"]
    return Frames(pd.DataFrame(trials), pd.DataFrame(points, columns=columns), dict.fromkeys(trajectories, 1))
