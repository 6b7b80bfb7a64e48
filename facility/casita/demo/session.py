"""A person at a facility, by HTTP: log in with a one-time code, start the server, get a token.

Does what a browser does, cookies and XSRF included, so that the demo walks through the same doors
as everybody else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import httpx

from casita.client import trust
from casita.errors import LoginError, ServiceError


class HubSession:
    """A browser-like session with a hub.

    Parameters
    ----------
    url
        Public URL of the facility, without trailing slash.
    ca
        PEM file of a certificate authority of the facility's own, or "".
    """

    def __init__(self, url: str, *, ca: str = "") -> None:
        self.url = url
        self.ca = ca
        self.user = ""
        self._http = httpx.Client(base_url=url, verify=trust(ca), timeout=30, trust_env=False)

    def __enter__(self) -> HubSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def login_once(self, code: str) -> None:
        """Log in with the code of a one-time link.

        Raises
        ------
        LoginError
            The code was used before, is too old or is wrong.
        """
        self._login("/hub/once", {"code": code})

    def login(self, user: str, password: str) -> None:
        """Log in with name and password.

        Raises
        ------
        LoginError
            The hub refused them.
        """
        self._login("/hub/login", {"username": user, "password": password})

    def _login(self, path: str, form: dict[str, str]) -> None:
        self._http.get(path)
        xsrf = self._xsrf()
        answer = self._http.post(path, params={"_xsrf": xsrf}, data={**form, "_xsrf": xsrf})
        if answer.status_code != 302:
            raise LoginError(
                f"{self.url}{path} refused the login ({answer.status_code})",
                hint="`casita link` makes a new one-time link",
            )
        self._http.get("/hub/home")  # renews the XSRF cookie for the logged-in user
        self.user = str(self.api("GET", "/user").json()["name"])

    def _xsrf(self) -> str:
        values = [
            c.value for c in self._http.cookies.jar if c.name == "_xsrf" and c.path == "/hub/"
        ]
        return values[-1] or "" if values else ""

    def api(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Call the hub's API as this user.

        Raises
        ------
        ServiceError
            The hub answered with an error.
        """
        headers = {"X-XSRFToken": self._xsrf(), "Referer": f"{self.url}/hub/home"}
        answer = self._http.request(method, f"/hub/api{path}", headers=headers, **more)
        if answer.is_error:
            raise ServiceError(f"{method} /hub/api{path}: {answer.status_code} {answer.text[:300]}")
        return answer

    def token(self, note: str, expires_in: int, scopes: list[str] | None = None) -> str:
        """Return a new hub token of this user, good for ``expires_in`` seconds."""
        body: dict[str, Any] = {"note": note, "expires_in": expires_in}
        if scopes is not None:
            body["scopes"] = scopes
        answer = self.api("POST", f"/users/{self.user}/tokens", json=body)
        return str(answer.json()["token"])

    def start_server(
        self, patience: float = 180, tick: Callable[[float], None] = lambda seconds: None
    ) -> float:
        """Start this user's Jupyter server, unless it runs, and wait until it is ready.

        Parameters
        ----------
        patience
            Seconds until this gives up.
        tick
            Called now and then with the seconds waited so far.

        Returns
        -------
        float
            Seconds it took.

        Raises
        ------
        ServiceError
            The server failed or took too long.
        """
        began = time.monotonic()
        if not self._server().get("ready"):
            self.api("POST", f"/users/{self.user}/server")
        while not (server := self._server()).get("ready"):
            waited = time.monotonic() - began
            if (not server and waited > 5) or waited > patience:
                raise ServiceError(
                    f"the Jupyter server of {self.user} did not start within {waited:.0f} s",
                    hint="`casita logs hub` says why",
                )
            tick(waited)
            time.sleep(0.2)
        return time.monotonic() - began

    def stop_server(self) -> None:
        """Stop this user's Jupyter server."""
        self.api("DELETE", f"/users/{self.user}/server")

    def _server(self) -> dict[str, Any]:
        model = self.api("GET", f"/users/{self.user}").json()
        server: dict[str, Any] = model["servers"].get("", {})
        return server
