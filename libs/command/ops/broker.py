"""Reading RabbitMQ: its management API where there is one, otherwise what AMQP tells of each queue."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit

from libs.command.ops.lag import Lag, Queue, group, queue_from
from libs.command.output import Failure, Misuse, Unreachable
from libs.engine.settings import Secret

_SECONDS: Final = 10.0
_MINUTE: Final = {"age": 60, "incr": 5}
_HOUR: Final = {"age": 3600, "incr": 60}
_COLUMNS: Final = (
    "name",
    "messages_ready",
    "messages_unacknowledged",
    "consumers",
    "messages_ready_details.samples",
    "message_stats.publish_details",
    "message_stats.ack_details",
)


class Management:
    """The management API of a broker.

    `uri` is `http://user:password@host:15672` and may end in the name of a virtual host, as KEDA wants it, or be
    `file:<path>` of a file that holds it. Of its user only the tag `monitoring` (or `management`) is needed.
    """

    def __init__(self, uri: str) -> None:
        secret = Secret(uri)
        try:
            parts = urlsplit(secret.read())
        except OSError as error:
            raise Misuse(f"the address of the management API cannot be read from {secret}: {error.strerror}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Misuse(f"{secret} is no address of a management API; write http://user:password@host:15672")
        prefix, _, vhost = parts.path.rpartition("/")
        self.address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{prefix}"
        self._vhost = quote(unquote(vhost) or "/", safe="")
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")

    def read(self) -> Lag:
        """The queues of the suite as they are now. Statistics are as old as the broker's last sample, some 5 s."""
        version = self._get("/api/overview").get("rabbitmq_version", "")
        queues = [queue_from(told) for told in self._get(f"/api/queues/{self._vhost}", _samples(_MINUTE))]
        return group((self._patiently(queue) for queue in queues), f"RabbitMQ {version} at {self.address}")

    def _patiently(self, queue: Queue) -> Queue:
        """The queue with an age of its head from an hour's samples, when a minute's do not reach back to it."""
        if not queue.at_least:
            return queue
        told = self._get(f"/api/queues/{self._vhost}/{quote(queue.name, safe='')}", _samples(_HOUR))
        longer = queue_from(told)
        return Queue(
            name=queue.name,
            ready=queue.ready,
            unacked=queue.unacked,
            consumers=queue.consumers,
            rate_in=queue.rate_in,
            rate_out=queue.rate_out,
            oldest=longer.oldest if longer.oldest is not None else queue.oldest,
            at_least=longer.at_least if longer.oldest is not None else True,
        )

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        import urllib3

        url = f"{self.address}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = urllib3.make_headers(basic_auth=f"{self._user}:{self._password}")
        try:
            with urllib3.PoolManager(headers=headers, timeout=_SECONDS, retries=False) as pool:
                answer = pool.request("GET", url)
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(
                f"the management API at {self.address} does not answer ({_reason(error)}); is the address right, "
                "and the plugin rabbitmq_management enabled?"
            ) from None
        if answer.status in {401, 403}:
            raise Misuse(
                f"the management API at {self.address} refuses user {self._user!r}; "
                "it needs the right password and the tag `monitoring`"
            )
        if answer.status != 200:
            raise Failure(f"the management API at {self.address} answers {answer.status} to {path}")
        try:
            return json.loads(answer.data)
        except ValueError:
            raise Misuse(f"what answers at {self.address} is no management API of RabbitMQ") from None


def read_over_amqp(uri: str, names: Iterable[str]) -> Lag:
    """Reads length and consumers of these queues over AMQP. One that is missing is left out."""
    import amqp

    from libs.engine.bus import BUS_ERRORS, close, connect

    try:
        connection = connect(uri, name="kehu ops lag")
    except BUS_ERRORS as error:
        raise Unreachable(f"the bus does not answer ({error}); `kehu doctor` tells what is missing") from error
    queues = []
    try:
        for name in names:
            try:
                found = connection.channel().queue_declare(name, passive=True)
            except amqp.NotFound:
                continue
            queues.append(Queue(name=name, ready=found.message_count, consumers=found.consumer_count))
        version = connection.server_properties.get("version", "")
    finally:
        close(connection)
    return group(queues, f"RabbitMQ {version} over AMQP: no rates, ages or work in hand")


def _samples(span: Mapping[str, int]) -> dict[str, Any]:
    """Returns the query for samples of counters and lengths over a span of time, and for nothing else."""
    asked = {f"{kind}_{part}": value for kind in ("lengths", "msg_rates") for part, value in span.items()}
    return {**asked, "columns": ",".join(_COLUMNS)}


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    return str(cause).rpartition(": ")[2]
