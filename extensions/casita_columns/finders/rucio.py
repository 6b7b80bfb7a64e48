"""Datasets and containers in Rucio: ``rucio://scope:name``.

Speaks Rucio's REST (``/replicas/list``, a JSON document a line), with a token that the operator
gives; the client library is not needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from casita.errors import CasitaError
from casita_columns.finders.base import BadName, Context, Found, LookupFailed, NotThere

SCHEMES = ("root", "davs", "https")
TIMEOUT = httpx.Timeout(30, read=300)


class Rucio:
    """The name is ``scope:name``.

    Parameters
    ----------
    settings
        ``url`` of the server; ``token_file`` with a token; ``prefer``: storages (RSEs) whose
        replicas come first.

    Raises
    ------
    CasitaError
        The settings lack the server.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        if not settings.get("url"):
            raise CasitaError(
                "backends.columns.finders.rucio: url is missing", hint='url = "https://rucio..."'
            )
        self._url = str(settings["url"]).rstrip("/")
        self._token_file = settings.get("token_file")
        self._prefer = [str(one) for one in settings.get("prefer", ())]

    def find(self, name: str, context: Context) -> Iterator[Found]:
        """Yield files by name, with their replicas.

        Raises
        ------
        BadName
            It is no ``scope:name``.
        NotThere
            Rucio knows no such dataset, or no replica of any of its files.
        LookupFailed
            Rucio does not answer, or refuses.
        """
        scope, colon, rest = name.partition(":")
        if not colon or not scope or not rest:
            raise BadName(f"did: {name[:200]!r} is not scope:name", hint="write rucio://scope:name")
        lines = list(self._replicas(scope, rest, context))
        found = [self._file(one) for one in sorted(lines, key=lambda one: str(one.get("name")))]
        files = [one for one in found if one is not None]
        if not files:
            raise NotThere(f"Rucio has no files for {name}")
        yield from files

    def _replicas(self, scope: str, name: str, context: Context) -> Iterator[dict[str, Any]]:
        body = {"dids": [{"scope": scope, "name": name}], "schemes": list(SCHEMES)}
        url = f"{self._url}/replicas/list"
        try:
            with context.http.stream(
                "POST", url, json=body, headers=self._headers(), timeout=TIMEOUT
            ) as answer:
                if answer.status_code == 404:
                    raise NotThere(f"Rucio has no dataset {scope}:{name}")
                if answer.is_error:
                    raise LookupFailed(
                        f"{url} answers {answer.status_code}", hint="tell your operator"
                    )
                for line in answer.iter_lines():
                    if line.strip():
                        yield json.loads(line)
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise LookupFailed(
                f"{url}: {error or type(error).__name__}", hint="try again in a moment"
            ) from error

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/x-json-stream"}
        if self._token_file:
            headers["X-Rucio-Auth-Token"] = Path(self._token_file).read_text().strip()
        return headers

    def _file(self, line: Mapping[str, Any]) -> Found | None:
        """Return a file with the replicas that are available; None if there is none."""
        states = line.get("states") or {}
        replicas = [
            (self._rank(rse), scheme_rank(url), url)
            for rse, urls in (line.get("rses") or {}).items()
            for url in urls
            if states.get(rse, "AVAILABLE") == "AVAILABLE" and url.partition("://")[0] in SCHEMES
        ]
        if not replicas:
            return None
        return Found(
            tuple(url for _, _, url in sorted(replicas)),
            size=int(line.get("bytes") or 0),
            adler32=line.get("adler32"),
        )

    def _rank(self, rse: str) -> int:
        return self._prefer.index(rse) if rse in self._prefer else len(self._prefer)


def scheme_rank(url: str) -> int:
    """Return which of several addresses of a replica comes first: XRootD reads best."""
    return SCHEMES.index(url.partition("://")[0])
