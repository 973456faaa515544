"""The documents: every command, study file and source file that they show works."""

import configparser
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from suite.spec.parts import load_study_file as load_file
from suite.spec.plan import plan
from suite.spec.study_file import load_study, shipped_studies
from suite.tuning import search

ROOT = Path(__file__).parent.parent
DOCUMENTS = ("README.md", "docs/guide.md", "CONTRIBUTING.md")
GUIDE = "docs/guide.md"
CLUSTERS = "docs/clusters.md"
SMALL = ["--repeats", "1", "--epochs", "1", "--train-examples", "256"]
TUNINGS = {"tuning", "quick_tuning", "lr_sweep", "tunability"}
ELSEWHERE = {"ravine ui": "tracking/test_ui.py"}

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="the documents are missing"),
]


def _blocks(document, language):
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def _commands(program, documents=DOCUMENTS):
    lines = [
        line.partition("  #")[0].strip()
        for name in documents
        for block in _blocks(name, "sh")
        for line in block.splitlines()
    ]
    return [line for line in lines if line.split()[:1] == program.split()[:1]]


@pytest.fixture
def status(call, monkeypatch, fashion_mnist):
    """Return a function that runs a command in an empty folder with the real data and returns its exit status."""
    monkeypatch.setenv("RAVINE_DATA", str(fashion_mnist))
    return lambda *arguments: call(*arguments)[0]


@pytest.mark.data
def test_every_ravine_command_of_the_documents_works(status, here, request):
    """With a small budget each command, in order, exits with status 0; the imported file is the one that the guide shows."""
    commands = list(dict.fromkeys(_commands("ravine")))
    (here / "results.csv").write_text(_blocks(GUIDE, "csv")[0], encoding="utf-8")
    assert len(commands) >= 6
    assert status("run", "quick", *SMALL, "--optimizer", "Adam") == 0
    request.getfixturevalue("no_figures")  # the first report had them
    for command in commands:
        if command in ELSEWHERE:
            assert (ROOT / "tests" / "suite" / ELSEWHERE[command]).is_file()
            continue
        _, verb, *rest = shlex.split(command)
        one = [*SMALL, "--optimizer", "Adam"]
        verbs = {"run": SMALL, "report": one, "verify": one, "tune": [*one, "--trials", "2"], "export": SMALL}
        small = verbs.get(verb, [])
        if small and "digits" in rest and "--repeats" in rest:  # a study that the guide runs completely before
            small = one
        rest = [re.sub("@.*", "@repeats=1,epochs=1,train_examples=256,optimizer=adam", word) for word in rest]
        if "theirs" in rest:
            small = []  # imported results have a fixed budget
        if "surfaces" in rest:
            small = small[:-2]  # a surface has one example
        assert status(verb, *rest, *small) == 0, command


def test_the_set_up_commands_are_what_tox_has():
    """Each `sh setup.sh -e NAME` names an environment; the main job runs `ravine run quick`, the gate runs the tests."""
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    commands = _commands("sh")
    named = {command.split()[3] for command in commands if "-e" in command}
    assert named <= {name.removeprefix("testenv:") for name in tox.sections()} | {"lint", "types"}
    assert named >= {"study", "tests", "unit", "gpu", "benchmark", "fuzz", "calibration", "theory", "faults", "scale"}
    assert "optimizers" in named
    assert {"sh setup.sh", "sh setup.sh -e study"} <= set(commands)
    assert tox["testenv:study"]["commands"] == "ravine {posargs:run quick}"
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().endswith("\nsh setup.sh")
    assert tox["tox"]["env_list"] == "lint, types, tests"


def test_the_study_of_the_readme_is_valid(here):
    """The examples form a valid study with a tuning, and with parts; the claim fits the study `paper`."""
    blocks = [*_blocks("README.md", "toml"), *_blocks(GUIDE, "toml")]
    *blocks, parts, claim = blocks
    assert len(blocks) == 2
    (here / "claim.toml").write_text(f"{shipped_studies()['paper'].read_text('utf-8')}\n{claim}", encoding="utf-8")
    assert load_study(here / "claim.toml").claim[-1].better == "NAG"
    (here / "own.toml").write_text("\n".join(blocks), encoding="utf-8")
    (here / "own_parts.toml").write_text(f"{blocks[0]}\n{parts}", encoding="utf-8")
    assert [study.name for study in load_file(here / "own_parts.toml").parts] == ["own_parts.mlp", "own_parts.digits"]
    assert len(plan(load_study(here / "own.toml"))) == 12
    assert [search.configurations for search in search.make_searches(load_study(here / "own.toml"))] == [30, 30]


def test_the_users_optimizer_and_problem_of_contributing_run(status, here):
    """Both files are copied from the page and run in one study."""
    for block in _blocks("CONTRIBUTING.md", "python"):
        (here / block.partition("\n")[0].removeprefix("# ")).write_text(block, encoding="utf-8")
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (entry,) = _blocks("CONTRIBUTING.md", "toml")
    problem = re.search(r'problem = "(\w+:\w+)"', page).group(0)
    study = f'title = "t"\n{problem}\nrepeats = 1\nepochs = 2\nbatch_size = 64\n{entry}'
    (here / "own.toml").write_text(study, encoding="utf-8")
    assert status("run", "own.toml") == 0
    assert (here / "out/reports/own/index.html").is_file()


def test_the_parameter_groups_of_the_page_on_study_files_run(status, here):
    """Muon with AdamW, as the page shows it, trains a network with biases and an output."""
    entry, *_ = _blocks("docs/study_files.md", "toml")
    text = f'title = "t"\nproblem = "digits_mlp"\nrepeats = 1\nepochs = 2\n{entry}'
    (here / "groups.toml").write_text(text, encoding="utf-8")
    assert status("run", "groups.toml", "--dry-run") == 0
    assert status("run", "groups.toml") == 0
    assert (here / "out/reports/groups/index.html").is_file()


def test_the_study_of_the_page_on_todays_optimizers_runs(status, here):
    """Muon with AdamW, Schedule-Free AdamW and SAM train without a failure, and SAM's second evaluation is named."""
    pytest.importorskip("pytorch_optimizer", reason='not installed: pip install "ravine[optimizers]"')
    page = "docs/todays_optimizers.md"
    (here / "today.toml").write_text(*_blocks(page, "toml"), encoding="utf-8")
    for command in _commands("ravine", (page,)):
        assert status(*shlex.split(command)[1:], "--repeats", "2", "--epochs", "2") == 0
    (report,) = here.glob("out/reports/today@*/report.md")
    text = report.read_text(encoding="utf-8")
    assert re.search(r"evaluated by SAM\s+2 times", text)
    assert "Muon with AdamW" in text


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(set(shipped_studies()) - {"quick", "paper", *TUNINGS}))
def test_every_other_shipped_study_runs(status, name, monkeypatch, request):
    """With a small budget each study runs from data to report (quick and paper: above; tunings: test_tuned_study.py)."""
    if name == "airfoil":
        monkeypatch.setenv("RAVINE_DATA", str(request.getfixturevalue("airfoil")))
    if name == "ladder":
        request.getfixturevalue("jargon")
        monkeypatch.delenv("RAVINE_DATA")  # the two data sets may be in different folders
    one = {"paper_25_epochs": "nag_paper", "ladder": "AdamW 0.001"}.get(name, "adam")
    optimizers = [] if name == "batch_size" else ["--optimizer", one]
    small = SMALL[:4] if name == "surfaces" else SMALL  # it has one example
    assert status("run", name, *small, *optimizers) == 0


def _in_a_shell(*command):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


@pytest.mark.data
@pytest.mark.xdist_group("ray")
def test_the_commands_of_the_page_on_clusters_work(here, fashion_mnist, monkeypatch):
    """With a local Ray instance instead of a cluster, the first command runs, and the others print their plan."""
    pytest.importorskip("ray", reason='Ray is not installed: pip install "ravine[ray]"')
    monkeypatch.setenv("RAVINE_DATA", str(fashion_mnist))
    commands = [command.replace(" --address 10.0.0.1:6379", "") for command in _commands("ravine", (CLUSTERS,))]
    assert len(commands) >= 5
    first, *others = [shlex.split(command)[1:] for command in dict.fromkeys(commands) if command != "ravine data"]
    ended = _in_a_shell(sys.executable, "-m", "ravine", *first, "--repeats", "1", "--optimizer", "Adam")
    assert (ended.returncode, "Report: " in ended.stdout) == (0, True), ended.stderr
    for command in others:
        ended = _in_a_shell(sys.executable, "-m", "ravine", *command, "--dry-run")
        assert (ended.returncode, " trials to run on " in ended.stdout) == (0, True), ended.stderr


def test_the_scripts_of_the_page_on_clusters_are_valid():
    """Bash can parse each script, and Ray has every option that they use."""
    for block in _blocks(CLUSTERS, "sh"):
        assert _in_a_shell("bash", "-n", "-c", block).returncode == 0, block
    ray = pytest.importorskip("ray.scripts.scripts", reason='Ray is not installed: pip install "ravine[ray]"')
    text = "\n".join(_blocks(CLUSTERS, "sh")).replace("\\\n", " ")
    found = re.findall(r"^.*?\bray (start|stop|get-auth-token)\b(.*)$", text, re.MULTILINE)
    assert len(found) >= 6
    for name, options in found:
        known = {option for parameter in ray.cli.commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", options.partition("#")[0])) <= known, name


def test_the_changelog_has_the_version():
    """The version of the package has a heading."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
