"""Keys, tokens and roles on the real server: every method with every credential, unary and stream."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from support.credentials import key_file, private_pem, public_pem, signed
from support.serving import PacedClassifier, RunningServer, paced_model, rows_of, running_server

from abyssal.client import Access, AsyncClient, Client, ServiceError
from abyssal.errors import ConfigError
from abyssal.inference.kserve import kserve_pb2
from abyssal.inference.v1 import admin_pb2, classification_pb2, models_pb2
from abyssal_server.access import Gate, KeyRing, Role, new_key
from abyssal_server.access.keys import write_keys
from abyssal_server.access.roles import is_open, role_for
from abyssal_server.access.tokens import TokenVerifier
from abyssal_server.errors import Unauthenticated
from abyssal_server.settings import ServerSettings

pytestmark = pytest.mark.timeout(90)
ADMIN_TOKEN = "an admin token of forty characters or so"
READS = ["ACGTACGTAC", "CCGTACGTAC"]
PACKAGE = "abyssal.inference.v1"
FILES = (classification_pb2, models_pb2, admin_pb2, kserve_pb2)
METHODS = {
    f"/{service.full_name}/{method.name}": method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
NEEDED = {
    "Classification": Role.INFER,
    "Models": Role.READ,
    "ModelAdmin": Role.ADMIN,
    "GRPCInferenceService": Role.READ,
}
OPEN = ("/inference.GRPCInferenceService/ServerLive", "/inference.GRPCInferenceService/ServerReady")
Keys = Mapping[str, str]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    return {"file": str(path), **key_file(path)}


@pytest.fixture(scope="module")
def server(keys: Keys) -> Iterator[RunningServer]:
    with running_server(paced_model(PacedClassifier()), keys_file=keys["file"], admin_token=ADMIN_TOKEN) as running:
        yield running


def call(target: str, method: str, credential: str) -> grpc.StatusCode:
    """Call a method with an empty request and return how it ended."""
    descriptor = METHODS[method]
    streams = descriptor.client_streaming
    request = descriptor.input_type._concrete_class()
    metadata = [("authorization", f"Bearer {credential}")] if credential else []
    with grpc.insecure_channel(target) as channel:
        make = channel.stream_stream if streams else channel.unary_unary
        ask: Any = make(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=descriptor.output_type._concrete_class.FromString,
        )
        try:
            answered = ask(iter([request]) if streams else request, metadata=metadata, timeout=20)
            list(answered if streams else [answered])
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("credential", ["", "wrong", "read", "infer", "admin", "token"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_asks_for_its_role(server: RunningServer, keys: Keys, method: str, credential: str) -> None:
    wrong = keys["admin"][:-1] + ("A" if keys["admin"][-1] != "A" else "B")
    sent = {"": "", "wrong": wrong, "token": ADMIN_TOKEN}.get(credential) or keys.get(credential, "")
    needed = Role.INFER if method.endswith("/ModelInfer") else NEEDED[method.split("/")[1].rpartition(".")[2]]
    has = Role.ADMIN if credential == "token" else Role.named(credential)
    code = call(server.target, method, sent)
    if method in OPEN:
        assert code == grpc.StatusCode.OK
    elif has is None:
        assert code == grpc.StatusCode.UNAUTHENTICATED
    elif has < needed:
        assert code == grpc.StatusCode.PERMISSION_DENIED
    else:
        # An empty request may be refused for what it lacks, never for who sent it.
        assert code not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


def test_a_method_nobody_thought_of_is_for_admins() -> None:
    assert role_for(f"/{PACKAGE}.Classification/Classify") is Role.INFER
    assert role_for("/inference.GRPCInferenceService/ModelMetadata") is Role.READ
    assert role_for(f"/{PACKAGE}.Novelty/Method") is Role.ADMIN
    assert [method for method in METHODS if is_open(method)] == list(OPEN)


def test_clients_bring_their_key(server: RunningServer, keys: Keys) -> None:
    expected = rows_of(READS, PacedClassifier().classify(READS))
    with Client(server.target, access=Access(keys["infer"])) as client:
        assert rows_of(READS, client.classify(READS)) == expected
    with Client(server.target) as client, pytest.raises(ServiceError, match="credential") as refused:
        client.classify(READS)
    assert refused.value.code == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("way", ["own", "call"])
def test_async_client_brings_its_own_key_or_that_of_the_call(server: RunningServer, keys: Keys, way: str) -> None:
    async def classify() -> list[str]:
        bad = Access("abyssal_" + "0" * 16 + "_" + "x" * 43)
        async with AsyncClient(server.target, access=Access(keys["infer"]) if way == "own" else bad) as client:
            metadata = () if way == "own" else (("authorization", f"Bearer {keys['infer']}"),)
            await client.current_model(metadata=metadata)
            _, answers = await client.classify(READS, metadata=metadata)
            return rows_of(READS, answers)

    assert asyncio.run(classify()) == rows_of(READS, PacedClassifier().classify(READS))


def test_keys_are_added_and_withdrawn_while_the_service_runs(tmp_path: Path, run: Callable[..., Any]) -> None:
    path = tmp_path / "keys.json"
    first = run("keys", "add", "lab", "--role", "read", "--file", path)
    with running_server(paced_model(PacedClassifier()), keys_file=path) as running:
        target, classify = running.target, f"/{PACKAGE}.Classification/Classify"
        assert call(target, classify, first.out.strip()) == grpc.StatusCode.PERMISSION_DENIED
        second = run("keys", "add", "lab", "--file", path).out.strip()
        assert call(target, classify, second) == grpc.StatusCode.OK
        assert run("keys", "remove", "lab", "--file", path).code == 0
        assert call(target, classify, second) == grpc.StatusCode.UNAUTHENTICATED
        path.write_text("{}")
        assert call(target, classify, second) == grpc.StatusCode.UNAUTHENTICATED
    assert run("keys", "list", "--file", path).code == 2


def test_the_file_holds_no_key_and_is_for_its_owner(tmp_path: Path, run: Callable[..., Any]) -> None:
    path = tmp_path / "keys.json"
    made = run("keys", "add", "ada@example.org", "--role", "admin", "--file", path)
    key = made.out.strip()
    assert key not in made.err
    assert key.rpartition("_")[2] not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    identity, name, role = run("keys", "list", "--file", path).out.splitlines()[1].split("\t")
    assert (identity in key, name, role) == (True, "ada@example.org", "admin")
    assert run("keys", "remove", "nobody", "--file", path).code == 2
    assert run("keys", "add", "a b", "--file", path).code == 2


@pytest.mark.parametrize(
    "content",
    ["", "nonsense", "[]", '{"format": "abyssal-keys", "format_version": 2, "keys": []}',
     '{"format": "abyssal-keys", "format_version": 1, "keys": [{"id": "x"}]}'],
)  # fmt: skip
def test_a_file_that_is_no_key_file_is_refused_at_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"keys\.json"):
        ServerSettings.model_validate({"model_path": "x", "keys_file": path})


def test_comparison_looks_at_the_whole_hash(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = key_file(path)
    ring = KeyRing(path)
    assert ring.caller(keys["read"]).role is Role.READ  # type: ignore[union-attr]
    for position in range(len("abyssal_"), len(keys["read"])):
        changed = keys["read"][:position] + "~" + keys["read"][position + 1 :]
        assert ring.caller(changed) is None
    assert ring.caller("") is None
    assert ring.caller(new_key("other", Role.ADMIN)[0]) is None


@pytest.mark.parametrize(
    ("made", "algorithm"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), "RS256"),
        (lambda: ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate, "EdDSA"),
    ],
)
def test_tokens_of_each_kind_and_their_roles(tmp_path: Path, made: Callable[[], Any], algorithm: str) -> None:
    key, path = made(), tmp_path / "key.pem"
    path.write_bytes(public_pem(key))
    tokens = TokenVerifier(path, audience="abyssal", issuer="https://sso.example.org")
    issuer = "https://sso.example.org"
    caller = tokens.caller(signed(key, algorithm, iss=issuer, role=None, roles=["read", "admin", "cook"]))
    assert (caller.id, caller.role) == ("jwt:ada", Role.ADMIN)
    now = int(time.time())
    bad = [
        {"exp": now - 60}, {"exp": None}, {"aud": "other"}, {"aud": None}, {"iss": "https://evil.example"},
        {"sub": None}, {"role": None}, {"role": "root"}, {"nbf": now + 300},
    ]  # fmt: skip
    for claims in bad:
        with pytest.raises(Unauthenticated):
            tokens.caller(signed(key, algorithm, **{"iss": issuer, **claims}))
    with pytest.raises(Unauthenticated):
        tokens.caller(signed(made(), algorithm, iss=issuer))


def test_a_token_never_chooses_how_it_is_checked(tmp_path: Path) -> None:
    key, path = rsa.generate_private_key(65537, 2048), tmp_path / "key.pem"
    path.write_bytes(public_pem(key))
    tokens = TokenVerifier(path, audience="abyssal")
    claims = {"sub": "eve", "aud": "abyssal", "exp": int(time.time()) + 60, "role": "admin"}
    unsigned = jwt.encode(claims, None, algorithm="none")  # type: ignore[arg-type]

    def part(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    body = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    mac = hmac.new(public_pem(key), body, hashlib.sha256).digest()
    confused = (body + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()
    for token in (unsigned, confused, signed(key, "RS512"), "a.b.c", ".."):
        with pytest.raises(Unauthenticated):
            tokens.caller(token)


def test_tokens_on_the_running_service_follow_a_new_key(tmp_path: Path) -> None:
    path, secret = tmp_path / "secret", "a shared secret that is longer than 32 letters"
    path.write_text(secret)
    stream = f"/{PACKAGE}.Classification/ClassifyStream"
    with running_server(paced_model(PacedClassifier()), jwt_key_file=path) as running:
        token = signed(secret, "HS256")
        assert call(running.target, stream, token) == grpc.StatusCode.INVALID_ARGUMENT
        assert call(running.target, stream, signed(secret, "HS256", role="read")) == grpc.StatusCode.PERMISSION_DENIED
        assert call(running.target, f"/{PACKAGE}.ModelAdmin/GetStatus", token) == grpc.StatusCode.PERMISSION_DENIED
        assert call(running.target, stream, "") == grpc.StatusCode.UNAUTHENTICATED
        path.write_text(secret[::-1])
        os.utime(path, ns=(1, 1))
        assert call(running.target, stream, token) == grpc.StatusCode.UNAUTHENTICATED
        assert call(running.target, stream, signed(secret[::-1], "HS256")) == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("content", ["short", "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", ""])
def test_a_key_that_checks_no_token_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(ConfigError, match=str(path)):
        TokenVerifier(path, audience="abyssal")


def test_the_private_key_is_not_taken_for_the_public_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(private_pem(ed25519.Ed25519PrivateKey.generate()))
    with pytest.raises(ConfigError, match="never the private one"):
        TokenVerifier(path, audience="abyssal")


def test_admin_does_not_start_without_a_credential(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without a credential"):
        ServerSettings.model_validate({"model_path": "x", "admin": True})
    path = tmp_path / "keys.json"
    write_keys(path, [new_key("a", Role.INFER)[1]])
    with pytest.raises(ConfigError, match="without a credential"):
        ServerSettings.model_validate({"model_path": "x", "admin": True, "keys_file": path})
    key_file(path)
    ServerSettings.model_validate({"model_path": "x", "admin": True, "keys_file": path})


def test_without_keys_everybody_classifies_and_nobody_changes_models() -> None:
    gate = Gate()
    assert gate.open
    assert not gate.has_admin
    assert gate.admit(f"/{PACKAGE}.Classification/Classify", [], "ipv4:1").id == "ipv4:1"
    with pytest.raises(Unauthenticated):
        gate.admit(f"/{PACKAGE}.ModelAdmin/Refresh", [("authorization", "Bearer x")], "ipv4:1")
    with running_server(paced_model(PacedClassifier())) as running:
        assert call(running.target, f"/{PACKAGE}.ModelAdmin/Refresh", "x") in (
            grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAUTHENTICATED
        )  # fmt: skip


def test_loopback_unless_said_otherwise() -> None:
    settings = ServerSettings.read({"MODEL_PATH": "x"})
    assert settings.host == "127.0.0.1"
    assert settings.exposed() == []
    seen = " ".join(ServerSettings.read({"MODEL_PATH": "x", "ABYSSAL_HOST": "0.0.0.0"}).exposed())
    assert "may classify" in seen
    assert "unencrypted" in seen
