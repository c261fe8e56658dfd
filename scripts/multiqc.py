"""Snakemake entry for rule multiqc."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.exports.multiqc import write_multiqc
from abyssal.reads.ledger import read_ledger

write_multiqc(
    Path(snakemake.output.fates).parent,
    snakemake.wildcards.marker,
    read_ledger(Path(snakemake.input.ledger)),
    Path(snakemake.input.summary),
)
