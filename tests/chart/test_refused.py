"""Values that make no sense, and the sentence that says so."""

from __future__ import annotations

from typing import Any

import helm_python as helm
import pytest
import yaml

from libs.registry import SERVICES
from tests.support.chart import CHART, merged, render

MINIMAL: dict[str, Any] = {name: {"existingSecret": f"kehu-{name}"} for name in ("mongodb", "rabbitmq", "keys")}

NONSENSE = {
    "no secret for mongodb": (
        {"mongodb": {"existingSecret": ""}},
        "mongodb.existingSecret: name the secret with the conn",
    ),
    "no secret for rabbitmq": (
        {"rabbitmq": {"existingSecret": ""}},
        "rabbitmq.existingSecret: name the secret with the",
    ),
    "no secret for keys": (
        {"keys": {"existingSecret": ""}},
        "keys.existingSecret: name the secret with the keys of to",
    ),
    "a user of the broker for each service, and none for KEDA": (
        {
            "rabbitmq": {"existingSecret": "rabbitmq-<service>"},
            "defaults": {"worker": {"autoscaling": {"enabled": True}}},
        },
        "rabbitmq.managementSecret: KEDA asks for all services with one user; name the secret with its URL",
    ),
    "certified clients of servers without a certificate": (
        {"tls": {"clients": "certified"}},
        "tls.existingSecret: clients are to be certified, and servers without a certificate cannot ask",
    ),
    "nothing to run": (
        {"services": {each: {"enabled": False} for each in SERVICES}},
        "services: none is enabled",
    ),
    "a service that the image lacks": (
        {"services": {"billing": {}}},
        f"services.billing: the image has no such service; it has {', '.join(sorted(SERVICES))}",
    ),
    "a name that is none of a service": ({"services": {"My-Service": {}}}, "does not match pattern '^[a-z]+$'"),
    "a call to nobody": (
        {"services": {"profiles": {"calls": ["nobody"]}}},
        'services.profiles.calls: there is no service "nobody"; declare it, with enabled: false when it runs elsewhere',
    ),
    "an ear for nobody": (
        {"services": {"profiles": {"listens": ["parcels"]}}},
        'services.profiles.listens: there is no service "parcels"',
    ),
    "a call to somewhere unknown": (
        {"services": {"interactions": {"enabled": False}}},
        "services.profiles.calls: interactions does not run in this release; set services.interactions.target",
    ),
    "a target for what runs here": (
        {"services": {"profiles": {"target": "dns:///profiles:50051"}}},
        "services.profiles.target: the service runs in this release; remove the target",
    ),
    "a call to itself": (
        {"services": {"profiles": {"calls": ["profiles"]}}},
        "services.profiles.calls: it is called by what it calls (profiles)",
    ),
    "calls in a circle": (
        {"services": {"profiles": {"calls": ["interactions"]}, "interactions": {"calls": ["profiles"]}}},
        "both would wait for each other; let one listen to events instead",
    ),
    "a circle that leads elsewhere": (
        {
            "services": {
                "care": {"enabled": False, "target": "dns:///care:50051", "calls": ["profiles"]},
                "profiles": {"calls": ["interactions"]},
                "interactions": {"calls": ["care"]},
            }
        },
        "services.care.calls: it is called by what it calls (",
    ),
    "more at least than at most": (
        {"defaults": {"autoscaling": {"enabled": True, "min": 5, "max": 3}}},
        "services.care.api.autoscaling: min is 5 and max is 3; min must not be greater",
    ),
    "per cent of nothing": (
        {
            "services": {
                "profiles": {"api": {"autoscaling": {"enabled": True}, "resources": {"requests": {"cpu": None}}}}
            }
        },
        "services.profiles.api.autoscaling: it goes by per cent of resources.requests.cpu, which is not set",
    ),
    "a worker scaled to nothing": ({"defaults": {"worker": {"autoscaling": {"min": 0}}}}, "minimum: got 0, want 1"),
    "a budget that blocks every drain": (
        {"defaults": {"podDisruptionBudget": {"maxUnavailable": 0}}},
        "at '/defaults/podDisruptionBudget/maxUnavailable': minimum: got 0, want 1",
    ),
    "a budget of no per cent": (
        {"defaults": {"podDisruptionBudget": {"maxUnavailable": "0%"}}},
        "at '/defaults/podDisruptionBudget/maxUnavailable': '0%' does not match pattern",
    ),
    "a drain that nobody sees": (
        {"services": {"profiles": {"api": {"drainSeconds": 2}}}},
        "services.profiles.api.drainSeconds: 2 is less than probes.readinessPeriodSeconds (5), so nobody would see",
    ),
    "a grace period that contradicts the process": (
        {"defaults": {"podOverrides": {"terminationGracePeriodSeconds": 10}}},
        "podOverrides.terminationGracePeriodSeconds: the chart works it out; set drainSeconds and graceSeconds instead",
    ),
    "an account that has no rights": (
        {"services": {"profiles": {"worker": {"podOverrides": {"serviceAccountName": "x"}}}}},
        "services.profiles.worker.podOverrides.serviceAccountName: the chart works it out; grant rights to the account",
    ),
    "names that grow too long": (
        {"fullnameOverride": "k" * 40},
        "would be longer than the 63 characters of a name; set a shorter one",
    ),
    "a word that is none of the choices": (
        {"migrations": {"mode": "Hook"}},
        "value must be one of 'hook', 'job', 'none'",
    ),
    "a collector without a port": (
        {"defaults": {"api": {"traceEndpoint": "http://collector"}}},
        "at '/defaults/api/traceEndpoint': 'http://collector' does not match pattern",
    ),
    "a digest that is none": ({"image": {"digest": "sha256:abc"}}, "at '/image/digest': 'sha256:abc' does not match"),
    "a misspelt key": ({"defaults": {"drainSecond": 5}}, "additional properties 'drainSecond' not allowed"),
    "a misspelt key of a process": (
        {"services": {"profiles": {"worker": {"threads": 4}}}},
        "at '/services/profiles/worker': additional properties 'threads' not allowed",
    ),
    "a number as text": ({"defaults": {"replicas": "2"}}, "at '/defaults/replicas': got string, want integer"),
    "a peer that would be everybody": ({"networkPolicy": {"clients": [{}]}}, "minProperties: got 0, want 1"),
}


@pytest.mark.parametrize(("values", "sentence"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused_with_a_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(helm.HelmError) as refused:
        render(merged(MINIMAL, values))
    assert sentence in str(refused.value)


REFUSED: dict[str, str] = yaml.safe_load((CHART / "files" / "refused.yaml").read_text())


@pytest.mark.parametrize("path", REFUSED)
def test_a_key_that_the_chart_does_not_have_is_answered(path: str) -> None:
    for given in (True, 3, {"a": "b"}, ["c"]):
        values: Any = given
        for name in reversed(path.split(".")):
            values = {name: values}
        with pytest.raises(helm.HelmError) as refused:
            render(merged(MINIMAL, values))
        assert f"{path}: {REFUSED[path]}" in str(refused.value)
