"""The unmodified ``servicex`` client and its command line, against the live service."""

import json
import subprocess
import sys
from pathlib import Path

import awkward
import numpy
import pytest
import uproot
from tests.columns.conftest import environment

HEAD = """
import json, logging
logging.disable(logging.CRITICAL)
from servicex import dataset, deliver, query as q
"""
RAW = [{"treename": "Events", "filter_name": ["Muon_pt", "MET_pt"], "cut": "MET_pt > 50"}]


@pytest.fixture
def ask(program, files):
    """Run code with the official client; returns what it prints as JSON."""

    def run(code, **more):
        done = program(f"FILES = {files!r}\n{HEAD}\n{code}", **more)
        return json.loads(done.stdout.splitlines()[-1])

    return run


def expected(files):
    """What RAW gives, by uproot alone."""
    arrays = [uproot.open(one)["Events"].arrays(["Muon_pt", "MET_pt"]) for one in files]
    whole = awkward.concatenate(arrays)
    return whole[whole.MET_pt > 50]


ALL = """
raw = q.UprootRaw(RAW)
fadl = q.FuncADL_Uproot().FromTree("Events").Where(lambda e: e["MET_pt"] > 50).Select(
    lambda e: {"mpt": e["Muon_pt"], "met": e["MET_pt"]})
def run_query(input_filenames=None):
    import uproot
    return uproot.open({input_filenames: "Events"}).arrays(["MET_pt"])
python = q.PythonFunction().with_uproot_function(run_query)
every = {"raw": raw, "fadl": fadl, "python": python}
def go(form):
    found = deliver({
        "General": {"OutputFormat": form},
        "Sample": [{"Name": name, "Dataset": dataset.FileList(FILES), "Query": query}
                   for name, query in every.items()],
    }, progress_bar="none")
    return {name: list(paths) for name, paths in found.items()}
print(json.dumps({form: go(form) for form in ("parquet", "root-ttree", "root-rntuple")}))
"""


def test_every_code_generator_and_format(ask, files):
    found = ask(ALL.replace("RAW", repr(RAW)))
    want = expected(files)
    met = numpy.sort(want.MET_pt.to_numpy())
    for form, samples in found.items():
        assert {name: len(paths) for name, paths in samples.items()} == dict.fromkeys(samples, 3)
        raw = read(samples["raw"], form, "Events")
        assert len(raw) == len(want), form
        assert awkward.sum(raw.Muon_pt) == pytest.approx(awkward.sum(want.Muon_pt), rel=1e-5)
        fadl = read(samples["fadl"], form, "servicex")
        assert numpy.array_equal(numpy.sort(awkward.to_numpy(fadl.met)), met), form
        python = read(samples["python"], form, "servicex")
        assert len(python) == 3000, form


def read(paths, form, tree):
    if form == "parquet":
        return awkward.concatenate([awkward.from_parquet(one) for one in paths])
    return awkward.concatenate([uproot.open(one)[tree].arrays() for one in paths])


def test_globs_of_a_folder_and_their_first_files(ask, files):
    glob = str(Path(files[0]).parent / "nano_*.root")
    code = f"""
two = dataset.XRootD({glob!r}, num_files=2)
found = deliver({{"Sample": [{{"Name": "two", "Dataset": two, "Query": q.UprootRaw({RAW!r})}}]}},
                progress_bar="none")
print(json.dumps(list(found["two"])))
"""
    assert len(ask(code)) == 2


def test_what_goes_wrong_is_told_in_its_words(ask, files):
    code = f"""
frob = q.FuncADL_Uproot(); frob.set_provided_qastle("(call Frob)")
cases = {{
    "selection": dict(Dataset=dataset.FileList(FILES), Query=frob),
    "cut": dict(Dataset=dataset.FileList(FILES),
                Query=q.UprootRaw([{{"treename": "Events", "cut": "MET_pt >"}}])),
    "empty": dict(Dataset=dataset.XRootD("/no/such/*.root"), Query=q.UprootRaw({RAW!r})),
    "finder": dict(Dataset=dataset.Rucio("user.ada:set"), Query=q.UprootRaw({RAW!r})),
    "partial": dict(Dataset=dataset.FileList([FILES[0], FILES[0] + ".gone"]),
                    Query=q.UprootRaw({RAW!r})),
}}
def told(found):
    try:
        return "%d files" % len(list(found))
    except Exception as error:
        return str(error)
found = deliver({{"Sample": [dict(Name=name, **case) for name, case in cases.items()]}},
                progress_bar="none")
print(json.dumps({{name: told(found[name]) for name in cases}}))
"""
    told = ask(code)
    assert "Failed to generate translation code: " in told["selection"]
    assert "Frob" in told["selection"]
    assert "cut" in told["cut"] or "syntax" in told["cut"]
    assert "Dataset does not exist" in told["empty"]
    assert "no finder is called 'rucio'" in told["finder"]
    assert told["partial"] == "1 files"  # the client's own way


def test_a_repeated_query_is_answered_from_what_is_there(ask, files):
    code = f"""
import time
spec = {{"Sample": [{{"Name": "again", "Dataset": dataset.FileList(FILES), "IgnoreLocalCache": True,
                     "Query": q.UprootRaw({RAW!r})}}]}}
first = list(deliver(spec, progress_bar="none")["again"])
second = list(deliver(spec, progress_bar="none")["again"])
print(json.dumps([len(first), len(second)]))
"""
    assert ask(code) == [3, 3]


def test_requests_are_cancelled_listed_and_removed(ask, files):
    code = """
import asyncio
from servicex.servicex_client import ServiceXClient
client = ServiceXClient()
slow = "import time\\ntime.sleep(60)"
def run_query(input_filenames=None):
    import time
    time.sleep(600)
query = q.PythonFunction().with_uproot_function(run_query)
import threading, time
def kill():
    while True:
        time.sleep(0.5)
        for one in client.get_transforms():
            if one.title == "tocancel" and one.status.value == "Running":
                client.cancel_transform(one.request_id)
                return
thread = threading.Thread(target=kill); thread.start()
found = deliver({"Sample": [{"Name": "tocancel", "Dataset": dataset.FileList(FILES),
                             "Query": query}]}, progress_bar="none")
thread.join()
try:
    told = str(list(found["tocancel"]))
except Exception as error:
    told = str(error)
one = next(one for one in client.get_transforms() if one.title == "tocancel")
state = one.status.value
client.delete_transform(one.request_id)
left = [one for one in client.get_transforms() if one.title == "tocancel"]
print(json.dumps([told, state, len(left), sorted(client.get_code_generators())]))
"""
    told, state, left, codegens = ask(code)
    assert "canceled" in told
    assert state == "Canceled"
    assert left == 0
    assert codegens == ["python", "uproot", "uproot-raw"]


SPEC = """
General:
  OutputFormat: parquet
  Delivery: LocalCache
Sample:
  - Name: rawy
    Dataset: !XRootD GLOB
    NFiles: 1
    Query: !UprootRaw |
      [{"treename":"Events","filter_name":["MET_pt"]}]
  - Name: fadly
    Dataset: !FileList
      - FILE
    Query: !FuncADL_Uproot |
      FromTree('Events').Select(lambda e: {'met': e['MET_pt']})
"""


def test_its_command_line(facility, token, program, files, tmp_path):
    glob = str(Path(files[0]).parent / "nano_*.root")
    (tmp_path / "spec.yaml").write_text(SPEC.replace("GLOB", glob).replace("FILE", files[1]))

    def servicex(*words):
        done = subprocess.run(
            [str(Path(sys.executable).parent / "servicex"), *words],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            env=environment(facility, token, tmp_path, COLUMNS="250"),
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    delivered = servicex("deliver", "spec.yaml")
    assert "rawy" in delivered
    assert "fadly" in delivered
    listed = servicex("transforms", "list")
    assert "rawy" in listed
    assert "uproot-raw" in servicex("codegen", "list")
    assert "nano_*.root" in servicex("datasets", "list")
    identifier = next(word for word in listed.split() if word.count("-") == 4)
    assert ".parquet" in servicex("transforms", "files", identifier)
    servicex("transforms", "download", identifier)
    assert list(tmp_path.glob("*.parquet"))
