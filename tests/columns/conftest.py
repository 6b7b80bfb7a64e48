"""A facility that delivers columns, files for it, and programs that ask as their users would."""

import os
import subprocess
import sys
from pathlib import Path

import awkward
import numpy
import pytest
import uproot
from tests.columns import postgresql, s3server

from casita_columns import servicex_yaml

EVENTS = 1000
FILES = 3


def nano(path, seed, events=EVENTS):
    """Write a file like a NanoAOD: jagged muons and jets, missing energy, a second tree."""
    rng = numpy.random.default_rng(seed)
    muons, jets = rng.integers(0, 4, events), rng.integers(0, 7, events)
    branches = {
        "Muon_pt": awkward.unflatten(rng.exponential(30, muons.sum()).astype("f4"), muons),
        "Muon_eta": awkward.unflatten(rng.normal(0, 1.5, muons.sum()).astype("f4"), muons),
        "Jet_pt": awkward.unflatten(rng.exponential(50, jets.sum()).astype("f4"), jets),
        "MET_pt": rng.exponential(40, events).astype("f4"),
        "run": numpy.full(events, seed, "i4"),
    }
    with uproot.recreate(path) as out:
        types = {
            name: one.type.content if isinstance(one, awkward.Array) else one.dtype
            for name, one in branches.items()
        }
        tree = out.mktree("Events", types)
        tree.extend(branches)
        out.mktree("Runs", {"run": "i4"}).extend({"run": numpy.array([seed], "i4")})
    return path


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Three files; the sum of what is in them is what deliveries must give."""
    folder = tmp_path_factory.mktemp("nano")
    return [str(nano(folder / f"nano_{number}.root", number)) for number in range(FILES)]


@pytest.fixture(scope="session")
def postgresql_server():
    """A PostgreSQL of the tests' own, whose databases are theirs."""
    try:
        with postgresql.running() as server:
            yield server
    except postgresql.NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """An S3 of the tests' own."""
    if s3server.PROGRAM is None:
        pytest.skip(s3server.MISSING)
    with s3server.running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def token(facility):
    """A hub token of the administrator's for column delivery."""
    return facility.casita("token", "create", "--scope", "columns", "-q").stdout.strip()


def environment(facility, token, home, **more):
    """What a kernel of the administrator's finds."""
    hidden = ("CASITA", "JUPYTERHUB", "DASK_", "BEARER")
    known = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    return {
        **known,
        **facility.site.backend_environment(),
        "CASITA_URL": facility.url,
        "JUPYTERHUB_API_TOKEN": token,
        "JUPYTERHUB_USER": "admin",
        "DASK_GATEWAY__ADDRESS": f"{facility.url}/services/dask-gateway",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(Path(home) / ".cache"),
        **more,
    }


@pytest.fixture
def program(facility, token, tmp_path):
    """Run Python as a kernel of the administrator's would."""
    servicex_yaml.write(tmp_path, facility.url, token)

    def run(code, *, check=True, timeout=200, **env):
        script = tmp_path / "program.py"  # a file: the official client reads functions' source
        script.write_text(code)
        done = subprocess.run(
            [sys.executable, str(script)],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=tmp_path,
            env=environment(facility, token, tmp_path, **env),
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{facility.logs()}"
        return done

    return run
