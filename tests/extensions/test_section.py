"""What a Jupyter server tells of a service, on one that answers as told."""

import asyncio
import time
from dataclasses import dataclass, field

import httpx
import pytest

from casita.errors import LoginError
from casita.jupyter import section
from casita_cache.handlers.watch import CacheWatch, shown
from casita_cache.models import Job
from casita_cache.models import Overview as Caches
from casita_columns.handlers.watch import TROUBLE_MAX, ColumnsWatch, brief
from casita_columns.models import Overview as Requests
from casita_columns.models import RequestState

JOB = Job(id="a", user="ann", title="x", state="running", files=1, files_done=0, bytes=1,
          bytes_done=0, fraction=0, rate=0, started=0, ended=None, failures=[])  # fmt: skip
STATUS = {"origins": [], "guarded": False, "lost": 0}
ABOUT = {"version": "1", "codegens": [], "finders": [], "workers": 1, "executor": "local",
         "confined": True, "usage": 0, "quota": 1, "keep": 1, "url": ""}  # fmt: skip
REQUEST = {"id": "a", "title": "", "did": "x", "dataset_id": 1, "codegen": "uproot-raw",
           "format": "parquet", "destination": "object-store", "selection": "[]",
           "state": "Running", "trouble": "", "files": 1, "completed": 0, "failed": 0, "events": 0,
           "events_in": 0, "size": 0, "bytes_in": 0, "rate": 0, "submitted": 1, "started": 1,
           "finished": None, "cached": False, "executor": "local"}  # fmt: skip


@dataclass
class Fake:
    """A session with a service that answers as told; notes what was asked."""

    answers: dict
    status: int = 200
    renewed: int = 0
    asked: list = field(default_factory=list)

    def __post_init__(self):
        self.reconnect()

    def reconnect(self):
        self.http = httpx.AsyncClient(
            base_url="http://facility", transport=httpx.MockTransport(self.answer)
        )

    def answer(self, request):
        name = request.url.path.rpartition("/")[2]
        self.asked.append(name)
        if name == "token":
            token = {"access_token": f"t{self.asked.count('token')}", "scope": "", "expires_in": 60}
            return httpx.Response(200, json=token)
        if self.status == 401:
            raise LoginError("refused")
        if self.status == 404:
            return httpx.Response(404, text="the hub's page")
        return httpx.Response(self.status, json=self.answers[name] if self.status < 300 else {})

    async def open(self):
        return None, self.http

    def renew(self):
        self.renewed += 1


@dataclass
class Kind:
    """A section: its watch, what its service answers, and a state of work that ended when."""

    watch: type
    answers: dict
    after: object


def jobs(ended):
    return Caches(jobs=[JOB.model_copy(update={"ended": ended})])


def requests(finished):
    state = "Running" if finished is None else "Complete"
    return Requests(requests=[RequestState(**{**REQUEST, "state": state, "finished": finished})])


@pytest.fixture(
    params=[
        Kind(CacheWatch, {"status": STATUS, "datasets": [], "prefetches": []}, jobs),
        Kind(ColumnsWatch, {"about": ABOUT, "requests": [REQUEST]}, requests),
    ],
    ids=["cache", "columns"],
)
def kind(request):
    return request.param


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def test_the_storage_token_is_kept(kind):
    async def main():
        fake = Fake(kind.answers)
        watch = kind.watch(fake)
        for _ in range(3):
            assert (await watch.fresh()).problem is None
        assert fake.asked.count("token") == 1
        fake.reconnect()
        await watch.fresh()
        assert fake.asked.count("token") == 2  # another session, another login

    run(main())


def test_what_was_last_known_stays_with_the_problem(kind):
    async def main():
        fake = Fake(kind.answers)
        watch = kind.watch(fake)
        first = await watch.fresh()
        fake.status = 503
        now = await watch.fresh()
        assert now.model_copy(update={"problem": None}) == first
        assert "503" in now.problem.message
        assert fake.renewed == 0
        fake.status = 401
        assert (await watch.fresh()).problem.message == "refused"
        assert fake.renewed == 1
        fake.status = 200
        assert await watch.fresh() == first

    run(main())


def test_what_nobody_thought_of_is_told_without_its_details(kind):
    async def main():
        fake = Fake(dict.fromkeys(kind.answers, "nonsense"))
        problem = (await kind.watch(fake).fresh()).problem
        assert problem.message.endswith(" can't be looked at")
        assert problem.hint == "the log of your Jupyter server says why"

    run(main())


def test_a_facility_without_the_service_is_no_problem(kind):
    async def main():
        found = await kind.watch(Fake(kind.answers, status=404)).fresh()
        assert (found.configured, found.problem) == (False, None)

    run(main())


def test_nobody_looks_unless_somebody_follows_and_oftener_while_something_runs(kind):
    async def main():
        fake = Fake(kind.answers)
        watch = kind.watch(fake)
        work = asyncio.create_task(watch.run())
        await asyncio.sleep(0.1)
        assert fake.asked == []
        states = watch.follow()
        assert (await anext(states)).configured
        for ended, pause in (
            (None, section.RUNNING_SECONDS),
            (time.time(), section.RUNNING_SECONDS),
            (5.0, section.SHOWN_SECONDS),
        ):
            watch.seen = kind.after(ended)
            assert watch.pause() == pause
        watch.seen = watch.seen.model_copy(update={"configured": False})
        assert watch.pause() == section.ABSENT_SECONDS
        await states.aclose()
        assert watch.pause() is None
        work.cancel()

    run(main())


def test_prefetches_are_told_of_for_a_while_after_their_end():
    def ended(state, seconds):
        return JOB.model_copy(update={"state": state, "ended": 10_000 - seconds})

    jobs = [JOB, ended("done", 5), ended("done", 60), ended("failed", 60), ended("failed", 4000)]
    assert shown(jobs, 10_000) == [jobs[0], jobs[1], jobs[3]]


def test_what_may_be_long_is_not_told_every_second():
    long = RequestState(**{**REQUEST, "selection": "x" * 9000, "trouble": "y" * 9000})
    told = brief(long)
    assert told.selection == ""
    assert len(told.trouble) == TROUBLE_MAX
    assert long.selection
