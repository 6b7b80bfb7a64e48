"""Identifiers of datasets: what is understood, and what is said of those that are not."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casita_columns.finders import BadName, Did, parse


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("rucio://mc20:mc20.1.NANO?files=7", Did("rucio", "mc20:mc20.1.NANO", 7)),
        ("RUCIO://cms:/A/B/NANOAOD", Did("rucio", "cms:/A/B/NANOAOD")),
        ("cernopendata://1507?files=3", Did("cernopendata", "1507", 3)),
        ("catalogue://ttbar", Did("catalogue", "ttbar")),
        (
            "xrootd://root://host//store/*.root?files=2&get=available",
            Did("xrootd", "root://host//store/*.root", 2, "available"),
        ),
        ("xrootd:///data/nano_*.root", Did("xrootd", "/data/nano_*.root")),
        # A ? that is a wildcard, and one that begins XRootD's own options, are the name's.
        ("xrootd:///data/nano_?.root?files=2", Did("xrootd", "/data/nano_?.root", 2)),
        ("xrootd:///data/nano_?.root", Did("xrootd", "/data/nano_?.root")),
        (
            "xrootd://root://h//a.zip?xrdcl.unzip=b.root&files=1",
            Did("xrootd", "root://h//a.zip?xrdcl.unzip=b.root", 1),
        ),
        # Without a scheme: the default's, but an address is one of files.
        ("user.alice:sample?get=all", Did("rucio", "user.alice:sample")),
        ("/Muon/Run2018A/NANOAOD", Did("rucio", "/Muon/Run2018A/NANOAOD")),
        ("root://host//store/*.root?files=1", Did("xrootd", "root://host//store/*.root", 1)),
        ("file:///data/*.root", Did("xrootd", "/data/*.root")),
        ("https://host/a.root", Did("xrootd", "https://host/a.root")),
        ("  cernopendata://1507\n", Did("cernopendata", "1507")),
        ("atlas-magic+2://x", Did("atlas-magic+2", "x")),
    ],
)
def test_it_is_understood(text, means):
    assert parse(text, "rucio") == means


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write e.g. rucio://scope:name"),
        (" \n", "write e.g. rucio://scope:name"),
        ("rucio://", "names nothing"),
        ("rucio://?files=1", "names nothing"),
        ("rucio://a:b?files=0", "N from 1"),
        ("rucio://a:b?files=-1", "N from 1"),
        ("rucio://a:b?files=", "N from 1"),
        ("rucio://a:b?files=ten", "N from 1"),
        ("rucio://a:b?files=٣", "N from 1"),
        ("rucio://a:b?files=99999999999", "N from 1"),
        ("rucio://a:b?get=some", "write all or available"),
        ("rucio://a:b?files=1&files=2", "given twice"),
        ("rucio://a:b?nfiles=3", r"write ?files=N"),
        ("xrootd:///d/*.root?file=3", r"write ?files=N"),
        ("rucio:scope:name", "write rucio://"),
        ("xrootd:/data/*.root", "write xrootd://"),
        ("rucio://a:b\x00", "no text"),
        ("rucio://a:\udc80", "no text"),
        ("rucio://a\nb", "no text"),
        ("rucio://a:" + 10_000 * "b", "longer than"),
    ],
)
def test_a_wrong_one_is_refused_with_the_remedy(text, said):
    with pytest.raises(BadName) as refused:
        parse(text, "rucio")
    assert said in str(refused.value)
    assert len(str(refused.value)) < 500


names = st.text(string.ascii_letters + string.digits + ":/*[]{},._- =&", min_size=1).filter(
    lambda name: name == name.strip()
)


@given(
    scheme=st.sampled_from(["rucio", "xrootd", "cernopendata", "catalogue", "mine"]),
    name=names,
    files=st.none() | st.integers(1, 999_999_999),
    get=st.sampled_from(["all", "available"]),
)
def test_what_is_written_is_read(scheme, name, files, get):
    options = [f"files={files}"] if files else []
    options += ["get=available"] if get == "available" else []
    text = "?".join(
        [f"{scheme}://{name}", "&".join(options)] if options else [f"{scheme}://{name}"]
    )
    assert parse(text, "rucio") == Did(scheme, name, files, get)


@given(st.text())
def test_any_text_is_a_name_or_refused(text):
    try:
        understood = parse(text, "rucio").name
    except BadName as error:
        understood = error.hint
    assert understood
