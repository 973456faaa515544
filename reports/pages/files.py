"""Writes what reports are made of: figures in all formats, pages from templates, a manifest, a folder in one piece.

The same records give the same bytes: nothing here asks for the time, the machine or a random number.
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
"""The formats of every figure, each with the metadata that would differ between two builds, or two versions, left out."""

MANIFEST = "manifest.json"

_WIDE = 7.5
"""So many inches and more are a wide figure: panels beside each other, a matrix of many optimizers."""


@dataclass(frozen=True, slots=True)
class RenderedFigure:
    """A drawn figure: its file's name without an ending, its caption, what it shows, its bytes by format, and its place."""

    name: str
    caption: str
    alt: str
    files: Mapping[str, bytes]
    label: str = ""
    section: str = ""
    below_table: str = ""
    wide: bool = False
    """Whether it takes the whole width of the page."""

    @property
    def uri(self) -> str:
        """The figure as an address that needs no file and no network."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.files["svg"]).decode()


def check_place(folder: Path) -> None:
    """See that a report can be written to `folder`, before hours are spent on what goes into it.

    Raises:
        UserError: The folder holds something that is no report, or its place cannot be written.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))):
        raise UserError(f"{folder}: holds something that is no report. Give a new folder, or move it away")
    nearest = next(parent for parent in folder.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):  # nothing is made before there is something to report
            pass
    except OSError as error:
        told = f"{folder.parent}: reports cannot be written there: {error.strerror}"
        raise UserError(f"{told}. Move what stands in the way, or start in another folder") from None


def picture(figure: Figure, name: str, caption: str, alt: str, label: str = "") -> RenderedFigure:
    """A figure, drawn in every format."""
    files = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            engine.execute(figure)  # once more: what stands beside the axes moves with them
            figure.set_layout_engine(
                None
            )  # it is done, once for all formats ("none" would have each format draw twice)
        for ending, metadata in FORMATS.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format=ending, metadata=dict(metadata))
            files[ending] = buffer.getvalue()
    return RenderedFigure(name, caption, alt, files, label, wide=figure.get_figwidth() >= _WIDE)


def draw_sections(sections: Iterable[Section], looks: Mapping[str, Style]) -> Iterator[RenderedFigure]:
    """The figures of each part of a page, in every format."""
    import matplotlib.style

    from reports.figures.style import STYLE

    with matplotlib.style.context(["default", dict(STYLE)]):
        for section in sections:
            for drawing in section.draw(looks):
                drawn = picture(drawing.figure, drawing.name, drawing.caption, drawing.alt)
                files = {**drawn.files, **drawing.extra_files}
                yield replace(drawn, section=section.anchor, below_table=drawing.below_table, files=files)


def section_texts(sections: Iterable[Section]) -> dict[str, str]:
    """The numbers and tables of each part of a page, by file name."""
    texts: dict[str, str] = {}
    for section in sections:
        texts |= {f"{name}.csv": tables.csv(frame) for name, frame in section.data.items()}
        for sheet in section.tables:
            texts |= {f"{sheet.name}.md": tables.markdown(sheet), f"{sheet.name}.tex": tables.latex(sheet)}
    return texts


def save(pictures: Iterable[RenderedFigure], folder: Path) -> None:
    """Write figures to `figures/` of a report's folder."""
    (folder / "figures").mkdir()
    for each in pictures:
        for ending, data in each.files.items():
            (folder / "figures" / f"{each.name}.{ending}").write_bytes(data)


def save_texts(texts: Mapping[str, str], folder: Path) -> None:
    """Write pages and tables by file name."""
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def finish(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a report, last: `files` in it holds the digests of all others."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    whole = {"manifest": 1, **manifest, "files": digests}
    text = json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    save_texts({MANIFEST: text + "\n"}, folder)


def render(template: str, values: Mapping[str, Any]) -> str:
    """A page from its template. HTML is escaped by the template engine, Markdown by the filter `md`.

    Args:
        template: Its file's name.
        values: What it shows. Without them there are no `animations` and no column is the `score` (the best on top: `higher`).
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
    engine.globals |= {"markdown": tables.markdown, "digest": _digest, "source": _source}
    return engine.get_template(template).render({"animations": {}, "score": "", "higher": False} | dict(values))


def _source(name: str) -> str:
    """The text of a file beside the templates, to be put into the page as it is."""
    from markupsafe import Markup

    return Markup((Path(__file__).parents[1] / "templates" / name).read_text(encoding="utf-8"))  # noqa: S704


def _digest(text: str) -> str:
    """What the page's content policy allows: this script alone."""
    return "sha256-" + base64.b64encode(hashlib.sha256(str(text).encode()).digest()).decode()


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed have left of a folder's new contents, and bring back what they had put aside."""
    for left in folder.parent.glob(f"{glob.escape(f'.{folder.name}.')}*"):
        known = re.fullmatch(rf"{re.escape(f'.{folder.name}.')}(\d+)\.(new|old)", left.name)
        if not known or (int(known[1]) != os.getpid() and _lives(int(known[1]))):
            continue
        if known[2] == "old" and not folder.exists():
            left.rename(folder)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _lives(pid: int) -> bool:
    """Whether there is such a process, anybody's."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A fresh folder that takes the place of `folder` when the block ends, and disappears if it fails."""
    fresh, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{word}") for word in ("new", "old"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    fresh.mkdir()
    try:
        yield fresh
        if folder.exists():
            folder.rename(old)
        try:
            fresh.rename(folder)
        except BaseException:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
