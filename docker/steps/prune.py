"""Takes out of an environment what no process of ours ever reads: `python3 -m steps.prune <environment>`.

Every rule says why, and has to match something, so that none outlives its reason. What this may not take is proved by
tests/image: they import every module of ours in the finished image, run the unit tests on its libraries, and have its
processes do real work.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from itertools import chain
from pathlib import Path

DISTRIBUTIONS = {
    # kubernetes.aio alone uses these, and we use threads: it is taken out below.
    "aiohttp": "asyncio",
    "aiohappyeyeballs": "asyncio",
    "aiosignal": "asyncio",
    "frozenlist": "asyncio",
    "multidict": "asyncio",
    "propcache": "asyncio",
    "yarl": "asyncio",
}
PATTERNS = {
    "**/tests": "tests of others",
    "**/*.pyi": "read by type checkers",
    "**/*.pxd": "read by Cython",
    "**/*.pyx": "read by Cython",
    "**/*.[ach]": "read by compilers",
    "**/*.[ch]pp": "read by compilers",
    "kubernetes/aio": "a second client, for asyncio",
    "phonenumbers/carrier*": "names of telephone companies; we read numbers, we do not place them",
    "phonenumbers/geo*": "names of places",
    "phonenumbers/timezone.py": "time zones of places",
    "phonenumbers/tzdata": "time zones of places",
    # The fits use scipy.optimize and scipy.special, which need linalg, sparse, spatial, fft and constants.
    "scipy/cluster": "not used",
    "scipy/datasets": "not used",
    "scipy/differentiate": "not used",
    "scipy/fftpack": "not used",
    "scipy/integrate": "not used",
    "scipy/interpolate": "not used",
    "scipy/io": "not used",
    "scipy/misc": "not used",
    "scipy/ndimage": "not used",
    "scipy/odr": "not used",
    "scipy/signal": "not used",
    "scipy/stats": "not used",
    "scipy/special/cython_special*": "called by Cython code alone",
}
ALL_BUT = {
    # Rich shows tracebacks of Python with it, and nothing else.
    "pygments/lexers": ("__init__.py", "_mapping.py", "python.py"),
}
"""Folders of which little is read."""
SOURCES_OF_TABLES = ("kubernetes/client/models", "kubernetes/client/api", "phonenumbers/data")
"""Generated modules by the thousand: they stay as bytecode, because nobody debugs in them."""
PROGRAMS = ("python", "python3", "python3.11")
"""Programs that stay in bin/. `kehu` comes with the code."""


def prune(environment: Path) -> None:
    """Does all of it. Exits with a sentence when a rule matches nothing any more."""
    packages = next(environment.glob("lib/python3.*/site-packages"))
    known = {_normal(each.name): each for each in distributions(path=[str(packages)])}
    for name in DISTRIBUTIONS:
        if name not in known:
            sys.exit(f"steps/prune.py takes out {name}, which is not installed any more; delete its rule.")
        _uninstall(known[name])
    for pattern, why in PATTERNS.items():
        found = list(packages.glob(pattern))
        if not found:
            sys.exit(f"steps/prune.py takes out {pattern} ({why}), which matches nothing any more; delete its rule.")
        for path in found:
            _remove(path)
    for folder, needed in ALL_BUT.items():
        _remove_all_but(packages / folder, needed)
    for program in (environment / "bin").iterdir():
        if program.name not in PROGRAMS:
            program.unlink()
    _link_doubles(packages)
    for record in packages.glob("*.dist-info/RECORD"):
        record.unlink()  # It lists what was taken out.


def _uninstall(distribution: Distribution) -> None:
    files = [Path(str(file.locate())) for file in distribution.files or ()]
    for file in files:
        _remove(file)
    for folder in sorted({file.parent for file in files}, reverse=True):
        for empty in (folder, *folder.parents):
            if not empty.is_dir() or any(empty.iterdir()):
                break
            empty.rmdir()


def _remove_all_but(folder: Path, needed: tuple[str, ...]) -> None:
    found = {path.name for path in folder.iterdir()}
    if not found.issuperset(needed):
        sys.exit(f"steps/prune.py keeps {', '.join(needed)} of {folder}, where not all of them are; mend its rule.")
    for name in found.difference(needed):
        _remove(folder / name)


def _link_doubles(packages: Path) -> None:
    """Libraries that several wheels bring along, in the same version, are kept once."""
    kept: dict[tuple[str, bytes], Path] = {}
    for library in sorted(chain.from_iterable(folder.iterdir() for folder in packages.glob("*.libs"))):
        first = kept.setdefault((library.name, library.read_bytes()), library)
        if first != library:
            library.unlink()
            library.symlink_to(Path("..") / first.relative_to(packages))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def sources_of_tables(packages: Path) -> Iterator[Path]:
    """The source files that give way to their bytecode."""
    return chain.from_iterable((packages / folder).rglob("*.py") for folder in SOURCES_OF_TABLES)


if __name__ == "__main__":
    prune(Path(sys.argv[1]))
