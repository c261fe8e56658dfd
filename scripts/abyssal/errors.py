"""Errors that a user can act on.

A message says what is wrong, where (file, line or row), what was expected and how to mend it. Only the process edge
(``abyssal.cli``, the entry scripts, the service) catches these; everything else is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class AbyssalError(Exception):
    """Base of every error meant for a user; ``exit_code`` is what a command ends with."""

    exit_code = 1


class UsageError(AbyssalError):
    """The user asked for something that cannot be: a wrong option, a path that is not there."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration has a key or a value that is not allowed."""


class SampleSheetError(UsageError):
    """The sample sheet has one or more wrong cells; the message and ``problems`` (row, column, text) list all."""

    def __init__(self, message: str, problems: Sequence[tuple[int, str, str]] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class DataError(AbyssalError):
    """A file is broken: truncated, malformed, or not what its name says."""


class SequenceFormatError(DataError):
    """A FASTA or FASTQ file is malformed."""


class ReferenceFormatError(DataError):
    """A reference's sequences or lineages are malformed."""


class LedgerError(DataError):
    """Reads went in that did not come out and that no step reported as lost."""


class BundleError(DataError):
    """A bundle is incomplete, altered, or of a format this version cannot read."""


class StoreError(AbyssalError):
    """A metadata or object store does not answer, or holds what this version cannot read."""


class ToolError(AbyssalError):
    """An external tool is missing or failed."""


class ToolTimeoutError(ToolError):
    """An external tool did not end in the time it was given."""
