"""The files of TLS: the identity of a process, and the authorities that it believes.

They are read again when they change, because a mounted certificate is replaced in place and no process restarts for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

VARIABLES: Final = {
    "certificate": "KEHU_TLS_CERTIFICATE",
    "key": "KEHU_TLS_KEY",
    "authorities": "KEHU_TLS_AUTHORITIES",
}

Stamp = tuple[tuple[int, int, int], ...]


class CertificateUnusable(ValueError):
    """A file cannot be used. The message is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Pem:
    """The contents of the files at one moment."""

    certificate: bytes | None
    key: bytes | None = field(repr=False)
    authorities: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The identity of this process and whom it believes, as paths of PEM files."""

    certificate: Path | None = None
    """The certificate of this process, followed by those between it and its authority."""
    key: Path | None = None
    """The private key of the certificate."""
    authorities: Path | None = None
    """Certificates of the authorities that are believed. None for the authorities that grpc brings."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self | None:
        """Returns what the environment names. None when it names nothing."""
        named = {name: Path(path) for name, variable in VARIABLES.items() if (path := environ.get(variable))}
        return cls(**named) if named else None

    def stamp(self) -> Stamp:
        """Returns what changes with the files. OSError when one is gone."""
        found = [path.stat() for path in (self.certificate, self.key, self.authorities) if path is not None]
        return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in found)

    def read(self) -> Pem:
        """Returns the contents of the files. CertificateUnusable unless they can be used, and belong together."""
        try:
            pem = Pem(*(_content(path) for path in (self.certificate, self.key, self.authorities)))
        except OSError as error:
            raise CertificateUnusable(f"{error.filename} cannot be read: {error.strerror}") from None
        _check(self, pem)
        return pem


def _content(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


def _check(tls: Tls, pem: Pem) -> None:
    """CertificateUnusable when grpc would take the contents and nobody could connect."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    if (tls.certificate is None) != (tls.key is None):
        raise CertificateUnusable(f"{VARIABLES['certificate']} and {VARIABLES['key']} are set together or not at all")
    for name in ("certificate", "authorities"):
        path, content = getattr(tls, name), getattr(pem, name)
        if content is not None:
            try:
                load_pem_x509_certificates(content)
            except ValueError:
                raise CertificateUnusable(f"{path} holds no certificate in PEM") from None
    if pem.certificate is not None and pem.key is not None:
        try:
            ours = load_pem_private_key(pem.key, None).public_key()
        except (ValueError, TypeError):
            raise CertificateUnusable(f"{tls.key} holds no private key in PEM without a password") from None
        if load_pem_x509_certificates(pem.certificate)[0].public_key() != ours:
            raise CertificateUnusable(f"{tls.key} is not the key of the certificate in {tls.certificate}")
