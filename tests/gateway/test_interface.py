"""The interface against its own description: schemathesis over all phases, on a running gateway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from support.gateways import ADMIN_TOKEN, running_gateway
from support.serving import RunningServer


def run_schemathesis(
    client: httpx.Client, folder: Path, *, examples: int, phases: str
) -> subprocess.CompletedProcess[str]:
    """Ask everything that the description allows, and much that it does not; as an admin."""
    description = folder / "openapi.json"
    description.write_bytes(client.get("/openapi.json").content)
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", str(description), "--url", str(client.base_url),
        "--max-examples", str(examples), "--header", f"Authorization: Bearer {ADMIN_TOKEN}", "--phases",
        phases, "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
        "response_headers_conformance",
        "--exclude-path-regex", "/events$", "--no-color", "--seed", "1", "--generation-database", "none",
        "--suppress-health-check", "all", "--request-timeout", "30",
    ]  # fmt: skip
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
def test_nothing_contradicts_the_description(server: RunningServer, tmp_path: Path) -> None:
    with running_gateway(server.target, admin_token=ADMIN_TOKEN, requests_per_minute=10**6) as client:
        done = run_schemathesis(client, tmp_path, examples=1, phases="examples,fuzzing,stateful")
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("phases", ["examples,coverage", "fuzzing", "stateful"])
def test_nothing_contradicts_the_description_in_depth(server: RunningServer, tmp_path: Path, phases: str) -> None:
    with running_gateway(server.target, admin_token=ADMIN_TOKEN, requests_per_minute=10**6) as client:
        done = run_schemathesis(client, tmp_path, examples=100, phases=phases)
    print(done.stdout[-1500:])
    assert done.returncode == 0, done.stdout[-6000:]
