"""What a job's programs wrote, in pieces that any gateway can read while the job runs anywhere."""

from __future__ import annotations

from abyssal.stores.collections import JOB_LOGS
from abyssal.stores.documents import ID, DocumentStore, Span, Where

PIECE_CHARACTERS = 32_000
MOST_PIECES = 400
_PAGE = 200


class JobLog:
    """The log of one job; one process writes at a time, the next goes on behind it."""

    def __init__(self, store: DocumentStore, job: str) -> None:
        self._store = store
        self._job = job

    def append(self, text: str) -> None:
        """Add text; beyond the most pieces it is left out, and the last piece says so."""
        last = self._store.find(JOB_LOGS, {"job": self._job}, order="number", descending=True, limit=1)
        number = int(last[0]["number"]) + 1 if last else 1
        # A NUL ends a text in some databases, half a surrogate pair is none.
        clean = text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8", "replace")
        for start in range(0, len(clean), PIECE_CHARACTERS):
            piece = clean[start : start + PIECE_CHARACTERS]
            if number > MOST_PIECES:
                return
            if number == MOST_PIECES:
                piece = "[the log is longer than what is kept; the rest is left out]\n"
            self._store.put(
                JOB_LOGS, {ID: f"{self._job}:{number:06d}", "job": self._job, "number": number, "text": piece}
            )
            number += 1

    def after(self, number: int) -> tuple[str, int]:
        """Return the text behind a piece (0: from the start) and the number of its last piece."""
        text = []
        while True:
            where: Where = {"job": self._job, "number": Span(at_least=number + 1)}
            found = self._store.find(JOB_LOGS, where, order="number", limit=_PAGE)
            text += [str(piece["text"]) for piece in found]
            number = int(found[-1]["number"]) if found else number
            if len(found) < _PAGE:
                return "".join(text), number

    def delete(self) -> None:
        """Forget it."""
        self._store.delete(JOB_LOGS, {"job": self._job})
