"""Tests of the page on a test function: its text, its files, and its animation in a browser."""

import json
import re
import time

import pytest

from reports.pages.study import build
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import run_trials

pytestmark = pytest.mark.integration

HOSTILE = "<script>document.title='taken'</script>"
STUDY = f"""
title = "On the valley"
problem = "surface"
problem_options = {{ surface = "valley" }}
repeats = 1
epochs = 20
batch_size = 1
score = "test/loss"
optimizer = [
  {{ name = "GD", kind = "sgd", lr = [0.4, 0.6] }},
  {{ name = "Momentum", kind = "momentum", lr = [0.4, 0.6], momentum = 0.5 }},
  {{ name = "{HOSTILE}", kind = "adam", lr = [0.4, 2.0] }},
]
"""
browser_test = pytest.mark.browser
quiet = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def valley(sample, tmp_path_factory):
    """The report of three optimizers at two learning rates each, run on the valley."""
    folder = tmp_path_factory.mktemp("valley")
    (folder / "valley.toml").write_text(STUDY, encoding="utf-8")
    study = load_study(folder / "valley.toml")
    trials, store = plan(study), sample.Store()
    for result in run_trials(trials, 1):
        store.add(result.trial, result.points, result.outcome, reason=result.reason)
    return build(study, trials, store, folder / "report")


@pytest.fixture
def open_page(browser, valley):
    """A function: open the page at a width with a motion preference, scroll to the animation, return the browser."""

    def open_(width=1440, motion="no-preference"):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-reduced-motion", "value": motion}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        browser.get_log("browser")
        browser.get(valley.page.as_uri())
        browser.execute_script(
            "document.querySelector('.animation').scrollIntoView({behavior: 'instant', block: 'center'})"
        )
        return browser

    return open_


def _step(page):
    return int(page.execute_script("return document.querySelector('.animation input').value"))


def _until(page, reached, seconds=20):
    end = time.monotonic() + seconds
    while not reached(_step(page)):
        assert time.monotonic() < end, f"still at step {_step(page)}"
        time.sleep(0.05)


def _click(page, selector):
    page.execute_script("document.querySelector(arguments[0]).click()", selector)


def _points(page, at):
    text = page.execute_script(
        "return document.querySelectorAll('.animation .trajectory polyline')[arguments[0]].getAttribute('points')", at
    )
    return [float(part) for part in re.split(r"[ ,]+", text.strip()) if part]


@browser_test
@quiet
def test_the_animation_starts_when_visible_and_can_be_paused(open_page):
    """It starts at the first step, a click pauses it, and another click resumes it."""
    page = open_page()
    _until(page, lambda step: 2 <= step < 15)
    assert page.find_element("css selector", ".play").text == "Pause"
    _click(page, ".play")
    paused = _step(page)
    points = _points(page, 0)
    assert len(points) in {2 * (paused + 1), 2 * (paused + 2)}
    time.sleep(1.0)
    assert (_step(page), _points(page, 0)) == (paused, points)
    assert page.find_element("css selector", ".play").text == "Play"
    _click(page, ".play")
    _until(page, lambda step: step > paused)
    assert page.get_log("browser") == []


@browser_test
@quiet
def test_with_reduced_motion_the_complete_trajectories_are_static(open_page):
    """Nothing moves before a click; every trajectory is complete."""
    page = open_page(motion="reduce")
    time.sleep(1.0)
    assert _step(page) == 20
    assert page.find_element("css selector", ".play").text == "Play"
    assert len(_points(page, 0)) == 2 * 21


@browser_test
@quiet
def test_the_slider_shows_a_step_with_its_values(open_page, valley):
    """At step 3 a trajectory has four points, and the value beside each name is that of step 3."""
    page = open_page(motion="reduce")
    page.execute_script(
        "const s = document.querySelector('.animation input'); s.value = 3; s.dispatchEvent(new Event('input'))"
    )
    assert page.find_element("css selector", ".animation output").text == "step 3 of 20"
    assert len(_points(page, 0)) == 8
    data = json.loads(page.execute_script("return document.querySelector('.animation').dataset.animation"))
    values = page.find_elements("css selector", ".animation .value")
    assert values[0].text == data["trajectories"]["GD 0.4"]["f"][3]


@browser_test
@quiet
def test_another_learning_rate_shows_diverging_trajectories(open_page):
    """At η = 0.6 gradient descent diverges, momentum does not, and Adam has no trajectory."""
    page = open_page(motion="reduce")
    texts = [option.text for option in page.find_elements("css selector", ".animation option")]
    assert texts == ["each at its best learning rate", "all at η = 0.4", "all at η = 0.6"]
    page.execute_script(
        "const s = document.querySelector('.animation select'); s.value = '2'; s.dispatchEvent(new Event('change'))"
    )
    values = [element.text for element in page.find_elements("css selector", ".animation .value")]
    assert values == ["diverges", "1.8e−5", "–"]
    assert _points(page, 2) == []
    assert max(map(abs, _points(page, 0))) > 1000


@browser_test
@quiet
def test_a_click_on_a_name_hides_its_trajectory(open_page):
    """A second click shows it again."""
    page = open_page(motion="reduce")
    shown = "return getComputedStyle(document.querySelector('.animation .trajectory')).display"
    assert page.execute_script(shown) != "none"
    _click(page, ".optimizers button")
    assert page.execute_script(shown) == "none"
    _click(page, ".optimizers button")
    assert page.execute_script(shown) != "none"


@browser_test
@quiet
@pytest.mark.parametrize("width", [375, 1440])
def test_the_page_with_an_animation_fits(open_page, width):
    """Nothing is wider than the screen, nothing is loaded, the console is empty, and no label runs as a script."""
    page = open_page(width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    inner = "const f = document.querySelector('.animation'); return f.scrollWidth <= f.clientWidth"
    assert page.execute_script(inner)
    assert page.get_log("browser") == []
    assert page.title == "On the valley · Ravine"
    assert HOSTILE in [element.text for element in page.find_elements("css selector", ".animation .name")]


def test_a_report_on_test_functions_has_no_statistics(valley):
    """There is no interval, no comparison of pairs and no seed; every figure exists, the animation also as a GIF."""
    page = valley.page.read_text(encoding="utf-8")
    for statistics in (
        "initial weights",
        "Student t",
        "No verdict",
        "needs at least",
        "same seeds",
        "Individual optimizers</h2>",
    ):
        assert statistics not in page, statistics
    assert "Runs are deterministic" in page
    assert valley.answer.startswith("Momentum at η\u00a0=\u00a00.6 reaches the lowest value after 20 steps")
    figures = {path.name for path in (valley.folder / "figures").iterdir()}
    stems = ("trajectories", "trajectories-by-rate", "objective-by-rate", "objective")
    assert figures == {f"{stem}.{ending}" for stem in stems for ending in ("svg", "png", "pdf")} | {"trajectories.gif"}
    assert "(figures/trajectories.gif)" in (valley.folder / "report.md").read_text(encoding="utf-8")


def test_without_its_script_the_page_shows_complete_trajectories(valley):
    """The trajectories are those of the best learning rates, and the controls are hidden."""
    text = valley.page.read_text(encoding="utf-8")
    drawn = re.findall(r"<polyline[^>]* points=\"([^\"]*)\"", text)
    assert [len(points.split()) for points in drawn] == [21, 21, 21]
    assert '<div class="controls" hidden>' in text


def test_the_same_records_give_the_same_page(valley, sample, tmp_path):
    """Every file of a second build is bit-for-bit identical to that of the first."""
    folder = valley.folder
    study = load_study(folder.parent / "valley.toml")
    trials, store = plan(study), sample.Store()
    for result in run_trials(trials, 1):
        store.add(result.trial, result.points, result.outcome, reason=result.reason)
    again = build(study, trials, store, tmp_path / "report").folder
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert [str(name) for name in files if (folder / name).read_bytes() != (again / name).read_bytes()] == []
