"""No text of a user or a store becomes markup, a command or a formula in the files of a report."""

import html.parser
import re
import string
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.pages.study import build
from reports.text import tables
from suite.records import Outcome

FEW = settings(max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))

NASTY = [
    '<img src=x onerror="alert(1)">',
    "</title></style></script><script>alert(1)</script>",
    "\"><svg onload='alert(1)'>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt; &amp;",
    r"\input{/etc/passwd} \write18{id} $x_1^2$ $\oops$ 100% #1 & ~ {",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "+1",
    "-2+3",
    "[a](javascript:alert(1)) `c` *d* | e",
    "--><!--",
    "]]>",
    "🦆 é 中",
]
LABELS = (st.sampled_from(NASTY) | st.text(string.printable.strip() + "<>\"'&$\\{}é", min_size=1)).map(
    lambda text: " ".join(text.split())[:80].strip()
)
LABELS = LABELS.filter(lambda text: bool(text) and text.isprintable())


class Elements(html.parser.HTMLParser):
    """The elements of a page with the names of their attributes, its text and the schemes of its addresses."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text, self.addresses = Counter(), [], set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements[tag, tuple(sorted(name for name, _ in attrs))] += 1
        self.addresses |= {str(value)[:5] for name, value in attrs if name in {"href", "src"} and value}

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.elements["comment", ()] += 1

    handle_decl = handle_pi = unknown_decl = handle_comment


def _report(sample, folder, texts):
    """Build a report whose texts from the user and the store are `texts`."""
    first, second, title, reason, setting = texts
    study = sample.study([first, second], title=title, repeats=3, epochs=1, batch_size=64, train_examples=128)
    trials = [
        replace(trial, hyperparameters={**trial.hyperparameters, "mode": setting})
        for trial in sample.plan(study, apart=True)
    ]
    store = sample.fill(sample.Store(), trials[:-1])
    store.add(trials[-1], [], Outcome.FAILED, reason=reason, environment={"device_name": reason, "platform": title})
    return build(study, trials, store, folder)


PLAIN = ("first", "second", "title", "reason", "setting")


@pytest.fixture
def plain(sample, tmp_path, no_figures):
    """The elements of the pages of a report with plain texts."""
    report = _report(sample, tmp_path / "plain", PLAIN)
    return {path.name: Elements(path.read_text(encoding="utf-8")) for path in report.folder.glob("*.html")}


@FEW
@given(texts=st.tuples(LABELS, LABELS, LABELS, LABELS, LABELS).filter(lambda texts: texts[0] != texts[1]))
def test_no_text_becomes_markup(sample, plain, tmp_path_factory, texts):
    """HTML has no additional element, attribute or address; LaTeX has no command, and CSV no formula."""
    report = _report(sample, tmp_path_factory.mktemp("nasty"), texts)
    for name, expected in plain.items():
        page = (report.folder / name).read_text(encoding="utf-8")
        parsed = Elements(page)
        assert parsed.elements == expected.elements, name
        assert parsed.addresses == expected.addresses
        if name in {"index.html", "table.html"}:
            for text in texts[:3]:
                assert text in "".join(parsed.text), name
    page = (report.folder / "index.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert re.fullmatch(
        r"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-[\w+/=]+'", policy[1]
    )
    for path in report.folder.glob("*.tex"):
        commands = set(re.findall(r"\\([a-zA-Z]+)", path.read_text(encoding="utf-8")))
        assert not commands & {"input", "write", "oops", "include", "def", "catcode"}, path
    for path in report.folder.glob("*.csv"):
        cells = re.findall(r'(?:^|,)"?([^",\n]*)', path.read_text(encoding="utf-8"), re.MULTILINE)
        formulas = [
            cell for cell in cells if re.match(r"\s*[=+@-]", cell) and not re.fullmatch(r"-[\d.e+-]+|-inf|", cell)
        ]
        assert not formulas, path


@FEW
@given(text=LABELS)
def test_special_characters_of_latex_are_escaped(text):
    """No special character remains after the removal of the known escapes."""
    escaped = tables.escape_latex(text)
    bare = re.sub(r"\\(?:text\w+|ldots|[`])\{\}|\\[{}$&#_%]|\$\\\w+\$|\{\}", "", escaped)
    assert not set(bare) & set('\\{}$&#%^_~<>|"') - {"~"}, escaped


def test_labels_in_figures_are_plain_text(sample, tmp_path):
    """Dollar signs and backslashes are drawn and not parsed as formulas; no figure has markup from a label."""
    report = _report(sample, tmp_path / "report", (*NASTY[6:8], NASTY[0], NASTY[6], NASTY[1]))
    for path in (report.folder / "figures").glob("*.svg"):
        assert not re.search(r"<script|onerror|onload|javascript:", path.read_text(encoding="utf-8"))
    assert len(list((report.folder / "figures").glob("optimizer-*.svg"))) == 2
