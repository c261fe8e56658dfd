"""The report is one file that tells what the study's files tell, and nothing in a name can break it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from abyssal.config.models import NoveltyConfig
from abyssal.files import sha256_file, write_json
from abyssal.report.inputs import read_results
from abyssal.report.render import render_report, write_report
from abyssal.report.taxa_section import taxa_section
from abyssal.taxonomy.mixture import estimate_mixture

HOSTILE = '<script>alert("x")</script>'
_LOADING = {"src", "href", "srcset", "data", "action", "poster", "background"}


class Page(HTMLParser):
    """Collects text, attributes that load something, ids, tags and the contents of scripts."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in _LOADING and not (value or "").startswith("#"):
                self.loads.append(f"{tag} {name}={value}")
            if name == "id":
                self.ids.append(value or "")

    def handle_data(self, text: str) -> None:
        (self.scripts if self.tags[-1:] == ["script"] else self.texts).append(text)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self.tags.append(f"/{tag}")

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def figures(self) -> list[dict]:
        return next(json.loads(script) for script in self.scripts if script.startswith("[{"))


@pytest.fixture
def study(make_study):
    return make_study()


@pytest.fixture
def page(study) -> Page:
    return Page(render_report(read_results(study.files(), study.facts())))


def test_the_file_loads_nothing_and_is_small(study, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    write_report(target, study.files(), study.facts())
    source = target.read_text()
    page = Page(source)
    assert page.loads == []
    assert not {"link", "img", "iframe", "base", "object", "embed"} & set(page.tags)
    assert "default-src 'none'" in source
    assert "@import" not in source.split("<style>")[1].split("</style>")[0]
    assert target.stat().st_size < 8_000_000
    assert source.count("plotly.js v") == 1


def test_two_files_of_one_name_have_a_digest_each(study) -> None:
    for name in ("evaluate", "regression"):
        (study.folder / name).mkdir()
        write_json(study.folder / name / "metrics.json", {"of": name})
    found = {name: study.folder / name / "metrics.json" for name in ("evaluate", "regression")}
    files = replace(study.files(), metrics=found["evaluate"], regression=found["regression"])
    digests = read_results(files, study.facts()).digests
    assert {name: digests[f"{name}/metrics.json"] for name in found} == {
        name: sha256_file(path) for name, path in found.items()
    }
    assert "metrics.json" not in digests
    assert "ledger.tsv" in digests


def test_the_same_study_gives_the_same_bytes(study, tmp_path: Path) -> None:
    for name in ("one.html", "two.html"):
        write_report(tmp_path / name, study.files(), study.facts())
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_key_figures_come_from_the_inputs(study, page: Page) -> None:
    reads = int(study.counts.sum())
    assert f"{reads:,} of them" in page.text
    assert f"in {len(study.ids)} sequence variants (ASVs)" in page.text
    assert "5 libraries of 5 samples" in page.text
    taxa = (study.folder / "cluster" / "putative_taxa.tsv").read_text().splitlines()[1:]
    assert f"{len(taxa)} putative taxa that the reference does not explain" in page.text
    for row in taxa:
        assert row.split("\t")[0] in page.text
    named = study.counts[: study.known][[i % 3 + 1 >= 2 for i in range(study.known)]].sum()
    assert f"{100 * named / reads:.1f}\u00a0% at genus".replace("\u00a0", " ") in page.text


def test_empty_samples_and_controls_are_named(page: Page) -> None:
    assert "No reads are left of 1 sample: empty." in page.text
    assert "1 library is a control" in page.text
    assert re.search(r"lib-blank pcr blank 20 0 0", page.text)


def test_the_flow_of_reads_adds_up(study, page: Page) -> None:
    trace = next(figure for figure in page.figures if figure["name"] == "flow")["traces"][0]
    links = list(zip(trace["link"]["source"], trace["link"]["target"], trace["link"]["value"], strict=True))
    for node, name in enumerate(trace["node"]["label"]):
        inward = sum(value for _, target, value in links if target == node)
        outward = sum(value for source, _, value in links if source == node)
        if inward and outward:
            assert inward == outward, name
    kept = trace["node"]["label"].index("kept")
    assert sum(value for _, target, value in links if target == kept) == study.counts.sum()


def test_shares_of_every_sample_with_reads_add_up_to_all(page: Page) -> None:
    views = next(figure for figure in page.figures if figure["name"] == "composition")["views"]
    assert set(views) == {"phylum", "family", "genus", "species"}
    for traces in views.values():
        totals = [sum(shares) for shares in zip(*(trace["x"] for trace in traces), strict=True)]
        assert totals == pytest.approx([100, 100, 100, 0, 0], abs=0.01)
        assert len({trace["name"] for trace in traces}) == len(traces)


def test_a_hostile_sample_name_stays_text(page: Page) -> None:
    assert HOSTILE in page.text
    scripts = page.tags.count("script")
    assert scripts == 3, "figures, plotly, page"
    figures = json.dumps(page.figures)
    assert "<script" not in figures
    assert "&lt;script&gt;" in figures


def test_every_figure_has_a_place_a_caption_and_an_own_id(page: Page) -> None:
    names = [figure["name"] for figure in page.figures]
    assert {"flow", "composition", "map", "where", "sizes", "stability", "exemplars"} <= set(names)
    assert len(page.ids) == len(set(page.ids))
    assert set(names) <= set(page.ids)
    for figure in page.figures:
        assert figure["traces"] or figure["views"]


def test_the_map_shows_records_and_can_be_coloured(study, page: Page) -> None:
    views = next(figure for figure in page.figures if figure["name"] == "map")["views"]
    assert set(views) == {"novelty", "lineage", "sample with most reads", "mean depth of its reads", "putative taxon"}
    for traces in views.values():
        assert sum(len(trace["x"]) for trace in traces) == len(study.ids) + 8
    texts = [text for trace in views["novelty"] for text in trace["text"]]
    assert sum("nearest named relative" in text.replace("<br>", " ") for text in texts) == 9


def test_samples_are_ordered_by_depth(page: Page) -> None:
    names = next(figure for figure in page.figures if figure["name"] == "where")["traces"][0]["x"]
    assert [name.split(" ")[0] for name in names] == [
        "shallow", "&lt;script&gt;alert(\"x\")&lt;/script&gt;", "empty", "deep", "blank"
    ]  # fmt: skip


def test_a_study_without_reference_has_a_report(make_study: Callable) -> None:
    study = make_study(named=False)
    page = Page(render_report(read_results(study.files(), study.facts())))
    assert "There is no reference, so nothing is named" in page.text
    assert "every ASV is in a putative taxon" in page.text
    views = next(figure for figure in page.figures if figure["name"] == "composition")["views"]
    assert list(views) == ["putative taxon"]


def test_a_study_without_any_asv_has_a_report(make_study: Callable) -> None:
    study = make_study(known=0, families=0)
    page = Page(render_report(read_results(study.files(), study.facts())))
    assert "No read could be given a name at any rank." in page.text
    assert "0 of them (0.0 %) are kept, in 0 sequence variants" in page.text


def test_the_configuration_and_digests_are_shown(page: Page) -> None:
    assert "study: cruise seed: 1" in page.text
    assert "encoder " + "0" * 64 in page.text
    assert "torch-fp32" in page.text


def test_the_estimated_novelty_stands_beside_the_stated_one(make_study, tmp_path: Path) -> None:
    study = make_study()
    rng = np.random.default_rng(1)
    found = estimate_mixture(np.tile([0.1, 0.1, 0.2, 0.6], (40, 1)), NoveltyConfig(), rng)
    write_json(tmp_path / "novelty.json", found.as_json(NoveltyConfig()))
    told = taxa_section(read_results(replace(study.files(), novelty=tmp_path / "novelty.json"), study.facts()))
    assert "Of 40 ASVs on target" in told.paragraphs[1]
    assert "stated 25" in told.paragraphs[1]
    one = replace(
        read_results(study.files(), study.facts()), novelty={**found.as_json(NoveltyConfig()), "distinct_reads": 1}
    )
    assert "Of 1 ASV on target" in taxa_section(one).paragraphs[1]
    assert len(taxa_section(read_results(study.files(), study.facts())).paragraphs) == 1
