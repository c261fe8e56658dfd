"""The page for everybody: by keyboard, by screen reader, on a phone, in the dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from support.pages import Site

pytestmark = pytest.mark.timeout(120)
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
PHONE = {"width": 360, "height": 740}
VIEWS = {
    "ask": ("/#/", "Sequences (FASTA or FASTQ)"),
    "datasets": ("/#/datasets", "Upload a dataset"),
    "upload": ("/#/datasets/new", "What a sample sheet looks like"),
    "training": ("/#/training", "margin"),
    "models": ("/#/models", "answers now"),
    "community": ("/#/community", "Where samples were taken"),
}


def serious(page: Page, scheme: str) -> list[str]:
    """Findings of axe that keep people out; only colours differ in the dark."""
    page.evaluate(AXE.read_text())
    chosen = "{iframes: false}" if scheme == "light" else "{iframes: false, runOnly: ['color-contrast']}"
    found = page.evaluate(f"axe.run(document, {chosen})")["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} ({node['failureSummary'][:200]})"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    context: Callable[..., BrowserContext], scheme: str, classified: str, screenshots: Path
) -> None:
    page = context(color_scheme=scheme, bypass_csp=True).new_page()
    findings = {}
    for name, (path, words) in VIEWS.items():
        page.goto(path)
        expect(page.get_by_text(words).first).to_be_visible()
        findings[name] = serious(page, scheme)
        page.screenshot(path=screenshots / f"{name}-{scheme}.png", full_page=True)
    page.goto(classified)
    for tab in ("Table", "Lineages", "New and unnamed"):
        page.get_by_role("tab", name=tab).click()
        if tab == "Table":
            page.locator(".row-button").nth(2).click()
            expect(page.get_by_text("identical)")).to_be_visible()
        else:
            expect(page.locator(".main-svg").first).to_be_visible()
        findings[tab] = serious(page, scheme)
        page.screenshot(path=screenshots / f"{tab.split()[0].lower()}-{scheme}.png", full_page=True)
    assert {name: found for name, found in findings.items() if found} == {}


def test_everything_fits_a_phone(
    context: Callable[..., BrowserContext], classified: str, site: Site, screenshots: Path
) -> None:
    page = context(viewport=PHONE, is_mobile=True, has_touch=True).new_page()
    narrow = {}
    views = {**VIEWS, "job": (f"/#/training/{site.job}", "See the community"), "results": (classified, "How sure")}
    for name, (path, words) in views.items():
        page.goto(path)
        expect(page.get_by_text(words).first).to_be_visible()
        narrow[name] = fits(page)
        page.screenshot(path=screenshots / f"{name}-phone.png")
    page.locator(".row-button").first.click()
    expect(page.get_by_text("identical)")).to_be_visible()
    page.screenshot(path=screenshots / "row-phone.png", full_page=True)
    assert {name for name, fit in {**narrow, "row": fits(page)}.items() if not fit} == set()


def test_dark_mode_follows_the_system(context: Callable[..., BrowserContext]) -> None:
    page = context(color_scheme="dark").new_page()
    page.goto("/")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.emulate_media(color_scheme="light")
    assert (dark, page.evaluate(paper)) == ("rgb(14, 21, 27)", "rgb(255, 255, 255)")


def test_whole_way_by_keyboard(page: Page, classified: str) -> None:
    page.goto("/")
    expect(page.get_by_label("Sequences (FASTA or FASTQ)")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Sequences (FASTA or FASTQ)")).to_be_focused()
    page.keyboard.type(">one\n" + "ACGTTGCAAC" * 20)
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Name these sequences")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your results")).to_be_focused()
    page.goto(classified)
    first = page.locator(".row-button").first
    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="known-2", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="known-2", exact=True)).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("button", name="known-2", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("tr.detail")).to_have_count(0)
    page.keyboard.press("End")
    expect(page.get_by_role("button", name="wrong", exact=True)).to_be_focused()
    page.get_by_role("tab", name="Table").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Lineages")).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="Download").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#downloads a").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Download")).to_be_focused()


def test_landmarks_and_live_regions_are_there(results: Page) -> None:
    for role, name in (
        ("banner", None),
        ("navigation", "Main"),
        ("main", None),
        ("contentinfo", None),
        ("search", None),
    ):
        expect(results.get_by_role(role, **({"name": name} if name else {}))).to_have_count(1)  # type: ignore[arg-type]
    expect(results.locator("#say")).to_have_text("12 sequences classified, 9 with a name")
    expect(results.get_by_role("table", name="Classified sequences")).to_have_attribute("aria-rowcount", "13")


def test_first_paint_is_recorded(page: Page, record_property: Callable[[str, object], None]) -> None:
    page.goto("/")
    expect(page.get_by_label("Sequences (FASTA or FASTQ)")).to_be_visible()
    entries = page.evaluate("performance.getEntriesByType('paint').map((one) => [one.name, one.startTime])")
    paint = dict(entries)["first-contentful-paint"]
    record_property("first_contentful_paint_ms", round(paint))
    print(f"first contentful paint after {paint:.0f} ms")
    assert paint > 0
    outside = page.evaluate(
        "performance.getEntriesByType('resource').filter((one) => !one.name.startsWith(location.origin)).length"
    )
    assert outside == 0
