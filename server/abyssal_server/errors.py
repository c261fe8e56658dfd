"""What the service itself can refuse, beside the errors of the library."""

from __future__ import annotations

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
    """A model or taxonomy that is not loaded; ``kind`` and ``name`` say which."""

    def __init__(self, *, kind: str, name: str) -> None:
        super().__init__(f"no {kind} {name!r} is loaded; ask Models.ListModels for what is")
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
