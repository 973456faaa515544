"""Tests of `suite.tracking.ui`: the MLflow UI of a store, in a real browser."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import process_info
import pytest
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from suite.tracking.ui import _free_port

pytestmark = pytest.mark.integration


def _text(browser):
    return browser.execute_script("return document.body.innerText")


def _wait_for(browser, *words):
    """Wait until the page shows all these words."""
    try:
        WebDriverWait(browser, 90).until(lambda b: all(word in _text(b) for word in words))
    except TimeoutException:
        raise AssertionError(f"{words} not all in: {_text(browser)[:2000]}") from None


def _click(browser, text):
    """Click the first element with this text that can be clicked, once there is one."""

    def clicked(_):
        for element in browser.find_elements(By.XPATH, f"//*[text()='{text}']"):
            with contextlib.suppress(WebDriverException):
                element.click()
                return True
        return False

    WebDriverWait(browser, 60).until(clicked)


def _report_run(folder, experiment):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs([experiment], "tags.`ravine.kind` = 'report'")
    return run.info.run_id


def _save_screenshot(browser, name):
    """Save a screenshot of the page if RAVINE_PICTURES names a folder."""
    if folder := os.environ.get("RAVINE_PICTURES"):
        browser.save_screenshot(f"{folder}/{name}.png")


@pytest.mark.browser
def test_the_ui_shows_a_study(write_study, browser):
    """`ravine ui` listens on 127.0.0.1 only. Its link opens curves by optimizer; the UI shows runs, values and the report."""
    path = write_study(repeats=2)
    ravine = [sys.executable, "-m", "ravine"]
    subprocess.run([*ravine, "run", path], check=True, capture_output=True)
    with subprocess.Popen(
        [*ravine, "ui", "toy_study"], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        try:
            address = re.search(r"at (http://127\.0\.0\.1:\d+/) ", server.stdout.readline()).group(1)
            link = server.stdout.readline().split("toy_study: ")[1].strip()
            assert link.startswith(address)
            family = process_info.session_processes(server.pid)
            assert {place for pid in family for place in process_info.listening_addresses(pid)} == {"127.0.0.1"}
            assert len(family) == 3, family  # Ravine, MLflow and its one worker
            browser.get(link)
            _wait_for(
                browser,
                "test/accuracy",
                "train/loss",
                "Convergence (mean over repeats)",
                "Group: Adam",
                "Group: SGD",
                "Adam (train/loss)",
            )
            _save_screenshot(browser, "ui-curves")
            identity = re.search(r"experiments/(\d+)", link).group(1)
            browser.get(f"{address}#/experiments/{identity}/runs?compareRunsMode=TABLE&searchFilter=")
            _wait_for(browser, "SGD r0", "SGD r1", "Adam r0", "Adam r1")
            _save_screenshot(browser, "ui-runs")
            run = browser.find_element(By.LINK_TEXT, "Adam r1").get_attribute("href")
            browser.get(run)
            _wait_for(browser, "Adam r1", "betas", "(0.9, 0.999)", "eps", "test/accuracy", "ravine.trial")
            _save_screenshot(browser, "ui-run")
            report = _report_run(path.parent / "out", identity)
            browser.get(f"{address}#/experiments/{identity}/runs/{report}/artifacts")
            _wait_for(browser, "index.html", "figures", "manifest.json")
            _save_screenshot(browser, "ui-report")
            _click(browser, "figures")
            _click(browser, "convergence.png")
            wide = "return [...document.images].some(i => i.src.startsWith('blob:') && i.naturalWidth > 1000)"
            WebDriverWait(browser, 60).until(lambda b: b.execute_script(wide))
            _save_screenshot(browser, "ui-picture")
        finally:
            os.killpg(server.pid, signal.SIGINT)
            assert server.wait(timeout=30) == 130


def test_a_taken_port_is_skipped():
    """If a server listens on the port, the next free one is used."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < _free_port(port) < port + 100


def test_a_port_that_another_server_takes_meanwhile_is_skipped(store, monkeypatch):
    """A response of the other server is not mistaken for the UI's: the next port is used, and its address passed on."""
    import http.server
    import threading

    from suite.tracking import ui

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Ready(Exception):  # noqa: N818 (no error)
        pass

    def ready(address):
        with urllib.request.urlopen(f"{address}version") as answer:
            raise Ready(address, answer.read())

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        ports = iter([other.server_port, _free_port(other.server_port)])
        monkeypatch.setattr(ui, "_free_port", lambda *_: next(ports))
        with pytest.raises(Ready) as end:
            ui.serve(store.uri, other.server_port, ready)
        other.shutdown()
    address, version = end.value.args
    assert f":{other.server_port}/" not in address
    assert version.startswith(b"3.")


@pytest.mark.usefixtures("no_figures")
def test_an_mlflow_server_is_a_store(server, call, write_study):
    """A study is recorded there, its histories are read back for the report, and `ui` prints its link."""
    path = write_study(repeats=2)
    local = call("run", path, "--workers", 1)
    remote = call("run", path, "--workers", 1, "--store", server)
    assert (remote[0], _scores(remote[1])) == (0, _scores(local[1])), remote[2]
    assert "All 4 trials are done." in call("run", path, "--store", server)[2]
    status, out, _ = call("ui", "--store", server)
    assert status == 0
    assert f"toy_study: {server}/#/experiments/" in out


def _scores(table):
    """Return the lines of the two optimizers without their speeds."""
    lines = [line.partition(" lr ")[0].split() for line in table.splitlines() if line.startswith(("SGD", "Adam  "))]
    return [words[:-1] for words in lines]


@pytest.fixture(scope="module")
def server(migrated, tmp_path_factory):
    """The address of a real MLflow server with a separate store and artifacts."""
    folder, port = tmp_path_factory.mktemp("server"), _free_port(5700)
    shutil.copy(migrated, folder / "mlflow.db")
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--port", str(port)]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, start_new_session=True, **quiet) as process:
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"{address}/health", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.2)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
