"""The archive is read by python-dwca-reader and holds published terms only."""

from __future__ import annotations

import time
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from dwca.read import DwCAReader
from support.exported_study import PUTATIVE

from abyssal.exports.darwin_core import DNA, OCCURRENCE, published_terms, write_archive
from abyssal.exports.source import ExportSource


def qualname(term: str) -> str:
    return published_terms()[OCCURRENCE][term]


TARGET_GENE = "https://w3id.org/mixs/0000044"


@pytest.fixture
def archive(study: ExportSource, tmp_path: Path) -> Path:
    write_archive(tmp_path / "dwc.zip", study)
    return tmp_path / "dwc.zip"


def test_every_asv_in_every_sample_that_is_no_control_is_an_occurrence(archive: Path, study: ExportSource) -> None:
    with DwCAReader(str(archive)) as reader:
        assert reader.core_contains_term(qualname("organismQuantity"))
        rows = {row.id: row for row in reader}
        assert reader.metadata.find("dataset/title").text == "cruise: 18S-V4-Zingone amplicon sequence variants"
    first, second, third, fourth = study.table.features
    prefix = "cruise:{}:18S-V4-Zingone:{}".format
    expected = [prefix(*pair) for pair in (("north", first), ("north", third), ("south", first), ("south", second),
                                           ("south", fourth))]  # fmt: skip
    assert list(rows) == expected
    named = rows[expected[0]].data
    assert (named[qualname("scientificName")], named[qualname("taxonRank")]) == ("Calanus finmarchicus", "species")
    assert named[qualname("organismQuantity")] == "90"
    assert named[qualname("sampleSizeValue")] == "97"
    assert named[qualname("decimalLatitude")] == "70.5"
    assert named[qualname("maximumDepthInMeters")] == "1200"
    assert named[qualname("eventDate")] == "2026-05-01"
    assert named[qualname("family")] == "Calanidae"
    putative = rows[expected[1]].data
    assert putative[qualname("scientificName")] == "Rhizaria"
    assert PUTATIVE in putative[qualname("identificationRemarks")]
    unnamed = rows[expected[4]].data
    assert unnamed[qualname("scientificName")] == "incertae sedis"
    assert unnamed[qualname("eventDate")] == ""


def test_the_extension_holds_sequence_primers_and_gene(archive: Path, study: ExportSource) -> None:
    with DwCAReader(str(archive)) as reader:
        row = reader.get_corerow_by_position(0)
        (derived,) = row.extensions
    assert derived.rowtype == "http://rs.gbif.org/terms/1.0/DNADerivedData"
    assert derived.data["http://rs.gbif.org/terms/dna_sequence"] == study.sequences[study.table.features[0]]
    assert derived.data[TARGET_GENE] == "18S"
    assert derived.data["http://rs.gbif.org/terms/pcr_primer_forward"] == "CCAGCASCYGCGGTAATTCC"
    assert derived.data["https://w3id.org/mixs/0000014"] == "ocean water [ENVO:00002151]"


def test_who_made_ready_made_asvs_is_not_claimed(archive: Path, study: ExportSource, tmp_path: Path) -> None:
    ready = [replace(library, kind="asvs") for library in study.libraries]
    write_archive(tmp_path / "ready.zip", replace(study, libraries=ready))
    for path, claimed in ((archive, True), (tmp_path / "ready.zip", False)):
        with zipfile.ZipFile(path) as files:
            derived = files.read("dna_derived_data.txt").decode()
        assert ("exact sequence variants" in derived) is claimed
        assert "calibrated classification with abstention" in derived


def test_terms_are_published_and_each_is_used_once(archive: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        meta = ElementTree.fromstring(files.read("meta.xml"))
        names = files.namelist()
    space = "{http://rs.tdwg.org/dwc/text/}"
    for part, kind in (("core", OCCURRENCE), ("extension", DNA)):
        terms = [field.get("term") for field in meta.findall(f"{space}{part}/{space}field")]
        assert len(terms) == len(set(terms)) > 5
        assert set(terms) <= set(published_terms()[kind].values())
        assert meta.find(f"{space}{part}/{space}files/{space}location").text in names
    assert (len(published_terms()[OCCURRENCE]), len(published_terms()[DNA])) == (198, 123)


def test_the_archive_has_the_same_bytes_at_another_time(archive: Path, study: ExportSource, tmp_path: Path) -> None:
    time.sleep(2.1)
    write_archive(tmp_path / "again.zip", study)
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()
