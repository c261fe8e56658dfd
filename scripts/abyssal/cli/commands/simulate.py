"""``abyssal simulate``: amplicon libraries with known truth. ``abyssal fit-qualities``: a quality model for it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from abyssal.references.markers import ResolvedMarker
    from abyssal.simulate.community import LibraryPlan
    from abyssal.simulate.molecules import OtherTemplates
    from abyssal.simulate.settings import Sequencing, Simulation
    from abyssal.simulate.templates import Template

_DESCRIPTION = """\
Make FASTQ files from reference amplicons, with the truth of every read beside them.

OUT gets <library>_R1.fastq.gz and _R2 (or <library>.fastq.gz for single reads), <library>_truth.tsv.gz (one row a
pair), molecules.fasta.gz, molecules.tsv, truth_reads.tsv (reads by sample and molecule), samples.tsv (a sample sheet)
and simulation.json (settings and totals). The same seed and options give the same bytes.
"""

_ANY_LENGTH = (20, 100_000)
_MOST = 1e12
_SHARE = (0.0, 1.0)
_BOUNDS: dict[str, tuple[float, float]] = {
    "--libraries": (1, 10_000), "--pairs": (1, 1e10), "--richness": (1, 1e6), "--turnover": _SHARE,
    "--blanks": (0, 10_000), "--variants": (0, 100), "--variant-divergence": (0.0, 0.5), "--three-parents": _SHARE,
    "--reads-per-chimera": (1, 1e6), "--cycles": (1, 100), "--efficiency-sd": (0.0, 0.5),
    "--contaminant-count": (0, 10_000), "--read-length": (0, 10_000), "--error-rate": (0.0, 0.5),
    "--indel-rate": (0.0, 0.5), "--insertion-share": _SHARE, "--homopolymer-growth": (0.0, 10.0),
    "--random-bases": (0, 50), "--flipped-share": _SHARE,
}  # fmt: skip
"""From where to where numbers make sense; the others are at least 0."""
"""Amplicon lengths that --cut accepts for primers given on the command line (bp)."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``simulate`` and ``fit-qualities``."""
    parser = subparsers.add_parser(
        "simulate",
        help="make amplicon libraries with known truth",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("reference", type=Path, help="FASTA of template sequences, plain or gzipped")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for everything that is made")
    parser.add_argument("--lineages", type=Path, help="table of lineages: first column the id, one column a rank")
    parser.add_argument(
        "--seed", type=_within(int, (0, 2**63 - 1)), default=1, help="seed of all randomness (default: %(default)s)"
    )
    _add_marker(parser)
    _add_communities(parser)
    _add_amplification(parser)
    _add_mixing(parser)
    _add_sequencer(parser)
    parser.set_defaults(run=run_simulate)
    _register_fit(subparsers)


def _add_marker(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("marker")
    group.add_argument("--marker", default="18S-V4-Zingone", help="named primer pair (default: %(default)s)")
    group.add_argument("--forward", metavar="PRIMER", help="forward primer, 5' to 3', instead of the marker's")
    group.add_argument("--reverse", metavar="PRIMER", help="reverse primer, 5' to 3', instead of the marker's")
    group.add_argument("--cut", action="store_true", help="templates are longer than the amplicon: cut them in silico")


def _add_communities(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("communities")
    _number(group, "--libraries", int, 4, "libraries to make")
    _number(group, "--pairs", int, 10_000, "reads (pairs) a library before tag jumps")
    group.add_argument(
        "--community", type=Path, metavar="TSV", help="given communities: columns library, template, weight"
    )
    group.add_argument(
        "--law", choices=("even", "lognormal", "zipf"), default="lognormal", help="abundance law (default: %(default)s)"
    )
    _number(group, "--richness", int, 50, "templates a library")
    _number(group, "--turnover", float, 0.3, "share of a library's templates that need not be in the others")
    _number(group, "--sigma", float, 1.5, "standard deviation of the log-normal law (natural log)")
    _number(group, "--exponent", float, 1.0, "exponent of the Zipf law")
    _number(group, "--between-libraries", float, 0.5, "standard deviation of an abundance between libraries (log)")
    _number(group, "--blanks", int, 0, "extraction blanks beside the libraries")
    _number(group, "--blank-pairs", int, 100, "reads (pairs) a blank")
    _number(group, "--variants", float, 0.0, "mean number of intraspecific variants a template")
    _number(group, "--variant-divergence", float, 0.005, "substitutions per base of a variant")


def _add_amplification(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("amplification")
    _number(group, "--chimera-rate", float, 0.02, "share of reads that are PCR chimeras")
    _number(group, "--three-parents", float, 0.1, "share of chimeras with three parents")
    _number(group, "--reads-per-chimera", float, 4.0, "mean reads of a distinct chimera")
    _number(group, "--cycles", int, 30, "PCR cycles")
    _number(group, "--efficiency-sd", float, 0.01, "standard deviation of a template's efficiency a cycle; 0: no bias")
    _number(group, "--pcr-error-rate", float, 0.0, "substitutions per base made in PCR, shared by both mates")


def _add_mixing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("mixing")
    _number(group, "--tag-jump-rate", float, 0.0, "share of reads that end up in another library")
    _number(group, "--contamination", float, 0.0, "share of reads of reagent contaminants")
    group.add_argument("--contaminants", type=Path, metavar="FASTA", help="contaminant amplicons, all ids new")
    _number(group, "--contaminant-count", int, 3, "without that FASTA: templates taken out as contaminants")
    _number(group, "--off-target", float, 0.0, "share of reads of other genes")
    group.add_argument("--off-targets", type=Path, metavar="FASTA", help="sequences of other genes")
    group.add_argument(
        "--off-target-without-primers", action="store_true", help="off-target molecules lack the primers"
    )


def _add_sequencer(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("sequencer")
    group.add_argument(
        "--profile", choices=("miseq", "miseq-single", "nanopore"), default="miseq", help="default: %(default)s"
    )
    group.add_argument("--qualities", type=Path, metavar="MODEL", help="another quality model (abyssal fit-qualities)")
    for option, kind, text in (
        ("--read-length", int, "bases of every read; 0: the whole molecule"),
        ("--error-rate", float, "mean substitutions per base; default: what the qualities say"),
        ("--indel-rate", float, "insertions and deletions per base"),
        ("--insertion-share", float, "share of the indels that insert"),
        ("--homopolymer-growth", float, "risk of an indel added by each further base of a run (0: none)"),
        ("--random-bases", int, "most random bases in front of each primer"),
        ("--flipped-share", float, "share of molecules read from the reverse primer's end first"),
    ):
        group.add_argument(option, type=_within(kind, _BOUNDS[option]), help=f"{text} (default: the profile's)")
    group.add_argument("--adapter-1", help="what read 1 runs into behind a short molecule (default: the profile's)")
    group.add_argument("--adapter-2", help="the same for read 2 (default: the profile's)")
    group.add_argument(
        "--names", choices=("numbered", "illumina", "nanopore"),
        help="how reads are called (default: as the profile's sequencer does)",
    )  # fmt: skip
    group.add_argument(
        "--compression", choices=("fast", "small", "none"), default="fast", help="of FASTQ files (default: %(default)s)"
    )
    group.add_argument("--no-read-truth", action="store_true", help="leave out the table of every read")


def _within(kind: type[int | float], bounds: tuple[float, float]) -> Callable[[str], float]:
    """Return an argparse type that accepts numbers from the first to the second bound."""

    def checked(value: str) -> float:
        number = kind(value)
        if not bounds[0] <= number <= bounds[1]:
            message = f"{value} is out of range; expected {bounds[0]:g} to {bounds[1]:g}"
            raise argparse.ArgumentTypeError(message)
        return number

    checked.__name__ = kind.__name__
    return checked


def _number(group: argparse._ActionsContainer, option: str, kind: type[int | float], default: float, text: str) -> None:
    checked = _within(kind, _BOUNDS.get(option, (0, _MOST)))
    group.add_argument(option, type=checked, default=default, metavar="N", help=f"{text} (default: %(default)s)")


def run_simulate(arguments: argparse.Namespace) -> None:
    """Run ``abyssal simulate``."""
    import numpy as np

    from abyssal.simulate.libraries import simulate_libraries
    from abyssal.simulate.sheet import write_sample_sheet
    from abyssal.simulate.templates import read_ranks

    marker = _marker(arguments)
    rng = np.random.default_rng(arguments.seed)
    templates, others = _templates(arguments, marker, rng)
    libraries = _libraries(arguments, templates, rng)
    simulation = _simulation(arguments, marker)
    simulate_libraries(
        templates, libraries, simulation, arguments.out,
        seed=arguments.seed, ranks=read_ranks(arguments.lineages) if arguments.lineages else (),
        others=others, truth=not arguments.no_read_truth,
    )  # fmt: skip
    write_sample_sheet(arguments.out / "samples.tsv", libraries, simulation, marker=arguments.marker)


def _marker(arguments: argparse.Namespace) -> ResolvedMarker:
    from abyssal.references.markers import ResolvedMarker, resolve_marker
    from abyssal.simulate.sequencer import checked_letters

    forward, reverse = arguments.forward, arguments.reverse
    if forward and reverse:
        low, high = _ANY_LENGTH
        marker = ResolvedMarker(arguments.marker, forward, reverse, low, high)
    else:
        marker = resolve_marker(arguments.marker)
    return replace(
        marker,
        forward_primer=checked_letters("--forward", forward or marker.forward_primer),
        reverse_primer=checked_letters("--reverse", reverse or marker.reverse_primer),
    )


def _templates(
    arguments: argparse.Namespace, marker: ResolvedMarker, rng: np.random.Generator
) -> tuple[list[Template], OtherTemplates]:
    """Return templates with their variants, and those of contaminants and other genes."""
    from abyssal.simulate.molecules import OtherTemplates
    from abyssal.simulate.templates import add_variants, cut_templates, read_templates, take_out

    templates = read_templates(arguments.reference, rng, lineages=arguments.lineages)
    if arguments.cut:
        templates = cut_templates(templates, marker)
    contaminants: list[Template] = []
    if arguments.contaminants is not None:
        contaminants = read_templates(arguments.contaminants, rng, label="contaminant")
    elif arguments.contamination > 0.0 or arguments.blanks:
        contaminants, templates = take_out(templates, arguments.contaminant_count, rng, label="contaminant")
    off_targets: list[Template] = []
    if arguments.off_targets is not None:
        primed = not arguments.off_target_without_primers
        off_targets = read_templates(arguments.off_targets, rng, label="off_target", primed=primed)
    templates = add_variants(templates, rng, mean=arguments.variants, divergence=arguments.variant_divergence)
    return templates, OtherTemplates(contaminants, off_targets)


def _libraries(arguments: argparse.Namespace, templates: list[Template], rng: np.random.Generator) -> list[LibraryPlan]:
    from abyssal.simulate.community import (
        CommunitySettings,
        LibraryPlan,
        draw_communities,
        read_communities,
    )
    from abyssal.simulate.templates import by_id

    if arguments.community is not None:
        communities = read_communities(arguments.community, by_id(templates))
    else:
        settings = CommunitySettings(
            arguments.law, arguments.richness, arguments.turnover, arguments.sigma, arguments.exponent,
            arguments.between_libraries,
        )  # fmt: skip
        drawn = draw_communities([template.id for template in templates], arguments.libraries, settings, rng)
        communities = {f"sample{number:02d}": community for number, community in enumerate(drawn, start=1)}
    libraries = [LibraryPlan(name, arguments.pairs, community) for name, community in communities.items()]
    return libraries + [
        LibraryPlan(f"blank{number:02d}", arguments.blank_pairs, {}, control="extraction_blank")
        for number in range(1, arguments.blanks + 1)
    ]


def _simulation(arguments: argparse.Namespace, marker: ResolvedMarker) -> Simulation:
    from abyssal.simulate.settings import Amplification, Mixing, Simulation

    return Simulation(
        marker.forward_primer,
        marker.reverse_primer,
        _sequencing(arguments),
        Amplification(
            cycles=arguments.cycles,
            efficiency_sd=arguments.efficiency_sd,
            error_rate=arguments.pcr_error_rate,
            chimera_rate=arguments.chimera_rate,
            three_parents=arguments.three_parents,
            reads_per_chimera=arguments.reads_per_chimera,
        ),
        Mixing(arguments.contamination, arguments.off_target, arguments.tag_jump_rate),
        arguments.compression,
    )


def _sequencing(arguments: argparse.Namespace) -> Sequencing:
    """Return the profile with the options that were given."""
    from abyssal.simulate.quality import load_quality_model
    from abyssal.simulate.settings import sequencing_profile

    sequencing = sequencing_profile(arguments.profile)
    if arguments.qualities is not None:
        sequencing = replace(sequencing, quality=load_quality_model(arguments.qualities))
    given = {
        "substitution_rate": arguments.error_rate,
        "indel_rate": arguments.indel_rate,
        "insertion_share": arguments.insertion_share,
        "homopolymer_growth": arguments.homopolymer_growth,
        "adapter_1": arguments.adapter_1,
        "adapter_2": arguments.adapter_2,
        "random_bases": arguments.random_bases,
        "flipped_share": arguments.flipped_share,
        "names": arguments.names,
    }
    sequencing = replace(sequencing, **{name: value for name, value in given.items() if value is not None})
    if arguments.read_length is not None:
        sequencing = replace(sequencing, read_length=arguments.read_length or None, trimmed=False)
    return sequencing


def _register_fit(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "fit-qualities",
        help="fit a quality model for abyssal simulate to FASTQ files",
        description="Learn how qualities follow each other; the model holds transition counts, no reads.",
    )
    parser.add_argument("reads", type=Path, nargs="+", help="FASTQ files; with --paired R1 R2 R1 R2 ...")
    parser.add_argument("-o", "--out", type=Path, required=True, help="model to write (.safetensors)")
    parser.add_argument("--paired", action="store_true", help="files are pairs of mates")
    parser.add_argument("--name", help="name of the model (default: that of the file)")
    parser.add_argument("--source", default="", help="origin and licence of the reads, stored in the model")
    _number(parser, "--strata", int, 6, "classes of reads by quality")
    _number(parser, "--single-bins", int, 12, "positions at the start with transitions of their own")
    _number(parser, "--bin-width", int, 12, "later positions that share transitions")
    _number(parser, "--min-length", int, 1, "shorter reads are left out, with their mates")
    _number(parser, "--max-length", int, 1000, "positions after this one are left out")
    parser.set_defaults(run=run_fit)


def run_fit(arguments: argparse.Namespace) -> None:
    """Run ``abyssal fit-qualities``."""
    from abyssal.errors import UsageError
    from abyssal.simulate.quality import fit_quality_model, save_quality_model

    mates = 2 if arguments.paired else 1
    if len(arguments.reads) % mates:
        message = f"--paired needs an even number of files (R1 R2 ...), found {len(arguments.reads)}"
        raise UsageError(message)
    libraries = [arguments.reads[i : i + mates] for i in range(0, len(arguments.reads), mates)]
    model = fit_quality_model(
        arguments.name or arguments.out.stem, arguments.source, libraries,
        strata=arguments.strata, single_bins=arguments.single_bins, bin_width=arguments.bin_width,
        min_length=arguments.min_length, max_length=arguments.max_length,
    )  # fmt: skip
    save_quality_model(model, arguments.out)
