"""Generate the gRPC stubs and keep the interface compatible.

``python proto/generate.py`` writes the stubs into ``scripts`` and the interface's shape into ``interface.json``, unless
a field, method or value that clients may rely on has changed its meaning or gone: that needs a new package, ``v2``.
The compiler is the pinned grpcio-tools; a test regenerates both and compares.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parent
INTERFACE = PROTO / "interface.json"
SOURCES = sorted(path.relative_to(PROTO).as_posix() for path in PROTO.rglob("*.proto"))

Shape = dict[str, str]
"""What each name on the wire means, for example ``Model.1`` -> ``name string``."""


def generate(target: Path) -> None:
    """Write the stubs of all sources below ``target``."""
    _compile(*(f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")))


def interface() -> Shape:
    """Return the shape of the sources."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "descriptors"
        _compile(f"--descriptor_set_out={compiled}")
        descriptors = FileDescriptorSet.FromString(compiled.read_bytes())
    shape: Shape = {}
    for file in descriptors.file:
        for message in file.message_type:
            _add_message(shape, f"{file.package}.{message.name}", message)
        for enum in file.enum_type:
            _add_enum(shape, f"{file.package}.{enum.name}", enum)
        for service in file.service:
            for method in service.method:
                streams = f"{'stream ' * method.client_streaming}{method.input_type} -> "
                streams += f"{'stream ' * method.server_streaming}{method.output_type}"
                shape[f"{file.package}.{service.name}/{method.name}"] = streams
    return dict(sorted(shape.items()))


def breaking_changes(old: Shape, new: Shape) -> list[str]:
    """Return what clients of ``old`` would stumble over in ``new``."""
    return [
        f"{name}: was {meaning!r}, is {new.get(name, 'gone')!r}"
        for name, meaning in old.items()
        if new.get(name) != meaning
    ]


def _add_message(shape: Shape, name: str, message: DescriptorProto) -> None:
    for field in message.field:
        kind = field.type_name or field.Type.Name(field.type).removeprefix("TYPE_").lower()
        label = field.Label.Name(field.label).removeprefix("LABEL_").lower()
        group = f" in {message.oneof_decl[field.oneof_index].name}" if field.HasField("oneof_index") else ""
        shape[f"{name}.{field.number}"] = f"{field.name} {label} {kind}{group}"
    for inner in message.nested_type:
        _add_message(shape, f"{name}.{inner.name}", inner)


def _add_enum(shape: Shape, name: str, enum: EnumDescriptorProto) -> None:
    for value in enum.value:
        shape[f"{name}.{value.number}"] = value.name


def _compile(*outputs: str) -> None:
    code = protoc.main(["protoc", f"--proto_path={PROTO}", *outputs, *SOURCES])
    if code:
        sys.exit(f"ERROR: protoc ended with {code}")


def main() -> None:
    """Check the interface, then write it and the stubs."""
    new = interface()
    old = json.loads(INTERFACE.read_text(encoding="utf-8")) if INTERFACE.is_file() else {}
    problems = breaking_changes(old, new)
    if problems:
        sys.exit("ERROR: the interface would break for existing clients:\n  " + "\n  ".join(problems))
    generate(PROTO.parent / "scripts")
    INTERFACE.write_text(json.dumps(new, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
