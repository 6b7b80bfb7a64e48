"""The program that runs queries: what comes out is what uproot and awkward say, in every format."""

import base64
import json
import os
import sys
import tempfile
from pathlib import Path

import awkward
import numpy
import pyarrow.parquet
import pytest
import uproot
from tests.columns.conftest import nano

from casita_columns.workers.child import Child, ChildError, text_file
from casita_columns.workers.codegens import probe
from casita_columns.workers.inputs import served
from casita_columns.workers.sandbox import Limits, interpreter, sandbox

PYTHON = interpreter(None, Path(sys.prefix))
LIMITS = Limits(memory=4 * 2**30, cpu=300, output=2**30, seconds=120)
FORMS = ("parquet", "root-file", "root-rntuple")


class Transformer:
    """One child for many queries."""

    def __init__(self, path):
        self.path = path
        self.kept = []  # files live as long as this
        self._start()

    def _start(self):
        self.child = Child(sandbox(PYTHON, "auto"), LIMITS)

    def load(self, codegen, text):
        if not self.child.alive:
            self._start()
        with text_file(text) as selection:
            self.child.load(codegen, selection)

    def run(self, form="parquet", path=None, remote=None):
        """Return (done, output file)."""
        suffix = ".parquet" if form == "parquet" else ".root"
        out = tempfile.NamedTemporaryFile(suffix=suffix)  # noqa: SIM115
        self.kept.append(out)
        if remote:
            with served(remote) as handle:
                given = {"kind": "stream", "name": "a.root", "size": remote.size}
                done = self.child.transform(given, form, [handle, out.fileno()], lambda _: None)
            return done, out
        with Path(path or self.path).open("rb") as file:
            given = {"kind": "file", "name": "a.root"}
            done = self.child.transform(given, form, [file.fileno(), out.fileno()], lambda _: None)
        return done, out

    def raw(self, *items, form="parquet", path=None, remote=None):
        self.load("uproot-raw", json.dumps(items))
        return self.run(form, path, remote)

    def table(self, *items, **more):
        return awkward.from_parquet(self.raw(*items, **more)[1].name)

    def fails(self, *items, **more):
        with pytest.raises(ChildError) as caught:
            self.raw(*items, **more)
        return caught.value


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return nano(tmp_path_factory.mktemp("transform") / "nano.root", 5)


@pytest.fixture(scope="module")
def transformer(path):
    one = Transformer(path)
    yield one
    one.child.kill()


@pytest.fixture(scope="module")
def events(path):
    return uproot.open(path)["Events"].arrays()


def same(one, two):
    return (
        awkward.to_list(one) == pytest.approx(awkward.to_list(two))
        if one.ndim == 1
        else (awkward.to_list(one) == awkward.to_list(two))
    )


# ---- uproot-raw


def test_columns_by_pattern_and_a_cut(transformer, events):
    got = transformer.table({"treename": "Events", "filter_name": "Muon_*", "cut": "MET_pt > 50"})
    want = events[events.MET_pt > 50]
    assert got.fields == ["Muon_pt", "Muon_eta"]
    assert same(got.Muon_pt, want.Muon_pt)
    assert same(got.Muon_eta, want.Muon_eta)


@pytest.mark.parametrize("pattern", [["Muon_pt", "Jet_*"], "/(Muon|Jet)_pt/", "/muon_PT|jet_pt/i"])
def test_patterns_of_names(transformer, pattern):
    got = transformer.table({"treename": "Events", "filter_name": pattern})
    assert set(got.fields) == {"Muon_pt", "Jet_pt"}


def test_types_of_columns(transformer):
    got = transformer.table({"treename": "Events", "filter_typename": "int32_t"})
    assert "run" in got.fields
    assert "MET_pt" not in got.fields


def test_expressions_aliases_and_functions_of_awkward(transformer, events):
    got = transformer.table(
        {
            "treename": "Events",
            "expressions": ["met2", "ht", "run"],
            "aliases": {"met2": "MET_pt**2", "ht": "sum(Jet_pt, axis=1)"},
            "cut": "(num(Jet_pt) >= 2) & any(Muon_pt > 20, axis=1)",
        }
    )
    want = events[(awkward.num(events.Jet_pt) >= 2) & awkward.any(events.Muon_pt > 20, axis=1)]
    assert numpy.allclose(got.met2, want.MET_pt**2)
    assert numpy.allclose(got.ht, awkward.sum(want.Jet_pt, axis=1), rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_no_event_passes_and_the_columns_are_there(transformer, form):
    item = {"treename": "Events", "filter_name": ["Muon_pt", "MET_pt"], "cut": "MET_pt < 0"}
    done, out = transformer.raw(item, form=form)
    assert (done["events"], done["events_in"]) == (0, 1000)
    if form == "parquet":
        table = pyarrow.parquet.read_table(out.name)
        assert len(table) == 0
        assert table.schema.field("Muon_pt").type.value_type == "float"
    else:
        tree = uproot.open(out.name)["Events"]
        assert tree.num_entries == 0
        assert {"Muon_pt", "MET_pt"} <= set(tree.keys())


def test_trees_by_other_names(transformer):
    items = {"treename": {"Events": "selected", "Runs": "runs"}, "filter_name": "run"}
    _, out = transformer.raw(items, form="root-file")
    file = uproot.open(out.name)
    assert file["selected"].num_entries == 1000
    assert file["runs"].num_entries == 1


def test_trees_with_the_same_columns_share_a_table(transformer):
    got = transformer.table({"treename": ["Events", "Runs"], "filter_name": "run"})
    assert len(got) == 1001
    assert awkward.sum(got.treename == "Runs") == 1


def test_trees_with_other_columns_do_not_fit_into_one_table(transformer):
    error = transformer.fails({"treename": "Events"}, {"treename": "Runs"})
    assert "different columns" in error.message
    assert "'Runs'" in error.message


def test_a_missing_tree_is_left_out_unless_it_must_be_there(transformer):
    done, _ = transformer.raw({"treename": ["Events", "Gone"], "filter_name": "run"})
    assert done["events"] == 1000
    error = transformer.fails({"treename": "Event", "fail_on_missing_trees": True})
    assert "there is no tree 'Event'" in error.message
    assert "Events" in error.message


def test_without_any_tree_the_file_is_empty(transformer):
    done, out = transformer.raw({"treename": "Gone"})
    assert done["events"] == 0
    assert len(pyarrow.parquet.read_table(out.name)) == 0


def test_histograms_are_copied_into_root_files(transformer, tmp_path):
    with uproot.recreate(tmp_path / "h.root") as out:
        out["sum"] = numpy.histogram(numpy.arange(10), bins=5)
        out["Events"] = {"x": numpy.arange(3.0)}
    items = ({"copy_histograms": "sum"}, {"treename": "Events"})
    _, out = transformer.raw(*items, form="root-file", path=tmp_path / "h.root")
    file = uproot.open(out.name)
    assert file["sum"].values().sum() == 10
    assert file["Events"]["x"].array().tolist() == [0, 1, 2]
    error = transformer.fails({"copy_histograms": "sum"}, path=tmp_path / "h.root")
    assert "Parquet can't hold the histogram 'sum'" in error.message
    error = transformer.fails(
        {"copy_histograms": "sums"}, form="root-file", path=tmp_path / "h.root"
    )
    assert "no histogram 'sums'; there are sum" in error.message


@pytest.mark.parametrize("form", FORMS)
def test_an_rntuple_gives_what_the_tree_gives(transformer, events, tmp_path, form):
    with uproot.recreate(tmp_path / "r.root") as out:
        out.mkrntuple("Events", events[["Muon_pt", "Jet_pt", "MET_pt", "run"]])
    item = {
        "treename": "Events",
        "expressions": ["Muon_pt", "twice"],
        "aliases": {"twice": "2 * MET_pt"},
        "cut": "(MET_pt > 40) & (num(Jet_pt) > 1)",
    }
    want = events[(events.MET_pt > 40) & (awkward.num(events.Jet_pt) > 1)]
    _, out = transformer.raw(item, form=form, path=tmp_path / "r.root")
    if form == "parquet":
        got = awkward.from_parquet(out.name)
    else:
        got = uproot.open(out.name)["Events"].arrays(["Muon_pt", "twice"])
    assert same(got.Muon_pt, want.Muon_pt)
    assert numpy.allclose(got.twice, 2 * want.MET_pt)


def test_a_field_of_an_rntuple_is_not_taken_for_its_namesake_within_another(
    transformer, events, tmp_path
):
    """As ROOT makes RNTuples of NanoAOD."""
    with uproot.recreate(tmp_path / "r.root") as out:
        inner = awkward.zip({"Muon_pt": events.Muon_pt, "Muon_eta": events.Muon_eta})
        content = {"_collection0": inner, "Muon_pt": events.Muon_pt, "MET_pt": events.MET_pt}
        out.mkrntuple("Events", awkward.zip(content, depth_limit=1))
    for pattern in ("Muon_pt", "Muon_p*", "/^Muon_pt/"):
        got = transformer.table(
            {"treename": "Events", "filter_name": pattern}, path=tmp_path / "r.root"
        )
        assert got.fields == ["Muon_pt"], pattern
        assert same(got.Muon_pt, events.Muon_pt)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"treename": "Events", "cut": "MET_pt >"}, "query 1: cut: syntax error in 'MET_pt >'"),
        ({"treename": "Events", "expressions": ["a b"]}, "expressions: syntax error"),
        ({"treename": "Events", "filter_names": "a"}, "do you mean 'filter_name'?"),
        ({"treename": 7}, "query 1: treename is neither a text nor a list of texts"),
        ({"treename": []}, "treename is neither"),
        ({"filter_name": "a"}, "treename is missing"),
        ({"treename": "Events", "cut": 7}, "cut is no text"),
        ({"treename": "Events", "aliases": ["a"]}, "aliases is no object of texts"),
        ({"treename": {"Events": 1}}, "names must be texts"),
        ("Events", "query 1 is no object"),
    ],
)
def test_queries_that_are_none(transformer, item, words):
    error = transformer.fails(item)
    assert error.kind == "selection"
    assert words in error.message


@pytest.mark.parametrize("text", ["", "[", "7", "[]", '"x"', "[" * 5000, "null"])
def test_selections_that_are_none(transformer, text):
    with pytest.raises(ChildError) as caught:
        transformer.load("uproot-raw", text)
    assert caught.value.kind == "selection"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"filter_name": "Muon_px"}, "there is no column 'Muon_px'; there are Muon_pt"),
        ({"cut": "MET > 5"}, "there is no column 'MET'"),
        ({"expressions": ["Jet_pt", "Jets_pt"]}, "there is no column 'Jets_pt'; there are Jet_pt"),
    ],
)
def test_columns_that_are_not_there(transformer, more, words):
    error = transformer.fails({"treename": "Events", **more})
    assert error.kind == "data"
    assert words in error.message


def test_files_that_are_none(transformer, path, tmp_path):
    (tmp_path / "text.root").write_text("no ROOT file at all, but long enough to look like one" * 9)
    (tmp_path / "half.root").write_bytes(path.read_bytes()[:9000])
    (tmp_path / "empty.root").write_bytes(b"")
    item = {"treename": "Events", "filter_name": "Jet_pt", "fail_on_missing_trees": True}
    for name in ("text", "half", "empty"):
        error = transformer.fails(item, path=tmp_path / f"{name}.root")
        assert error.kind in ("data", "code"), name
    assert transformer.raw(item)[0]["events"] == 1000  # it goes on


class Far:
    """A remote file, of this machine, that counts requests."""

    def __init__(self, path, fail=False):
        self.data = Path(path).read_bytes()
        self.size = len(self.data)
        self.requests, self.read_bytes, self.fail = 0, 0, fail

    def read(self, ranges):
        from casita_columns.workers.inputs import InputError

        self.requests += 1
        if self.fail and self.requests > 2:
            raise InputError("[ERROR] Operation expired", passing=True)
        for offset, length in ranges:
            self.read_bytes += length
            yield self.data[offset : offset + length]

    def close(self):
        pass


def test_a_remote_file_gives_the_same_by_few_requests(transformer, path, events):
    far = Far(path)
    item = {"treename": "Events", "filter_name": ["Muon_pt"], "cut": "MET_pt > 50"}
    done, out = transformer.raw(item, remote=far)
    assert same(awkward.from_parquet(out.name).Muon_pt, events[events.MET_pt > 50].Muon_pt)
    assert far.requests < 12
    assert done["bytes_in"] == far.read_bytes


def test_a_remote_file_that_fails_may_be_tried_again(transformer, path):
    error = transformer.fails({"treename": "Events"}, remote=Far(path, fail=True))
    assert "Operation expired" in error.message
    assert error.retry


# ---- Parquet


def test_parquet_as_analyses_like_it(transformer, tmp_path):
    _, out = transformer.raw({"treename": "Events"})
    file = pyarrow.parquet.ParquetFile(out.name)
    columns = {
        file.metadata.row_group(0).column(index).path_in_schema: file.metadata.row_group(0).column(
            index
        )
        for index in range(file.metadata.num_columns)
    }
    assert {one.compression for one in columns.values()} == {"ZSTD"}
    muons = columns["Muon_pt.list.element"]
    assert "BYTE_STREAM_SPLIT" in muons.encodings
    assert columns["MET_pt"].statistics.has_min_max


def test_much_data_in_little_memory(transformer, tmp_path):
    rng = numpy.random.default_rng(3)
    with uproot.recreate(tmp_path / "big.root", compression=None) as out:
        tree = out.mktree("Events", {f"x{number}": "f8" for number in range(10)})
        for _ in range(12):
            tree.extend({f"x{number}": rng.random(300_000) for number in range(10)})
    done, out = transformer.raw({"treename": "Events"}, path=tmp_path / "big.root")
    assert done["events"] == 3_600_000
    file = pyarrow.parquet.ParquetFile(out.name)
    assert file.metadata.num_row_groups > 1
    children = [transformer.child._process.pid]
    import psutil

    for one in psutil.Process(children[0]).children(recursive=True):
        children.append(one.pid)
    peak = max(
        int(line.split()[1])
        for pid in children
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    assert peak < 900_000  # kB; the file has 280 MB


# ---- python


def python(body):
    code = f"def run_query(input_filenames=None):\n    {body}\n"
    return base64.b64encode(code.encode()).decode()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("import uproot; return uproot.open(input_filenames)['Events'].arrays(['run'])", ["run"]),
        ("import awkward; return {'a': [1, 2], 'b': [[1], []]}", ["a", "b"]),
        ("import numpy; return numpy.arange(5)", ["value"]),
        ("return [1.5, 2.5]", ["value"]),
    ],
)
def test_what_functions_return(transformer, body, fields):
    transformer.load("python", python(body))
    _, out = transformer.run()
    assert awkward.from_parquet(out.name).fields == fields


def test_a_function_may_return_several_trees(transformer):
    body = "import awkward; return {t: awkward.Array([{'x': 1.5}]) for t in ('one', 'two')}"
    transformer.load("python", python(body))
    _, out = transformer.run("root-file")
    assert set(uproot.open(out.name).keys(cycle=False)) == {"one", "two"}


@pytest.mark.parametrize(
    "text", ["!!", "", python("return ("), base64.b64encode(b"x = 1").decode()]
)
def test_functions_that_are_none(transformer, text):
    with pytest.raises(ChildError) as caught:
        transformer.load("python", text)
    assert caught.value.kind == "selection"


# ---- func_adl


@pytest.fixture
def funcadl(transformer, path):
    """Ask by func_adl as its front end does; returns the Parquet file as an array."""
    if "uproot" not in probe(PYTHON).here:
        pytest.skip("func_adl_uproot is not there")
    from servicex import query

    def ask(build, form="parquet"):
        asked = query.FuncADL_Uproot().FromTree("Events")
        for name, text in build:
            asked = getattr(asked, name)(text)
        selection = asked.generate_selection_string()
        transformer.load("uproot", selection)
        _, out = transformer.run(form)
        return awkward.from_parquet(out.name) if form == "parquet" else uproot.open(out.name)

    return ask


QUERIES = {
    "columns": (
        [("Select", "lambda e: {'met': e['MET_pt'], 'pt': e['Muon_pt']}")],
        lambda e: {"met": e.MET_pt, "pt": e.Muon_pt},
    ),
    "filter": (
        [("Where", "lambda e: e['MET_pt'] > 50"), ("Select", "lambda e: {'met': e['MET_pt']}")],
        lambda e: {"met": e.MET_pt[e.MET_pt > 50]},
    ),
    "count": (
        [("Select", "lambda e: {'n': e['Jet_pt'].Count()}")],
        lambda e: {"n": awkward.num(e.Jet_pt)},
    ),
    "inner filter": (
        [("Select", "lambda e: {'pt': e['Jet_pt'].Where(lambda pt: pt > 40)}")],
        lambda e: {"pt": e.Jet_pt[e.Jet_pt > 40]},
    ),
    "events by their jets": (
        [
            ("Where", "lambda e: e['Jet_pt'].Where(lambda pt: pt > 60).Count() >= 2"),
            ("Select", "lambda e: {'met': e['MET_pt']}"),
        ],
        lambda e: {"met": e.MET_pt[awkward.sum(e.Jet_pt > 60, axis=1) >= 2]},
    ),
    "sum": (
        [("Select", "lambda e: {'ht': e['Jet_pt'].Sum()}")],
        lambda e: {"ht": awkward.sum(e.Jet_pt, axis=1)},
    ),
    "arithmetic": (
        [("Select", "lambda e: {'x': 2 * e['MET_pt'] + 1}")],
        lambda e: {"x": 2 * e.MET_pt + 1},
    ),
    "max": (
        [
            ("Where", "lambda e: e['Jet_pt'].Count() > 0"),
            ("Select", "lambda e: {'x': e['Jet_pt'].Max()}"),
        ],
        lambda e: {"x": awkward.max(e.Jet_pt[awkward.num(e.Jet_pt) > 0], axis=1)},
    ),
    "select many": (
        [("SelectMany", "lambda e: e['Jet_pt']"), ("Select", "lambda pt: {'pt': pt}")],
        lambda e: {"pt": awkward.flatten(e.Jet_pt)},
    ),
    "inner arithmetic": (
        [("Select", "lambda e: {'gev': e['Jet_pt'].Select(lambda pt: pt / 1000)}")],
        lambda e: {"gev": e.Jet_pt / 1000},
    ),
    "zip": (
        [
            (
                "Select",
                "lambda e: Zip({'pt': e['Muon_pt'], 'eta': e['Muon_eta']})",
            ),
            ("Select", "lambda m: {'pt': m.Where(lambda one: abs(one.eta) < 1).pt}"),
        ],
        lambda e: {"pt": e.Muon_pt[abs(e.Muon_eta) < 1]},
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_queries_of_func_adl(funcadl, events, name):
    build, want = QUERIES[name]
    got = funcadl(build)
    for field, column in want(events).items():
        assert len(got[field]) == len(column)
        assert numpy.allclose(
            awkward.flatten(got[field], axis=None), awkward.flatten(column, axis=None), rtol=1e-4
        )


def test_the_tree_of_func_adl_is_called_servicex(funcadl):
    file = funcadl([("Select", "lambda e: {'met': e['MET_pt']}")], "root-file")
    assert file["servicex"].num_entries == 1000


@pytest.mark.parametrize("text", ["(call Frob)", "", "(", "()", "7", "(call Select)", "\x00"])
def test_func_adl_that_is_none(transformer, text):
    with pytest.raises(ChildError) as caught:
        transformer.load("uproot", text)
    assert caught.value.kind == "selection"
    assert caught.value.message


# ---- looking


def test_what_a_file_holds(transformer, path):
    with path.open("rb") as file, tempfile.TemporaryFile() as out:
        given = {"kind": "file", "name": "a.root"}
        transformer.child.look(given, [file.fileno(), out.fileno()])
        trees = json.loads(os.pread(out.fileno(), 10**6, 0))
    assert [(one["name"], one["entries"], one["kind"]) for one in trees] == [
        ("Events", 1000, "TTree"),
        ("Runs", 1, "TTree"),
    ]
    branches = {one["name"]: one for one in trees[0]["branches"]}
    assert branches["Muon_pt"]["type"] == "float[]"
    assert 0 < branches["MET_pt"]["bytes"] < 8
