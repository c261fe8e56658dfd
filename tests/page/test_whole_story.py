"""A cruise from upload to a new model, in the browser, with the processes of ``abyssal up``."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import biom
import h5py
import httpx
import pytest
from dwca.read import DwCAReader
from playwright.sync_api import Browser, Page, expect
from support.pages import classify, log_in
from support.tiny_bundle import make_tiny_bundle

from abyssal.exports.write import FORMATS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
TRAINING_MS = 2_400_000
NAME = "demo-18S-V4-Zingone"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@pytest.fixture
def running(tmp_path: Path, repository: Path) -> Iterator[tuple[str, str]]:
    """Address and admin token of a service, a gateway and a worker on embedded stores."""
    first = make_tiny_bundle(tmp_path / "first", version="0", name=NAME)
    command = [sys.executable, "-m", "abyssal.cli", "up", "--bundle", str(first), "--data", str(tmp_path / "data")]
    log = tmp_path / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--port", "0", "--cores", "2"], cwd=repository, stdout=out, stderr=out)
        try:
            address = None
            while address is None:
                assert process.poll() is None, log.read_text()
                address = ADDRESS.search(log.read_text())
                time.sleep(0.2)
            yield address[0], (tmp_path / "data" / "admin-token").read_text().strip()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def files_of_the_demo(repository: Path, folder: Path, *, spoiled: bool) -> list[str]:
    """The demo's reads with a sheet beside them; a spoiled one names a file that is not there."""
    sheet = (repository / "config" / "samples.tsv").read_text().replace("resources/demo/reads/", "")
    folder.mkdir(exist_ok=True)
    (folder / "samples.tsv").write_text(sheet.replace("slope_R1", "slop_R1") if spoiled else sheet)
    reads = sorted((repository / "resources" / "demo" / "reads").glob("*_R[12].fastq.gz"))
    return [str(folder / "samples.tsv"), *map(str, reads)]


def queries(repository: Path) -> str:
    return (repository / "resources" / "demo" / "queries.fasta").read_text()


def test_from_upload_to_a_new_model_and_back(
    chromium: Browser, running: tuple[str, str], repository: Path, tmp_path: Path, screenshots: Path
) -> None:
    url, token = running
    page = chromium.new_context(base_url=url, viewport={"width": 1280, "height": 900}, locale="en-GB").new_page()
    page.set_default_timeout(60_000)
    classify(page, queries(repository))
    _upload(page, files_of_the_demo(repository, tmp_path / "files", spoiled=True), screenshots)
    page.set_input_files("#more-files", files_of_the_demo(repository, tmp_path / "files", spoiled=False)[:1])
    expect(page.locator("#view").get_by_text("Ready", exact=True)).to_be_visible(timeout=60_000)
    log_in(page, token)
    page.screenshot(path=screenshots / "story-ready.png", full_page=True)
    _train(page, screenshots)
    model = page.locator(".note.good a").inner_text()
    assert model == "{name}, version {version}".format(**httpx.get(f"{url}/models/current").json())
    frame = page.frame_locator("iframe.report")
    expect(frame.get_by_role("heading", level=1)).to_contain_text("demo", timeout=60_000)
    page.screenshot(path=screenshots / "story-finished.png", full_page=True)
    _read_exports_of_the_run(page, tmp_path)
    page.get_by_role("link", name="See the community").click()
    expect(page.locator(".plot .main-svg").first).to_be_visible(timeout=60_000)
    page.screenshot(path=screenshots / "story-community.png", full_page=True)
    page.get_by_role("tab", name="Map of variants").click()
    expect(page.locator(".plot .scatterlayer .point").first).to_be_visible(timeout=60_000)
    page.screenshot(path=screenshots / "story-map.png", full_page=True)
    _classify_with(page, model, queries(repository), screenshots)
    _roll_back(page, url, screenshots)


def _upload(page: Page, files: list[str], screenshots: Path) -> None:
    page.goto("/#/datasets/new")
    page.get_by_label("Name", exact=True).fill("Iberian margin")
    page.set_input_files("#dataset-files", files)
    expect(page.get_by_role("alert")).to_contain_text("slop_R1.fastq.gz")
    expect(page.locator(".sheet td.wrong").first).to_contain_text("no such file")
    page.screenshot(path=screenshots / "story-bad-sheet.png", full_page=True)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("Needs correction")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("alert")).to_contain_text("samples.tsv, row 4, column r1")


def _train(page: Page, screenshots: Path) -> None:
    page.get_by_label("Preset").select_option("demo")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Now: ").first).to_be_visible(timeout=TRAINING_MS)
    expect(page.locator("pre.log")).to_contain_text("rule", timeout=TRAINING_MS)
    page.screenshot(path=screenshots / "story-training.png", full_page=True)
    expect(page.locator("#view").get_by_text("Finished", exact=True)).to_be_visible(timeout=TRAINING_MS)
    expect(page.locator(".note.good")).to_contain_text("answers from now on")


def _read_exports_of_the_run(page: Page, folder: Path) -> None:
    """Each download of a run is there; BIOM and Darwin Core are read by their own libraries and hold the same ASVs."""
    page.get_by_role("tab", name="Download").click()
    links = page.locator("a[data-format]")
    found = {}
    for place in range(links.count()):
        name, address = (links.nth(place).get_attribute(one) for one in ("data-format", "href"))
        answer = page.request.get(str(address))
        assert answer.ok, answer.text()
        found[name] = answer.body()
    assert set(found) == {*FORMATS, "classification"}
    assert all(found.values())
    with h5py.File(io.BytesIO(found["biom"])) as file:
        asvs = set(biom.Table.from_hdf5(file).ids("observation"))
    assert {line.split("\t")[0] for line in found["taxonomy"].decode().splitlines()[1:]} == asvs
    (folder / "archive.zip").write_bytes(found["dwc"])
    with DwCAReader(str(folder / "archive.zip")) as archive:
        named = {row.data["http://rs.tdwg.org/dwc/terms/taxonID"].rpartition(":")[2] for row in archive.rows}
    assert named <= asvs
    assert named


def _classify_with(page: Page, model: str, sequences: str, screenshots: Path) -> None:
    page.goto("/#/")
    page.get_by_label("Sequences (FASTA or FASTQ)").fill(sequences)
    page.get_by_role("button", name="Name these sequences").click()
    expect(page.locator(".rows .row-button").first).to_be_visible(timeout=60_000)
    expect(page.get_by_role("link", name=model)).to_be_visible()
    page.locator(".row-button").nth(6).click()
    expect(page.get_by_text("identical)")).to_be_visible(timeout=60_000)
    page.screenshot(path=screenshots / "story-results.png", full_page=True)
    page.get_by_role("button", name="Download").click()
    links = page.locator("#downloads a")
    assert links.count() == 8
    for place in range(8):
        if place:
            page.get_by_role("button", name="Download").focus()
        with page.expect_download() as download:
            links.nth(place).click()
        assert Path(download.value.path()).stat().st_size > 0


def _roll_back(page: Page, url: str, screenshots: Path) -> None:
    def current() -> str:
        return str(httpx.get(f"{url}/models/current").json()["version"])

    assert current() != "0"
    page.goto("/#/models")
    page.get_by_role("button", name=f"Bring back {NAME}, version 0").click()
    expect(page.get_by_text(f"Brought back: {NAME}, version 0")).to_be_visible(timeout=120_000)
    page.screenshot(path=screenshots / "story-rolled-back.png", full_page=True)
    assert current() == "0"
