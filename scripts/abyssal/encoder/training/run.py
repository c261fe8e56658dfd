"""From references to shipped weights: corpus, starting point, training, measurement, and the papers that go with it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import save_file

from abyssal.code_digest import code_digest
from abyssal.config.models import PretrainConfig
from abyssal.encoder.baseline import KmerEncoder
from abyssal.encoder.configuration import AbyssalEncoderConfig
from abyssal.encoder.engine import TorchEncoder
from abyssal.encoder.identity import encoder_digest
from abyssal.encoder.modeling import AbyssalEncoderModel
from abyssal.encoder.network import PRESETS, EncoderNetwork, EncoderSizes
from abyssal.encoder.store import load_network, save_encoder
from abyssal.encoder.tokenizer import write_tokenizer
from abyssal.encoder.training.card import write_card
from abyssal.encoder.training.checkpoints import Progress
from abyssal.encoder.training.corpus import Exclusions, MarkerCorpus, build_corpus, training_hashes
from abyssal.encoder.training.curve import write_curve
from abyssal.encoder.training.initialisation import StartingPoint, starting_point
from abyssal.encoder.training.loop import LoopSettings, Trainer
from abyssal.encoder.training.measurement import accuracies, as_rows, compare, grade, novelty_auroc
from abyssal.encoder.training.neighbours import MetricSettings, MetricTrainer
from abyssal.errors import ConfigError
from abyssal.files import atomic_path, sha256_file, to_json, write_json
from abyssal.references.markers import resolve_marker
from abyssal.references.model import AmpliconReference
from abyssal.references.stage import prepare_reference
from abyssal.sequences.alphabet import normalise
from abyssal.sequences.records import read_records

logger = logging.getLogger(__name__)

HASHES_FILE = "training_hashes.safetensors"
CHECKPOINT_FILE = "checkpoint.safetensors"
METRIC_CHECKPOINT_FILE = "metric.safetensors"


def pretrain(
    settings: PretrainConfig,
    output: Path,
    *,
    work: Path,
    seed: int,
    sizes: EncoderSizes | None = None,
    device: str | None = None,
) -> None:
    """Make an encoder.

    Args:
        settings: data and steps.
        output: directory to write: config.json, model.safetensors, tokenizer files, training_config.json,
            metrics.json, curve.tsv, curve.svg, training_hashes.safetensors and README.md.
        work: directory of the checkpoints; a run that was killed goes on from it.
        seed: of everything random.
        sizes: of the network; None for those of ``settings.size``.
        device: what PyTorch computes on; None takes a GPU when there is one.
    """
    sizes = trained_sizes(sizes or PRESETS[settings.size], settings)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    corpora = _corpora(settings)
    record = training_record(settings, corpora, seed=seed, sizes=sizes)
    identity = record_digest(record)
    start = closed_form(sizes, corpora)
    network = starting_network(sizes, corpora, seed=seed, start=start)
    stages = []
    if settings.metric_steps:
        metric = MetricTrainer(
            network, corpora, start, metric_settings(settings, seed), identity=identity,
            checkpoint=work / METRIC_CHECKPOINT_FILE, device=device,
        )  # fmt: skip
        stages.append(metric.run())
    trainer = Trainer(
        network, corpora, loop_settings(settings, seed), identity=identity, checkpoint=work / CHECKPOINT_FILE,
        device=device,
    )  # fmt: skip
    stages.append(trainer.run())
    publish(network, corpora, joined_progress(stages), record | {"device": device}, output)


def trained_sizes(sizes: EncoderSizes, settings: PretrainConfig) -> EncoderSizes:
    """Return the sizes without a deep branch that no step would train: random weights are not worth shipping."""
    return sizes if settings.masked_steps or settings.contrast_steps else replace(sizes, layers=0)


def closed_form(sizes: EncoderSizes, corpora: Sequence[MarkerCorpus]) -> StartingPoint:
    """Return the start of the wide branch of these sizes."""
    return starting_point(corpora, k=sizes.kmer_size, dimension=sizes.dimension, skip=sizes.kmer_skip)


def starting_network(
    sizes: EncoderSizes, corpora: Sequence[MarkerCorpus], *, seed: int, start: StartingPoint | None = None
) -> EncoderNetwork:
    """Return a network whose wide branch has its closed-form start (computed when None); nothing else is trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = EncoderNetwork(sizes)
    projection = (start or closed_form(sizes, corpora)).projection()
    with torch.no_grad():
        network.wide.projection.weight.copy_(torch.from_numpy(projection))
    return network


def read_exclusions(files: Sequence[Path]) -> Exclusions:
    """Return ids and sequences of FASTA files that no training may touch."""
    records = [record for file in files for record in read_records(file)]
    return Exclusions(
        frozenset(record.id for record in records), frozenset(normalise(record.sequence) for record in records)
    )


def loop_settings(settings: PretrainConfig, seed: int) -> LoopSettings:
    """Return the loop's part of the configuration."""
    names = set(LoopSettings.__dataclass_fields__) & set(PretrainConfig.model_fields)
    return LoopSettings(seed=seed, **{name: getattr(settings, name) for name in names})


def metric_settings(settings: PretrainConfig, seed: int) -> MetricSettings:
    """Return the part of the configuration that learns the wide branch's metric."""
    return MetricSettings(seed=seed, steps=settings.metric_steps)


def joined_progress(stages: Sequence[Progress]) -> Progress:
    """Return one account of stages that ran one after the other, each from where the one before was at its best."""
    joined = stages[0]
    for stage in stages[1:]:
        rows = [row | {"step": row["step"] + joined.step} for row in stage.curve]
        improved = stage.best_step > 0
        joined = Progress(
            joined.identity,
            step=joined.step + stage.step,
            best_step=joined.step + stage.best_step if improved else joined.best_step,
            best_score=stage.best_score if improved else joined.best_score,
            curve=[*joined.curve, *rows],
        )
    return joined


def training_record(
    settings: PretrainConfig, corpora: Sequence[MarkerCorpus], *, seed: int, sizes: EncoderSizes
) -> dict[str, Any]:
    """Return everything the weights depend on: settings, sizes, seed, digests of data and code; no absolute paths."""
    values = settings.model_dump(mode="json")
    files = {Path(file) for file in settings.exclude}
    for marker in settings.references.values():
        if marker.reference is not None:
            files |= {Path(file) for file in (marker.reference.fasta, marker.reference.lineages) if file}
    return {
        "format": "abyssal-encoder-training",
        "format_version": 1,
        "settings": _without_directories(values),
        "metric": asdict(metric_settings(settings, seed)),
        "loop": asdict(loop_settings(settings, seed)),
        "sizes": asdict(sizes),
        "seed": seed,
        "data": {file.name if file.name != "query.fasta.gz" else f"{file.parent.name}/{file.name}": sha256_file(file)
                 for file in sorted(files)},
        "code": code_digest("encoder.training"),
        "torch": torch.__version__,
        "corpus": [
            {"marker": corpus.marker, "trained_on": len(corpus.sequences), "left_out": dict(corpus.dropped)}
            for corpus in corpora
        ],
    }  # fmt: skip


def record_digest(record: dict[str, Any]) -> str:
    """Return the identity of a run: a hex SHA-256 over its record."""
    return hashlib.sha256(to_json(record).encode()).hexdigest()


def publish(
    network: EncoderNetwork, corpora: Sequence[MarkerCorpus], progress: Progress, record: dict[str, Any], output: Path
) -> None:
    """Write weights and papers; what is measured is what is on disk."""
    model = AbyssalEncoderModel(AbyssalEncoderConfig(**asdict(network.sizes)))
    model.network.load_state_dict(network.state_dict())
    save_encoder(model, output)
    write_tokenizer(output, max_bases=network.sizes.max_bases)
    metrics = measure_weights(output, corpora, record)
    write_json(output / "training_config.json", record | {"best_step": progress.best_step, "steps": progress.step})
    write_json(output / "metrics.json", metrics)
    write_curve(output, progress.curve)
    with atomic_path(output / HASHES_FILE) as temporary:
        save_file({"hashes": training_hashes(corpora)}, temporary, metadata={"hash": "first 64 bits of the MD5"})
    write_card(output / "README.md", record, metrics, progress)


def measure_weights(directory: Path, corpora: Sequence[MarkerCorpus], record: dict[str, Any]) -> dict[str, Any]:
    """Return the nearest-neighbour table of the weights, their ablations and 6-mer cosine, on the reported half."""
    trained = load_network(directory)
    start = starting_network(trained.sizes, corpora, seed=int(record["seed"]))
    encoders: dict[str, Callable[[Sequence[str]], Any]] = {
        "kmers": KmerEncoder().embed,
        "start": TorchEncoder(start, digest="").embed,
        "wide": TorchEncoder(trained, digest="", use_deep=False).embed,
        "encoder": TorchEncoder(trained, digest="").embed,
    }
    cells = {name: grade(embed, corpora, part="report") for name, embed in encoders.items()}
    gate = 0.0 if trained.gate is None else float(trained.gate.detach().abs().mean())
    return {
        "encoder_digest": encoder_digest(directory),
        "gate": round(gate, 6),
        "tables": {name: as_rows(accuracies(graded)) for name, graded in cells.items()},
        "novelty": {
            name: novelty_auroc(graded, known="known species", novel="new genus") for name, graded in cells.items()
        },
        "differences": {
            "encoder - kmers": compare(cells["encoder"], cells["kmers"]),
            "encoder - wide": compare(cells["encoder"], cells["wide"]),
        },
    }


def _corpora(settings: PretrainConfig) -> tuple[MarkerCorpus, ...]:
    references = {name: _reference(name, settings) for name in settings.references}
    corpora = build_corpus(references, read_exclusions([Path(file) for file in settings.exclude]))
    if not any(corpus.sequences for corpus in corpora):
        message = "pretrain.references: nothing is left to train on after held-out taxa were removed"
        raise ConfigError(message)
    return corpora


def _reference(name: str, settings: PretrainConfig) -> AmpliconReference:
    marker = settings.references[name]
    if marker.reference is None:
        message = f"pretrain.references.{name}.reference: missing; training needs labelled sequences"
        raise ConfigError(message)
    reference, report, _ = prepare_reference(marker.reference, resolve_marker(name, marker))
    logger.info("%s: %d amplicons of %d records", name, len(reference), report.records)
    return reference


def _without_directories(value: Any) -> Any:
    """Keep the file names of a dumped configuration: where the data lay is nobody's business."""
    if isinstance(value, dict):
        return {key: _without_directories(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_directories(item) for item in value]
    if isinstance(value, str) and "/" in value:
        return "/".join(Path(value).parts[-2:])
    return value
