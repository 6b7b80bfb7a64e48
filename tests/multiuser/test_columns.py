"""Several people and column delivery: each with their own files, rights and results."""

import shutil
from contextlib import ExitStack
from types import SimpleNamespace

import awkward
import numpy
import pytest
import uproot

from casita.testing import start_facility, stop_facility

from .conftest import account, open_folder

CONFIG = """\
[facility]
profile = "multiuser"
[login]
admin = "{admin}"
users = ["{alice}", "{bob}"]
[backends.columns]
workers = 2
"""
ASK = """
from casita.errors import CasitaError
from casita_columns.kernel import deliver
from servicex import dataset, query as q
def run_query(path=None):
    pass
import base64
code = given["code"]
body = q.UprootRaw([{"treename": "Events", "filter_name": "x"}])
sample = {"Name": "x", "Dataset": dataset.FileList(given["files"]), "Query": body}
if code:
    sample |= {"Query": base64.b64encode(code.encode()).decode(), "Codegen": "python"}
try:
    found = deliver({"General": {"OutputFormat": "parquet"}, "Sample": [sample]}, progress="none")
    one = found["x"]
    answer = [one.request.id, one.request.cached, one.awkward().to_list()]
except CasitaError as error:
    answer = str(error)
"""


@pytest.fixture(scope="module")
def site(python):
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed (apt install bubblewrap)")
    with ExitStack() as stack:
        people = {name: stack.enter_context(account()) for name in ("admin", "alice", "bob")}
        folder = stack.enter_context(open_folder())
        names = {name: one.name for name, one in people.items()}
        config = folder / "casita.toml"
        config.write_text(CONFIG.format(**names))
        for name in ("alice", "bob"):
            one = people[name]
            path = one.home / "own.root"
            with uproot.recreate(path) as out:
                out.mktree("Events", {"x": "f4"}).extend({"x": numpy.full(3, len(name), "f4")})
            path.chmod(0o600)
            shutil.chown(path, one.name)
        facility = start_facility(folder / "state", "--config", config, python=python)
        stack.callback(stop_facility, facility)
        for one in people.values():
            one.url = facility.url
        for name in ("alice", "bob"):
            people[name].start()
        yield SimpleNamespace(facility=facility, folder=folder, **people)


def ask(person, *files, code=""):
    return person.kernel.ask(ASK, {"files": [str(one) for one in files], "code": code})


def got(*more, **named):
    """Return (request, whether it was there already, rows), if it went well."""
    answer = ask(*more, **named)
    assert isinstance(answer, list), answer
    return answer


def test_everybody_reads_their_own_files_and_no_others(site):
    own = {name: getattr(site, name).home / "own.root" for name in ("alice", "bob")}
    _, cached, rows = got(site.alice, own["alice"])
    assert not cached
    assert [one["x"] for one in rows] == [5.0, 5.0, 5.0]
    assert "Permission denied" in ask(site.bob, own["alice"])
    assert [one["x"] for one in got(site.bob, own["bob"])[2]] == [3.0, 3.0, 3.0]


def test_nobody_sees_another_s_request(site):
    identifier, _, _ = got(site.alice, site.alice.home / "own.root")
    look = """
from casita.client import connection
from casita_columns.client import Columns
from casita.errors import CasitaError
with connection().http() as http:
    columns = Columns(http)
    answer = [len(columns.requests())]
    for act in (columns.request, columns.files, columns.cancel, columns.again, columns.delete):
        try:
            answer.append(str(act(given["id"])))
        except CasitaError as error:
            answer.append(error.message)
"""
    _, *told = site.bob.kernel.ask(look, {"id": identifier})
    assert told == [f"there is no request {identifier!r}"] * 5
    assert site.alice.kernel.ask(look, {"id": identifier})[1] != told[0]


def test_queries_run_as_their_user_in_walls(site):
    code = """
import os, awkward
def run_query(path=None):
    def tried(what):
        try:
            return str(what())
        except BaseException as error:
            return type(error).__name__
    said = [
        tried(lambda: os.listdir("/home")),
        tried(lambda: os.listdir(HOME)),
        tried(lambda: os.listdir(STATE)),
        tried(lambda: os.getuid()),
        tried(lambda: os.environ.get("BEARER_TOKEN_FILE")),
    ]
    return awkward.Array([{"said": said}])
"""
    named = f"HOME, STATE = {str(site.alice.home)!r}, {str(site.folder / 'state')!r}\n"
    file = site.alice.home / "own.root"
    ((one,),) = [got(site.alice, file, code=named + code)[2]]
    assert one["said"] == ["FileNotFoundError"] * 3 + ["65534", "None"]
    import psutil

    listed = {one["name"]: one for one in site.facility.status()["processes"]}
    service = psutil.Process(listed["columns"]["pid"])
    owners = {one.username() for one in service.children()}
    assert owners <= {site.alice.name, site.bob.name}
    assert site.alice.name in owners


def test_queries_start_few_threads_and_no_processes(site):
    code = """
import os, threading, time
def fork():
    if os.fork() == 0:
        time.sleep(5)
        os._exit(0)
def thread():
    threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
def run_query(path=None):
    said = []
    for start in (fork, thread):
        try:
            for _ in range(1000):
                start()
        except BaseException as error:
            said.append(str(error))
    raise ValueError(" and ".join(said))
"""
    told = ask(site.alice, site.alice.home / "own.root", code=code)
    # The filter of system calls refuses it; without one (pyseccomp) the number is bounded.
    assert "not permitted and " in told or "temporarily unavailable and " in told
    assert "can't start new thread" in told


def test_the_official_clients_file_is_theirs(site):
    path = site.alice.home / "servicex.yaml"
    assert path.owner() == site.alice.name
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_delivered_is_readable(site):
    rows = got(site.alice, site.alice.home / "own.root")[2]
    assert awkward.Array(rows).x.to_list() == [5.0] * 3
