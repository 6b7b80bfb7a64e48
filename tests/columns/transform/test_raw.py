"""uproot-raw: what queries mean, as ServiceX's documents have it; in every format."""

import json

import awkward as ak
import numpy
import pytest
import uproot
from tests.columns.transform.conftest import Failed, content, equal

FORMS = ("parquet", "root-file", "root-rntuple")


def within(function, *names):
    """A function that works within events, on columns."""
    return lambda e: function(*(e[name] for name in names), axis=1)


EXPRESSIONS = {
    "sum(Jet_pt)": within(ak.sum, "Jet_pt"),
    "any(Muon_pt > 30)": lambda e: ak.any(e.Muon_pt > 30, axis=1),
    "all(Muon_pt > 30)": lambda e: ak.all(e.Muon_pt > 30, axis=1),
    "count_nonzero(Jet_btag > 0.5)": lambda e: ak.sum(e.Jet_btag > 0.5, axis=1),
    "num(Jet_pt)": lambda e: ak.num(e.Jet_pt, axis=1),
    "count(Jet_pt, axis=1)": within(ak.count, "Jet_pt"),
    "fill_none(max(Jet_pt), 0)": lambda e: ak.fill_none(ak.max(e.Jet_pt, axis=1), 0),
    "fill_none(nanmin(Jet_pt), -1)": lambda e: ak.fill_none(ak.min(e.Jet_pt, axis=1), -1),
    "nan_to_num(mean(Jet_pt))": lambda e: ak.nan_to_num(ak.mean(e.Jet_pt, axis=1)),
    "nan_to_num(moment(Jet_pt, 2))": lambda e: ak.nan_to_num(ak.moment(e.Jet_pt, 2, axis=1)),
    "concatenate([Jet_pt, Muon_pt])": lambda e: ak.concatenate([e.Jet_pt, e.Muon_pt], axis=1),
    "sqrt(MET_pt) + abs(Muon_eta)": lambda e: numpy.sqrt(e.MET_pt) + abs(e.Muon_eta),
    "where(MET_pt > 40, MET_pt, -1)": lambda e: ak.where(e.MET_pt > 40, e.MET_pt, -1),
    "sort(Jet_pt)[:, :1]": lambda e: ak.sort(e.Jet_pt)[:, :1],
    "Muon_pt[abs(Muon_eta) < 1]": lambda e: e.Muon_pt[abs(e.Muon_eta) < 1],
    "get('Muon_pt') / 1000": lambda e: e.Muon_pt / 1000,
    "(MET_pt > 20) & ~HLT_Mu": lambda e: (e.MET_pt > 20) & ~e.HLT_Mu,
}


@pytest.fixture(scope="module")
def rntuple(events, tmp_path_factory):
    path = tmp_path_factory.mktemp("rntuple") / "nano.root"
    with uproot.recreate(path) as out:
        out.mkrntuple("Events", events)
    return path


@pytest.fixture(scope="module", params=["TTree", "RNTuple"])
def kinds(request, path, rntuple):
    """The same events, as either kind of tree."""
    return path if request.param == "TTree" else rntuple


@pytest.mark.parametrize("form", FORMS)
def test_expressions(program, kinds, events, form):
    names = {f"c{number}": text for number, text in enumerate(EXPRESSIONS)}
    item = {"treename": "Events", "expressions": list(names), "aliases": names}
    _, got = program.raw(kinds, item, form=form)
    for name, text in names.items():
        assert equal(got[name], EXPRESSIONS[text](events)), text


def test_expressions_without_a_name_are_called_what_they_are(program, kinds, events):
    item = {"treename": "Events", "expressions": ["MET_pt * 2", "run"]}
    _, got = program.raw(kinds, item)
    assert got.fields == ["MET_pt * 2", "run"]
    assert equal(got["MET_pt * 2"], events.MET_pt * 2)


def test_a_cut_within_events(program, kinds, events):
    """The example of ServiceX's documents."""
    item = {"treename": "Events", "filter_name": "Jet_pt", "cut": "any(Jet_pt > 80)"}
    done, got = program.raw(kinds, item)
    want = events[ak.any(events.Jet_pt > 80, axis=1)]
    assert 0 < done["events"] == len(want) < done["events_in"] == 700
    assert equal(got.Jet_pt, want.Jet_pt)


def test_awkward_s_own_axis_if_it_is_asked_for(program, kinds):
    item = {"treename": "Events", "filter_name": "Jet_pt", "cut": "any(Jet_pt > 80)"}
    with pytest.raises(Failed) as caught:
        program.raw(kinds, item | {"use_standard_awkward_axis": True})
    assert "the cut 'any(Jet_pt > 80)' has one value in all" in caught.value.message
    explicit = item | {"cut": "any(Jet_pt > 80, axis=1)"}
    done, _ = program.raw(kinds, explicit | {"use_standard_awkward_axis": True})
    assert done["events"] == program.raw(kinds, item)[0]["events"]


def test_an_axis_without_a_name_is_respected(program, path, events):
    item = {"treename": "Events", "expressions": ["x"], "aliases": {"x": "sum(Jet_pt, 1)"}}
    _, got = program.raw(path, item)
    assert equal(got.x, ak.sum(events.Jet_pt, axis=1))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"cut": "Muon_pt > 10"}, "the cut 'Muon_pt > 10' has a list for each event, and must"),
        ({"expressions": "max(MET_pt, axis=0)"}, "has one value in all"),
        ({"expressions": ["run", "flatten(Jet_pt, axis=1)"]}, "values for 700 events"),
        ({"expressions": ["run", "Muon_pt + Jet_pt"]}, "the expression 'Muon_pt + Jet_pt'"),
        ({"expressions": "MET_ptt"}, "there is no column 'MET_ptt'; there are MET_pt"),
        ({"expressions": "frob(MET_pt)"}, "there is no column 'frob'"),
        ({"expressions": "np.sqrt(MET_pt)"}, "there is no column 'np.sqrt'"),
        ({"filter_name": "Foo*"}, "Events: no column fits"),
        ({"expressions": ["1 + 1"]}, "the expression '1 + 1' has one value in all|no column fits"),
    ],
)
def test_what_does_not_work_is_said_in_a_sentence(program, kinds, more, words):
    with pytest.raises(Failed) as caught:
        program.raw(kinds, {"treename": "Events", **more})
    assert caught.value.kind == "data"
    assert any(one in caught.value.message for one in words.split("|")), caught.value.message
    assert not caught.value.retry


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"treename": "Events", "fail_on_missing_trees": "yes"}, "is neither true nor false"),
        ({"treename": "Events", "use_standard_awkward_axis": 1}, "is neither true nor false"),
        ({"treename": "Events", "copy_histograms": "h"}, "copy_histograms goes alone"),
        ({"copy_histograms": []}, "query 1: copy_histograms is neither a text nor a list"),
        ({"treename": "Events", "filter": "a"}, "nothing is called 'filter'; do you mean"),
    ],
)
def test_queries_that_are_refused_before_there_is_data(program, item, words):
    with pytest.raises(Failed) as caught:
        program.load("uproot-raw", json.dumps([item]))
    assert caught.value.kind == "selection"
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("names", "want"),
    [
        ("cutflow_*", {"cutflow_1", "cutflow_2"}),
        ("/cutflow_[1]/", {"cutflow_1"}),
        (["cutflow_2", "sums/*"], {"cutflow_2", "sums/weights"}),
        ("sums/weights", {"sums/weights"}),
        ("*", {"cutflow_1", "cutflow_2", "sums/weights"}),
        ("absent*", set()),
    ],
)
def test_histograms_by_names_and_patterns(program, path, names, want):
    items = ({"copy_histograms": names}, {"treename": "Events", "filter_name": "run"})
    program.load("uproot-raw", json.dumps(items))
    _, out = program.transform(path, "root-file")
    with uproot.open(out.name) as file, uproot.open(path) as given:
        kinds = file.classnames(cycle=False)
        assert {name for name, kind in kinds.items() if kind.startswith("TH")} == want
        for name in want:
            assert (file[name].values() == given[name].values()).all()


def test_a_histogram_that_is_not_there(program, path):
    program.load("uproot-raw", json.dumps([{"copy_histograms": "cutflow_3"}]))
    with pytest.raises(Failed, match="there is no histogram 'cutflow_3'; there are cutflow_"):
        program.transform(path, "root-file")


def test_trees_with_the_same_columns_share_a_table_that_tells_them_apart(program, path):
    names = {"Events": "selected", "Runs": "runs"}
    done, got = program.raw(path, {"treename": names, "filter_name": "run"})
    assert done["events"] == len(got) == 702
    assert ak.sum(got.treename == "runs") == 2
    assert set(got.treename[:700].tolist()) == {"selected"}


def test_one_tree_under_two_names(program, path, events):
    items = [
        {"treename": {"Events": "high"}, "filter_name": "run", "cut": "MET_pt > 40"},
        {"treename": {"Events": "low"}, "filter_name": "run", "cut": "MET_pt <= 40"},
    ]
    program.load("uproot-raw", json.dumps(items))
    _, out = program.transform(path, "root-file")
    high, low = content(out, "high"), content(out, "low")
    assert len(high) == int(ak.sum(events.MET_pt > 40))
    assert len(high) + len(low) == 700


def test_missing_values_have_no_place_in_a_ttree(program, path):
    item = {"treename": "Events", "expressions": ["x"], "aliases": {"x": "max(Jet_pt)"}}
    with pytest.raises(Failed) as caught:
        program.raw(path, item, form="root-file")
    assert "can't hold the column 'x', in which values may be missing" in caught.value.message
    assert "fill_none" in caught.value.message
    for form in ("parquet", "root-rntuple"):
        _, got = program.raw(path, item, form=form)
        assert 0 < ak.sum(ak.is_none(got.x)) < 700


@pytest.mark.parametrize("form", FORMS)
def test_records_and_counters(program, path, events, form, tmp_path):
    with uproot.recreate(tmp_path / "a.root") as out:
        out.mktree("Events", {"Muon": ak.type(_muons(events)).content, "after": "i4"})
        out["Events"].extend({"Muon": _muons(events), "after": events.run})
    _, got = program.raw(tmp_path / "a.root", {"treename": "Events"}, form=form)
    pt = got["Muon_pt"] if "Muon_pt" in got.fields else got.Muon.pt
    assert equal(pt, events.Muon_pt)
    assert equal(got.nMuon, ak.num(events.Muon_pt))
    assert equal(got.after, events.run)


def _muons(events):
    return ak.zip({"pt": events.Muon_pt, "charge": events.Muon_charge})


def test_a_list_before_its_counter(program, tmp_path):
    """As RNTuples that ROOT makes of NanoAOD have them; uproot's TTrees want the counter first."""
    lists = ak.Array([[1.5], [], [2.5, 3.5]])
    counts = numpy.array([1, 0, 2], "u4")
    with uproot.recreate(tmp_path / "a.root") as out:
        out.mkrntuple("Events", ak.zip({"Jet": lists, "nJet": counts}, depth_limit=1))
    for form in FORMS:
        _, got = program.raw(tmp_path / "a.root", {"treename": "Events"}, form=form)
        assert got.Jet.tolist() == lists.tolist(), form
        assert got.nJet.tolist() == [1, 0, 2], form
