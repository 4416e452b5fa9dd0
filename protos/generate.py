"""Generates everything that is derived from the protos. None of it is committed.

    python protos/generate.py              build/gen: modules, type stubs, and kehu.binpb with every descriptor
    python protos/generate.py --baseline   the same, then protos/baseline.binpb: what `make breaking` compares with

`build/gen` is a link to a folder that is complete before the link points to it, so a process that is running never
sees half of it. Nothing happens when neither the protos nor the tools have changed since the last time.

The sources of `google/*` come with grpcio-tools and googleapis-common-protos, which also carry the modules.
`buf/validate/validate.proto` is taken from the descriptor inside protovalidate, which carries no module for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

PROTOS = Path(__file__).resolve().parent
BUILD = PROTOS.parent / "build"
LINK = BUILD / "gen"
BASELINE = PROTOS / "baseline.binpb"
VALIDATE = "buf/validate/validate.proto"
TOOLS = ("grpcio-tools", "mypy-protobuf", "protovalidate", "googleapis-common-protos")


def generate() -> Path:
    """Returns the folder of generated code for the protos as they are, making it when there is none."""
    sources = sorted(PROTOS.rglob("*.proto"))
    target = BUILD / f"gen-{_fingerprint(sources)}"
    BUILD.mkdir(exist_ok=True)
    with _exclusive(BUILD / "gen.lock"):
        if not target.is_dir():
            with tempfile.TemporaryDirectory(prefix="new-", dir=BUILD) as scratch:
                code = Path(scratch) / "code"
                code.mkdir()
                _compile(sources, code, Path(scratch))
                code.rename(target)
            print(f"Generated {len(sources)} protos into build/gen")
        _point(LINK, target)
        for other in BUILD.glob("gen-*"):
            if other != target:
                shutil.rmtree(other)
    return target


def write_baseline(generated: Path) -> None:
    """Writes the descriptors of our protos and all they import, without comments, to `protos/baseline.binpb`."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    image = FileDescriptorSet.FromString((generated / "kehu.binpb").read_bytes())
    for file in image.file:
        file.ClearField("source_code_info")
    BASELINE.write_bytes(image.SerializeToString(deterministic=True))
    print(f"Wrote {BASELINE.relative_to(PROTOS.parent)}")


def _fingerprint(sources: list[Path]) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for tool in TOOLS:
        digest.update(f"{tool} {version(tool)}\n".encode())
    for source in sources:
        content = source.read_bytes()
        digest.update(f"{source.relative_to(PROTOS)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _compile(sources: list[Path], code: Path, scratch: Path) -> None:
    from grpc_tools import protoc

    packages = Path(sysconfig.get_path("purelib"))
    scripts = Path(sysconfig.get_path("scripts"))
    imports = [
        f"--proto_path={PROTOS}",
        f"--proto_path={packages}",
        f"--proto_path={packages / 'grpc_tools' / '_proto'}",
        f"--descriptor_set_in={_validate_descriptors(scratch)}",
    ]
    ours = [str(source.relative_to(PROTOS)) for source in sources]
    for arguments in (
        [
            f"--python_out={code}",
            f"--mypy_out=quiet:{code}",
            f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
            VALIDATE,
            *ours,
        ],
        [
            f"--grpc_python_out={code}",
            f"--mypy_grpc_out=quiet,only_sync:{code}",
            f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
            *ours,
        ],
        [f"--descriptor_set_out={code / 'kehu.binpb'}", "--include_imports", "--include_source_info", *ours],
    ):
        if ours and protoc.main(["protoc", *imports, *arguments]) != 0:
            sys.exit("The protos do not compile; see the lines above.")


def _validate_descriptors(scratch: Path) -> Path:
    """Writes the descriptor set of `validate.proto` and its imports, which protoc takes in place of sources."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from protobuf import DescFile
    from protovalidate._gen.buf.validate import validate_pb

    image = FileDescriptorSet()

    def add(file: DescFile) -> None:
        for dependency in file.dependencies:
            add(dependency)
        if file.name not in {known.name for known in image.file}:
            image.file.add().ParseFromString(file.proto.to_binary())

    add(validate_pb.desc())
    path = scratch / "validate.binpb"
    path.write_bytes(image.SerializeToString())
    return path


def _point(link: Path, target: Path) -> None:
    fresh = link.with_name("gen.link")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target.name)
    fresh.replace(link)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    generated = generate()
    if "--baseline" in sys.argv[1:]:
        write_baseline(generated)
