"""What several tests share: a folder with a study on a toy problem, a fresh store, the real data."""

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


@pytest.fixture
def wording(request, tmp_path):
    """Compare a message with its snapshot in `tests/wording.json`."""
    return Wording(
        request.node.nodeid.removeprefix("tests/"), tmp_path, update=request.config.getoption("--update-wording")
    )


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c():
    """What tests start hears Ctrl-C, also where this process was started as a background job, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """An empty store: its migrations take a second, a copy does not."""
    from suite.tracking.store import Store, locate

    folder = tmp_path_factory.mktemp("migrated")
    Store(locate(str(folder), folder), folder)
    return folder / "mlflow.db"


@pytest.fixture
def here(tmp_path, monkeypatch, migrated):
    """An own current directory with an empty store, and nothing of the user's environment."""
    for name in ("MLFLOW_TRACKING_URI", "RAVINE_DATA"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "out").mkdir()
    shutil.copy(migrated, tmp_path / "out" / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_study(here):
    """Write a study on a toy problem, the problem's file beside it; returns the path of the study."""

    def write(problem="BLOBS", repeats=2, extra="", name="toy_study"):
        shutil.copy(TOY, here)
        path = here / f"{name}.toml"
        path.write_text(textwrap.dedent(STUDY).format(problem=problem, repeats=repeats) + extra, encoding="utf-8")
        return path

    return write


@pytest.fixture
def store(here):
    """The store of `here`."""
    from suite.tracking.store import Store, locate

    return Store(locate(None, here / "out"), here / "out")


@pytest.fixture
def call(here, monkeypatch, capsys):
    """Run a command in this process; returns exit status, standard output and standard error."""
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
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


@pytest.fixture(scope="session")
def fashion_mnist():
    """The folder of the real Fashion-MNIST, found or downloaded."""
    from suite.data import datasets

    given = os.environ.get("RAVINE_DATA")
    return datasets.ensure(datasets.FASHION_MNIST, Path(given) if given else None)


@pytest.fixture(scope="session")
def airfoil(tmp_path_factory):
    """The root of the airfoil data, in the tests' own cache: from RAVINE_DATA, or a folder `data` beside the repository."""
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
    """A headless Chromium with a profile of its own, which asks no outside host for anything."""
    from selenium import webdriver

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium or chromedriver is not here")
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
    """The browser as a new one shows pages: on a screen of 1600 by 1000 pixels, whatever a test before imitated."""
    _window.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    _window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    _window.set_window_size(1600, 1000)
    return _window


@pytest.fixture
def no_figures(monkeypatch):
    """Builds without figures, for tests of all else."""
    for part in ("study._draw", "files.draw_sections"):
        monkeypatch.setattr(f"reports.pages.{part}", lambda *_: iter(()))
