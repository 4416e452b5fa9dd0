"""Collects what Python needs of the base image: `python3 -m steps.runtime <environment> <folder>`.

The folder becomes the root of the final image: the interpreter, its standard library, the shared libraries that these
and the environment are linked with, the authorities of TLS, and the few files of /etc that the C library reads. The
packages that all this came from are named in var/lib/dpkg/status.d, where scanners of vulnerabilities look.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

LEFT_OUT = {
    "config-3.11-*": "for building Python itself",
    "distutils": "for building packages",
    "ensurepip": "brings pip",
    "idlelib": "an editor",
    "lib2to3": "for code of Python 2",
    "pydoc_data": "manuals",
    "site-packages": "of the base",
    "dist-packages": "of the base",
    "sqlite3": "no database file is read",
    "test": "tests of Python",
    "tkinter": "windows",
    "turtle.py": "windows",
    "turtledemo": "windows",
    "venv": "for making environments",
    "**/tests": "tests of Python",
    "**/__pycache__": "compiled again, in a way that time stamps do not spoil",
}
EXTENSIONS_LEFT_OUT = (
    *("_crypt", "_curses", "_dbm", "_gdbm", "_sqlite3", "_tkinter", "nis", "ossaudiodev", "readline"),
    *("_test", "_xx", "xx"),
)
"""Prefixes: what the rules above leave useless, and examples."""
LOADED_BY_NAME = ("libgcc_s.so.1",)
"""The C library loads it when a thread ends."""
FILES = (
    "/etc/debian_version",
    "/etc/nsswitch.conf",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs/ca-certificates.crt",
    "/usr/lib/os-release",
)
USER = 65532
DPKG = Path("/var/lib/dpkg")


class Runtime:
    """The folder in the making."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources: set[Path] = set()
        """Folder of the base that its files come from."""
        root.mkdir(parents=True)
        for name in ("bin", "lib", "lib64", "sbin"):  # /lib is a link to /usr/lib, or a folder in bases of old.
            if Path("/", name).is_symlink():
                (root / "usr" / name).mkdir(parents=True)
                (root / name).symlink_to(Path("usr", name))

    def take(self, path: Path) -> None:
        """A file at its place, together with the links that lead to it."""
        while path.is_symlink():
            target = Path(os.path.normpath(path.parent / path.readlink()))
            self._place(path)
            path = target
        self._place(path)

    def _place(self, path: Path) -> None:
        real = path.parent.resolve() / path.name
        place = self.root / real.relative_to("/")
        if not os.path.lexists(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(real, place, follow_symlinks=False)
            self.sources.add(real)

    def take_python(self) -> list[Path]:
        """The interpreter and its standard library. Returns what of it is linked with libraries."""
        interpreter = Path(os.path.realpath(sys.executable))
        self.take(interpreter)
        self.take(interpreter.with_name("python3"))
        library = Path(sysconfig.get_path("stdlib")).resolve()
        left_out = {path for pattern in LEFT_OUT for path in library.glob(pattern)}
        extensions = []
        for path in sorted(library.rglob("*")):
            if path.is_dir() or not left_out.isdisjoint((path, *path.parents)):
                continue
            if path.suffix == ".so":
                if path.name.startswith(EXTENSIONS_LEFT_OUT):
                    continue
                extensions.append(path)
            self.take(path)
        return [interpreter, *extensions]

    def take_libraries(self, programs: list[Path], environment: Path) -> None:
        """Libraries that the programs are linked with, unless the environment brings it."""
        brought = {path.name for path in programs}
        for path in _linked(programs, brought):
            if not path.is_relative_to(environment):
                self.take(path)
        known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True, env=_PATH).stdout
        for name in LOADED_BY_NAME:
            found = re.search(rf"^\s*{re.escape(name)} .*=> (\S+)$", known, re.MULTILINE)
            if not found:
                sys.exit(f"The base image has no {name}; take one that has.")
            self.take(Path(found[1]))
        for name in ("ld.so.conf", "ld.so.conf.d"):
            for path in (Path("/etc") / name, *sorted((Path("/etc") / name).glob("*"))):
                if path.is_file():
                    self.take(path)
        subprocess.run(["ldconfig", "-X", "-r", self.root], check=True, env=_PATH)
        shutil.rmtree(self.root / "var", ignore_errors=True)  # ldconfig's own notes, with time stamps in them.

    def take_files(self) -> None:
        """/etc, the user, and a folder for temporary files."""
        for name in FILES:
            if not Path(name).exists():
                sys.exit(f"The base image has no {name}; take one that has.")
            self.take(Path(name))
        etc = self.root / "etc"
        (etc / "passwd").write_text(f"root:x:0:0:root:/:\nkehu:x:{USER}:{USER}:kehu:/tmp:\n")
        (etc / "group").write_text(f"root:x:0:\nkehu:x:{USER}:\n")
        (etc / "os-release").symlink_to("../usr/lib/os-release")
        (self.root / "tmp").mkdir()
        (self.root / "tmp").chmod(0o1777)

    def take_packages(self) -> None:
        """The paragraphs and licences of the packages that the files are from."""
        paragraphs = {}
        for paragraph in (DPKG / "status").read_text().split("\n\n"):
            if named := re.match(r"Package: (\S+)\n", paragraph):
                paragraphs[named[1]] = paragraph.strip() + "\n"
        folder = self.root / "var/lib/dpkg/status.d"
        folder.mkdir(parents=True)
        for package in sorted(self._packages()):
            (folder / package).write_text(paragraphs[package])
            licence = Path("/usr/share/doc", package, "copyright")
            if licence.exists():
                self.take(licence)

    def _packages(self) -> Iterator[str]:
        yield "ca-certificates"  # Its script made the file of authorities, which no list of files names.
        for listing in (DPKG / "info").glob("*.list"):
            for line in listing.read_text().splitlines():
                path = Path(line)
                if path.parent.resolve() / path.name in self.sources:
                    yield listing.stem.partition(":")[0]
                    break


_PATH = {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "LC_ALL": "C"}


def _linked(programs: list[Path], brought: set[str]) -> Iterator[Path]:
    for program in programs:
        told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False, env=_PATH).stdout
        # Libraries of wheels find each other only when the module that they belong to loads them.
        missing = set(re.findall(r"(\S+) => not found", told)) - brought
        if missing:
            sys.exit(f"{program} needs {', '.join(sorted(missing))}, which the base image lacks; take one that has it.")
        for found in re.finditer(r"(/\S+) \(0x", told):
            yield Path(os.path.normpath(found[1]))


def main(environment: Path, root: Path) -> None:
    """Fills the folder."""
    runtime = Runtime(root)
    programs = runtime.take_python()
    programs += sorted(path for path in environment.rglob("*.so*") if path.is_file() and not path.is_symlink())
    runtime.take_libraries(programs, environment)
    runtime.take_files()
    runtime.take_packages()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
