"""Files that R's phyloseq reads, with the few lines of R that do it."""

from __future__ import annotations

from pathlib import Path

from abyssal.exports.lineages import PUTATIVE_RANK
from abyssal.exports.source import ExportSource
from abyssal.exports.tables import sample_metadata
from abyssal.files import open_atomic, write_text
from abyssal.sequences.records import write_fasta

IMPORT_SCRIPT = """\
# Rscript import.R, or source("import.R"), in this folder: makes `study`, a phyloseq object.
library(phyloseq)
read <- function(name, ...) read.delim(name, row.names = 1, check.names = FALSE, quote = "", comment.char = "", ...)
otu <- otu_table(as.matrix(read("otu_table.tsv")), taxa_are_rows = TRUE)
tax <- tax_table(as.matrix(read("tax_table.tsv", colClasses = "character", na.strings = "")))
sam <- sample_data(read("sample_data.tsv"))
study <- phyloseq(otu, tax, sam)
if (file.exists("sequences.fasta") && requireNamespace("Biostrings", quietly = TRUE))
  study <- merge_phyloseq(study, refseq(Biostrings::readDNAStringSet("sequences.fasta")))
saveRDS(study, "phyloseq.rds")
print(study)
"""


def write_phyloseq(folder: Path, source: ExportSource) -> None:
    """Write ``otu_table.tsv``, ``tax_table.tsv``, ``sample_data.tsv``, ``sequences.fasta`` and ``import.R``.

    First columns are row names, the same in the tables that phyloseq joins; an empty cell is NA.
    """
    ranks = [*source.answers.ranks, PUTATIVE_RANK]
    with open_atomic(folder / "otu_table.tsv") as out:
        out.write("\t".join(["asv", *source.table.columns]) + "\n")
        for asv, row in zip(source.table.features, source.table.counts.tolist(), strict=True):
            out.write("\t".join([asv, *map(str, row)]) + "\n")
    with open_atomic(folder / "tax_table.tsv") as out:
        out.write("\t".join(["asv", *(rank.replace(" ", "_") for rank in ranks)]) + "\n")
        for asv in source.table.features:
            out.write("\t".join([asv, *(source.lineages[asv].name_at(rank) for rank in ranks)]) + "\n")
    columns, rows = sample_metadata(source)
    totals = source.table.totals()
    with open_atomic(folder / "sample_data.tsv") as out:
        # phyloseq refuses a table without columns, which a sheet without metadata would give.
        out.write("\t".join(["sample", "reads", *columns]) + "\n")
        for sample in source.table.columns:
            out.write("\t".join([sample, str(totals[sample]), *rows[sample]]) + "\n")
    write_fasta(folder / "sequences.fasta", ((asv, source.sequences[asv]) for asv in source.table.features))
    write_text(folder / "import.R", IMPORT_SCRIPT)
