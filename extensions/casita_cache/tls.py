"""A certificate of the cache's own, for this machine, where the site has given none."""

from __future__ import annotations

import fcntl
import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from casita.files import write_atomic

LIFE = timedelta(days=365)
EARLY = timedelta(days=30)
"""A certificate that ends so soon is replaced at the next start."""


def own_certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Return (certificate, key), PEM files in ``folder``, made if need be.

    The certificate vouches for itself: programs that are told to trust it trust nothing else by
    that. Several servers may start at the same time.

    Parameters
    ----------
    host
        Name or address under which the cache is reached, besides this machine's own.
    """
    certificate, key = own_files(folder)
    open_folder(folder)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_good(certificate, host) or not key.exists():
            pem, secret = _make(host)
            write_atomic(key, secret)
            write_atomic(certificate, pem, 0o644)
    return certificate, key


def open_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, that everybody may enter."""
    for one in (*reversed(folder.parents), folder):
        if not one.exists():
            one.mkdir(exist_ok=True)
            one.chmod(0o755)  # whatever the umask says


def own_files(folder: Path) -> tuple[Path, Path]:
    """Return where the certificate and its key lie."""
    return folder / "certificate.pem", folder / "certificate-key.pem"


def _names(host: str) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    try:
        found.append(x509.IPAddress(ipaddress.ip_address(host)))
    except ValueError:
        found.append(x509.DNSName(host))
    return list(dict.fromkeys(found))


def _is_good(path: Path, host: str) -> bool:
    try:
        there = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return False
    names = there.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    in_time = there.not_valid_after_utc - datetime.now(UTC) > EARLY
    return in_time and set(_names(host)) <= set(names)


def _make(host: str) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "casita cache")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), secret
