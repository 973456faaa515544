"""Write the files of a report: figures in all formats, pages from templates, a manifest. A folder is replaced in one step.

The same records give the same bytes: no function reads the time, the machine or a random number.
"""

from __future__ import annotations

import base64
import glob
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from reports.frames.study_frames import UserError
from reports.text import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from matplotlib.figure import Figure

    from reports.figures.style import Style
    from reports.sections import Section

FORMATS: Mapping[str, Mapping[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""The formats of every figure, each with the metadata to omit, because they differ between builds or versions."""

MANIFEST = "manifest.json"

_WIDE_INCHES = 7.5
"""Figures of at least this width, such as panels side by side, take the full width of the page."""


@dataclass(frozen=True, slots=True)
class RenderedFigure:
    """A figure in every format.

    Attributes:
        name: The file name without its extension.
        caption: The caption.
        alt: The alternative text.
        files: The bytes by extension.
        label: The optimizer, if the figure shows only one.
        section: The anchor of the section that the figure belongs to.
        below_table: The name of the table that the figure follows; without one it precedes the tables of its section.
        wide: Whether it takes the full width of the page.
    """

    name: str
    caption: str
    alt: str
    files: Mapping[str, bytes]
    label: str = ""
    section: str = ""
    below_table: str = ""
    wide: bool = False

    @property
    def uri(self) -> str:
        """The figure as a data URI, which needs no file and no network."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.files["svg"]).decode()


def check_destination(folder: Path) -> None:
    """Check that a report can be written to `folder`, before any training.

    Raises:
        UserError: The folder contains something other than a report, or cannot be created.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))):
        raise UserError(str(folder), "this is not the folder of a report", "Move it, or choose a new folder")
    nearest = next(parent for parent in folder.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):  # no folder is created before there is something to report
            pass
    except OSError as error:
        problem = f"reports cannot be written to this folder: {error.strerror}"
        raise UserError(str(folder.parent), problem, "Make it a writable folder, or start in another folder") from None


def render_figure(figure: Figure, name: str, caption: str, alt: str, label: str = "") -> RenderedFigure:
    """Return a figure in every format."""
    files = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            engine.execute(figure)  # twice, because annotations beside the axes move with them
            figure.set_layout_engine(None)  # one layout for all formats; with "none" each format would draw twice
        for extension, metadata in FORMATS.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format=extension, metadata=dict(metadata))
            files[extension] = buffer.getvalue()
    return RenderedFigure(name, caption, alt, files, label, wide=figure.get_figwidth() >= _WIDE_INCHES)


def draw_sections(sections: Iterable[Section], styles: Mapping[str, Style]) -> Iterator[RenderedFigure]:
    """Yield the figures of each section, in every format."""
    import matplotlib.style

    from reports.figures.style import STYLE

    with matplotlib.style.context(["default", dict(STYLE)]):
        for section in sections:
            for spec in section.draw(styles):
                figure = render_figure(spec.figure, spec.name, spec.caption, spec.alt)
                files = {**figure.files, **spec.extra_files}
                yield replace(figure, section=section.anchor, below_table=spec.below_table, files=files)


def write_report(
    folder: Path, values: dict[str, Any], texts: Mapping[str, str], manifest: Mapping[str, Any], **templates: str
) -> None:
    """Write a report to `folder`; an older report there is replaced in one step.

    Args:
        folder: The destination.
        values: The values of the templates, with `sections` and `figures`, which are written as well.
        texts: Further files by name.
        manifest: The content of the manifest; the digest of every file is added to it.
        templates: The template of the page, `index`, and of the Markdown report, `report`, if there is one.
    """
    texts = dict(texts)
    for section in values["sections"]:
        texts |= {f"{name}.csv": tables.csv(frame) for name, frame in section.data.items()}
        for table in section.tables:
            texts |= table_texts(table)
    if "report" in templates:
        texts["report.md"] = render(templates["report"], values)
    names = sorted([*texts, "index.html", MANIFEST])
    texts["index.html"] = render(templates["index"], values | {"files": names})
    with replacing(folder) as new:
        (new / "figures").mkdir()
        for figure in values["figures"]:
            for extension, data in figure.files.items():
                (new / "figures" / f"{figure.name}.{extension}").write_bytes(data)
        for name, text in texts.items():
            _write_text(new / name, text)
        _write_manifest(new, manifest)


def table_texts(table: tables.Table, stem: str = "") -> dict[str, str]:
    """Return a table in Markdown and LaTeX by file name, which begins with `stem`, by default the table's own name."""
    stem = stem or table.name
    return {f"{stem}.md": tables.markdown(table), f"{stem}.tex": tables.latex(table)}


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return a page from its template. The template engine escapes HTML, the filter `md` Markdown.

    Args:
        template: The name of its file.
        values: Its values. By default there are no `animations`, and no column is the `score` (descending if `higher`).
    """
    import jinja2

    engine = jinja2.Environment(
        loader=jinja2.PackageLoader("reports"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    engine.filters |= {"md": tables.escape_markdown, "sort_key": tables.sort_key}
    engine.globals |= {"markdown": tables.markdown, "digest": _csp_digest, "source": _source}
    return engine.get_template(template).render({"animations": {}, "score": "", "higher": False} | dict(values))


def _source(name: str) -> str:
    """Return the text of a file of the templates, without escaping."""
    from markupsafe import Markup

    return Markup((Path(__file__).parents[1] / "templates" / name).read_text(encoding="utf-8"))  # noqa: S704


def _csp_digest(script: str) -> str:
    """Return the source expression with which the page's content security policy allows only this script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(str(script).encode()).digest()).decode()


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a report as its last file: `files` has the digests of all others."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    content = {"manifest": 1, **manifest, "files": digests}
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    _write_text(folder / MANIFEST, text + "\n")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield a new folder that replaces `folder` at the end of the block; after an exception it is deleted."""
    new, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{state}") for state in ("new", "old"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    _clean_up(folder)
    new.mkdir()
    try:
        yield new
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _clean_up(folder: Path) -> None:
    """Delete the incomplete new folders of killed processes, and restore an old folder that they had moved."""
    for path in folder.parent.glob(f"{glob.escape(f'.{folder.name}.')}*"):
        name = re.fullmatch(rf"{re.escape(f'.{folder.name}.')}(\d{{1,9}})\.(new|old)", path.name)
        if not name or (int(name[1]) != os.getpid() and psutil.pid_exists(int(name[1]))):
            continue
        if name[2] == "old" and not folder.exists():
            path.rename(folder)
        else:
            shutil.rmtree(path, ignore_errors=True)
