"""The web process: pages for people outside, on WSGI.

Whoever asks is not known, so each address has a number of requests that it may make, a form has a size, and a client
that is slow is given up. The service's application is told of a refusal through `REFUSED` in the environment of the
request, because it alone knows how to say it kindly.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from libs.chassis import context
from libs.chassis.context import Context
from libs.engine import logs, metrics
from libs.engine.outage import is_outage
from libs.engine.run.attend import attend
from libs.engine.run.keys import Keys
from libs.engine.run.process import Process
from libs.engine.settings import Settings, SettingsError
from libs.engine.tls import CertificateUnusable, Stamp, Tls

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

REFUSED: Final = "kehu.refused"
"""Key of the environment of a request that the application is to refuse, with one of the two reasons below."""
MANY: Final = "many"
"""There were too many requests from one address."""
FAILED: Final = "failed"
"""The database is away, or something went wrong."""
BODY_MAX: Final = 128 * 1024
"""Bytes of a request. An application may take less."""
HEADERS_MAX: Final = 16 * 1024
"""Bytes of the headers of a request."""
SLOW: Final = 10
"""Seconds without a byte after which a client is given up."""
WAITING_MAX: Final = 128
"""Connections that wait for a thread."""
ADDRESSES_MAX: Final = 20_000
"""Addresses whose requests are counted."""
GUESS_COST: Final = 10
"""Requests that one counts for which led to nothing, so that guessing addresses is slow."""
VISITOR: Final = Context(tenant="", actor="visitor")
"""Somebody who opens a page, before the application knows whose it is."""
KEEP_HTTPS: Final = ("Strict-Transport-Security", "max-age=31536000")

log = logs.get(__name__)


class _Http(wsgi.Server):
    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Takes what the HTTP server says. Clients that hang up are no event."""
        if level >= logging.ERROR or traceback:
            log.error("the server of pages", cause=sys.exc_info()[1] if traceback else None, error=msg.strip()[:500])


class PageServer:
    """Serves the application of a service."""

    def __init__(self, process: Process[Any]) -> None:
        settings = process.settings
        if process.service.web is None:
            raise SettingsError(f"{process.service.name} has no pages")
        self._settings = settings
        self._application = process.service.web(process.store, form_key(Keys.read(settings.token_keys).page))
        self._limit = Limit(settings.web_rate)
        self._refused: str | None = None
        host, _, port = settings.listen.rpartition(":")
        self._http = _Http(
            (host, int(port)),
            self._serve,
            numthreads=settings.threads,
            server_name="kehu",
            request_queue_size=WAITING_MAX,
            timeout=SLOW,
            shutdown_timeout=settings.grace_seconds,
        )
        self._http.max_request_body_size = BODY_MAX
        self._http.max_request_header_size = HEADERS_MAX
        self._certificate = _Certificate(settings.tls) if settings.tls is not None else None
        if self._certificate is not None:
            self._http.ssl_adapter = self._certificate.adapter
        self._http.prepare()
        self.port = int(self._http.bind_addr[1])
        self._thread = threading.Thread(target=self._http.serve, name="pages", daemon=True)

    def start(self) -> None:
        """Begins to serve."""
        self._thread.start()

    def set_ready(self, ready: bool) -> None:  # noqa: ARG002
        """Takes up a certificate that was replaced. Load balancers ask the admin server."""
        if self._certificate is not None:
            self._certificate.look()

    def refuse(self, reason: str | None) -> None:
        """Answers everything with an apology from now on. None serves again."""
        self._refused = reason

    def drain(self) -> None:
        """Ends when load balancers have learned of it and what runs is done."""
        time.sleep(self._settings.drain_seconds)
        self._http.stop()
        self._thread.join()

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.perf_counter()
        client = client_of(environ, self._settings)
        if self._settings.web_https:
            environ["wsgi.url_scheme"] = "https"
        if not self._limit.take(client):
            environ[REFUSED] = MANY
        elif self._refused is not None:
            environ[REFUSED] = FAILED
        status = 500

        def started(line: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            nonlocal status
            status = int(line[:3])
            return start_response(line, [*headers, KEEP_HTTPS] if self._settings.web_https else headers, *error)

        try:
            with context.enter(VISITOR):
                return self._answered(environ, started)
        finally:
            if status == 404:
                self._limit.take(client, GUESS_COST)
            method = environ["REQUEST_METHOD"] if environ["REQUEST_METHOD"] in ("GET", "POST") else "other"
            seconds = time.perf_counter() - began
            metrics.WEB_REQUESTS.labels(method, f"{status // 100}xx").inc()
            metrics.WEB_SECONDS.labels(method).observe(seconds)
            # No path: whoever can read this could follow the link.
            log.debug("page", method=method, status=status, seconds=round(seconds, 4))

    def _answered(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return self._application(environ, start_response)
        except Exception as error:
            if is_outage(error):
                log.warning("the database does not answer", error=type(error).__name__)
            else:
                log.exception("a page failed")
            environ[REFUSED] = FAILED
            return self._application(environ, start_response)


class Limit:
    """Requests that an address may make: so many in a minute, half of them at once."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._burst = max(per_minute / 2, 1.0)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Address → (requests that are left, time of the last one)."""
        self._lock = threading.Lock()

    def take(self, address: str, cost: int = 1) -> bool:
        """Counts a request of an address. False when there were too many."""
        if not self._rate:
            return True
        now = time.monotonic()
        with self._lock:
            left, before = self._left.pop(address, (self._burst, now))
            left = min(self._burst, left + (now - before) * self._rate)
            allowed = left >= 1
            # What a guess costs may leave an address in debt, but never for more than a minute.
            self._left[address] = (max(left - cost, -self._burst) if allowed else left, now)
            while len(self._left) > ADDRESSES_MAX:
                self._left.popitem(last=False)
        return allowed


class _Certificate:
    """The certificate that pages are served with, and its replacement."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        try:
            self._stamp: Stamp = tls.stamp()
            tls.read()
        except (OSError, CertificateUnusable) as problem:
            raise SettingsError(str(problem)) from problem
        self.adapter = BuiltinSSLAdapter(str(tls.certificate), str(tls.key))

    def look(self) -> None:
        """Uses new files from the next connection on. The old ones stay when the new ones cannot be used."""
        try:
            now = self._tls.stamp()
            if now == self._stamp:
                return
            self._tls.read()
        except (OSError, CertificateUnusable) as error:
            log.warning("the new certificate cannot be used, so the old one stays", error=str(error))
            return
        self.adapter.context.load_cert_chain(str(self._tls.certificate), str(self._tls.key))
        self._stamp = now
        log.info("took up a new certificate")


def form_key(page_key: bytes) -> bytes:
    """The key that pages sign their forms with."""
    return hmac.new(page_key, b"kehu web forms", hashlib.sha256).digest()


def client_of(environ: WSGIEnvironment, settings: Settings) -> str:
    """The address that a request counts for: what the outermost of our proxies saw. An IPv6 network counts as one."""
    forwarded = filter(None, map(str.strip, environ.get("HTTP_X_FORWARDED_FOR", "").split(",")))
    hops = [*forwarded, environ.get("REMOTE_ADDR", "")]
    seen = hops[-1 - settings.web_proxies] if len(hops) > settings.web_proxies else hops[0]
    try:
        address = ipaddress.ip_address(seen)
    except ValueError:
        return ""
    if address.version == 6 and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def serve(process: Process[Any]) -> int:
    """Serves pages until SIGTERM or SIGINT, then drains."""
    return attend(process, PageServer(process))
