"""A notebook in the facility's own Jupyter server: nothing is installed or asked for by hand."""

import hashlib
import json
import os
import subprocess

import nbformat
import pytest

from casita.demo.notebook import Server

from .conftest import ROOT, facility_with, port_of, program

GUARDED = """
[tokens]
lifetime = "30s"
[backends.cache]
tokens = true
program = "{program}"
directory = "{directory}"
[backends.cache.local]
directory = "{data}"
prefix = "/store"
"""
TINY = """
[backends.cache]
directory = "{directory}"
[backends.cache.local]
directory = "{data}"
prefix = "/store"
"""


def test_a_notebook_has_a_token_and_the_cache(world, data, newer):
    with facility_with(world, GUARDED, data=data, program=newer) as facility:
        url = f"root://127.0.0.1:{port_of(facility, 'origin')}//store/a.root"
        code = f"""
import json, os, stat, uproot
with uproot.open({url!r}) as file:
    total = file["Events"].num_entries
import casita_cache
report = casita_cache.report()
path = os.environ["BEARER_TOKEN_FILE"]
print(json.dumps([total, report.read, report.direct, oct(os.stat(path).st_mode)[-3:]]))
report
"""
        card = "casita_cache.card()"
        cells = [nbformat.v4.new_code_cell(one) for one in (code, card)]
        notebook = nbformat.v4.new_notebook(cells=cells)
        with facility.login() as admin:
            admin.start_server()
            server = Server(f"{facility.url}/user/admin", admin.token("test", 600))
            server.write_notebook("cache.ipynb", notebook)
            server.execute(notebook, "cache.ipynb", lambda heading: None)
        said, shown = notebook.cells[0].outputs[-2:]
        total, read, direct, mode = json.loads(said["text"].splitlines()[-1])
        assert (total, direct, mode) == (200_000, 0, "600")
        assert read > 1000
        assert "through the cache" in shown["data"]["text/html"]
        assert "application/vnd.jupyter.widget-view+json" in notebook.cells[1].outputs[0]["data"]


@pytest.mark.skipif(not ROOT, reason="needs root, to make a disk that is full soon")
def test_a_full_disk_stops_no_reading(world, data):
    with facility_with(world, TINY, data=data) as facility:
        disk = facility.disk / "cache-local" / "data"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m,mode=777", "tmpfs", disk], check=False
        )
        if mounted.returncode:
            pytest.skip("no file system can be mounted here")
        try:
            done = facility.casita("restart", "cache-local", check=False)
            assert done.returncode == 0, facility.logs()
            (data / "big.bin").write_bytes(os.urandom(30 * 2**20))
            (data / "big.bin").chmod(0o644)
            url = f"root://127.0.0.1:{port_of(facility, 'origin')}//store/big.bin"
            code = f"""
import hashlib
with fsspec.open({url!r}) as stream:
    digest = hashlib.sha256()
    while piece := stream.read(2**20):
        digest.update(piece)
print(digest.hexdigest())
"""
            right = hashlib.sha256((data / "big.bin").read_bytes()).hexdigest()
            for _ in range(2):
                assert program(facility, code).stdout.split()[-1] == right
        finally:
            facility.casita("down")
            subprocess.run(["umount", disk], check=True)
            (data / "big.bin").unlink(missing_ok=True)
