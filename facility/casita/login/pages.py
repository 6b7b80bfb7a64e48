"""The pages on which a person approves a terminal.

They log in through the hub (OAuth).  A signed cookie then says who they are for ten minutes; the
forms carry a signed token of that session, so no other site can approve in their name.
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

from casita.config.units import format_duration
from casita.login.scopes import meaning
from casita.login.store import Store, normal_code
from casita.site import LOGIN_PREFIX

TEMPLATES = Jinja2Templates(Path(__file__).parent / "templates")
SESSION = "casita-login"
STATE = "casita-login-state"
SESSION_SECONDS = 600
WRONG_CODES = 10
"""Wrong codes a person may type in ten minutes (RFC 8628, section 5.1)."""
HOME = f"{LOGIN_PREFIX}/"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}


def add(app: FastAPI) -> None:
    """Add the pages to the application."""
    sign = URLSafeTimedSerializer(app.state.site.secret("login_cookie"), salt="casita-login")
    store: Store = app.state.store
    wrong: dict[str, list[float]] = defaultdict(list)
    secure = app.state.site.url.startswith("https:")

    def read(request: Request, cookie: str) -> dict[str, str]:
        try:
            stored: dict[str, str] = sign.loads(
                request.cookies.get(cookie, ""), max_age=SESSION_SECONDS
            )
        except BadSignature:
            return {}
        return stored

    def write(response: Response, cookie: str, content: dict[str, str]) -> None:
        response.set_cookie(
            cookie,
            sign.dumps(content),
            max_age=SESSION_SECONDS,
            path=HOME,
            httponly=True,
            samesite="lax",
            secure=secure,
        )

    def page(request: Request, name: str, status: int = 200, **values: Any) -> Response:
        values["facility"] = app.state.site.config.facility.name
        values["home"] = HOME
        return TEMPLATES.TemplateResponse(
            request, f"{name}.html", values, status_code=status, headers=HEADERS
        )

    def ask_for_code(request: Request, session: dict[str, str], problem: str = "") -> Response:
        status = 200 if not problem else 400
        return page(request, "code", status, user=session["user"], problem=problem)

    @app.get(HOME, include_in_schema=False)
    def show(request: Request, code: str = "") -> Response:
        """Show the form for a code, or the request that a code belongs to."""
        session = read(request, SESSION)
        if not session:
            return _to_hub(app, write, f"{HOME}?code={code}" if code else HOME)
        if not code:
            return ask_for_code(request, session)
        tries = wrong[session["user"]]
        tries[:] = [when for when in tries if when > time.time() - SESSION_SECONDS]
        if len(tries) >= WRONG_CODES:
            return ask_for_code(request, session, "Too many wrong codes. Wait ten minutes.")
        asked = store.pending(normal_code(code))
        if asked is None:
            tries.append(time.time())
            return ask_for_code(
                request, session, "No terminal waits for this code: it is mistyped or expired."
            )
        return page(
            request,
            "approve",
            user=session["user"],
            asked=asked,
            allowed=[meaning(name) for name in asked.scopes.split()],
            lifetime=format_duration(asked.token_seconds),
            form=sign.dumps({"session": session["id"], "code": asked.user_code}),
        )

    @app.post(HOME, include_in_schema=False)
    def decide(
        request: Request,
        form: Annotated[str, Form(max_length=1000)],
        answer: Annotated[str, Form(pattern="^(approve|deny)$")],
    ) -> Response:
        """Approve or deny, if the form was made for this very session."""
        session = read(request, SESSION)
        try:
            content: dict[str, str] = sign.loads(form, max_age=SESSION_SECONDS)
        except BadSignature:
            content = {}
        if not session or content.get("session") != session["id"]:
            return page(request, "done", 403, title="This page has expired", text="Start again.")
        approve = answer == "approve"
        if not store.decide(content["code"], session["user"], approve=approve):
            return page(
                request, "done", 409, title="Too late", text="This request was already decided."
            )
        if approve:
            return page(
                request, "done", title="Approved", text="Go back to your terminal; it goes on."
            )
        return page(request, "done", title="Denied", text="The terminal gets no token.")

    @app.get(f"{LOGIN_PREFIX}/oauth_callback", include_in_schema=False)
    async def callback(request: Request, code: str = "", state: str = "") -> Response:
        """End the browser's login at the hub."""
        kept = read(request, STATE)
        if not code or not kept or not secrets.compare_digest(kept["state"], state):
            return page(request, "done", 400, title="Login failed", text="Open the page again.")
        user = await app.state.hub.user_for_code(code, kept["verifier"])
        response = RedirectResponse(kept["next"], status_code=302)
        write(response, SESSION, {"user": user.name, "id": secrets.token_urlsafe(16)})
        response.delete_cookie(STATE, path=HOME)
        return response


def _to_hub(app: FastAPI, write: Any, following: str) -> Response:
    state = secrets.token_urlsafe(16)
    address, verifier = app.state.hub.authorize(state)
    response = RedirectResponse(address, status_code=302)
    write(response, STATE, {"state": state, "verifier": verifier, "next": following})
    return response
