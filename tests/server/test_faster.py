"""When a service looks for a faster engine."""

from __future__ import annotations

import threading
from dataclasses import replace

import grpc
from support.serving import PacedClassifier, paced_model, running_store

from abyssal.inference.v1 import admin_pb2, admin_pb2_grpc, common_pb2
from abyssal_server.models import LoadedModel

TOKEN = "an admin token of forty characters or so"
CREDENTIALS = (("authorization", f"Bearer {TOKEN}"),)


class Slow:
    """A store of models whose faster engines are found when the test says so."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.looked: list[str] = []
        self.at_once: list[int] = []
        self._looking: list[str] = []

    def open(self, location: str) -> LoadedModel:
        """Return the model of this name."""
        found = paced_model(PacedClassifier(), digest=location * 64)
        identity, faster = common_pb2.Model(), common_pb2.Model()
        identity.CopyFrom(found.identity)
        identity.name = location
        faster.CopyFrom(identity)
        faster.engine = "faster"

        def look() -> LoadedModel:
            self.looked.append(location)
            self._looking.append(location)
            self.at_once.append(len(self._looking))
            self.go.wait(60)
            self._looking.remove(location)
            return replace(found, identity=faster)

        return replace(found, identity=identity, faster=look)

    def load(self, opened: LoadedModel) -> LoadedModel:
        """Return it."""
        return opened


def test_one_look_at_a_time_and_none_for_models_that_are_gone() -> None:
    store = Slow()
    with running_store(store, "a,b", admin_token=TOKEN) as running, grpc.insecure_channel(running.target) as channel:
        admin = admin_pb2_grpc.ModelAdminStub(channel)
        admin.LoadModel(admin_pb2.LoadModelRequest(location="c"), metadata=CREDENTIALS)
        admin.UnloadModel(admin_pb2.UnloadModelRequest(digest="c" * 64), metadata=CREDENTIALS)
        store.go.set()
        running.wait_until(
            lambda server: {one.model.identity.engine for one in server.residents.all()} == {"faster"}, seconds=60
        )
    assert (sorted(store.looked), set(store.at_once)) == (["a", "b"], {1})
