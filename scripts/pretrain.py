"""Snakemake entry for rule pretrain."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

import torch

from abyssal.config.models import PretrainConfig
from abyssal.encoder.training.run import pretrain

torch.set_num_threads(snakemake.threads)
pretrain(
    PretrainConfig(**snakemake.params.settings),
    Path(snakemake.output.encoder),
    work=Path(snakemake.params.work),
    seed=snakemake.params.seed,
)
