"""What a storage token allows, as pure functions: paths, scopes, who may have which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casita.auth.scopes import Scope, normalised, of_claims, parse, without_redundant
from casita.config import FacilityConfig
from casita.errors import DeniedError
from casita.tokens.policy import ScopeError, allowed, granted

GROUPS = {
    "tokens": {
        "read": ["/store/mc"],
        "groups": {
            "cms": {"members": ["ada"], "read": ["/cms"], "write": ["/group/cms"]},
            "ops": {"stage": ["/"]},
        },
    },
    "facility": {"profile": "multiuser"},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/cms/", "/cms"),
        ("//cms///mc", "/cms/mc"),
        ("/cms/./mc", "/cms/mc"),
        ("/cms/../atlas", "/atlas"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/cms/..", "/"),
        ("/.hidden/x", "/.hidden/x"),
        ("/..a/b", "/..a/b"),
    ],
)
def test_paths_are_normalised(path, expected):
    assert normalised(path) == expected


@pytest.mark.parametrize(
    "path", ["", "cms", "./cms", "/a b", "/a%2e%2e/b", "/a?b", "/a#b", "/a\\b", "/a\nb", '/a"b']
)
def test_odd_paths_are_refused(path):
    with pytest.raises(ValueError, match="path"):
        normalised(path)


@pytest.mark.parametrize(
    ("held", "wanted", "covered"),
    [
        ("storage.read:/cms", "storage.read:/cms", True),
        ("storage.read:/cms", "storage.read:/cms/mc/a", True),
        ("storage.read:/cms", "storage.read:/cmsX", False),
        ("storage.read:/cms", "storage.read:/cms.root", False),
        ("storage.read:/cms", "storage.read:/", False),
        ("storage.read:/cms", "storage.read:/cms/../atlas", False),
        ("storage.read:/", "storage.read:/anything", True),
        ("storage.read:/cms", "storage.create:/cms", False),
        ("storage.modify:/cms", "storage.create:/cms/a", True),
        ("storage.modify:/cms", "storage.read:/cms", False),
        ("storage.create:/cms", "storage.modify:/cms", False),
        ("storage.stage:/cms", "storage.read:/cms", False),
    ],
)
def test_what_covers_what(held, wanted, covered):
    assert parse(held).covers(parse(wanted)) is covered


parts = st.lists(st.sampled_from(["a", "ab", "b", "..", ".", ""]), max_size=6)


def walked(path):
    """Return where a file system ends up, one step after the other."""
    here = []
    for step in path:
        if step == "..":
            del here[-1:]
        elif step not in ("", "."):
            here.append(step)
    return here


@given(parts, parts)
def test_a_scope_opens_its_folder_and_nothing_else(folder, path):
    held = Scope("storage.read", normalised("/" + "/".join(folder)))
    wanted = Scope("storage.read", normalised("/" + "/".join(path)))
    inside = walked(path)[: len(walked(folder))] == walked(folder)
    assert held.covers(wanted) is inside


@given(st.text(max_size=20))
def test_any_text_is_a_path_without_escapes_or_no_path(text):
    try:
        found = normalised(text)
    except ValueError:
        assert not text.startswith("/") or set(" %?#\\\"'") & set(text) or not text.isprintable()
        return
    assert text.startswith("/")
    assert normalised(found) == found
    assert not {".", "..", ""} & set(found[1:].split("/")) or found == "/"


@pytest.mark.parametrize(
    "text", ["", "storage.read", "storage.read:", "read:/x", "storage.erase:/x", "storage.read:x"]
)
def test_what_is_no_scope(text):
    with pytest.raises(ValueError):
        parse(text)


def test_scopes_in_claims():
    read, create = Scope("storage.read", "/a"), Scope("storage.create", "/b")
    assert of_claims("openid storage.read:/a storage.create:/b storage.read") == (read, create)
    assert of_claims("read:/a write:/b") == ()
    assert of_claims("read:/a write:/b", scitokens=True) == (
        read,
        create,
        Scope("storage.modify", "/b"),
    )
    assert of_claims("storage.read:/%2e%2e") == ()


def test_the_redundant_goes():
    given_ = [parse(f"storage.read:{one}") for one in ("/a/b", "/a", "/c", "/a")]
    assert list(map(str, without_redundant(given_))) == ["storage.read:/a", "storage.read:/c"]


def may(user, groups=(), table=GROUPS):
    return {str(one) for one in allowed(FacilityConfig.model_validate(table), user, groups)}


def test_who_may_what():
    own = {f"storage.{right}:/user/bob" for right in ("read", "modify", "stage")}
    assert may("bob") == own | {"storage.read:/store/mc"}
    ada = may("ada")
    assert {"storage.read:/cms", "storage.modify:/group/cms", "storage.read:/user/ada"} <= ada
    assert not any("bob" in one or one.endswith(":/") for one in ada)
    assert "storage.read:/cms" in may("bob", ["cms"])
    assert "storage.stage:/" in may("bob", ["ops"])
    assert may("bob", ["nobody"]) == may("bob")
    assert "storage.modify:/group/cms" not in may("bob")
    assert not any(one.endswith(":/") for one in may("admin"))  # of several people, none is special


def test_the_one_person_of_the_embedded_profile_may_all():
    assert may("admin", table={}) == {f"storage.{right}:/" for right in ("read", "modify", "stage")}
    assert "storage.read:/" not in may("somebody", table={})


@pytest.mark.parametrize(
    "name",
    ["../ada", "a/b", "", ".", "..", "a b", "ada\n", ".ada", "-ada", "service:cache", "é", "*"],
)
def test_an_odd_name_has_no_folder(name):
    assert not any("/user" in one for one in may(name))


def test_what_is_not_held_is_refused_and_not_dropped():
    held = [parse("storage.read:/a"), parse("storage.modify:/b")]
    assert granted("", held) == held
    assert granted("storage.read:/a/x storage.create:/b", held) == [
        parse("storage.create:/b"),
        parse("storage.read:/a/x"),
    ]
    with pytest.raises(DeniedError, match=r"you don't hold storage.read:/c"):
        granted("storage.read:/a storage.read:/c", held)
    with pytest.raises(DeniedError):
        granted("storage.read:/a/../c", held)
    with pytest.raises(ScopeError, match="no scope of storage"):
        granted("gateway", held)
    with pytest.raises(ScopeError, match="200 are the most"):
        granted(" ".join(["storage.read:/a"] * 201), held)
