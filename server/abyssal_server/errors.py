"""What the service itself can refuse, beside the errors of the library."""

from __future__ import annotations

from collections.abc import Sequence

from abyssal.errors import AbyssalError, UsageError


class InvalidRequest(UsageError):
    """A request that can never succeed; ``field`` is the path of the offending value."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class TooLarge(InvalidRequest):
    """A request beyond a published limit on size or count."""


class UnsupportedMedia(InvalidRequest):
    """A body of a media type or encoding that the gateway does not read."""


class NotFound(AbyssalError):
    """A model or taxonomy that is not resident; ``kind`` and ``name`` say which, ``choices`` what there is."""

    def __init__(self, *, kind: str, name: str, choices: Sequence[str] = ()) -> None:
        there = f"the choices are {'; '.join(choices)}" if choices else "ask Models.ListModels for what is"
        super().__init__(f"no {kind} {name[:100]!r} is resident; {there}")
        self.kind = kind
        self.name = name


class Missing(NotFound):
    """Something that is kept, not loaded, and is not there."""

    def __init__(self, *, kind: str, name: str) -> None:
        AbyssalError.__init__(self, f"there is no {kind} {name[:100]!r}")
        self.kind = kind
        self.name = name


class RetryLater(AbyssalError):
    """A request that may succeed after ``retry_after`` seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(RetryLater):
    """All room for waiting reads or calls is taken."""


class NotReady(RetryLater):
    """No model is loaded yet."""


class Draining(RetryLater):
    """The service is shutting down and accepts nothing new."""


class DeadlinePassed(AbyssalError):
    """The caller's deadline passed before its reads were computed."""


class NotPossible(AbyssalError):
    """A request that makes sense, but not in the state that the service is in."""


class Conflict(AbyssalError):
    """Somebody else has changed what the request wanted to change."""


class Unauthenticated(AbyssalError):
    """A call without a credential, or with one that nobody gave out."""


class Forbidden(AbyssalError):
    """A call whose credential does not allow it."""
