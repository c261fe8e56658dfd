"""The report of one marker of a study, from its files to the page."""

from __future__ import annotations

from pathlib import Path

from abyssal.files import write_text
from abyssal.report.discovery_section import discovery_section
from abyssal.report.diversity_section import diversity_section
from abyssal.report.elements import Section
from abyssal.report.evaluation_section import evaluation_section, evaluation_verdicts
from abyssal.report.headline import make_headline
from abyssal.report.inputs import ReportFacts, ReportFiles, StudyResults, read_results
from abyssal.report.page import render_page
from abyssal.report.provenance_section import config_text, provenance_section
from abyssal.report.reads_section import controls_section, reads_section
from abyssal.report.reference_section import reference_section
from abyssal.report.regression_section import regression_section
from abyssal.report.taxa_section import taxa_section
from abyssal.report.truth_section import truth_section


def write_report(target: Path, inputs: ReportFiles, facts: ReportFacts) -> None:
    """Write ``report.html`` of one marker of a study."""
    write_text(target, render_report(read_results(inputs, facts)))


def render_report(results: StudyResults) -> str:
    """Return the whole page."""
    return render_page(
        f"{results.facts.study}: {results.facts.marker}",
        make_headline(results, evaluation_verdicts(results)),
        _sections(results),
        config_text=config_text(results.facts.config),
    )


def _sections(results: StudyResults) -> list[Section]:
    found: list[Section | None] = [
        reads_section(results),
        controls_section(results),
        taxa_section(results),
        diversity_section(results),
        evaluation_section(results),
        truth_section(results),
        regression_section(results),
        discovery_section(results),
        reference_section(results),
        provenance_section(results),
    ]
    return [section for section in found if section is not None]
