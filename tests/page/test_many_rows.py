"""A hundred thousand sequences in one table."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.gateways import wait_for
from support.pages import Site
from support.tiny_bundle import reads_like_users_send

pytestmark = pytest.mark.timeout(900)
DISTINCT = 2_000
FRAMES = """async (steps) => {
  const box = document.querySelector('.rows');
  const times = [];
  let last = performance.now();
  for (let step = 0; step < steps; step += 1) {
    box.scrollTop = step % 4 === 3 ? (box.scrollHeight * (step / steps)) : box.scrollTop + 240;
    await new Promise((resolve) => requestAnimationFrame(resolve));
    times.push(performance.now() - last);
    last = performance.now();
  }
  return times.sort((a, b) => a - b);
}"""
WORK = """async (steps) => {
  const box = document.querySelector('.rows');
  const times = [];
  for (let step = 0; step < steps; step += 1) {
    const before = performance.now();
    box.scrollTop = box.scrollHeight * (step / steps);
    box.dispatchEvent(new Event('scroll'));
    box.getBoundingClientRect();
    times.push(performance.now() - before);
  }
  return times.sort((a, b) => a - b);
}"""


@pytest.mark.parametrize("rows", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_long_tables_stay_small_in_the_document_and_quick(
    page: Page, site: Site, rows: int, screenshots: Path, record_property: Callable[[str, object], None]
) -> None:
    reads = reads_like_users_send(min(rows, DISTINCT))
    text = "".join(f">s{number}\n{reads[number % len(reads)][1] or 'ACG'}\n" for number in range(rows))
    headers = {"Prefer": "respond-async", "Content-Type": "application/gzip"}
    sent = gzip.compress(text.encode(), compresslevel=1)
    answer = site.client.post("/inference/classify", content=sent, headers=headers, timeout=300)
    assert answer.status_code == 202, answer.text
    wait_for(site.client, answer.headers["Location"], "succeeded", seconds=600)
    page.goto(f"/#/results/{answer.json()['id']}")
    expect(page.get_by_role("table", name="Classified sequences")).to_have_attribute(
        "aria-rowcount", str(rows + 1), timeout=120_000
    )
    assert page.locator(".rows .row-button").count() < 60
    frames, work = page.evaluate(FRAMES, 120), page.evaluate(WORK, 120)
    page.locator(".row-button").first.focus()
    page.keyboard.press("End")
    expect(page.get_by_role("button", name=f"s{rows - 1}", exact=True)).to_be_focused()
    search = page.evaluate(
        """async () => { const field = document.querySelector('input[type=search]'); const before = performance.now();
        field.value = 'family2'; field.dispatchEvent(new Event('input'));
        const shown = document.querySelector('.filters ~ .bar [role=status]');
        while (!shown.textContent.includes(' of ')) await new Promise((resolve) => setTimeout(resolve, 5));
        return performance.now() - before; }"""
    )
    page.screenshot(path=screenshots / f"rows-{rows}.png")
    found = {
        "frame_ms_median": frames[60], "frame_ms_p95": frames[113], "scroll_work_ms_median": work[60],
        "scroll_work_ms_p95": work[113], "search_ms": search, "load_average": os.getloadavg()[0],
    }  # fmt: skip
    for name, value in found.items():
        record_property(name, round(value, 1))
    print(rows, {name: round(value, 1) for name, value in found.items()})
    assert page.locator(".rows .row-button").count() < 60
