"""All parts in one JSON, one TSV a table, and the Markdown page of results."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abyssal.benchmark.cases import CaseKey
from abyssal.benchmark.datasets import source_of
from abyssal.benchmark.ours import NAME
from abyssal.benchmark.plan import BenchmarkPlan
from abyssal.benchmark.render import render
from abyssal.benchmark.score import score_identity, score_robustness, score_tax_credit, score_taxa_out
from abyssal.benchmark.tax_credit import PUBLISHED
from abyssal.bundle.provenance import code_version, tool_versions
from abyssal.config.benchmark import BenchmarkConfig
from abyssal.files import read_json, write_json, write_text
from abyssal.tools import run_tool

Row = Mapping[str, Any]

PROGRAMS = {"vsearch": ("vsearch", "--version"), "BLAST+": ("blastn", "-version")}
"""Programs of the peers, with the option that tells their version."""


def write_summary(root: Path, plan: BenchmarkPlan, facts: Mapping[str, Any], *, resamples: int, seed: int) -> None:
    """Score everything below ``root`` (results/benchmark) and write tables, ``benchmark.json`` and ``RESULTS.md``.

    Args:
        root: folder with ``cases/``, ``communities/`` and ``speed/``.
        plan: what was run and what was skipped.
        facts: versions, settings and the like, printed as they are.
        resamples, seed: of the bootstrap.
    """
    found = summarise(root, plan, resamples=resamples, seed=seed) | {"facts": dict(facts)}
    write_json(root / "benchmark.json", found)
    for name, rows in tables(found).items():
        write_text(root / f"{name}.tsv", to_tsv(rows))
    write_text(root / "RESULTS.md", render(found))


def summarise(root: Path, plan: BenchmarkPlan, *, resamples: int, seed: int) -> dict[str, Any]:
    """Return the rows of every part that was run."""
    cases = root / "cases"

    def keys(part: str) -> list[CaseKey]:
        return [key for key in plan.cases if key.part == part]

    datasets = sorted({key.dataset for key in plan.cases})
    found: dict[str, Any] = {
        "skipped": [vars(entry) for entry in plan.skipped],
        "datasets": {name: {"marker": source_of(name).marker, "note": source_of(name).note} for name in datasets},
        "published": PUBLISHED,
        "taxa_out": score_taxa_out(cases, keys("taxa-out"), resamples, seed),
        "tax_credit": score_tax_credit(cases, keys("tax-credit")),
        "identity": score_identity(cases, keys("identity")),
        "robustness": score_robustness(cases, keys("robustness")),
        "communities": [read_json(root / "communities" / f"{name}.json") for name in plan.communities],
        "speed": {name: read_json(root / "speed" / f"{name}.json") for name in plan.speed},
    }
    return found | {"peer_wins": peer_wins(found["taxa_out"])}


def peer_wins(taxa_out: Sequence[Row]) -> list[dict[str, Any]]:
    """Return every figure of the leave-taxa-out part at which a peer is better; ``clear``: its interval says so too."""
    wins = []
    for entry in taxa_out:
        for row in entry["compare"]:
            if row["method"].startswith(NAME) or row["ours_minus"] is None or row["ours_minus"] >= 0:
                continue
            between = row["ours_minus_interval"]
            clear = between is not None and between[1] < 0
            wins.append({"dataset": entry["dataset"], **row, "clear": clear})
    return wins


def tables(found: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Return the flat tables by file name."""
    flat: dict[str, list[Row]] = {
        name: list(found[name]) for name in ("tax_credit", "identity", "robustness", "peer_wins", "skipped")
    }
    for part in ("compare", "operating_points", "calibration"):
        flat[f"taxa_out_{part}"] = [
            {"dataset": entry["dataset"], **row} for entry in found["taxa_out"] for row in entry[part]
        ]
    flat["communities"] = [
        {"dataset": entry["dataset"], **row} for entry in found["communities"] for row in entry["names"]
    ]
    flat["speed"] = [{"dataset": name, **row} for name, entry in found["speed"].items() for row in entry["rows"]]
    return flat


def to_tsv(rows: Sequence[Row]) -> str:
    """Return rows as TSV; columns in the order they first appear, lists joined by a comma, nothing for None."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writerow(header)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in header])
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ",".join(_cell(part) for part in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def facts(settings: BenchmarkConfig, train: Mapping[str, Any], encoder: str) -> dict[str, str]:
    """Return what a reader needs to judge the figures: versions, code, settings."""
    versions = tool_versions()
    programs = {name: found for name, call in PROGRAMS.items() if (found := _program_version(*call))}
    return {
        "Abyssal": code_version(),
        "programs": ", ".join(f"{name} {version}" for name, version in programs.items()) or "none",
        "libraries": ", ".join(f"{name} {versions[name]}" for name in ("numpy", "scikit-learn") if name in versions),
        "encoder": Path(encoder).name,
        "training": f"alpha {train['alpha']:g}, neighbours {train['neighbours']}, calibration queries "
        f"{train['calibration_queries']}",
        "settings": f"{settings.queries} queries a split of {''.join(settings.datasets[:1])}, "
        f"{settings.further_queries} of the others, {settings.resamples} resamples, scale {settings.scale:g}",
    }


def _program_version(program: str, option: str) -> str | None:
    if shutil.which(program) is None:
        return None
    done = run_tool([program, option])
    found = re.search(r"\d+\.\d+(?:\.\d+)?", f"{done.stderr}\n{done.stdout}")
    return found[0] if found else None
