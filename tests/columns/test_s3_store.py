"""Results in a real S3: whole, exact, read by parts, removed, and told when it is away."""

import json
import os
import subprocess
import sys
import threading

import pyarrow.parquet
import pytest
from tests.columns.live import running, settings
from tests.columns.test_service import body, finished, rows, submit

from casita.errors import ConfigError, ServiceError
from casita_columns import doctor
from casita_columns.service.application import PREFIX
from casita_columns.settings import ColumnsSettings
from casita_columns.store.objects import Objects


@pytest.fixture
def server(s3_server):
    yield s3_server
    s3_server.start()  # whatever a test did to it


def configured(server, folder, **more):
    """The settings: what is secret in a file of its own."""
    (folder / "store.toml").write_text(f'key = "{server.key}"\nsecret = "{server.secret}"\n')
    return {
        "store": server.new(),
        "store_options": {"client_kwargs": {"endpoint_url": server.url}},
        "store_file": str(folder / "store.toml"),
        **more,
    }


def test_a_delivery_by_way_of_s3(server, tmp_path, files):
    import boto3

    columns = configured(server, tmp_path)
    with running(settings(tmp_path, columns)) as client:
        identifier = submit(client, body(files))
        found = finished(client, identifier)
        assert found["files-completed"] == 3
        listed = {one["s3-object-name"]: one["total-bytes"] for one in rows(client, identifier)}
        stored = server.objects(columns["store"])
        assert sorted(one.stat().st_size for one in stored) == sorted(listed.values())
        for one in client.get(f"{PREFIX}/requests/{identifier}/files").json():
            content = client.get(one["url"]).content
            assert len(content) == one["size"] == listed[one["name"]]
            part = client.get(one["url"], headers={"Range": "bytes=100-199"})
            assert (part.status_code, part.content) == (206, content[100:200])
            assert client.get(one["url"], headers={"Range": "bytes=-9"}).content == content[-9:]
        # As the official client does it, which knows the service's own S3 only.
        s3 = boto3.client(
            "s3",
            endpoint_url=f"http://{found['minio-endpoint']}",
            aws_access_key_id=found["minio-access-key"],
            aws_secret_access_key=found["minio-secret-key"],
            region_name="us-east-1",
        )
        for name, size in listed.items():
            s3.download_file(identifier, name, str(tmp_path / name))
            assert (tmp_path / name).stat().st_size == size
            assert pyarrow.parquet.read_table(tmp_path / name).column_names == ["MET_pt"]
        client.delete(f"{PREFIX}/requests/{identifier}")
        assert server.objects(columns["store"]) == []


def test_a_store_that_is_away_is_told_and_nothing_is_left_in_it(server, tmp_path, files):
    columns = configured(server, tmp_path, retries=0)
    with running(settings(tmp_path, columns)) as client:
        first = submit(client, body(files))
        finished(client, first)
        (one, *_) = client.get(f"{PREFIX}/requests/{first}/files").json()
        server.stop()
        answer = client.get(one["url"])
        assert answer.status_code == 503
        assert "the store does not answer" in answer.text
        identifier = submit(client, body(files[:1], fresh=True))
        assert finished(client, identifier)["files-failed"] == 1
        (failure,) = client.get(f"{PREFIX}/requests/{identifier}").json()["failures"]
        assert failure["message"].startswith("the store of results does not answer (")
        assert server.url not in failure["message"]
        assert client.delete(f"{PREFIX}/requests/{first}").status_code < 300
        server.start()
        assert len(server.objects(columns["store"])) == 3
        client.service._clean()
        assert server.objects(columns["store"]) == []
        again = submit(client, body(files[:1], fresh=True))
        assert finished(client, again)["files-completed"] == 1


def test_an_object_appears_whole_or_not_at_all(server, tmp_path):
    store = Objects.of(server.new(), server.options, tmp_path)
    made = os.urandom(2**20) * 40  # several parts
    seen, done = [], threading.Event()

    def look():
        while not done.is_set():
            try:
                seen.append(store.size("request/large"))
            except ServiceError as error:
                seen.append(error)
            except LookupError:
                seen.append(None)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(3):
            spool = store.spool()
            os.write(spool.fd, made)
            store.commit(spool, "request/large")
    finally:
        done.set()
        looking.join()
    assert set(seen) <= {None, len(made)}
    with store.open("request/large") as stream:
        stream.seek(39 * 2**20)
        assert stream.read() == made[39 * 2**20 :]


STREAMED = """
import json, os, resource, shutil, sys
from pathlib import Path
from casita_columns.store.objects import Objects

url, folder, options = sys.argv[1], Path(sys.argv[2]), json.load(sys.stdin)
store = Objects.of(url, options, folder)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def bring(name, megabytes):
    spool = store.spool()
    for _ in range(megabytes):
        os.write(spool.fd, os.urandom(2**20))
    store.commit(spool, name)
    with store.open(name) as stream, open(os.devnull, "wb") as out:
        shutil.copyfileobj(stream, out, 2**20)

bring("request/small", 20)
before = peak()
bring("request/large", 300)
print(peak() - before)
"""


def test_files_are_not_held_in_memory(server, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", STREAMED, server.new(), str(tmp_path)],
        input=json.dumps(server.options),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert float(done.stdout) < 100  # MiB, of 300


def test_secrets_are_not_taken_from_the_configuration(server, tmp_path):
    for bad in ({"secret": "hunter2"}, {"client_kwargs": {"aws_secret_access_key": "hunter2"}}):
        with pytest.raises(ValueError, match="store_file") as told:
            ColumnsSettings(store_options=bad)
        assert "hunter2" not in told.value.errors()[0]["msg"]
    with pytest.raises(ConfigError, match=r"store_file: .*absent\.toml: No such file"):
        ColumnsSettings(store_file=tmp_path / "absent.toml").whole_store_options()
    (tmp_path / "bad.toml").write_text('secret "hunter2"')
    with pytest.raises(ConfigError, match="it is no TOML") as told:
        ColumnsSettings(store_file=tmp_path / "bad.toml").whole_store_options()
    assert "hunter2" not in str(told.value)


def test_doctor_says_whether_it_keeps_what_it_is_given(server, tmp_path):
    good = configured(server, tmp_path)

    def found(**more):
        return next(iter(doctor._store(ColumnsSettings(**{**good, **more}))))

    assert found().level == "ok"
    assert server.objects(good["store"]) == []
    for more, words in (
        ({"store": "s3://no-such-bucket/casita"}, "has no bucket 'no-such-bucket'"),
        ({"store_options": {"client_kwargs": {"endpoint_url": "http://127.0.0.1:9"}}}, "connect"),
    ):
        told = found(**more)
        assert told.level == "error"
        assert words in told.detail
    (tmp_path / "store.toml").write_text('key = "casita"\nsecret = "wrong"\n')
    assert "signature" in found().detail
