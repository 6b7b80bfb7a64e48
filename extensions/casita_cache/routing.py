"""Which files a facility's caches hold, by URL.  Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

PORTS = {"root": 1094, "roots": 1094, "xroot": 1094, "xroots": 1094, "http": 80, "https": 443}
HTTP = ("http", "https")
VARIABLE = "CASITA_CACHE"
"""Environment variable with the routes, as JSON."""


@dataclass(frozen=True)
class Place:
    """A file on a server, or the server itself."""

    scheme: str
    """``root`` (of any kind), ``http`` or ``https``."""
    host: str
    port: int
    path: str
    """Absolute; ``/`` for a server."""

    @property
    def server(self) -> tuple[str, str, int]:
        """What the files of a server have in common."""
        return self.scheme, self.host, self.port


@dataclass(frozen=True)
class Route:
    """One origin and the cache in front of it."""

    name: str
    addresses: tuple[str, ...]
    """Of the origin; the first is the one that the cache reads from."""
    cache: str
    """``root://host:port``."""

    def url(self, path: str, tag: str = "") -> str:
        """Return where the cache has a file of its origin.

        Parameters
        ----------
        tag
            Login name; connections with different ones are different, and log in by themselves.
        """
        return f"{self.server(tag)}/{path}"

    def server(self, tag: str = "") -> str:
        """Return the cache's address, by which a connection with that login name is made."""
        return self.cache.replace("root://", f"root://{tag}@") if tag else self.cache

    def origin_url(self, path: str) -> str:
        """Return where the origin itself has a file, by root:// if it speaks that."""
        for one in self.addresses:
            if not one.startswith(HTTP):
                return f"{one}/{path}"
        return f"{self.addresses[0]}{path}"


class Routes:
    """All routes of a facility."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.all = tuple(routes)
        self._servers = {
            place.server: one
            for one in self.all
            for address in (*one.addresses, one.cache)
            if (place := place_of(address))
        }

    def find(self, url: str) -> tuple[Route, str] | None:
        """Return (route, path) of a file that a cache may hold, or None."""
        place = place_of(url)
        route = self._servers.get(place.server) if place else None
        return (route, place.path) if place and route else None

    def named(self, name: str) -> Route | None:
        """Return the route of an origin by its name."""
        return next((one for one in self.all if one.name == name), None)


def parse(text: str) -> Routes:
    """Return the routes of a facility.

    Raises
    ------
    ValueError
        The text is none of ours.
    """
    try:
        return Routes(
            Route(one["name"], tuple(one["addresses"]), one["cache"]) for one in json.loads(text)
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{VARIABLE} does not hold routes: {text[:80]}") from error


def place_of(url: str) -> Place | None:
    """Return the file that a URL names; None for what is no file of a server.

    A URL with a query asks its server for more than a file, and one with a password or token for
    something that is one person's, so neither is any cache's business.
    """
    scheme, colon, _ = url.partition("://")
    if not colon or scheme not in PORTS:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.query or parts.fragment or parts.password is not None:
        return None
    kind = scheme if scheme in HTTP else "root"
    if kind in HTTP and "%" in parts.path:
        return None  # root:// knows no escapes
    path = "/" + parts.path.lstrip("/")
    return Place(kind, host.lower(), port or PORTS[scheme], path)
