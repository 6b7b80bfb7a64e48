"""Login to the embedded profile: one person, by the generated password or by a one-time link."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from secrets import compare_digest
from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.handlers.base import BaseHandler
from tornado import web
from traitlets import Unicode

from casita.hub import once

ONE_PERSON = (
    "This facility is for one person, {admin!r}. Several people need the multiuser profile: "
    "its operator sets profile = 'multiuser' in casita.toml."
)
USED_UP = "This login link was already used, or it is older than 15 minutes."


class EmbeddedAuthenticator(Authenticator):  # type: ignore[misc]
    """Lets exactly one person in, and makes them the hub's administrator.

    The password has 128 random bits, so guessing needs no throttle; failures are logged.
    """

    admin_name = Unicode("admin", config=True, help="The only user there is.")
    password_file = Unicode(config=True, help="File with the password; read at every login.")
    codes_file = Unicode(config=True, help="File with the open one-time codes.")

    async def authenticate(
        self, handler: BaseHandler, data: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """Return the administrator for the right password or a fresh code, else None.

        Raises
        ------
        tornado.web.HTTPError
            403 for any other user name; the login page shows the sentence.
        """
        if "code" in data:
            good = once.consume(Path(self.codes_file), data["code"])
        elif self.normalize_username(data.get("username", "")) != self.admin_name:
            self.log.warning("Failed login: somebody else than %r", self.admin_name)
            raise web.HTTPError(403, ONE_PERSON.format(admin=self.admin_name))
        else:
            good = self._is_password(data.get("password", ""))
        return {"name": self.admin_name, "admin": True} if good else None

    def _is_password(self, offered: str) -> bool:
        password = Path(self.password_file).read_text().strip()
        return bool(password) and compare_digest(offered.encode(), password.encode())

    def check_allowed(self, username: str, authentication: Mapping[str, Any] | None = None) -> bool:
        """Allow the administrator, whatever ``allowed_users`` says."""
        return bool(username == self.admin_name)

    def get_handlers(self, app: Any) -> list[tuple[str, type[BaseHandler]]]:
        """Add the page behind one-time links to the hub's own login pages."""
        return [("/once", OnceHandler)]


class OnceHandler(BaseHandler):  # type: ignore[misc]
    """``/hub/once``: its script posts the code that stands in the URL's fragment."""

    async def get(self) -> None:
        """Show the page, also to somebody who is logged in: the link must be used up."""
        await self._show()

    async def post(self) -> None:
        """Trade the code for the hub's login cookie and go on to ``next`` or the server."""
        # People paste the whole link as well as the code alone.
        code = self.get_body_argument("code", "").rpartition("#")[2].strip()
        user = await self.login_user({"username": "one-time link", "code": code})
        if user:
            self.redirect(self.get_next_url(user))
        else:
            self.set_status(403)
            await self._show(USED_UP)

    def check_xsrf_cookie(self) -> None:
        """Check as every page of the hub does, with a sentence that says what to do."""
        try:
            super().check_xsrf_cookie()
        except web.HTTPError as error:
            self.log.warning("XSRF error on a one-time link: %s", error)
            raise web.HTTPError(403, "This page has expired. Open the link again.") from error

    async def _show(self, problem: str = "") -> None:
        self.set_header("Cache-Control", "no-store")
        form = await self.render_template(
            "once.html", problem=problem, next=self.get_argument("next", "")
        )
        self.finish(form)
