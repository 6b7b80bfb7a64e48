"""Which finders there are: plug-ins may fail, the others stay."""

from importlib.metadata import EntryPoint

import pytest

import casita_columns.finders as finders
from casita_columns.finders import Found, registry

GROUP = "casita.columns.finders"


class Magic:
    """A finder of somebody else's."""

    scheme = "magic"
    title = "ATLAS Open Magic"

    def __init__(self, settings):
        self.host = settings["host"]

    def find(self, name, context):
        yield Found((f"root://{self.host}//{name}.root",))


class Misnamed(Magic):
    scheme = "other"


class Untitled:
    scheme = "untitled"

    def __init__(self, settings):
        pass


class Second(Magic):
    scheme = "xrootd"


@pytest.fixture
def plugins(monkeypatch):
    def install(**classes):
        points = [EntryPoint(name, value, GROUP) for name, value in classes.items()]
        monkeypatch.setattr(finders, "entry_points", lambda group: points * (group == GROUP))

    return install


def test_those_that_come_with_the_facility():
    there = registry({}, {})
    assert sorted(there) == ["catalogue", "cernopendata", "user", "xrootd"]
    assert all(one.scheme == scheme and one.title for scheme, one in there.items())
    assert there.troubles == {}
    assert "rucio" in registry({"rucio": {"url": "https://rucio.example.org"}}, {})


def test_a_plugin_gets_its_settings(plugins, context, monkeypatch):
    plugins(magic="magic_finder:Magic")
    monkeypatch.setattr(EntryPoint, "load", lambda self: Magic)
    there = registry({"magic": {"host": "h"}}, {})
    assert list(there["magic"].find("x", context)) == [Found(("root://h//x.root",))]


@pytest.mark.parametrize(
    ("scheme", "kind", "said"),
    [
        ("magic", Magic, "host"),  # its settings are missing
        ("misnamed", Misnamed, "calls itself 'other'"),
        ("untitled", Untitled, "title"),
        ("xrootd", Second, "another finder of that name"),
    ],
)
def test_a_plugin_that_fails_is_told_and_the_others_stay(
    plugins, monkeypatch, caplog, scheme, kind, said
):
    plugins(**{scheme: "some:Thing"})
    monkeypatch.setattr(EntryPoint, "load", lambda self: kind)
    table = {} if kind is Magic else {scheme: {"host": "h"} if scheme != "xrootd" else {}}
    there = registry(table, {})
    assert sorted(there) == ["catalogue", "cernopendata", "user", "xrootd"]
    assert not isinstance(there["xrootd"], Second)
    assert said in there.troubles[scheme]
    assert there.troubles[scheme] in caplog.text


def test_a_plugin_that_is_not_installed_is_told(plugins):
    plugins(gone="no_such_module:Finder")
    assert "no_such_module" in registry({}, {}).troubles["gone"]


@pytest.mark.parametrize(
    ("table", "scheme", "said"),
    [
        ({"rucio": {}}, "rucio", "backends.columns.finders.rucio: url: Field required"),
        ({"rucio": {"url": "rucio.cern.ch"}}, "rucio", "finders.rucio: url: String should match"),
        ({"user": {"files": 0}}, "user", "backends.columns.finders.user: files: "),
        ({"xrootd": {"hots": 1}}, "xrootd", "backends.columns.finders.xrootd: hots: Extra"),
        ({"cernopendata": {"keep": "x"}}, "cernopendata", "finders.cernopendata: keep: "),
        ({"rucoi": {}}, "rucoi", "backends.columns.finders.rucoi: there is no such finder"),
    ],
)
def test_wrong_settings_are_told_with_their_place(table, scheme, said):
    there = registry(table, {})
    assert said in there.troubles[scheme]
    assert scheme not in there
    assert len(there) >= 3
