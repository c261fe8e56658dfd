"""Generate the gRPC stubs: ``python proto/generate.py [DIRECTORY]``; the default is the checkout's ``scripts``.

The compiler is the pinned grpcio-tools; a test regenerates the stubs and compares, and another keeps the interface
compatible (``tests/server/descriptor.json``).
"""

from __future__ import annotations

import sys
from pathlib import Path

from grpc_tools import protoc

PROTO = Path(__file__).resolve().parent
SOURCES = sorted(path.relative_to(PROTO).as_posix() for path in PROTO.rglob("*.proto"))


def generate(target: Path) -> None:
    """Write the stubs of all sources below ``target``."""
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    code = protoc.main(["protoc", f"--proto_path={PROTO}", *outputs, *SOURCES])
    if code:
        sys.exit(f"ERROR: protoc ended with {code}")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else PROTO.parent / "scripts")
