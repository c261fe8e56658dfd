"""Examples in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from abyssal_server.gateway.records import ClassifyInput

_SEQUENCE = "AGCTCCAATAGCGTATATTAAAGTTGTTGCAGTTAAAAAGCTCGTAGTTGGATTTCGGGATGGGCCAGCCGGTCCGCCGTATGGTG"

_FASTA = {"schema": {"type": "string"}, "example": f">read-1\n{_SEQUENCE}\n"}

REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/ClassifyInput"},
            "example": {"sequences": [{"id": "read-1", "sequence": _SEQUENCE}]},
        },
        "text/plain": _FASTA,
        "text/x-fasta": _FASTA,
        "text/x-fastq": {
            "schema": {"type": "string"},
            "example": f"@read-1\n{_SEQUENCE}\n+\n{'I' * len(_SEQUENCE)}\n",
        },
        "application/gzip": {"schema": {"type": "string", "format": "binary"}},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        },
    },
}

_ANSWER = {
    "model": {
        "name": "18S-V4",
        "version": "1",
        "digest": "0" * 64,
        "marker": "18S-V4",
        "ranks": ["domain", "family", "genus"],
        "engine": "torch-fp32",
    },
    "results": [
        {
            "id": "read-1",
            "taxon": "Eukaryota; Calanidae",
            "confidence": 0.97,
            "lineage": [
                {"rank": "domain", "name": "Eukaryota", "confidence": 0.99, "accepted": True},
                {"rank": "family", "name": "Calanidae", "confidence": 0.97, "accepted": True},
                {"rank": "genus", "name": "Calanus", "confidence": 0.41, "accepted": False},
            ],
            "novel_at": "genus",
            "alternatives": [],
            "putative_taxon": None,
            "nearest": {"id": "AB000001", "identity": 0.94, "coverage": 1.0},
            "source": "model",
            "error": None,
        }
    ],
}

ANSWERS: dict[str, Any] = {
    "application/json": {"example": _ANSWER},
    "text/tab-separated-values": {"schema": {"type": "string"}},
}

_CLASSIFY_INPUT = ClassifyInput.model_json_schema(ref_template="#/components/schemas/{model}")
SCHEMAS: dict[str, Any] = {**_CLASSIFY_INPUT.pop("$defs"), "ClassifyInput": _CLASSIFY_INPUT}
"""What the body of POST /inference/classify refers to; FastAPI reads that body itself only as a stream."""
