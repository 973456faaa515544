"""Fixtures that tests share: a folder with a study on a toy problem, an empty store, the real data, a browser."""

import os
import shutil
import signal
import sys
import textwrap
from pathlib import Path

import pytest
from wording import Wording

TOY = Path(__file__).parent / "support" / "toy.py"

STUDY = """
title = "Two optimizers on a toy"
problem = "toy:{problem}"
repeats = {repeats}
epochs = 2
batch_size = 64

[[optimizer]]
name = "SGD"
kind = "sgd"
lr = 0.1

[[optimizer]]
name = "Adam"
kind = "adam"
lr = 0.05
"""


def pytest_addoption(parser):
    """Add the option that writes the snapshot file of messages."""
    parser.addoption("--update-wording", action="store_true", help="Write tests/wording.json instead of comparing.")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark every test `unit`, unless it is marked `integration` or needs a browser, a GPU, a compiler or the data."""
    slow = ("integration", "browser", "gpu", "compiler", "data")
    for item in items:
        layer = "integration" if any(map(item.get_closest_marker, slow)) else "unit"
        item.add_marker(getattr(pytest.mark, layer))


@pytest.fixture
def wording(request, tmp_path):
    """Compare a message with its snapshot in `tests/wording.json`."""
    test = request.node.nodeid.removeprefix("tests/")
    group = request.node.get_closest_marker("xdist_group")
    if group:
        test = test.removesuffix(f"@{group.args[0]}")  # pytest-xdist appends it
    return Wording(test, tmp_path, update=request.config.getoption("--update-wording"))


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c():
    """Let processes that tests start receive Ctrl-C, even if this process is a background job, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """Return an empty store: its migrations take a second, a copy does not."""
    from suite.tracking.store import Store, locate

    folder = tmp_path_factory.mktemp("migrated")
    Store(locate(str(folder), folder), folder)
    return folder / "mlflow.db"


@pytest.fixture
def here(tmp_path, monkeypatch, migrated):
    """Change to a temporary directory with an empty store, without the user's environment variables."""
    for name in ("MLFLOW_TRACKING_URI", "RAVINE_DATA"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "out").mkdir()
    shutil.copy(migrated, tmp_path / "out" / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_study(here):
    """Write a study on a toy problem with the file of the problem beside it, and return its path."""

    def write(problem="BLOBS", repeats=2, extra="", name="toy_study"):
        shutil.copy(TOY, here)
        path = here / f"{name}.toml"
        path.write_text(textwrap.dedent(STUDY).format(problem=problem, repeats=repeats) + extra, encoding="utf-8")
        return path

    return write


@pytest.fixture
def store(here):
    """Return the store of `here`."""
    from suite.tracking.store import Store, locate

    return Store(locate(None, here / "out"), here / "out")


@pytest.fixture
def call(here, monkeypatch, capsys):
    """Run a command in this process, and return exit status, standard output and standard error."""
    import ravine.cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["ravine", *map(str, arguments)])
        capsys.readouterr()
        try:
            ravine.cli.main()
        except SystemExit as end:
            status = end.code or 0
        else:
            status = 0
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def fashion_mnist():
    """Return the folder of the real Fashion-MNIST, found or downloaded."""
    from suite.data import datasets

    given = os.environ.get("RAVINE_DATA")
    return datasets.ensure(datasets.FASHION_MNIST, Path(given) if given else None)


@pytest.fixture(scope="session")
def jargon():
    """Return the root of the real Jargon File, found or downloaded."""
    from suite.data import datasets

    return datasets.ensure(datasets.JARGON)


@pytest.fixture(scope="session")
def airfoil(tmp_path_factory):
    """Return the root of the airfoil data in a temporary cache: from RAVINE_DATA, or a folder `data` beside the repository."""
    from suite.data import datasets

    places = [Path(given)] if (given := os.environ.get("RAVINE_DATA")) else []
    places += Path(__file__).parents[2].glob("*/data")
    folder = next((place for place in places if (place / "airfoil_self_noise.dat").is_file()), None)
    if folder is None:
        pytest.skip("airfoil_self_noise.dat is neither in RAVINE_DATA nor in a folder `data` beside the repository")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAVINE_CACHE", str(tmp_path_factory.mktemp("airfoil")))
        return datasets.ensure(datasets.AIRFOIL, folder)


@pytest.fixture(scope="session")
def _window(tmp_path_factory):
    """Return a headless Chromium with a new profile and without requests to other hosts."""
    from selenium import webdriver

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium or chromedriver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    quiet = "disable-gpu disable-quic no-first-run disable-background-networking disable-component-update disable-sync"
    for flag in ("headless", "no-sandbox", *quiet.split(), f"user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield window
    window.quit()


@pytest.fixture
def browser(_window):
    """Return the browser with a screen of 1600 by 1000 pixels and without emulation from an earlier test."""
    _window.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    _window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    _window.set_window_size(1600, 1000)
    return _window


@pytest.fixture
def no_figures(monkeypatch):
    """Build reports without figures."""
    for part in ("study._draw_study_figures", "files.draw_sections"):
        monkeypatch.setattr(f"reports.pages.{part}", lambda *_: iter(()))


@pytest.fixture
def one_thread():
    """Let torch use one thread, as a trial does; the number of threads changes the last bits of results."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
