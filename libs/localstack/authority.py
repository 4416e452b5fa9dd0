"""An authority for certificates on this machine, and what it vouches for: for development and tests."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOCAL: Final = ("localhost", "127.0.0.1")
"""Names of a server on this machine."""
LIFE: Final = timedelta(days=30)


class Authority:
    """Vouches for certificates. Its own is `ca.crt` in the folder, which every side believes."""

    def __init__(self, folder: Path, name: str = "authority of this machine") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        made = self._certificate(self._name, self._key.public_key(), (), LIFE, authority=True)
        self.certificate.write_bytes(made.public_bytes(Encoding.PEM))

    def issue(self, name: str, names: Sequence[str] = LOCAL, *, life: timedelta = LIFE) -> tuple[Path, Path]:
        """Makes `<name>.crt` and `.key`, and `.pem` with both, in place of earlier ones. `life` may be over."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._certificate(subject, key.public_key(), names, life).public_bytes(Encoding.PEM)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for suffix, content in (("key", secret), ("crt", certificate), ("pem", certificate + secret)):
            fresh = self.folder / f"{name}.{suffix}.new"
            fresh.touch(mode=0o600)
            fresh.write_bytes(content)
            fresh.replace(self.folder / f"{name}.{suffix}")
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        names: Sequence[str],
        life: timedelta,
        *,
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, now + life) - timedelta(hours=1))
            .not_valid_after(now + life)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
            builder = builder.add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), False)
        return builder.sign(self._key, hashes.SHA256())


def lasts(certificate: Path, time: timedelta) -> bool:
    """Tells whether there is a certificate in a file that is valid for some time to come."""
    if not certificate.exists():
        return False
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc > datetime.now(UTC) + time


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
