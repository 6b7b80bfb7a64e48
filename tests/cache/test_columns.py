"""Column delivery reads through the caches, with the token of whoever asked."""

import json

import pytest

from casita.testing import wait_for

from .conftest import facility_with, port_of, program

OPEN = """
[backends.cache]
directory = "{directory}"
catalogue = "{catalogue}"
[backends.cache.local]
directory = "{data}"
prefix = "/store"
"""
GUARDED = """
[tokens]
lifetime = "60s"
[backends.cache]
tokens = true
program = "{program}"
directory = "{directory}"
[backends.cache.local]
directory = "{data}"
prefix = "/store"
"""
DELIVER = """
from casita_columns import deliver
from casita_columns.kernel import look
from servicex import dataset, query as q
query = q.UprootRaw([{{"treename": "Events", "filter_name": "x", "cut": "x > 0.5"}}])
def get(name, what):
    sample = {{"Name": name, "Dataset": what, "Query": query}}
    return deliver({{"General": {{"OutputFormat": "parquet"}}, "Sample": [sample]}})[name]
listed = get("listed", dataset.FileList([{url!r}]))
found = get("found", dataset.XRootD({glob!r}))
print(json.dumps([len(listed.awkward()), len(found), [one.entries for one in look({url!r}).trees]]))
"""


def deliver(facility):
    origin = f"root://127.0.0.1:{port_of(facility, 'origin')}"
    code = DELIVER.format(url=f"{origin}//store/a.root", glob=f"{origin}//store/[ab].root")
    done = program(facility, code)
    return json.loads(done.stdout.splitlines()[-1])


def served(facility):
    """Bytes that the cache has given to readers."""
    (origin,) = json.loads(facility.casita("cache", "status", "--json").stdout)["origins"]
    return origin["served"]


NAMED = """
from casita_columns.kernel import look
found = look(did="catalogue://both")
print(json.dumps([found.files, found.trees[0].entries]))
"""


def test_reads_go_through_the_cache(world, data, tmp_path):
    catalogue = tmp_path / "datasets.json"
    catalogue.write_text("{}")
    with facility_with(world, OPEN, data=data, catalogue=catalogue) as facility:
        rows, files, entries = deliver(facility)
        assert 90_000 < rows < 110_000
        assert (files, entries) == (2, [200_000])
        wait_for(lambda: served(facility) > 100_000, 30, "the cache's count")
        # Names of the cache's catalogue are names here, too.
        urls = [f"root://127.0.0.1:{port_of(facility, 'origin')}//store/{one}.root" for one in "ab"]
        catalogue.write_text(json.dumps({"both": {"files": dict.fromkeys(urls, "Events")}}))
        done = program(facility, NAMED)
        assert json.loads(done.stdout.splitlines()[-1]) == [2, 200_000]


@pytest.mark.timeout(200)
def test_a_guarded_cache_gets_the_users_token(world, data, newer):
    with facility_with(world, GUARDED, data=data, program=newer) as facility:
        rows, files, entries = deliver(facility)
        assert 90_000 < rows < 110_000
        assert (files, entries) == (2, [200_000])
        wait_for(lambda: served(facility) > 100_000, 30, "the cache's count")
