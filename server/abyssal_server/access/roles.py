"""Roles, callers, and which role each gRPC method needs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from abyssal_server.errors import Forbidden, Unauthenticated


class Role(IntEnum):
    """What a caller may do; a higher role may do all that a lower one may."""

    READ = 1
    INFER = 2
    ADMIN = 3

    @classmethod
    def named(cls, name: str) -> Role | None:
        """Return the role of a name as users write it (``read``, ``infer``, ``admin``), None for any other text."""
        return next((role for role in cls if role.word == name), None)

    @property
    def word(self) -> str:
        """The name as users write it."""
        return self.name.lower()


@dataclass(frozen=True)
class Caller:
    """Who calls.

    Attributes:
        id: calls of one id share one turn in the queue and one name in the usage log.
        role: what they may do.
        known: whether a credential said so; nobody has to have one in a service without keys.
    """

    id: str
    role: Role = Role.INFER
    known: bool = True

    def require(self, role: Role) -> None:
        """Check that the caller may do what needs ``role``.

        Raises:
            Unauthenticated: nobody knows who calls, and more than everybody may is asked for.
            Forbidden: the caller is known and may not.
        """
        if self.role >= role:
            return
        if not self.known:
            message = f"this needs a credential with the role {role.word}; send `authorization: Bearer KEY`"
            raise Unauthenticated(message)
        message = f"this needs the role {role.word}; {self.id} has the role {self.role.word}"
        raise Forbidden(message)


_ROLES = {
    "/abyssal.inference.v1.Classification/": Role.INFER,
    "/abyssal.inference.v1.Models/": Role.READ,
    "/abyssal.inference.v1.ModelAdmin/": Role.ADMIN,
    "/inference.GRPCInferenceService/": Role.READ,
    "/inference.GRPCInferenceService/ModelInfer": Role.INFER,
}
"""By the longest prefix of a method's path; methods that no row names are for admins."""

_OPEN = (
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1alpha.ServerReflection/",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
)
"""What probes and tools call before they have a credential; it says nothing about models or reads."""


def is_open(method: str) -> bool:
    """Return whether ``/package.Service/Method`` is answered without a look at who calls."""
    return method.startswith(_OPEN)


def role_for(method: str) -> Role:
    """Return the role that ``/package.Service/Method`` needs."""
    fitting = [prefix for prefix in _ROLES if method.startswith(prefix)]
    return _ROLES[max(fitting, key=len)] if fitting else Role.ADMIN
