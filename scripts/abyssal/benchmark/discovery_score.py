"""Figures of the discovery benchmark, their intervals, and the page that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abyssal.benchmark.discovery import OURS, SplitAnswers
from abyssal.discovery.clusterers import NOISE, Labels
from abyssal.discovery.stability import singletons_for_noise
from abyssal.evaluation.metrics import b_cubed

RESAMPLES = 200
FIGURES = ("ARI", "AMI", "V-measure", "B-cubed F1", "taxa F1 > .5", "taxa F1 > .9", "noise")


def figures(truth: NDArray[np.int64], labels: Labels) -> dict[str, float]:
    """Return the figures of one answer; recovered taxa are a share of those with two amplicons or more."""
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, v_measure_score

    groups = singletons_for_noise(labels)
    shared, sizes, found = contingency(truth, groups)
    precision, recall = b_cubed(groups.tolist(), truth.tolist())
    best = (2 * shared / (sizes[:, None] + found)).max(axis=1)[sizes > 1]
    return {
        "ARI": float(adjusted_rand_score(truth, groups)),
        "AMI": float(adjusted_mutual_info_score(truth, groups)),
        "V-measure": float(v_measure_score(truth, groups)),
        "B-cubed F1": 2 * precision * recall / (precision + recall),
        "taxa F1 > .5": float((best > 0.5).mean()),
        "taxa F1 > .9": float((best > 0.9).mean()),
        "noise": float((labels == NOISE).mean()),
    }


def weighted_rand(shared: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the adjusted Rand index (Hubert and Arabie 1985, doi:10.1007/BF01908075) of weighted taxa.

    A taxon stands for ``weights`` taxa of its kind: a pair within it counts as often as the taxon, a pair of two taxa
    as often as both; copies of one taxon make no pairs with each other. So groups that mix taxa keep their share of
    pairs, which copies kept apart would lose.
    """

    def within(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        return counts * (counts - 1) / 2

    def across(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(((weights @ counts) ** 2 - weights**2 @ counts**2) / 2)

    sizes = shared.sum(axis=1)
    in_truth = float(weights @ within(sizes))
    together = float((weights @ within(shared)).sum())
    in_groups = together + float(across(shared).sum())
    pairs = in_truth + float(across(sizes))
    expected, most = in_truth * in_groups / pairs, (in_truth + in_groups) / 2
    return (together - expected) / (most - expected) if most != expected else 1.0


def contingency(
    truth: NDArray[np.int64], groups: Labels
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (taxa, groups) shared items, (taxa,) sizes of taxa and (groups,) sizes of groups."""
    rows, columns = np.unique(truth, return_inverse=True)[1], np.unique(groups, return_inverse=True)[1]
    shared = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(shared, (rows, columns), 1.0)
    return shared, shared.sum(axis=1), shared.sum(axis=0)


def score(splits: Sequence[SplitAnswers], *, seed: int) -> dict[str, Any]:
    """Return per method the mean figures over the splits, the oracle's ARI and the paired difference to ours."""
    names = list(splits[0].answers)
    table = {name: [figures(split.truth, split.answers[name].labels) for split in splits] for name in names}
    mean = {name: {key: float(np.mean([row[key] for row in rows])) for key in FIGURES} for name, rows in table.items()}
    resampled = _resampled(splits, names, np.random.default_rng(seed))
    rest = max((name for name in names if name != OURS), key=lambda name: mean[name]["ARI"])
    return {
        "splits": [
            {"amplicons": int(split.truth.size), "taxa": int(np.unique(split.truth).size),
             "ARI": {name: rows[number]["ARI"] for name, rows in table.items()}}
            for number, split in enumerate(splits)
        ],
        "methods": {
            name: {
                **{key: round(value, 4) for key, value in mean[name].items()},
                "ARI resampled": np.round(resampled[name], 4).tolist(),
                "ARI interval": np.round(np.quantile(resampled[name], [0.025, 0.975]), 4).tolist(),
                "ARI oracle": _oracle(splits, name),
                "ours minus it": round(mean[OURS]["ARI"] - mean[name]["ARI"], 4),
                "difference interval": np.round(
                    np.quantile(resampled[OURS] - resampled[name], [0.025, 0.975]), 4
                ).tolist(),
            }
            for name in names
        },
        "best baseline": rest,
    }  # fmt: skip


def _oracle(splits: Sequence[SplitAnswers], name: str) -> float | None:
    """Return the mean over splits of the best ARI that any threshold of the method reaches, chosen with the truth."""
    from sklearn.metrics import adjusted_rand_score

    if not splits[0].answers[name].candidates:
        return None
    best = [
        max(adjusted_rand_score(split.truth, singletons_for_noise(labels)) for labels in split.answers[name].candidates)
        for split in splits
    ]
    return round(float(np.mean(best)), 4)


def _resampled(
    splits: Sequence[SplitAnswers], names: Sequence[str], random: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Return per method the mean ARI over the splits under resampling of taxa, the same taxa for all methods."""
    found = {name: np.zeros(RESAMPLES) for name in names}
    for split in splits:
        tables = {name: contingency(split.truth, singletons_for_noise(split.answers[name].labels))[0] for name in names}
        taxa = len(tables[names[0]])
        for number in range(RESAMPLES):
            weights = np.bincount(random.integers(0, taxa, taxa), minlength=taxa).astype(np.float64)
            for name, table in tables.items():
                found[name][number] += weighted_rand(table, weights) / len(splits)
    return found


def page(found: dict[str, dict[str, Any]]) -> str:
    """Return the results of all datasets as Markdown tables, the mean over the datasets last."""
    lines: list[str] = []
    for dataset, result in found.items():
        sizes = ", ".join(f"{split['amplicons']} of {split['taxa']}" for split in result["splits"])
        lines += [f"## {dataset}", "", f"Amplicons of taxa in each split: {sizes}.", ""]
        header = ("method", *FIGURES, "ARI, 95 %", "ARI, oracle threshold", "ARI of each split", "ours minus it, 95 %")
        rows = []
        for name, row in _by_rand(result["methods"]):
            oracle = "–" if row["ARI oracle"] is None else f"{row['ARI oracle']:.3f}"
            interval = "{:.3f} to {:.3f}".format(*row["ARI interval"])
            splits = " ".join(f"{split['ARI'][name]:.2f}" for split in result["splits"])
            gap = _gap(name, row["ours minus it"], row["difference interval"])
            rows.append((name, *(f"{row[key]:.3f}" for key in FIGURES), interval, oracle, splits, gap))
        lines += [*_table(header, rows), ""]
    return "\n".join([*lines, *_mean_of_datasets(list(found.values()))])


def _mean_of_datasets(results: Sequence[dict[str, Any]]) -> list[str]:
    """Return the lines on ARI and AMI, each the mean over the datasets; taxa of each are resampled by themselves."""
    methods = {
        name: {key: float(np.mean([result["methods"][name][key] for result in results])) for key in ("ARI", "AMI")}
        for name in results[0]["methods"]
    }
    draws = {
        name: np.mean([result["methods"][name]["ARI resampled"] for result in results], axis=0) for name in methods
    }
    rows = []
    for name, row in _by_rand(methods):
        low, high = np.quantile(draws[OURS] - draws[name], [0.025, 0.975])
        gap = _gap(name, methods[OURS]["ARI"] - row["ARI"], (low, high))
        rows.append((name, f"{row['ARI']:.3f}", f"{row['AMI']:.3f}", gap))
    return ["## Mean of the datasets", "", *_table(("method", "ARI", "AMI", "ours minus it, 95 %"), rows), ""]


def _by_rand(methods: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return sorted(methods.items(), key=lambda item: -item[1]["ARI"])


def _gap(name: str, difference: float, interval: Sequence[float]) -> str:
    return "" if name == OURS else f"{difference:+.3f} ({interval[0]:+.3f} to {interval[1]:+.3f})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
