"""Fixtures of a running service, shared by the tests of the service and of its client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.serving import PacedClassifier, RunningServer, paced_model, running_server
from support.tiny_bundle import make_tiny_bundle


@pytest.fixture
def classifier() -> PacedClassifier:
    """A classifier whose speed the test controls."""
    return PacedClassifier()


@pytest.fixture
def server(classifier: PacedClassifier) -> Iterator[RunningServer]:
    """A service around that classifier."""
    with running_server(paced_model(classifier)) as running:
        yield running


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real bundle."""
    return make_tiny_bundle(tmp_path_factory.mktemp("tiny"))
