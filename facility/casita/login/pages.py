"""The pages on which a person approves a terminal.

They log in through the hub (OAuth with PKCE).  A signed cookie then says who they are for ten
minutes; the forms carry a signed token of that session, so no other site can approve in their
name.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from itsdangerous import BadSignature, URLSafeTimedSerializer

from casita.errors import CasitaError, LoginError
from casita.login.hub import Hub
from casita.login.scopes import meaning
from casita.login.store import Request as Asked
from casita.login.store import Store, normal_code
from casita.serving import status_of
from casita.site import LOGIN_PREFIX, Site
from casita.units import format_duration

TEMPLATES = Jinja2Templates(Path(__file__).parent / "templates")
SESSION = "casita-login"
STATE = "casita-login-state"
SESSION_SECONDS = 600
WRONG_CODES = 10
"""Wrong codes a person may type in ten minutes (RFC 8628, section 5.1)."""
HOME = f"{LOGIN_PREFIX}/"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Seal:
    """Signed content that one purpose can't pass off as another's, good for ten minutes."""

    def __init__(self, key: str, purpose: str) -> None:
        self._serializer = URLSafeTimedSerializer(key, salt=f"casita-login {purpose}")

    def write(self, **content: str) -> str:
        return self._serializer.dumps(content)

    def read(self, text: str) -> dict[str, str]:
        """Return the content, or {} if it is forged, too old or another purpose's."""
        try:
            content: dict[str, str] = self._serializer.loads(text, max_age=SESSION_SECONDS)
        except BadSignature:
            return {}
        return content


class _Guesses:
    """Counts each person's wrong codes."""

    def __init__(self) -> None:
        self._wrong: dict[str, list[float]] = defaultdict(list)

    def exhausted(self, user: str) -> bool:
        recent = [when for when in self._wrong[user] if when > time.time() - SESSION_SECONDS]
        self._wrong[user] = recent
        return len(recent) >= WRONG_CODES

    def note(self, user: str) -> None:
        self._wrong[user].append(time.time())


class Pages:
    """What the routes of :func:`add` do.

    Parameters
    ----------
    site
        The facility.
    store
        Requests that wait.
    hub
        Where people log in.
    """

    def __init__(self, site: Site, store: Store, hub: Hub) -> None:
        self._site = site
        self._store = store
        self._hub = hub
        key = site.secret("login_cookie")
        self._session, self._state, self._form = (
            _Seal(key, purpose) for purpose in ("session", "state", "form")
        )
        self._guesses = _Guesses()

    def show(self, request: Request, code: str) -> Response:
        """Show the form for a code, or the request that a code belongs to."""
        session = self._session.read(request.cookies.get(SESSION, ""))
        if not session:
            return self._to_hub(f"{HOME}?code={normal_code(code)}" if code else HOME)
        if not code:
            return self._ask_for_code(request, session["user"])
        if self._guesses.exhausted(session["user"]):
            return self._ask_for_code(
                request, session["user"], 429, "Too many wrong codes. Wait ten minutes."
            )
        asked = self._store.pending(normal_code(code))
        if asked is None:
            self._guesses.note(session["user"])
            wrong = "No terminal waits for this code: it is mistyped, used or expired."
            return self._ask_for_code(request, session["user"], 404, wrong)
        return self._ask_for_approval(request, session, asked)

    def decide(self, request: Request, form: str, answer: str) -> Response:
        """Approve or deny, if the form was made for this very session."""
        session = self._session.read(request.cookies.get(SESSION, ""))
        content = self._form.read(form)
        if not session or content.get("session") != session["id"]:
            return self._done(request, 403, "This page has expired", "Open it again.")
        approve = answer == "approve"
        if not self._store.decide(content["code"], session["user"], approve=approve):
            return self._done(
                request, 409, "Too late", "This request has expired or was already decided."
            )
        if approve:
            return self._done(request, 200, "Approved", "Go back to your terminal; it goes on.")
        return self._done(request, 200, "Denied", "The terminal gets no token.")

    async def end_login(self, request: Request, code: str, state: str) -> Response:
        """Take the browser back from the hub, where somebody has logged in."""
        kept = self._state.read(request.cookies.get(STATE, ""))
        same = secrets.compare_digest(kept.get("state", "").encode(), state.encode())
        if not code or not kept or not same:
            return self._done(request, 400, "Login failed", "Open the page again.")
        user = await self._hub.user_for_code(code, kept["verifier"])
        response = RedirectResponse(kept["next"], status_code=302)
        self._set(
            response, SESSION, self._session.write(user=user.name, id=secrets.token_urlsafe(16))
        )
        response.delete_cookie(STATE, path=HOME)
        return response

    def failed(self, request: Request, error: CasitaError) -> Response:
        """Show an error to a person."""
        status, _ = status_of(error)
        if isinstance(error, LoginError):
            return self._done(request, status, "Login failed", "Open the page again.")
        sentence = f"{error.message[:1].upper()}{error.message[1:]}."
        return self._done(request, status, "This doesn't work now", sentence)

    def _to_hub(self, following: str) -> Response:
        state = secrets.token_urlsafe(16)
        address, verifier = self._hub.authorize(state)
        response = RedirectResponse(address, status_code=302)
        sealed = self._state.write(state=state, verifier=verifier, next=following)
        self._set(response, STATE, sealed)
        return response

    def _set(self, response: Response, cookie: str, content: str) -> None:
        response.headers["Cache-Control"] = "no-store"
        response.set_cookie(
            cookie,
            content,
            max_age=SESSION_SECONDS,
            path=HOME,
            httponly=True,
            samesite="lax",
            secure=self._site.url.startswith("https:"),
        )

    def _ask_for_code(
        self, request: Request, user: str, status: int = 200, problem: str = ""
    ) -> Response:
        return self._page(request, "code", status, user=user, problem=problem)

    def _ask_for_approval(
        self, request: Request, session: dict[str, str], asked: Asked
    ) -> Response:
        return self._page(
            request,
            "approve",
            user=session["user"],
            asked=asked,
            allowed=[meaning(name) for name in asked.scopes.split()],
            lifetime=_in_words(asked.token_seconds),
            form=self._form.write(session=session["id"], code=asked.user_code),
        )

    def _done(self, request: Request, status: int, title: str, text: str) -> Response:
        return self._page(request, "done", status, title=title, text=text)

    def _page(self, request: Request, name: str, status: int = 200, **values: Any) -> Response:
        values["facility"] = self._site.config.facility.name
        values["home"] = HOME
        headers = HEADERS | ({"Retry-After": str(SESSION_SECONDS)} if status == 429 else {})
        return TEMPLATES.TemplateResponse(
            request, f"{name}.html", values, status_code=status, headers=headers
        )


def _in_words(seconds: int) -> str:
    text = format_duration(seconds)
    number, unit = text[:-1], {"d": "day", "h": "hour", "m": "minute", "s": "second"}[text[-1]]
    return f"{number} {unit}" + ("" if number == "1" else "s")


def add(app: FastAPI) -> None:
    """Add the pages to the application."""
    pages = Pages(app.state.site, app.state.store, app.state.hub)

    @app.get(HOME, include_in_schema=False)
    def show(request: Request, code: str = "") -> Response:
        """Show the form for a code, or the request that a code belongs to."""
        return pages.show(request, code)

    @app.post(HOME, include_in_schema=False)
    def decide(
        request: Request,
        form: Annotated[str, Form(max_length=1000)],
        answer: Annotated[str, Form(pattern="^(approve|deny)$")],
    ) -> Response:
        """Approve or deny."""
        return pages.decide(request, form, answer)

    @app.get(f"{LOGIN_PREFIX}/oauth_callback", include_in_schema=False)
    async def end_login(request: Request, code: str = "", state: str = "") -> Response:
        """End the browser's login at the hub."""
        try:
            return await pages.end_login(request, code, state)
        except CasitaError as error:
            return pages.failed(request, error)
