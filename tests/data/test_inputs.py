"""What a person names as input is checked before anything starts."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from casita.data.inputs import expand, inspect
from casita.demo.ttbar import NEEDED, fileset, inputs
from casita.errors import DataError


def test_files_directories_and_globs(tmp_path):
    for name in ("b.root", "a.root", "sub/c.parquet", "note.txt", ".d.part.root"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    a, b, c = (str(tmp_path / name) for name in ("a.root", "b.root", "sub/c.parquet"))
    assert expand(str(tmp_path)) == [a, b, c]
    assert expand(a) == [a]
    assert expand(f"{tmp_path}/*.root") == [a, b]
    assert expand("root://host//store/x.root") == ["root://host//store/x.root"]
    assert expand("https://host/x.root?y=1") == ["https://host/x.root?y=1"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nowhere.root", "no such file or directory"),
        ("*.root", "no such file or directory"),
        ("note.txt", "neither .root nor .parquet"),
        ("empty", "no .root or .parquet file in it"),
        ("s3://bucket/x.root", "s3:// is not known"),
        ("https://host/x", "neither .root nor .parquet"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, monkeypatch, text, words):
    (tmp_path / "note.txt").touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=words):
        expand(text)


def write_tree(path, name="Events", **branches):
    with uproot.recreate(path) as file:
        file.mktree(name, {key: value.dtype for key, value in branches.items()})
        if len(next(iter(branches.values()))):
            file[name].extend(branches)
    return path


def test_a_bad_file_is_refused_in_one_line(tmp_path, samples):
    whole = (samples / "nano_dy.root").read_bytes()
    (tmp_path / "truncated.root").write_bytes(whole[:200_000])
    (tmp_path / "stub.root").write_bytes(whole[:300])
    (tmp_path / "garbage.root").write_bytes(b"garbage" * 100)
    (tmp_path / "garbage.parquet").write_bytes(b"garbage" * 100)
    write_tree(tmp_path / "other.root", "Runs", run=np.arange(3))
    write_tree(tmp_path / "none.root", run=np.arange(0))
    write_tree(tmp_path / "few.root", run=np.arange(3))
    pq.write_table(pa.table({"run": [1]}), tmp_path / "few.parquet")
    for name, words in {
        "truncated.root": "can't be read: .*is it whole",
        "stub.root": "can't be read",
        "garbage.root": "can't be read",
        "garbage.parquet": "can't be read",
        "other.root": "no tree 'Events'",
        "few.root": "without the branches needed: luminosityBlock, event, nElectron",
        "few.parquet": "without the branches needed: luminosityBlock",
    }.items():
        with pytest.raises(DataError, match=words) as caught:
            inspect(str(tmp_path / name), NEEDED)
        assert str(tmp_path / name) in caught.value.message
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="no events in it"):
        inspect(str(tmp_path / "none.root"), ["run"])


def test_every_nanoaod_version_of_the_catalogue_has_what_the_analysis_needs(samples):
    found = inputs(str(samples))
    assert sum(one.events for one in found) == 480
    assert {one.format for one in found} == {"root"}


def test_a_fileset_for_coffea(samples):
    made = fileset(str(samples / "nano_dy.root"))
    assert made == {
        "nano_dy": {
            "files": {str(samples / "nano_dy.root"): "Events"},
            "metadata": {"title": "nano_dy", "events": 40, "measured": False},
        }
    }


def test_over_http(samples, serve):
    url = serve(samples)
    assert inspect(f"{url}/nano_dy.root", NEEDED).events == 40
    with pytest.raises(DataError, match="can't be read"):
        inspect(f"{url}/nowhere.root")


XROOTD = """
all.export /data
oss.localroot {folder}
xrd.port 1094
all.adminpath {folder}/admin
all.pidpath {folder}/admin
"""
OPEN = """
import sys
from casita.data.inputs import inspect
from casita.errors import DataError
print(inspect("root://127.0.0.1//data/nano_dy.root", ["run", "Jet_pt"]).events)
for bad in ("root://127.0.0.1//data/nowhere.root", "root://127.0.0.1:1//data/nano_dy.root"):
    try:
        inspect(bad)
    except DataError as error:
        print(error.message)
"""


@pytest.mark.skipif(
    shutil.which("xrootd") is None or os.getuid() != 0,
    reason="needs xrootd (apt install xrootd-server) and root for a network of its own",
)
def test_over_xrootd(samples, tmp_path):
    """In a network namespace of its own: this xrootd listens on every address there is."""
    folder = tmp_path / "served"
    (folder / "data").mkdir(parents=True)
    shutil.copy(samples / "nano_dy.root", folder / "data")
    for path in (*tmp_path.parents[:2], tmp_path, folder, *folder.rglob("*")):
        path.chmod(0o755)
    shutil.chown(folder, "nobody")
    (folder / "xrootd.cfg").write_text(XROOTD.format(folder=folder))
    script = (
        "ip link set lo up; xrootd -R nobody -c {0}/xrootd.cfg -l {0}/log & "
        "for i in $(seq 100); do grep -q 'initialization completed' {0}/log 2>/dev/null && break;"
        " sleep 0.1; done; '{1}' -c \"$CODE\"; status=$?; kill $!; wait; exit $status"
    )
    done = subprocess.run(
        ["unshare", "--net", "bash", "-c", script.format(folder, sys.executable)],
        env={**os.environ, "CODE": OPEN},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "40", done.stderr
    assert "no such file or directory" in lines[1]
    assert "can't be read" in lines[2]
