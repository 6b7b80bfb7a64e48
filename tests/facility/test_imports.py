"""Who may import whom, and what a command must not pay for."""

import subprocess
import sys
from pathlib import Path

import pytest
from importlinter import cli

ROOT = Path(__file__).parents[2]
ANALYSIS = {"pyarrow", "coffea", "awkward", "uproot", "distributed", "dask", "dask_gateway"}
CLUSTERS = {"dask", "distributed", "dask_gateway", "tornado"}  # what plain `Gateway()` loads, too
SERVER = {"jupyterhub", "jupyter_server", "tornado", "dask_gateway_server", "fastapi", "sqlalchemy"}


def test_the_import_rules_hold(capsys):
    status = cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out


@pytest.mark.parametrize(
    ("statement", "spared"),
    [
        ("import casita.cli; casita.cli.build()", ANALYSIS | SERVER),
        ("import casita_clusters", ANALYSIS | SERVER),
        ("import casita_clusters.kernel", (ANALYSIS | SERVER) - CLUSTERS),
        ("import casita_clusters.handlers.extension", ANALYSIS | {"jupyterhub", "fastapi"}),
        ("import casita_cache.handlers.extension", ANALYSIS | {"jupyterhub", "fastapi", "XRootD"}),
        ("import casita.runtime, casita.status", ANALYSIS | SERVER),
    ],
)
def test_an_import_is_light(statement, spared):
    """Each in a Python of its own: this one has everything loaded."""
    loaded = subprocess.run(
        [sys.executable, "-c", f"{statement}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "casita" in loaded
    assert spared & {name.partition(".")[0] for name in loaded} == set()
