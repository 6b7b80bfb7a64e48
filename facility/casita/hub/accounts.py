"""Login to the multiuser profile: with the account that a person has on this machine (PAM)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

import pamela
from jupyterhub.auth import PAMAuthenticator
from jupyterhub.handlers.base import BaseHandler
from tornado import web
from traitlets import Unicode

from casita.accounts import FIRST_PERSON, account
from casita.errors import LoginError
from casita.files import read_json, write_json


class AccountAuthenticator(PAMAuthenticator):  # type: ignore[misc]
    """Lets people in with their system accounts; :meth:`refusal` says who may not come in.

    Upstream's differs in what an administrator of a shared machine would not expect:

    - It asks PAM about a name as typed and only then makes it lower case, so that the account
      ``Admin`` with its own password would come in as ``admin``.
    - Whoever was in the hub's database once stays allowed; here whoever is taken off
      ``login.users`` loses their pages, their tokens and their clusters.
    - An administrator of the hub could add ``root`` as a user and start a server for them.
    """

    created_file = Unicode(config=True, help="Names of the accounts that the hub has created.")

    def refusal(self, name: str) -> str:
        """Return why ``name`` may not use this facility, or ""."""
        try:
            found = account(name)
        except LoginError as error:
            return str(error)
        if self.allowed_users:
            if name in self.allowed_users or name in self._created():
                return ""
            return f"{name!r} may not use this facility: its operator allows names in login.users"
        if found.uid < FIRST_PERSON:
            return f"{name!r} is one of the system's own accounts; log in with a person's"
        return ""

    def authenticate(
        self, handler: BaseHandler, data: Mapping[str, str]
    ) -> Awaitable[dict[str, Any] | str | None]:
        """Ask PAM about the very account as which the person would come in."""
        known = {**data, "username": self.normalize_username(data["username"])}
        asked: Awaitable[dict[str, Any] | str | None] = super().authenticate(handler, known)
        return asked

    def check_allow_config(self) -> None:
        """Accept an empty list: it lets in every person with an account."""

    def check_allowed(self, username: str, authentication: Mapping[str, Any] | None = None) -> bool:
        """Allow a user, or say why not.

        Raises
        ------
        tornado.web.HTTPError
            403 with the sentence that the page shows.
        """
        if sentence := self.refusal(username):
            self.log.warning("Login refused: %s", sentence)
            raise web.HTTPError(403, sentence)
        return True

    async def refresh_user(self, user: Any, handler: BaseHandler | None = None) -> bool:
        """Whether somebody who has logged in before still may, and PAM's account is not locked."""
        if sentence := self.refusal(user.name):
            self.log.warning("Access refused: %s", sentence)
            return False
        return await asyncio.get_running_loop().run_in_executor(
            self.executor, self._is_open, user.name
        )

    def _is_open(self, name: str) -> bool:
        try:
            pamela.check_account(name, service=self.service, encoding=self.encoding)
        except pamela.PAMError as error:
            self.log.warning("Access of %r refused by PAM: %s", name, error)
            return False
        return True

    # ---- accounts that the hub creates

    async def add_user(self, user: Any) -> None:
        """Create the account of a user whom an administrator adds, if that is allowed.

        Raises
        ------
        LoginError
            There is no account, and none may be created; or it is root's.
        """
        if not self.system_user_exists(user) and user.name in self._created():
            self._note(user.name, created=False)  # deleted since: not to be created again
            account(user.name)
        if self.system_user_exists(user) or not self.create_system_users:
            account(user.name)
        await super().add_user(user)

    def add_system_user(self, user: Any) -> None:
        """Create an account; it has no password until root sets one with ``passwd``."""
        super().add_system_user(user)
        self._note(user.name, created=True)

    def delete_user(self, user: Any) -> None:
        """Forget a user; the account stays, as its files are worth more than its name."""
        self._note(user.name, created=False)
        super().delete_user(user)

    def _created(self) -> set[str]:
        return set(read_json(Path(self.created_file), []))

    def _note(self, name: str, *, created: bool) -> None:
        names = self._created()
        changed = names | {name} if created else names - {name}
        if changed != names:
            write_json(Path(self.created_file), sorted(changed))
