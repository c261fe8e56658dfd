"""Snakemake entry for rule publish."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.bundle.registry import open_registry
from abyssal.files import write_json

registry = snakemake.params.registry
done = open_registry(registry).publish(Path(snakemake.input.manifest).parent)
write_json(
    Path(snakemake.output.receipt),
    {"registry": registry, "name": done.name, "version": done.version, "digest": done.digest},
)
