"""What every client shares: where the facility is, with which token, and one HTTP session.

A client runs in a notebook (the hub gave it a token), on the operator's machine (the state
directory is the credential) or anywhere after ``casita login``.
"""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import platformdirs

from casita.config.units import format_duration
from casita.errors import LoginError, ServiceError
from casita.files import private_directory, read_json, write_json
from casita.site import LOGIN_PREFIX, Site, default_state, open_site

TIMEOUT = httpx.Timeout(60, connect=10)
"""Seconds; the gateway's long polls last 20."""


@dataclass(frozen=True)
class Connection:
    """A facility and the right to use it."""

    url: str
    """Public URL without trailing slash."""
    token: str
    gateway: str
    """Dask Gateway's public URL."""
    traffic: str
    """Where schedulers are reached, ``gateway://host:port``."""
    user: str = ""
    expires: float | None = None
    """Unix time at which the token ends, if known."""
    ca: str = ""
    """PEM file of a certificate authority of the facility's own, or ""."""

    def http(self) -> httpx.Client:
        """Return a session with the token in its header; errors come as casita's own.

        Raises
        ------
        LoginError
            The stored token has expired; or (later) the facility answers 401 or 403.
        ServiceError
            (later) Nobody answers, or another error status.
        """
        if self.expires is not None and self.expires < time.time():
            raise LoginError(
                f"the token for {self.url} has expired", hint=f"casita login {self.url}"
            )
        return session(self.url, self.token, self.ca)


def session(url: str, token: str = "", ca: str = "") -> httpx.Client:
    """Return an HTTP session with a facility, with or without a token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(
        base_url=url,
        headers=headers,
        timeout=TIMEOUT,
        transport=_Transport(url, ca),
        trust_env=False,
    )


class _Transport(httpx.HTTPTransport):
    """Turns what can go wrong into one sentence with a remedy."""

    def __init__(self, url: str, ca: str) -> None:
        super().__init__(verify=ca or True)
        self._url = url

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = super().handle_request(request)
        except httpx.TimeoutException as error:
            raise ServiceError(f"{self._url} does not answer in time") from error
        except httpx.TransportError as error:
            raise ServiceError(
                f"nobody answers at {self._url}: {error}",
                hint="is the facility up, and the address right?",
            ) from error
        if response.status_code in (401, 403):
            response.read()
            raise _refusal(response, self._url)
        return response


def _refusal(response: httpx.Response, url: str) -> LoginError:
    message, hint = error_of(response)
    what = "refused the token" if response.status_code == 401 else "does not allow this"
    sentence = f"{url} {what} ({response.status_code})"
    return LoginError(
        f"{sentence}: {message}" if message else sentence, hint=hint or f"casita login {url}"
    )


def error_of(response: httpx.Response) -> tuple[str, str]:
    """Return (message, hint) of an error answer, in our form or in the gateway's."""
    try:
        error = response.json().get("error", "")
    except (ValueError, AttributeError):
        return response.reason_phrase, ""
    if isinstance(error, Mapping):
        return str(error.get("message", "")), str(error.get("hint", ""))
    return str(error), ""


def checked(response: httpx.Response) -> Any:
    """Return the JSON of a good answer.

    Raises
    ------
    ServiceError
        The answer is an error; its message and hint are passed on.
    """
    if response.is_error:
        message, hint = error_of(response)
        raise ServiceError(message or f"error {response.status_code}", hint=hint)
    return response.json() if response.content else None


# ---- which facility


def connection(state: Path | None = None) -> Connection:
    """Return the facility that is meant.

    ``state`` names the operator's own; else a server of the facility knows where it is; else the
    one last logged in to; else the one of the user's state directory, if there is one.

    Raises
    ------
    LoginError
        There is none.
    """
    if state is not None:
        return operator(open_site(state))
    if inside := _inside():
        return inside
    stored = read_json(credentials_file(), {})
    if current := stored.get("facilities", {}).get(stored.get("current", "")):
        return Connection(**current)
    if (default_state() / "site.json").exists():
        return operator(open_site(default_state()))
    raise LoginError("not logged in to a facility", hint="casita login URL")


def _inside() -> Connection | None:
    """Return the connection of a server or kernel that a facility started."""
    token = os.environ.get("JUPYTERHUB_API_TOKEN")
    gateway = os.environ.get("DASK_GATEWAY__ADDRESS")
    if not token or not gateway:
        return None
    return Connection(
        url=os.environ.get("CASITA_URL", gateway.partition("/services/")[0]),
        token=token,
        gateway=gateway,
        traffic=os.environ.get("DASK_GATEWAY__PROXY_ADDRESS", ""),
        user=os.environ.get("JUPYTERHUB_USER", ""),
        ca=os.environ.get("SSL_CERT_FILE", ""),
    )


def operator(site: Site) -> Connection:
    """Return a connection as the administrator, for whoever can read the state directory.

    Raises
    ------
    ServiceError
        The facility is not up.
    """
    kept = site.state / "run" / "operator.json"
    token = read_json(kept, {})
    if token.get("url") != site.url or token.get("expires", 0) < time.time() + 300:
        ca = str(site.config.facility.tls_certificate or "")
        with session(site.url, site.secret("operator"), ca) as http:
            made = checked(http.post(f"{LOGIN_PREFIX}/operator"))
        token = {"url": site.url, "token": made["token"], "expires": time.time() + 3600}
        write_json(kept, token)
    return Connection(
        url=site.url,
        token=token["token"],
        gateway=site.gateway_url,
        traffic=site.gateway_traffic,
        user=site.config.login.admin,
        expires=token["expires"],
        ca=str(site.config.facility.tls_certificate or ""),
    )


# ---- what `casita login` keeps


def credentials_file() -> Path:
    """Return where logins are kept (0600)."""
    return platformdirs.user_config_path("casita") / "credentials.json"


def remember(login: Connection) -> None:
    """Keep a login and make it the current one."""
    path = credentials_file()
    private_directory(path.parent)
    stored = read_json(path, {"facilities": {}})
    stored["facilities"][login.url] = asdict(login)
    stored["current"] = login.url
    write_json(path, stored)


def forget(url: str) -> None:
    """Drop a login."""
    stored = read_json(credentials_file(), {"facilities": {}})
    stored["facilities"].pop(url, None)
    if stored.get("current") == url:
        stored["current"] = next(iter(stored["facilities"]), "")
    write_json(credentials_file(), stored)


def checked_url(url: str, *, insecure: bool) -> str:
    """Return a facility's URL in its normal form.

    Raises
    ------
    LoginError
        It is no http(s) URL, or a token would travel in clear over a network.
    """
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LoginError(f"{url!r} is no URL of a facility", hint="e.g. https://casita.example.org")
    if parts.scheme == "http" and not insecure and not _is_loopback(parts.hostname):
        raise LoginError(
            f"{url} is not encrypted: the token would travel in clear",
            hint="use https, or say --insecure on a network that you trust",
        )
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def time_left(login: Connection) -> str:
    """Return how long the token is good for, for people; "" if unknown."""
    if login.expires is None:
        return ""
    left = login.expires - time.time()
    minutes = max(0, int(left // 60))
    return format_duration(minutes * 60 if minutes < 120 else minutes // 60 * 3600)
