"""Datasets, training, models and communities in the browser."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from support.gateways import ADMIN, ADMIN_TOKEN
from support.pages import MARKER, Site, log_in

pytestmark = pytest.mark.timeout(120)
READS = gzip.compress(b"".join(b"@r%d\nACGTACGTAC\n+\nIIIIIIIIII\n" % number for number in range(50)), mtime=0)
HEADER = "sample\tmarker\tr1\tlatitude\tlongitude\n"
ROWS = "shelf\t18S-V4-Zingone\tshelf.fastq.gz\t41.2\t-9.5\nslope\t18S-V4-Zingone\tslope.fastq.gz\t{}\t-10.1\n"


def chosen(sheet: str) -> list[dict[str, object]]:
    return [
        {"name": "samples.tsv", "mimeType": "text/plain", "buffer": sheet.encode()},
        *({"name": f"{name}.fastq.gz", "mimeType": "application/gzip", "buffer": READS} for name in ("shelf", "slope")),
    ]


def test_sheet_problems_stand_at_their_cell_before_anything_is_sent(page: Page, screenshots: Path) -> None:
    page.goto("/#/datasets/new")
    page.set_input_files("#dataset-files", chosen(HEADER + ROWS.format(141.3)))  # type: ignore[arg-type]
    expect(page.get_by_role("alert")).to_contain_text("row 3, column latitude")
    wrong = page.locator(".sheet td.wrong")
    expect(wrong).to_have_count(1)
    expect(wrong).to_contain_text("141.3")
    expect(wrong).to_contain_text("at most 90")
    page.screenshot(path=screenshots / "bad-sheet.png", full_page=True)


def test_upload_goes_on_after_the_network_failed(page: Page, site: Site) -> None:
    failed: list[str] = []

    def fail_once(route: Route) -> None:
        if route.request.method == "PATCH" and len(failed) < 2:
            failed.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page.route(re.compile(r"/datasets/[0-9a-f]+/files/"), fail_once)
    page.goto("/#/datasets/new")
    page.get_by_label("Name", exact=True).fill("Iberian margin")
    page.set_input_files("#dataset-files", chosen(HEADER + ROWS.format(42.0)))  # type: ignore[arg-type]
    expect(page.get_by_text("The sample sheet is right: 2 samples")).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#view").get_by_text("Ready", exact=True)).to_be_visible()
    assert len(failed) == 2
    dataset = site.client.get(f"/datasets/{page.url.rpartition('/')[2]}").json()
    assert (dataset["state"], dataset["sheet"]["samples"]) == ("ready", 2)
    assert {one["name"]: one["bytes"] for one in dataset["contents"]}["shelf.fastq.gz"] == len(READS)
    expect(page.get_by_text("Only administrators start training")).to_be_visible()


def test_key_is_checked_and_opens_what_administrators_may(page: Page, site: Site) -> None:
    page.goto("/#/models")
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Key or administrator's token").fill("abyssal_wrong")
    page.get_by_role("dialog").get_by_role("button", name="Log in").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    page.keyboard.press("Escape")
    log_in(page, ADMIN_TOKEN)
    page.get_by_role("button", name="Let toy, version 2 answer").click()
    expect(page.get_by_text("toy, version 2, answers now").first).to_be_visible()
    assert site.client.get("/models/current").json()["version"] == "2"
    page.reload()
    page.get_by_role("button", name="Bring back toy, version 1").click()
    expect(page.get_by_text("Brought back: toy, version 1")).to_be_visible()
    assert site.client.get("/models/current").json()["digest"] == site.digest
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    expect(page.get_by_role("button", name="Let toy")).to_have_count(0)


def test_administrators_see_who_did_what(page: Page, site: Site, screenshots: Path) -> None:
    made = site.client.post("/datasets", json={"name": "mistake", "files": []}).json()["id"]
    site.client.delete(f"/datasets/{made}", headers=ADMIN)
    page.goto("/#/audit")
    expect(page.get_by_text("You need a key to see this.")).to_be_visible()
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)
    log_in(page, ADMIN_TOKEN)
    expect(page.get_by_role("link", name="Audit log")).to_be_visible()
    row = page.get_by_role("row").filter(has_text=made[:12])
    expect(row).to_contain_text("Deleted a dataset")
    expect(row).to_contain_text("admin")
    expect(page.get_by_role("button", name="Show older ones")).to_be_hidden()
    page.screenshot(path=screenshots / "audit.png", full_page=True)


def test_report_is_shown_in_a_sandbox(page: Page, site: Site, screenshots: Path) -> None:
    page.goto(f"/#/training/{site.job}")
    expect(page.locator("#view").get_by_text("Finished", exact=True)).to_be_visible()
    expect(page.locator("iframe.report").first).to_have_attribute("sandbox", "allow-scripts")
    expect(page.frame_locator("iframe.report").locator("#p")).to_have_text("sandboxed: true")
    page.screenshot(path=screenshots / "training.png", full_page=True)


def test_model_page_shows_its_card(page: Page, site: Site, screenshots: Path) -> None:
    page.goto(f"/#/models/{site.digest}")
    expect(page.get_by_role("heading", name="Intended use")).to_be_visible()
    assert page.locator(".card-text table").count() > 0
    page.get_by_role("tab", name="How good it is").click()
    expect(page.get_by_text("This model brought no test results.")).to_be_visible()
    page.screenshot(path=screenshots / "model.png", full_page=True)


def test_community_of_the_current_model_in_four_views(page: Page, site: Site, screenshots: Path) -> None:
    page.goto("/#/community")
    expect(page.get_by_role("heading", name="Community: margin")).to_be_visible()
    expect(page.locator(".plot .barlayer .point").first).to_be_visible()
    page.get_by_label("Rank", exact=True).select_option(label="family")
    expect(page.get_by_role("region", name="Reads by family and sample")).to_contain_text("group of unknowns")
    page.get_by_role("tab", name="Map of variants").click()
    expect(page.locator(".plot .scatterlayer .point")).to_have_count(3)
    page.get_by_role("tab", name="Unknown groups").click()
    expect(page.get_by_role("region", name="1 group")).to_contain_text("PT0123456789")
    page.get_by_role("tab", name="Where samples were taken").click()
    expect(page.locator(".plot .scattergeo .point")).to_have_count(2)
    expect(page.locator(".plot .coastlines path, .plot .land path").first).to_be_attached()
    page.screenshot(path=screenshots / "places.png", full_page=True)
    assert site.client.get(f"/models/{site.digest}/study").json()["marker"] == MARKER
