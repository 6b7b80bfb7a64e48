"""What every client shares: where the facility is, with which token, and one HTTP session.

A client runs in a notebook (the hub gave it a token), on the operator's machine (the state
directory is the credential) or anywhere after ``casita login``.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import platformdirs

from casita.auth import could_be_token
from casita.errors import CasitaError, LoginError, ServiceError, StateError
from casita.files import private_directory, read_json, write_json
from casita.site import LOGIN_PREFIX, Site, default_state, open_site
from casita.units import round_duration

TIMEOUT = httpx.Timeout(60, connect=10)
"""Seconds; the gateway's long polls last 20."""


@dataclass(frozen=True)
class Connection:
    """A facility and the right to use it."""

    url: str
    """Public URL without trailing slash."""
    token: str = field(repr=False)
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
        self._check_life()
        return session(self.url, self.token, self.ca)

    def async_http(self) -> httpx.AsyncClient:
        """Return the same as :meth:`http` for programs with an event loop."""
        self._check_life()
        return async_session(self.url, self.token, self.ca)

    def _check_life(self) -> None:
        if self.expires is not None and self.expires < time.time():
            raise LoginError(
                f"the token for {self.url} has expired", hint=f"casita login {self.url}"
            )


def session(url: str, token: str = "", ca: str = "") -> httpx.Client:
    """Return an HTTP session with a facility, with or without a token.

    Raises
    ------
    LoginError
        The token can't be one, or ``ca`` is no certificate file.
    """
    return httpx.Client(
        base_url=url,
        headers=_headers(token),
        timeout=TIMEOUT,
        transport=_Transport(url, ca),
        trust_env=False,
    )


def async_session(url: str, token: str = "", ca: str = "") -> httpx.AsyncClient:
    """Return the same as :func:`session` for programs with an event loop."""
    return httpx.AsyncClient(
        base_url=url,
        headers=_headers(token),
        timeout=TIMEOUT,
        transport=_AsyncTransport(url, ca),
        trust_env=False,
    )


def _headers(token: str) -> dict[str, str]:
    if token and not could_be_token(token):
        raise LoginError(
            "the token holds characters that no token has", hint="copy it again, without more"
        )
    return {"Authorization": f"Bearer {token}"} if token else {}


class _Transport(httpx.HTTPTransport):
    """Turns what can go wrong into one sentence with a remedy."""

    def __init__(self, url: str, ca: str) -> None:
        super().__init__(verify=_verification(url, ca))
        self._url = url

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with _explained(self._url):
            response = super().handle_request(request)
        if response.status_code in (401, 403):
            response.read()
            raise _refusal(response, self._url)
        return response


class _AsyncTransport(httpx.AsyncHTTPTransport):
    """The same for programs with an event loop."""

    def __init__(self, url: str, ca: str) -> None:
        super().__init__(verify=_verification(url, ca))
        self._url = url

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with _explained(self._url):
            response = await super().handle_async_request(request)
        if response.status_code in (401, 403):
            await response.aread()
            raise _refusal(response, self._url)
        return response


def _verification(url: str, ca: str) -> ssl.SSLContext | bool:
    return trust(ca) if url.startswith("https:") else False


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        raise ServiceError(
            f"{url} does not answer in time", hint="try again in a moment"
        ) from error
    except httpx.TransportError as error:
        raise _unreachable(url, error) from error


def trust(ca: str) -> ssl.SSLContext:
    """Return whom to believe: the facility's own authority, else those of this machine."""
    try:
        context = ssl.create_default_context(cafile=ca or None)
        # The operator's commands trust the facility's own certificate, whoever has issued it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context
    except OSError as error:
        raise LoginError(
            f"{ca}: can't be read as certificates: {error.strerror or error}",
            hint="--ca FILE names a PEM file",
        ) from error


def _unreachable(url: str, error: httpx.TransportError) -> ServiceError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ServiceError(
            f"{url} shows a certificate that this machine does not trust",
            hint="`casita login URL --ca FILE` names the facility's own authority",
        )
    if "[SSL" in str(error):
        return ServiceError(f"{url} does not speak https", hint="is it http://?")
    return ServiceError(
        f"nobody answers at {url}: {error}", hint="is the facility up, and the address right?"
    )


def _refusal(response: httpx.Response, url: str) -> LoginError:
    message, hint = error_of(response)
    if response.status_code == 401:
        return LoginError(
            f"{url} refused the token (401)" + (f": {message}" if message else ""),
            hint=f"`casita login {url}` gets a new one",
        )
    return LoginError(message or f"{url} does not allow this (403)", hint=hint)


def error_of(response: httpx.Response) -> tuple[str, str]:
    """Return (message, hint) of an error answer: our form, OAuth's, the gateway's or the hub's."""
    try:
        content = response.json()
        error = content.get("error") or content.get("message") or ""
        if said := content.get("error_description"):  # OAuth's form, RFC 6749
            return str(said), str(content.get("hint", ""))
    except (ValueError, AttributeError):
        return "", ""
    if isinstance(error, Mapping):
        return str(error.get("message", "")), str(error.get("hint", ""))
    return str(error), ""


def checked(response: httpx.Response) -> Any:
    """Return the JSON of a good answer.

    Raises
    ------
    ServiceError
        The answer is an error, whose message and hint are passed on; or it is no JSON.
    """
    where = f"{response.url.scheme}://{response.url.netloc.decode()}"
    if not response.is_success:
        message, hint = error_of(response)
        if response.status_code in (502, 503, 504):
            hint = hint or "a part of the facility is down; try again in a moment"
        said = f"{where} answers {response.status_code} {response.reason_phrase}"
        raise ServiceError(message or said, hint=hint, status=response.status_code)
    try:
        return response.json() if response.content else None
    except ValueError:
        raise ServiceError(
            f"{where} answers something else than a facility does", hint="check the address"
        ) from None


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
    if kept := remembered():
        return kept
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
    StateError
        The facility is not up.
    """
    from casita import supervisor

    # Its port may be anybody's by now, who must not be told the operator's secret.
    if supervisor.daemon(site) is None:
        raise StateError(f"the facility in {site.state} is down", hint="`casita up` starts it")
    kept = site.state / "run" / "operator.json"
    token = read_json(kept, {})
    ca = str(site.config.facility.tls_certificate or "")
    backends = sorted(site.backends)  # each may bring scopes
    known = token.get("url") == site.url and token.get("backends") == backends
    if not known or not _is_good(token, ca):
        with session(site.url, site.secret("operator"), ca) as http:
            made = checked(http.post(f"{LOGIN_PREFIX}/operator"))
        expires = time.time() + 3600
        token = {
            "url": site.url,
            "token": made["token"],
            "expires": expires,
            "backends": backends,
        }
        write_json(kept, token)
    return Connection(
        url=site.url,
        token=token["token"],
        gateway=site.gateway_url,
        traffic=site.gateway_traffic,
        user=site.config.login.admin,
        expires=token["expires"],
        ca=ca,
    )


def _is_good(kept: Mapping[str, Any], ca: str) -> bool:
    """Whether a token that was kept is accepted, and will be for a while."""
    if kept.get("expires", 0) < time.time() + 300:
        return False
    try:
        with session(kept["url"], kept["token"], ca) as http:
            return http.get(f"{LOGIN_PREFIX}/whoami").is_success
    except CasitaError:
        return False


# ---- what `casita login` keeps


def credentials_file() -> Path:
    """Return where logins are kept (0600)."""
    return platformdirs.user_config_path("casita") / "credentials.json"


def _stored() -> tuple[dict[str, Connection], str]:
    """Return (logins by URL, URL of the current one)."""
    content = read_json(credentials_file(), {})
    try:
        logins = {url: Connection(**one) for url, one in content["facilities"].items()}
        return logins, str(content["current"])
    except (KeyError, TypeError, AttributeError):
        return {}, ""  # absent, or not ours: as if one had never logged in


def _store(logins: Mapping[str, Connection], current: str) -> None:
    path = credentials_file()
    private_directory(path.parent)
    facilities = {url: asdict(login) for url, login in logins.items()}
    write_json(path, {"facilities": facilities, "current": current})


def remembered(url: str = "") -> Connection | None:
    """Return the login at ``url``, by default the current one, or None."""
    logins, current = _stored()
    return logins.get(url or current)


def remember(login: Connection) -> None:
    """Keep a login and make it the current one."""
    logins, _ = _stored()
    _store({**logins, login.url: login}, login.url)


def forget(url: str) -> str:
    """Drop a login; returns the URL of the one that is current now, or ""."""
    logins, current = _stored()
    logins.pop(url, None)
    if current not in logins:
        current = next(iter(logins), "")
    _store(logins, current)
    return current


def time_left(login: Connection) -> str:
    """Return how long the token is good for, for people; "" if unknown."""
    if login.expires is None:
        return ""
    # To people "7d" is still right a few seconds later.
    return round_duration(login.expires - time.time() + 60)
