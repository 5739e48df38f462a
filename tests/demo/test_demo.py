"""The page that runs, in a headless Chromium: answers, hands, widths, themes, and silence."""

import contextlib
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pyneurons_yat.zoo import pretrained

pytest.importorskip("safetensors", reason="needs the extra `io`")
playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")

PAGE = Path(__file__).parents[2] / "docs" / "demo" / "index.html"
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDE, NARROW = 1400, 380
SEVEN = [(0.2, 0.15), (0.8, 0.15), (0.45, 0.9)]
MINUS, EN_DASH = "\u2212", "\u2013"
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((e) => e.value)))
    .observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def browser():
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def opened(browser):
    """A function that opens the page; afterwards it must have been silent and stable."""
    with contextlib.ExitStack() as stack:
        seen = []

        def open_page(width=WIDE, scheme="light", **options):
            size = {"width": width, "height": 900}
            context = browser.new_context(viewport=size, color_scheme=scheme, **options)
            stack.callback(context.close)
            page = context.new_page()
            complaints, asked = [], []
            page.on("console", lambda told: complaints.append(told.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: asked.append(request.url))
            page.add_init_script(SHIFTS)
            page.goto(PAGE.as_uri())
            seen.append((page, complaints, asked))
            return page

        yield open_page
        for page, complaints, asked in seen:
            assert complaints == []
            assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert sum(page.evaluate("window.shifts")) < 1e-3


def text(page, place):
    return page.locator(place).inner_text()


def on(page, place, points):
    """Points of an element, given as shares of its width and height, on the screen."""
    page.locator(place).scroll_into_view_if_needed()
    box = page.locator(place).bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def drag(page, points):
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=8)
    page.mouse.up()


def picture(page, place):
    return page.locator(place).evaluate("canvas => canvas.toDataURL()")


def numbers(page, place):
    return [float(n) for n in re.findall(r"-?[\d.]+", text(page, place).replace(MINUS, "-"))]


def check_dragging(page):
    before = picture(page, "#yat"), picture(page, "#linear")
    start, end = on(page, "#w", [(0.5, 0.5)]) + on(page, "#yat", [(0.25, 0.75)])
    drag(page, [start, end])
    page.wait_for_function(
        f"document.getElementById('w-value').textContent.startsWith('({MINUS}1.5')"
    )
    w = np.array(numbers(page, "#w-value"))
    np.testing.assert_allclose(w, [-1.5, -1.5], atol=0.06)
    (peak,) = numbers(page, "#peak")
    np.testing.assert_allclose(peak, (w @ w) ** 2 / 10**-0.5, rtol=0.05)
    assert picture(page, "#yat") != before[0]
    assert picture(page, "#linear") != before[1]
    assert numbers(page, "#here") == [peak]
    page.mouse.move(0, 0)
    assert text(page, "#here") == EN_DASH


def test_the_answers_are_those_of_python(opened):
    pytest.importorskip("sklearn", reason="needs the extra `sklearn`")
    from pyneurons_yat.data import digits

    _, test = digits()
    assert len(test.x) == 360
    code = """rows => {
        const network = Yat.model(WEIGHTS);
        return rows.map((x) => Array.from(Yat.logits(network, Yat.responses(network, x))));
    }"""
    found = np.array(opened().evaluate(code, test.x.tolist()))
    logits = np.asarray(pretrained("drawn-digits")(test.x))
    np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found.argmax(1), logits.argmax(1))


def test_it_begins_with_an_example_and_shows_one_of_each_digit(opened):
    page = opened()
    found = set()
    for _ in range(10):
        found.add(int(re.search(r"\d", text(page, "#answer"))[0]))
        page.click("#example")
    assert found == set(range(10))
    page.click("#clear")
    assert text(page, "#answer") == "Nothing drawn yet."
    assert text(page, "#odds").count(EN_DASH) == 10


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_by_mouse_a_digit_is_drawn_and_w_dragged(opened, width):
    page = opened(width)
    drag(page, on(page, "#paper", SEVEN))
    assert text(page, "#answer") == "It is a 7."
    shares = [float(share) for share in re.findall(r"([\d.]+)%", text(page, "#odds"))]
    assert len(shares) == 10
    assert abs(sum(shares) - 100) < 0.5
    assert np.argmax(shares) == 7
    heights = [float(y) for y in re.findall(r"y = ([\d.]+)", text(page, "#near"))]
    assert len(heights) == 8
    assert heights == sorted(heights, reverse=True)
    page.wait_for_function("document.getElementById('said').textContent.startsWith('It is a 7')")
    names = page.locator("#near canvas").evaluate_all("all => all.map((c) => c.ariaLabel)")
    assert all(re.fullmatch(r"Prototype of neuron \d+", name) for name in names)
    check_dragging(page)


def test_a_digit_drawn_with_a_finger(opened):
    page = opened(NARROW, has_touch=True, is_mobile=True)
    top = page.evaluate("scrollY")
    points = on(page, "#paper", SEVEN)
    steps = [points[0]]
    for (a, b), (c, d) in pairwise(points):
        steps += [(a + t * (c - a), b + t * (d - b)) for t in np.linspace(0.1, 1, 10)]
    touch = page.context.new_cdp_session(page)

    def send(kind, *places):
        given = {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in places]}
        touch.send("Input.dispatchTouchEvent", given)

    send("touchStart", steps[0])
    for step in steps[1:]:
        send("touchMove", step)
    send("touchEnd")
    assert text(page, "#answer") == "It is a 7."
    assert page.evaluate("scrollY") == top  # the finger drew, it did not scroll


def test_a_digit_drawn_by_keys(opened):
    page = opened()
    page.keyboard.press("Tab")  # the link home
    page.keyboard.press("Tab")  # the theme
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "paper"
    outline = page.locator("#paper").evaluate("paper => getComputedStyle(paper).outlineStyle")
    assert outline == "solid"
    for key in ["ArrowLeft"] * 8 + ["Space"]:
        page.keyboard.press(key)
    assert text(page, "#pen") == "Pen down"
    for key in ["ArrowRight"] * 16 + ["ArrowDown", "ArrowLeft", "ArrowDown"] * 9:
        page.keyboard.press(key)
    page.keyboard.press("Space")
    assert text(page, "#pen") == "Pen up"
    assert text(page, "#answer") == "It is a 7."
    page.keyboard.press("Delete")
    assert text(page, "#answer") == "Nothing drawn yet."
    page.keyboard.press("Tab")  # nothing holds the focus
    assert page.evaluate("document.activeElement.id") == "clear"


def test_w_and_the_sliders_by_keys(opened):
    page = opened()
    page.locator("#w").focus()
    before = picture(page, "#yat")
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowRight"):
        page.keyboard.press(key)
    page.wait_for_function("document.getElementById('w-value').textContent === '(1.60, 0.90)'")
    assert picture(page, "#yat") != before
    assert page.locator("#w").get_attribute("aria-valuetext") == "x 1.60, y 0.90"
    page.locator("#epsilon").focus()
    page.keyboard.press("Home")
    page.locator("#b").focus()
    page.keyboard.press("End")
    wanted = (1.6**2 + 0.9**2 + 3) ** 2 / 0.01
    page.wait_for_function("document.getElementById('b-value').textContent === '3.00'")
    assert text(page, "#peak") == f"{wanted:,.0f}"
    page.click("#reset")
    page.wait_for_function("document.getElementById('w-value').textContent === '(1.20, 0.80)'")
    assert picture(page, "#yat") == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_that_of_the_system_until_it_is_switched(opened, scheme):
    page = opened(NARROW, scheme)
    ground = "() => getComputedStyle(document.body).backgroundColor"
    grounds = {"light": "rgb(244, 247, 247)", "dark": "rgb(14, 22, 24)"}
    other = "dark" if scheme == "light" else "light"
    assert page.evaluate(ground) == grounds[scheme]
    drawn = picture(page, "#paper"), picture(page, "#yat")
    page.click("#theme")
    assert page.evaluate(ground) == grounds[other]
    assert page.locator("#theme").get_attribute("aria-label") == f"Switch to the {scheme} theme"
    assert picture(page, "#paper") != drawn[0]
    assert picture(page, "#yat") != drawn[1]
    page.reload()
    assert page.evaluate(ground) == grounds[other]  # it was kept
