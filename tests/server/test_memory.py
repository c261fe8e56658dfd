"""Memory of the process: what stays is left out of garbage collections, what goes is collected all the same."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from abyssal_server.memory import settle


class Model:
    """Something that is part of a cycle."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_a_model_that_has_gone_is_collected_at_the_next_change() -> None:
    model = Model()
    gone = weakref.ref(model)
    settle()
    assert gc.get_freeze_count() > 1000
    del model
    gc.collect()
    assert gone() is not None
    settle()
    assert gone() is None


def test_collections_go_on_after_the_start() -> None:
    gc.disable()
    settle()
    assert gc.isenabled()
