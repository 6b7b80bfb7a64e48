"""uproot: all that func_adl_uproot can do, against awkward; what it can't is told in a sentence.

Queries are written in Python's form, which has operators that users' front end has not.
"""

import ast

import awkward as ak
import numpy as np
import pytest
import uproot
import vector
from tests.columns.transform.conftest import Failed, content, equal

qastle = pytest.importorskip("qastle")
vector.register_awkward()
P4 = "Zip({'pt': e.Muon_pt, 'eta': e.Muon_eta, 'phi': e.Muon_eta, 'mass': e.Jet_mass})"
P4 = P4.replace("e.Jet_mass", "e.Muon_pt.Select(lambda m: 0.105)")


def text(source):
    """A query as clients send it; D stands for the dataset."""
    source = source.replace("D", "EventDataset('bogus.root', 'Events')", 1)
    return qastle.python_ast_to_text_ast(ast.parse(source))


def p4(events):
    columns = {"pt": events.Muon_pt, "eta": events.Muon_eta, "phi": events.Muon_eta}
    return ak.zip(columns | {"mass": ak.full_like(events.Muon_pt, 0.105)}, with_name="Momentum4D")


def pairs(array):
    return ak.unzip(ak.combinations(array, 2))


def crossed(events):
    return ak.cartesian({"m": events.Muon_pt, "j": events.Jet_pt}, nested=True)


def one(function):
    """The query gives one column."""
    return lambda events: {"value": function(events)}


QUERIES = {
    # Select: scalars, lists, tuples, dictionaries, records in records
    "D.Select(lambda e: 1)": one(lambda e: ak.ones_like(e.run)),
    "D.Select(lambda e: [e.run, e.Jet_pt])": lambda e: {"0": e.run, "1": e.Jet_pt},
    "D.Select(lambda e: {'a': e.run, 'b': {'c': e.MET_pt}})": lambda e: {
        "a": e.run,
        "b": ak.zip({"c": e.MET_pt}),
    },
    "D.Select(lambda e: {'a': e.run, 'b': e.MET_pt}).Select(lambda r: r.a + r.b)": one(
        lambda e: e.run + e.MET_pt
    ),
    "D.Select(lambda e: (e.run, e.MET_pt)).Select(lambda r: r[0] + r[1])": one(
        lambda e: e.run + e.MET_pt
    ),
    "D.Select(lambda e: [e.run, e.MET_pt]).Select(lambda r: r[1])": one(lambda e: e.MET_pt),
    "D.Select(lambda e: e)": lambda e: {name: e[name] for name in e.fields},
    "D.Select(lambda e: {'m': Zip({'pt': e.Muon_pt, 'eta': e.Muon_eta})})": lambda e: {
        "m": ak.zip({"pt": e.Muon_pt, "eta": e.Muon_eta})
    },
    "D.Select(lambda e: Zip([e.Muon_pt, e.Muon_eta]))": lambda e: {
        "0": e.Muon_pt,
        "1": e.Muon_eta,
    },
    "D.Select(lambda e: e.Jet_pt.Select(lambda j: 2).Sum())": one(lambda e: 2 * ak.num(e.Jet_pt)),
    # Where: of events, of lists, one after the other
    "D.Where(lambda e: e.MET_pt > 50)": lambda e: {
        name: e[e.MET_pt > 50][name] for name in e.fields
    },
    "D.Where(lambda e: e.HLT_Mu or e.MET_pt > 50 and e.run == 1).Select(lambda e: e.run)": one(
        lambda e: e.run[e.HLT_Mu | ((e.MET_pt > 50) & (e.run == 1))]
    ),
    "D.Where(lambda e: 10 < e.MET_pt <= 50 != e.run).Select(lambda e: e.MET_pt)": one(
        lambda e: e.MET_pt[(e.MET_pt > 10) & (e.MET_pt <= 50)]
    ),
    "D.Where(lambda e: not e.HLT_Mu).Where(lambda e: e.run >= 2).Select(lambda e: e.run)": one(
        lambda e: e.run[~e.HLT_Mu & (e.run >= 2)]
    ),
    "D.Where(lambda e: np.sqrt(e.MET_pt) < 5).Select(lambda e: e.run)": one(
        lambda e: e.run[np.sqrt(e.MET_pt) < 5]
    ),
    "D.Select(lambda e: (e.run, e.MET_pt)).Where(lambda r: r[1] > 50).Select(lambda r: r[0])": one(
        lambda e: e.run[e.MET_pt > 50]
    ),
    "D.Select(lambda e: e.Muon_pt.Where(lambda m: m > 20))"
    ".Where(lambda m: m.Count() > 0).Select(lambda m: m.First())": one(
        lambda e: (lambda m: m[ak.num(m) > 0][:, 0])(e.Muon_pt[e.Muon_pt > 20])
    ),
    # SelectMany
    "D.SelectMany(lambda e: e.Muon_pt.Select(lambda m: m / e.MET_pt))": one(
        lambda e: ak.flatten(e.Muon_pt / e.MET_pt)
    ),
    "D.SelectMany(lambda e: Zip({'pt': e.Muon_pt, 'q': e.Muon_charge}))"
    ".Where(lambda m: m.q > 0).Select(lambda m: m.pt)": one(
        lambda e: ak.flatten(e.Muon_pt[e.Muon_charge > 0])
    ),
    "D.Select(lambda e: e.Muon_pt.SelectMany(lambda m: e.Jet_pt.Select(lambda j: m * j)))": one(
        lambda e: ak.flatten(crossed(e).m * crossed(e).j, axis=2)
    ),
    # lists with lists
    "D.Select(lambda e: e.Muon_pt.Select(lambda m: e.Jet_pt.Select(lambda j: m * j)))": one(
        lambda e: crossed(e).m * crossed(e).j
    ),
    "D.Select(lambda e: e.Muon_pt.Select(lambda m: e.Jet_pt.Select(lambda j: (m, j))))": (
        lambda e: {"0": crossed(e).m, "1": crossed(e).j}
    ),
    "D.Select(lambda e: e.Jet_pt.Where(lambda j: e.Muon_pt.All(lambda m: m < j)).Count())": one(
        lambda e: ak.sum(e.Jet_pt > ak.fill_none(ak.max(e.Muon_pt, axis=1), -np.inf), axis=1)
    ),
    "D.Where(lambda e: e.Muon_charge.Count() > 0)"
    ".Select(lambda e: e.Jet_pt.Select(lambda j: j * e.Muon_charge.ElementAt(0)))": one(
        lambda e: (lambda s: s.Jet_pt * s.Muon_charge[:, 0])(e[ak.num(e.Muon_charge) > 0])
    ),
    "D.Select(lambda e: e.Muon_pt.Concat(e.Jet_pt))": one(
        lambda e: ak.concatenate([e.Muon_pt, e.Jet_pt], axis=1)
    ),
    "D.Select(lambda e: e.Jet_pt.Max())": one(lambda e: ak.max(e.Jet_pt, axis=1)),
    "D.Select(lambda e: Contains([0, 1], e.run))": one(lambda e: e.run < 2),
    "D.Select(lambda e: e.Muon_charge.Contains(e.run))": one(
        lambda e: ak.any(e.Muon_charge == e.run, axis=1)
    ),
    # Choose
    "D.Select(lambda e: (e.Muon_pt.Choose(2).Count(), e.Jet_pt.Choose(3).Count()))": lambda e: {
        "0": ak.num(ak.combinations(e.Muon_pt, 2)),
        "1": ak.num(ak.combinations(e.Jet_pt, 3)),
    },
    "D.Select(lambda e: e.Muon_pt.Choose(2))": one(
        lambda e: ak.concatenate([one[..., np.newaxis] for one in pairs(e.Muon_pt)], axis=2)
    ),
    "D.Select(lambda e: Zip({'pt': e.Muon_pt, 'q': e.Muon_charge}).Choose(2)"
    ".Where(lambda p: p.ElementAt(0).q * p.ElementAt(1).q < 0)"
    ".Select(lambda p: p.ElementAt(0).pt + p.ElementAt(1).pt))": one(
        lambda e: (lambda p, q: (p[0] + p[1])[q[0] * q[1] < 0])(
            pairs(e.Muon_pt), pairs(e.Muon_charge)
        )
    ),
    # OrderBy, within events
    "D.Select(lambda e: e.Jet_pt.OrderBy(lambda j: -j))": one(
        lambda e: ak.sort(e.Jet_pt, ascending=False)
    ),
    "D.Select(lambda e: Zip({'pt': e.Jet_pt, 'b': e.Jet_btag})"
    ".OrderByDescending(lambda j: j.b).Select(lambda j: j.pt))": one(
        lambda e: e.Jet_pt[ak.argsort(e.Jet_btag, ascending=False)]
    ),
    # arithmetic, conditions, functions
    "D.Select(lambda e: e.run // 2 + e.run % 2 + e.run ** 2 - +e.run)": one(
        lambda e: e.run // 2 + e.run % 2 + e.run**2 - e.run
    ),
    "D.Select(lambda e: (e.run << 1) | (e.run >> 1) ^ (~e.run & 1))": one(
        lambda e: (e.run << 1) | (e.run >> 1) ^ (~e.run & 1)
    ),
    "D.Select(lambda e: 1 if e.run > 2 else 0)": one(lambda e: ak.values_astype(e.run > 2, "i8")),
    "D.Select(lambda e: e.run if e.MET_pt > 50 else -e.run)": one(
        lambda e: ak.where(e.MET_pt > 50, e.run, -e.run)
    ),
    "D.Select(lambda e: np.hypot(abs(e.Muon_eta), np.cos(e.Muon_eta)))": one(
        lambda e: np.hypot(abs(e.Muon_eta), np.cos(e.Muon_eta))
    ),
    # momenta
    f"D.Select(lambda e: {P4}.Select(lambda m: m.ToFourMomentum().pz))": one(lambda e: p4(e).pz),
    f"D.Select(lambda e: {P4}.ToFourMomenta().Select(lambda m: m.e))": one(lambda e: p4(e).e),
    f"D.Select(lambda e: {P4}.ToFourMomenta().Sum().pt)": one(lambda e: ak.sum(p4(e), axis=1).pt),
    f"D.Select(lambda e: {P4}.ToFourMomenta().Choose(2)"
    ".Select(lambda p: (p.ElementAt(0) + p.ElementAt(1)).pt))": one(
        lambda e: (lambda one, two: (one + two).pt)(*pairs(p4(e)))
    ),
}


@pytest.fixture(scope="module")
def ask(program):
    try:
        program.load("uproot", text("D.Select(lambda e: e.run)"))
    except Failed as error:
        if "No module named" not in error.message:
            raise
        pytest.skip(error.message)

    def run(query, path, form="parquet"):
        program.load("uproot", query)
        done, out = program.transform(path, form)
        got = content(out, "servicex")
        assert done["events"] == len(got)
        return got

    return run


@pytest.mark.parametrize("source", QUERIES)
def test_what_it_can_do(ask, path, events, source):
    got = ask(text(source), path)
    want = QUERIES[source](events)
    assert [one for one in got.fields if not one.startswith("n")] == list(want)
    for name, column in want.items():
        assert equal(got[name], column), name


@pytest.mark.parametrize(
    ("query", "runs"),
    [
        ("Select(EventDataset('a', 'Runs'), lambda e: e.run)", [0, 1]),
        ("Select(EventDataset('a', 'Runs;1'), lambda e: e.run)", [0, 1]),
        ("Select(EventDataset(['a', 'b'], 'Runs'), lambda e: e.run)", [0, 1]),
    ],
)
def test_which_tree(ask, path, query, runs):
    got = ask(qastle.python_ast_to_text_ast(ast.parse(query)), path)
    assert got.value.tolist() == runs


def test_an_rntuple_gives_what_the_tree_gives(ask, events, tmp_path):
    with uproot.recreate(tmp_path / "rntuple.root") as out:
        out.mkrntuple("Events", {name: events[name] for name in events.fields})
    two = "D.Where(lambda e: e.MET_pt > 50).Select(lambda e: (e.run, e.Jet_pt.Count()))"
    got = ask(text(two), tmp_path / "rntuple.root")
    assert equal(got["0"], events.run[events.MET_pt > 50])
    assert equal(got["1"], ak.num(events.Jet_pt[events.MET_pt > 50]))
    got = ask(text("D.SelectMany(lambda e: e.Muon_pt)"), tmp_path / "rntuple.root")
    assert equal(got.value, ak.flatten(events.Muon_pt))


def test_without_a_name_the_only_tree_is_meant(ask, path, tmp_path):
    query = qastle.python_ast_to_text_ast(ast.parse("EventDataset('a').Select(lambda e: e.x)"))
    with uproot.recreate(tmp_path / "one.root") as out:
        out.mktree("folder/tree", {"x": np.arange(3)})
        out["histogram"] = np.histogram(np.arange(4), bins=2)
    assert ask(query, tmp_path / "one.root").value.tolist() == [0, 1, 2]
    with pytest.raises(Failed, match="the file has these: Events, Runs"):
        ask(query, path)
    with uproot.recreate(tmp_path / "none.root") as out:
        out["histogram"] = np.histogram(np.arange(4), bins=2)
    with pytest.raises(Failed, match="the file has none"):
        ask(query, tmp_path / "none.root")


@pytest.mark.parametrize("form", ["parquet", "root-file", "root-rntuple"])
def test_a_tree_without_events(ask, tmp_path, form):
    with uproot.recreate(tmp_path / "empty.root") as out:
        lists = ak.types.from_datashape("var * float32", highlevel=False)
        out.mktree("Events", {"run": np.dtype("i4"), "pt": lists})
    query = text("D.Where(lambda e: e.run > 1).Select(lambda e: (e.run, e.pt.Count()))")
    assert ask(query, tmp_path / "empty.root", form).fields == ["0", "1"]


LISTS = "an operator for lists (Count, Sum, SelectMany, ...) is called on what has one value"
PYTHON = "Python's own functions do not work on columns"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("D.Select(lambda e, f: e.run)", "Select: its function takes 2 arguments"),
        ("D.Where(lambda: 1)", "Where: its function takes 0 arguments"),
        ("D.Select(lambda e: e.Jet_pt.OrderBy(lambda a, b: a))", "OrderBy: its function takes 2"),
        ("D.Select(5)", "Select() call argument must be a lambda"),
        ("D.Select()", "Select() call must have exactly one argument"),
        ("D.Select(lambda e: frob(e.run))", "Unknown id: frob"),
        ("D.Select(lambda e: e.run + x)", "Unknown id: x"),
        ("Select(1, lambda e: e)", "it is of no EventDataset"),
    ],
)
def test_queries_that_are_none(ask, program, query, words):
    with pytest.raises(Failed) as caught:
        program.load("uproot", text(query))
    assert caught.value.kind == "selection"
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("D.Select(lambda e: e['nosuch'])", "data", "there is no column 'nosuch'"),
        ("D.Select(lambda e: e.nosuch.First())", "data", "there is no column 'nosuch'"),
        ("D.Select(lambda e: e.Jet_pt.Frob())", "data", "nor an operator of that name"),
        (
            "D.Select(lambda e: Zip({'q': e.Muon_charge}).Choose(2).Select(lambda p: p[0].q))",
            "data",
            "the elements of pairs are ElementAt(0)",
        ),
        ("D.Select(lambda e: e.Jet_pt.Choose(2).Select(lambda p: p[0]))", "code", "ElementAt("),
        ("D.Select(lambda e: e.Jet_pt.First())", "code", "some events have no element 0"),
        ("D.Select(lambda e: e.Jet_pt.ElementAt(7))", "code", "some events have no element 7"),
        ("D.Select(lambda e: e.Jet_pt[0, 1])", "code", "one name or one number"),
        ("D.Select(lambda e: e.Jet_pt + e.Muon_pt)", "code", "lists of different lengths"),
        ("D.Select(lambda e: e.run.Count())", "code", LISTS),
        ("D.SelectMany(lambda e: e.MET_pt)", "code", LISTS),
        ("D.SelectMany(lambda e: {'a': e.Jet_pt, 'b': e.Jet_btag})", "code", "by Zip"),
        ("D.Where(lambda e: e.Jet_pt > 3).Select(lambda e: e.run)", "code", "use Any or All"),
        ("D.OrderBy(lambda e: e.run).Select(lambda e: e.run)", "code", "only within them"),
        ("D.Select(lambda e: len(e.Jet_pt))", "code", PYTHON),
        ("D.Select(lambda e: max(e.Jet_pt))", "code", PYTHON),
        ("D.Select(lambda e: float(e.run))", "code", PYTHON),
        ("D.Select(lambda e: np.linalg.norm(e.Jet_pt))", "code", "can't be used on columns"),
        ("D.Select(lambda e: 'text')", "code", "columns can't hold text"),
        ("D.Select(lambda e: e.run == 'x')", "code", "something that is no number"),
        ("D.Select(lambda e: {'a': 1, 'b': e.run})", "data", "a column is a constant (int)"),
        ("D.Select(lambda e: {1: e.run})", "code", "names of columns must be text"),
        ("D.Select(lambda e: {})", "code", "the result has no columns"),
        ("D.Select(lambda e: None)", "code", "a column is None"),
        ("D.Select(lambda e: open('/dev/null').read())", "code", "made of no column"),
        ("D.Select(lambda e: e.Jet_pt.Choose(0))", "code", "'n' must be at least 1"),
        ("Count(D)", "data", "the result is int, and must be an array"),
        ("D.Select(lambda e: e.MET_pt).Max()", "data", "and must be an array"),
        ("D.Select(lambda e: e.run).Any(lambda r: r > 3)", "data", "the result is bool"),
    ],
)
def test_what_it_can_not_do(ask, path, query, kind, words):
    with pytest.raises(Failed) as caught:
        ask(text(query), path)
    assert caught.value.kind == kind
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 200
