"""python: users' functions, what they return, and how their errors are told."""

import base64

import awkward as ak
import pytest
import uproot
from tests.columns.transform.conftest import Failed, content, equal

FORMS = ("parquet", "root-file", "root-rntuple")
FAILING = """import uproot

def ratio(one, other):
    return one / other

def run_query(input_filenames=None):
    with uproot.open(input_filenames) as file:
        events = file["Events"].num_entries
    return ratio(events, 0)
"""


@pytest.mark.parametrize("form", FORMS)
def test_columns_of_different_depth(program, path, events, form):
    source = """
import uproot
def run_query(input_filenames=None):
    with uproot.open(input_filenames) as file:
        events = file["Events"].arrays(["MET_pt", "Jet_pt", "run"])
    chosen = events[events.MET_pt > 40]
    return {"met": chosen.MET_pt, "jets": chosen.Jet_pt[chosen.Jet_pt > 30], "run": chosen.run}
"""
    done, got = program.python(path, source, form)
    want = events[events.MET_pt > 40]
    assert done["events"] == len(want)
    assert equal(got.met, want.MET_pt)
    assert equal(got.jets, want.Jet_pt[want.Jet_pt > 30])
    assert equal(got.run, want.run)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("result", ["[]", "{'value': []}", "ak.Array([])", "numpy.zeros(0)"])
def test_nothing_at_all(program, path, form, result):
    source = f"import awkward as ak, numpy\ndef run_query(path):\n    return {result}\n"
    done, got = program.python(path, source, form)
    assert done["events"] == 0
    assert str(got.value.type) == "0 * float64"  # as ServiceX has it


@pytest.mark.parametrize("form", FORMS)
def test_texts_and_records_within_lists(program, path, form):
    source = """
import awkward as ak
def run_query(path):
    return ak.Array([[{"pt": 1.5, "q": 1}], [], [{"pt": 2.5, "q": -1}, {"pt": 3.5, "q": 1}]])
"""
    _, got = program.python(path, source, form)
    assert got.pt.tolist() == [[1.5], [], [2.5, 3.5]]
    assert got.q.tolist() == [[1], [], [-1, 1]]
    _, got = program.python(path, "def run_query(path):\n    return {'s': ['a', 'bc', '']}", form)
    assert got.s.tolist() == ["a", "bc", ""]


TREES = """
import awkward as ak
def run_query(path):
    return {"one": ak.Array([{"x": 1.5}]), "two": ak.Array([{"x": 2.5}, {"x": 3.5}])}
"""


def test_several_trees(program, path):
    _, got = program.python(path, TREES)
    assert got.x.tolist() == [1.5, 2.5, 3.5]
    assert got.treename.tolist() == ["one", "two", "two"]
    program.load("python", base64.b64encode(TREES.encode()).decode())
    _, out = program.transform(path, "root-file")
    assert content(out, "two").x.tolist() == [2.5, 3.5]
    with uproot.open(out.name) as file:
        assert set(file.keys(cycle=False)) == {"one", "two"}


def test_errors_name_the_line_of_the_function(program, path):
    with pytest.raises(Failed) as caught:
        program.python(path, FAILING)
    error = caught.value
    assert (error.kind, error.retry) == ("code", False)
    assert error.message == "ZeroDivisionError: division by zero (line 4, in ratio)"
    assert 'File "<your function>", line 9, in run_query' in error.lines[1]
    assert "return ratio(events, 0)" in error.lines[2]
    assert not any("program.py" in line for line in error.lines)


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ("def run_query(path):\n    return (\n", "selection", "SyntaxError: '(' was never closed"),
        ("1 / 0\n", "selection", "ZeroDivisionError: division by zero (line 1, in <module>)"),
        ("x = 1\n", "selection", "defines no function run_query"),
        ("def run_query():\n    return [1]\n", "code", "takes 0 positional arguments"),
        ("def run_query(path):\n    return None\n", "data", "NoneType, and must be an array"),
        ("def run_query(path):\n    return 7\n", "data", "int, and must be an array"),
        ("def run_query(path):\n    return 'abc'\n", "data", "str, and must be an array"),
        ("def run_query(path):\n    return {}\n", "data", "no columns"),
        ("def run_query(path):\n    return {'a': [1], 'b': [1, 2]}\n", "data", "a: 1, b: 2"),
        ("def run_query(path):\n    raise SystemExit(3)\n", "code", "SystemExit: 3 (line 2"),
        ("def run_query(path):\n    open('/absent')\n", "code", "FileNotFoundError"),
        ("def run_query(path):\n    return run_query(path)\n", "code", "RecursionError"),
    ],
)
def test_functions_that_fail(program, path, source, kind, words):
    with pytest.raises(Failed) as caught:
        program.python(path, source)
    assert caught.value.kind == kind
    assert words in caught.value.message
    assert len(caught.value.lines) <= 40


def test_one_function_leaves_nothing_to_the_next(program, path):
    program.python(path, "import builtins\nleft = 1\ndef run_query(path):\n    return [left]\n")
    with pytest.raises(Failed, match="NameError"):
        program.python(path, "def run_query(path):\n    return [left]\n")


def test_it_may_read_as_it_likes(program, path, events):
    source = """
import uproot
def run_query(path):
    with open(path, "rb") as file, uproot.open(file) as opened:
        parts = list(opened["Events"].iterate(["MET_pt"], step_size=100))
    import awkward as ak
    return ak.concatenate(parts)
"""
    _, got = program.python(path, source)
    assert equal(got.MET_pt, events.MET_pt)
    assert ak.sum(got.MET_pt) > 0
