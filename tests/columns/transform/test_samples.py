"""Real files, where the project's samples are: NanoAOD, PHYSLITE, TTrees and RNTuples."""

import awkward as ak
import pytest
import uproot
from tests.columns.transform.conftest import ROOT, Failed, equal

DATA = ROOT.parent / "shared" / "data"
FORMS = ("parquet", "root-file", "root-rntuple")
LEPTONS = ["Muon_pt", "Muon_eta", "Electron_pt", "MET_pt", "run"]


def sample(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "name",
    [
        "NanoAODv5_sample.root",
        "nanoAOD_2015_CMS_Open_Data_ttbar.root",
        "nano_dy.root",
        "nano_dy_rntuple.root",
    ],
)
def test_nanoaod(program, name, form):
    path = sample(name)
    item = {"treename": "Events", "filter_name": LEPTONS, "cut": "any(Muon_pt > 10) & (MET_pt > 5)"}
    done, got = program.raw(path, item, form=form)
    with uproot.open(path) as file:
        tree = file["Events"]
        events = ak.zip({one: tree[one].array() for one in LEPTONS}, depth_limit=1)
    want = events[ak.any(events.Muon_pt > 10, axis=1) & (events.MET_pt > 5)]
    assert done["events_in"] == len(events) > done["events"] == len(want) > 0
    for one in LEPTONS:
        assert equal(got[one], want[one]), one


@pytest.mark.parametrize("name", ["nano_dy.root", "nano_dy_rntuple.root"])
def test_all_of_a_nanoaod(program, name):
    path = sample(name)
    done, got = program.raw(path, {"treename": "Events"})
    assert done["events"] == 40
    assert len(got.fields) > 1400
    with uproot.open(path) as file:
        for one in ("Jet_pt", "GenPart_pdgId", "HLT_IsoMu24", "LHEPdfWeight"):
            assert equal(got[one], file["Events"][one].array()), one


def test_both_kinds_of_one_sample_agree(program):
    found = []
    for name in ("nano_dy.root", "nano_dy_rntuple.root"):
        item = {
            "treename": "Events",
            "expressions": ["ht", "lead"],
            "aliases": {"ht": "sum(Jet_pt[Jet_pt > 30])", "lead": "firsts(Jet_pt)"},
            "cut": "num(Jet_pt) > 1",
        }
        found.append(program.raw(sample(name), item)[1])
    assert len(found[0]) > 5
    assert equal(found[0].ht, found[1].ht)
    assert equal(found[0].lead, found[1].lead)


PT, ETA = "AnalysisElectronsAuxDyn.pt", "AnalysisElectronsAuxDyn.eta"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "columns",
    [
        {"filter_name": [PT, ETA]},
        {"filter_name": "/AnalysisElectronsAuxDyn\\.(pt|eta)$/"},
        {"expressions": [PT, ETA]},
        {"expressions": [PT, ETA], "cut": f"any({PT} > 20000)"},
        {"expressions": [PT, ETA], "cut": f"any(get('{PT}') > 20000)"},
    ],
)
def test_physlite(program, form, columns):
    path = sample("PHYSLITE_example.root")
    done, got = program.raw(path, {"treename": "CollectionTree", **columns}, form=form)
    with uproot.open(path) as file:
        pt, eta = (file["CollectionTree"][one].array() for one in (PT, ETA))
    chosen = ak.any(pt > 20000, axis=1) if "cut" in columns else ak.num(pt) >= 0
    assert 0 < done["events"] == ak.sum(chosen)
    # A TTree's counters come by themselves.
    assert [one for one in got.fields if not one.startswith("n")] == [PT, ETA]
    assert equal(got[PT], pt[chosen])
    assert equal(got[ETA], eta[chosen])


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (
            {"filter_name": "METAssoc_AnalysisMET"},
            "the column 'METAssoc_AnalysisMET', of type xAOD::MissingETAssociationMap_v1, can't",
        ),
        ({"filter_name": PT + "t"}, f"there is no column '{PT}t'; there are {PT}"),
        ({"filter_name": "EventInfoAux*"}, "EventInfoAux. has the wrong number of bytes"),
    ],
)
def test_what_physlite_has_that_is_no_array(program, item, words):
    path = sample("PHYSLITE_example.root")
    with pytest.raises(Failed) as caught:
        program.raw(path, {"treename": "CollectionTree", **item})
    assert caught.value.kind == "data"
    assert words in caught.value.message


def test_lists_of_lists_have_no_place_in_a_ttree(program):
    path = sample("PHYSLITE_example.root")
    item = {"treename": "CollectionTree", "filter_name": "AnalysisElectronsAuxDyn.*"}
    with pytest.raises(Failed) as caught:
        program.raw(path, item, form="root-file")
    assert "a TTree can't hold the column 'AnalysisElectronsAuxDyn." in caught.value.message
    assert "ask for parquet" in caught.value.message
    done, _ = program.raw(path, item, form="root-rntuple")
    assert done["events"] == 100


def test_resonances_are_where_they_are(program):
    """Opposite-sign muon pairs of collisions, by an expression: the Z boson."""
    path = sample("open-data-example.root")
    mass = "sqrt(2 * m['0'].pt * m['1'].pt * (cosh(m['0'].eta - m['1'].eta)"
    mass += " - cos(m['0'].phi - m['1'].phi)))[m['0'].q != m['1'].q]"
    item = {
        "treename": "Events",
        "expressions": ["mass"],
        "aliases": {
            "one": "zip({'pt': Muon_pt, 'eta': Muon_eta, 'phi': Muon_phi, 'q': Muon_charge})",
            "m": "combinations(one, 2)",
            "mass": mass,
        },
        "cut": "nMuon == 2",
    }
    _, got = program.raw(path, item)
    masses = ak.flatten(got.mass)
    assert 1880 < ak.sum((masses > 89) & (masses < 91)) < 1900
