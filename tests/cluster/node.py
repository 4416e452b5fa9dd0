"""The node: etcd, the control plane, containerd, kubelet and kube-proxy, then names and figures for its pods.

Everything it leaves on disk is in `build/cluster`; everything it runs is in the namespaces and the cgroup of its
`Place`.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

from libs.localstack.processes import Process, StackError
from tests.cluster import archive, configuration
from tests.cluster.namespaces import Place

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "cluster"
BUILD = Path(__file__).with_name("build.sh")
MANIFESTS = Path(__file__).with_name("manifests")
PROGRAMS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
    *("coredns", "metrics-server"),
)
TOOLS = "localhost/kehu-node/tools:1"

Announce = Callable[[str], None]
"""Takes a few words about what is being done now."""


class Node:
    """The node of this checkout. All methods but `built` and `programs` are for a process inside of its `Place`."""

    def __init__(self) -> None:
        self.folder = FOLDER
        self.place = Place(FOLDER)
        self.kubeconfig = FOLDER / "kubeconfig"
        where = [str(Path(__file__).with_name("build.sh")), "--where"]
        self.programs = Path(
            subprocess.run(["bash", *where], capture_output=True, text=True, check=True).stdout.strip()
        )

    @property
    def environment(self) -> dict[str, str]:
        """What commands need to find the programs and the API server."""
        return {"PATH": f"{self.programs / 'bin'}:{os.environ['PATH']}", "KUBECONFIG": str(self.kubeconfig)}

    def furnish(self) -> None:
        """Gives the namespaces an address and own folders. Nothing happens when they have them."""
        if (self.folder / "files").exists():
            return
        commands = (
            "ip link set lo up",
            "ip link add node0 type bridge",
            f"ip address add {configuration.ADDRESS}/24 dev node0",
            "ip link set node0 up",
            # Leads nowhere; without one, programs do not believe that they have an address.
            "ip route add default via 10.10.0.1",
            "sysctl -qw net.ipv4.ip_forward=1",
            "sysctl -qw net.bridge.bridge-nf-call-iptables=1",
        )
        for command in commands:
            done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise StackError(f"`{command}` failed: {done.stderr.strip()}")
        self.place.furnish(
            overlays={"/var/log": "log", "/var/lib/cni": "lib/cni", "/var/lib/kubelet": "lib/kubelet"},
            replaced={
                "/etc/resolv.conf": f"nameserver {configuration.DNS}\nsearch svc.{configuration.DOMAIN}\n",
            },
        )

    def up(self, announce: Announce) -> None:
        """Starts what does not run, and returns when the node takes pods that find each other."""
        lacking = [name for name in PROGRAMS if not (self.programs / "bin" / name).exists()]
        if lacking:
            raise StackError(f"{', '.join(lacking)} not built yet; run `make cluster`, which builds what is missing.")
        announce("starting the control plane")
        self._start("etcd", [f"--data-dir={self.folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=error"])
        self._start("containerd", [f"--config={self._file('containerd.toml', configuration.containerd(self.folder))}"])
        self._identities()
        api = self._start("kube-apiserver", configuration.apiserver(self.folder))
        self._kubeconfigs(api)
        api.wait_until(lambda: self.kubectl("get", "--raw=/readyz", check=False).returncode == 0, 120)
        self._start("kube-controller-manager", configuration.controller_manager(self.folder))
        self._start("kube-scheduler", configuration.scheduler(self.folder))
        announce("starting the node")
        self._images()
        self._file("cni/pods.conflist", configuration.network())
        kubelet = self._start(
            "kubelet",
            [
                f"--config={self._file('kubelet.json', configuration.kubelet(self.place.cgroup))}",
                f"--kubeconfig={self.folder / f'system:node:{configuration.NAME}.conf'}",
                f"--hostname-override={configuration.NAME}",
                f"--node-ip={configuration.ADDRESS}",
            ],
        )
        self._start("kube-proxy", configuration.proxy(self.folder))
        for definitions in sorted((self.programs / "crds").glob("*.yaml")):
            self.apply(definitions)
        for manifest in sorted(MANIFESTS.glob("*.yaml")):
            self.apply(manifest)
        announce("waiting for the node")
        kubelet.wait_until(self._node_ready, 120)
        for name in ("coredns", "metrics-server"):
            self.kubectl("rollout", "status", "--namespace=kube-system", f"deployment/{name}", "--timeout=120s")

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl as the administrator; StackError with what it said when it fails and `check`."""
        done = subprocess.run(
            ["kubectl", *arguments],
            env=os.environ | self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise StackError(f"`kubectl {' '.join(arguments)}` failed: {done.stderr.strip()}")
        return done

    def apply(self, manifest: Path | str) -> None:
        """Applies a file or a text of manifests."""
        if isinstance(manifest, Path):
            self.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={manifest}")
        else:
            self.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=manifest)

    def load(self, image: Path) -> None:
        """Puts an image archive (docker or OCI) where the kubelet finds it."""
        self.ctr("images", "import", "--no-unpack", str(image))

    def ctr(self, *arguments: str) -> str:
        """Runs containerd's client on what the kubelet sees. StackError with what it said when it fails."""
        done = subprocess.run(["ctr", "--namespace=k8s.io", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StackError(f"`ctr {' '.join(arguments)}` failed: {done.stderr.strip()}")
        return done.stdout

    def _start(self, program: str, flags: list[str]) -> Process:
        """Starts a program of the node, whose log is `<folder>/<program>.log`."""
        own = self.programs / "bin" / program
        process = Process(self.folder, program)
        process.start([own if own.exists() else program, *flags], {"PATH": self.environment["PATH"]})
        return process

    def _file(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def _identities(self) -> None:
        """Keys, certificates and tokens, made once."""
        if (self.folder / "tokens.csv").exists():
            return
        pki = self.folder / "pki"
        pki.mkdir(exist_ok=True)
        for command in (
            ["genrsa", "-out", f"{pki}/accounts.key", "2048"],
            [
                *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=front"),
                *("-addext", "extendedKeyUsage=clientAuth"),
                *("-keyout", f"{pki}/front.key", "-out", f"{pki}/front.crt"),
            ],
        ):
            subprocess.run(["openssl", *command], capture_output=True, check=True)
        self._file("tokens.csv", configuration.tokens({user: secrets.token_hex(16) for user in configuration.USERS}))

    def _kubeconfigs(self, api: Process) -> None:
        certificate = self.folder / "pki" / "apiserver.crt"
        api.wait_until(certificate.exists, 60)
        for row in (self.folder / "tokens.csv").read_text().splitlines():
            token, user, *_ = row.split(",")
            path = self.kubeconfig if user == "admin" else self.folder / f"{user}.conf"
            path.write_text(configuration.kubeconfig(user, token, certificate))

    def _images(self) -> None:
        """The images that the node itself needs."""
        programs = self.programs / "bin"
        for name, files, entrypoint in (
            (configuration.PAUSE, {"/pause": Path("/usr/bin/catatonit")}, ["/pause", "-P"]),
            (TOOLS, {f"/{name}": programs / name for name in ("coredns", "metrics-server")}, []),
        ):
            target = self.folder / f"{name.split('/')[-1].partition(':')[0]}.tar"
            if not target.exists():
                archive.write(target, name, files, entrypoint)
                self.load(target)

    def _node_ready(self) -> bool:
        ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
        return self.kubectl("get", "node", configuration.NAME, f"--output={ready}", check=False).stdout == "True"
