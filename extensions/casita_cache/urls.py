"""``https://`` URLs of an origin with a cache become ``root://`` ones where fsspec takes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import fsspec
import fsspec.core

from casita_cache.doors import Doors


def rewritten(url: Any, doors: Doors) -> Any:
    """Return the ``root://`` URL of a file whose cache is up; anything else as it is."""
    if isinstance(url, (list, tuple)):
        return type(url)(rewritten(one, doors) for one in url)
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return url
    found = doors.find(url)
    if found is None or not found[0].up():
        return url
    door, path = found
    return door.root_url(path)


def follow(doors: Doors) -> None:
    """Rewrite whatever fsspec is given from now on, as long as the caches are on."""
    for name in ("url_to_fs", "get_fs_token_paths"):
        plain: Callable[..., Any] = getattr(fsspec.core, name)
        setattr(fsspec.core, name, _rewriting(plain, doors))
    fsspec.url_to_fs = fsspec.core.url_to_fs
    fsspec.get_fs_token_paths = fsspec.core.get_fs_token_paths


def _rewriting(plain: Callable[..., Any], doors: Doors) -> Callable[..., Any]:
    @wraps(plain)
    def function(url: Any, *arguments: Any, **options: Any) -> Any:
        return plain(rewritten(url, doors), *arguments, **options)

    return function
