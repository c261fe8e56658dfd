"""Who may what: keys, logins, forged requests, limits, and what admins did."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.credentials import key_file, signed
from support.gateways import ADMIN, running_gateway
from support.serving import RunningServer

from abyssal_server.access import Role
from abyssal_server.access.keys import read_keys, write_keys

pytestmark = pytest.mark.timeout(60)
Keys = dict[str, str]
DATASET = {"name": "x", "files": []}
LEEWAY_SECONDS = 30
"""By which the clocks of hosts may differ when a token's end is looked at."""


@pytest.fixture
def closed(server: RunningServer, tmp_path: Path) -> Iterator[tuple[httpx.Client, Keys]]:
    """A gateway that nobody may use without a key."""
    path = tmp_path / "keys.json"
    keys = key_file(path)
    with running_gateway(server.target, keys_file=path, logins_per_minute=5) as client:
        yield client, keys


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_roles_open_what_is_theirs(closed: tuple[httpx.Client, Keys]) -> None:
    client, keys = closed
    refused = client.get("/jobs")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert client.get("/jobs", headers=bearer("abyssal_0123456789abcdef_" + "x" * 43)).status_code == 401
    expected = {"read": (200, 403, 403), "infer": (200, 201, 403), "admin": (200, 201, 422)}
    for role, statuses in expected.items():
        headers = bearer(keys[role])
        found = (
            client.get("/jobs", headers=headers).status_code,
            client.post("/datasets", json=DATASET, headers=headers).status_code,
            client.post("/jobs/train", json={"dataset": "0" * 32}, headers=headers).status_code,
        )
        assert found == statuses, role
    assert client.get("/healthz").status_code == 200


def test_a_login_needs_its_token_to_change_things(closed: tuple[httpx.Client, Keys]) -> None:
    client, keys = closed
    assert client.get("/session").json()["caller"]["role"] is None
    login = client.post("/session", json={"key": keys["infer"]})
    cookie = login.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {word.strip() for word in cookie.split(";")}
    session = client.get("/session").json()
    assert session["caller"]["role"] == "infer"
    token = {"X-CSRF-Token": session["csrf_token"]}
    assert client.post("/datasets", json=DATASET).status_code == 403
    assert client.post("/datasets", json=DATASET, headers={"X-CSRF-Token": "é".encode()}).status_code == 403
    assert client.post("/datasets", json=DATASET, headers=token).status_code == 201
    assert client.post("/jobs/train", json={"dataset": "0" * 32}, headers=token).status_code == 403
    assert client.delete("/session").status_code == 204
    assert client.get("/jobs").status_code == 401


def test_a_withdrawn_key_ends_its_logins(server: RunningServer, tmp_path: Path) -> None:
    """At once, in whatever browser; the key, or what opens it, is not stored."""
    path = tmp_path / "keys.json"
    keys = key_file(path)
    with running_gateway(server.target, keys_file=path) as client:
        client.post("/session", json={"key": keys["admin"]})
        assert client.get("/audit").status_code == 200
        write_keys(path, [key for key in read_keys(path) if key.role is not Role.ADMIN])
        assert client.get("/audit").status_code == 401
        assert client.get("/session").json()["caller"]["role"] is None


def test_a_token_that_expired_ends_its_logins(server: RunningServer, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s" * 32)
    secret.chmod(0o600)
    with running_gateway(server.target, jwt_key_file=secret) as client:
        token = signed("s" * 32, "HS256", sub="ada", role="read", exp=int(time.time()) + 6 - LEEWAY_SECONDS)
        assert client.post("/session", json={"key": token}).status_code == 200
        end = time.monotonic() + 20
        while client.get("/jobs").status_code == 200:
            assert time.monotonic() < end
            time.sleep(0.2)
        assert client.get("/jobs").status_code == 401


def test_guessing_keys_is_slow(closed: tuple[httpx.Client, Keys]) -> None:
    client, _ = closed
    answers = [client.post("/session", json={"key": "guess"}) for _ in range(12)]
    assert [answer.status_code for answer in answers].count(429) >= 1
    assert int(answers[-1].headers.get("Retry-After", "1")) >= 1


def test_pages_of_other_sites_change_nothing(gateway: httpx.Client) -> None:
    for origin in ("https://evil.example", "null"):
        answer = gateway.post("/datasets", json=DATASET, headers={"Origin": origin})
        assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")
        assert "access-control-allow-origin" not in answer.headers
    own = str(gateway.base_url).rstrip("/")
    assert gateway.post("/datasets", json=DATASET, headers={"Origin": own}).status_code == 201


def test_allowed_origins_are_told_so(server: RunningServer) -> None:
    with running_gateway(server.target, cors_origins="https://edna.example") as client:
        headers = {"Origin": "https://edna.example"}
        answer = client.post("/datasets", json=DATASET, headers=headers)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (201, "https://edna.example")


def test_too_many_requests_are_told_when_to_come_back(server: RunningServer) -> None:
    with running_gateway(server.target, requests_per_minute=5) as client:
        answers = [client.get("/jobs") for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 60


def test_what_admins_do_is_written_down(gateway: httpx.Client) -> None:
    made = gateway.post("/datasets", json=DATASET).json()["id"]
    gateway.delete(f"/datasets/{made}", headers={**ADMIN, "X-Request-ID": "mine"})
    assert gateway.get("/audit").status_code == 401
    (row,) = gateway.get("/audit", headers=ADMIN).json()["items"]
    assert (row["actor"], row["action"], row["target"], row["request_id"]) == ("admin", "delete dataset", made, "mine")


@pytest.mark.parametrize(
    "headers",
    [{"X-Request-ID": "a\tb"}, {"Authorization": "Bearer \x7f"}, {"Cookie": "abyssal_session=%00"}, {"Host": "a b"}],
)
def test_odd_headers_are_no_failure(gateway: httpx.Client, headers: dict[str, str]) -> None:
    assert gateway.get("/jobs", headers=headers).status_code < 500


@pytest.mark.parametrize(
    "path", ["/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page/%00", "/page//etc/passwd"]
)
def test_only_files_of_the_page_are_served(gateway: httpx.Client, path: str) -> None:
    request = httpx.Request("GET", gateway.base_url, extensions={"target": path.encode()})
    assert gateway.send(request).status_code == 404


def test_every_operation_asks_who_calls(closed: tuple[httpx.Client, Keys]) -> None:
    """Nothing but health, metrics and login answers strangers; who may only look changes nothing."""
    client, keys = closed
    paths = client.get("/openapi.json").json()["paths"]
    operations = [(verb.upper(), path) for path, verbs in paths.items() for verb in verbs]
    assert len(operations) > 35
    ours = [one for one in operations if one[1] not in ("/healthz", "/readyz", "/metrics", "/session")]
    for verb, path in ours:
        place = re.sub(r"\{(digest|[a-z_]+)\}", lambda part: "0" * (64 if part[1] == "digest" else 32), path)
        assert client.request(verb, place).status_code == 401, (verb, path)
        if verb not in ("GET", "HEAD") and path != "/datasets/check-sheet":
            assert client.request(verb, place, headers=bearer(keys["read"])).status_code == 403, (verb, path)


def test_names_of_elsewhere_that_lead_here_are_refused(gateway: httpx.Client) -> None:
    """A page of another site whose name was made to lead to this machine must not read what is here."""
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "[", ""):
        assert gateway.get("/datasets", headers={"Host": host}).status_code in (400, 403), host
    port = gateway.base_url.port
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert gateway.get("/datasets", headers={"Host": host}).status_code == 200


def test_a_named_host_is_taken(server: RunningServer) -> None:
    with running_gateway(server.target, hosts="edna.example") as client:
        assert client.get("/jobs", headers={"Host": "edna.example:443"}).status_code == 200
        assert client.get("/jobs", headers={"Host": "other.example"}).status_code == 403


def test_no_body_is_read_beyond_a_bound(gateway: httpx.Client) -> None:
    json_ = {"Content-Type": "application/json"}
    body = b'{"name": "x", "files": [' + b" " * (10 << 20) + b"]}"
    for content in (body, iter([body[:1000], body[1000:]])):
        answer = gateway.post("/datasets", content=content, headers=json_)
        assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert gateway.get("/datasets").json()["items"] == []
