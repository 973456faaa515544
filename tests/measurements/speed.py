"""Writes the tables of docs/speed.md from the results of the benchmarks.

Run `python tests/measurements/speed.py out/benchmark.json`. A table without results stays as it is, so one file of benchmarks
can be measured alone.
"""

import json
import sys
from pathlib import Path

from markdown_tables import grid, put

DOCUMENT = Path(__file__).parents[2] / "docs" / "speed.md"


def _info(benchmark):
    return benchmark["extra_info"]


def _spread(benchmark, scale=1.0, digits=0):
    """Return the median, and in brackets the interquartile range of the rounds."""
    stats = benchmark["stats"]
    low, middle, high = (stats[name] * scale for name in ("q1", "median", "q3"))
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def machine(results):
    """Return the machine and the versions."""
    found = results["machine_info"]["ravine"]
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else found["device_name"]
    versions = f"Python {found['python']}, torch {found['torch']}, Ravine {found['ravine']}"
    count = f"{results['machine_info']['cpu']['count']} cores"
    return f"{device}, {count}, {versions}; {results['datetime'][:10]}."


def training(results):
    """Return training examples per second, the ratio to the fastest usual loop, and the relative interquartile range."""
    found = {}
    for each in results["benchmarks"]:
        if "training_examples_per_second" in _info(each):
            found.setdefault((_info(each)["who"], _info(each)["precision"]), {})[each["group"]] = each
    if not found:
        return None
    groups = ("training", "training with evaluation")
    usual = {g: max(_speed(x[g]) for (who, _), x in found.items() if who.startswith("usual")) for g in groups}
    rows = []
    for (who, precision), measured in found.items():
        cells = [f"{_speed(measured[g]):,.0f}" for g in groups]
        ratios = [f"{_speed(measured[g]) / usual[g]:.2f}" for g in groups]
        stats = measured["training"]["stats"]
        rows.append([f"{who}, {precision}", *cells, *ratios, f"{(stats['q3'] - stats['q1']) / stats['median']:.1%}"])
    head = [
        "loop",
        "training, examples/s",
        "with evaluation, examples/s",
        "training, ratio",
        "with evaluation, ratio",
        "training, IQR / median",
    ]
    return grid(head, rows)


def _speed(benchmark):
    return _info(benchmark)["training_examples_per_second"]


def steps(results):
    """Return the microseconds of a step of Ravine and of torch, and their ratios."""
    found = {}
    for each in results["benchmarks"]:
        if "kind" in _info(each):
            found[_info(each)["size"], _info(each)["kind"]] = {
                "Ravine": each["stats"]["median"],
                **_info(each)["medians"],
            }
    if not found:
        return None
    names = ["Ravine", "Ravine compiled", "torch loop", "torch foreach", "torch fused"]
    rows = []
    for (size, kind), times in sorted(found.items(), key=lambda item: item[0][0], reverse=True):
        scale, unit = (1e6, "µs") if size == "CNN" else (1e3, "ms")
        cells = [f"{times[name] * scale:,.0f}" if name in times else "" for name in names]
        fused = f"{times['Ravine compiled'] / times['torch fused']:.2f}" if "torch fused" in times else ""
        rows.append([f"{kind}, {size}, {unit}", *cells, f"{times['Ravine'] / times['torch foreach']:.2f}", fused])
    return grid(
        ["optimizer, parameters, unit", *names, "Ravine / torch foreach", "Ravine compiled / torch fused"], rows
    )


def overhead(results):
    """Return the overhead around training."""
    found = {(each["group"], _info(each).get("who")): each for each in results["benchmarks"]}
    if ("a study of tiny trials", "ravine run") not in found:
        return None
    recording = found["recording a one-epoch trial", "store.write"]
    one, two = (found["four trials", f"{n} workers"] for n in (1, 2))
    tiny = found["a study of tiny trials", "ravine run"]
    start = found["start-up", "ravine --help"]
    rows = [
        [
            "recording a trial, ms: median (interquartile range)",
            _spread(recording, 1e3),
            str(recording["stats"]["rounds"]),
        ],
        [
            (
                "recording a trial, as a share of a one-epoch trial of `paper` "
                f"({_info(recording)['trial_seconds']:.0f} s on one core, extrapolated from 2,048 images)"
            ),
            f"{_info(recording)['share']:.2%}",
            str(recording["stats"]["rounds"]),
        ],
        [
            "speed-up of two workers over one, on four trials",
            f"{one['stats']['median'] / two['stats']['median']:.2f}",
            "3",
        ],
        [
            f"time outside training, ms per trial, in a study of {_info(tiny)['trials']:,} trials of 20 updates, with report",
            f"{_info(tiny)['seconds_outside_a_trial'] * 1e3:.0f}",
            "1",
        ],
        ["`ravine --help`, s: median (interquartile range)", _spread(start, 1, 2), str(start["stats"]["rounds"])],
    ]
    return grid(["quantity", "measured", "n"], rows)


def report(results):
    """Return the time of a large report: the minimum of the rounds, because other work on the machine only adds to it."""
    found = [each for each in results["benchmarks"] if each["group"] == "a large report"]
    rows = [
        [
            f"{_info(x)['trials']:,}",
            f"{x['stats']['min']:.0f}",
            f"{_info(x)['cpu_seconds']:.0f}",
            f"{_info(x)['gigabytes']:.1f}",
            f"{x['stats']['rounds']}",
        ]
        for x in found
    ]
    head = ["trials", "time, s (minimum)", "CPU time, s (minimum)", "peak memory, GB", "n"]
    return grid(head, rows) if rows else None


def floor(results):
    """Return the peaks of the device, the work of a step, and the share of the peak."""
    found = [each for each in results["benchmarks"] if each["group"] == "the floor"]
    if not found:
        return None
    peaks = {_info(x)["precision"]: _rate(x, "flops") for x in found if _info(x)["who"] == "matrix product"}
    (copy,) = (_rate(x, "bytes") for x in found if _info(x)["who"] == "copy")
    rows = []
    for step in (x for x in found if _info(x)["who"] == "training step"):
        info, seconds = _info(step), step["stats"]["median"]
        peak = peaks[info["precision"]]
        computing, moving = info["flops"] / peak, info["bytes"] / copy
        rows.append(
            [
                info["precision"],
                f"{info['flops'] / info['examples'] / 1e6:.0f}",
                f"{info['bytes'] / info['examples'] / 1e6:.1f}",
                f"{peak / 1e9:,.0f}",
                f"{copy / 1e9:,.0f}",
                f"{computing * 1e3:,.0f} + {moving * 1e3:,.0f}",
                f"{seconds * 1e3:,.0f}",
                f"{computing / seconds:.0%}",
            ]
        )
    head = [
        "precision",
        "MFLOP per example",
        "MB per example",
        "peak GFLOP/s",
        "peak GB/s",
        "computation + memory traffic, ms",
        "measured, ms",
        "computation / measured",
    ]
    return grid(head, rows)


def profile(results):
    """Return the share of each operation in the time of a step."""
    steps = [each for each in results["benchmarks"] if _info(each).get("who") == "training step"]
    if not steps:
        return None
    rows = []
    for step in steps:
        shares = _info(step)["profile"]
        rows += [[_info(step)["precision"], f"`{name}`", f"{share:.1%}"] for name, share in shares.items()]
    return grid(["precision", "operation", "share"], rows)


def _rate(benchmark, what):
    return _info(benchmark)[what] / benchmark["stats"]["min"]


TABLES = {
    "machine": machine,
    "training": training,
    "steps": steps,
    "overhead": overhead,
    "report": report,
    "floor": floor,
    "profile": profile,
}


def main():
    """Write the tables of a results file into the document."""
    results = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for name, table in TABLES.items():
        found = table(results)
        if found is not None:
            DOCUMENT.write_text(put(DOCUMENT.read_text(encoding="utf-8"), name, found), encoding="utf-8")
            print(found, end="\n\n")


if __name__ == "__main__":
    main()
