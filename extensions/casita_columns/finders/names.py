"""Identifiers of datasets: ``scheme://name?files=N&get=available``.

As ServiceX has them (``servicex_app/did_parser.py``; ``files`` and ``get`` are the options of its
finders' library).  What follows the scheme may itself be an address: ``xrootd://root://host//*``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

from casita_columns.finders.base import BadName, Get

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)")
SERVERS = ("root", "roots", "xroot", "xroots", "http", "https", "dav", "davs", "file")
"""An address is a name, too: of the files there."""
ADDRESSES = "xrootd"
NO_SLASHES = re.compile(r"(rucio|cernopendata|xrootd|catalogue):(?!//)", re.IGNORECASE)
OPTIONS = re.compile(r"[\w.-]+=[^&]*(&[\w.-]+=[^&]*)*")
MISSPELT = re.compile(r"n?_?(num_?)?files?", re.IGNORECASE)
COUNT = re.compile(r"[0-9]{1,9}")
LONGEST = 8192
HINT = "write e.g. rucio://scope:name, cernopendata://1507 or xrootd://root://host//path/*.root"


@dataclass(frozen=True)
class Did:
    """A dataset's identifier."""

    scheme: str
    name: str
    files: int | None = None
    """Only the first so many."""
    get: Get = "all"


def parse(text: str, default: str) -> Did:
    """Return what an identifier means.

    Parameters
    ----------
    default
        The scheme of names without one.

    Raises
    ------
    BadName
        It can't be one.
    """
    text = text.strip()
    if not text or not text.isprintable() or len(text) > LONGEST:
        why = f"longer than {LONGEST} characters" if text.isprintable() and text else "no text"
        raise BadName(f"did: {text[:60]!r} is {why}", hint=HINT)
    if found := NO_SLASHES.match(text):
        scheme = found[1].lower()
        raise BadName(f"did: {text[:200]!r} lacks slashes", hint=f"write {scheme}://...")
    found = SCHEME.fullmatch(text)
    scheme, rest = (found[1].lower(), found[2]) if found else (default, text)
    if scheme in SERVERS:
        scheme, rest = ADDRESSES, text.removeprefix("file://")
    name, files, get = _without_options(rest)
    if not name:
        raise BadName(f"did: {text[:200]!r} names nothing", hint=HINT)
    return Did(scheme, name, files, get)


def _without_options(rest: str) -> tuple[str, int | None, Get]:
    """Take our options off; other text after a ``?`` is part of the name, as of a pattern."""
    name, mark, query = rest.rpartition("?")
    if not mark or not OPTIONS.fullmatch(query):
        return rest, None, "all"
    files: int | None = None
    get: Get = "all"
    others, seen = [], set[str]()
    for one in query.split("&"):
        key, _, value = one.partition("=")
        if key in seen:
            raise BadName(f"did: {key[:60]} is given twice", hint=f"write ?{key[:60]}=... once")
        seen.add(key)
        if key == "files":
            files = _count(value)
        elif key == "get":
            get = _get(value)
        elif MISSPELT.fullmatch(key):
            raise BadName(f"did: there is no option {key!r}", hint="write ?files=N")
        else:
            others.append(one)
    return "?".join([name, "&".join(others)] if others else [name]), files, get


def _count(value: str) -> int:
    if not COUNT.fullmatch(value) or not int(value):
        raise BadName(
            f"did: files={value[:20]!r} is no number of files", hint="write ?files=N with N from 1"
        )
    return int(value)


def _get(value: str) -> Get:
    for one in get_args(Get):
        if one == value:
            return one  # type: ignore[no-any-return]
    raise BadName(f"did: get={value[:20]!r} is not known", hint="write all or available")
