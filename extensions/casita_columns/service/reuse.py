"""Results that are there already, for who asks the same of the same files."""

from __future__ import annotations

from itertools import chain

from casita.auth.verifier import StorageToken
from casita_columns.records.requests import Records
from casita_columns.records.tables import Dataset, Request
from casita_columns.service.access import covers, rights_of
from casita_columns.service.work import LOCAL
from casita_columns.settings import ServiceSettings


class Reuse:
    """Gives them to whom they may be given."""

    def __init__(self, settings: ServiceSettings, records: Records) -> None:
        self._settings = settings
        self._records = records

    def answered(self, request: Request, dataset: Dataset, caller: StorageToken) -> bool:
        """Give a request results that are there already, if its owner may have them."""
        if not self._settings.columns.reuse or request.destination == "volume":
            return False
        for one in self._records.same(request.query, dataset.version):
            allowed = self._is_theirs(one, caller) or self._is_shared(one, dataset, caller)
            if allowed and self._records.share(request.id, one.id):
                return True
        return False

    def _is_theirs(self, one: Request, caller: StorageToken) -> bool:
        """Whether a caller made a request, by a token that allowed no more than this one."""
        if one.owner != caller.user:
            return False
        return not self._settings.reads_for or covers(rights_of(caller).reads, one.reads)

    def _is_shared(self, one: Request, dataset: Dataset, caller: StorageToken) -> bool:
        """Whether a caller might have made the same results.

        What users' own workers brought is believed by those users alone.
        """
        believed = one.executor == LOCAL or one.owner == caller.user
        return believed and self._may_read(dataset, caller)

    def _may_read(self, dataset: Dataset, caller: StorageToken) -> bool:
        """Whether a user may read all of a dataset's files, as far as this service can tell.

        Local files are for their readers' own accounts to open; what needs no token anybody reads.
        """
        guarded = bool(self._settings.reads_for)
        pages = self._records.dataset_pages(dataset.id)
        for one in chain.from_iterable(pages):
            path = one.paths.partition("\n")[0]
            if "://" not in path:
                return False
            if guarded and not caller.allows("storage.read", _path_of(path)):
                return False
        return True


def _path_of(url: str) -> str:
    """Return the path of a file at its server, as scopes name it."""
    return "/" + url.partition("://")[2].partition("/")[2].lstrip("/").partition("?")[0]
