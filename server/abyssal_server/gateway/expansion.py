"""Bodies read piece by piece under three caps: raw size, expanded size, expansion ratio."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from abyssal.errors import SequenceFormatError
from abyssal_server.errors import TooLarge
from abyssal_server.gateway.settings import GatewaySettings

GZIP_MAGIC = b"\x1f\x8b"
_PIECE = 64 << 10
_RATIO_LOOKED_AT_FROM = 1 << 20
_GZIP_FORMAT = 31


@dataclass(frozen=True)
class BodyLimits:
    """Caps on a body: bytes as sent, bytes expanded, and their ratio."""

    raw: int
    expanded: int
    ratio: float

    @classmethod
    def of(cls, settings: GatewaySettings) -> BodyLimits:
        """Return the caps in the settings."""
        return cls(settings.upload_bytes, settings.expanded_bytes, settings.expansion_ratio)


class Expander:
    """Takes a body in pieces and keeps it expanded; gzip is recognised by its first bytes, several members are one."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._raw = 0
        self._start = b""
        self._gzip: bool | None = None
        self._member: zlib._Decompress | None = None
        self._expanded = bytearray()

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body.

        Raises:
            TooLarge: a cap is passed; nothing beyond it has been expanded.
            SequenceFormatError: gzipped bytes are damaged.
        """
        self._raw += len(piece)
        if self._raw > self._limits.raw:
            message = f"the body is larger than {self._limits.raw} bytes"
            raise TooLarge(message, field="")
        if self._gzip is None:
            self._start += piece
            if len(self._start) < len(GZIP_MAGIC):
                return
            piece, self._start = self._start, b""
            self._gzip = piece.startswith(GZIP_MAGIC)
        for expanded in self._expand(piece) if self._gzip else (piece,):
            self._keep(expanded)

    def _expand(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            if self._member is None:
                piece = piece.lstrip(b"\0")  # padding that some tools write after the last member
                if not piece:
                    return
                self._member = zlib.decompressobj(_GZIP_FORMAT)
            try:
                yield self._member.decompress(piece, _PIECE)
            except zlib.error as error:
                message = f"body: the gzipped data are damaged ({error}); compress or send them again"
                raise SequenceFormatError(message) from error
            if self._member.eof:
                piece = self._member.unused_data
                self._member = None
            else:
                piece = self._member.unconsumed_tail

    def _keep(self, expanded: bytes) -> None:
        self._expanded += expanded
        size = len(self._expanded)
        if size > self._limits.expanded:
            message = f"the body is larger than {self._limits.expanded} bytes once expanded"
            raise TooLarge(message, field="")
        if size > _RATIO_LOOKED_AT_FROM and size > self._limits.ratio * self._raw:
            message = f"the body expands to more than {self._limits.ratio:g} times its size"
            raise TooLarge(message, field="")

    def finish(self) -> bytes:
        """Return the whole body, expanded.

        Raises:
            SequenceFormatError: gzipped bytes end too early.
        """
        if self._member is not None:
            message = "body: the gzipped data are cut short; compress or send them again"
            raise SequenceFormatError(message)
        return self._start + bytes(self._expanded)


async def expanded_body(pieces: AsyncIterator[bytes], limits: BodyLimits) -> bytes:
    """Return a body that arrives in pieces, expanded when it is gzipped; errors are the ``Expander``'s."""
    expander = Expander(limits)
    async for piece in pieces:
        expander.feed(piece)
    return expander.finish()
