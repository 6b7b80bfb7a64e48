"""The cache's pure parts: which URLs go through it, what servers are told, reports, datasets."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from casita.backend import Issuer, Place, Trust
from casita.errors import DataError, MissingError
from casita_cache import _user_environment, catalogue, configuration
from casita_cache.catalogue import Catalogue
from casita_cache.doctor import check
from casita_cache.freshness import is_stale
from casita_cache.live import text as card_text
from casita_cache.models import Access, OriginState, Status
from casita_cache.reporting import Line, Report, compose, merged, saved_seconds
from casita_cache.routing import Route, Routes, parse, place_of
from casita_cache.servers import guarded, ports, servers
from casita_cache.settings import CacheSettings
from casita_cache.store import Store
from casita_cache.tls import own_certificate
from casita_cache.traffic import FileTraffic, Ledger, Traffic

ROUTE = Route(
    "far", ("root://eos.example.org", "https://eos.example.org:8443"), "root://127.0.0.1:7"
)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("root://eos.example.org//store/a.root", "/store/a.root"),
        ("root://eos.example.org/store/a.root", "/store/a.root"),
        ("root://EOS.example.org:1094//store/a.root", "/store/a.root"),
        ("root://ada@eos.example.org//store/a.root", "/store/a.root"),
        ("xroot://eos.example.org//a", "/a"),
        ("roots://eos.example.org//a", "/a"),
        ("https://eos.example.org:8443/store/a.root", "/store/a.root"),
        ("root://127.0.0.1:7//a", "/a"),  # the cache's own address
        ("root://eos.example.org", "/"),
        ("root://eos.example.org:1095//a", None),
        ("root://eos.example.org.evil.org//a", None),
        ("https://eos.example.org/a", None),
        ("https://eos.example.org:8443/a%20b", None),
        ("http://eos.example.org:8443/a", None),
        ("root://eos.example.org//a?authz=x", None),
        ("root://ada:secret@eos.example.org//a", None),
        ("root://eos.example.org:port//a", None),
        ("/store/a.root", None),
        ("file:///store/a.root", None),
        ("", None),
        ("root://[::1//a", None),
    ],
)
def test_which_urls_go_through_it(url, path):
    found = Routes([ROUTE]).find(url)
    assert found == ((ROUTE, path) if path else None)


@given(st.text())
def test_any_text_has_a_place_or_none(text):
    place_of(text)
    place_of(f"root://{text}")


def test_addresses_of_a_route():
    assert ROUTE.url("/a") == "root://127.0.0.1:7//a"
    assert ROUTE.url("/a", "t1") == "root://t1@127.0.0.1:7//a"
    assert ROUTE.origin_url("/a") == "root://eos.example.org//a"
    assert Route("x", ("https://x.org",), "root://c").origin_url("/a") == "https://x.org/a"
    with pytest.raises(ValueError, match="does not hold routes"):
        parse("[1]")
    with pytest.raises(ValueError):
        parse("nonsense")


# ---- settings and servers


def place(tmp_path, profile="embedded", **more):
    names = ("service", "origin", "cache-local", "cache-far", "cache-local-http", "cache-far-http")
    return Place(
        url="http://127.0.0.1:1",
        hub_api="",
        directory=tmp_path,
        ports={name: 20_000 + number for number, name in enumerate(names)},
        python="python",
        trust=Trust("aud", (Issuer("http://iss", "http://k"), Issuer("https://x", base="/x"))),
        profile=profile,
        storage=tmp_path / "storage",
        secret_file=lambda name: tmp_path / name,
        **more,
    )


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"origins": {"far": {"url": "eos.example.org"}}}, "is no server"),
        ({"origins": {"far": {"url": "root://eos.example.org//store"}}}, "more than a host"),
        ({"origins": {"far": {"url": "root://a b"}}}, "host that can't be one"),
        ({"origins": {"far": {"url": "root://a:b"}}}, "port that can't be one"),
        ({"origins": {"Far": {"url": "root://a"}}}, "match pattern"),
        ({"origins": {"local": {"url": "root://a"}}}, "choose another name"),
        (
            {"origins": {"a": {"url": "root://x"}, "b": {"url": "root://y", "also": ["root://x"]}}},
            "origins.a's already",
        ),
        ({"memory": "100 MiB"}, "at least 1 GiB"),
        ({"tls_key": "/k"}, "go together"),
        ({"local": {"directory": "/d", "prefix": "store"}}, "match pattern"),
        ({"local": {"directory": "/d", "prefix": "/store/../etc x"}}, "match pattern"),
        ({"prefetch": -1}, "greater than"),
    ],
)
def test_settings_that_are_refused(table, said):
    with pytest.raises(ValidationError, match=said):
        CacheSettings.model_validate(table)


def test_nothing_runs_without_origins(tmp_path):
    config = CacheSettings()
    assert ports(config) == ()
    assert servers(config, place(tmp_path)) == []
    assert _user_environment(config, place(tmp_path)) == {}


def both(tmp_path, **more):
    return CacheSettings.model_validate(
        {
            "origins": {"far": {"url": "root://eos.example.org", "also": ["https://x.org"]}},
            "local": {"directory": str(tmp_path), "prefix": "/store"},
            "size": "10 GiB",
            **more,
        }
    )


def test_each_origin_has_a_server_and_a_namespace(tmp_path):
    config = both(tmp_path)
    made = {one.name: one for one in servers(config, place(tmp_path))}
    assert set(made) == {"origin", "cache-local", "cache-far"}
    assert set(ports(config)) == {*place(tmp_path).ports}
    assert len({one.directory for one in made.values()}) == 3
    text = configuration.text(made["cache-far"], (6, 2, 0))
    assert "pss.origin eos.example.org:1094\n" in text
    assert "pfc.diskusage 0.90 0.95 files 4718592k 9437184k 10485760k" in text
    assert "xrd.allow host 127.0.0.1" in text
    assert "pfc.cschk cache net" in text
    assert "sec.protocol" not in text
    # XRootD 5.5.3 could be brought down by its readers with that.
    assert "maxbsz" in text
    assert "maxbsz" not in configuration.text(made["cache-far"], (5, 5, 3))
    environment = _user_environment(config, place(tmp_path))
    assert json.loads(environment["CASITA_CACHE"])[0]["addresses"] == [
        "root://eos.example.org",
        "https://x.org",
    ]
    assert "CASITA_TOKEN_FOR" not in environment


def test_several_people_need_tokens(tmp_path):
    config, here = both(tmp_path), place(tmp_path, "multiuser")
    assert guarded(config, here)
    assert not guarded(both(tmp_path, tokens=False), here)
    made = {one.name: one for one in servers(config, here)}
    text = configuration.text(made["cache-far"], (6, 2, 0))
    assert "ofs.authorize" in text
    assert "http" not in text.replace("https://", "")  # XRootD would tell the origin the tokens
    assert f"xrd.protocol http:{here.ports['cache-local-http']}" in configuration.text(
        made["cache-local"], (6, 2, 0)
    )
    assert "sec.protocol sss" in configuration.text(made["origin"], (6, 2, 0))
    scitokens = configuration.scitokens(made["cache-far"])
    assert "audience = aud" in scitokens
    assert "issuer = https://x\nbase_path = /x" in scitokens
    environment = _user_environment(config, here)
    assert environment["CASITA_TOKEN_FOR"] == "cache"
    assert environment["X509_CERT_FILE"] == str(tmp_path / "storage" / "certificate.pem")


def test_a_public_cache_listens_everywhere(tmp_path):
    made = servers(both(tmp_path, host="cache.example.org"), place(tmp_path))
    assert {one.name: one.public for one in made} == {
        "origin": False,
        "cache-far": True,
        "cache-local": True,
    }
    assert "xrd.allow" not in configuration.text(made[-1], (6, 2, 0))


def test_a_certificate_of_its_own(tmp_path):
    certificate, key = own_certificate(tmp_path / "new", "127.0.0.1")
    first = certificate.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    assert own_certificate(tmp_path / "new", "127.0.0.1")[0].read_bytes() == first
    assert own_certificate(tmp_path / "new", "cache.example.org")[0].read_bytes() != first


def test_what_doctor_says(tmp_path):
    said = {one.subject: one for one in check(CacheSettings(), place(tmp_path))}
    assert said["cache"].level == "ok"
    (tmp_path / "cms").mkdir()
    (tmp_path / "cmsX").mkdir()
    config = both(tmp_path, program="no-such-program", size="9000 TiB")
    said = {one.subject: one for one in check(config, place(tmp_path))}
    assert (said["XRootD"].level, said["cache disk"].level) == ("error", "warning")
    assert "apt-get install xrootd-server" in said["XRootD"].remedy
    assert "cmsX begins with the name of its neighbour cms" in said["local origin"].detail
    missing = both(tmp_path / "nowhere")
    said = {one.subject: one for one in check(missing, place(tmp_path))}
    assert said["local origin"].level == "error"


# ---- disk


def test_evicting_never_leaves_the_cache(tmp_path):
    """Links are the server's; whoever evicts may be root."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    cache = tmp_path / "cache"
    (cache / "ns" / "store").mkdir(parents=True)
    (cache / "data" / "00").mkdir(parents=True)
    (cache / "data" / "00" / "x").write_text("cached")
    (cache / "ns" / "store" / "good").symlink_to(cache / "data" / "00" / "x")
    (cache / "ns" / "store" / "bad").symlink_to(victim)
    (cache / "ns" / "store" / "worse").symlink_to(cache / "data" / ".." / ".." / "victim")
    (cache / "ns" / "out").symlink_to(tmp_path)
    store = Store(cache)
    for path in ("/store/good", "/store/bad", "/store/worse", "/out/victim", "/none"):
        store.evict(path)
    assert victim.read_text() == "precious"
    assert not (cache / "data" / "00" / "x").exists()
    assert not os.path.lexists(cache / "ns" / "store" / "good")
    assert list(store.files()) == []


def test_when_a_copy_is_stale():
    from casita_cache.cinfo import Cinfo

    info = Cinfo(100, 10, 10, 10, 100, 1000.0, 1, None, 0, 0, 0, "both")
    assert not is_stale(info, 100, 900.0)
    assert not is_stale(info, 100, 1003.0)  # clocks differ
    assert is_stale(info, 100, 1010.0)
    assert is_stale(info, 101, 900.0)


# ---- datasets


def test_datasets_in_coffeas_form(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "one:\n  files: {root://x//a.root: Events, root://x//b.root: {object_path: T, size: 5}}\n"
        "  metadata: {title: The first}\n"
    )
    (tmp_path / "b.json").write_text(json.dumps({"two": {"files": ["root://x//c.root"]}}))
    (tmp_path / "notes.txt").write_text("not a dataset")
    found = Catalogue([], tmp_path)
    assert found.get("one").fileset() == {
        "one": {
            "files": {"root://x//a.root": "Events", "root://x//b.root": "T"},
            "metadata": {"title": "The first"},
        }
    }
    assert found.get("one").size is None
    assert [one.name for one in found.search("FIRST")] == ["one"]
    assert [one.name for one in found.search("")] == ["one", "two"]
    (tmp_path / "b.json").write_text(json.dumps({"three": ["root://x//c.root"]}))
    os.utime(tmp_path / "b.json", (1, 1))
    assert [one.name for one in found.search("")] == ["one", "three"]
    with pytest.raises(MissingError, match="there is no dataset 'two'"):
        found.get("two")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "holds no datasets"),
        ({"a": {}}, "dataset a: has no files"),
        ({"a": {"files": {}}}, "has no files"),
        ({"a": {"files": {"root://x//a": 4}}}, "write the name of its tree"),
        ({"a": {"files": {"root://x//a": {"size": -1}}}}, "is no number of bytes"),
        ({"a/b": {"files": ["x"]}}, "can't be the name"),
        ({"a": {"files": [""]}}, "is no file"),
    ],
)
def test_what_is_no_dataset(content, said):
    with pytest.raises(DataError, match=said) as error:
        catalogue.parse(content, "datasets.yaml")
    assert "datasets.yaml" in str(error.value)


def test_broken_catalogues(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        catalogue.load(tmp_path / "none")
    (tmp_path / "a.yaml").write_text("a: [")
    with pytest.raises(DataError, match=r"a.yaml: can't be read"):
        catalogue.load(tmp_path)
    (tmp_path / "a.yaml").write_text("a: [root://x//a]")
    (tmp_path / "b.yaml").write_text("a: [root://x//a]")
    with pytest.raises(DataError, match=r"b.yaml: there is another dataset a"):
        catalogue.load(tmp_path)


# ---- reports


def access(hit, missed, closed=1):
    return Access(origin="far", path="/a", hit=hit, missed=missed, closed=closed)


def test_a_ledger_counts():
    ledger = Ledger()
    ledger.opened("far", "/a")
    ledger.read("far", "/a", 10, 0.5, direct=False)
    ledger.read("far", "/a", 5, 0.1, direct=True)
    first = ledger.traffic()
    assert (first.cached, first.direct) == (10, 5)
    ledger.reset()
    assert ledger.traffic().files == ()
    total = merged([first, first])[("far", "/a")]
    assert (total.opens, total.cached, total.direct, total.waited) == (2, 20, 10, 1.2)


def test_hits_are_those_since_the_last_report():
    read = {("far", "/a"): FileTraffic("far", "/a", 1, 100, 0, 1.0)}
    key = ("far", "/a")
    cold = compose(read, {}, {key: access(0, 100)}, 1.0, 0)
    assert (cold.hit_ratio, cold.from_origin) == (0.0, 100)
    warm = compose(read, {key: access(0, 100)}, {key: access(100, 100, 2)}, 1.0, 0)
    assert (warm.hit_ratio, warm.from_origin) == (1.0, 0)
    # The service has begun to count anew.
    again = compose(read, {key: access(900, 900, 9)}, {key: access(50, 50, 1)}, 1.0, 0)
    assert again.hit_ratio == 0.5
    unknown = compose(read, {}, {}, 1.0, 0)
    assert unknown.hit_ratio is None
    assert "not known yet" in unknown.sentence
    assert "?" in str(unknown)


def test_time_saved_is_estimated_from_misses():
    cold = Line("far", "/a", 1, 1000, 0, 0, waited=10.0)
    warm = Line("far", "/b", 1, 1000, 1000, 0, waited=1.0)
    half = Line("far", "/c", 1, 1000, 500, 0, waited=5.5)
    assert cold.cold
    assert saved_seconds([warm], {}) is None
    assert saved_seconds([cold], {"far": 0.01}) is None
    assert saved_seconds([warm], {"far": 0.01}) == pytest.approx(9.0)
    assert saved_seconds([half], {"far": 0.01}) == pytest.approx(4.5)


def test_names_are_no_markup():
    line = Line("far", "/<script>alert(1)</script>", 1, 10, 10, 0)
    page = Report((line,), 1.0, 0)._repr_html_()
    assert "<script>" not in page
    state = OriginState(
        name="<b>", url="", addresses=[], cache="", up=False, files=0, cached=0, size=0, pinned=0,
        served=0, hit=0, missed=0, hit_ratio=None, saved=-5, open_files=0, version="",
    )  # fmt: skip
    status = Status(origins=[state], guarded=False, lost=0)
    shown = card_text(status, Traffic(0.0), 0)
    assert "&lt;b&gt; is down" in shown
