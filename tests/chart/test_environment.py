"""What the chart tells its processes, read as the processes read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from libs.engine.settings import PREFIX, Role, Settings, concerns_services
from tests.support.chart import CASES, Rendering, environment, kehu, labels, name_of, pod, render, rendering, role

MINIMAL = {name: {"existingSecret": f"kehu-{name}"} for name in ("mongodb", "rabbitmq", "keys")}
URIS = {"mongodb": "mongodb://user:secret@mongodb/?replicaSet=rs0", "rabbitmq": "amqp://user:secret@rabbitmq/crm"}
KEYS = ("dev.pub.pem", "page.key", "seal.key")


def settings_of(workload: dict[str, Any], root: Path) -> Settings:
    """The settings of a workload's process, whose secrets are mounted below `root` as the kubelet would."""
    spec = pod(workload)["spec"]
    mounts = {each["name"]: each["mountPath"] for each in kehu(workload)["volumeMounts"]}
    for volume in spec["volumes"]:
        sources = (
            [volume["secret"]]
            if "secret" in volume
            else [s["secret"] for s in volume.get("projected", {}).get("sources", [])]
        )
        folder = root / mounts[volume["name"]].lstrip("/")
        items = [
            item
            for source in sources
            for item in source.get("items", [{"path": name} for name in KEYS])
            if not source.get("optional")
        ]
        for item in items:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / item["path"]).write_text(URIS.get(volume["name"], "0" * 64))
    told = {name: value.replace("/etc/kehu", str(root / "etc/kehu")) for name, value in environment(workload).items()}
    assert role(workload) in get_args(Role)
    return Settings.read(role(workload), told)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_every_process_takes_its_environment_and_finds_its_secrets(case: Path, tmp_path: Path) -> None:
    for workload in rendering(case).workloads:
        if role(workload) == "test":
            continue
        name = workload["metadata"]["name"]
        settings = settings_of(workload, tmp_path / name)
        assert settings.mongodb_uri.read() == URIS["mongodb"], name
        assert bool(settings.amqp_uri) is (role(workload) not in ("api", "web"))
        if role(workload) not in ("api", "web"):
            assert settings.amqp_uri.read() == URIS["rabbitmq"]
        if role(workload) != "migrate":
            found = {path.name for path in settings.token_keys.iterdir()}
            assert found == (set(KEYS) if role(workload) == "api" else {"page.key", "seal.key"})
            assert settings.stop_budget < pod(workload)["spec"]["terminationGracePeriodSeconds"]
        assert kehu(workload)["args"] == [labels(workload)["kehu/service"], role(workload)]


def test_every_value_of_a_process_arrives_in_the_setting_that_it_names(tmp_path: Path) -> None:
    process = {"drainSeconds": 17, "graceSeconds": 333, "logLevel": "warning"}
    api = {
        "connectionAgeSeconds": 77,
        "threads": 33,
        "streams": 4444,
        "tenantRate": 1_000_000,
        "reflection": False,
        "tokenIssuer": "https://issuer.example.com",
        "traceEndpoint": "http://collector:4317",
    }
    tls = {"existingSecret": "kehu-tls", "clients": "certified"}
    rendered = render(
        {**MINIMAL, "tls": tls, "defaults": {**process, "api": api, "worker": {"lease": "kubernetes"}}}, release="acme"
    )
    served = settings_of(rendered.named("Deployment", "acme-kehu-profiles-api"), tmp_path / "api")
    worked = settings_of(rendered.named("Deployment", "acme-kehu-profiles-worker"), tmp_path / "worker")
    for settings, wanted in ((served, {**process, **api}), (worked, process)):
        for key, value in wanted.items():
            assert getattr(settings, "".join(f"_{c.lower()}" if c.isupper() else c for c in key)) == value
        assert settings.tls is not None
        assert {path.name for path in (settings.tls.certificate, settings.tls.key, settings.tls.authorities)} == {
            "tls.crt",
            "tls.key",
            "ca.crt",
        }
    assert (served.tls_clients, worked.tls_clients) == ("certified", "anybody")
    assert (worked.lease, worked.lease_prefix) == ("kubernetes", "acme-kehu")


def test_every_value_of_a_web_process_arrives(tmp_path: Path) -> None:
    web = {"threads": 33, "https": False, "proxies": 2, "rate": 0}
    rendered = render({**MINIMAL, "defaults": {"web": web}})
    settings = settings_of(rendered.named("Deployment", "kehu-surveys-web"), tmp_path)
    assert settings.threads == 33
    assert (settings.web_https, settings.web_proxies, settings.web_rate) == (False, 2, 0)
    assert not settings.amqp_uri


def test_every_setting_is_given_or_left_to_the_image() -> None:
    """A new setting of the chassis needs a value of the chart, or a line here that says why not."""
    of_the_image = {"KEHU_VERSION", "KEHU_REVISION"}
    tls = {"existingSecret": "kehu-tls"}
    full = {
        **MINIMAL,
        "tls": tls,
        "defaults": {"api": {"traceEndpoint": "http://c:4317"}, "worker": {"lease": "kubernetes"}},
    }
    given = {name for workload in render(full).kind("Deployment") for name in environment(workload)}
    given = {name for name in given if concerns_services(name)}
    assert given == {PREFIX + name.upper() for name in Settings.__dataclass_fields__} - of_the_image


@pytest.mark.parametrize(
    ("at", "least", "most"),
    [
        ("drainSeconds", 5, 60),
        ("graceSeconds", 0, 600),
        ("connectionAgeSeconds", 10, 86_400),
        ("tenantRate", 0, 1_000_000),
    ],
)
def test_whatever_the_schema_allows_a_process_takes(at: str, least: int, most: int, tmp_path: Path) -> None:
    for value in (least, most):
        rendered = render({**MINIMAL, "services": {"profiles": {"api": {at: value}}}})
        settings_of(rendered.named("Deployment", "kehu-profiles-api"), tmp_path / str(value))


def test_a_service_hears_where_those_are_that_it_calls() -> None:
    def targets(services: dict[str, Any]) -> dict[str, str]:
        [found] = (
            environment(each)
            for each in render({**MINIMAL, "services": services}).kind("Deployment")
            if each["metadata"]["name"] == "kehu-profiles-worker"
        )
        return {name: value for name, value in found.items() if name.startswith("KEHU_TARGET_")}

    assert targets({"profiles": {"calls": []}}) == {}
    assert targets({}) == {"KEHU_TARGET_INTERACTIONS": "dns:///kehu-interactions:50051"}
    elsewhere = {"interactions": {"enabled": False, "target": "dns:///far.away:50051"}}
    assert targets(elsewhere) == {"KEHU_TARGET_INTERACTIONS": "dns:///far.away:50051"}


LAYERS = ("defaults", "role", "service", "process")


@pytest.mark.parametrize("saying", range(2 ** len(LAYERS)))
def test_the_nearest_layer_wins(saying: int) -> None:
    said = {layer: {"drainSeconds": 10 + n} for n, layer in enumerate(LAYERS) if saying & 1 << n}
    values = {
        **MINIMAL,
        "defaults": {**said.get("defaults", {}), "api": said.get("role", {})},
        "services": {"profiles": {**said.get("service", {}), "api": said.get("process", {})}},
    }
    told = environment(render(values).named("Deployment", "kehu-profiles-api"))
    nearest = next((said[layer] for layer in reversed(LAYERS) if layer in said), {"drainSeconds": 5})
    assert told["KEHU_DRAIN_SECONDS"] == str(nearest["drainSeconds"])


def test_no_layer_is_lost_because_it_says_zero_or_no() -> None:
    values: dict[str, Any] = {
        **MINIMAL,
        "defaults": {"podDisruptionBudget": {"maxUnavailable": 2}, "autoscaling": {"enabled": True}},
        "services": {
            "profiles": {
                "api": {"tenantRate": 0, "reflection": False, "graceSeconds": 0, "topologySpread": []},
                "autoscaling": {"enabled": False},
            }
        },
    }
    rendered: Rendering = render(values)
    workload = rendered.named("Deployment", "kehu-profiles-api")
    told = environment(workload)
    assert (told["KEHU_TENANT_RATE"], told["KEHU_REFLECTION"], told["KEHU_GRACE_SECONDS"]) == ("0", "no", "0")
    assert "topologySpreadConstraints" not in pod(workload)["spec"]
    assert workload["spec"]["replicas"] == 2
    assert rendered.named("PodDisruptionBudget", "kehu-profiles-api")["spec"]["maxUnavailable"] == 2
