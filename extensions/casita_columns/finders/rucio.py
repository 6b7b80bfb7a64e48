"""Datasets and containers in Rucio: ``rucio://scope:name``.

Rucio's REST is spoken, its client library is not needed (``lib/rucio/web/rest/flaskapi/v1``):

- ``GET /dids/SCOPE/NAME/files``: the files of a dataset or container, with bytes, checksum and
  events, a JSON document a line;
- ``POST /replicas/list``: where those are; asked for some at a time, in the order of their names,
  so that the first are known at once and always are the same.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import httpx
from pydantic import Field

from casita.backend import Settings
from casita_columns.finders.base import BadName, Context, Found, LookupFailed, NotThere
from casita_columns.finders.files import address
from casita_columns.finders.rucio_login import TOKEN, Certificate, TokenFile, trust

BATCH = 1000
"""Files whose replicas are asked for at once, as Rucio's own client does."""
TIMEOUT = httpx.Timeout(300, connect=15)
AVAILABLE = "AVAILABLE"
LATER = "try again in a moment"
Key = tuple[str, str]
Line = Mapping[str, Any]


class RucioSettings(Settings):
    """``[backends.columns.finders.rucio]``."""

    url: Annotated[str, Field(pattern=r"^https?://")] = Field(description="Of its REST server.")
    auth_url: str = Field(default="", description="Where certificates are taken. Default: `url`.")
    token_file: Path | None = Field(default=None, description="File with a token for it.")
    certificate: Path | None = Field(
        default=None, description="X.509 proxy, or certificate and key in one file."
    )
    certificates: Path | None = Field(
        default=None,
        description="Whose certificates of servers are trusted.",
        examples=["/etc/grid-security/certificates"],
    )
    account: str = Field(default="", description="Rucio account that the certificate is used for.")
    scope: str = Field(default="", description="Scope of names without one, e.g. `cms`.")
    schemes: tuple[Literal["root", "davs", "https", "http"], ...] = Field(
        default=("root", "davs", "https"), description="How files are read."
    )
    prefer: tuple[str, ...] = Field(
        default=(),
        description="Storages whose replicas come first, by name or pattern.",
        examples=[["T2_US_Nebraska", "T2_US_*"]],
    )
    rses: str = Field(
        default="", description="RSE expression: only storages that it fits are read from."
    )
    site: str = Field(default="", description="Where we are: Rucio puts near replicas first.")
    tape: bool = Field(default=False, description="Whether files are read from tape.")


class Rucio:
    """The name is ``scope:name``."""

    scheme = "rucio"
    title = "Datasets and containers in Rucio"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = one = RucioSettings.model_validate(settings)
        self._url = one.url.rstrip("/")
        self._http = httpx.Client(verify=trust(one.certificates)) if one.certificates else None
        self._login: TokenFile | Certificate | None = None
        if one.token_file:
            self._login = TokenFile(one.token_file)
        elif one.certificate:
            where = (one.auth_url or one.url).rstrip("/")
            self._login = Certificate(one.certificate, where, one.account, one.certificates)

    def find(self, name: str, context: Context) -> Iterator[Found]:
        """Yield files by name.

        Raises
        ------
        BadName
            It is no ``scope:name``.
        NotThere
            Rucio knows no such dataset, or it has no files.
        LookupFailed
            Rucio does not answer, or refuses; or a file has no replica that can be read.
        """
        scope, name = self._did(name)
        files = {_key(one): one for one in self._contents(scope, name, context)}
        if not files:
            raise NotThere(f"Rucio: {scope}:{name} has no files")
        rest = iter(sorted(files))
        while keys := list(islice(rest, BATCH)):
            replicas = {_key(one): one for one in self._replicas(keys, context)}
            for key in keys:
                paths = self._paths(replicas.get(key, {}))
                if paths:
                    yield _found(paths, files[key])
                elif context.get == "all":
                    raise LookupFailed(
                        f"Rucio: {':'.join(key)} has no replica that can be read now",
                        hint="?get=available leaves such files out; a rule in Rucio brings them",
                    )

    def _did(self, name: str) -> Key:
        scope, colon, rest = name.partition(":")
        if not colon and self._settings.scope:
            scope, rest = self._settings.scope, name
        if not scope or not rest or "?" in name or "/" in scope:
            raise BadName(
                f"did: {name[:200]!r} is no dataset of Rucio",
                hint="write rucio://scope:name?files=N, or xrootd:///path/*.root for local files",
            )
        return scope, rest

    def _contents(self, scope: str, name: str, context: Context) -> list[Line]:
        return self._ask("GET", f"dids/{quote(scope, '')}/{quote(name, '')}/files", None, context)

    def _replicas(self, keys: Sequence[Key], context: Context) -> list[Line]:
        given = self._settings
        body = {
            "dids": [{"scope": scope, "name": name} for scope, name in keys],
            "schemes": given.schemes,
            "ignore_availability": False,
            "all_states": False,
            "rse_expression": given.rses or None,
        }
        if given.site:
            body |= {"client_location": {"site": given.site}, "sort": "geoip"}
        asked = {name: value for name, value in body.items() if value is not None}
        return self._ask("POST", "replicas/list", asked, context)

    def _ask(self, method: str, path: str, body: Any, context: Context) -> list[Line]:
        """Return what Rucio answers; with a new token, if it does not take the old one."""
        http = self._http or context.http
        status, lines = self._send(method, path, body, http)
        if status == 401 and self._login:
            self._login.forget()
            status, lines = self._send(method, path, body, http)
        said = str(lines[0].get("ExceptionMessage", "")) if lines else ""
        kind = str(lines[0].get("ExceptionClass", "")) if lines else ""
        if kind == "DataIdentifierNotFound" or status == 404:
            raise NotThere(f"Rucio: {said or 'there is no such dataset'}")
        if status in (401, 403) or (status == 400 and "Token" in said):
            raise LookupFailed(f"Rucio does not take our token: {said}", hint="tell your operator")
        if status >= 300 or any("ExceptionClass" in one for one in lines):
            raise LookupFailed(f"Rucio answers {status}: {said or kind}", hint=LATER)
        return lines

    def _send(
        self, method: str, path: str, body: Any, http: httpx.Client
    ) -> tuple[int, list[Line]]:
        headers = {"Accept": "application/x-json-stream"}
        if self._login:
            headers[TOKEN] = self._login.token()
        # Never to where a redirection leads: the token is for this server.
        try:
            answer = http.request(
                method,
                f"{self._url}/{path}",
                json=body,
                headers=headers,
                timeout=TIMEOUT,
                follow_redirects=False,
            )
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise LookupFailed(f"Rucio does not answer: {why}", hint=LATER) from error
        try:
            lines = [json.loads(one) for one in answer.text.split("\n") if one.strip()]
        except ValueError as error:
            if answer.is_success:
                raise LookupFailed("Rucio does not answer with JSON", hint=LATER) from error
            lines = []
        return answer.status_code, [one for one in lines if isinstance(one, dict)]

    def _paths(self, line: Line) -> tuple[str, ...]:
        """Return a file's replicas: those of preferred storages first, then as Rucio sorts them."""
        states = line.get("states") or {}
        ranked = []
        for url, one in (line.get("pfns") or {}).items():
            rse = str(one.get("rse"))
            good = states.get(rse, AVAILABLE) == AVAILABLE and address(url)
            if good and (self._settings.tape or one.get("type") != "TAPE"):
                ranked.append((self._rank(rse), int(one.get("priority") or 0), good))
        return tuple(good for _, _, good in sorted(ranked))

    def _rank(self, rse: str) -> int:
        prefer = self._settings.prefer
        fits = (at for at, one in enumerate(prefer) if fnmatch.fnmatchcase(rse, one))
        return next(fits, len(prefer))


def _key(line: Line) -> Key:
    return str(line.get("scope")), str(line.get("name"))


def _found(paths: tuple[str, ...], file: Line) -> Found:
    return Found(paths, file.get("bytes") or 0, file.get("events") or 0, file.get("adler32"))
