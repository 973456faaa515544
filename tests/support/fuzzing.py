"""Hypothesis strategies for invalid study files, and the form of an error line."""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from suite.spec.study_file import shipped_studies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from suite.errors import ErrorLine

IMPORTED = f"""
title = "Imported from results.csv"
problem = "ResNet"
repeats = 2
epochs = 3
batch_size = "full"
imported = {{file = "results.csv", sha256 = "{"0" * 64}"}}
[[optimizer]]
name = "Lion"
kind = "imported"
epochs = 3
"""
STUDIES = {name: path.read_bytes() for name, path in shipped_studies().items()} | {"imported": IMPORTED.encode()}
DOCUMENTS = {name: tomllib.loads(raw.decode()) for name, raw in STUDIES.items()}

_HINTS = (
    "Add|Change|Check|Choose|Copy|Create|Define|Delete|Did you mean|Fix|Free|Give|Import|Install|Known keys:|List|Lower|Move|"
    "Omit|Open|Pass|Put|Raise|Remove|Rename|Reset|Run|Save|Select|Set|Shorten|Start|Stop|Train|Tune|Update|Use|Wait|Widen|Write"
)
_HINT = re.compile(rf"(?:{_HINTS})(?!\w)")
"""How a hint begins: with an imperative verb, or with a list of what is allowed."""


def is_error_line(line: str) -> bool:
    """Return whether a printed line reads `<location>: <problem>. <hint>`; a long one is shortened in its middle."""
    hints = [line[match.end() :] for match in re.finditer(r"[.?:] ", line)]
    return line.isprintable() and (": " in line or "…" in line) and any(map(_HINT.match, hints))


def has_parts(line: ErrorLine) -> bool:
    """Return whether an error has a location, a problem without a full stop, and a hint."""
    return bool(line.location and line.problem and not line.problem.endswith(".") and _HINT.match(line.hint))


TEXTS = st.one_of(
    st.sampled_from(
        [
            *[
                "",
                " ",
                "adam",
                "sgd",
                "Adam",
                "adma",
                "full",
                "true",
                "0.1",
                "nan",
                "1e5",
                "test/loss",
                "paper",
                "cosine",
            ],
            *[
                "../../etc/passwd",
                "/etc/passwd",
                "a/b",
                "..",
                ".",
                "~",
                "C:\\x",
                "CON",
                "nul.txt",
                "x\0y",
                "a\nb",
                "\r\n",
            ],
            *[
                "torch.optim:Adam",
                "torch.optim:LBFGS",
                "torch:nn",
                "os:system",
                "no.such:Thing",
                ":",
                "a:b:c",
                "a.b:",
                "é:é",
            ],
            *[
                "<script>alert(1)</script>",
                "$(id)",
                "{{ 7 * 7 }}",
                "%s%n",
                "\x1b[31mred",
                "\x9b31m",
                "\u2028",
                "\u202e",
                "\x85",
            ],
            *["a" * 300, "🦆" * 100, "=1+1", "-" * 70, "x" * 100_000],
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
"""Words of study files in wrong places, paths, specs, control characters, markup, long texts."""

NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 2, 3, 7, 255, 10_000, 10_001, 2**31, 2**63, 2**64, 10**30, 10**400, -(10**400)]),
    st.sampled_from(
        [0.0, -0.0, 0.5, 1.0, -1.0, 1e-400, 5e-324, 1e-30, 1e308, float("inf"), float("-inf"), float("nan")]
    ),
    st.integers(-5, 5_000),
    st.floats(0, 2),
)

SCALARS = st.one_of(
    TEXTS,
    NUMBERS,
    st.booleans(),
    st.sampled_from([dt.date(2020, 2, 29), dt.time(1, 2), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]),
)

KEYS = st.one_of(
    st.sampled_from(
        [
            *[
                "name",
                "path",
                "overrides",
                "kind",
                "lr",
                "betas",
                "eps",
                "params",
                "self",
                "closure",
                "model_config",
                "schedule",
            ],
            *[
                "__class__",
                "",
                "a.b",
                "tune",
                "tuned",
                "space",
                "optimizer",
                "problem_options",
                "surface",
                "epochs",
                "chunk",
            ],
            *[
                "batch_size",
                "modules",
                "reference",
                "points",
                "sampler",
                "parameters",
                "values",
                "log",
                "foreach",
                "fused",
            ],
        ]
    ),
    TEXTS,
)

VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=4
)


SMALL = st.integers(1, 40) | st.floats(1e-9, 1) | st.sampled_from([0.9, 0.999, 0.5, 1e-8, 2, 1])
RANGES = st.tuples(
    st.sampled_from(["log", "log", "one_minus_log", "uniform", "values"]),
    st.lists(SMALL, min_size=2, max_size=2, unique=True).map(sorted) | st.lists(NUMBERS, max_size=4),
).map(lambda pair: dict([pair]))
KINDS = st.sampled_from(
    [
        *[
            "sgd",
            "momentum",
            "nag",
            "adagrad",
            "rmsprop",
            "adadelta",
            "adam",
            "adamax",
            "nadam_paper",
            "newton",
            "own:Own",
        ],
        *[
            f"torch.optim:{name}"
            for name in ("SGD", "Adam", "LBFGS", "Muon", "SparseAdam", "Rprop", "Optimizer", "swa_utils")
        ],
    ]
)
SCHEDULES = st.fixed_dictionaries(
    {"kind": st.sampled_from(["constant", "linear", "cosine", "exponential", "step", "wsd"])},
    optional={"warmup": SMALL, "final": SMALL, "gamma": SMALL, "milestones": st.lists(SMALL, max_size=3)},
)
BUDGETS: dict[str, st.SearchStrategy[Any]] = {
    "batch_size": SMALL | NUMBERS | st.just("full"),
    **dict.fromkeys(["chunk", "epochs", "train_examples", "eval_every"], SMALL | NUMBERS),
    "problem_options": st.dictionaries(st.sampled_from(["surface", "initialisation"]) | KEYS, VALUES, max_size=2),
}
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(["lr", "momentum", "eps", "rho", "alpha", "weight_decay", "dampening", "decay"], SMALL | SCALARS),
    **dict.fromkeys(["foreach", "fused", "maximize", "nesterov", "amsgrad", "capturable"], st.booleans() | VALUES),
    "betas": st.lists(SMALL | NUMBERS, max_size=3),
    "schedule": SCHEDULES,
    "kind": KINDS,
    "anything": VALUES,
    **BUDGETS,
}
STUDY_KEYS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(["repeats", "seed", "margin"], SMALL | NUMBERS),
    "score": st.sampled_from(["test/accuracy", "test/loss", "train/loss", "validation/loss"]) | TEXTS,
    "precision": st.sampled_from(["float32", "tf32", "bfloat16", "float16"]),
    "compiled": st.booleans(),
    "problem": st.sampled_from(["digits_mlp", "surface", "airfoil_linear", "fashion_mnist_mlp", "math:pi", "own:P"])
    | TEXTS,
    "reference": st.sampled_from(["paper", "airfoil", "../paper", "papre"]),
    "modules": TEXTS,
    **BUDGETS,
}
TUNINGS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(["trials", "batch", "repeats", "epochs", "train_examples", "validation_examples"], SMALL | NUMBERS),
    "points": st.integers(2, 1000),
    "sampler": st.sampled_from(["tpe", "random", "qmc", "grid"]),
    "objective": st.sampled_from(["validation/loss", "validation/accuracy"]),
    "prune": st.booleans(),
    "parameters": st.lists(
        st.sampled_from(["lr", "eps", "beta1", "beta2", "momentum", "weight_decay", "l r"]), min_size=1
    ),
    "space": st.dictionaries(
        KINDS,
        st.dictionaries(st.sampled_from(["lr", "beta1", "eps", "momentum", "alpha"]), RANGES, max_size=2),
        max_size=2,
    ),
}
"""Valid keys with values that may be invalid: errors that only a problem or an optimizer can find."""


def toml(document: dict[str, Any]) -> str:
    """Return a document as TOML, every value on the line of its key."""
    return "".join(f"{_quoted(key)} = {_inline(value)}\n" for key, value in document.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)} = {_inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return repr(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Draw a shipped study with up to four invalid keys or values."""
    document = copy.deepcopy(DOCUMENTS[draw(st.sampled_from(sorted(DOCUMENTS)))])
    if draw(st.booleans()):
        tables = [(document, STUDY_KEYS), (document.setdefault("tune", {}), TUNINGS)]
        study = draw(st.sampled_from([document, *document.get("part", [])]))  # a part has the keys of a study
        tables += [(study, STUDY_KEYS)] if study is not document else []
        entries = study.get("optimizer", [])
        tables += [(draw(st.sampled_from(entries)), OPTIONS)] if entries else []
        for table, known in draw(st.lists(st.sampled_from(tables), min_size=1, max_size=3)):
            key = draw(st.sampled_from(sorted(known)))
            table[key] = draw(known[key])
    else:
        for _ in range(draw(st.integers(1, 4))):
            _change(draw, document)
    return toml(document)


def _change(draw: st.DrawFn, document: dict[str, Any]) -> None:
    places = list(_places(document))
    if not places:
        document[draw(KEYS)] = draw(VALUES)
        return
    container, key = draw(st.sampled_from(places))
    others = [other[name] for other, name in places]
    kind = draw(st.sampled_from(["replace", "drop", "rename", "double", "wrap", "insert", "copy"]))
    if kind == "replace":
        container[key] = draw(VALUES)
    elif kind == "drop":
        del container[key]
    elif kind == "rename" and isinstance(container, dict):
        container[draw(st.just(_misspelled(draw, str(key))) | KEYS)] = container.pop(key)
    elif kind == "double" and isinstance(container, list):
        container.append(copy.deepcopy(container[key]))
    elif kind == "wrap":
        container[key] = draw(st.sampled_from([[container[key]], {str(key): container[key]}, {"0": [container[key]]}]))
    elif kind == "insert" and isinstance(container, dict):
        container[draw(KEYS)] = draw(VALUES)
    else:
        container[key] = copy.deepcopy(draw(st.sampled_from(others)))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every table or list of a document with each of its keys or indices."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)


def _misspelled(draw: st.DrawFn, word: str) -> str:
    at = draw(st.integers(0, max(len(word) - 1, 0)))
    changed = (word[:at] + word[at + 1 :], word[:at] + word[at : at + 1] * 2 + word[at + 1 :], word.upper(), f"{word}s")
    return draw(st.sampled_from(changed))


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Draw the bytes of a shipped study with one to three changes."""
    raw = STUDIES[draw(st.sampled_from(sorted(STUDIES)))]
    for _ in range(draw(st.integers(1, 3))):
        at, to = sorted(draw(st.integers(0, max(len(raw) - 1, 0))) for _ in range(2))
        insertion = draw(
            st.sampled_from(
                [b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n", b'"', b"'''", b"[[", b"=", b"\\", b"#", b"{"]
            )
        )
        changes = {
            "truncated": raw[:at],
            "beheaded": raw[at:],
            "flipped": raw[:at] + bytes([(raw[at] if raw else 0) ^ (1 << draw(st.integers(0, 7)))]) + raw[at + 1 :],
            "cut": raw[:at] + raw[to:],
            "doubled": raw[:to] + raw[at:],
            "inserted": raw[:at] + insertion + raw[at:],
            "marked": b"\xef\xbb\xbf" + raw,
            "windows": raw.replace(b"\n", b"\r\n"),
            "wide": raw.decode(errors="replace").encode("utf-16"),
            "latin": raw[:at] + "é".encode("latin-1") + raw[at:],
        }
        raw = changes[draw(st.sampled_from(sorted(changes)))]
    return raw
