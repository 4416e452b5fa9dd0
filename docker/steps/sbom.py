"""Writes the bill of materials of the image (CycloneDX 1.6): `python3 -m steps.sbom <environment> <root>`.

It names the distributions of the environment, the libraries that their wheels bring along, the Debian packages that the
root came from, and Python itself where no package brought it. It holds no time, so the same image has the same bill.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

PLACE = Path("usr/share/kehu/sbom.cdx.json")

Component = dict[str, Any]


def bill(environment: Path, root: Path) -> dict[str, Any]:
    """The bill as CycloneDX has it."""
    components = [*_python_packages(environment), *_debian_packages(root)]
    if not any(component["name"].startswith("python3") for component in components):
        version = platform.python_version()
        components.append(_component("python", version, f"pkg:generic/python@{version}"))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": "kehu", "name": "kehu"}},
        "components": sorted(components, key=lambda component: str(component["bom-ref"])),
    }


def _python_packages(environment: Path) -> Iterator[Component]:
    packages = next(environment.glob("lib/python3.*/site-packages"))
    for distribution in distributions(path=[str(packages)]):
        name = re.sub(r"[-_.]+", "-", distribution.name).lower()
        component = _component(name, distribution.version, f"pkg:pypi/{name}@{quote(distribution.version)}")
        component["licenses"] = _licences(distribution)
        folder = packages / f"{distribution.name.replace('-', '_')}.libs"
        component["components"] = [
            {
                "type": "file",
                "bom-ref": f"{component['purl']}#{library.name}",
                "name": library.name,
                "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(library.read_bytes()).hexdigest()}],
            }
            for library in (sorted(folder.iterdir()) if folder.is_dir() else ())
        ]
        yield {key: value for key, value in component.items() if value}


def _debian_packages(root: Path) -> Iterator[Component]:
    release = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]+)', (root / "usr/lib/os-release").read_text(), re.MULTILINE))
    for status in (root / "var/lib/dpkg/status.d").iterdir():
        fields = dict(re.findall(r"^(\w[\w-]*): (.*)$", status.read_text(), re.MULTILINE))
        name, version = fields["Package"], fields["Version"]
        place = f"arch={fields['Architecture']}&distro={release['ID']}-{release.get('VERSION_ID', 'unknown')}"
        yield _component(name, version, f"pkg:deb/{release['ID']}/{quote(name)}@{quote(version)}?{place}")


def _component(name: str, version: str, purl: str) -> Component:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _licences(distribution: Distribution) -> list[dict[str, Any]]:
    fields = distribution.metadata
    if expression := fields.get("License-Expression"):
        return [{"expression": expression}]
    told = fields.get("License", "").strip()
    if told and "\n" not in told:  # Some give the whole text.
        return [{"license": {"name": told}}]
    known = [name for name in fields.get_all("Classifier") or () if name.startswith("License ::")]
    return [{"license": {"name": name.rpartition(" :: ")[2]}} for name in known]


if __name__ == "__main__":
    root = Path(sys.argv[2])
    (root / PLACE).parent.mkdir(parents=True, exist_ok=True)
    (root / PLACE).write_text(json.dumps(bill(Path(sys.argv[1]), root), indent=1, ensure_ascii=False) + "\n")
