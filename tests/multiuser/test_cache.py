"""Several people and a cache: who may read what, each as themselves."""

import shutil
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

import xrootd_aside
from casita.testing import start_facility, stop_facility

from .conftest import account, open_folder

CONFIG = """\
[facility]
profile = "multiuser"
[login]
admin = "{admin}"
users = ["{alice}", "{bob}"]
[tokens]
read = ["/open"]
[tokens.groups.cms]
members = ["{alice}"]
read = ["/cms"]
[backends.cache]
program = "{program}"
directory = "{folder}/disk"
[backends.cache.local]
directory = "{folder}/data"
"""
READ = """
from XRootD import client
answer = []
for path in given["paths"]:
    file = client.File()
    status = file.open(given["origin"] + path)[0]
    answer.append(bytes(file.read(0, 4)[1]).decode() if status.ok else "no")
"""


@pytest.fixture(scope="module")
def site(python):
    if shutil.which("xrootd") is None:
        pytest.skip("xrootd is not installed (apt install xrootd-server)")
    try:
        program = xrootd_aside.get(xrootd_aside.FOLDER)
    except xrootd_aside.AsideError as error:
        pytest.skip(f"no newer XRootD can be had here: {error}")
    with ExitStack() as stack:
        people = {name: stack.enter_context(account()) for name in ("admin", "alice", "bob")}
        folder = stack.enter_context(open_folder())
        for path in ("open/f", "cms/f", "cmsX/f", f"user/{people['alice'].name}/f"):
            file = folder / "data" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("data")
        names = {name: one.name for name, one in people.items()}
        config = folder / "casita.toml"
        config.write_text(CONFIG.format(**names, program=program, folder=folder))
        facility = start_facility(folder / "state", "--config", config, python=python)
        stack.callback(stop_facility, facility)
        for one in people.values():
            one.url = facility.url
        yield SimpleNamespace(facility=facility, folder=folder, **people)


def test_everybody_reads_what_is_theirs(site):
    origin = f"root://127.0.0.1:{site.facility.site.ports['cache.origin']}/"
    own = f"/user/{site.alice.name}/f"
    paths = ["/open/f", "/cms/f", "/cmsX/f", own]
    site.alice.start()
    site.bob.start()
    given = {"origin": origin, "paths": paths}
    assert site.alice.kernel.ask(READ, given) == ["data", "data", "no", "data"]
    assert site.bob.kernel.ask(READ, given) == ["data", "no", "no", "no"]


def test_nobody_reads_another_s_token_or_the_disk(site):
    look = """
import os
answer = []
for one in (given["token"], given["ns"], given["key"], given["keytab"]):
    try:
        answer.append(bool(os.listdir(one) if os.path.isdir(one) else open(one).read()))
    except OSError as error:
        answer.append(type(error).__name__)
"""
    token = site.alice.kernel.ask("import os; answer = os.environ['BEARER_TOKEN_FILE']")
    disk = site.folder / "disk"
    given = {
        "token": token,
        "ns": str(disk / "cache-local" / "ns"),
        "key": str(disk / "certificate-key.pem"),
        "keytab": str(disk / "origin" / "keytab"),
    }
    assert site.alice.kernel.ask(look, given) == [True, *["PermissionError"] * 3]
    assert site.bob.kernel.ask(look, given) == ["PermissionError"] * 4


def test_workers_read_as_their_owner(site):
    """The token on a worker is the cluster owner's, in a file of theirs."""
    make = """
from dask_gateway import Gateway
cluster = Gateway().new_cluster()
cluster.scale(1)
client = cluster.get_client()
client.wait_for_workers(1, 120)

def read(origin, paths):
    import os, pwd
    from XRootD import client
    found = [pwd.getpwuid(os.stat(os.environ["BEARER_TOKEN_FILE"]).st_uid).pw_name]
    for path in paths:
        file = client.File()
        status = file.open(origin + path)[0]
        found.append(bytes(file.read(0, 4)[1]).decode() if status.ok else "no")
    return found

answer = client.submit(read, given["origin"], given["paths"]).result()
client.close()
cluster.shutdown()
"""
    origin = f"root://127.0.0.1:{site.facility.site.ports['cache.origin']}/"
    given = {"origin": origin, "paths": ["/open/f", "/cms/f", "/cmsX/f"]}
    assert site.alice.kernel.ask(make, given) == [site.alice.name, "data", "data", "no"]


def test_the_servers_are_not_root_s(site):
    listed = {one["name"]: one["pid"] for one in site.facility.status()["processes"]}
    import psutil

    for name in ("cache-local", "cache-origin"):
        assert psutil.Process(listed[name]).username() == "xrootd"
