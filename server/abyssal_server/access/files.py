"""Files with secrets that are read again when they change, so that a rotation needs no restart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from abyssal.errors import ConfigError

logger = logging.getLogger(__name__)
Value = TypeVar("Value")
_Stamp = tuple[tuple[int, int, int], ...]


class WatchedFiles(Generic[Value]):
    """What some files say now; a change that cannot be used is logged and leaves the last usable content in force.

    Args:
        paths: the files.
        read: returns their content; raises ConfigError when it cannot be used.

    Raises:
        ConfigError: they cannot be used at the start.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[], Value]) -> None:
        self._paths = paths
        self._read = read
        self._stamp = self._look()
        self._value = read()

    @property
    def value(self) -> Value:
        """The content."""
        return self.refreshed()[0]

    def refreshed(self) -> tuple[Value, bool]:
        """Return the content and whether this look found it changed."""
        stamp = self._look()
        if stamp == self._stamp:
            return self._value, False
        self._stamp = stamp
        try:
            self._value = self._read()
        except ConfigError as error:
            logger.warning("%s; what was read before stays in force", error)
            return self._value, False
        logger.info("read again: %s", ", ".join(map(str, self._paths)))
        return self._value, True

    def _look(self) -> _Stamp:
        try:
            found = [path.stat() for path in self._paths]
        except OSError:
            return ()
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)


def read_secret_file(path: Path, what: str) -> str:
    """Return a text file without the white space around it.

    Raises:
        ConfigError: it cannot be read or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: {what} cannot be read ({error}); expected a text file"
        raise ConfigError(message) from error
    if not text:
        message = f"{path}: is empty; expected {what}"
        raise ConfigError(message)
    return text
