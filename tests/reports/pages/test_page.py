"""Tests of the report's page in a real browser."""

from pathlib import Path

import pytest
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def hostile(sample, tmp_path_factory) -> Path:
    """The page of a study with malicious and long labels, failures, missing trials and a reference."""
    from reports.pages.study import build

    labels = [
        "\"><script>document.title='taken'</script><img src=x>",
        "W" * 80,
        r"$\frac{a}{b}$ _x_ 中 🙂",
        "Adam",
    ]
    study = sample.study(labels, name="hostile", title=f"{'long' * 30} & <b>", repeats=2, epochs=2, train_examples=256)
    study = study.model_copy(update={"batch_size": 64, "reference": "paper"})
    trials = sample.plan(study, apart=True)
    store = sample.fill(
        sample.Store(), trials[:7], diverges=lambda trial: trial.label == "W" * 80 and trial.repeat == 1
    )
    return build(study, trials, store, tmp_path_factory.mktemp("reports") / "hostile").page


def opened(browser, page: Path, width: int = 1440):
    """Open the page at this width, after clearing the console log."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("browser")
    browser.get(page.as_uri())
    return browser


@pytest.fixture(params=["small", "hostile"])
def page(request) -> Path:
    """The page of a plain report, and of one with malicious labels."""
    report = request.getfixturevalue(request.param)
    return report if isinstance(report, Path) else report.page


def test_the_page_opens_without_a_message_in_the_console(browser, page) -> None:
    """There is no error, warning, missing file or blocked script."""
    assert opened(browser, page).get_log("browser") == []
    assert browser.title.endswith("· Ravine")
    assert (
        browser.execute_script(
            "return performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length"
        )
        == 0
    )


@pytest.mark.parametrize("width", [375, 1440])
def test_nothing_is_wider_than_the_page(browser, page, width) -> None:
    """On a phone and on a desktop, wide elements scroll in their own box."""
    opened(browser, page, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_wide_elements_fade_at_the_edge_of_their_box(browser, small) -> None:
    """On a phone a figure and a table fade until they are scrolled to the end; on a desktop they do not."""
    boxes = "['.plot', '.scroll'].map(name => document.querySelector(name))"
    fades = f"return {boxes}.map(box => parseFloat(getComputedStyle(box).getPropertyValue('--fade')))"
    end = f"for (const box of {boxes}) box.scrollLeft = box.scrollWidth"
    opened(browser, small.page, 375)
    assert min(browser.execute_script(fades)) > 25
    browser.execute_script(end)
    WebDriverWait(browser, 10).until(lambda b: b.execute_script(fades) == [0, 0])
    opened(browser, small.page)
    assert browser.execute_script(fades) == [0, 0]


def test_every_image_is_drawn_and_described(browser, page) -> None:
    """Each figure has pixels and an alternative text."""
    opened(browser, page)
    images = browser.execute_script("return [...document.images].map(i => [i.complete, i.naturalWidth, i.alt])")
    assert len(images) >= 6
    assert all(complete and width > 0 and alt for complete, width, alt in images)


def test_a_click_on_a_column_title_sorts_the_table(browser, small) -> None:
    """Numbers sort as numbers, a second click reverses the order, and screen readers are notified."""
    opened(browser, small.page)
    read = (
        "return [...document.querySelectorAll('table.sortable')[0].tBodies[0].rows].map(r => r.cells[%d].dataset.sort)"
    )
    heads = browser.find_elements("css selector", "#results ~ .scroll:first-of-type thead th")
    at = next(place for place, head in enumerate(heads) if head.text == "Training loss")
    expected = sorted(small.estimates["train/loss"])
    assert [head.get_attribute("aria-sort") for head in heads][2] == "descending"  # the score, as the page comes
    heads[at].find_element("tag name", "button").click()
    assert [float(value) for value in browser.execute_script(read % at)] == expected
    assert heads[at].get_attribute("aria-sort") == "ascending"
    assert heads[2].get_attribute("aria-sort") is None
    heads[at].find_element("tag name", "button").click()
    assert [float(value) for value in browser.execute_script(read % at)] == expected[::-1]
    assert heads[at].get_attribute("aria-sort") == "descending"
    assert (
        browser.execute_script("return document.getElementById('sorted').textContent")
        == "Sorted by Training loss, descending"
    )


def test_numbers_are_not_sorted_as_text(browser, small) -> None:
    """9 is before 10, and 1e-05 before both."""
    opened(browser, small.page)
    rows = "[...document.querySelector('table.sortable').tBodies[0].rows]"
    browser.execute_script(f"['10.0', '1e-05', '9.0'].forEach((v, i) => {{ {rows}[i].cells[3].dataset.sort = v }})")
    browser.find_elements("css selector", "thead th:nth-child(4) button")[0].click()
    assert browser.execute_script(f"return {rows}.map(row => row.cells[3].dataset.sort)") == ["1e-05", "9.0", "10.0"]


def test_missing_values_are_last_in_both_orders(browser, sample, tmp_path) -> None:
    """An optimizer without a score is never the first row."""
    from reports.pages.study import build

    study = sample.study(["SGD, lr 10", "Adam", "MBSGD"], repeats=1, epochs=2, batch_size=64, train_examples=256)
    trials = sample.plan(study)
    store = sample.fill(sample.Store(), trials, diverges=lambda trial: trial.label == "SGD, lr 10")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.pages.study._draw_study_figures", lambda _: iter(()))
        report = build(study, trials, store, tmp_path / "report")
    opened(browser, report.page)
    button = browser.find_elements("css selector", "thead th:nth-child(3) button")[0]
    last = "return document.querySelector('table.sortable').tBodies[0].rows[2].cells[0].dataset.sort"
    for _ in range(3):
        button.click()
        assert browser.execute_script(last) == "SGD, lr 10"


def test_labels_run_no_script(browser, hostile) -> None:
    """A label with a script is text."""
    opened(browser, hostile)
    assert browser.title != "taken"
    assert browser.execute_script("return document.querySelectorAll('script').length") == 1
    rows = browser.execute_script("return [...document.querySelectorAll('tbody th')].map(h => h.textContent)")
    assert "\"><script>document.title='taken'</script><img src=x>" in rows


def test_a_dark_page_inverts_its_figures(browser, small) -> None:
    """The preference of the reader decides."""
    for scheme, dark in (("dark", True), ("light", False)):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        opened(browser, small.page)
        background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        image_filter = browser.execute_script("return getComputedStyle(document.images[0]).filter")
        assert (sum(int(part) for part in background[4:-1].split(",")) < 150) is dark
        assert ("invert" in image_filter) is dark


def test_every_link_has_a_target(browser, small) -> None:
    """Linked files and figures exist, relative to the page, and so do the anchors."""
    opened(browser, small.page)
    links = browser.execute_script("return [...document.links].map(a => a.getAttribute('href'))")
    files = [link for link in links if not link.startswith("#")]
    assert len(files) > 20
    assert [link for link in files if not (small.folder / link).is_file()] == []
    anchors = [link[1:] for link in links if link.startswith("#")]
    assert [anchor for anchor in anchors if not browser.find_elements("id", anchor)] == []
