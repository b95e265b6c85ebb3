"""Our .proto files against the ones that real clients were built from: same messages, fields, numbers, types, enums and methods."""
import subprocess

import pytest
import tritonclient.grpc.model_config_pb2
import tritonclient.grpc.service_pb2
from conftest import ROOT
from google.protobuf import descriptor_pb2

THEIRS = [tritonclient.grpc.model_config_pb2, tritonclient.grpc.service_pb2]


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    out = tmp_path_factory.mktemp("proto") / "set"
    subprocess.run(["protoc", "--include_imports", f"--descriptor_set_out={out}", "-I", ROOT / "src", *(ROOT / "src" / "wire").glob("*.proto")], check=True)
    return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file


@pytest.fixture(scope="module")
def theirs():
    files = []
    for module in THEIRS:
        files.append(descriptor_pb2.FileDescriptorProto())
        module.DESCRIPTOR.CopyToProto(files[-1])
    return files


def fields(files):
    """{"inference.ModelInferRequest.id": (3, optional, string, ...)} of every message, however deep it is nested."""
    found = {}

    def walk(prefix, message):
        oneofs = [one.name for one in message.oneof_decl]
        for field in message.field:
            # What a map's entry is called, and whether a number is packed, does not show on the wire or is proto3's own rule.
            found[f"{prefix}{message.name}.{field.name}"] = (field.number, field.label, field.type, field.type_name,
                                                             oneofs[field.oneof_index] if field.HasField("oneof_index") else None)
        for nested in message.nested_type:
            walk(f"{prefix}{message.name}.", nested)

    for file in files:
        for message in file.message_type:
            walk(f"{file.package}.", message)
    return found


def enums(files):
    found = {}

    def walk(prefix, holder):
        for enum in holder.enum_type:
            for value in enum.value:
                found[f"{prefix}{enum.name}.{value.name}"] = value.number
        for message in getattr(holder, "message_type", None) or getattr(holder, "nested_type", []):
            walk(f"{prefix}{message.name}.", message)

    for file in files:
        walk(f"{file.package}.", file)
    return found


def methods(files):
    return {f"{file.package}.{service.name}.{method.name}": (method.input_type, method.output_type, method.client_streaming, method.server_streaming)
            for file in files for service in file.service for method in service.method}


@pytest.mark.parametrize("part", [fields, enums, methods])
def test_ours_are_theirs(ours, theirs, part):
    mine, real = part(ours), part(theirs)
    assert len(real) >= 20
    assert {name: (mine.get(name), value) for name, value in real.items() if mine.get(name) != value} == {}
    # What we have besides would be read as unknown by every client, and must not be in their name space.
    assert {name for name in mine if name not in real and name.startswith("inference.")} == set()
