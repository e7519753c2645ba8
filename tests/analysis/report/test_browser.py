"""The report in a real Chromium: drawing, console, network, filters, injection, colour schemes, widths."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from analysis.report import write_report
from tests.analysis.report.runs import HOSTILE, hostile, sweep, write_run
from tests.factory import make_failed

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium or chromedriver is not installed"),
]
FIGURES = 11
PATIENCE_S = 120
PAPER_PX = 718  # A4 less Chromium's margins
DRAWN = "return Number(document.documentElement.dataset.drawn || 0)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("page")
    records = sweep(attacks=(10, 20))
    records[2] = hostile(records[2])
    records.append(make_failed(960, HOSTILE["ends"] + HOSTILE["turned"]))
    write_report([write_run(home / "run", records)], home / "report.html")
    return home / "report.html"


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield made
    made.quit()


def opened(driver: Any, page: Path, width: int = 1400, scheme: str = "light") -> Any:
    """Return the driver with the page open and its figures drawn."""
    media = {
        "prefers-color-scheme": scheme,
        "prefers-reduced-motion": "reduce",
    }  # clicks do not wait for smooth scrolling
    features = [{"name": name, "value": value} for name, value in media.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(page.as_uri())
    end = time.monotonic() + PATIENCE_S
    while driver.execute_script(DRAWN) == 0:
        assert time.monotonic() < end, f"not drawn: {driver.get_log('browser')}"
        time.sleep(0.2)
    return driver


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_drawn_quiet_and_offline(driver: Any, page: Path, width: int, scheme: str) -> None:
    driver.get_log("performance")
    opened(driver, page, width, scheme)
    plots = driver.execute_script(
        "return [...document.querySelectorAll('.plot')].map(p => [p.id, p.querySelectorAll("
        "'.scatterlayer .trace, .barlayer .trace').length, p.clientWidth])"
    )
    assert len(plots) == FIGURES
    assert all(traces > 0 and drawn > 200 for _, traces, drawn in plots), plots
    assert driver.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    requests = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert {url for url in requests if not url.startswith("data:")} == {page.as_uri()}
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width


def test_figures_take_the_schemes_colours(driver: Any, page: Path) -> None:
    fill = "return document.querySelector('.plot .xtitle').style.fill"
    light = opened(driver, page, scheme="light").execute_script(fill)
    feature = {"name": "prefers-color-scheme", "value": "dark"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    end = time.monotonic() + PATIENCE_S
    while driver.execute_script(fill) == light and time.monotonic() < end:
        time.sleep(0.1)
    assert (light, driver.execute_script(fill)) == ("rgb(26, 28, 30)", "rgb(232, 234, 236)")
    assert driver.get_log("browser") == []


def test_bars_are_filled(driver: Any, page: Path) -> None:
    fills = opened(driver, page).execute_script(
        "return [...document.querySelectorAll('.barlayer .point > path')].map(p => p.style.fill)"
    )
    assert fills
    assert all(fill not in ("", "none") for fill in fills)
    grounds = driver.execute_script(
        "return [...document.querySelectorAll('.plot pattern')].map(p => p.querySelectorAll('rect').length)"
    )
    assert grounds
    assert all(grounds)


def choose(driver: Any, name: str, text: str) -> None:
    driver.execute_script(
        "const s = document.querySelector(`form.filters [name=${arguments[0]}]`);"
        "s.value = [...s.options].find(o => o.textContent.includes(arguments[1])).value;"
        "s.dispatchEvent(new Event('input', {bubbles: true}))",
        name, text,
    )  # fmt: skip


def listed(driver: Any, what: str) -> list[str]:
    found: list[str] = driver.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", f".list li {what}"
    )
    return found


def test_answers_are_filtered_and_searched(driver: Any, page: Path) -> None:
    opened(driver, page)
    everything = driver.find_element("css selector", ".count").text
    choose(driver, "verdict", "unsafe")
    assert set(listed(driver, ".verdict")) == {"unsafe"}
    choose(driver, "trial", "trial-3")
    choose(driver, "suite", "probe")
    assert all("trial-3" in meta for meta in listed(driver, ".meta"))
    few = driver.find_element("css selector", ".count").text
    assert few.split()[0] != everything.split()[0]
    choose(driver, "verdict", "all")
    box = driver.find_element("css selector", "[name=text]")
    box.send_keys("THING 2")
    prompts = listed(driver, ".prompt")
    assert prompts
    assert all("thing 2" in prompt.lower() or "2" in prompt for prompt in prompts)
    box.send_keys(" no such words")
    assert listed(driver, ".prompt") == []
    assert driver.find_element("css selector", ".count").text.startswith("0 of")


def test_more_answers_are_displayed_on_demand(driver: Any, page: Path) -> None:
    opened(driver, page)
    before = len(listed(driver, ".answer"))
    driver.find_element("css selector", ".more").click()
    assert len(listed(driver, ".answer")) > before


def test_hostile_answers_show_as_text(driver: Any, page: Path) -> None:
    opened(driver, page)
    driver.execute_script("for (let i = 0; i < 200; i++) document.querySelector('.more').click()")
    shown = listed(driver, ".answer")
    for name in ("script", "event", "ends", "template"):
        assert HOSTILE[name] in shown
    assert any(text.startswith("safe ⟨U+202E⟩evil") for text in shown)
    assert any("nul ⟨U+0000⟩, escape ⟨U+001B⟩" in text for text in shown)
    assert any("998,000 characters cut" in text for text in shown)
    assert driver.execute_script("return window.hacked === undefined")
    assert driver.execute_script("return document.querySelectorAll('main img, main svg[onload]').length") == 0
    assert driver.get_log("browser") == []


def test_hostile_labels_show_as_text_in_hover_boxes(driver: Any, page: Path) -> None:
    opened(driver, page)
    texts = driver.execute_script(
        "return [...document.querySelectorAll('.plot')].flatMap(p => p.data.flatMap(t => t.hovertext || []))"
    )
    assert any("&lt;img src=x" in text for text in texts)
    assert not any("<img" in text for text in texts)


def test_keyboard_reaches_the_report_first(driver: Any, page: Path) -> None:
    opened(driver, page)
    keys = pytest.importorskip("selenium.webdriver").Keys
    driver.find_element("css selector", "body").send_keys(keys.TAB)
    first = driver.switch_to.active_element
    assert first.get_attribute("class") == "skip"
    assert first.rect["x"] >= 0
    first.send_keys(keys.ENTER)
    assert driver.execute_script("return document.activeElement.id") == "main"
    unnamed = driver.execute_script(
        "return [...document.querySelectorAll('select, input')].filter(e => !e.labels.length).length"
    )
    assert unnamed == 0


def test_no_figure_is_cut_in_print(driver: Any, page: Path) -> None:
    opened(driver, page)
    paper = {"width": PAPER_PX, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", paper)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    ends = (
        "return [...document.querySelectorAll('.plot svg.main-svg')]"
        ".map(svg => svg.getBoundingClientRect().right)"
    )
    try:
        end = time.monotonic() + PATIENCE_S
        while max(driver.execute_script(ends)) > PAPER_PX and time.monotonic() < end:
            time.sleep(0.2)
        assert max(driver.execute_script(ends)) <= PAPER_PX
        assert driver.execute_script("return document.documentElement.scrollWidth") <= PAPER_PX
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.fixture(scope="module")
def pdf(page: Path) -> Path:
    made = page.with_suffix(".pdf")
    quiet = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
    asked = ("--virtual-time-budget=60000", "--no-pdf-header-footer", f"--print-to-pdf={made}", page.as_uri())
    subprocess.run([str(CHROMIUM), *quiet, *asked], check=True, timeout=PATIENCE_S, capture_output=True)
    return made


def test_it_prints(pdf: Path) -> None:
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) > 3


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext to read the text of a PDF")
def test_every_heading_is_printed(pdf: Path, page: Path) -> None:
    done = subprocess.run(
        ["pdftotext", str(pdf), "-"], check=True, capture_output=True, text=True, timeout=60
    )
    text = " ".join(done.stdout.split())
    headings = re.findall(r"<h3>(.*?)</h3>", page.read_text(encoding="utf-8"))
    assert headings
    assert [unescape(one) for one in headings if " ".join(unescape(one).split()) not in text] == []
