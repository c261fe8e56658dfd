"""Which cases the benchmark has, and what is skipped with its reason; the rules make one file after the other of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abyssal.benchmark.cases import CaseKey
from abyssal.benchmark.datasets import TAX_CREDIT, missing, tax_credit_datasets
from abyssal.benchmark.identity import IDENTITIES
from abyssal.benchmark.programs import unavailable
from abyssal.benchmark.robustness import REFERENCE_VARIANTS
from abyssal.config.benchmark import BenchmarkConfig

TAX_CREDIT_VARIANTS = ("verbatim", "distinct")
"""As published, and after references equal to a query are taken out."""


@dataclass(frozen=True)
class Skipped:
    """What is not run, and why."""

    part: str
    what: str
    reason: str


@dataclass(frozen=True)
class BenchmarkPlan:
    """Everything a run makes.

    Attributes:
        cases: answered by Abyssal and all peers.
        communities, speed: datasets of these parts; empty where they are not run.
        skipped: what is left out.
    """

    cases: tuple[CaseKey, ...]
    communities: tuple[str, ...]
    speed: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def make_plan(config: BenchmarkConfig, folder: Path) -> BenchmarkPlan:
    """Return the plan for the data that are there."""
    skipped = [Skipped("all parts", name, reason) for name, reason in unavailable(config.peers).items()]
    cases: list[CaseKey] = []

    def usable(part: str, datasets: Sequence[str]) -> list[str]:
        if part not in config.parts:
            return []
        reasons = {name: missing(folder, name) for name in datasets}
        skipped.extend(Skipped(part, name, reason) for name, reason in reasons.items() if reason is not None)
        return [name for name, reason in reasons.items() if reason is None]

    if TAX_CREDIT in config.parts:
        published = tax_credit_datasets(folder)
        if not published:
            skipped.append(Skipped(TAX_CREDIT, "all splits", f"no folder {TAX_CREDIT} in the data folder"))
        cases += [CaseKey(TAX_CREDIT, name, variant) for name in published for variant in TAX_CREDIT_VARIANTS]
    for dataset in usable("identity", config.identity_datasets):
        numbers = range(1, config.identity_splits + 1)
        cases += [CaseKey("identity", dataset, f"{percent}-{number}") for number in numbers for percent in IDENTITIES]
    for dataset in usable("taxa-out", config.datasets):
        splits = config.splits if _is_first(config, dataset) else config.further_splits
        cases += [CaseKey("taxa-out", dataset, str(number)) for number in range(1, splits + 1)]
    for dataset in usable("robustness", [config.robustness_dataset]):
        cases += [CaseKey("robustness", dataset, variant) for variant in REFERENCE_VARIANTS]
    communities = tuple(usable("communities", [config.community_dataset]))
    return BenchmarkPlan(
        tuple(cases), communities, tuple(usable("speed", [config.speed_dataset])), tuple(skipped)
    )  # fmt: skip


def most_queries(config: BenchmarkConfig, part: str, dataset: str) -> int:
    """Return the most queries of a case of a part."""
    return config.queries if part == "taxa-out" and _is_first(config, dataset) else config.further_queries


def _is_first(config: BenchmarkConfig, dataset: str) -> bool:
    return dataset in config.datasets[:1]
