"""In a user's own Jupyter server, where nothing is set up by hand; on workers of their cluster."""

import json
from pathlib import Path

import nbformat
import pytest

from casita.demo.notebook import Server
from casita.testing import running_facility

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
OFFICIAL = """
import json, os
from servicex import dataset, deliver, query as q
FILES = {files}
query = q.UprootRaw([{{"treename": "Events", "filter_name": "MET_pt", "cut": "MET_pt > 12"}}])
found = deliver({{"Sample": [{{"Name": "x", "Dataset": dataset.FileList(FILES), "Query": query}}]}},
                progress_bar="none")
import google.auth.jwt
token = open(os.environ["BEARER_TOKEN_FILE"]).read()
print(json.dumps([len(found["x"]), google.auth.jwt.decode(token, verify=False)["aud"]]))
"""
OURS = """
import awkward
from casita_columns import deliver
found = deliver({{"General": {{"OutputFormat": "parquet"}}, "Sample": [
    {{"Name": "x", "Dataset": dataset.FileList(FILES), "Query": query}}]}})
print(json.dumps([len(found["x"].awkward()), repr(found["x"])]))
"""


def run(server, name, *sources):
    """Run cells in the user's server; returns their last lines of text, parsed."""
    cells = [nbformat.v4.new_code_cell(one) for one in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    server.write_notebook(name, notebook)
    server.execute(notebook, name, lambda heading: None)
    said = []
    for cell in notebook.cells:
        text = "".join(one.get("text", "") for one in cell.outputs if one.get("name") == "stdout")
        said.append(json.loads(text.splitlines()[-1]) if text.strip() else None)
    return notebook, said


@pytest.fixture
def server(facility, admin):
    return Server(f"{facility.url}/user/admin", admin.token("test", 600))


def test_both_clients_work_at_once(facility, server, files):
    notebook, (official, ours) = run(
        server, "columns-test.ipynb", OFFICIAL.format(files=files), OURS.format()
    )
    assert official == [3, f"{facility.url}/services/columns"]
    assert ours[0] > 2000
    # The bar is a widget, and says how it ended.
    shown = [one for one in notebook.cells[1].outputs if one.output_type == "display_data"]
    assert any("application/vnd.jupyter.widget-view+json" in one.data for one in shown)
    path = facility.state / "home" / "admin" / "servicex.yaml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert f"{facility.url}/services/columns" in path.read_text()


def test_the_notebook_gets_the_same_histograms(facility, server, samples):
    notebook = nbformat.read(NOTEBOOKS / "columns.ipynb", 4)
    paths = [str(path) for path in sorted(samples.glob("*v12*"))] or [str(samples)]
    notebook.cells[1].source = f"DATA = {paths[0]!r}\nB_TAG = 0.2783"
    server.write_notebook("columns.ipynb", notebook)
    server.execute(notebook, "columns.ipynb", lambda heading: None)
    summary = json.loads((facility.state / "home" / "admin" / "columns.json").read_text())
    assert summary["identical"]
    assert sum(one for region in summary["yields"].values() for one in region.values()) > 0


LENT = """
import json
import casita_columns
from casita_clusters import connect, new_cluster
from servicex import dataset, query as q
FILES = {files}
cluster = new_cluster(workers=2)
client = connect(cluster.name, card=False)
casita_columns.lend(client)
query = q.UprootRaw([{{"treename": "Events", "filter_name": "MET_pt", "cut": "MET_pt > 12"}}])
def spec(files):
    sample = {{"Name": "x", "Dataset": dataset.FileList(files), "Query": query}}
    return {{"General": {{"OutputFormat": "parquet"}}, "Sample": [sample]}}
found = casita_columns.deliver(spec(FILES), progress="lines")["x"]
part = casita_columns.deliver(spec([*FILES[:1], "/gone.root"]), partial=True)["x"]
busy = client.submit(lambda: 7).result()
client.unregister_worker_plugin("casita-columns")
cluster.shutdown()
print(json.dumps([len(found), len(found.awkward()), found.request.executor, len(part), busy]))
"""


def test_a_cluster_that_is_lent_reads(tmp_path, files):
    (tmp_path / "casita.toml").write_text('[backends.columns]\nexecutor = "cluster"\n')
    with (
        running_facility(tmp_path / "state", "--config", tmp_path / "casita.toml") as facility,
        facility.login() as admin,
    ):
        admin.start_server()
        server = Server(f"{facility.url}/user/admin", admin.token("test", 600))
        _, (said,) = run(server, "lent.ipynb", LENT.format(files=files))
    assert said[0] == 3
    assert said[1] > 2000
    assert said[2:] == ["cluster", 1, 7]
