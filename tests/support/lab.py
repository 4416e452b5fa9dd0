"""A real server with a small service of our own: `lab()` compiles it, `serving(...)` runs it, `Caller` calls it."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
from buf.validate import validate_pb2
from google.protobuf import any_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from kehu.common.v1 import options_pb2, outcome_pb2

from libs.client.channel import connect
from libs.engine import access
from libs.engine.rpc.errors import DETAILS_KEY
from libs.engine.rpc.server import AddToServer, Server
from libs.engine.settings import Secret, Settings

_PROTO = Path(__file__).with_name("lab.proto")


@cache
def lab() -> Any:
    """The generated modules of `lab.proto`, as one namespace: messages, and `add_LabServiceServicer_to_server`."""
    from grpc_tools import protoc

    folder = Path(tempfile.mkdtemp(prefix="kehu-lab-"))
    atexit.register(shutil.rmtree, folder)
    (folder / "known.binpb").write_bytes(
        _descriptors(validate_pb2, options_pb2, outcome_pb2, any_pb2).SerializeToString()
    )
    source = folder / "lab" / "v1"
    source.mkdir(parents=True)
    (source / "lab.proto").write_bytes(_PROTO.read_bytes())
    code = protoc.main(
        [
            "protoc",
            f"--proto_path={folder}",
            f"--descriptor_set_in={folder / 'known.binpb'}",
            f"--python_out={folder}",
            f"--grpc_python_out={folder}",
            "lab/v1/lab.proto",
        ]
    )
    assert code == 0, "lab.proto does not compile"
    sys.path.append(str(folder))
    messages, services = import_module("lab.v1.lab_pb2"), import_module("lab.v1.lab_pb2_grpc")
    vars(messages).update({name: value for name, value in vars(services).items() if "Service" in name})
    return messages


def _descriptors(*modules: Any) -> FileDescriptorSet:
    """The files of these modules with all that they import, each after what it needs."""
    image = FileDescriptorSet()

    def add(file: FileDescriptor) -> None:
        if file.name not in {known.name for known in image.file}:
            for dependency in file.dependencies:
                add(dependency)
            file.CopyToProto(image.file.add())

    for module in modules:
        add(module.DESCRIPTOR)
    return image


@dataclass(frozen=True, slots=True)
class Running:
    """A server under test."""

    server: Server
    keys: Path

    @property
    def target(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.server.port}"

    def token(self, *scopes: str, tenant: str = "acme", subject: str = "user:test", **claims: Any) -> str:
        """A token that it accepts."""
        return access.issue(self.keys, subject=subject, tenant=tenant, scopes=scopes or ("*",), **claims)


@contextmanager
def serving(
    servicers: Iterable[tuple[AddToServer, object]], *, keys: Path | None = None, **settings: Any
) -> Iterator[Running]:
    """Runs a server with these servicers on a free port, ready, and stops it at once at the end."""
    with tempfile.TemporaryDirectory(prefix="kehu-keys-") as folder:
        keys = keys or Path(folder)
        access.make_keys(keys)
        usual: dict[str, Any] = {"mongodb_uri": Secret("mongodb://unused"), "listen": "127.0.0.1:0", "token_keys": keys}
        server = Server(Settings(**(usual | settings)), servicers)
        server.start()
        server.set_ready(True)
        try:
            yield Running(server, keys)
        finally:
            server.stop()


@dataclass(frozen=True, slots=True)
class Failure(Exception):
    """A call that did not end well."""

    code: grpc.StatusCode
    message: str
    status: status_pb2.Status | None

    def detail(self, kind: type[Any]) -> Any:
        """The one detail of this kind. AssertionError when there is none or more."""
        assert self.status is not None, f"{self.code} without details: {self.message}"
        found = [detail for detail in self.status.details if detail.Is(kind.DESCRIPTOR)]
        assert len(found) == 1, f"{len(found)} {kind.DESCRIPTOR.full_name} in {self.status}"
        message = kind()
        found[0].Unpack(message)
        return message


class Caller:
    """Calls methods by descriptor, with or without a token, also with bytes that are no message."""

    def __init__(self, target: str, token: str = "", *, channel: grpc.Channel | None = None) -> None:
        self.channel = channel or connect(target)
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def unary(self, method: Any, request: Any, *, timeout: float = 5, metadata: Sequence[Any] = ()) -> Any:
        """The response; Failure otherwise. `request` may be bytes."""
        return self.answer(method, request, timeout=timeout, metadata=metadata)[0]

    def answer(
        self, method: Any, request: Any, *, timeout: float | None = 5, metadata: Sequence[Any] = ()
    ) -> tuple[Any, Mapping[str, str | bytes]]:
        """The response and the trailing metadata."""
        call = self.channel.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=_bytes,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        try:
            response, ended = call.with_call(request, timeout=timeout, metadata=(*self._metadata, *metadata))
        except grpc.RpcError as error:
            raise failure(error) from None
        return response, dict(ended.trailing_metadata())

    def stream(self, method: Any, requests: Any, *, timeout: float | None = None) -> Any:
        """The call of a streaming method, of whatever kind; `requests` is one request or an iterable."""
        kinds = {
            (False, True): self.channel.unary_stream,
            (True, False): self.channel.stream_unary,
            (True, True): self.channel.stream_stream,
        }
        call = kinds[method.client_streaming, method.server_streaming](
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=_bytes,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        return call(requests, timeout=timeout, metadata=self._metadata)


def failure(error: grpc.RpcError) -> Failure:
    """What a failed call says."""
    trailing = dict(error.trailing_metadata() or ())
    details = trailing.get(DETAILS_KEY)
    status = status_pb2.Status.FromString(details) if details else None
    return Failure(error.code(), error.details() or "", status)


def _bytes(request: Any) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()
