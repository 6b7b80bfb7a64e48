"""The locks in requirements/: whole, hash-pinned, equal where they meet, and silent about hosts."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = {path.stem: path.read_text() for path in (ROOT / "requirements").glob("*.txt")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PIN = re.compile(r"^([a-z0-9.-]+)(?:\[[^]]*\])?==([^ ;\\]+)", re.MULTILINE)


def pins(name: str) -> set[tuple[str, str]]:
    """(package, version) of a lock; a package has several where platforms differ."""
    return set(PIN.findall(LOCKS[name]))


def test_every_extra_has_its_lock():
    assert set(LOCKS) == {*EXTRAS, "build", "lab", "uv"}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_nothing_but_pins_with_hashes(name):
    requirements = re.split(r"\n(?=[a-z])", re.sub(r"^ *#.*\n?", "", LOCKS[name], flags=re.M))
    assert len(requirements) >= len(pins(name)) > 0
    for requirement in requirements:
        assert re.match(PIN, requirement), requirement
        assert "--hash=sha256:" in requirement, requirement
    assert "://" not in LOCKS[name]


# Users' code needs an older dask than clusters do, so it has an environment of its own.
APART = {"dask", "dask-awkward"}


@pytest.mark.parametrize("name", sorted(set(EXTRAS) - {"dev"}))
def test_hub_kernel_and_workers_agree(name):
    """Whatever is installed where: one version of each package in the whole facility."""
    here = pins(name)
    if name == "transform":
        here = {one for one in here if one[0] in {two for two, _ in pins("dev")} - APART}
    assert here <= pins("dev"), here - pins("dev")


@pytest.mark.parametrize("name", EXTRAS)
def test_a_lock_covers_its_extra(name):
    asked = [*PROJECT["dependencies"], *EXTRAS[name]]
    names = {re.match(r"[A-Za-z0-9._-]+", one).group().lower().replace("_", "-") for one in asked}
    assert names - {"casita"} <= {package for package, _ in pins(name)}
