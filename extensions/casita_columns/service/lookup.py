"""Turns names of datasets into files, and remembers what was found."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

from casita.errors import CasitaError
from casita.serving import Refused
from casita_columns.finders import BadName, Did, Found, NotThere, parse, registry
from casita_columns.records.datasets import BATCH, File
from casita_columns.records.requests import Records
from casita_columns.records.tables import BAD_NAME, FAILED_LOOKUP, NOT_THERE, Dataset, now
from casita_columns.service.listing import Listing
from casita_columns.settings import ColumnsSettings
from casita_columns.workers.pool import Rights

logger = logging.getLogger("casita.columns")
PARALLEL = 2
"""Lookups of a user at a time."""
LIST = "user"
"""The finder of lists of files, as ServiceX calls it."""
GLOB = "xrootd"


class Lookup:
    """Looks datasets up, a few of each user at a time.

    Parameters
    ----------
    listing
        Looks at folders and files with users' rights.
    """

    def __init__(self, settings: ColumnsSettings, records: Records, listing: Listing) -> None:
        self._settings = settings
        self._records = records
        self._listing = listing
        self.finders = registry(settings.finders, settings.datasets)
        self._threads: dict[str, ThreadPoolExecutor] = {}
        """Of each user: a server that does not answer holds up those who asked for it."""
        self._lock = threading.Lock()

    def named(self, user: str, did: str) -> tuple[Dataset, Did | None]:
        """Return a dataset for a name, and the name if it has to be looked up first.

        Raises
        ------
        Refused
            400: it is no name of a dataset.
        """
        try:
            parsed = parse(did, self._settings.finder)
            if parsed.scheme not in self.finders:
                there = ", ".join(sorted(self.finders))
                raise BadName(
                    f"did: no finder is called {parsed.scheme!r}", hint=f"there are {there}"
                )
        except BadName as error:
            raise Refused(400, "bad_request", error.message, error.hint) from None
        local = parsed.scheme == GLOB and _is_local(parsed.name)
        since = now() - (0 if local else self._settings.lookup)
        if known := self._records.dataset_of(user, did, since):
            return known, None
        return self._records.new_dataset(user, parsed.scheme, parsed.name, did), parsed

    def unknown(self, user: str, did: str) -> Dataset:
        """Return a dataset that another ServiceX looks up."""
        scheme = did.partition("://")[0] if "://" in did else self._settings.finder
        return self._records.new_dataset(user, scheme, did, did)

    def listed(self, rights: Rights, paths: list[str]) -> Dataset:
        """Return the dataset of a list of files.

        Raises
        ------
        Refused
            400: a file can't be one.
        """
        name = LIST + hashlib.sha256("".join(paths).encode(errors="replace")).hexdigest()
        try:
            context = self._listing.context(rights)
            found = list(self.finders[LIST].find("\n".join(paths), context))
        except CasitaError as error:
            raise Refused(400, "bad_request", error.message, error.hint) from None
        dataset = self._records.new_dataset(rights.user, LIST, name, name)
        return self._records.fill_dataset(dataset.id, self._files(rights, found))

    def _files(self, rights: Rights, found: Iterable[Found]) -> Iterator[File]:
        """Yield files as they are remembered.

        A local one may be written anew under its name: its size and time say which it is. Of
        others the name is believed.
        """
        rest = iter(found)
        while some := list(islice(rest, BATCH)):
            local = [one.paths[0] for one in some if _is_local(one.paths[0])]
            known = dict(zip(local, self._listing.versions(rights, local), strict=True))
            for one in some:
                size, version = known.get(one.paths[0], (one.size, ""))
                yield File(one.paths, size, one.events, one.adler32, version)

    def start(
        self, dataset: Dataset, did: Did, rights: Rights, then: Callable[[Dataset | None], None]
    ) -> None:
        """Look a name up; afterwards call ``then`` with what was found, or None."""
        with self._lock:
            threads = self._threads.get(dataset.owner)
            if threads is None:
                threads = ThreadPoolExecutor(PARALLEL, "casita-lookup")
                self._threads[dataset.owner] = threads
        threads.submit(self._look, dataset, did, rights, then)

    def _look(
        self, dataset: Dataset, did: Did, rights: Rights, then: Callable[[Dataset | None], None]
    ) -> None:
        found = None
        try:
            found = self.look(dataset, did, rights)
        except CasitaError as error:
            self._records.fail_dataset(dataset.id, _state_of(error), error.message)
        except Exception:
            logger.exception("a lookup failed")
            self._records.fail_dataset(dataset.id, FAILED_LOOKUP, "the finder made a mistake")
        then(found)

    def look(self, dataset: Dataset, did: Did, rights: Rights) -> Dataset:
        """Look a name up now.

        Raises
        ------
        CasitaError
            Nothing was found, or the finder failed.
        """
        finder = self.finders[did.scheme]
        context = replace(self._listing.context(rights), get=did.get)
        limit = self._settings.files
        found = islice(finder.find(did.name, context), did.files or limit + 1)
        files = self._files(rights, _at_most(found, limit))
        filled = self._records.fill_dataset(dataset.id, files)
        if not filled.files:
            raise NotThere(f"{did.name}: there are no files")
        return filled

    def close(self) -> None:
        """Start no more lookups."""
        for one in self._threads.values():
            one.shutdown(wait=False, cancel_futures=True)


def _at_most(found: Iterable[Found], limit: int) -> Iterator[Found]:
    for number, one in enumerate(found):
        if number == limit:
            raise BadName(f"it has more than {limit} files", hint="ask for fewer by ?files=N")
        yield one


def _state_of(error: CasitaError) -> str:
    if isinstance(error, NotThere):
        return NOT_THERE
    return BAD_NAME if isinstance(error, BadName) else FAILED_LOOKUP


def _is_local(name: str) -> bool:
    return name.startswith("/")
