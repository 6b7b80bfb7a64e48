"""What callers may do with requests."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence

from casita import __version__
from casita.auth.verifier import StorageToken
from casita.errors import CasitaError
from casita.serving import Refused
from casita_columns.finders import Did
from casita_columns.records.requests import Records
from casita_columns.records.tables import (
    BAD_DATASET,
    DONE,
    FOUND,
    LOOKUP,
    RUNNING,
    SUBMITTED,
    Dataset,
    Request,
    now,
)
from casita_columns.service.access import rights_for, rights_of
from casita_columns.service.bell import Bell
from casita_columns.service.looking import Looking
from casita_columns.service.lookup import Lookup
from casita_columns.service.reuse import Reuse
from casita_columns.service.turns import Turns
from casita_columns.service.upstream import EXECUTOR as UPSTREAM
from casita_columns.service.upstream import Upstream
from casita_columns.service.work import Work
from casita_columns.settings import ServiceSettings
from casita_columns.store.objects import Objects
from casita_columns.store.volume import no_volume
from casita_columns.wire import FILE_LIST, Submission
from casita_columns.workers.child import text_file
from casita_columns.workers.codegens import Codegens
from casita_columns.workers.pool import Pool, Rights, TaskError

logger = logging.getLogger("casita.columns")
CHECKED_MAX = 1000
"""Selections whose check is remembered."""


class Desk:
    """Takes requests in and sees them through.

    Parameters
    ----------
    pool
        Workers that read.
    side
        Further workers, for what must not wait until a file is read.
    """

    version = __version__

    def __init__(
        self,
        settings: ServiceSettings,
        records: Records,
        objects: Objects,
        codegens: Codegens,
        lookup: Lookup,
        work: Work,
        pool: Pool,
        side: Pool,
        bell: Bell,
        upstream: Upstream | None = None,
    ) -> None:
        self.settings = settings
        self.records = records
        self.objects = objects
        self.codegens = codegens
        self.lookup = lookup
        self.work = work
        self._pool = pool
        self._side = side
        self.bell = bell
        self._upstream = upstream
        self.turns = Turns()
        self.looking = Looking(records, lookup, side)
        self._reuse = Reuse(settings, records)
        self._checked: OrderedDict[str, str] = OrderedDict()

    @property
    def workers(self) -> int:
        """How many files are read here at the same time."""
        return self._pool.size

    @property
    def confined(self) -> bool:
        """Whether users' code runs in bubblewrap's walls."""
        return self._pool.crew.sandbox.confined

    @property
    def images(self) -> dict[str, str]:
        """The code generators: name and image, as ServiceX says it."""
        elsewhere = self._upstream.images if self._upstream else {}
        return {**elsewhere, **self.codegens.images}

    # ---- new requests

    def submit(self, body: Submission, caller: StorageToken) -> Request:
        """Take a request in.

        Raises
        ------
        Refused
            400: it asks for something that is not there, or can't be understood.
        """
        self._refuse(body, caller)
        executor = self._executor(body.codegen)
        query = self.codegens.query(body.codegen, body.selection, body.format)
        if body.codegen in self.codegens.here:
            self._check(body, query, rights_of(caller))
        dataset, did = self._dataset(body, caller)
        request = self.records.add(
            Request(
                owner=caller.user,
                title=body.title,
                did=body.did or FILE_LIST,
                dataset_id=dataset.id,
                selection=body.selection,
                codegen=body.codegen,
                form=body.format,
                destination=body.destination,
                executor=executor,
                reads=rights_of(caller).reads,
                query=query,
                state=LOOKUP if did else SUBMITTED,
                submitted=now(),
            )
        )
        reusing = None if body.fresh else caller
        if did:
            self._look_up(request, dataset, did, reusing)
        else:
            self._begin(request, dataset, reusing)
        self.bell.ring(caller.user)
        return request

    def _refuse(self, body: Submission, caller: StorageToken) -> None:
        there = self.images
        if body.codegen not in there:
            listed = ", ".join(sorted(there))
            raise Refused(
                400,
                "bad_request",
                f"codegen: there is no {body.codegen!r} here",
                f"there are {listed}",
            )
        if body.destination == "volume" and self.settings.columns.volume is None:
            raise no_volume()
        if self.records.usage(caller.user) >= self.settings.columns.quota:
            raise Refused(
                400,
                "quota",
                f"your results take the {self.settings.columns.quota} bytes that you may have",
                "remove some: `casita columns rm`",
            )

    def _executor(self, codegen: str) -> str:
        if codegen not in self.codegens.here:
            return UPSTREAM
        return self.settings.columns.executor

    def _dataset(self, body: Submission, caller: StorageToken) -> tuple[Dataset, Did | None]:
        if body.did and self._executor(body.codegen) == UPSTREAM:
            return self.lookup.unknown(caller.user, body.did), None
        if body.did:
            return self.lookup.named(caller.user, body.did)
        files = body.file_list or []
        if not files or len(files) > self.settings.columns.files:
            most = self.settings.columns.files
            raise Refused(
                400, "bad_request", f"file-list: {len(files)} files; 1 to {most} are taken"
            )
        return self.lookup.listed(rights_of(caller), files), None

    def _check(self, body: Submission, query: str, rights: Rights) -> None:
        """Have a selection translated before it is taken in."""
        if query not in self._checked:
            task = {"do": "check", "codegen": body.codegen, "key": query}
            pool = self._pool if self._pool.free else self._side
            try:
                with (
                    text_file(body.selection) as selection,
                    pool.worker(rights, query) as worker,
                ):
                    worker.ask(task, [selection])
            except TaskError as error:
                if error.kind == "worker":
                    raise Refused(503, "unavailable", error.message, "try again") from error
                if error.kind != "limit":  # the machine may have been busy
                    self._remember(query, error.message)
                raise _untranslated(error.message) from error
            else:
                self._remember(query, "")
        if trouble := self._checked.get(query):
            raise _untranslated(trouble)

    def _remember(self, query: str, trouble: str) -> None:
        self._checked[query] = trouble
        while len(self._checked) > CHECKED_MAX:
            self._checked.popitem(last=False)

    def _look_up(
        self, request: Request, dataset: Dataset, did: Did, reusing: StorageToken | None = None
    ) -> None:
        def then(found: Dataset | None) -> None:
            if found is None:
                trouble = self.records.dataset(request.owner, dataset.id).trouble
                self.records.set_state(request.id, BAD_DATASET, trouble)
            else:
                self._begin(request, found, reusing)
            self.bell.ring(request.owner)

        self.lookup.start(dataset, did, rights_for(request), then)

    def _begin(
        self, request: Request, dataset: Dataset, reusing: StorageToken | None = None
    ) -> None:
        """Have the files read, unless the results are there and ``reusing`` may have them."""
        if request.executor == UPSTREAM and self._upstream:
            self._upstream.nudge()
        elif reusing is None or not self._reuse.answered(request, dataset, reusing):
            self.records.begin(request.id)
            self.work.nudge()

    # ---- after a start

    def resume(self) -> None:
        """Go on with what was under way when the service ended."""
        self.records.resume()
        for one in self.records.unfinished():
            if one.state == RUNNING or one.executor == UPSTREAM:
                continue
            dataset = self.records.dataset(one.owner, one.dataset_id)
            if dataset.state == FOUND:
                self._begin(one, dataset)
                continue
            try:
                found, did = self.lookup.named(one.owner, one.did)
            except CasitaError as error:
                self.records.set_state(one.id, BAD_DATASET, error.message)
            else:
                if did:
                    self._look_up(one, dataset, did)
                else:  # another request has had it looked up meanwhile
                    self.records.set_dataset(one.id, found.id)
                    self._begin(one, found)

    # ---- requests that are there

    def cancel(self, identifier: str, caller: StorageToken) -> None:
        """Stop a request; what is delivered stays.

        Raises
        ------
        MissingError
            404: it is none of the caller's.
        Refused
            400: it is done.
        """
        request = self.records.request(caller.user, identifier)
        if not self.records.cancel(identifier):
            state = self.records.request(caller.user, identifier).state
            raise Refused(400, "bad_request", f"Transformation request is in state {state}")
        self._stop(request.id)
        self.bell.ring(caller.user)

    def _stop(self, identifier: str) -> None:
        """Stop what is at work for a request that has just been cancelled."""
        self.work.cancel(identifier)
        request = self.records.known(identifier)
        if self._upstream and request:
            self._upstream.cancel(request)

    def delete(self, identifier: str, caller: StorageToken) -> None:
        """Forget a request and what it delivered.

        Raises
        ------
        MissingError
            404: it is none of the caller's.
        """
        request = self.records.request(caller.user, identifier)
        if request.state not in DONE:
            self.records.cancel(identifier)
            self._stop(identifier)
        self.forget(identifier)
        self.bell.ring(caller.user)

    def forget(self, identifier: str) -> None:
        """Forget a request, whoever's it is."""
        self._remove(self.records.delete(identifier))

    def sweep(self) -> None:
        """Remove what the store could not remove when its request was forgotten."""
        self._remove(self.records.leftovers())

    def _remove(self, keys: Sequence[str]) -> None:
        removed = []
        try:
            for key in keys:
                self.objects.delete(key)
                removed.append(key)
        except (CasitaError, OSError) as error:
            logger.warning("%d objects are removed later: %s", len(keys) - len(removed), error)
        self.records.removed(removed)

    def again(self, identifier: str, caller: StorageToken) -> Request:
        """Ask for the same once more, reading all files anew.

        Raises
        ------
        MissingError
            404: it is none of the caller's.
        """
        old = self.records.request(caller.user, identifier)
        files = None
        if old.did == FILE_LIST:
            found = self.records.dataset_files(old.dataset_id)
            files = [one.paths.partition("\n")[0] for one in found]
        body = Submission.model_validate(
            {
                "title": old.title,
                "did": None if files else old.did,
                "file-list": files,
                "selection": old.selection,
                "codegen": old.codegen,
                "result-destination": old.destination,
                "result-format": old.form,
                "fresh": True,
            }
        )
        return self.submit(body, caller)


def _untranslated(trouble: str) -> Refused:
    return Refused(400, "bad_request", f"Failed to generate translation code: {trouble}")
