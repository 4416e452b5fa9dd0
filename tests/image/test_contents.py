"""What is in the image, what is not, and how large it is."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pytest

from libs.registry import SERVICES
from tests.support.containers import ROOT, Engine

MOST_PULLED = 150
"""Megabytes that a node pulls, compressed."""
MOST_UNPACKED = 340
"""Megabytes on the disk of a node. Two thirds are numpy, scipy and their linear algebra: docs/decisions tells why."""

PROGRAMS_OF_OTHERS = re.compile(
    r"(^|/)(sh|bash|dash|ash|zsh|busybox|perl|apt[^/]*|dpkg[^/]*|rpm|pip[0-9.]*|uv|easy_install|gcc|cc|c\+\+|ld|as|make|"
    r"curl|wget|nc|su|sudo|mount|openssl)$"
)


@pytest.fixture(scope="module")
def archive(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image as it is shipped."""
    path = tmp_path_factory.mktemp("image") / "kehu.tar"
    engine.script("build.sh", "--archive", str(path))
    return path


@pytest.fixture(scope="module")
def tree(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tarfile.TarFile]:
    """The files of a container that has never run."""
    path = tmp_path_factory.mktemp("tree") / "root.tar"
    container = engine("create", image)
    try:
        engine("export", "--output", path, container)
    finally:
        engine("rm", container)
    with tarfile.open(path) as opened:
        yield opened


def _names(tree: tarfile.TarFile) -> list[str]:
    return [member.name.removeprefix("./") for member in tree.getmembers()]


def test_it_says_what_it_is(engine: Engine, image: str) -> None:
    config = engine.inspect(image)["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["kehu"]
    labels = config["Labels"]
    for name in ("title", "description", "source", "version", "revision"):
        assert labels[f"org.opencontainers.image.{name}"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert labels["org.opencontainers.image.revision"] == (head.stdout.strip() or "unknown")
    environment = dict(each.split("=", 1) for each in config["Env"])
    assert environment["KEHU_VERSION"] == labels["org.opencontainers.image.version"]
    assert environment["KEHU_REVISION"] == labels["org.opencontainers.image.revision"]


def test_nothing_helps_an_intruder(tree: tarfile.TarFile) -> None:
    files = [name for name, member in zip(_names(tree), tree.getmembers(), strict=True) if not member.isdir()]
    assert not [name for name in files if PROGRAMS_OF_OTHERS.search(name)]
    assert not [member.name for member in tree.getmembers() if member.mode & (stat.S_ISUID | stat.S_ISGID)]
    runnable = {
        name
        for name, member in zip(_names(tree), tree.getmembers(), strict=True)
        if PurePosixPath(name).parent.name in ("bin", "sbin") and not member.isdir()
    }
    ours = {f"opt/kehu/bin/{program}" for program in ("kehu", "kehu-ready", "python", "python3", "python3.11")}
    assert {name for name in runnable if not name.startswith("usr/")} == ours
    assert {name for name in runnable if name.startswith("usr/")} <= {
        f"usr/{folder}bin/{program}" for folder in ("", "local/") for program in ("python3", "python3.11")
    }


def test_nothing_is_there_that_only_builders_and_testers_need(tree: tarfile.TarFile) -> None:
    unwanted = re.compile(
        r"(^|/)(\.git|tests|ensurepip|pip|setuptools|pkg_resources|grpc_tools|mypy_protobuf|pytest|hypothesis)(/|$)"
        r"|\.(pyi|whl|key)$|(^|/)\.env"
    )
    assert not [name for name in _names(tree) if unwanted.search(name) and not name.startswith("var/lib/dpkg/")]
    assert {name.split("/")[4] for name in _names(tree) if name.startswith("opt/kehu/app/services/")} >= set(SERVICES)


def test_everybody_may_read_it_and_nobody_may_write_it(tree: tarfile.TarFile) -> None:
    for member in tree.getmembers():
        if member.issym() or member.name.startswith(("dev", "proc", "sys", "run")):
            continue
        needed = stat.S_IROTH | (stat.S_IXOTH if member.isdir() else 0)
        assert member.mode & needed == needed, member.name
        assert not member.mode & stat.S_IWOTH or member.name.strip("./") == "tmp", member.name
        assert member.uid == 0, member.name


def test_all_of_it_is_compiled_and_no_time_makes_that_stale(tree: tarfile.TarFile) -> None:
    names = set(_names(tree))
    app = [name for name in names if name.startswith("opt/kehu/app/") and name.endswith(".py")]
    for source in app:
        folder, _, file = source.rpartition("/")
        bytecode = f"{folder}/__pycache__/{file.removesuffix('.py')}.cpython-311.pyc"
        assert bytecode in names, source
        opened = tree.extractfile(tree.getmember(bytecode))
        assert opened is not None
        assert opened.read(8)[4] == 1, f"{bytecode} is checked against the time of its source"
    assert len(app) > 100


def test_the_bill_of_materials_is_complete(tree: tarfile.TarFile) -> None:
    opened = tree.extractfile("usr/share/kehu/sbom.cdx.json")
    assert opened is not None
    bill = json.load(opened)
    assert bill["bomFormat"] == "CycloneDX"
    listed = {unquote(component["purl"].partition("@")[0]) for component in bill["components"]}
    installed = {
        "pkg:pypi/" + re.sub(r"[-_.]+", "-", found[1]).lower()
        for name in _names(tree)
        if (found := re.fullmatch(r"opt/kehu/lib/[^/]+/site-packages/([^/]+?)-[^/-]+\.dist-info/METADATA", name))
    }
    packages = {
        f"pkg:deb/debian/{name.rpartition('/')[2]}"
        for name in _names(tree)
        if name.startswith("var/lib/dpkg/status.d/")
    }
    assert listed - {"pkg:generic/python"} == installed | packages
    assert len(installed) > 50
    locked = re.findall(r"^([a-z0-9][a-z0-9-]*)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    versions = {component["name"]: component["version"] for component in bill["components"]}
    assert {name: version for name, version in locked if versions.get(name, version) != version} == {}
    libraries = [file["name"] for component in bill["components"] for file in component.get("components", ())]
    assert any("openblas" in name for name in libraries)


def test_it_is_small_to_pull(archive: Path) -> None:
    unpacked = pulled = 0
    with tarfile.open(archive) as opened:
        [manifest] = json.load(opened.extractfile("manifest.json"))  # type: ignore[arg-type]
        for layer in manifest["Layers"]:
            deflate = zlib.compressobj(6, wbits=31)
            content = opened.extractfile(layer)
            assert content is not None
            while chunk := content.read(1 << 20):
                unpacked += len(chunk)
                pulled += len(deflate.compress(chunk))
            pulled += len(deflate.flush())
    print(f"\nimage: {pulled / 1e6:.1f} MB to pull, {unpacked / 1e6:.1f} MB unpacked")
    assert pulled < MOST_PULLED * 1e6
    assert unpacked < MOST_UNPACKED * 1e6


def test_the_same_tree_gives_the_same_image(engine: Engine, image: str) -> None:
    again = engine.script("build.sh", "--no-cache", IMAGE="localhost/kehu:again").splitlines()[-1].split()[1]
    engine("untag" if engine.tool == "podman" else "rmi", "localhost/kehu:again")
    assert again == image
