"""Turns a report into a page of the documents.

`python tests/measurements/report_to_docs.py out/reports/claims` writes docs/claims.md and its figures. The page
is the Markdown of the report without its section on each optimizer.
"""

import argparse
import re
import shutil
from pathlib import Path

from PIL import Image

DOCUMENTS = Path(__file__).parents[2] / "docs"
OTHER_FILES = "*Other files named here are in the folder of the report, beside its page `index.html`.*"
COLORS = 128
"""Colours of a figure: enough for lines, bands and text in a dozen hues; a page loads in a third of the time."""


def write(report, name, documents=DOCUMENTS):
    """Write a page and its figures, and replace older ones.

    Args:
        report: A report's folder.
        name: Of the page, without its ending.
        documents: Where it goes.

    Returns:
        The page.
    """
    text = (report / "report.md").read_text(encoding="utf-8")
    text = re.sub(r"\n## Individual optimizers\n.*?(?=\n## )", "", text, flags=re.DOTALL)
    figures = documents / "figures" / name
    shutil.rmtree(figures, ignore_errors=True)
    figures.mkdir(parents=True)
    for file in re.findall(r"\]\(figures/([^)]+)\)", text):
        if file.endswith(".png"):
            with Image.open(report / "figures" / file) as image:
                image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(figures / file, optimize=True)
        else:
            shutil.copy(report / "figures" / file, figures / file)
    page = documents / f"{name}.md"
    text = text.replace("](figures/", f"](figures/{name}/").rstrip("\n")
    page.write_text(f"{text}\n\n{OTHER_FILES}\n", encoding="utf-8")
    return page


def main():
    """Write the page of the report named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="a report's folder")
    parser.add_argument("name", nargs="?", help="of the page; default: the folder's")
    arguments = parser.parse_args()
    print(write(arguments.report, arguments.name or arguments.report.name))


if __name__ == "__main__":
    main()
