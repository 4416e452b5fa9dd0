"""What every response of the page has in common: headers that let nothing else in, templates, files, and the device."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from werkzeug.wrappers import Request, Response

from libs.chassis import identity

FOLDER: Final = Path(__file__).parent
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' https:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing is loaded from elsewhere but pictures of questions, nothing is sent elsewhere, and nobody frames the page."""
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",  # the address is the way in
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
COOKIE: Final = "device"
"""Name that a device is given, so that several devices of a respondent are told apart."""
COOKIE_LIFETIME: Final = 90 * 24 * 3600
"""Seconds."""
FILE_LIFETIME: Final = 365 * 24 * 3600
"""Seconds for which a file, whose address changes with its content, is kept."""
FILES: Final[Mapping[str, str]] = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}


class Shell:
    """Renders templates, and signs forms so that no other page can send one."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["file"] = address

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page, with headers under which a browser loads nothing from elsewhere."""
        text = self._templates.get_template(f"{template}.html").render(values)
        return guarded(Response(text, status, content_type="text/html; charset=utf-8"))

    def signature(self, survey_token: str, device: str) -> str:
        """The signature of the forms that one device gets on one link."""
        return hmac.new(self._key, f"form {survey_token} {device}".encode(), hashlib.sha256).hexdigest()

    def is_ours(self, request: Request, survey_token: str) -> bool:
        """True when a form was made for this device and link, and was sent by our own page."""
        device = request.cookies.get(COOKIE, "")
        sent = request.form.get("signature", "")
        from_here = request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
        signed = hmac.compare_digest(sent.encode(), self.signature(survey_token, device).encode())
        return bool(device) and from_here and signed


def device_of(request: Request) -> tuple[str, bool]:
    """(name of the device, whether it was given just now)."""
    known = request.cookies.get(COOKIE, "")
    return (known, False) if 16 <= len(known) <= 64 and known.isalnum() else (identity.salt(), True)


def remember(response: Response, request: Request, device: str) -> None:
    """Has a browser keep the name of its device."""
    secure = request.scheme == "https"
    response.set_cookie(COOKIE, device, max_age=COOKIE_LIFETIME, secure=secure, httponly=True, samesite="Lax")


def guarded(response: Response) -> Response:
    """A response with the headers of every page."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def see(address: str) -> Response:
    """Sends a browser on after a form, so that loading the page again sends nothing again."""
    return guarded(Response(status=303, headers={"Location": address}))


def file(name: str) -> Response | None:
    """A file of the page. None when there is no such file."""
    if name not in FILES:
        return None
    response = Response(_content(name), content_type=FILES[name])
    response.headers["Cache-Control"] = f"public, max-age={FILE_LIFETIME}, immutable"
    return guarded(response)


@cache
def address(name: str) -> str:
    """The address of a file, another one for other content."""
    return f"/static/{name}?v={hashlib.sha256(_content(name)).hexdigest()[:12]}"


@cache
def _content(name: str) -> bytes:
    return (FOLDER / "static" / name).read_bytes()
