"""Commands that need more than the library: what they import comes with an extra of the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from abyssal.errors import UsageError


@contextmanager
def needs(part: str, extra: str) -> Iterator[None]:
    """Import ``part`` of Abyssal inside this block.

    Raises:
        UsageError: a package is missing; the message names it and the extra that brings it.
    """
    try:
        yield
    except ImportError as error:
        message = f"the {part} is not installed ({error.name} is missing); install abyssal[{extra}]"
        raise UsageError(message) from error
