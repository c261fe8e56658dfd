"""The engines beside PyTorch fp32: speed and agreement of open-gate encoders of both sizes, and of a Hub architecture.

    OMP_NUM_THREADS=1 PYTHONPATH=tests python -m benchmarks.encoder.engines [small] [base] [bert]

The weights of the deep branch and of the BERT are random: the figures say how fast and how exact an engine is, nothing
about accuracy. The wide branch is the shipped one; the gate adds the whole of the deep branch to it, more than training
does.
Reads are 380 bases, one thread; speeds are of processor time. Rows are printed for RESULTS.md.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from benchmarks.encoder.stage import BATCH, ENCODER, LENGTH, REFERENCE

from abyssal.encoder.engine import TorchEncoder
from abyssal.encoder.engines.choose import CHOICE_FILE, Trial, prepare
from abyssal.encoder.engines.programs import open_program
from abyssal.encoder.hub import HubEncoder, HubSettings
from abyssal.encoder.interface import Convertible, Encoder
from abyssal.encoder.network import PRESETS, EncoderNetwork
from abyssal.encoder.store import load_network
from abyssal.sequences.records import read_records

GATE = 1.0
TIMED_SECONDS = 3.0


class Letters:
    """A tokenizer of single letters, as the Nucleotide Transformer's small relatives have."""

    pad_token_id = 0

    def __call__(self, sequence: str, *, truncation: bool, max_length: int) -> dict[str, list[int]]:
        """Return one id a letter."""
        return {"input_ids": [5, *("NACGT".index(letter) for letter in sequence[: max_length - 1])]}


def network_encoder(size: str) -> Convertible:
    """Return an encoder of this size whose gate is open."""
    torch.manual_seed(1)
    network = EncoderNetwork(PRESETS[size])
    network.wide.load_state_dict(load_network(ENCODER.parent / f"abyssal-{size}").wide.state_dict())
    torch.nn.init.constant_(network.gate, GATE)
    return TorchEncoder(network, digest=size, batch_size=BATCH)


def bert_encoder() -> Convertible:
    """Return a BERT of 4 layers of 256 over single letters."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=6, hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024
    )
    return HubEncoder(BertModel(config), Letters(), HubSettings(), digest="bert", batch_size=16)


def speed(encoder: Encoder, reads: list[str]) -> float:
    """Return reads a processor second."""
    encoder.embed(reads[:BATCH])
    start, done = time.process_time(), 0
    while time.process_time() - start < TIMED_SECONDS:
        part = reads[done % len(reads) : done % len(reads) + BATCH]
        encoder.embed(part)
        done += len(part)
    return done / (time.process_time() - start)


def rows(name: str, encoder: Convertible) -> list[str]:
    """Return a row of the table for each engine."""
    sequences = [record.sequence for record in read_records(REFERENCE)]
    reads = ["".join(row) for row in np.random.default_rng(5).choice(list("ACGT"), (20 * BATCH, LENGTH))]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        prepare(encoder, sequences, Path(folder))
        (noted,) = Path(folder).glob(f"*/{CHOICE_FILE}")
        reference = speed(encoder, reads)
        for trial in (Trial(**one) for one in json.loads(noted.read_text())["trials"]):
            here = encoder
            if trial.engine != encoder.engine:
                model = noted.with_name("int8.onnx" if trial.engine.endswith("int8") else "fp32.onnx")
                here = encoder.computed_by(open_program(trial.engine, model), trial.engine)
            reached = reference if here is encoder else speed(here, reads)
            found.append(
                f"| {name} | {trial.engine} | {reached:,.0f} | {reached / reference:.2f} | "
                f"{100 * trial.agreement:.2f} % | {trial.cosine:.5f} |\n"
            )
    return found


def main() -> None:
    """Print the rows that are asked for."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or ["small", "base", "bert"]:
        encoder = bert_encoder() if name == "bert" else network_encoder(name)
        sys.stdout.writelines(rows(name, encoder))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
