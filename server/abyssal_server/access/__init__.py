"""Who calls, and what they may: the one place that looks at credentials, for gRPC and for REST.

A credential is an API key, a JSON web token or the admin token, sent as ``authorization: Bearer ...``. ``roles`` says
what a role may call, ``keys`` and ``tokens`` who has which role, ``gate`` puts them together, ``certificates`` holds
the service's own identity.
"""

from abyssal_server.access.gate import CALLER, Gate, bearer_token, gate_of
from abyssal_server.access.keys import ApiKey, KeyRing, new_key
from abyssal_server.access.roles import Caller, Role
from abyssal_server.access.secrets import read_admin_token

__all__ = [
    "CALLER",
    "ApiKey",
    "Caller",
    "Gate",
    "KeyRing",
    "Role",
    "bearer_token",
    "gate_of",
    "new_key",
    "read_admin_token",
]
