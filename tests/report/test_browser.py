"""The report in a real browser, from file://: it shows, it answers to mouse and keys, and it asks for nothing.

Debian's chromium, driven by playwright; skipped where there is none.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganreg.report.page import write
from ganreg.report.reading import read_all

from .small import evaluation, lines, row, run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "chromium-browser"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'ganreg[test]'")
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=120_000)
        yield launched
        launched.close()


class Shown:
    """A page with everything that it complained of and asked for."""

    def __init__(self, browser: Any, file: Path, **told: Any) -> None:
        self.page = browser.new_context(viewport={"width": 1200, "height": 900}, **told).new_page()
        self.page.set_default_timeout(60_000)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)

    def picture(self) -> list[str]:
        """Steps of the pictures that are seen, of each run."""
        seen = "[...document.querySelectorAll('.film img')].filter(one => one.offsetParent).map(one => one.dataset.step)"
        return list(self.ask(seen))


@pytest.fixture(scope="module")
def one(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    place = run(tmp_path_factory.mktemp("runs") / "mine", evaluations=[evaluation(200, 3.0), evaluation(400, 2.0)])
    write(read_all([place]), place / "report.html")
    return Shown(browser, place / "report.html")


@pytest.fixture(scope="module")
def two(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    root = tmp_path_factory.mktemp("runs")
    places = [run(root / "first"), run(root / "second", steps=800, every=200, loss="hinge")]
    (places[1] / "metrics.jsonl").write_text(lines(*(row(step, loss_d=2 - step % 5 / 10) for step in range(1, 801))))
    write(read_all(places), root / "both.html")
    return Shown(browser, root / "both.html")


@pytest.fixture(params=["one", "two"])
def shown(request: pytest.FixtureRequest) -> Shown:
    found: Shown = request.getfixturevalue(request.param)
    return found


def test_it_opens_without_a_complaint_and_asks_for_nothing(shown: Shown):
    assert shown.page.title().endswith("ganreg report")
    assert shown.complaints == []
    assert shown.requests
    assert [url for url in shown.requests if not url.startswith(("file:", "data:"))] == []


def test_the_policy_is_in_force(one: Shown):
    """The style is ours, and a script or picture from elsewhere is refused: so the checks above can fail."""
    assert one.ask("getComputedStyle(document.querySelector('main')).maxWidth") == "1160px"
    refused = """() => new Promise(done => {
        document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective), { once: true });
        document.head.appendChild(Object.assign(document.createElement('script'), { textContent: 'window.ran = 1' }));
    })"""
    assert one.ask(refused).startswith("script-src")
    assert one.ask("window.ran") is None
    one.complaints.clear()


def test_every_picture_is_decoded(shown: Shown):
    widths = shown.ask("Promise.all([...document.images].map(one => one.decode().then(() => one.naturalWidth)))")

    assert len(widths) >= 5
    assert set(widths) == {32}
    assert all(shown.ask("[...document.images].map(one => one.alt)"))


def test_every_plot_has_points_inside_its_frame(shown: Shown):
    lines = "[...document.querySelectorAll('svg.plot .line')]"
    boxes = shown.ask(lines + ".map(one => [one.getTotalLength(), one.getBBox().x, one.getBBox().width])")

    assert len(boxes) >= 6
    assert all(length > 100 and x >= 58 and x + width <= 507 for length, x, width in boxes)


def test_keys_move_the_slider_and_the_picture(one: Shown):
    slider = one.page.get_by_label("Step", exact=True)
    slider.focus()
    one.page.keyboard.press("End")
    assert one.picture() == ["400"]
    one.page.keyboard.press("ArrowLeft")
    assert one.picture() == ["300"]
    assert one.page.locator("#step-shown").inner_text() == "300"
    assert slider.get_attribute("aria-valuetext") == "step 300"
    one.page.keyboard.press("Home")
    assert one.picture() == ["100"]
    assert one.page.locator(".film figcaption").inner_text() == "after step 100"


def test_a_mouse_moves_the_slider_the_picture_and_the_values(one: Shown):
    slider = one.page.locator("#step")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    one.page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    assert one.picture() == ["400"]
    values = "[...document.querySelectorAll('#losses')].map(one => one.closest('figure').querySelector('.value').textContent)"
    assert one.ask(values) == ["1.6"]

    one.page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    assert one.picture() == ["100"]
    assert one.ask(values) == ["1.9"]


def test_each_run_shows_its_newest_picture_at_the_chosen_step(two: Shown):
    two.page.locator("#step").focus()
    two.page.keyboard.press("End")
    assert two.picture() == ["400", "800"]
    two.page.keyboard.press("Home")
    two.page.keyboard.press("ArrowRight")
    two.page.keyboard.press("ArrowRight")  # of 100, 200, 300, …
    assert two.picture() == ["300", "200"]


def test_a_pointer_over_a_plot_reads_its_values_and_leaves_the_picture(one: Shown):
    one.page.locator("#step").focus()
    one.page.keyboard.press("End")
    one.page.locator("#losses").hover()  # its middle: near step 200
    value = one.page.locator("figure:has(#losses) .value").first
    assert value.inner_text() == "1.8"
    assert one.picture() == ["400"]
    one.page.mouse.move(2, 2)
    assert value.inner_text() == "1.6"


def test_tables_and_plots_have_names_that_are_read_aloud(two: Shown):
    assert two.page.get_by_role("img", name="Loss of D").count() == 1
    assert two.page.get_by_role("region", name="Settings that differ").count() == 1
    assert two.page.get_by_role("slider", name="Step").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
def test_light_and_dark_wide_and_narrow(browser: Any, one: Shown, scheme: str, width: int):
    seen = Shown(browser, Path(one.page.url.removeprefix("file://")), color_scheme=scheme)
    seen.page.set_viewport_size({"width": width, "height": 800})
    background, ink = (seen.ask(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))

    assert contrast(background, ink) > 7
    assert (luminance(background) > 0.5) == (scheme == "light")
    assert seen.ask("document.documentElement.scrollWidth") <= width
    assert len(seen.page.screenshot()) > 10_000
    seen.page.context.close()


def luminance(colour: str) -> float:
    """WCAG's relative luminance of "rgb(r, g, b)"."""
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_line_can_be_told_from_the_page_and_from_each_other(browser: Any, one: Shown, scheme: str):
    seen = Shown(browser, Path(one.page.url.removeprefix("file://")), color_scheme=scheme)
    styles = seen.ask(
        """Array.from({ length: 8 }, (_, number) => {
        const line = document.querySelector('svg.plot .line').cloneNode();
        document.querySelector('svg.plot').appendChild(line);
        line.setAttribute('class', `line s${number}`);
        const style = getComputedStyle(line);
        return [style.stroke, style.strokeDasharray];
    })"""
    )
    background = seen.ask("getComputedStyle(document.body).backgroundColor")

    assert len({dashes for _, dashes in styles}) == 8
    assert all(contrast(background, colour) >= 3 for colour, _ in styles)
    seen.page.context.close()
