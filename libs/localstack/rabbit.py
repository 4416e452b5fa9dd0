"""A RabbitMQ node of our own on this machine, apart from any broker that is already there.

The program is Debian's, started directly as the present user: Debian's wrapper would change to the user and the folders
of the system's broker. Everything that nodes of one machine usually share is in the node's own folder, also the cookie;
and it has its own port mapper (epmd), so its name cannot clash. Tests also run on the line after the installed one,
which is unpacked from Debian's next release.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from libs.engine.tls import Tls
from libs.localstack.cache import fetched
from libs.localstack.debian import bind, unpack
from libs.localstack.processes import HOST, Process, StackError, free_port, listening

PLUGINS = ("rabbitmq_consistent_hash_exchange", "rabbitmq_management")

_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
# An idle node must not burn a core that the services share.
_NO_BUSY_WAITING = "+sbwt none +sbwtdcpu none +sbwtdio none"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of RabbitMQ with the Erlang that runs it."""

    programs: Path
    """Folder of `rabbitmq-server` and its tools."""
    erlang: Path
    """Folder of `erl` and `epmd`."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make the programs of this line find each other first."""
        return {"PATH": f"{self.erlang}:{os.environ.get('PATH', os.defpath)}"}


def installed() -> Line:
    """Returns the RabbitMQ of this machine's Debian (3.10 in bookworm). StackError when there is none."""
    line = Line(Path("/usr/lib/rabbitmq/bin"), Path("/usr/bin"))
    if not (line.programs / "rabbitmq-server").exists():
        raise StackError("RabbitMQ is missing; run `make env`, or set KEHU_AMQP_URI to a broker.")
    return line


def next_line() -> Line:
    """Returns RabbitMQ 4.0, fetched the first time (60 MB) and unpacked into the user's cache."""
    folder = fetched("rabbitmq-4", _unpack)
    return Line(folder / "usr/lib/rabbitmq/bin", folder / "usr/lib/erlang/bin")


def _unpack(folder: Path) -> None:
    def prepare(root: Path) -> None:
        erlang = root / "usr/lib/erlang"
        places = ("bin/*", "erts-*/bin/*", "lib/os_mon-*/priv/bin/*")
        bind(root, folder, (program for place in places for program in erlang.glob(place)))
        for script in ("erl", "start", "start_erl"):
            path = erlang / "bin" / script
            path.write_text(path.read_text().replace("/usr/lib/erlang", f"{folder}/usr/lib/erlang"))

    unpack(folder, ["rabbitmq-server"], release="trixie", needs=["erlang-", "lib"], prepare=prepare)


class Broker:
    """One broker: a process, its port mapper, ports and a folder of data.

    `port` is the AMQP port and `management_port` that of the management API; 0 chooses a free one, which `restart`
    keeps. `host` is the address that others find them at; AMQP is served on the loopback address as well, and only
    there does the user `guest` get in. `line` is the installed one unless another is given. With `tls`, nobody speaks
    AMQP in plain text.
    """

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        management_port: int = 0,
        *,
        host: str = HOST,
        line: Line | None = None,
        tls: Tls | None = None,
    ) -> None:
        self._tls = tls
        self.port = port or free_port()
        self.management_port = management_port or free_port()
        self.host = host
        self.process = Process(folder, "rabbitmq")
        self.data = folder / "rabbitmq.data"
        self._epmd = Process(folder, "epmd")
        self._settings: dict[str, str] = {}
        self._line = line or installed()

    @property
    def uri(self) -> str:
        if self._tls is not None:
            return f"amqps://guest:guest@{HOST}:{self.port}/?cacertfile={self._tls.authorities}"
        return f"amqp://guest:guest@{HOST}:{self.port}/"

    @property
    def management_uri(self) -> str:
        """Address of the management API, which answers a moment after the broker takes connections."""
        return f"http://guest:guest@{HOST}:{self.management_port}"

    @property
    def alive(self) -> bool:
        return self.process.alive

    def start(self) -> None:
        """Starts the broker and waits until it takes connections. Nothing happens when it runs."""
        if not self.alive:
            self._epmd.stop()
            epmd_port = free_port()
            self._epmd.start([self._line.erlang / "epmd", "-port", str(epmd_port), "-address", HOST])
            self._epmd.wait_until(lambda: listening(epmd_port), 10)
            self._settings = self._environment(epmd_port)
            self.process.start([self._line.programs / "rabbitmq-server"], self._settings)
        self.process.wait_until(self._answers, 90)

    def kill(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to the broker: SIGKILL ends it, SIGSTOP and SIGCONT freeze and thaw it."""
        self.process.kill(sig)

    def control(self, *command: str) -> None:
        """Runs `rabbitmqctl` on this very node, which this object has started."""
        done = subprocess.run(
            [self._line.programs / "rabbitmqctl", *command],
            env={**os.environ, **self._settings},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackError(f"`rabbitmqctl {command[0]}` failed: {done.stderr.strip()[-300:]}.", self.process.log)

    def restart(self) -> None:
        """Ends the broker in good order, if it runs, and starts it again with its data."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """Ends the broker in good order and waits. Nothing of it stays behind but its data."""
        self.process.stop(grace=30)
        self._epmd.stop()

    def _answers(self) -> bool:
        """Tells whether the broker greets a client: it listens only when it has started completely."""
        try:
            with socket.create_connection((HOST, self.port), timeout=2) as plain, self._secured(plain) as connection:
                connection.sendall(_PROTOCOL_HEADER)
                return connection.recv(1) == b"\x01"  # A method frame: connection.start.
        except OSError:
            return False

    def _secured(self, plain: socket.socket) -> socket.socket:
        if self._tls is None:
            return plain
        anybody = ssl.create_default_context()  # the question is whether it answers, not whether it is believed
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        return anybody.wrap_socket(plain, server_hostname=HOST)

    def _listening(self) -> str:
        """Returns the lines of the configuration that say where and how AMQP is served."""
        kind = "tcp" if self._tls is None else "ssl"
        lines = [f"listeners.{kind}.{n} = {host}:{self.port}" for n, host in enumerate(sorted({HOST, self.host}), 1)]
        if self._tls is not None:
            lines += [
                "listeners.tcp = none",
                f"ssl_options.cacertfile = {self._tls.authorities}",
                f"ssl_options.certfile = {self._tls.certificate}",
                f"ssl_options.keyfile = {self._tls.key}",
                "ssl_options.verify = verify_none",
            ]
        return "".join(f"{line}\n" for line in lines)

    def _environment(self, epmd_port: int) -> dict[str, str]:
        """Writes the configuration and returns the environment that makes the server use it, and only it."""
        self.data.mkdir(parents=True, exist_ok=True)
        plugins = self.data / "enabled_plugins"
        config = self.data / "rabbitmq.conf"
        advanced = self.data / "advanced.config"
        plugins.write_text(f"[{','.join(PLUGINS)}].\n")
        config.write_text(
            self._listening()
            + (f"management.tcp.ip = {HOST}\n" if self.host == HOST else "")
            + f"management.tcp.port = {self.management_port}\n"
            "log.console = true\n"
            "log.console.level = warning\n"
            "log.file = false\n"
            "vm_memory_high_watermark.absolute = 1GB\n"
        )
        advanced.write_text(f"[{{kernel, [{{inet_dist_use_interface, {{{HOST.replace('.', ',')}}}}}]}}].\n")
        return self._line.environment | {
            "HOME": str(self.data),
            # A number needs no name service.
            "RABBITMQ_NODENAME": f"kehu@{HOST}",
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.data / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.data / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.data / "generated"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(self.data / "feature_flags"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(advanced),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _NO_BUSY_WAITING,
            # Makes the script become the server instead of watching it, so that signals reach it.
            "RUNNING_UNDER_SYSTEMD": "true",
            "ERL_CRASH_DUMP_SECONDS": "0",
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": HOST,
        }
