"""Every format against one contract: recognised by itself, ranks and names right, errors with file and line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.references_made import write_text

from abyssal.errors import AbyssalError, ReferenceFormatError, UsageError
from abyssal.references.formats import FORMATS, open_reference, recognise
from abyssal.references.formats.headers import lettered_names

A = "ACGTACGTTGCATGCATTGCAACGTTAGC"
B = "TTGCATGCAACCGGTTAACCGGATATCGA"
K7 = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
GENBANK = """LOCUS       XX000001                  29 bp    DNA     linear   VRT 01-JAN-2020
DEFINITION  Madeupus exemplaris 12S ribosomal RNA gene.
ACCESSION   XX000001
VERSION     XX000001.1
SOURCE      mitochondrion Madeupus exemplaris
  ORGANISM  Madeupus exemplaris
            Eukaryota; Metazoa; Chordata; Actinopterygii; Madeupiformes;
            Madeupidae; Madeupus.
ORIGIN
        1 acgtacgttg catgcattgc aacgttagc
//
"""


@dataclass(frozen=True)
class Case:
    """A file of a format and the first record it must give."""

    format: str
    fasta: str
    ranks: tuple[str, ...]
    accession: str
    names: tuple[str, ...]
    table: str | None = None
    table_name: str = "lineages.tsv"


def fasta(*headers: str) -> str:
    return "".join(f">{header}\n{sequence}\n" for header, sequence in zip(headers, (A, B), strict=False))


CASES = {
    "pr2 8 ranks": Case(
        "pr2", fasta("XX000001.1.1740_U|18S_rRNA|nucleus|strain_1|Eukaryota|Alveolata|Dinophyta|Dinophyceae|Madeupales|"
                     "Madeupaceae|Madeupum|Madeupum_exemplare"),
        ("kingdom", "supergroup", "division", "class", "order", "family", "genus", "species"), "XX000001.1.1740_U",
        ("Eukaryota", "Alveolata", "Dinophyta", "Dinophyceae", "Madeupales", "Madeupaceae", "Madeupum",
         "Madeupum_exemplare"),
    ),
    "pr2 9 ranks": Case(
        "pr2", fasta("XX000001.1.1740_U|18S_rRNA|nucleus||Eukaryota|TSAR|Alveolata|Dinoflagellata|Dinophyceae|"
                     "Madeupales|"
                     "Madeupaceae|Madeupum|Madeupum_exemplare"),
        ("domain", "supergroup", "division", "subdivision", "class", "order", "family", "genus", "species"),
        "XX000001.1.1740_U",
        ("Eukaryota", "TSAR", "Alveolata", "Dinoflagellata", "Dinophyceae", "Madeupales", "Madeupaceae", "Madeupum",
         "Madeupum_exemplare"),
    ),
    "pr2 headers beside its table": Case(
        "tsv", fasta("XX000001.1.1740_U"),
        ("kingdom", "supergroup", "division", "class", "order", "family", "genus", "species"), "XX000001.1.1740_U",
        ("Eukaryota", "Alveolata", "Dinophyta", "Dinophyceae", "Madeupales", "Madeupaceae", "Madeupum",
         "Madeupum_exemplare"),
        "id\tkingdom\tsupergroup\tdivision\tclass\torder\tfamily\tgenus\tspecies\tlength\tgenbank_definition\n"
        "XX000001.1.1740_U\tEukaryota\tAlveolata\tDinophyta\tDinophyceae\tMadeupales\tMadeupaceae\tMadeupum\t"
        "Madeupum_exemplare\t1740\tMadeupum exemplare 18S gene\n",
    ),
    "silva of six levels": Case(
        "silva", fasta("XX000001.1.1500 Bacteria;Pseudomonadota;Madeclass;Madeales;Madeaceae;Madeum;Madeum exemplare"),
        ("domain", "phylum", "class", "order", "family", "genus", "species"), "XX000001.1.1500",
        ("Bacteria", "Pseudomonadota", "Madeclass", "Madeales", "Madeaceae", "Madeum", "Madeum exemplare"),
    ),
    "silva of many levels": Case(
        "silva", fasta("XX000001.1.1800 Eukaryota;Amorphea;Obazoa;Opisthokonta;Holozoa;Metazoa;Animalia;Madeum;"
                       "Madeum exemplare"),
        ("domain", "phylum", "class", "order", "family", "genus", "species"), "XX000001.1.1800",
        ("Eukaryota", "", "", "", "", "Madeum", "Madeum exemplare"),
    ),
    "midori": Case(
        "midori", fasta("XX000001.1.<1.>29\troot_1;Eukaryota_2759;Chordata_7711;Actinopteri_186623;Madeiformes_1;"
                        "Madeidae_2;Madeum_3;Madeum exemplare_4"),
        ("superkingdom", *K7[1:]), "XX000001.1.<1.>29",
        ("Eukaryota", "Chordata", "Actinopteri", "Madeiformes", "Madeidae", "Madeum", "Madeum exemplare"),
    ),
    "midori blast": Case(
        "midori", fasta("XX000001.1.<1.>29###root_1;Eukaryota_2759;Chordata_7711;Actinopteri_186623;Madeiformes_1;"
                        "Madeidae_2;Madeum_3;Madeum exemplare_4"),
        ("superkingdom", *K7[1:]), "XX000001.1.<1.>29",
        ("Eukaryota", "Chordata", "Actinopteri", "Madeiformes", "Madeidae", "Madeum", "Madeum exemplare"),
    ),
    "mitofish": Case(
        "mitofish", fasta("gb|XX000001|Madeum exemplare (mitochondrion, complete genome)"),
        ("genus", "species"), "XX000001", ("Madeum", "Madeum exemplare"),
    ),
    "unite": Case(
        "unite", fasta("Madeum_exemplare|XX000001|SH0000001.09FU|refs|k__Fungi;p__Ascomycota;c__Madecetes;o__Madeales;"
                       "f__Madeaceae;g__Madeum;s__Madeum_exemplare"),
        K7, "XX000001|SH0000001.09FU",
        ("Fungi", "Ascomycota", "Madecetes", "Madeales", "Madeaceae", "Madeum", "Madeum_exemplare"),
    ),
    "bold fasta": Case(
        "bold", fasta("MADE001-20|Madeum exemplare|COI-5P|XX000001"), ("genus", "species"), "MADE001-20",
        ("Madeum", "Madeum exemplare"),
    ),
    "bold fasta of another marker": Case(
        "bold", fasta("MADE001-20|Madeum exemplare|ITS"), ("genus", "species"), "MADE001-20.ITS",
        ("Madeum", "Madeum exemplare"),
    ),
    "bold package": Case(
        "bold", "processid\tsampleid\tkingdom\tphylum\tclass\torder\tfamily\tsubfamily\tgenus\tspecies"
        "\tmarker_code\tnuc\n"
        f"MADE001-20\ts1\tAnimalia\tArthropoda\tInsecta\tColeoptera\tMadeidae\tNone\tMadeum\tMadeum exemplare"
        f"\tCOI-5P\t{A}\n",
        ("kingdom", "phylum", "class", "order", "family", "subfamily", "genus", "species"), "MADE001-20",
        ("Animalia", "Arthropoda", "Insecta", "Coleoptera", "Madeidae", "", "Madeum", "Madeum exemplare"),
    ),
    "greengenes": Case(
        "greengenes", fasta("1000001 k__Bacteria; p__Firmicutes; c__Bacilli; o__Madeales; f__Madeaceae; g__Madeum;"
                            " s__"),
        K7, "1000001", ("Bacteria", "Firmicutes", "Bacilli", "Madeales", "Madeaceae", "Madeum", ""),
    ),
    "sintax": Case(
        "sintax", fasta("XX1;tax=d:Eukaryota,p:Chordata,g:Madeum,s:Madeum_exemplare;", "XX2;tax=d:Eukaryota;"),
        ("domain", "phylum", "genus", "species"), "XX1", ("Eukaryota", "Chordata", "Madeum", "Madeum_exemplare"),
    ),
    "dada2": Case(
        "dada2", fasta("Bacteria;Firmicutes;Bacilli;Madeales;Madeaceae;Madeum;", "Bacteria;Firmicutes;"),
        K7[:6], "record-1", ("Bacteria", "Firmicutes", "Bacilli", "Madeales", "Madeaceae", "Madeum"),
    ),
    "dada2 species": Case(
        "dada2", fasta("XX000001 Madeum exemplare"), ("genus", "species"), "XX000001", ("Madeum", "Madeum exemplare"),
    ),
    "qiime2": Case(
        "qiime2", fasta("XX1"), ("domain", "phylum", "genus"), "XX1", ("Bacteria", "Firmicutes", "Madeum"),
        "Feature ID\tTaxon\tConfidence\nXX1\td__Bacteria; p__Firmicutes; g__Madeum\t0.9\n",
    ),
    "qiime2 without a header": Case(
        "qiime2", fasta("XX1"), K7, "XX1", ("Bacteria", "Firmicutes", "Bacilli", "Madeales", "Madeaceae", "Madeum", ""),
        "XX1\tk__Bacteria; p__Firmicutes; c__Bacilli; o__Madeales; f__Madeaceae; g__Madeum; s__\n",
    ),
    "mothur taxonomy": Case(
        "qiime2", fasta("XX1"), K7[:6], "XX1", ("Bacteria", "Firmicutes", "Bacilli", "Madeales", "Madeaceae", "Madeum"),
        "XX1\tBacteria;Firmicutes;Bacilli;Madeales;Madeaceae;Madeum;\n",
    ),
    "genbank": Case(
        "genbank", GENBANK, ("superkingdom", *K7[1:]), "XX000001.1",
        ("Eukaryota", "", "", "Madeupiformes", "Madeupidae", "Madeupus", "Madeupus exemplaris"),
    ),
    "table with sequences": Case(
        "tsv", f"split\tid\tphylum\tgenus\tspecies\tlabel\tsequence\n"
        f"train\tXX1\tAnnelida\tMadeum\tMadeum exemplare\tx\t{A}\n",
        ("phylum", "genus", "species"), "XX1", ("Annelida", "Madeum", "Madeum exemplare"),
    ),
    "csv beside fasta": Case(
        "tsv", fasta("XX1"), ("order", "family", "species"), "XX1", ("Coleoptera", "Madeidae", ""),
        "id,order,family,species,morphospecies\nXX1,Coleoptera,Madeidae,,col001\n", "lineages.csv",
    ),
    "names only": Case(
        "names", fasta("Madeidae_Madeum_exemplare", "Fish_Madeum_exemplare voucher"), ("family", "genus", "species"),
        "Madeidae_Madeum_exemplare", ("Madeidae", "Madeum", "Madeum_exemplare"),
    ),
}  # fmt: skip


def opened(case: Case, folder: Path, *, packed: bool = False) -> tuple[Path, Path | None]:
    suffix = ".gz" if packed else ""
    source = write_text(folder / f"reference.txt{suffix}", case.fasta)
    table = write_text(folder / f"{case.table_name}{suffix}", case.table) if case.table is not None else None
    return source, table


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_format_recognises_its_own_and_reads_it(case: Case, *, packed: bool, tmp_path: Path) -> None:
    source, table = opened(case, tmp_path, packed=packed)
    assert recognise(source, table).name == case.format
    reference = open_reference(source, table)
    records = list(reference.records)
    assert reference.ranks == case.ranks
    assert (records[0].accession, records[0].names) == (case.accession, case.names)
    assert records[0].sequence.upper() == A
    assert all(len(record.names) == len(reference.ranks) for record in records)
    assert len({record.accession for record in records}) == len(records)


def test_every_format_has_a_case() -> None:
    assert {case.format for case in CASES.values()} == set(FORMATS)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_truncated_gzip_is_an_error_that_names_the_file(case: Case, tmp_path: Path) -> None:
    source, table = opened(case, tmp_path, packed=True)
    source.write_bytes(source.read_bytes()[:-12])
    with pytest.raises(AbyssalError, match=r"reference\.txt\.gz.*(damaged|cut short)"):
        list(open_reference(source, table, format_name=case.format).records)


def test_silva_taxmap_puts_every_level_at_its_rank(tmp_path: Path) -> None:
    source = write_text(
        tmp_path / "s.fasta", fasta("XX000001.1.1800 Eukaryota;Obazoa;Chordata;Madeidae;Madeum exemplare")
    )
    table = write_text(
        tmp_path / "tax.txt",
        "Eukaryota;\t4\tdomain\t\t138\nEukaryota;Obazoa;\t5\tmajor_clade\t\t138\n"
        "Eukaryota;Obazoa;Chordata;\t6\tphylum\t\t138\nEukaryota;Obazoa;Chordata;Madeidae;\t7\tfamily\t\t138\n",
    )
    record = next(open_reference(source, table, format_name="silva").records)
    assert record.names == ("Eukaryota", "Chordata", "", "", "Madeidae", "", "Madeum exemplare")


def test_a_table_with_several_sequence_columns_asks_which(tmp_path: Path) -> None:
    table = write_text(tmp_path / "t.tsv", f"accession\tgenus\tspecies\tcoi\ts12\nX\tAus\tAus bus\t{A}\t{B}\n")
    with pytest.raises(ReferenceFormatError, match=r"t\.tsv#coi"):
        open_reference(table)
    assert next(open_reference(tmp_path / "t.tsv#s12").records).sequence == B
    with pytest.raises(ReferenceFormatError, match="no column 'coj'"):
        open_reference(tmp_path / "t.tsv#coj")


BROKEN = {
    "mixed rank counts": (CASES["pr2 8 ranks"].fasta + ">Y|18S|nucleus||a|b|c|d|e|f|g|h|i\nACGT\n", None, "pr2",
                          r"line 3: 9 lineage names, expected 8"),
    "dna in the name field": (fasta(f"XX1;tax=d:Eukaryota,s:{A};"), None, "sintax", r"line 1: a DNA sequence"),
    "header of another format": (fasta("XX1;tax=d:Eukaryota;", "plain header"), None, "sintax", r"line 3: header"),
    "no sequence": (">XX1;tax=d:A;\n>XX2;tax=d:A;\nACGT\n", None, "sintax", r"line 1: .* no sequence"),
    "text before the first header": ("hello\n>XX1;tax=d:A;\nACGT\n", None, "sintax", r"line 1: expected a FASTA"),
    "swapped columns": (fasta("XX1"), "k__A; p__B\tXX1\n", "qiime2", r"line 1: the lineage stands before"),
    "swapped sequence and name": (f"id\tgenus\tspecies\tsequence\nX\t{A}\tAus bus\tAus\n", None, "tsv",
                                  r"line 2: a DNA sequence"),
    "ragged table": (fasta("XX1"), "id\tgenus\tspecies\nXX1\tAus\n", "tsv", r"line 2: 2 cells, expected 3"),
    "no row for a record": (fasta("XX9"), "id\tgenus\tspecies\nXX1\tAus\tAus bus\n", "tsv", r"line 1: record 'XX9'"),
    "mixed depth in a taxonomy": (fasta("XX1"), "XX1\tA;B;C\nXX2\tA;B\n", "qiime2", r"line 2: 2 lineage names"),
    "an identifier twice": (fasta("XX1"), "id\tgenus\tspecies\nXX1\tAus\tAus bus\nXX1\tBus\tBus aus\n", "tsv",
                            r"line 3: identifier 'XX1' has another lineage on line 2"),
    "not genbank": ("LOCUS rubbish\nnothing\n", None, "genbank", r"line 1"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "table", "name", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_files_name_file_and_line(text: str, table: str | None, name: str, message: str, tmp_path: Path) -> None:
    source = write_text(tmp_path / "ref.fasta", text)
    lineages = write_text(tmp_path / "lineages.tsv", table) if table is not None else None
    with pytest.raises(ReferenceFormatError, match=message) as caught:
        list(open_reference(source, lineages, format_name=name).records)
    assert "ref.fasta" in str(caught.value) or "lineages.tsv" in str(caught.value)


def test_an_unknown_format_and_an_unknown_file_are_usage_errors(tmp_path: Path) -> None:
    source = write_text(tmp_path / "ref.fasta", ">x\nACGT\n")
    with pytest.raises(UsageError, match="unknown reference format 'silwa'"):
        open_reference(source, format_name="silwa")
    with pytest.raises(UsageError, match="no such file"):
        open_reference(tmp_path / "absent.fasta")
    with pytest.raises(ReferenceFormatError, match=r"no known reference format .* give a lineage table"):
        open_reference(source)
    with pytest.raises(ReferenceFormatError, match=r"empty\.tsv: the file is empty; expected a row"):
        open_reference(source, write_text(tmp_path / "empty.tsv", ""))
    with pytest.raises(ReferenceFormatError, match=r"c\.csv with 'id,genus'; check that it is tab-separated"):
        open_reference(source, write_text(tmp_path / "c.csv", "id,genus\nx,Aus\n"))


@given(st.text(alphabet="abcdefgkopst_;:| ABC", max_size=60))
def test_lineages_of_any_shape_never_crash(text: str) -> None:
    assert set(lettered_names(text.split(";"))) <= set("dkpcofgst")
