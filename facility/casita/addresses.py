"""Addresses of facilities and services, and which of them may be spoken to in clear."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

import httpx

from casita.errors import LoginError


def checked_url(url: str, *, insecure: bool) -> str:
    """Return a facility's URL in its normal form: scheme, host and port.

    Without a scheme it is https, on this machine http.

    Raises
    ------
    LoginError
        It is no http(s) URL, or a token would travel in clear over a network.
    """
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        host, port = parts.hostname, parts.port
        httpx.URL(host=host or "")
    except (ValueError, httpx.InvalidURL):
        parts, host, port = SplitResult("", "", "", "", ""), None, None
    scheme = parts.scheme or ("http" if host and is_loopback(host) else "https")
    wrong = not host or "@" in parts.netloc or any(one.isspace() for one in parts.netloc)
    if scheme not in ("http", "https") or wrong:
        raise LoginError(f"{url!r} is no URL of a facility", hint="e.g. https://casita.example.org")
    if scheme == "http" and not insecure and not is_loopback(host or ""):
        raise LoginError(
            f"{url} is not encrypted: the token would travel in clear",
            hint="use https, or say --insecure on a network that you trust",
        )
    named = f"[{host}]" if ":" in (host or "") else host
    return f"{scheme}://{named}:{port}" if port else f"{scheme}://{named}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by a name or address that nobody else can have."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
