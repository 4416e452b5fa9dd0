"""Programs out of Debian's packages, unpacked into a folder instead of installed: no root, no daemon, no other version.

Packages of the present release run as they are. Those of another one bring the C library that they were linked with;
each program of a folder of theirs then becomes a script that starts it with that library, and nothing else does.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from libs.localstack.processes import StackError

_SOURCES: Final = Path("/etc/apt/sources.list.d/debian.sources")
_SOURCES_BEFORE: Final = Path("/etc/apt/sources.list")
_PRESENT: Final = Path("/etc/os-release")


def unpack(
    folder: Path,
    packages: Sequence[str],
    *,
    release: str = "",
    needs: Sequence[str] = (),
    prepare: Callable[[Path], None] = lambda _: None,
) -> None:
    """Makes `folder` with the content of packages, changed by `prepare`. It appears only when it is complete.

    With a `release` (its code name) the packages are those of that release of Debian, together with what they depend on
    as far as the name begins with one of `needs`. StackError when they cannot be fetched.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise StackError(f"This is no Debian, which has {', '.join(packages)}.")
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        root = Path(scratch) / "unpacked"
        for archive in _fetched(Path(scratch), packages, release, needs):
            subprocess.run(["dpkg", "-x", archive, root], check=True)
        prepare(root)
        root.rename(folder)


def bind(root: Path, folder: Path, programs: Iterable[Path]) -> None:
    """Makes each program below `root` a script that runs it, from `folder`, with the C library unpacked there."""
    [loader] = (folder / path.relative_to(root) for path in root.glob("usr/lib/*/ld-linux-*.so.*"))
    for program in programs:
        if not program.is_symlink() and program.read_bytes().startswith(b"\x7fELF"):
            inner = program.rename(program.with_name(f"{program.name}.elf"))
            started = folder / inner.relative_to(root)
            program.write_text(f'#!/bin/sh\nexec {loader} --argv0 "$0" --library-path {loader.parent} {started} "$@"\n')
            program.chmod(0o755)


def _fetched(scratch: Path, packages: Sequence[str], release: str, needs: Sequence[str]) -> list[Path]:
    """Paths of the archives of packages."""
    # A machine whose lists of packages are old or were never fetched: lists of our own, which needs no root.
    (scratch / "lists" / "partial").mkdir(parents=True)
    (scratch / "archives" / "partial").mkdir(parents=True)
    own = [f"-oDir::State::lists={scratch / 'lists'}", f"-oDir::Cache={scratch}"]
    if release:
        sources = _sources(scratch, release)
        own += [f"-oDir::Etc::sourcelist={sources}", "-oDir::Etc::sourceparts=-", "-oDir::State::status=/dev/null"]
        _apt(scratch, *own, "update")
        _apt(scratch, *own, "install", "--yes", "--download-only", "--no-install-recommends", *packages)
        found = sorted((scratch / "archives").glob("*.deb"))
        return [archive for archive in found if archive.name.startswith((*packages, *needs))]
    try:
        _apt(scratch, "download", *packages)
    except StackError:
        _apt(scratch, *own, "update")
        _apt(scratch, *own, "download", *packages)
    return sorted(scratch.glob("*.deb"))


def _sources(scratch: Path, release: str) -> Path:
    """A list of the mirrors that this machine uses, for another release."""
    given = next((path for path in (_SOURCES, _SOURCES_BEFORE) if path.exists()), None)
    present = dict(line.split("=", 1) for line in _PRESENT.read_text().splitlines() if "=" in line)
    if given is None or "VERSION_CODENAME" not in present:
        raise StackError("This machine does not say where it has its Debian packages from.")
    sources = scratch / given.name
    sources.write_text(given.read_text().replace(present["VERSION_CODENAME"].strip('"'), release))
    return sources


def _apt(folder: Path, *arguments: str) -> None:
    command = ["apt-get", "--quiet", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError((done.stderr.strip().splitlines() or ["apt-get gave no reason"])[-1].rstrip(".") + ".")
