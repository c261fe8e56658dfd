"""The model card that lies beside the weights: written from measurements, so that it cannot promise more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abyssal.encoder.training.checkpoints import Progress
from abyssal.files import write_text

_ENCODERS = ("kmers", "start", "wide", "encoder")
_HEADINGS = ("6-mer cosine", "untrained start", "deep branch off", "**encoder**")


def write_card(target: Path, record: Mapping[str, Any], metrics: Mapping[str, Any], progress: Progress) -> None:
    """Write README.md: what was trained on what, where it beats and where it loses to k-mers."""
    parts = [
        _front(),
        _training(record, progress),
        _accuracy_table(metrics),
        _verdict(metrics, has_deep=bool(record["sizes"]["layers"])),
        _novelty_table(metrics),
        _limits(),
    ]
    write_text(target, "\n".join(parts))


def _front() -> str:
    return """# Abyssal encoder

Amplicon to unit vector: a wide branch (k-mer profile, projected on its principal directions, refined by a residual
network) and a deep branch (convolutions, rotary transformer layers, attention pooling), added through a learnt gate.
A `transformers` model: `AutoModel.from_pretrained(directory)` after `import abyssal.encoder.modeling`, with
`AutoTokenizer.from_pretrained(directory)`; `pooler_output` is the vector. Weights are stored as fp16 and computed with
as fp32.
"""


def _training(record: Mapping[str, Any], progress: Progress) -> str:
    lines = ["## Training\n", "| marker | amplicons trained on | left out |", "|---|---|---|"]
    for row in record["corpus"]:
        left_out = ", ".join(f"{count} ({reason})" for reason, count in row["left_out"].items() if count)
        lines.append(f"| {row['marker']} | {row['trained_on']:,} | {left_out or 'none'} |")
    lines.append(
        f"\n{_stages(record)}; stopped at step {progress.step}, kept the weights of step {progress.best_step} (the "
        "best on held-out taxa; step 0 is the closed-form start of the wide branch, the deep branch's gate shut). "
        "Everything needed to repeat it: `training_config.json`; how it went: `curve.tsv`, below; which sequences it "
        "has seen: `training_hashes.safetensors` (first 64 bits of the MD5 of each training amplicon, sorted).\n\n"
        "![Score, losses and gate by step](curve.svg)\n"
    )
    return "\n".join(lines)


def _stages(record: Mapping[str, Any]) -> str:
    loop, stages = record["loop"], []
    if record["metric"]["steps"]:
        stages.append(f"{record['metric']['steps']} steps that learn the metric of the wide branch")
    if record["sizes"]["layers"]:
        stages.append(f"{loop['masked_steps']} steps of masked modelling")
        stages.append("supervised contrast at species, genus and family")
    else:
        stages.append("no step for a deep branch, which these weights do not have")
    return ", then ".join(stages).capitalize()


def _accuracy_table(metrics: Mapping[str, Any]) -> str:
    lines = [
        "## Nearest neighbour on taxa it has never seen\n",
        "Share of queries whose nearest training amplicon bears the right name. New species are graded at genus, new "
        "genera at family, unseen amplicons of known species at species. The queries are the half of the held-out taxa "
        "that early stopping has not looked at; at most five a species.\n",
        f"| marker | queries | n | {' | '.join(_HEADINGS)} | encoder − 6-mers (95 % interval) |",
        "|---|---|---|" + "---|" * (len(_ENCODERS) + 1),
    ]
    differences = metrics["differences"]["encoder - kmers"]
    for index, row in enumerate(metrics["tables"]["encoder"]):
        cells = " | ".join(f"{metrics['tables'][name][index]['accuracy']:.3f}" for name in _ENCODERS)
        lines.append(
            f"| {row['marker']} | {row['group']} → {row['rank']} | {row['queries']} | {cells} | "
            f"{_with_interval(differences[index])} |"
        )
    return "\n".join(lines) + "\n"


def _verdict(metrics: Mapping[str, Any], *, has_deep: bool) -> str:
    sentences = []
    peers = [("encoder - kmers", "6-mer cosine"), ("encoder - wide", "the same weights without the deep branch")]
    for name, against in peers if has_deep else peers[:1]:
        pooled = _pooled(metrics["differences"][name])
        if pooled is not None:
            sentences.append(
                f"Against {against}, over all {pooled['queries']:,} queries of new species and new genera: "
                f"{_with_interval(pooled)}; {_judgement(pooled)}."
            )
    gate = f"Mean absolute value of the gate: {metrics['gate']:.4f}." if has_deep else "There is no deep branch."
    return "\n".join(["## Verdict\n", *sentences, f"\n{gate}\n"])


def _novelty_table(metrics: Mapping[str, Any]) -> str:
    lines = [
        "## Novelty from the raw similarity\n",
        "AUROC of the nearest neighbour's cosine, for telling queries of known species from queries of new genera.\n",
        "| marker | 6-mer cosine | encoder |",
        "|---|---|---|",
    ]
    for marker, value in metrics["novelty"]["encoder"].items():
        lines.append(f"| {marker} | {metrics['novelty']['kmers'][marker]:.3f} | {value:.3f} |")
    return "\n".join(lines) + "\n"


def _limits() -> str:
    return """## Limits

The species and genera of `abyssal.splits` are held out of all training by the hash of their names; a species that two
references spell differently may slip through. A nearest neighbour is evidence, not an answer: confidences come from the
classifier's calibrators, which are fitted on top of these vectors.
"""


def _with_interval(row: Mapping[str, Any]) -> str:
    return f"{100 * row['difference']:+.1f} points ({100 * row['low']:+.1f} to {100 * row['high']:+.1f})"


def _judgement(row: Mapping[str, Any]) -> str:
    if row["low"] > 0:
        return "better"
    return "worse" if row["high"] < 0 else "no difference that these queries can show"


def _pooled(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((row for row in rows if row["marker"] == "all"), None)
