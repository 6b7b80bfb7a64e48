"""A cache that everybody on the machine may read: what people see, and what goes wrong."""

import json
import os
import socket
import time
from pathlib import Path

import httpx
import pytest
from XRootD import client

from casita.testing import wait_for

from .conftest import closed, facility_with, plain_origin, port_of, program, server_of

CONFIG = """
[backends.cache]
directory = "{directory}"
revalidate = "1s"
[backends.cache.local]
directory = "{data}"
prefix = "/store"
[backends.cache.origins.far]
url = "root://127.0.0.1:{far}"
also = ["https://far.example.org:8443"]
[backends.cache.datasets.sample]
metadata = {{title = "A real one"}}
files = {{"root://127.0.0.1:{far}//store/sample.root" = "Events"}}
[backends.cache.datasets.pairs]
metadata = {{title = "Top quark pairs"}}
[backends.cache.datasets.pairs.files]
"root://127.0.0.1:{far}//store/a.root" = "Events"
"root://127.0.0.1:{far}//store/b.root" = "Events"
"""
READ = """
with uproot.open(URL) as file:
    print(json.dumps(float(file["Events"]["x"].array().to_numpy().sum())))
"""
WARNED = "the cache of root://127.0.0.1"


@pytest.fixture(scope="module")
def storage(world, data):
    """Somebody's server, with copies of the files."""
    import shutil

    folder = world / "far"
    shutil.copytree(data, folder / "store")
    with plain_origin(world, folder) as (port, process):
        yield folder / "store", port, process


@pytest.fixture(scope="module")
def cached(world, data, storage):
    with facility_with(world, CONFIG, data=data, far=storage[1]) as facility:
        facility.far = f"root://127.0.0.1:{storage[1]}//store"
        facility.local = f"root://127.0.0.1:{port_of(facility, 'origin')}//store"
        yield facility


@pytest.fixture
def clean(cached):
    wait_for(lambda: closed(cached), 60, "files closed by the caches")
    cached.casita("cache", "purge", "-y")
    return cached


def read(facility, url, **more):
    done = program(facility, READ.replace("URL", repr(url)), **more)
    return float(done.stdout), done.stderr


def truth(folder, name):
    import uproot

    with uproot.open(folder / name) as file:
        return float(file["Events"]["x"].array().to_numpy().sum())


def status(facility, name="far"):
    found = json.loads(facility.casita("cache", "status", "--json").stdout)
    return next(one for one in found["origins"] if one["name"] == name)


def file_state(facility, url):
    return json.loads(facility.casita("cache", "stat", url, "--json").stdout)


# ---- reading


def test_a_second_read_comes_from_disk(clean, storage):
    url = f"{clean.far}/a.root"
    before = status(clean)
    first, warned = read(clean, url)
    assert first == truth(storage[0], "a.root")
    assert WARNED not in warned
    missed = wait_for(lambda: status(clean)["missed"] - before["missed"], 20, "misses")
    assert missed > 100_000
    assert read(clean, url)[0] == first
    after = wait_for(
        lambda: (now := status(clean))["hit"] > before["hit"] + missed / 2 and now, 20, "hits"
    )
    assert after["missed"] == before["missed"] + missed
    about = file_state(clean, url)
    assert 0 < about["cached"] <= about["size"] == (storage[0] / "a.root").stat().st_size
    assert about["accesses"] == 2


def test_every_library_reads_through_it(clean, storage):
    """uproot, fsspec, pyarrow and the XRootD client, by root:// and https://."""
    code = """
from casita_cache.traffic import LEDGER
FAR, HTTPS = sys.argv[1:] or (FAR_URL, HTTPS_URL)
for url in (FAR + "/b.root", HTTPS + "/b.root"):
    with uproot.open(url) as file:
        assert file["Events"].num_entries == 50_000
    with fsspec.open(url) as stream:
        assert stream.read(4) == b"root", url
    system, path = fsspec.core.url_to_fs(url)
    assert system.cat_file(path, 0, 4) == b"root"
    import pyarrow.fs
    with pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(system)).open_input_file(path) as stream:
        assert stream.read(4) == b"root"
system = fsspec.filesystem("root", hostid=FAR[7:].partition("/")[0])
assert "/store/a.root" in {one["name"] for one in system.ls("/store")}
from XRootD import client
file = client.File()
assert file.open(FAR + "/b.root")[0].ok
assert file.read(0, 4)[1] == b"root"
assert file.vector_read([(0, 4), (8, 4)])[0].ok
traffic = LEDGER.traffic()
print(json.dumps([traffic.cached, traffic.direct, len(traffic.files)]))
"""
    https = "https://far.example.org:8443/store"  # nobody is there: only the cache can answer
    code = code.replace("FAR_URL", repr(clean.far)).replace("HTTPS_URL", repr(https))
    done = program(clean, code)
    through, past, files = json.loads(done.stdout)
    assert through > 10_000
    assert (past, files) == (0, 1)


def test_it_can_be_switched_off(clean):
    url = f"{clean.far}/b.root"
    before = status(clean)["served"]
    code = "casita_cache.off()\n" + READ.replace("URL", repr(url))
    program(clean, code)
    program(clean, READ.replace("URL", repr(url)), env={"CASITA_CACHE_OFF": "1"})
    assert file_state(clean, url)["cached"] == 0
    code = "casita_cache.off(); casita_cache.on()\n" + READ.replace("URL", repr(url))
    program(clean, code)
    wait_for(lambda: status(clean)["served"] > before, 10, "a read through the cache")


def test_without_a_cache_nothing_is_installed(facility):
    assert "CASITA_KERNEL" not in facility.site.backend_environment()
    assert "CASITA_CACHE" not in facility.site.backend_environment()


def test_the_report_tells_hits_and_misses(clean):
    code = f"""
def read(name):
    with uproot.open("{clean.far}/" + name) as file:
        file["Events"]["x"].array()
casita_cache.report()
read("a.root")
cold = casita_cache.report()
read("a.root")
warm = casita_cache.report()
for one in (cold, warm):
    print(json.dumps([one.read, one.hit_ratio, one.from_origin, len(one.lines)]))
print(warm, file=sys.stderr)
assert "<table>" in warm._repr_html_()
assert str(casita_cache.report()) == "nothing was read through the cache"
"""
    done = program(clean, code)
    cold, warm = map(json.loads, done.stdout.splitlines())
    assert cold[0] == pytest.approx(warm[0], rel=0.3)
    assert cold[1] < 0.6
    assert cold[2] > 100_000
    assert warm[1:] == [1.0, 0, 1]
    assert "/store/a.root" in done.stderr


def test_two_readers_of_a_file_that_is_not_there_yet(clean, storage):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        sums = list(pool.map(lambda _: read(clean, f"{clean.far}/a.root")[0], range(2)))
    assert sums == [truth(storage[0], "a.root")] * 2


# ---- what goes wrong


def test_a_missing_file_is_one_clear_error(clean):
    done = program(clean, READ.replace("URL", repr(f"{clean.far}/nix.root")), check=False)
    assert "no such file" in done.stderr
    assert WARNED not in done.stderr
    done = clean.casita("cache", "stat", f"{clean.far}/nix.root", check=False)
    assert done.returncode == 1
    assert "there is no such file" in done.stderr


def test_a_server_without_cache_is_said_to_have_none(clean):
    done = clean.casita("cache", "prefetch", "root://other.example.org//x.root", check=False)
    assert done.returncode == 1
    assert "no cache of this facility is for that server" in done.stderr


def test_a_corrupt_block_never_gives_wrong_data(clean, storage):
    url, right = f"{clean.far}/b.root", truth(storage[0], "b.root")
    clean.casita("cache", "prefetch", url)
    held = (clean.disk / "cache-far" / "ns" / "store" / "b.root").resolve()
    wait_for(lambda: file_state(clean, url)["fraction"] == 1, 20, "the whole file")
    with held.open("r+b") as stream:
        for offset in range(1000, held.stat().st_size, 5000):
            stream.seek(offset)
            stream.write(b"\xde\xad\xbe\xef")
    found, warned = read(clean, url)
    assert found == right
    assert "it comes from its origin" in warned
    # The copy was reported, checked and dropped.
    wait_for(lambda: file_state(clean, url)["cached"] == 0, 20, "the copy gone")
    assert read(clean, url)[0] == right


def test_a_file_that_was_replaced_at_its_origin(clean, storage, world):
    import shutil

    url, target = f"{clean.far}/new.root", storage[0] / "new.root"
    shutil.copy(storage[0] / "b.root", target)
    os.utime(target, (time.time() - 3600,) * 2)
    assert read(clean, url)[0] == truth(storage[0], "b.root")
    wait_for(lambda: file_state(clean, url)["cached"] > 0, 20, "a copy")
    time.sleep(7)  # more than clocks may differ
    shutil.copy(storage[0] / "a.root", target.with_suffix(".part"))
    target.with_suffix(".part").replace(target)
    wait_for(lambda: file_state(clean, url)["cached"] == 0, 40, "the old copy gone")
    assert read(clean, url)[0] == truth(storage[0], "a.root")


def test_the_cache_is_down_then_dies_amid_reading(clean, storage):
    """Reads go on at the origin, in the same open file, with one warning."""
    url = f"{clean.far}/a.root"
    pid = server_of(clean, "cache-far").pid
    code = f"""
from XRootD import client
file = client.File()
assert file.open({url!r})[0].ok
first = file.read(0, 1000)[1]
supervisor = __import__("subprocess")
print("ready", flush=True)
os.kill({pid}, 9)
began = time.monotonic()
assert file.read(0, 1000)[1] == first
assert file.read(5000, 1000)[0].ok
took = time.monotonic() - began
with uproot.open({url!r}) as other:
    x = float(other["Events"]["x"].array().to_numpy().sum())
print(json.dumps([took, x]))
"""
    clean.casita("restart", "cache-far")
    code = code.replace(str(pid), str(server_of(clean, "cache-far").pid))
    done = program(clean, code)
    took, x = json.loads(done.stdout.splitlines()[-1])
    assert x == truth(storage[0], "a.root")
    assert took < 30
    assert done.stderr.count(WARNED) <= 2  # the warning, and the line in the log
    assert WARNED in done.stderr
    wait_for(lambda: status(clean)["up"], 30, "the cache up again")


def test_the_origin_is_down(clean, storage):
    """What is cached is served; what isn't is one error within the time-outs."""
    url = f"{clean.far}/b.root"
    clean.casita("cache", "prefetch", url)
    process = storage[2]
    process.send_signal(19)  # it neither answers nor refuses
    try:
        assert read(clean, url)[0] == truth(storage[0], "b.root")
        began = time.monotonic()
        done = program(
            clean,
            READ.replace("URL", repr(f"{clean.far}/a.root")),
            check=False,
            env={"XRD_REQUESTTIMEOUT": "5", "XRD_STREAMTIMEOUT": "5"},
        )
        assert done.returncode != 0
        assert time.monotonic() - began < 90
    finally:
        process.send_signal(18)


# ---- keeping and dropping


def test_prefetch_pin_purge_and_evict(clean, storage):
    done = clean.casita("cache", "prefetch", "pairs")
    assert "2 of 2 files" in done.stdout
    dataset = json.loads(clean.casita("cache", "datasets", "top", "--json").stdout)[0]
    assert (dataset["name"], dataset["files"], dataset["fraction"]) == ("pairs", 2, 1.0)
    assert "Top quark pairs" in clean.casita("cache", "datasets").stdout

    clean.casita("cache", "pin", f"{clean.far}/a*")
    assert file_state(clean, f"{clean.far}/a.root")["pinned"]
    done = clean.casita("cache", "purge", "-y", "--origin", "far")
    assert "1 are pinned" in done.stdout
    assert file_state(clean, f"{clean.far}/a.root")["fraction"] == 1
    assert file_state(clean, f"{clean.far}/b.root")["cached"] == 0

    # It survives restarts of the service and of the cache.
    clean.casita("restart", "cache")
    clean.casita("restart", "cache-far")
    assert file_state(clean, f"{clean.far}/a.root")["pinned"]
    wait_for(lambda: status(clean)["open_files"] >= 1, 40, "the pinned file open again")

    clean.casita("cache", "unpin", f"{clean.far}/a.root")
    assert "1 files" in clean.casita("cache", "evict", "-y", f"{clean.far}/a.root").stdout
    assert file_state(clean, f"{clean.far}/a.root")["cached"] == 0
    assert read(clean, f"{clean.far}/a.root")[0] == truth(storage[0], "a.root")


def test_what_is_evicted_while_it_is_open_is_fetched_again(clean):
    """The server gives it from memory until it has closed it."""
    url = f"{clean.far}/b.root"
    assert "1 of 1 files" in clean.casita("cache", "prefetch", url).stdout
    held = client.File()
    port = port_of(clean, "cache-far")
    assert held.open(f"root://127.0.0.1:{port}//store/b.root")[0].ok
    clean.casita("cache", "evict", "-y", url)
    clean.casita("cache", "prefetch", "--detach", url)
    time.sleep(2)
    job = json.loads(clean.casita("cache", "jobs", "--json").stdout)[0]
    assert job["state"] == "running"
    held.close()
    wait_for(
        lambda: json.loads(clean.casita("cache", "jobs", "--json").stdout)[0]["state"] == "done",
        60,
        "the file in the cache",
    )
    assert file_state(clean, url)["fraction"] == 1


def test_a_list_of_files(clean, tmp_path):
    """Also a long one; each file once."""
    lines = ["# what I need", f"{clean.far}/b.root", ""] + [f"{clean.far}/a.root"] * 5000
    (tmp_path / "files.txt").write_text("\n".join(lines))
    done = clean.casita("cache", "prefetch", f"@{tmp_path / 'files.txt'}")
    assert "2 of 2 files" in done.stdout
    done = clean.casita("cache", "prefetch", f"@{tmp_path / 'none'}", check=False)
    assert done.returncode == 1
    assert "can't be read" in done.stderr


def test_a_listing_and_a_folder(clean):
    clean.casita("cache", "prefetch", f"{clean.local}/cms/")
    found = json.loads(clean.casita("cache", "ls", f"{clean.local}/", "--json").stdout)
    assert {one["path"] for one in found["files"]} == {"/store/a.root", "/store/b.root"}
    folders = {one["path"]: one for one in found["folders"]}
    assert folders["/store/cms"]["files"] == 1
    assert folders["/store/cmsX"]["files"] == 0
    shown = clean.casita("cache", "ls", f"{clean.local}/").stdout
    assert "/store/cms/" in shown
    assert "100 %" in clean.casita("cache", "ls", f"{clean.local}/cms/").stdout


def test_two_origins_with_the_same_path_are_two_files(clean, storage, data):
    """One namespace for each origin."""
    clean.casita("cache", "prefetch", f"{clean.local}/b.root")
    assert file_state(clean, f"{clean.far}/b.root")["cached"] == 0


def test_a_dataset_for_coffea(clean):
    code = "print(json.dumps([casita_cache.fileset('pairs'), casita_cache.files('pairs')]))"
    fileset, files = json.loads(program(clean, code).stdout)
    assert fileset["pairs"]["metadata"] == {"title": "Top quark pairs"}
    assert (
        list(fileset["pairs"]["files"])
        == files
        == [
            f"{clean.far}/a.root",
            f"{clean.far}/b.root",
        ]
    )
    done = program(clean, "casita_cache.files('nix')", check=False)
    assert "there is no dataset 'nix'" in done.stderr


def test_the_notebook_s_analysis_takes_a_dataset_by_name(clean, storage, samples):
    """Its fileset is of the catalogue, its events come through the cache."""
    import shutil

    from casita.data.catalogue import SAMPLES

    sample = SAMPLES[0]
    target = storage[0] / "sample.root"
    shutil.copy(samples / sample.file, target)
    target.chmod(0o644)
    code = """
from casita.demo.ttbar import fileset
from casita_cache.traffic import LEDGER
from coffea import processor
from coffea.nanoevents import NanoAODSchema

class Count(processor.ProcessorABC):
    def process(self, events):
        return {events.metadata["dataset"]: len(events.Jet.pt)}
    def postprocess(self, accumulator):
        return accumulator

data = fileset("sample")
run = processor.Runner(processor.IterativeExecutor(status=False), schema=NanoAODSchema)
count = run(data, processor_instance=Count())
traffic = LEDGER.traffic()
print(json.dumps([data["sample"]["metadata"]["title"], len(count), traffic.cached, traffic.direct]))
"""
    done = program(clean, code)
    title, counted, through, past = json.loads(done.stdout.splitlines()[-1])
    assert (title, counted, past) == ("A real one", 1, 0)
    assert through > 100_000


# ---- operator


def test_it_listens_on_loopback_only(clean):
    ports = {
        port_of(clean, one) for one in ("cache-far", "cache-local", "origin", "cache-far-http")
    }
    listening = {}
    tables = [Path("/proc/net", name).read_text() for name in ("tcp", "tcp6")]
    for line in [one for table in tables for one in table.splitlines()[1:]]:
        fields = line.split()
        address, port = fields[1].split(":")
        if fields[3] == "0A" and int(port, 16) in ports:
            listening[int(port, 16)] = address
    assert set(listening) == ports
    assert set(listening.values()) == {"0100007F"}  # 127.0.0.1


def test_the_servers_are_not_roots(clean):
    assert 0 not in server_of(clean, "cache-far").uids() or os.getuid() != 0
    if os.getuid() == 0:
        assert server_of(clean, "cache-far").username() == "xrootd"


def test_doctor_and_metrics(clean):
    said = clean.casita("doctor").stdout
    assert "listens on 127.0.0.1" in said
    assert "XRootD:" in said
    text = httpx.get(f"{clean.url}/services/cache/metrics").text
    assert 'casita_cache_up{origin="far"} 1.0' in text
    assert 'casita_cache_missed_bytes_total{origin="far"}' in text
    assert "casita_cache_user" not in text


def test_the_service_wants_a_storage_token(clean):
    """Not even a hub token will do."""
    hub = clean.casita("token", "create", "--scope", "cache", "-q").stdout.strip()
    for token, expected in (("", 401), ("nonsense", 401), (hub, 401)):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.get(f"{clean.url}/services/cache/status", headers=headers)
        assert answer.status_code == expected
        assert answer.json()["error"]["code"] == "unauthorized"


def test_cached_http_too(clean):
    port = port_of(clean, "cache-local-http")
    answer = httpx.get(f"http://127.0.0.1:{port}/store/b.root")
    assert answer.status_code == 200
    assert answer.content[:4] == b"root"


def test_a_port_is_closed_to_others(clean):
    """Also by address: the machine's other ones refuse."""
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.2", port_of(clean, "cache-far"))) != 0
