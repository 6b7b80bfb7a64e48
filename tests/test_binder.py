"""binder/start, run as a container would: an empty home, then the command that Binder gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from casita.testing import casita

START = Path(__file__).parents[1] / "binder" / "start"
CELL = """
from dask_gateway import Gateway
print("clusters:", Gateway().list_clusters())
"""


@pytest.fixture
def home(tmp_path):
    """A home directory whose facility is gone afterwards."""
    yield tmp_path
    casita("down", env={"HOME": str(tmp_path)})


def test_a_notebook_in_binder_reaches_the_facility(home):
    notebook = home / "notebook.ipynb"
    cells = [nbformat.v4.new_code_cell(CELL)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
    done = subprocess.run(
        [START, "jupyter", "execute", "--inplace", notebook],
        env={"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.defpath}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    output = json.loads(notebook.read_text())["cells"][0]["outputs"][0]["text"]
    assert output == ["clusters: []\n"]
    assert "The facility is up" in done.stdout
    status = json.loads(casita("status", "--json", env={"HOME": str(home)}).stdout)
    assert (status["state"], status["profile"]) == ("up", "embedded")
