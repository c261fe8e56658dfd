"""Snakemake entry for rules record_datasets and record_run."""

import logging
import os
import sys
from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.files import write_json
from abyssal.stores.open import metadata_location
from abyssal.stores.study_records import dataset_records, record, run_records

results = Path("results", snakemake.wildcards.study, snakemake.wildcards.marker).resolve()
if snakemake.input.get("manifest"):
    records = run_records(results)
else:
    records = dataset_records(results, snakemake.params.reference)
receipt = record(metadata_location(snakemake.params.store, os.environ), records)
if receipt.not_recorded:
    # On the screen as well: the run goes on, and nobody reads the log of a job that succeeded.
    told = f"not recorded: {', '.join(receipt.not_recorded)} ({receipt.problem}); later: abyssal records add {results}"
    logging.getLogger("record").warning(told)
    sys.stderr.write(f"WARNING: {told}\n")
write_json(Path(snakemake.output.receipt), receipt.to_json())
