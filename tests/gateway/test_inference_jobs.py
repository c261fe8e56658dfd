"""Large classification requests: kept, worked on, read in pieces, and exported so that each consumer reads them."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import biom
import h5py
import httpx
import pytest
from dwca.read import DwCAReader
from support.gateways import running_gateway, wait_for
from support.serving import RunningServer

pytestmark = pytest.mark.timeout(60)
ASYNC = {"Prefer": "respond-async", "Content-Type": "text/plain"}
READS = [(f"read {n}" if n % 7 == 0 else f"read-{n}", "ACGT" * 5 + "ACGT"[n % 4] * (n % 90)) for n in range(1203)]
JSON = {"sequences": [{"id": name, "sequence": sequence} for name, sequence in READS]}
FASTA = b">a\nACGTACGTAC\n>a\nACGTACGTCC\n>b\nACGTACGTGG\n>bad\nACGT!\n"


@pytest.fixture
def large(server: RunningServer) -> Iterator[httpx.Client]:
    with running_gateway(server.target, small_sequences=1000) as client:
        yield client


def results(client: httpx.Client, path: str, **parameters: object) -> httpx.Response:
    answer = client.get(f"{path}/results", params=parameters)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return answer


def finished(client: httpx.Client, content: bytes) -> str:
    accepted = client.post("/inference/classify", content=content, headers=ASYNC)
    assert (accepted.status_code, accepted.headers["Location"]) == (202, f"/inference/jobs/{accepted.json()['id']}")
    wait_for(client, accepted.headers["Location"], "succeeded")
    return str(accepted.headers["Location"])


def test_a_large_request_becomes_a_job_with_the_same_answers(large: httpx.Client) -> None:
    accepted = large.post("/inference/classify", json=JSON)
    assert accepted.status_code == 202
    path = accepted.headers["Location"]
    job = wait_for(large, path, "succeeded")
    assert (job["sequences"], job["model"]["digest"]) == (1203, "d" * 64)  # type: ignore[index]
    rows = [json.loads(line) for line in results(large, path, format="jsonl").text.splitlines()]
    assert [(row["id"], row["sequence"]) for row in rows] == READS
    small = large.post("/inference/classify", json={"sequences": JSON["sequences"][995:1010]}).json()["results"]
    for row, direct in zip(rows[995:1010], small, strict=True):
        assert {key: row[key] for key in ("id", "taxon", "lineage")} == {
            key: direct[key] for key in ("id", "taxon", "lineage")
        }
    page = results(large, path, format="jsonl", offset=998, limit=4).text.splitlines()
    assert [json.loads(line)["id"] for line in page] == [name for name, _ in READS[998:1002]]
    table = results(large, path, format="tsv").text.splitlines()
    assert (len(table), table[0].split("\t")[:3]) == (1204, ["Feature ID", "Taxon", "Confidence"])


def test_each_export_is_read_by_its_consumer(large: httpx.Client, tmp_path: Path) -> None:
    path = finished(large, FASTA)
    ids = ["a", "a-2", "b", "bad"]
    qiime = [line.split("\t") for line in results(large, path, format="qiime2").text.splitlines()]
    assert (qiime[0], [row[0] for row in qiime[1:]]) == (["Feature ID", "Taxon", "Confidence"], ids)
    assert {len(row) for row in qiime} == {3}
    with h5py.File(io.BytesIO(results(large, path, format="biom").content)) as file:
        table = biom.Table.from_hdf5(file)
    assert (sorted(table.ids("observation")), table.sum()) == (ids, 4)
    assert [len(row.split("\t")) for row in results(large, path, format="sintax").text.splitlines()] == [4] * 4
    kraken = [row.split("\t") for row in results(large, path, format="kraken").text.splitlines()]
    assert sum(int(row[2]) for row in kraken) == 4
    assert {len(row) for row in kraken} == {6}
    krona = [row.split("\t") for row in results(large, path, format="krona").text.splitlines()]
    assert sum(int(row[0]) for row in krona) == 4
    archive = tmp_path / "archive.zip"
    archive.write_bytes(results(large, path, format="dwca").content)
    with DwCAReader(str(archive)) as read:
        assert len(read.rows) == 4


@pytest.mark.parametrize(
    ("format_", "name", "command", "made", "words"),
    [
        ("kraken", "reads.kraken.report.txt", ["multiqc", ".", "--module", "kraken", "--strict"],
         "multiqc_data/multiqc_kraken.txt", "{'root': 2}"),
        ("krona", "krona.txt", ["ktImportText", "krona.txt", "-o", "krona.html"], "krona.html", "<val>4</val>"),
        ("biom", "table.biom", ["biom", "validate-table", "-i", "table.biom"], "table.biom", ""),
    ],
)  # fmt: skip
def test_programs_read_what_is_written_for_them(
    large: httpx.Client, tmp_path: Path, format_: str, name: str, command: list[str], made: str, words: str
) -> None:
    program = shutil.which(command[0], path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        pytest.skip(f"{command[0]} is not on PATH")
    (tmp_path / name).write_bytes(results(large, finished(large, FASTA), format=format_).content)
    done = subprocess.run([program, *command[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert words in (tmp_path / made).read_text(errors="replace")


def test_wrong_questions_about_jobs(large: httpx.Client) -> None:
    path = finished(large, FASTA)
    assert large.get(f"{path}/results", params={"format": "xlsx"}).status_code == 422
    assert large.get("/inference/jobs/" + "0" * 32).status_code == 404
    assert large.post(f"{path}/cancel").status_code == 409
    with large.stream("GET", f"{path}/events") as events:
        text = "".join(events.iter_text())
    assert "event: job" in text
    assert '"state": "succeeded"' in text
    assert large.delete(path).status_code == 204
    assert large.get(path).status_code == 404
