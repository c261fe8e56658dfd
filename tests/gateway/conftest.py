"""Fixtures of the gateway's tests: a service whose speed the test controls, and gateways in front of it."""

from support.gateways import gateway
from support.service_fixtures import classifier, server, tiny_bundle

__all__ = ["classifier", "gateway", "server", "tiny_bundle"]
