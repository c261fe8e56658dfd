"""A real service, a real gateway on its own stores, and Chromium in front of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from support.gateways import ADMIN_TOKEN, running_gateway, wait_for
from support.pages import Site, fasta, keep_trained_study
from support.service_fixtures import tiny_bundle
from support.serving import running_server
from support.tiny_bundle import make_tiny_bundle

from abyssal.bundle.registry import open_registry

__all__ = ["tiny_bundle"]
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[Site]:
    """A page whose registry holds two versions of a model, the first of which answers and has a study."""
    data = tmp_path_factory.mktemp("page")
    registry = open_registry(str(data / "registry"))
    first = registry.publish(tiny_bundle)
    registry.activate(first.name, first.version)
    registry.publish(make_tiny_bundle(tmp_path_factory.mktemp("second"), version="2"))
    with (
        running_server(tiny_bundle, admin_token=ADMIN_TOKEN) as service,
        running_gateway(service.target, data=data, admin_token=ADMIN_TOKEN) as client,
    ):
        digest = client.get("/models/current").json()["digest"]
        yield Site(str(client.base_url).rstrip("/"), client, data, keep_trained_study(data, digest), digest)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless; while it is open no other test of this process can run an event loop."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium here; apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the page are kept: $ABYSSAL_SCREENSHOTS or a temporary folder."""
    named = os.environ.get("ABYSSAL_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def context(chromium: Browser, site: Site) -> Iterator[Callable[..., BrowserContext]]:
    """Make browser contexts; a script error or a refused resource fails the test."""
    made: list[BrowserContext] = []
    problems: list[str] = []

    def make(**options: object) -> BrowserContext:
        chosen = {"viewport": {"width": 1280, "height": 900}, "base_url": site.url, "locale": "en-GB", **options}
        one = chromium.new_context(**chosen)  # type: ignore[arg-type]
        one.set_default_timeout(20_000)
        one.on("weberror", lambda error: problems.append(str(error.error)))
        one.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()
    assert problems == []


@pytest.fixture
def page(context: Callable[..., BrowserContext]) -> Page:
    """A page at desktop size."""
    return context().new_page()


@pytest.fixture(scope="session")
def classified(site: Site) -> str:
    """The address of results of twelve sequences."""
    job = site.client.post("/inference/classify", content=fasta(), headers={"Prefer": "respond-async"}).json()
    wait_for(site.client, f"/inference/jobs/{job['id']}", "succeeded")
    return f"/#/results/{job['id']}"


@pytest.fixture
def results(page: Page, classified: str) -> Page:
    """The page with these results."""
    page.goto(classified)
    expect(page.locator(".rows .row-button")).to_have_count(12)
    return page
