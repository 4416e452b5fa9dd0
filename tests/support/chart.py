"""The Helm chart, rendered by a real Helm, as objects to be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

HELM = Path(__file__).resolve().parents[2] / "deploy" / "helm"
CHART = HELM / "kehu"
EXAMPLES = HELM / "examples"
CASES = sorted((CHART / "ci").glob("*.yaml"))
RELEASE = "kehu"
NAMESPACE = "crm"

Object = dict[str, Any]


def name_of(case: Path) -> str:
    """How pytest calls a set of values."""
    return case.stem


def merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Values with others laid over them, as Helm does with several files."""
    result = deepcopy(dict(base))
    for key, value in patch.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else deepcopy(value)
    return result


@lru_cache
def chart(folder: Path = CHART) -> helm.Chart:
    """The chart, loaded once."""
    return helm.Chart.load(folder)


def manifests(values: Mapping[str, Any], *, folder: Path = CHART, release: str = RELEASE) -> dict[str, str]:
    """Template → what it renders to."""
    rendered: dict[str, str] = chart(folder).render(dict(values), name=release, namespace=NAMESPACE)
    return rendered


@dataclass(frozen=True)
class Rendering:
    """What one set of values renders to."""

    values: dict[str, Any]
    """The values, the chart's own among them."""
    objects: tuple[Object, ...]

    def kind(self, *kinds: str) -> list[Object]:
        """The objects of these kinds."""
        return [each for each in self.objects if each["kind"] in kinds]

    def named(self, kind: str, name: str) -> Object:
        """The one object of a kind and name."""
        [found] = [each for each in self.kind(kind) if each["metadata"]["name"] == name]
        return found

    @cached_property
    def workloads(self) -> list[Object]:
        """Whatever brings pods."""
        return self.kind("Deployment", "Job", "Pod")

    @property
    def running(self) -> list[str]:
        """The services of this release."""
        return sorted(name for name, its in self.values["services"].items() if its.get("enabled", True))


def render(values: Mapping[str, Any], *, folder: Path = CHART, release: str = RELEASE) -> Rendering:
    """Renders the chart, or raises helm.HelmError with its sentence when it refuses the values."""
    texts = manifests(values, folder=folder, release=release)
    objects = [
        document
        for template, text in sorted(texts.items())
        if not template.endswith("NOTES.txt")
        for document in yaml.load_all(text, yaml.CSafeLoader)
        if document
    ]
    return Rendering(chart(folder).merge_values(dict(values)), tuple(objects))


@lru_cache
def rendering(case: Path) -> Rendering:
    """What a set of values of ci/ renders to."""
    return render(yaml.safe_load(case.read_text()))


def pod(workload: Object) -> Object:
    """The pod of a workload: `metadata` and `spec`."""
    return workload if workload["kind"] == "Pod" else dict(workload["spec"]["template"])


def labels(workload: Object) -> dict[str, str]:
    """The labels of a workload's pods."""
    return dict(pod(workload)["metadata"]["labels"])


def containers(workload: Object) -> list[Object]:
    """All containers of a workload."""
    spec = pod(workload)["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def kehu(workload: Object) -> Object:
    """The container with our process."""
    [found] = [each for each in containers(workload) if each["name"] == "kehu"]
    return found


def environment(workload: Object) -> dict[str, str]:
    """The environment of our process, without what comes from secrets."""
    return {each["name"]: each["value"] for each in kehu(workload)["env"] if "value" in each}


def role(workload: Object) -> str:
    """api, worker, migrate or test."""
    return labels(workload)["kehu/role"]


def selects(selector: Mapping[str, Any], its: Mapping[str, str]) -> bool:
    """Whether a label selector takes something with these labels."""
    unknown = selector.keys() - {"matchLabels", "matchExpressions"}
    assert not unknown, f"a selector with {unknown}"
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", "only In is used so far"
        if its.get(expression["key"]) not in expression["values"]:
            return False
    return all(its.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of everything inside."""
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from walk(inner, f"{path}[{number}]")
