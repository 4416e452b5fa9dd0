"""Reading one namespace of a Kubernetes cluster, with typed calls and errors that say what to do.

The address and the credentials are those of kubectl (`KUBECONFIG`, `~/.kube/config`), or of the pod that this runs in.
Nothing is written, and nothing outside the namespace is asked for. The library is imported when a cluster is opened.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from libs.command.ops.rights import missing
from libs.command.output import Failure, Misuse, Unreachable

NAME_LABEL: Final = "app.kubernetes.io/name"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
OURS: Final = f"{NAME_LABEL}=kehu"
ADMIN_PORT: Final = 9090

_TIMEOUT: Final = (5.0, 15.0)
_PAGE: Final = 500
_AT_ONCE: Final = 8
_IN_CLUSTER_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Cluster:
    """One namespace as its reader sees it. Lists are of the suite's objects unless something else is said."""

    def __init__(self, api_client: Any, namespace: str, release: str = "") -> None:
        from kubernetes import client

        self.namespace = namespace
        self.release = release
        """The Helm release. Empty for the only one there is."""
        self._api = api_client
        self._core = client.CoreV1Api(api_client)
        self._apps = client.AppsV1Api(api_client)
        self._policy = client.PolicyV1Api(api_client)
        self._coordination = client.CoordinationV1Api(api_client)
        self._custom = client.CustomObjectsApi(api_client)

    @classmethod
    def open(cls, *, context: str = "", namespace: str = "", release: str = "") -> Cluster:
        """The cluster that the user's kubeconfig names, or that this process runs in."""
        from kubernetes import client, config

        settings = type.__call__(client.Configuration)
        settings.retries = False
        try:
            known = _kubeconfig_exists()
            if known:
                config.load_kube_config(context=context or None, client_configuration=settings, persist_config=False)
                default = _context_namespace(context)
            else:
                config.load_incluster_config(client_configuration=settings)
                default = _IN_CLUSTER_NAMESPACE.read_text().strip()
        except (config.ConfigException, OSError) as error:
            raise Misuse(_no_configuration(error, context)) from None
        cluster = cls(client.ApiClient(settings), namespace or default, release)
        cluster.release = release or cluster._only_release()
        return cluster

    @property
    def host(self) -> str:
        """Address of the API server."""
        return str(self._api.configuration.host)

    def version(self) -> str:
        """The version of the API server, for example `v1.34.4`."""
        from kubernetes import client

        with self._asking("version", "get"):
            return str(client.VersionApi(self._api).get_code(_request_timeout=_TIMEOUT).git_version)

    def deployments(self) -> list[Any]:
        """The suite's Deployments, by name."""
        return self._list("deployments", "apps", self._apps.list_namespaced_deployment, self._selector)

    def full_names(self) -> list[str]:
        """Prefix of the names of the suite's objects: one word, as long as the chart made them."""
        names = {str(each.metadata.name): (each.metadata.labels or {}) for each in self.deployments()}
        return sorted({name.removesuffix(f"-{labels.get(COMPONENT_LABEL, '')}") for name, labels in names.items()})

    def replica_sets(self) -> list[Any]:
        """The suite's ReplicaSets, which tell of rollouts."""
        return self._list("replicasets", "apps", self._apps.list_namespaced_replica_set, self._selector)

    def pods(self) -> list[Any]:
        """The suite's pods, by name."""
        return self._list("pods", "", self._core.list_namespaced_pod, self._selector)

    def all_pods(self) -> list[Any]:
        """Every pod of the namespace."""
        return self._list("pods", "", self._core.list_namespaced_pod, "")

    def budgets(self) -> list[Any]:
        """Every PodDisruptionBudget of the namespace: one of a stranger may select our pods too."""
        return self._list("poddisruptionbudgets", "policy", self._policy.list_namespaced_pod_disruption_budget, "")

    def leases(self) -> list[Any]:
        """Every Lease of the namespace."""
        return self._list("leases", "coordination.k8s.io", self._coordination.list_namespaced_lease, "")

    def events(self) -> list[Any]:
        """Every event of the namespace that is still kept (an hour, usually)."""
        return self._list("events", "", self._core.list_namespaced_event, "")

    def log(self, pod: str, *, lines: int, previous: bool = False) -> str:
        """The end of what a pod, or the container that ran in it before, has said."""
        with self._asking("pods/log", "get"):
            told = self._core.read_namespaced_pod_log(
                pod,
                self.namespace,
                tail_lines=lines,
                previous=previous,
                _request_timeout=_TIMEOUT,
                _preload_content=False,
            )
            return str(told.data.decode(errors="replace"))

    def ask(self, pods: Sequence[str], path: str) -> dict[str, str]:
        """Pod → what its admin port answers to `path`, through the API server. A pod that does not answer is left out.

        Failure when this is not allowed at all: it takes the right `get` on `pods/proxy`.
        """

        def one(pod: str) -> tuple[str, str] | None:
            from kubernetes.client import ApiException
            from urllib3.exceptions import HTTPError

            try:
                told = self._core.connect_get_namespaced_pod_proxy_with_path(
                    f"{pod}:{ADMIN_PORT}", self.namespace, path, _request_timeout=_TIMEOUT, _preload_content=False
                )
            except ApiException as error:
                if error.status == 403:
                    raise _forbidden("pods/proxy", "", "get", self.namespace, error) from None
                # /readyz answers 503 and says why; what the API server says itself is a Status object.
                said = _text(error.body)
                return None if error.status != 503 or said.startswith("{") else (pod, said)
            except HTTPError:
                return None
            return pod, _text(told.data)

        with ThreadPoolExecutor(_AT_ONCE) as workers:
            return dict(filter(None, workers.map(one, pods)))

    def raw(self, group: str, version: str, plural: str) -> list[dict[str, Any]] | None:
        """Every object of a kind as the API server sends it. None when the cluster does not know the kind."""
        from kubernetes.client import ApiException

        found: list[dict[str, Any]] = []
        page = ""
        while True:
            with self._asking(plural, "list", group):
                try:
                    told = self._page(group, version, plural, page)
                except ApiException as error:
                    if error.status == 404:
                        return None
                    raise
            found += told["items"]
            page = told["metadata"].get("continue", "")
            if not page:
                return found

    def _page(self, group: str, version: str, plural: str, page: str) -> Any:
        if group:
            more = {"_continue": page} if page else {}
            return self._custom.list_namespaced_custom_object(
                group, version, self.namespace, plural, limit=_PAGE, _request_timeout=_TIMEOUT, **more
            )
        path = f"/api/{version}/namespaces/{self.namespace}/{plural}"
        query = [("limit", _PAGE)] + ([("continue", page)] if page else [])
        return self._api.call_api(
            path,
            "GET",
            query_params=query,
            auth_settings=["BearerToken"],
            response_types_map={200: "object"},
            _return_http_data_only=True,
            _request_timeout=_TIMEOUT,
        )

    @property
    def _selector(self) -> str:
        return f"{OURS},{INSTANCE_LABEL}={self.release}" if self.release else OURS

    def _only_release(self) -> str:
        """The release in the namespace. Misuse when there is none, or more than one to choose from."""
        found = sorted({(each.metadata.labels or {}).get(INSTANCE_LABEL, "") for each in self.deployments()})
        if not found:
            raise Misuse(
                f"there is no Deployment of Kehu in namespace {self.namespace!r} of {self.host}; "
                "name another with --namespace or --context"
            )
        if len(found) > 1:
            raise Misuse(f"namespace {self.namespace!r} has several releases: choose with --release {'|'.join(found)}")
        return str(found[0])

    def _list(self, resource: str, group: str, ask: Callable[..., Any], selector: str) -> list[Any]:
        found: list[Any] = []
        page = ""
        while True:
            more = {"_continue": page} if page else {}
            with self._asking(resource, "list", group):
                told = ask(self.namespace, label_selector=selector, limit=_PAGE, _request_timeout=_TIMEOUT, **more)
            found += told.items
            page = told.metadata._continue or ""  # noqa: SLF001  (so the library names the field `continue`)
            if not page:
                return sorted(found, key=lambda each: str(each.metadata.name))

    @contextmanager
    def _asking(self, resource: str, verb: str, group: str = "") -> Iterator[None]:
        """Turns what the library raises into a sentence."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ApiException as error:
            raise self._explained(error, resource, verb, group) from None
        except HTTPError as error:
            cause = str(getattr(error, "reason", None) or error).rpartition(": ")[2]
            raise Unreachable(
                f"the cluster at {self.host} does not answer ({cause}); is it up, and is this the right context? "
                "`kubectl config get-contexts` shows what there is"
            ) from None

    def _explained(self, error: Any, resource: str, verb: str, group: str) -> Failure:
        if not error.status:
            return Misuse(
                f"{self.host} has no certificate that the kubeconfig trusts: {' '.join(error.reason.split())}"
            )
        if error.status == 401:
            return Misuse(f"{self.host} does not accept these credentials; log in again, or choose another --context")
        if error.status == 403:
            return _forbidden(resource, group, verb, self.namespace, error)
        if error.status in {429, 500, 502, 503, 504}:
            return Unreachable(f"the API server at {self.host} is not able to answer now: {_said(error)}")
        return Failure(f"{self.host} answers {error.status} to {verb} {resource}: {_said(error)}")


def _forbidden(resource: str, group: str, verb: str, namespace: str, error: Any) -> Misuse:
    who = _said(error).partition('User "')[2].partition('"')[0] or "this user"
    return Misuse(
        f"{who} may not {verb} {resource} in namespace {namespace!r}: the Role lacks the rule "
        f"{missing(group, resource, verb)}; the chart ships a Role with all that is needed (value `ops.role`)"
    )


def _said(error: Any) -> str:
    """The sentence inside an answer of the API server."""
    text = _text(error.body or error.reason or "")
    try:
        told = json.loads(text)
    except ValueError:
        return text.strip()[:200]
    return str(told.get("message", text)) if isinstance(told, Mapping) else text


def _text(body: Any) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body)


def _kubeconfig_exists() -> bool:
    import os

    named = os.environ.get("KUBECONFIG", "")
    files = named.split(os.pathsep) if named else ["~/.kube/config"]
    return any(Path(file).expanduser().is_file() for file in files if file)


def _context_namespace(context: str) -> str:
    from kubernetes import config

    contexts, active = config.list_kube_config_contexts()
    chosen = next((each for each in contexts if each["name"] == context), active)
    return str(chosen["context"].get("namespace") or "default")


def _no_configuration(error: Exception, context: str) -> str:
    if _kubeconfig_exists():
        wanted = f" (--context {context})" if context else ""
        return f"the kubeconfig cannot be used{wanted}: {error}; `kubectl config get-contexts` shows what there is"
    return (
        "there is no kubeconfig, and this is not a pod: set KUBECONFIG or log in to a cluster; "
        "`kehu doctor` looks at the local stack"
    )
