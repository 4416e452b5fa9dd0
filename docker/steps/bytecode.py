"""Compiles what the image runs, since its root can not be written to: `python3 -m steps.bytecode <environment> <root>`.

    python3 -m steps.bytecode /opt/kehu /runtime          libraries and standard library
    python3 -m steps.bytecode --at /opt/kehu/app /code    code that will lie elsewhere

The bytecode is valid whatever time its source has (the build sets all times to one), and the same at every build.
"""

from __future__ import annotations

import compileall
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

from steps.prune import sources_of_tables


def main(arguments: list[str]) -> None:
    """Compiles. Exits with the reason when a file of ours does not compile."""
    match arguments:
        case ["--at", place, folder]:
            if not _compile(Path(folder), stripdir=folder, prependdir=place):
                sys.exit("Some code does not compile; see above.")
        case [environment, root]:
            packages = next(Path(environment).glob("lib/python3.*/site-packages"))
            for source in list(sources_of_tables(packages)):
                if not _compile_file(source):
                    sys.exit(f"{source} does not compile.")
                source.unlink()
            # Templates that are not Python are among the files of libraries: they may fail.
            _compile(packages)
            _compile(Path(root), stripdir=root, prependdir="/")


def _compile(folder: Path, **places: str) -> bool:
    return bool(
        compileall.compile_dir(
            folder, maxlevels=50, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH, **places
        )
    )


def _compile_file(source: Path) -> bool:
    return bool(
        compileall.compile_file(
            source, quiet=2, legacy=True, force=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
