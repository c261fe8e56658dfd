"""What people look at after a run: report, exports and the numbers behind the pictures, kept as objects."""

from __future__ import annotations

import csv
import io
import json
import logging
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abyssal.bundle.manifest import parse_manifest
from abyssal.errors import DataError, UsageError
from abyssal.exports.source import ExportFiles, ExportSource, StudyNames, read_study
from abyssal.exports.write import FORMATS, write_one
from abyssal.files import sha256_file, write_text
from abyssal.references.markers import ResolvedMarker
from abyssal.stores.objects import ObjectStore
from abyssal_server.places import Places

logger = logging.getLogger(__name__)

STUDY, REPORT, OVERVIEW, CLASSIFICATION = "study.json", "report.html", "report.html", "classification.tsv"
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_MOST_POINTS = 20_000
_MOST_BYTES = 1 << 30


def export_key(name: str) -> str:
    """Return the object of an export format; a folder is kept as a zip file."""
    if name == "classification":
        return CLASSIFICATION
    return f"exports/{FORMATS[name].path}{'.zip' if FORMATS[name].folder else ''}"


def keep_artefacts(places: Places, job: str, results: Path, markers: list[str]) -> None:
    """Keep what a finished run made; doing it twice does no harm.

    Args:
        places: the stores.
        job: id of the job.
        results: results/<study>/.
        markers: of the study.
    """
    if (results / OVERVIEW).is_file():
        _put(places.objects(f"jobs/{job}"), OVERVIEW, results / OVERVIEW)
    for marker in markers:
        kept, folder = places.objects(f"jobs/{job}/{marker}"), results / marker
        source = _source(results.name, folder)
        with tempfile.TemporaryDirectory(prefix="abyssal-exports-") as temporary:
            for name, made in FORMATS.items():
                target = Path(temporary) / made.path
                write_one(source, target, name)
                _put(kept, export_key(name), _zipped(target) if made.folder else target)
        _keep_study(kept, source, folder)
        _put(kept, REPORT, folder / "report.html")
        _put(kept, CLASSIFICATION, folder / "taxonomy.tsv")


def keep_study_of_bundle(places: Places, bundle: Path, digest: str) -> None:
    """Keep the numbers of the run that made a bundle, when its results lie beside it as the workflow leaves them."""
    folder = bundle.resolve().parent
    if not all(path.is_file() for path in vars(ExportFiles.below(folder)).values()):
        return
    try:
        _keep_study(places.objects(f"models/{digest}"), _source(folder.parent.name, folder), folder)
    except (UsageError, DataError) as error:
        logger.warning("the study of %s is not shown: %s", bundle, error)


def read_study_values(kept: ObjectStore) -> bytes | None:
    """Return the numbers of a study as JSON, None when there are none.

    What was kept before names came with their ranks gets these from the classification beside it.
    """
    content = kept.get(STUDY, _MOST_BYTES)
    if content is None or b'"names": ' in content:
        return content
    study = json.loads(content)
    text = (kept.get(CLASSIFICATION, _MOST_BYTES) or b"").decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    labels = {rank: {row.get(rank) for row in rows} for rank in study["ranks"]}
    for taxon in study["taxa"]:
        taxon["names"] = _with_ranks(taxon["lineage"], labels)
    return json.dumps(study, ensure_ascii=False).encode()


def _with_ranks(lineage: Sequence[str], labels: Mapping[str, set[str | None]]) -> dict[str, str]:
    """Return each name by its rank; a lineage may skip ranks, but never goes up."""
    ranks = iter(labels)
    found = ((next((rank for rank in ranks if name in labels[rank]), None), name) for name in lineage)
    return {rank: name for rank, name in found if rank is not None}


def _keep_study(kept: ObjectStore, source: ExportSource, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="abyssal-study-") as temporary:
        study = Path(temporary) / STUDY
        write_text(study, json.dumps(study_values(source, folder), ensure_ascii=False, allow_nan=False))
        _put(kept, STUDY, study)


def study_values(source: ExportSource, folder: Path) -> dict[str, Any]:
    """Return samples, abundance of taxa, the map and the putative taxa as plain values."""
    reads = source.table.counts.sum(axis=0).tolist() if source.table.features else [0] * len(source.table.columns)
    return {
        "study": source.names.study,
        "marker": source.names.marker,
        "ranks": list(source.answers.ranks),
        "samples": [_sample(source, name, total) for name, total in zip(source.table.columns, reads, strict=True)],
        "taxa": _taxa(source),
        "map": _rows(folder / "cluster" / "map.tsv", ("x", "y", "reads"))[:_MOST_POINTS],
        "putative_taxa": _rows(folder / "cluster" / "putative_taxa.tsv", ()),
    }


def _source(study: str, folder: Path) -> ExportSource:
    manifest = folder / "bundle" / "manifest.json"
    made = parse_manifest(manifest.read_bytes(), source=manifest.name)
    primers = None
    if made.marker.forward_primer and made.marker.reverse_primer:
        primers = ResolvedMarker(folder.name, made.marker.forward_primer, made.marker.reverse_primer, 0, 0)
    names = StudyNames(study, folder.name, primers, made.facts.get("Reference", ""))
    return read_study(ExportFiles.below(folder), names)


def _sample(source: ExportSource, name: str, reads: int) -> dict[str, Any]:
    first = source.libraries_of(name)[0]
    place = {"latitude": first.latitude, "longitude": first.longitude, "depth_m": first.depth_m}
    return {"name": name, "control": first.control, "reads": int(reads), **place}


def _taxa(source: ExportSource) -> list[dict[str, Any]]:
    totals: dict[tuple[tuple[tuple[str, str], ...], str], list[int]] = {}
    asvs: dict[tuple[tuple[tuple[str, str], ...], str], int] = defaultdict(int)
    for asv, counts in zip(source.table.features, source.table.counts.tolist(), strict=True):
        lineage = source.lineages[asv]
        key = (tuple(lineage.accepted), lineage.putative_taxon)
        totals[key] = [a + b for a, b in zip(totals.get(key, [0] * len(counts)), counts, strict=True)]
        asvs[key] += 1
    ordered = sorted(totals, key=lambda key: (-sum(totals[key]), key))
    return [
        {
            "lineage": [name for _, name in key[0]],
            "names": dict(key[0]),
            "putative_taxon": key[1] or None,
            "reads": totals[key],
            "asvs": asvs[key],
        }
        for key in ordered
    ]


def _rows(path: Path, numbers: tuple[str, ...]) -> list[Mapping[str, Any]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [{key: _number(value) if key in numbers else value for key, value in row.items()} for row in rows]


def _number(text: str) -> float | int | None:
    return None if text in ("", "nan") else float(text) if "." in text or "e" in text else int(text)


def _zipped(folder: Path) -> Path:
    target = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EARLIEST)
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 6)
    return target


def _put(kept: ObjectStore, key: str, path: Path) -> None:
    if path.is_file():
        kept.put_file(key, path, sha256=sha256_file(path))
