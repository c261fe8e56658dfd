"""A Darwin Core Archive: occurrences of ASVs in samples, and the DNA they were derived from.

One occurrence is an ASV in a sample that is no control, as GBIF's guide to publishing DNA-derived data asks
(doi:10.35035/doc-vf1a-nr22): its reads as ``organismQuantity``, the sample's reads as ``sampleSizeValue``, the deepest
accepted name as ``scientificName``. Terms come from ``resources/darwin_core/terms.tsv`` only. Columns of the sample
sheet that are called like a term are written as that term.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from abyssal import __version__
from abyssal.exports.lineages import Lineage
from abyssal.exports.source import ExportSource
from abyssal.files import atomic_path
from abyssal.references.markers import read_markers
from abyssal.references.shipped import read_shipped_table
from abyssal.samples.model import Library, is_missing

OCCURRENCE, DNA = "Occurrence", "DNADerivedData"
ROW_TYPES = {OCCURRENCE: "http://rs.tdwg.org/dwc/terms/Occurrence", DNA: "http://rs.gbif.org/terms/1.0/DNADerivedData"}
UNKNOWN_NAME = "incertae sedis"
_UNIT = "DNA sequence reads"
_LINNEAN = ("kingdom", "phylum", "class", "order", "family", "genus")
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The first date a zip file can hold; a fixed one keeps the bytes the same."""

Row = dict[str, str]


@cache
def published_terms() -> Mapping[str, Mapping[str, str]]:
    """Return the IRI of each published term by class and name."""
    found: dict[str, dict[str, str]] = {OCCURRENCE: {}, DNA: {}}
    for row in read_shipped_table("darwin_core/terms.tsv", ("class", "name", "iri")):
        found[row["class"]][row["name"]] = row["iri"]
    return found


def write_archive(target: Path, source: ExportSource) -> None:
    """Write the archive as a zip file with the same bytes for the same study."""
    occurrences, derived = _records(source)
    files = {
        "occurrence.txt": _text(occurrences),
        "dna_derived_data.txt": _text(derived),
        "meta.xml": _meta(_columns(occurrences), _columns(derived)),
        "eml.xml": _eml(source),
    }
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EARLIEST), text.encode("utf-8"), zipfile.ZIP_DEFLATED, 6)


def _records(source: ExportSource) -> tuple[list[Row], list[Row]]:
    """Return occurrences and their DNA, in the order of samples, then ASVs."""
    occurrences, derived = [], []
    for column, sample in enumerate(source.table.columns):
        libraries = source.libraries_of(sample)
        if any(library.control for library in libraries):
            continue
        given = _metadata(libraries)
        counts = source.table.counts[:, column].tolist()
        for asv, reads in zip(source.table.features, counts, strict=True):
            if reads:
                event = f"{source.names.study}:{sample}"
                identifier = f"{event}:{source.names.marker}:{asv}"
                occurrences.append(
                    {
                        "occurrenceID": identifier,
                        "eventID": event,
                        "materialSampleID": sample,
                        **_taxon(asv, source.lineages[asv]),
                        "organismQuantity": str(reads),
                        "organismQuantityType": _UNIT,
                        "sampleSizeValue": str(sum(counts)),
                        "sampleSizeUnit": _UNIT,
                        **given[OCCURRENCE],
                    }
                )
                derived.append(
                    {
                        "occurrenceID": identifier,
                        "samp_name": sample,
                        **_methods(source),
                        "DNA_sequence": source.sequences[asv],
                        **given[DNA],
                    }
                )
    return occurrences, derived


def _taxon(asv: str, lineage: Lineage) -> Row:
    names = lineage.accepted
    remarks = [f"Abyssal {__version__}"]
    if names:
        remarks.append(f"calibrated probability of the name {lineage.confidence:.3f}")
    if lineage.putative_taxon:
        remarks.append(f"putative taxon {lineage.putative_taxon}")
    return {
        "basisOfRecord": "MaterialSample",
        "occurrenceStatus": "present",
        "taxonID": f"ASV:{asv}",
        "scientificName": names[-1][1].replace("_", " ") if names else UNKNOWN_NAME,
        "taxonRank": names[-1][0] if names else "",
        "higherClassification": " | ".join(name for _, name in names[:-1]),
        **{rank: lineage.name_at(rank) for rank in _LINNEAN},
        "verbatimIdentification": lineage.text,
        "identificationRemarks": "; ".join(remarks),
    }


def _metadata(libraries: Sequence[Library]) -> dict[str, Row]:
    """Return what the sample sheet says, by class and term; the first library that says it wins."""
    found: dict[str, Row] = {OCCURRENCE: {}, DNA: {}}
    for library in libraries:
        position = {
            "decimalLatitude": library.latitude, "decimalLongitude": library.longitude,
            "minimumDepthInMeters": library.depth_m, "maximumDepthInMeters": library.depth_m,
        }  # fmt: skip
        said = {name: f"{value:.10g}" for name, value in position.items() if value is not None}
        if library.latitude is not None and library.longitude is not None:
            said["geodeticDatum"] = "EPSG:4326"
        said |= {name: cell for name, cell in library.metadata.items() if not is_missing(cell)}
        for kind, terms in published_terms().items():
            for name, cell in said.items():
                if name in terms:
                    found[kind].setdefault(name, cell)
    return found


def _methods(source: ExportSource) -> Row:
    names = source.names
    shipped = {marker.casefold(): row for marker, row in read_markers().items()}.get(names.marker.casefold())
    row = {"project_name": names.study}
    if shipped:
        row |= {
            "target_gene": shipped.gene, "target_subfragment": shipped.region,
            "pcr_primer_name_forward": shipped.forward_name, "pcr_primer_name_reverse": shipped.reverse_name,
            "pcr_primer_reference": shipped.source,
        }  # fmt: skip
    if names.primers:
        row |= {
            "pcr_primer_forward": names.primers.forward_primer, "pcr_primer_reverse": names.primers.reverse_primer,
        }  # fmt: skip
    if any(library.kind != "asvs" for library in source.libraries):
        # Who made ready-made ASVs, and how, only the sample sheet can say.
        row["otu_class_appr"] = f"Abyssal {__version__};exact sequence variants"
    row["otu_seq_comp_appr"] = f"Abyssal {__version__};calibrated classification with abstention"
    if names.reference:
        row["otu_db"] = names.reference
    return row


def _columns(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row)) or ["occurrenceID"]


def _text(rows: Sequence[Row]) -> str:
    columns = _columns(rows)
    lines = ["\t".join(columns)]
    lines += ["\t".join(" ".join(row.get(name, "").split()) for name in columns) for row in rows]
    return "\n".join(lines) + "\n"


def _meta(occurrence: Sequence[str], derived: Sequence[str]) -> str:
    parts = [
        _part("core", "id", OCCURRENCE, "occurrence.txt", occurrence),
        _part("extension", "coreid", DNA, "dna_derived_data.txt", derived),
    ]
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{head}<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">\n{"".join(parts)}</archive>\n'


def _part(element: str, key: str, kind: str, file: str, columns: Sequence[str]) -> str:
    terms = published_terms()[kind]
    fields = "".join(
        f"    <field index={quoteattr(str(place))} term={quoteattr(terms[name])}/>\n"
        for place, name in enumerate(columns)
    )
    return (
        f'  <{element} encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" fieldsEnclosedBy="" '
        f'ignoreHeaderLines="1" rowType={quoteattr(ROW_TYPES[kind])}>\n'
        f'    <files><location>{file}</location></files>\n    <{key} index="0"/>\n{fields}  </{element}>\n'
    )


def _eml(source: ExportSource) -> str:
    """Return the metadata document; who made the data is for its owner to fill in before publishing."""
    names = source.names
    title = escape(f"{names.study}: {names.marker} amplicon sequence variants")
    found = int((source.table.counts > 0).sum())
    text = (
        f"Occurrences of {len(source.table.features)} amplicon sequence variants of the marker {names.marker} in "
        f"{len(source.table.columns)} samples ({found} in all), named by Abyssal {__version__} with calibrated "
        "confidence and left open where it is not sufficient."
    )
    party = "<organizationName>not stated</organizationName>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<eml:eml xmlns:eml="https://eml.ecoinformatics.org/eml-2.2.0" packageId={quoteattr(f"{names.study}.{names.marker}")} \
system="abyssal">
  <dataset>
    <title>{title}</title>
    <creator>{party}</creator>
    <language>en</language>
    <abstract><para>{escape(text)}</para></abstract>
    <contact>{party}</contact>
  </dataset>
</eml:eml>
"""
