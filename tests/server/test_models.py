"""Several models side by side: which one answers, how it changes under load, and who may change it."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.serving import OneModel, PacedClassifier, RunningServer, paced_model, rows_of, running_store

from abyssal.client import AsyncClient, Client, ServiceError
from abyssal.errors import BundleError, ConfigError, UsageError
from abyssal.inference.v1 import admin_pb2, admin_pb2_grpc, classification_pb2, classification_pb2_grpc, common_pb2
from abyssal.taxonomy.classifications import Classifications, ReadErrorCode, Source
from abyssal_server.models import BundleStore, LoadedModel
from abyssal_server.settings import ServerSettings

pytestmark = pytest.mark.timeout(120)
READS = [f"ACGTACGT{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}{'ACGT'[i // 16 % 4]}" for i in range(64)]
TOKEN = "an admin token of forty characters or so"
CREDENTIALS = (("authorization", f"Bearer {TOKEN}"),)


def model(name: str, version: str, marker: str, classifier: PacedClassifier | None = None) -> LoadedModel:
    """Return a model whose digest says what it is."""
    made = paced_model(classifier or PacedClassifier(), digest=f"{name}-{version}".ljust(64, "0"))
    identity = common_pb2.Model()
    identity.CopyFrom(made.identity)
    identity.name, identity.version, identity.marker = name, version, marker
    return replace(made, identity=identity)


class PickyClassifier(PacedClassifier):
    """Rejects every read that does not begin with its letters."""

    def __init__(self, letters: str) -> None:
        super().__init__()
        self._letters = letters

    def classify(self, sequences: list[str], **settings: object) -> Classifications:  # type: ignore[override]
        """Answer each sequence."""
        answers = super().classify(sequences)
        for row, sequence in enumerate(sequences):
            if not sequence.startswith(self._letters) and answers.errors[row] is None:
                answers.source[row], answers.accepted[row] = int(Source.REJECTED), -1
        return answers


class Shelf:
    """A store whose locations a test fills; an error at a location is raised when it is loaded."""

    def __init__(self, **models: LoadedModel | Exception) -> None:
        self.models = dict(models)
        self.loaded: list[str] = []

    class Opened:
        """What is at a location."""

        def __init__(self, location: str, content: LoadedModel | Exception) -> None:
            self.location, self.content = location, content
            self.digest = content.digest if isinstance(content, LoadedModel) else "broken"

    def open(self, location: str) -> Opened:
        """Return what is there now."""
        if location not in self.models:
            message = f"{location}: no bundle there"
            raise BundleError(message)
        return self.Opened(location, self.models[location])

    def load(self, opened: Opened) -> LoadedModel:
        """Return the model."""
        self.loaded.append(opened.location)
        if isinstance(opened.content, Exception):
            raise opened.content
        return opened.content


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(
        v4=model("v4", "1", "18S-V4", PickyClassifier("A")),
        coi=model("coi", "7", "COI", PickyClassifier("C")),
        fish=model("fish", "1", "12S", PickyClassifier("CC")),
    )


@pytest.fixture
def server(shelf: Shelf) -> Iterator[RunningServer]:
    with running_store(shelf, "v4,coi,fish", admin_token=TOKEN) as running:
        yield running


@pytest.fixture
def channel(server: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.target) as opened:
        yield opened


def admin_call(channel: grpc.Channel, method: str, **fields: object) -> object:
    """Call ModelAdmin with the credential."""
    stub = admin_pb2_grpc.ModelAdminStub(channel)
    request = getattr(admin_pb2, f"{method}Request")(**fields)
    return getattr(stub, method)(request, metadata=CREDENTIALS)


def test_a_request_chooses_by_name_version_label_or_marker(server: RunningServer) -> None:
    with Client(server.target) as client:
        assert client.current_model().name == "v4"
        assert client.current_model(model="coi").marker == "COI"
        assert client.current_model(model="coi@7").name == "coi"
        assert client.current_model(model="coi@current").name == "coi"
        assert client.current_model(marker="12S").name == "fish"
        assert [one.name for one in client.models()] == ["v4", "coi", "fish"]
        answers = client.classify(["CCGTACGTAC"], marker="COI")
        assert answers.errors == [None]


@pytest.mark.parametrize(
    "choice", [{"model": "its"}, {"model": "v4@9"}, {"marker": "ITS"}, {"model": "v4", "marker": "COI"},
               {"model": "v4@previous"}],
)  # fmt: skip
def test_an_unknown_choice_lists_what_there_is(server: RunningServer, choice: dict[str, str]) -> None:
    with Client(server.target) as client, pytest.raises(ServiceError) as unknown:
        client.classify(READS[:1], **choice)  # type: ignore[arg-type]
    assert unknown.value.code == grpc.StatusCode.NOT_FOUND
    for there in ("v4@1 (marker 18S-V4, current)", "coi@7", "fish@1 (marker 12S"):
        assert there in str(unknown.value)


def test_reads_of_another_marker_are_rejected_as_such(server: RunningServer) -> None:
    reads = ["ACGTACGTAC", "CAGTACGTAC", "GGGTACGTAC", "ACG"]
    with Client(server.target) as client:
        answers = client.classify(reads)
    codes = [error and error.code for error in answers.errors]
    assert codes == [None, ReadErrorCode.WRONG_MARKER, None, ReadErrorCode.TOO_SHORT]
    assert answers.errors[1] is not None
    assert answers.errors[1].marker == "COI"
    assert answers.source.tolist() == [Source.MODEL, Source.REJECTED, Source.REJECTED, Source.REJECTED]


def test_health_answers_for_services_and_models(server: RunningServer, channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    statuses = health.List(health_pb2.HealthListRequest()).statuses
    serving = health_pb2.HealthCheckResponse.SERVING
    names = {"", "model/v4", "model/coi", "model/fish", *(f"abyssal.inference.v1.{s}" for s in
             ("Classification", "Models", "ModelAdmin"))}  # fmt: skip
    assert {name for name, status in statuses.items() if status.status == serving} == names
    assert health.Check(health_pb2.HealthCheckRequest(service="model/coi")).status == serving
    with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
        health.Check(health_pb2.HealthCheckRequest(service="model/its"))


def test_admin_needs_the_token(channel: grpc.Channel) -> None:
    stub = admin_pb2_grpc.ModelAdminStub(channel)
    for metadata in ((), (("authorization", "Bearer " + TOKEN[:-1]),), (("authorization", TOKEN),)):
        with pytest.raises(grpc.RpcError) as refused:
            stub.ListModelStates(admin_pb2.ListModelStatesRequest(), metadata=metadata)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert len(admin_call(channel, "ListModelStates").states) == 3  # type: ignore[attr-defined]


def test_without_a_credential_there_is_no_admin(shelf: Shelf, tmp_path: Path) -> None:
    with (
        running_store(shelf, "v4") as running,
        grpc.insecure_channel(running.target) as opened,
        pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"),
    ):
        admin_call(opened, "ListModelStates")
    with pytest.raises(ConfigError, match="without a credential"):
        ServerSettings.read({"MODEL_PATH": "a", "ABYSSAL_ADMIN": "1"})
    with pytest.raises(ConfigError, match="expected 32"):
        ServerSettings.read({"MODEL_PATH": "a", "ABYSSAL_ADMIN_TOKEN": "short"})
    (tmp_path / "token").write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        ServerSettings.read({"MODEL_PATH": "a"}, admin_token_file=str(tmp_path / "token"))
    hashed = "sha256:" + "0" * 64
    assert hashed not in ServerSettings.read({"MODEL_PATH": "a", "ABYSSAL_ADMIN_TOKEN": hashed}).model_dump_json()


def test_load_activate_rollback_unload(server: RunningServer, shelf: Shelf, channel: grpc.Channel) -> None:
    shelf.models["next"] = model("v4", "2", "18S-V4")
    state = admin_call(channel, "LoadModel", location="next").state  # type: ignore[attr-defined]
    assert list(state.model.labels) == []
    with Client(server.target) as client:
        assert client.current_model().version == "1"
        assert client.current_model(model="v4@2").version == "2"
        old = client.current_model()
        with pytest.raises(grpc.RpcError) as conflict:
            admin_call(channel, "ActivateModel", digest=state.model.digest, expected_digest="f" * 64)
        assert conflict.value.code() == grpc.StatusCode.ABORTED
        for _ in range(2):
            admin_call(channel, "ActivateModel", digest=state.model.digest, expected_digest="")
            assert client.current_model().version == "2"
            assert client.current_model(model="v4@previous").digest == old.digest
        admin_call(channel, "RollbackModel", name="v4")
        assert client.current_model().version == "1"
        with pytest.raises(grpc.RpcError, match="FAILED_PRECONDITION"):
            admin_call(channel, "UnloadModel", digest=old.digest)
        admin_call(channel, "UnloadModel", digest=state.model.digest)
        with pytest.raises(ServiceError, match="v4@2"):
            client.current_model(model="v4@2")
        with pytest.raises(grpc.RpcError, match="no way back"):
            admin_call(channel, "RollbackModel", name="v4")


@pytest.mark.parametrize("activate", [False, True])
def test_a_model_that_fails_its_checks_never_answers(
    server: RunningServer, shelf: Shelf, channel: grpc.Channel, *, activate: bool
) -> None:
    shelf.models["v4"] = BundleError("golden.tsv: sequence 'A0021' is answered differently")
    with pytest.raises(grpc.RpcError) as refused:
        admin_call(channel, "LoadModel", location="v4", activate=activate)
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "A0021" in refused.value.details()
    states = admin_call(channel, "Refresh").states  # type: ignore[attr-defined]
    assert [state.phase for state in states] == [4, 2, 2]
    assert "A0021" in states[0].reason
    with Client(server.target) as client:
        assert client.current_model().digest.startswith("v4-1")
        assert len(client.classify(READS)) == 64


def test_refresh_follows_the_locations_and_loads_only_what_changed(
    server: RunningServer, shelf: Shelf, channel: grpc.Channel
) -> None:
    shelf.loaded.clear()
    shelf.models["coi"] = model("coi", "8", "COI")
    admin_call(channel, "Refresh")
    assert shelf.loaded == ["coi"]
    with Client(server.target) as client:
        assert client.current_model(model="coi").version == "8"
        assert client.current_model(model="v4").version == "1"


def test_a_stream_ends_with_the_model_it_began_with(server: RunningServer, shelf: Shelf, channel: grpc.Channel) -> None:
    def change(version: str) -> None:
        shelf.models["next"] = model("v4", version, "18S-V4")
        admin_call(channel, "LoadModel", location="next", activate=True)

    with Client(server.target, chunk_reads=4) as client:
        before = client.current_model().digest
        answers = client.classify_stream(READS[start : start + 4] for start in range(0, 64, 4))
        next(answers)
        for version in ("2", "3", "4"):
            change(version)
        draining = [s for s in admin_call(channel, "ListModelStates").states if s.phase == 3]  # type: ignore[attr-defined]
        assert [(state.model.digest, state.calls) for state in draining] == [(before, 1)]
        assert len(list(answers)) == 15
        server.wait_until(lambda running: before not in running.residents)
        assert client.current_model().version == "4"


async def _classify_until(stop: asyncio.Event, client: AsyncClient, digests: set[str]) -> int:
    done = 0
    expected = rows_of(READS, PacedClassifier().classify(READS))
    while not stop.is_set():
        stream = client.classify_stream([READS[:20], READS[20:40], READS[40:]])
        rows = []
        start = 0
        async for answers in stream:
            rows += rows_of(READS[start : start + len(answers)], answers)
            start += len(answers)
        assert rows == expected
        assert stream.model is not None
        digests.add(stream.model.digest)
        model_info, answers = await client.classify(READS)
        assert rows_of(READS, answers) == expected
        digests.add(model_info.digest)
        done += 2
    return done


async def _switch(target: str, times: int) -> tuple[int, set[str]]:
    stop = asyncio.Event()
    digests: set[str] = set()
    async with AsyncClient(target) as client, grpc.aio.insecure_channel(target) as channel:
        admin = admin_pb2_grpc.ModelAdminStub(channel)
        tasks = [asyncio.create_task(_classify_until(stop, client, digests)) for _ in range(4)]
        locations = itertools.cycle(["a", "b", "c"])
        for number in range(times):
            if number % 4 == 3:
                await admin.RollbackModel(admin_pb2.RollbackModelRequest(name="v4"), metadata=CREDENTIALS)
            else:
                request = admin_pb2.LoadModelRequest(location=next(locations), activate=True)
                await admin.LoadModel(request, metadata=CREDENTIALS)
            await client.classify(READS[:3])
        stop.set()
        return sum(await asyncio.gather(*tasks)), digests


@pytest.mark.parametrize("times", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_switches_under_load_fail_no_call(times: int) -> None:
    shelf = Shelf(**{name: model("v4", name, "18S-V4", PacedClassifier(0.002)) for name in "abc"})
    with running_store(shelf, "a", admin_token=TOKEN, remembered_reads=0) as running:
        calls, digests = asyncio.run(_switch(running.target, times))
        running.wait_until(lambda server: server.calls.active == 0)
        assert all(resident.calls == 0 for resident in running.server.residents.all())
    assert calls >= 4
    assert len(digests) == 3


def test_two_bundles_of_one_name_are_refused(shelf: Shelf) -> None:
    shelf.models["twin"] = model("v4", "2", "18S-V4")
    with pytest.raises(Exception, match="both hold a bundle named v4"), running_store(shelf, "v4,twin"):
        pass


def test_too_many_models_are_refused_and_the_old_ones_go_on(shelf: Shelf) -> None:
    with (
        running_store(shelf, "v4,coi", admin_token=TOKEN, resident_models=2) as running,
        grpc.insecure_channel(running.target) as channel,
    ):
        with pytest.raises(grpc.RpcError) as full:
            admin_call(channel, "LoadModel", location="fish")
        assert full.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        stub = classification_pb2_grpc.ClassificationStub(channel)
        assert stub.Classify(classification_pb2.ClassifyRequest(sequences=[b"ACGTACGTAC"])).answers.reads == 1


def test_unknown_choice_names_the_resource(channel: grpc.Channel) -> None:
    config = classification_pb2.ClassifyConfig(model=common_pb2.ModelSelector(name="its"))
    with pytest.raises(grpc.RpcError) as unknown:
        classification_pb2_grpc.ClassificationStub(channel).Classify(classification_pb2.ClassifyRequest(config=config))
    raw = dict(unknown.value.trailing_metadata())["grpc-status-details-bin"]
    resource = error_details_pb2.ResourceInfo()
    assert any(packed.Unpack(resource) for packed in status_pb2.Status.FromString(raw).details)
    assert (resource.resource_type, resource.resource_name) == ("model", "its")


@pytest.mark.parametrize("choice", [{"name": "x" * 50_000}, {"version": "\U0001f41f" * 9000}, {"marker": "a\n" * 9000}])
def test_a_long_name_is_not_found_instead_of_breaking_the_call(channel: grpc.Channel, choice: dict[str, str]) -> None:
    config = classification_pb2.ClassifyConfig(model=common_pb2.ModelSelector(**choice))
    with pytest.raises(grpc.RpcError) as unknown:
        classification_pb2_grpc.ClassificationStub(channel).Classify(classification_pb2.ClassifyRequest(config=config))
    assert unknown.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "location", ["", "x" * 1000, "y" * 100_000, "/tmp\0/x", "a\nb", "../../..", "s3://", "/etc/passwd"]
)
def test_a_location_that_cannot_be_is_the_callers_mistake(tmp_path: Path, location: str) -> None:
    store = OneModel(paced_model(PacedClassifier()))
    with (
        running_store(store, "here", admin_token=TOKEN) as running,
        grpc.insecure_channel(running.target) as channel,
    ):
        store.open = BundleStore(tmp_path).open  # type: ignore[method-assign,assignment]
        with pytest.raises(grpc.RpcError) as refused:
            admin_call(channel, "LoadModel", location=location)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_status_says_what_is_done_without(shelf: Shelf) -> None:
    with (
        running_store(shelf, "v4", admin_token=TOKEN, redis_url="redis://127.0.0.1:1/0") as running,
        grpc.insecure_channel(running.target) as channel,
        Client(running.target) as client,
    ):
        client.classify(READS)
        components = {one.name: one for one in admin_call(channel, "GetStatus").components}  # type: ignore[attr-defined]
        assert not components["cache"].healthy
        assert "out of order" in components["cache"].detail
        assert components["usage"].healthy
        assert threading.active_count() < 60


def test_a_gpu_that_is_not_there_is_the_users_mistake(tiny_bundle: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    store = BundleStore(tmp_path, "cuda")
    with pytest.raises(UsageError, match="no GPU"):
        store.load(store.open(str(tiny_bundle)))
    store = BundleStore(tmp_path, "auto")
    assert store.load(store.open(str(tiny_bundle))).identity.engine == "torch-fp32"
