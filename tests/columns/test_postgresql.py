"""The service on a PostgreSQL: whoever is killed or restarted, requests end as they should."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.columns import postgresql
from tests.columns.live import running, settings
from tests.columns.test_service import body, finished, rows, submit

from casita.errors import ConfigError, ServiceError
from casita.testing import wait_for
from casita_columns.records.database import open_engine
from casita_columns.service.application import PREFIX
from casita_columns.settings import ColumnsSettings

ROOT = Path(__file__).parent.parent.parent
PAUSE = """
def run_query(path=None):
    import time, uproot
    time.sleep(0.7)
    return uproot.open(path)["Events"].arrays(["MET_pt"])
"""
KILLED = """
import sys, time
from pathlib import Path
from tests.columns.live import running, settings
from tests.columns.test_service import body, submit

folder, database, *files = sys.argv[1:]
with running(settings(Path(folder), {"database": database})) as client:
    print(submit(client, body(files, **{PAUSING})), flush=True)
    time.sleep(120)
"""


def pausing():
    """A query that takes its time at every file."""
    import base64

    return {"codegen": "python", "selection": base64.b64encode(PAUSE.encode()).decode()}


@pytest.fixture
def server(postgresql_server):
    yield postgresql_server
    postgresql_server.start()  # whatever a test did to it


def whole(client, identifier, count):
    """Every file is there once, and each came later than the one before."""
    found = finished(client, identifier)
    assert (found["status"], found["files-completed"], found["files-failed"]) == (
        "Complete",
        count,
        0,
    )
    results = rows(client, identifier)
    assert len({one["s3-object-name"] for one in results}) == len(results) == count
    times = sorted(one["created_at"] for one in results)
    assert len(set(times)) == count
    later = rows(client, identifier, params={"later_than": f"{times[0]}+00:00"})
    assert len(later) == count - 1


def test_a_service_that_is_killed_goes_on_where_it_was(server, tmp_path, files):
    database = server.new()
    code = KILLED.replace("{PAUSING}", repr(pausing()))
    killed = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), database, *files],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        identifier = killed.stdout.readline().strip()
        with server.connect(database) as connection:
            sql = "SELECT completed FROM requests WHERE id = %s"
            wait_for(lambda: connection.execute(sql, [identifier]).fetchone()[0] > 0, 60, "a file")
        for told in ("cmdline", "environ"):
            text = Path(f"/proc/{killed.pid}/{told}").read_text()
            assert server.password not in text
    finally:
        killed.kill()
        killed.wait()
    with running(settings(tmp_path, {"database": database})) as client:
        whole(client, identifier, 3)


def test_a_database_that_is_away_is_told_and_waited_for(server, tmp_path, files):
    with running(settings(tmp_path, {"database": server.new()})) as client:
        identifier = submit(client, body(files, **pausing()))
        wait_for(lambda: rows(client, identifier), 60, "a file")
        server.stop()
        for path in (f"requests/{identifier}", "health"):
            answer = client.get(f"{PREFIX}/{path}")
            assert answer.status_code == 503
            assert "the database does not answer" in answer.json()["message"]
            assert server.password not in answer.text
        answer = client.post(f"{PREFIX}/servicex/transformation", json=body(files))
        assert answer.status_code == 503
        server.start()
        assert client.get(f"{PREFIX}/health").json()["ready"]
        whole(client, identifier, 3)
        assert len(client.get(f"{PREFIX}/requests").json()) == 1


def test_users_at_the_same_time(server, tmp_path, files):
    users, failed = [f"user{number}" for number in range(3)], []
    with running(settings(tmp_path, {"database": server.new()})) as client:

        def ask(user):
            try:
                mine = {"X-User": user}
                asked = [submit(client, body(files, fresh=True), **mine) for _ in range(2)]
                client.delete(f"{PREFIX}/requests/{asked.pop()}", headers=mine)
                assert finished(client, asked[0], **mine)["files-completed"] == 3
                (one,) = client.get(f"{PREFIX}/requests", headers=mine).json()
                assert one["id"] == asked[0]
            except Exception as error:
                failed.append((user, error))

        threads = [threading.Thread(target=ask, args=(user,)) for user in users]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert not failed
        assert client.get(f"{PREFIX}/metrics").text.count('requests{state="Complete"} 3.0') == 1


def test_a_database_that_is_not_there(server):
    with pytest.raises(ServiceError, match=r"does not answer: .*no_such.* does not exist"):
        open_engine(server.new().replace("/casita_", "/no_such_"))
    with pytest.raises(ServiceError, match="does not answer: .*refused"):
        open_engine("postgresql+psycopg://casita@127.0.0.1:9/casita")
    for bad in ("postgresql+nothing://x/y", "postgresql"):
        with pytest.raises(ConfigError, match=r"backends\.columns\.database"):
            open_engine(bad)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql+psycopg://casita:hunter2@db/casita", "passfile"),
        ("postgresql+psycopg://casita@db/casita?password=hunter2", "passfile"),
        ("mysql://db/casita", "begins with postgresql"),
        ("postgresql+psycopg://[casita", "no URL"),
    ],
)
def test_passwords_are_not_taken_from_the_configuration(url, words):
    with pytest.raises(ValueError, match=words) as told:
        ColumnsSettings(database=url)
    assert "hunter2" not in told.value.errors()[0]["msg"]


def test_the_server_ends_with_those_who_started_it():
    code = """
import sys
from tests.columns import postgresql
try:
    with postgresql.running() as server:
        print(server._process.pid, server.folder, flush=True)
        sys.stdin.read()
except postgresql.NoServerError as error:
    print(error)
"""
    starter = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = starter.stdout.readline().split()
    starter.kill()
    starter.wait()
    if not said[0].isdigit():
        pytest.skip(" ".join(said))
    wait_for(lambda: not Path(f"/proc/{said[0]}").exists(), 30, "the server's end")
    postgresql.remove(said[1])
