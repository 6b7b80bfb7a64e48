"""The program itself: what it needs, what it says, how much memory it takes."""

import ast
import json
import sys
import tempfile
from pathlib import Path

import awkward as ak
import numpy
import pyarrow.parquet
import pytest
import uproot
from tests.columns.transform.conftest import START, Failed, Program, Served, content, equal

ALLOWED = {"awkward", "dask", "fsspec", "func_adl_uproot", "numpy", "pyarrow", "pyseccomp"}
ALLOWED |= {"qastle", "uproot"}
ITEM = {"treename": "Events", "filter_name": ["Jet_pt", "MET_pt"]}


def test_it_imports_nothing_of_the_facility():
    modules = set()
    for path in START.parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {one.name for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(node.module)
    tops = {one.partition(".")[0] for one in modules}
    assert tops <= ALLOWED | set(sys.stdlib_module_names)


def test_users_code_finds_nothing_of_the_facility(program, path):
    source = """
import importlib.util
def run_query(path):
    found = [importlib.util.find_spec(name) for name in ("casita", "casita_columns", "start")]
    return [int(one is not None) for one in found]
"""
    _, got = program.python(path, source)
    assert got.value.tolist() == [0, 0, 0]


def test_one_program_does_several_files_and_queries(program, path, events):
    program.load("uproot-raw", json.dumps([ITEM]))
    outputs = [program.transform(path, form) for form in ("parquet", "root-file", "parquet")]
    for done, out in outputs:
        assert done["events"] == done["events_in"] == 700
        assert 0 < done["bytes_in"] < path.stat().st_size
        assert done["seconds"] > 0
        assert equal(content(out).Jet_pt, events.Jet_pt)
    _, got = program.raw(path, {"treename": "Events", "filter_name": "run"})
    assert got.fields == ["run"]


def test_after_an_error_it_goes_on(program, path):
    with pytest.raises(Failed):
        program.raw(path, {"treename": "Events", "cut": "absent > 1"})
    with pytest.raises(Failed):
        program.load("python", "!!")
    assert program.raw(path, ITEM)[0]["events"] == 700


def test_it_ends_when_its_socket_is_closed(path):
    one = Program()
    one.raw(path, ITEM)
    one.ours.close()
    assert one.process.wait(10) == 0
    one.close()


@pytest.mark.parametrize(("codegen", "text"), [("frob", "x"), ("uproot-raw", "{"), ("python", "x")])
def test_a_selection_that_is_none(program, codegen, text):
    with pytest.raises(Failed) as caught:
        program.load(codegen, text)
    assert caught.value.kind == "selection"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("codegen", ["uproot-raw", "python"])
def test_a_megabyte_of_selection(program, codegen):
    with pytest.raises(Failed) as caught:
        program.load(codegen, json.dumps([{"treename": "Events", "cut": "(" * 10**6}]))
    assert caught.value.kind == "selection"
    assert len(caught.value.message) <= 2000


# ---- files by ranges


@pytest.mark.parametrize("form", ["parquet", "root-file", "root-rntuple"])
def test_a_file_by_ranges_gives_the_same(program, path, events, form):
    served = Served(path.read_bytes())
    program.load("uproot-raw", json.dumps([ITEM | {"cut": "MET_pt > 40"}]))
    done, out = program.transform_stream(served, form)
    assert equal(content(out).Jet_pt, events.Jet_pt[events.MET_pt > 40])
    asked = sum(length for request in served.requests for _, length in request)
    assert done["bytes_in"] == asked


def test_a_file_by_ranges_takes_few_requests(program, tmp_path):
    """However many baskets its columns have: each request takes as long as the way is far."""
    rng = numpy.random.default_rng(1)
    parts = [{f"x{number}": rng.random(8000) for number in range(12)} for _ in range(10)]
    with uproot.recreate(tmp_path / "wide.root", compression=None) as out:
        tree = out.mktree("Events", dict.fromkeys(parts[0], "f8"))
        for part in parts:
            tree.extend(part)
    served = Served((tmp_path / "wide.root").read_bytes())
    item = {"treename": "Events", "filter_name": ["x0", "x4", "x8"]}
    program.load("uproot-raw", json.dumps([item]))
    done, out = program.transform_stream(served)
    assert len(served.requests) < 8  # there are 30 baskets
    assert done["bytes_in"] < len(served.data) / 2
    assert equal(content(out).x8, numpy.concatenate([part["x8"] for part in parts]))


def test_users_functions_read_by_ranges_in_their_own_ways(program, path, events):
    source = """
import fsspec, uproot
def run_query(path):
    with fsspec.open(path) as file:
        assert file.read(4) == b"root"
        file.seek(-4, 2)
        assert len(file.read()) == 4
    with uproot.open(path) as file:
        return file["Events"].arrays(["MET_pt"])
"""
    program.python(path, source)
    done, out = program.transform_stream(Served(path.read_bytes()))
    assert done["bytes_in"] > 0
    assert equal(content(out).MET_pt, events.MET_pt)


def test_ranges_that_fail_may_be_tried_again(program, path):
    program.load("uproot-raw", json.dumps([ITEM]))
    whole = Served(path.read_bytes())
    program.transform_stream(whole)
    for after in range(len(whole.requests)):
        with pytest.raises(Failed) as caught:
            program.transform_stream(Served(path.read_bytes(), fail_after=after))
        assert "Operation expired" in caught.value.message
        assert (caught.value.kind, caught.value.retry) == ("data", True)
    assert program.transform_stream(Served(path.read_bytes()))[0]["events"] == 700


def test_a_file_that_is_shorter_than_it_was(program, path):
    data = path.read_bytes()
    program.load("uproot-raw", json.dumps([ITEM]))
    served = Served(data[: len(data) // 2])
    with pytest.raises(Failed) as caught:
        program.transform_stream(served)
    assert caught.value.kind == "data"


# ---- memory and progress


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """300 MB of numbers that nothing makes smaller."""
    path = tmp_path_factory.mktemp("big") / "big.root"
    rng = numpy.random.default_rng(3)
    with uproot.recreate(path, compression=None) as out:
        tree = out.mktree("Events", {f"x{number}": "f4" for number in range(15)})
        for _ in range(25):
            tree.extend({f"x{number}": rng.random(200_000, "f4") for number in range(15)})
    return path


@pytest.mark.parametrize("form", ["parquet", "root-file", "root-rntuple"])
def test_much_data_takes_little_memory(big, form):
    one = Program()
    try:
        one.load("uproot-raw", json.dumps([{"treename": "Events"}]))
        done, out = one.transform(big, form)
        status = Path(f"/proc/{one.process.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)
        seen = [dict(told) for told in one.progress]
        if form == "parquet":
            _check_groups(out)
    finally:
        one.close()
    assert done["events"] == 5_000_000
    assert peak < 900_000  # kB; the mapped file itself is a part of it
    counts = [told["events"] for told in seen]
    assert counts == sorted(counts)
    assert all(told["entries"] == 5_000_000 for told in seen)
    assert len(seen) <= 4 * done["seconds"] + 1


def _check_groups(out):
    file = pyarrow.parquet.ParquetFile(out.name)
    groups = [file.metadata.row_group(one) for one in range(file.metadata.num_row_groups)]
    assert 3 <= len(groups) <= 10
    assert all(40e6 < one.total_byte_size < 140e6 for one in groups[:-1])
    column = groups[0].column(0)
    assert column.compression == "ZSTD"
    assert "BYTE_STREAM_SPLIT" in column.encodings
    assert "RLE_DICTIONARY" not in column.encodings
    assert column.statistics.has_min_max


def test_an_rntuple_is_read_in_steps(program, tmp_path):
    rng = numpy.random.default_rng(3)
    values = ak.zip({f"x{number}": rng.random(2_000_000) for number in range(8)})
    with uproot.recreate(tmp_path / "r.root", compression=None) as out:
        out.mkrntuple("Events", values)
    _, got = program.raw(tmp_path / "r.root", {"treename": "Events", "cut": "x0 > 0.9"})
    assert equal(got.x7, values.x7[values.x0 > 0.9])
    one = Program()
    try:
        one.load("uproot-raw", json.dumps([{"treename": "Events"}]))
        one.transform(tmp_path / "r.root")
        status = Path(f"/proc/{one.process.pid}/status").read_text()
    finally:
        one.close()
    peak = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)
    assert peak < 700_000


def test_what_was_in_the_output_is_gone(program, path):
    program.load("uproot-raw", json.dumps([ITEM | {"cut": "MET_pt < 0"}]))
    done, out = program.transform(path)
    assert done["events"] == 0
    data = Path(out.name).read_bytes()
    assert data[:4] == data[-4:] == b"PAR1"
    assert b"what was there before" not in data


def test_a_function_that_wants_all_memory(path):
    one = Program(memory=2 * 2**30)
    try:
        with pytest.raises(Failed) as caught:
            one.python(path, "import numpy\ndef run_query(path):\n    return numpy.ones(10**11)\n")
        assert caught.value.message == "it needs more memory than it may have"
        assert one.raw(path, ITEM)[0]["events"] == 700
    finally:
        one.close()


# ---- looking


def test_looking_at_a_file_by_ranges(program, path):
    served = Served(path.read_bytes())
    with served.handle() as handle, tempfile.TemporaryFile() as out:
        given = {"kind": "stream", "name": "far.root", "size": len(served.data)}
        assert program.ask({"do": "look", "input": given}, handle, out.fileno()) == {"done": {}}
        out.seek(0)
        trees = json.loads(out.read())
    assert [(one["name"], one["entries"]) for one in trees] == [("Events", 700), ("Runs", 2)]
