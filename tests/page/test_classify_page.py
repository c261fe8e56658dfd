"""Classify in the browser: from pasted sequences to a table that is searched, opened, exported and shared."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from support.pages import Site, classify, fasta, row_names

pytestmark = pytest.mark.timeout(120)


def test_pasted_sequences_become_a_table_with_names_and_reasons(page: Page, screenshots: Path) -> None:
    classify(page, fasta())
    results = page
    first = results.locator(".rows tbody.body tr").first
    expect(first).to_contain_text("known-0")
    expect(first).to_contain_text("Family0")
    expect(first.locator(".bars i")).to_have_count(4)
    assert "domain > 99 %" in str(first.locator(".bars").get_attribute("aria-label"))
    expect(first.locator(".c-near")).to_contain_text("alike")
    short = results.locator(".rows tbody.body tr").filter(has_text="short").first
    expect(short.locator(".badge")).to_have_text("not readable")
    expect(results.locator(".cards")).to_contain_text("With a name")
    results.screenshot(path=screenshots / "results-light.png", full_page=True)


def test_search_sort_and_filters_choose_rows(results: Page) -> None:
    names = row_names(results)
    results.get_by_label("Search").fill("family3")
    expect(results.locator(".filters ~ .bar [role=status]")).to_contain_text("of 12 sequences")
    found = row_names(results)
    assert 0 < len(found) < len(names)
    assert all("Family3" in text for text in results.locator("tbody.body .c-name").all_inner_texts())
    results.get_by_label("Search").fill("")
    expect(results.locator(".rows .row-button")).to_have_count(12)
    results.get_by_role("button", name="Sequence", exact=True).click()
    assert row_names(results) == sorted(names)
    results.get_by_role("button", name="Sequence", exact=True).click()
    assert row_names(results) == sorted(names, reverse=True)
    expect(results.get_by_role("columnheader", name="Sequence")).to_have_attribute("aria-sort", "descending")
    results.get_by_label("Show").select_option("bad")
    assert sorted(row_names(results)) == ["short", "wrong"]
    results.get_by_label("Show").select_option("all")
    results.get_by_label("Named to").select_option(label="species or deeper")
    assert set(row_names(results)) < set(names)


def test_row_expands_to_the_alignment(results: Page, screenshots: Path) -> None:
    results.get_by_role("button", name="near", exact=True).click()
    region = results.get_by_role("region", name=re.compile("^Alignment: "))
    expect(region).to_contain_text("reference")
    detail = results.locator("tr.detail")
    expect(detail).to_contain_text("Identity")
    expect(detail).to_contain_text("Aligned part")
    expect(detail).to_contain_text("Accession")
    assert detail.locator("mark").count() > 0
    expect(detail.locator(".ranks li")).to_have_count(4)
    results.screenshot(path=screenshots / "row-open.png")
    results.get_by_role("button", name="near", exact=True).click()
    expect(detail).to_have_count(0)


def test_every_export_is_a_link_that_downloads(results: Page, site: Site) -> None:
    results.get_by_role("button", name="Download").click()
    links = results.locator("#downloads a")
    formats = ["tsv", "jsonl", "qiime2", "biom", "sintax", "kraken", "krona", "dwca"]
    assert [links.nth(place).get_attribute("data-format") for place in range(links.count())] == formats
    with results.expect_download() as download:
        links.first.click()
    text = Path(download.value.path()).read_text()
    assert text.startswith("Feature ID\tTaxon")
    assert len(text.splitlines()) == 13
    for place in range(1, links.count()):
        answer = site.client.get(str(links.nth(place).get_attribute("href")))
        assert (answer.status_code, bool(answer.content)) == (200, True)


def test_link_shows_the_same_results_to_somebody_else(results: Page, context: Callable[..., BrowserContext]) -> None:
    assert re.search(r"#/results/[0-9a-f]{32}$", results.url)
    other = context().new_page()
    other.goto(results.url)
    expect(other.locator(".rows .row-button")).to_have_count(12)
    assert row_names(other) == row_names(results)
    other.reload()
    expect(other.locator(".rows .row-button")).to_have_count(12)


def test_unknown_link_says_what_happened(page: Page) -> None:
    page.goto(f"/#/results/{'0' * 32}")
    expect(page.get_by_text("These results are not here (any more).")).to_be_visible()


def test_zipped_file_and_sample_sequences_are_taken(page: Page) -> None:
    page.goto("/")
    page.set_input_files("#sequence-file", {
        "name": "reads.fasta.gz", "mimeType": "application/gzip", "buffer": gzip.compress(fasta().encode()),
    })  # fmt: skip
    expect(page.get_by_text("File: reads.fasta.gz")).to_be_visible()
    page.get_by_role("button", name="Name these sequences").click()
    expect(page.locator(".rows .row-button")).to_have_count(12)
    page.goto("/")
    page.get_by_role("button", name="Try sample sequences").click()
    expect(page.get_by_label("Sequences (FASTA or FASTQ)")).to_have_value(re.compile(r"^>known-1\n"))
    expect(page.get_by_role("heading", name="Your last results")).to_be_visible()


def test_what_cannot_be_read_is_refused_in_words(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Name these sequences").click()
    expect(page.get_by_role("alert")).to_contain_text("Paste sequences")
    page.get_by_label("Sequences (FASTA or FASTQ)").fill("these are no sequences")
    page.get_by_role("button", name="Name these sequences").click()
    expect(page.get_by_role("alert")).to_contain_text("not accepted")


def test_lineages_and_new_taxa_lead_back_to_their_rows(results: Page, screenshots: Path) -> None:
    results.get_by_role("tab", name="Lineages").click()
    expect(results.locator(".plot .sunburstlayer .slice").first).to_be_visible()
    results.screenshot(path=screenshots / "lineages.png", full_page=True)
    tools = results.locator(".modebar-btn").evaluate_all("all => all.map((one) => one.dataset.title)")
    assert tools == ["Download plot as a PNG"]  # none that sends the chart to the library's maker
    results.get_by_label("Names at rank").select_option(label="family")
    results.get_by_role("button", name="Family1").click()
    expect(results.get_by_text("Within Family1")).to_be_visible()
    assert all("Family1" in text for text in results.locator("tbody.body .c-name").all_inner_texts())
    results.get_by_role("button", name="Remove the filter").click()
    expect(results.locator(".rows .row-button")).to_have_count(12)
    results.get_by_role("tab", name="New and unnamed").click()
    expect(results.get_by_role("heading", name="Without a name")).to_be_visible()


def test_sample_sequences_are_those_of_the_demo(site: Site, repository: Path) -> None:
    assert (
        site.client.get("/page/sample/sequences.json").json()["fasta"]
        == (repository / "resources" / "demo" / "queries.fasta").read_text()
    )
