"""Generated events: honest, reproducible, readable by coffea, and resumed when broken off."""

import json
import os
import signal
import subprocess
import sys
import zlib
from hashlib import sha256

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

from casita.data.amplify import mantissa_bits, quantise
from casita.data.generate import Plan, generate, read_source
from casita.errors import DataError
from casita.testing import casita, wait_for


@pytest.fixture(scope="module")
def source(samples):
    return samples / "nano_tt_v12.root"


@pytest.fixture(scope="module")
def made(source, tmp_path_factory):
    """The same 6000 events as ROOT and as Parquet."""
    directory = tmp_path_factory.mktemp("made")
    return {
        kind: generate(Plan(str(source), 6000, 2, kind), kind, directory)
        for kind in ("root", "parquet")
    }


NUMBERS = st.floats(width=32, min_value=2.0**-90, max_value=2.0**90)


@given(st.lists(NUMBERS, min_size=1), st.integers(1, 23))
def test_quantising_keeps_to_the_precision(values, bits):
    given = np.asarray(values, dtype=np.float32)
    rounded = quantise(given, bits)
    assert mantissa_bits(rounded) <= bits
    np.testing.assert_allclose(rounded, given, rtol=2.0**-bits)


def compression(values):
    raw = np.ascontiguousarray(values).tobytes()
    return len(raw) / len(zlib.compress(raw, 6))


@pytest.mark.parametrize("name", ["Jet_pt", "Jet_eta", "Jet_btagDeepFlavB", "Electron_pt"])
def test_it_compresses_like_the_real_file(source, made, name):
    real = np.asarray(ak.flatten(uproot.open(source)["Events"][name].array()))
    new = np.asarray(ak.flatten(uproot.open(made["root"][0])["Events"][name].array()))
    assert mantissa_bits(new) == mantissa_bits(real)
    new = new[: len(real)]
    assert compression(new) == pytest.approx(compression(real), rel=0.15)
    copies = np.tile(real[: len(real) // 10], 10)
    assert compression(copies) > 1.5 * compression(new)


def test_events_are_new_and_consistent(source, made):
    real = uproot.open(source)["Events"]
    new = uproot.open(made["root"][0])["Events"]
    counters = {key for key in real.keys() if key.startswith("n")}  # noqa: SIM118 (a tree)
    assert set(real.keys()) - counters <= set(new.keys())
    events = new.arrays(["event", "nJet", "Jet_pt", "Jet_phi", "Jet_electronIdx1", "Electron_pt"])
    assert len(np.unique(events.event)) == 3000
    assert ak.all(events.nJet == ak.num(events.Jet_pt))
    assert set(ak.num(events.Jet_pt)) <= set(ak.num(real["Jet_pt"].array()))
    assert ak.max(abs(events.Jet_phi)) < 3.142  # rounded, as the real file's
    assert ak.all(events.Jet_electronIdx1 < ak.num(events.Electron_pt))
    phi = np.asarray(ak.flatten(events.Jet_phi))
    counts = np.histogram(phi, bins=8, range=(-np.pi, np.pi))[0]
    assert counts.min() > 0.8 * counts.mean()  # turned around the beam, every way
    before, after = (len(set(ak.flatten(t["Jet_pt"].array()))) for t in (real, new))
    assert after > 2 * before


def test_root_and_parquet_hold_the_same_events_and_coffea_reads_both(made):
    from coffea.nanoevents import NanoEventsFactory

    roots = [NanoEventsFactory.from_root({str(f): "Events"}).events() for f in made["root"]]
    parquets = [NanoEventsFactory.from_parquet(str(f)).events() for f in made["parquet"]]
    for root, parquet in zip(roots, parquets, strict=True):
        assert len(root) == len(parquet) == 3000
        assert ak.all(root.Jet.pt == parquet.Jet.pt)
        assert ak.all(root.event == parquet.event)
        assert ak.all(root.Electron.cutBased == parquet.Electron.cutBased)
    assert not np.array_equal(roots[0].event, roots[1].event)


def test_a_seed_makes_the_same_events_whatever_the_processes(source, tmp_path):
    def digests(name, seed, processes):
        plan = Plan(str(source), 300, 3, "parquet", seed, "run|event|luminosityBlock|Jet_.*")
        files = generate(plan, name, tmp_path, processes=processes)
        return [sha256(file.read_bytes()).hexdigest() for file in files]

    one, two, other = digests("a", 5, 1), digests("b", 5, 2), digests("c", 6, 2)
    assert one == two
    assert not set(one) & set(other)


def test_the_cli_goes_on_after_kill_9(source, tmp_path):
    words = ["data", "generate", "big", "--events", "60000", "--files", "6", "--source", source]
    words += ["--branches", "(Jet|Electron|Muon)_.*|run|event|luminosityBlock"]
    folder = tmp_path / "state" / "data" / "generated" / "big"
    running = subprocess.Popen(
        [sys.executable, "-m", "casita", *map(str, words), "--state", tmp_path / "state"],
        start_new_session=True,
    )
    wait_for(lambda: list(folder.glob("events_*.root")), 60, "a first file")
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(10)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("events_*.root")}
    assert 0 < len(before) < 6
    listed = json.loads(casita("data", "list", "--json", "--state", tmp_path / "state").stdout)
    assert "unfinished" in next(one for one in listed if one["name"] == "big")["title"]
    done = casita(*words, "--state", tmp_path / "state")
    assert "60,000 events in 6 files" in done.stdout
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert before.items() <= after.items()
    assert set(after) == {"dataset.json", *(f"events_{n:04d}.root" for n in range(6))}

    done = casita(*words[:-2], "--state", tmp_path / "state", check=False)
    assert "was generated with other parameters" in done.stderr
    casita("data", "remove", "big", "--yes", "--state", tmp_path / "state")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "events", "files", "branches", "words"),
    [
        ("x", 2, 3, "", "2 events in 3 files"),
        ("../x", 3, 1, "", "is no name of a dataset"),
        ("x", 3, 1, "nothing", "no branch matches 'nothing'"),
    ],
)
def test_nonsense_is_refused(source, tmp_path, name, events, files, branches, words):
    with pytest.raises(DataError, match=words):
        generate(Plan(str(source), events, files, branches=branches), name, tmp_path)


def test_the_counters_of_the_source_are_left_out(source):
    names = {one.name for one in read_source(source).columns}
    assert "Jet_pt" in names
    assert not {"nJet", "nJet_pt"} & names
