"""Where every read went, what the controls found, and which samples have nothing left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from abyssal.reads.ledger import LedgerRow
from abyssal.report.elements import PALETTE, Figure, Section, Table, count, label, percent, plural
from abyssal.report.inputs import StudyResults

STEP_NAMES = {
    "raw": "raw", "trim": "primers found", "merge": "merged", "filter": "quality passed", "dereplicate": "dereplicated",
    "map_back": "in an ASV", "screen": "screened", "tag_jumps": "tag jumps removed", "controls": "kept",
    "demultiplex": "tags found", "replicates": "in enough replicates", "curate": "curated",
}  # fmt: skip
REASON_NAMES = {
    "chimera": "chimeras", "no_asv_near": "near no ASV", "tag_jump": "tag jumps", "negative_control": "reads of blanks",
    "at_or_below_control": "at or below a blank", "as_prevalent_in_controls": "as common in blanks",
}  # fmt: skip


def reads_in_and_kept(ledger: Sequence[LedgerRow]) -> tuple[int, int]:
    """Return reads of all libraries before the first and after the last step."""
    firsts: dict[str, int] = {}
    lasts: dict[str, int] = {}
    for row in ledger:
        firsts.setdefault(row.library, row.reads_in)
        lasts[row.library] = row.reads_out
    return sum(firsts.values()), sum(lasts.values())


def empty_samples(results: StudyResults) -> list[str]:
    """Return the samples without a single read left, in the order of the table."""
    return [sample for sample, reads in results.table.totals().items() if reads == 0]


def read_unit(results: StudyResults) -> str:
    """Return what the ledger counts: read pairs, or reads."""
    return "read pairs" if any(row.get("r2") for row in results.libraries) else "reads"


def reads_section(results: StudyResults) -> Section:
    """Describe the ledger: a flow chart, a table of libraries and a table of losses."""
    total, kept = reads_in_and_kept(results.ledger)
    unit = read_unit(results)
    return Section(
        "reads",
        "Where the reads went",
        paragraphs=[
            f"{count(total)} {unit} came in from {plural(len(_libraries(results.ledger)), 'library', 'libraries')}; "
            f"{count(kept)} ({percent(kept, total)}) are counted towards an ASV in the final table. "
            "Every loss below comes from the counts of the tool that made it, and the steps add up without a gap.",
        ],
        figures=[_flow(results.ledger, unit)] if total else [],
        tables=[_library_table(results, unit), _loss_table(results.ledger, unit)],
    )


def controls_section(results: StudyResults) -> Section:
    """Name the controls, what they took out, and the samples that are empty."""
    controls = results.control_libraries
    empty = empty_samples(results)
    own = {row["sample"] for row in controls}
    paragraphs = []
    if controls:
        taken = [row for row in results.removals if row["library"] not in {c["library"] for c in controls}]
        reads = sum(int(row["reads_removed"]) for row in taken)
        consequence = (
            f"Because of what was found there, {plural(reads, 'read')} of "
            f"{plural(len({row['asv'] for row in taken}), 'ASV')} were taken out of other libraries."
            if reads
            else "Nothing was taken out of other libraries because of them."
        )
        paragraphs.append(f"{plural(len(controls), 'library is a control', 'libraries are controls')}. {consequence}")
    else:
        paragraphs.append("The sample sheet names no controls, so nothing could be checked for contamination.")
    real = [sample for sample in empty if sample not in own]
    if real:
        paragraphs.append(f"No reads are left of {plural(len(real), 'sample')}: {', '.join(real)}.")
    elif empty:
        paragraphs.append("Every sample that is not a control has reads left.")
    return Section("controls", "Controls and empty samples", paragraphs=paragraphs, tables=_control_tables(results))


def _libraries(ledger: Sequence[LedgerRow]) -> list[str]:
    return list(dict.fromkeys(row.library for row in ledger))


def _steps(ledger: Sequence[LedgerRow]) -> list[str]:
    """Return the steps in the order of the libraries that have most of them."""
    found: dict[str, list[str]] = {}
    for row in ledger:
        steps = found.setdefault(row.library, [])
        if row.step not in steps:
            steps.append(row.step)
    return max(found.values(), key=len, default=[])


def _reason(reason: str) -> str:
    return REASON_NAMES.get(reason, reason.replace("_", " "))


def _losses(ledger: Sequence[LedgerRow]) -> dict[tuple[str, str], int]:
    losses: Counter[tuple[str, str]] = Counter()
    for row in ledger:
        if row.reads_lost:
            losses[row.step, row.loss_reason] += row.reads_lost
    return dict(losses)


def _flow(ledger: Sequence[LedgerRow], unit: str) -> Figure:
    """Return a Sankey diagram; a step in which nothing is lost is left out, as it would only lengthen the line."""
    losses = _losses(ledger)
    losing = [step for step in _steps(ledger) if any(key[0] == step for key in losses)]
    total, kept = reads_in_and_kept(ledger)
    names = ["raw", *(STEP_NAMES.get(step, step) for step in losing[:-1]), "kept"]
    nodes = [{"name": name, "colour": PALETTE[0]} for name in names]
    links: list[tuple[int, int, int, str]] = [] if losing else [(0, 1, total, "rgba(0,114,178,0.35)")]
    left = total
    times = Counter(reason for _, reason in losses)
    for place, step in enumerate(losing):
        here = {reason: lost for (where, reason), lost in losses.items() if where == step}
        for reason, lost in sorted(here.items(), key=lambda item: -item[1]):
            name = _reason(reason) if times[reason] == 1 else f"{_reason(reason)} ({step.replace('_', ' ')})"
            nodes.append({"name": name, "colour": PALETTE[5]})
            links.append((place, len(nodes) - 1, lost, "rgba(213,94,0,0.35)"))
        left -= sum(here.values())
        links.append((place, place + 1, left, "rgba(0,114,178,0.35)"))
    link: dict[str, Any] = dict(zip(("source", "target", "value", "color"), zip(*links, strict=True), strict=True))
    trace = {
        "type": "sankey",
        "arrangement": "snap",
        "valueformat": ",d",
        "node": {
            "label": [label(str(node["name"])) for node in nodes],
            "color": [node["colour"] for node in nodes],
            "pad": 18, "thickness": 14, "line": {"width": 0},
        },
        "link": link,
    }  # fmt: skip
    caption = f"Flow of {count(total)} {unit} of all libraries; widths are numbers of {unit}, {count(kept)} are kept."
    return Figure("flow", caption, [trace], {"margin": {"l": 8, "r": 8, "t": 16, "b": 16}}, height=400)


def _library_table(results: StudyResults, unit: str) -> Table:
    steps = _steps(results.ledger)
    out = {(row.library, row.step): row.reads_out for row in results.ledger}
    first: dict[str, int] = {}
    for row in results.ledger:
        first.setdefault(row.library, row.reads_in)
    control = {row["library"]: row.get("control") or "" for row in results.libraries}
    sample = {row.library: row.sample for row in results.ledger}
    rows = []
    for library in _libraries(results.ledger):
        cells = [library, sample[library], control.get(library, "").replace("_", " ")]
        # A library of ready-made ASVs has no steps before map_back; its cells stay empty.
        cells += ["" if (library, step) not in out else count(out[library, step]) for step in steps]
        cells += [percent(out[library, steps[-1]], first[library]), _main_loss(results.ledger, library)]
        rows.append(cells)
    header = ["library", "sample", "control", *(STEP_NAMES.get(step, step) for step in steps), "share kept"]
    numeric = frozenset(range(3, 4 + len(steps)))
    return Table([*header, "largest loss"], rows, f"{unit.capitalize()} left after each step, by library.", numeric)


def largest_loss(results: StudyResults) -> str:
    """Return the loss that took most reads, as a sentence; empty when nothing was lost."""
    losses = _losses(results.ledger)
    if not losses:
        return ""
    step, reason = max(losses, key=lambda key: (losses[key], key))
    total, _ = reads_in_and_kept(results.ledger)
    lost = losses[step, reason]
    return (
        f"The largest loss, {count(lost)} ({percent(lost, total)}), is in the step "
        f"{step.replace('_', ' ')}: {_reason(reason)}."
    )


def _main_loss(ledger: Sequence[LedgerRow], library: str) -> str:
    lost = [(row.reads_lost, row.step, row.loss_reason) for row in ledger if row.library == library and row.reads_lost]
    if not lost:
        return "none"
    reads, step, reason = max(lost)
    return f"{_reason(reason)} ({step.replace('_', ' ')}): {count(reads)}"


def _loss_table(ledger: Sequence[LedgerRow], unit: str) -> Table:
    total, _ = reads_in_and_kept(ledger)
    order = {step: place for place, step in enumerate(_steps(ledger))}
    losses = sorted(_losses(ledger).items(), key=lambda item: (order.get(item[0][0], 99), -item[1]))
    rows = [
        [step.replace("_", " "), _reason(reason), count(lost), percent(lost, total)] for (step, reason), lost in losses
    ]
    header = ["step", "reason", unit, f"share of {count(total)}"]
    return Table(header, rows, "What was lost, by step and reason, over all libraries.", frozenset({2, 3}))


def _control_tables(results: StudyResults) -> list[Table]:
    controls = results.control_libraries
    if not controls:
        return []
    before: Counter[str] = Counter()
    blamed: Counter[str] = Counter()
    variants: dict[str, set[str]] = {}
    for row in results.removals:
        if row["library"] == row["control"]:
            before[row["library"]] += int(row["reads_removed"])
        else:
            blamed[row["control"]] += int(row["reads_removed"])
            variants.setdefault(row["control"], set()).add(row["asv"])
    rows = [
        [
            row["library"], row["control"].replace("_", " "), count(before[row["library"]]),
            count(len(variants.get(row["library"], ()))), count(blamed[row["library"]]),
        ]
        for row in controls
    ]  # fmt: skip
    header = ["control", "kind", "its own reads set aside", "ASVs removed elsewhere", "reads removed elsewhere"]
    return [Table(header, rows, "Controls and what was removed because of them.", frozenset({2, 3, 4}))]
