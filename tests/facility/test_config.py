"""casita.toml: what is refused, and what a person is told."""

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casita.backend import Backend, Settings, load_backends
from casita.config import FacilityConfig, enabled_backends, load
from casita.config.reference import commented, page, tables
from casita.errors import ConfigError
from casita.units import format_duration, parse_duration, parse_size, write_size


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "casita.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[facility]\nname = "x"\n\nprofil = "x"', 4, ["facility.profil", "known here", "profile"]),
        ('[facility]\nprofile = "cloud"', 2, ["'cloud'", "'embedded' or 'multiuser'"]),
        ('[gateway]\nworker_memory = "2 gigs"', 2, ["'2 gigs'", '"2 GiB"']),
        ('[gateway]\n\nworker_cores = 9\nworker_cores_max = 4', 1, ["larger than worker_cores"]),
        ('[facility]\nport = 70000', 2, ["70000", "65535"]),
        ('[gateway]\nport = "many"', 2, ["'many'", "integer"]),
        ('[login]\nadmin = "Robert; DROP"', 2, ["login.admin"]),
        ('[server]\nidle_timeout = "1h"', 1, ["server is not a known key", "servers"]),
        ('[facility]\ntls_key = "/k"', 1, ["give both or neither"]),
        ('gateway.user_cores = 0', 1, ["gateway.user_cores", "greater than or equal to 1"]),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_line_key_and_remedy(write, text, line, words):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    message = str(caught.value)
    assert f"{path}, line {line}:" in message
    for word in words:
        assert word in message
    assert "\n" not in message


def test_broken_toml_names_file_and_line(write):
    with pytest.raises(ConfigError, match=r"casita\.toml: not valid TOML: .*line 2"):
        load(write("[facility]\nname = x\n"), {})


def test_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match="casita config init"):
        load(tmp_path / "none.toml", {})


class Toy(Settings):
    size: int = 1


TOY = {"toy": Backend(name="toy", title="Toy", config=Toy)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[backends.toy]\nsise = 2", ["line 2", "sise", "size"]),
        ('[backends.toy]\nsize = "x"', ["line 2", "size", "'x'"]),
        ("[backends.cash]\n", ["backends.cash", "installed: toy"]),
    ],
)
def test_backend_tables_are_checked_by_their_owner(write, text, words):
    with pytest.raises(ConfigError) as caught:
        load(write(text), TOY)
    for word in words:
        assert word in str(caught.value)


def test_a_backend_can_be_switched_off(write):
    config = load(write("[backends.toy]\nenabled = false"), TOY)
    assert enabled_backends(config, TOY) == {}
    assert enabled_backends(FacilityConfig(), TOY) == TOY


def test_the_commented_file_is_valid_once_uncommented():
    text = re.sub(r"^# (\w+ = )", r"\1", commented(), flags=re.MULTILINE)
    config = FacilityConfig.model_validate(tomllib.loads(text))
    assert config.gateway.user_cores == 8
    assert FacilityConfig.model_validate(tomllib.loads(commented())) == FacilityConfig()


def test_the_reference_has_every_key():
    text = page(load_backends())
    for table, _, keys in tables():
        assert f"## [{table}]" in text
        for key in keys:
            assert f"| `{key.name}` |" in text
            assert key.description, f"{table}.{key.name} has no description"
    for heading in ("[tokens.groups.NAME]", "[backends.cache]", "[backends.cache.origins.NAME]"):
        assert heading in text


@given(st.integers(min_value=1, max_value=10**9))
def test_durations_and_sizes_survive_writing(number):
    assert parse_duration(format_duration(number)) == number
    assert parse_size(write_size(number)) == number


@pytest.mark.parametrize("bad", ["", "10", "m", "-1m", "1.5h", "10 minutes", True, None, 1.5])
def test_nonsense_is_no_duration(bad):
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(bad)


def test_installed_backends_are_valid():
    assert "clusters" in load_backends()
