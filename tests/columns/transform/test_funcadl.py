"""uproot: func_adl's operators, through the front end that users have, against awkward."""

import awkward as ak
import numpy
import pytest
from tests.columns.transform.conftest import Failed, Served, content, equal

query = pytest.importorskip("servicex.query")
FORMS = ("parquet", "root-file", "root-rntuple")
MUONS = "e.Muon_pt.Count() > 0"


def pairs(events, function):
    one, two = ak.unzip(ak.combinations(events.Muon_pt, 2))
    return function(one, two)


def some(events):
    return events[ak.num(events.Muon_pt) > 0]


QUERIES = {
    "a column": ([("Select", "e: e.MET_pt")], lambda e: {"value": e.MET_pt}),
    "a jagged column": ([("Select", "e: e['Jet_pt']")], lambda e: {"value": e.Jet_pt}),
    "a tuple": (
        [("Select", "e: (e.MET_pt, e.Jet_pt)")],
        lambda e: {"0": e.MET_pt, "1": e.Jet_pt},
    ),
    "Where, then Select": (
        [("Where", "e: e.MET_pt > 40 and e.HLT_Mu"), ("Select", "e: {'x': e.run, 'y': e.Jet_pt}")],
        lambda e: {
            "x": e.run[(e.MET_pt > 40) & e.HLT_Mu],
            "y": e.Jet_pt[(e.MET_pt > 40) & e.HLT_Mu],
        },
    ),
    "Where within events": (
        [("Select", "e: {'x': e.Jet_pt.Where(lambda pt: 30 < pt < 90)}")],
        lambda e: {"x": e.Jet_pt[(e.Jet_pt > 30) & (e.Jet_pt < 90)]},
    ),
    "Select within events": (
        [("Select", "e: {'x': e.Jet_pt.Select(lambda pt: pt * e.MET_pt)}")],
        lambda e: {"x": e.Jet_pt * e.MET_pt},
    ),
    "SelectMany": (
        [("SelectMany", "e: e.Jet_pt")],
        lambda e: {"value": ak.flatten(e.Jet_pt)},
    ),
    "SelectMany of columns that are zipped": (
        [("SelectMany", "e: Zip({'pt': e.Muon_pt, 'q': e.Muon_charge})")],
        lambda e: {"pt": ak.flatten(e.Muon_pt), "q": ak.flatten(e.Muon_charge)},
    ),
    "First and Last": (
        [("Where", f"e: {MUONS}"), ("Select", "e: (e.Muon_pt.First(), e.Muon_pt.Last())")],
        lambda e: {"0": some(e).Muon_pt[:, 0], "1": some(e).Muon_pt[:, -1]},
    ),
    "ElementAt": (
        [
            ("Where", "e: e.Muon_pt.Count() > 1"),
            ("Select", "e: {'x': e.Muon_pt.ElementAt(1)}"),
        ],
        lambda e: {"x": e.Muon_pt[ak.num(e.Muon_pt) > 1][:, 1]},
    ),
    "Count": ([("Select", "e: {'n': e.Jet_pt.Count()}")], lambda e: {"n": ak.num(e.Jet_pt)}),
    "Sum": (
        [("Select", "e: {'ht': e.Jet_pt.Where(lambda pt: pt > 30).Sum()}")],
        lambda e: {"ht": ak.sum(e.Jet_pt[e.Jet_pt > 30], axis=1)},
    ),
    "Min and Max": (
        [("Where", f"e: {MUONS}"), ("Select", "e: (e.Muon_pt.Min(), e.Muon_pt.Max())")],
        lambda e: {"0": ak.min(some(e).Muon_pt, axis=1), "1": ak.max(some(e).Muon_pt, axis=1)},
    ),
    "Any and All": (
        [("Select", "e: (e.Jet_pt.Any(lambda p: p > 99), e.Jet_pt.All(lambda p: p > 9))")],
        lambda e: {"0": ak.any(e.Jet_pt > 99, axis=1), "1": ak.all(e.Jet_pt > 9, axis=1)},
    ),
    "Contains": (
        [("Select", "e: {'x': e.Muon_charge.Contains(-1)}")],
        lambda e: {"x": ak.any(e.Muon_charge == -1, axis=1)},
    ),
    "OrderBy": (
        [("Select", "e: {'x': e.Jet_pt.OrderByDescending(lambda pt: pt)}")],
        lambda e: {"x": ak.sort(e.Jet_pt, ascending=False)},
    ),
    "OrderBy another column": (
        [
            (
                "Select",
                "e: {'x': Zip({'a': e.Jet_pt, 'b': e.Jet_btag}).OrderBy(lambda j: j.b)"
                ".Select(lambda j: j.a)}",
            )
        ],
        lambda e: {"x": e.Jet_pt[ak.argsort(e.Jet_btag)]},
    ),
    "Choose": (
        [
            (
                "Select",
                "e: {'x': e.Muon_pt.Choose(2).Select(lambda p: p.ElementAt(0) + p.ElementAt(1))}",
            )
        ],
        lambda e: {"x": pairs(e, numpy.add)},
    ),
    "each jet with each muon": (
        [
            (
                "Select",
                "e: {'x': e.Jet_pt.Where(lambda j: e.Muon_pt.Any(lambda m: m > j))}",
            )
        ],
        lambda e: {"x": e.Jet_pt[_below(e)]},
    ),
    "arithmetic, abs and conditions": (
        [("Select", "e: {'x': e.Muon_eta.Select(lambda n: abs(n) if n < 0 else 2 * n - 1)}")],
        lambda e: {"x": ak.where(e.Muon_eta < 0, abs(e.Muon_eta), 2 * e.Muon_eta - 1)},
    ),
}


def _below(events):
    jets, muons = ak.unzip(ak.cartesian([events.Jet_pt, events.Muon_pt], nested=True))
    return ak.any(muons > jets, axis=-1)


def selection(build, tree="Events"):
    asked = query.FuncADL_Uproot().FromTree(tree)
    for operator, function in build:
        asked = getattr(asked, operator)(f"lambda {function}")
    return asked.generate_selection_string()


@pytest.fixture(scope="module")
def ask(program):
    try:
        program.load("uproot", selection(QUERIES["a column"][0]))
    except Failed as error:
        if "No module named" not in error.message:
            raise
        pytest.skip(error.message)

    def run(text, path, form="parquet"):
        program.load("uproot", text)
        done, out = program.transform(path, form)
        return done, content(out, "servicex")

    return run


@pytest.mark.parametrize("name", QUERIES)
def test_operators(ask, path, events, name):
    build, want = QUERIES[name]
    done, got = ask(selection(build), path)
    columns = want(events)
    assert got.fields == list(columns)
    assert done["events"] == len(got)
    assert done["bytes_in"] > 0
    for field, column in columns.items():
        assert equal(got[field], column), field


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["Where, then Select", "Where within events", "a tuple"])
def test_formats(ask, path, events, name, form):
    build, want = QUERIES[name]
    _, got = ask(selection(build), path, form)
    for field, column in want(events).items():
        assert equal(got[field], column), field


@pytest.mark.parametrize("form", FORMS)
def test_no_event_passes(ask, path, form):
    build = [("Where", "e: e.MET_pt < 0"), ("Select", "e: {'x': e.Jet_pt, 'y': e.run}")]
    done, got = ask(selection(build), path, form)
    assert done["events"] == len(got) == 0
    assert "var * float32" in str(got.x.type)
    assert "int32" in str(got.y.type)


def test_text_with_call_and_without(ask, path, events):
    rest = "(call EventDataset 'bogus.root' 'Events') (lambda (list e) (attr e 'MET_pt')))"
    for text in (f"(call Select {rest}", f"(Select {rest}"):
        _, got = ask(text, path)
        assert equal(got.value, events.MET_pt)


def test_a_file_by_ranges(ask, program, path, events):
    program.load("uproot", selection(QUERIES["Count"][0]))
    served = Served(path.read_bytes())
    done, out = program.transform_stream(served)
    assert equal(content(out).n, ak.num(events.Jet_pt))
    assert 0 < done["bytes_in"] < len(served.data)


def test_a_file_by_ranges_that_fails_may_be_tried_again(ask, program, path):
    program.load("uproot", selection(QUERIES["Count"][0]))
    with pytest.raises(Failed) as caught:
        program.transform_stream(Served(path.read_bytes(), fail_after=2))
    assert caught.value.retry


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(call Frob (call EventDataset 'a' 'b'))", "NameError: Unknown id: Frob"),
        ("(Frob 1)", "Unknown composite node type: Frob"),
        ("(call Select", "Unexpected end"),
    ],
)
def test_what_is_no_query(program, ask, text, words):
    with pytest.raises(Failed) as caught:
        program.load("uproot", text)
    assert caught.value.kind == "selection"
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("build", "tree", "kind", "words"),
    [
        ([("Select", "e: e.Jet_px")], "Events", "data", "Jet_px"),
        ([("Select", "e: e.Jet_pt")], "Event", "data", "there is no tree 'Event'"),
        ([("Select", "e: e.Jet_pt.First()")], "Events", "code", "some events have no element 0"),
    ],
)
def test_what_does_not_fit_the_file(ask, path, build, tree, kind, words):
    with pytest.raises(Failed) as caught:
        ask(selection(build, tree), path)
    assert caught.value.kind == kind
    assert words in caught.value.message
