"""Fixtures of the service's tests."""

from support.service_fixtures import classifier, server, tiny_bundle

__all__ = ["classifier", "server", "tiny_bundle"]
