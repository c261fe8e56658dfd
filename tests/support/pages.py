"""What tests of the web page do over and over."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from abyssal.files import sha256_file
from abyssal_server.gateway.settings import GatewaySettings
from abyssal_server.jobs.artefacts import OVERVIEW, REPORT, STUDY
from abyssal_server.jobs.queue import TRAIN, JobQueue, State
from abyssal_server.places import Places
from support.tiny_bundle import RANKS, synthetic_reference

MARKER = "toy"


@dataclass(frozen=True)
class Site:
    """A running page: its address, a client beside it, its stores, a trained job and the digest of its model."""

    url: str
    client: httpx.Client
    data: Path
    job: str
    digest: str


def fasta() -> str:
    """Known sequences, one near a known one, a stranger, one too short and one with a wrong letter."""
    reference = synthetic_reference()
    named = [(f"known-{number}", reference.sequences[16 * number]) for number in range(8)]
    near = list(reference.sequences[40])
    for place in range(5, 200, 17):
        near[place] = "A" if near[place] != "A" else "C"
    rest = [
        ("near", "".join(near)),
        ("stranger", "ACGTTGCAAC" * 20),
        ("short", "ACGTACGT"),
        ("wrong", "ACGT!ACGT" * 20),
    ]
    return "".join(f">{name}\n{sequence}\n" for name, sequence in [*named, *rest])


def classify(page: Page, text: str) -> None:
    """Paste sequences and wait for the table."""
    page.goto("/")
    page.get_by_label("Sequences (FASTA or FASTQ)").fill(text)
    page.get_by_role("button", name="Name these sequences").click()
    expect(page.get_by_role("table", name="Classified sequences")).to_be_visible()


def log_in(page: Page, key: str) -> None:
    """Log in through the dialog."""
    page.locator("#who").get_by_role("button", name="Log in").click()
    page.get_by_label("Key or administrator's token").fill(key)
    page.get_by_role("dialog").get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def row_names(page: Page) -> list[str]:
    """Names of the sequences in sight."""
    return page.locator(".rows .row-button").all_inner_texts()


def keep_trained_study(data: Path, digest: str) -> str:
    """Store a finished training job and its study as a worker leaves them; returns the job's id."""
    places = Places(GatewaySettings.model_validate({"server": "127.0.0.1:1", "data": data}))
    queue = JobQueue(places.documents)
    config = {"study": "margin", "markers": {MARKER: {}}, "package": {"version": "1"}}
    asked = {"dataset": "0" * 32, "config": json.dumps(config), "activate": True}
    job, _ = queue.submit(TRAIN, "admin", asked)
    claim = queue.claim(TRAIN, "test")
    assert claim is not None
    model = {"name": MARKER, "version": "1", "digest": digest, "marker": MARKER, "activated": True}
    queue.finish(claim, State.SUCCEEDED, {"models": [model], "progress": {"done": 40, "total": 40, "rule": "all"}})
    identity = str(job["_id"])
    report = "<!doctype html><html lang=en><title>Report</title><h1>The report</h1><p id=p>no script ran</p>"
    report += "<script>document.getElementById('p').textContent = 'sandboxed: ' + (window.origin === 'null')</script>"
    for below, name, text in (
        (f"jobs/{identity}/{MARKER}", STUDY, json.dumps(_study())),
        (f"jobs/{identity}/{MARKER}", REPORT, report),
        (f"jobs/{identity}", OVERVIEW, report),
    ):
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            file.write(text.encode())
            file.flush()
            places.objects(below).put_file(name, Path(file.name), sha256=sha256_file(Path(file.name)))
    places.close()
    return identity


def _study() -> dict[str, object]:
    places = {"shelf": (41.2, -9.5, 150.0), "slope": (42.0, -12.4, 900.0), "abyss": (None, None, 4200.0)}
    samples = [
        {"name": name, "control": "", "latitude": lat, "longitude": lon, "depth_m": depth, "reads": 60 + 10 * number}
        for number, (name, (lat, lon, depth)) in enumerate(places.items())
    ]
    taxa = [
        {
            "lineage": ["Eukaryota", f"Family{number}"], "names": {"domain": "Eukaryota", "family": f"Family{number}"},
            "putative_taxon": None, "reads": [10, 10 + number, 15], "asvs": 2,
        }
        for number in range(3)
    ]  # fmt: skip
    unknown = {"lineage": ["Eukaryota"], "names": {"domain": "Eukaryota"}, "reads": [30, 37, 35], "asvs": 3}
    point = {"x": 1.0, "y": 2.0, "lineage": "Eukaryota; Family0", "putative_taxon": "", "reads": 12}
    return {
        "study": "margin", "marker": MARKER, "ranks": list(RANKS), "samples": samples,
        "taxa": [*taxa, {**unknown, "putative_taxon": "PT0123456789"}],
        "map": [
            {**point, "id": "a" * 32, "kind": "asv", "verdict": "explained"},
            {**point, "id": "b" * 32, "kind": "asv", "verdict": "beyond", "x": 3.0, "putative_taxon": "PT0123456789"},
            {**point, "id": "A0000", "kind": "reference", "verdict": "", "y": 2.5, "reads": 0},
        ],
        "putative_taxa": [{
            "putative_taxon": "PT0123456789", "size": "3", "reads": "102", "prevalence": "3", "nearest_id": "A0000",
            "nearest_lineage": "Eukaryota; Family0; Genus0.0", "nearest_identity": "0.912", "novel_rank": "genus",
            "stability": "0.95", "sentence": "3 ASVs.",
            "sample:shelf": "30", "sample:slope": "37", "sample:abyss": "35",
        }],
    }  # fmt: skip
