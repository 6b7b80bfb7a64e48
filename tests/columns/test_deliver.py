"""``casita_columns.deliver`` and ``casita columns`` at a real facility."""

import json
import os
import signal
from pathlib import Path

import awkward
import numpy
import psutil
import pytest
import uproot
import yaml

from casita.testing import wait_for
from casita_columns import servicex_yaml

HEAD = """
import json, sys, time
from servicex import dataset, query as q
import casita_columns
from casita_columns.kernel import IncompleteError, deliver, fetch, look
def spec(files, cut="MET_pt > 50", name="met", **more):
    query = q.UprootRaw([{"treename": "Events", "filter_name": ["MET_pt", "Muon_pt"], "cut": cut}])
    sample = {"Name": name, "Dataset": dataset.FileList(files), "Query": query}
    return {"General": {"OutputFormat": "parquet", **more}, "Sample": [sample]}
"""


@pytest.fixture
def ask(program, files):
    def run(code, **more):
        done = program(f"{HEAD}\nFILES = {files!r}\n{code}", **more)
        return json.loads(done.stdout.splitlines()[-1]), done.stderr

    return run


def test_events_come_in_the_order_of_the_files(ask, files):
    told, err = ask("""
found = deliver(spec(FILES[::-1]))["met"]
events = found.awkward()
print(json.dumps([list(found), events.MET_pt.tolist(), repr(found), found.fileset(),
                  len(found.delayed()), found.delayed()[0].compute().MET_pt.tolist()]))
""")
    paths, met, shown, fileset, parts, first = told
    want = [uproot.open(one)["Events"]["MET_pt"].array() for one in files[::-1]]
    want = [one[one > 50] for one in want]
    assert numpy.allclose(met, awkward.concatenate(want))
    assert numpy.allclose(first, want[0])
    assert [Path(one).name[:6] for one in paths] == ["000000", "000001", "000002"]
    assert "3 files" in shown
    assert parts == 3
    assert fileset["met"]["files"] == dict.fromkeys(paths, "Events")
    assert "met: 3 of 3 files" in err


def test_coffea_reads_them_in_every_format(ask):
    told, _ = ask("""
from coffea import processor
from coffea.nanoevents import BaseSchema
import awkward
class Sum(processor.ProcessorABC):
    def process(self, events):
        return {"events": len(events), "met": float(awkward.sum(events.MET_pt))}
    def postprocess(self, found):
        return found
told = []
for form in ("root-ttree", "root-rntuple", "parquet"):
    asked = spec(FILES, "MET_pt > 44")
    asked["General"]["OutputFormat"] = form
    kind = "parquet" if form == "parquet" else "root"
    one = processor.IterativeExecutor(status=False)
    run = processor.Runner(one, schema=BaseSchema, format=kind)
    told.append(run(deliver(asked)["met"].fileset(), processor_instance=Sum()))
print(json.dumps(told))
""")
    assert told[0] == told[1] == told[2]
    assert told[0]["events"] > 500


def test_the_second_time_it_is_there(ask):
    told, err = ask("""
first = deliver(spec(FILES, "MET_pt > 61"))["met"]
second = deliver(spec(FILES, "MET_pt > 61"))["met"]
third = deliver(spec(FILES, "MET_pt > 61"), fresh=True)["met"]
print(json.dumps([one.request.cached for one in (first, second, third)]))
""")
    assert told == [False, True, False]
    assert "was there already" in err


def test_fewer_files_are_an_error_unless_they_are_wanted(ask):
    told, _ = ask("""
try:
    deliver(spec([FILES[0], "/gone.root"]))
except IncompleteError as error:
    told = [str(error), error.hint, len(error.delivered["met"])]
part = deliver(spec([FILES[0], "/gone.root"]), partial=True)["met"]
print(json.dumps([*told, len(part)]))
""")
    message, hint, had, part = told
    assert "met: 1 of 2 files were not delivered" in message
    assert "/gone.root: No such file or directory" in message
    assert "casita columns show" in hint
    assert had == part == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("deliver({'Sample': [{'Name': 'x'}]})", "Must specify one of Dataset"),
        ("deliver('/no/such.yaml')", "the specification can't be used"),
        ("deliver(spec(FILES, 'MET_pt >'))", "met: Failed to generate translation code"),
        ("deliver(spec(['x.root']))", "'x.root'"),
        (
            "deliver({'Sample': [dict(Name='x', Dataset=dataset.FileList(FILES), Query='7')]})",
            "x: it is not said which code generator",
        ),
        ("fetch('0' * 36)", "there is no request"),
        ("look('/gone.root')", "No such file"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(ask, code, words):
    told, _ = ask(f"""
from casita.errors import CasitaError
try:
    {code}
except CasitaError as error:
    print(json.dumps(str(error)))
""")
    assert words in told
    assert "\n" not in told.strip().replace("\nhint", "")


def test_several_samples_and_a_folder_of_ones_own(ask, tmp_path):
    told, _ = ask("""
both = spec(FILES, name="one", OutputDirectory="out")
both["Sample"] += spec(FILES[:1], "MET_pt > 70", name="two")["Sample"]
found = deliver(both)
print(json.dumps({name: list(one) for name, one in found.items()}))
""")
    assert {name: len(one) for name, one in told.items()} == {"one": 3, "two": 1}
    assert all((tmp_path / one).exists() for one in told["one"])
    assert told["one"][0].startswith("out/")


def test_the_service_is_killed_amid_it(facility, ask, files, tmp_path):
    """Nothing is lost: the request goes on, and so does who waits for it."""
    import threading

    listed = {one["name"]: one for one in facility.status()["processes"]}
    victim = listed["columns"]["pid"]

    def kill():
        def running():
            found = json.loads(facility.casita("columns", "ls", "--json").stdout)
            return any(one["title"] == "slow" and one["state"] == "Running" for one in found)

        wait_for(running, 60, "a running request")
        os.kill(victim, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    told, _ = ask("""
def run_query(input_filenames=None):
    import time, uproot
    time.sleep(2)
    return uproot.open(input_filenames)["Events"].arrays(["MET_pt"])
sample = {"Name": "slow", "Dataset": dataset.FileList(FILES),
          "Query": q.PythonFunction().with_uproot_function(run_query)}
found = deliver({"General": {"OutputFormat": "parquet"}, "Sample": [sample]}, fresh=True)["slow"]
print(json.dumps([len(found), len(found.awkward())]))
""")
    thread.join()
    assert told == [3, 3000]
    assert not psutil.pid_exists(victim) or psutil.Process(victim).status() == "zombie"
    wait_for(lambda: facility.status()["state"] == "up", 60, "the facility")
    alive = [one for one in psutil.process_iter(["cmdline"]) if victim_child(one, victim)]
    assert alive == []


def victim_child(process, victim):
    return "casita_columns.workers.worker" in " ".join(process.info["cmdline"] or []) and (
        process.ppid() in (1, victim)
    )


# ---- the command line


@pytest.fixture
def spec(files, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(
        "General:\n  OutputFormat: parquet\nSample:\n  - Name: mets\n    Dataset: !FileList\n"
        + "".join(f"      - {one}\n" for one in files)
        + "    Query: !UprootRaw |\n"
        '      [{"treename": "Events", "filter_name": ["MET_pt"], "cut": "MET_pt > 33"}]\n'
    )
    return path


def test_commands(facility, spec, tmp_path):
    done = facility.casita("columns", "submit", spec, "--output", tmp_path / "out")
    assert "mets: 3 of 3 files" in done.stdout
    assert len(list((tmp_path / "out").glob("*/*.parquet"))) == 3
    (made,) = json.loads(facility.casita("columns", "submit", spec, "--fresh", "--json").stdout)
    identifier = made["id"]
    assert (made["state"], made["completed"], made["cached"]) == ("Complete", 3, False)
    assert identifier[:8] in facility.casita("columns", "ls").stdout
    shown = facility.casita("columns", "show", identifier[:8]).stdout
    assert "3,000 read" in shown
    got = facility.casita("columns", "get", identifier[:13], "-o", tmp_path / "got").stdout
    assert "3 files" in got
    assert len(list((tmp_path / "got" / identifier).glob("*.parquet"))) == 3
    again = facility.casita("columns", "again", identifier).stdout.strip()
    assert again != identifier
    facility.casita("columns", "get", again, "-o", tmp_path / "got")
    assert (
        "2 requests were removed"
        in facility.casita("columns", "rm", "-y", identifier, again).stdout
    )
    assert facility.casita("columns", "show", identifier, check=False).returncode == 1


def test_commands_that_look(facility, files):
    looked = facility.casita("columns", "look", files[0], "--tree", "Events").stdout
    assert "Events: TTree, 1,000 entries" in looked
    assert "float[]" in looked
    assert "uproot-raw" in facility.casita("columns", "codegens").stdout
    json.loads(facility.casita("columns", "datasets", "--json").stdout)
    glob = str(Path(files[0]).parent / "nano_[01].root")
    assert "(2 files)" in facility.casita("columns", "look", f"xrootd://{glob}").stdout


def test_commands_that_fail(facility, spec, tmp_path):
    spec.write_text(spec.read_text().replace("nano_1", "nano_9"))
    done = facility.casita("columns", "submit", spec, check=False)
    assert done.returncode == 1
    assert "mets: 1 of 3 files were not delivered" in done.stderr
    assert "casita columns show" in done.stderr
    for words, said in (
        (("show", "zz"), "0 of your requests begin with 'zz'"),
        (("look", "rucio://x"), "no finder is called 'rucio'"),
        (("submit", tmp_path / "no.yaml"), "the specification can't be used"),
    ):
        done = facility.casita("columns", *words, check=False)
        assert done.returncode == 1
        assert said in done.stderr


def test_a_login_writes_the_official_clients_file(facility, token, tmp_path):
    def login(home):
        found = facility.casita  # the state directory isn't meant here
        del found
        from casita.testing import casita

        return casita(
            "login",
            facility.url,
            "--token-stdin",
            stdin=token,
            env={"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")},
        )

    done = login(tmp_path)
    path = tmp_path / "servicex.yaml"
    assert f"{path}: `from servicex import deliver` works here now" in done.stdout
    assert path.stat().st_mode & 0o777 == 0o600
    content = yaml.safe_load(path.read_text())
    assert content["api_endpoints"][0]["endpoint"] == f"{facility.url}/services/columns"
    assert content["api_endpoints"][0]["token"] == token
    path.write_text("api_endpoints: []\n")
    done = login(tmp_path)
    assert f"{path} is your own and stays" in done.stdout
    assert path.read_text() == "api_endpoints: []\n"


def test_what_the_file_says_is_what_the_client_reads(tmp_path, monkeypatch):
    from servicex.configuration import Configuration

    assert servicex_yaml.write(tmp_path, "https://one.example.org", 'a"b') == ""
    monkeypatch.chdir(tmp_path)
    found = Configuration.read()
    assert found.api_endpoints[0].token == 'a"b'
    assert found.default_endpoint == "casita"
    (tmp_path / ".servicex").write_text("mine")
    assert ".servicex is your own" in servicex_yaml.write(tmp_path, "https://two.example.org", "c")
