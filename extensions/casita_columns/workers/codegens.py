"""Which code generators there are: the list tells the truth."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from casita_columns.workers.sandbox import TRANSFORM, Sandbox

TITLES = {
    "uproot-raw": "uproot: columns, cut and aliases of trees",
    "uproot": "func_adl, run by uproot",
    "python": "a Python function for each file",
    "atlasxaod": "func_adl for ATLAS xAOD",
    "atlasr21": "func_adl for ATLAS, release 21",
    "atlasr22": "func_adl for ATLAS, release 22",
    "cms": "func_adl for CMS AOD",
    "topcp": "TopCPToolkit",
}
NEEDS = {
    "uproot-raw": ("uproot", "awkward", "pyarrow"),
    "uproot": ("func_adl_uproot", "qastle", "dask_awkward", "pyarrow"),
    "python": ("uproot", "awkward", "pyarrow"),
}
"""What each of ours imports."""
PROBE = """
import importlib.metadata, importlib.util, json, sys
def version(name):
    if importlib.util.find_spec(name) is None:
        return None
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""
PROBE_SECONDS = 60


@dataclass(frozen=True)
class Codegens:
    """The code generators of this facility."""

    here: tuple[str, ...]
    """Those that run here."""
    code: str
    """Hash of all that turns a file into a result, but the query."""

    @property
    def images(self) -> dict[str, str]:
        """What ServiceX calls ``code-gen-image``."""
        return {name: f"casita/{name}" for name in self.here}

    def query(self, codegen: str, selection: str, form: str) -> str:
        """Return a hash of a query: results of the same one are the same for the same files."""
        text = json.dumps([codegen, selection, form, self.code])
        return hashlib.sha256(text.encode()).hexdigest()


def probe(python: Path) -> Codegens:
    """Return what an interpreter can run.

    Raises
    ------
    OSError
        There is no such program.
    """
    names = sorted({name for some in NEEDS.values() for name in some})
    done = subprocess.run(
        [str(python), "-I", "-c", PROBE, *names],
        capture_output=True,
        text=True,
        timeout=PROBE_SECONDS,
        check=False,
        env=Sandbox.environment(),
    )
    found = json.loads(done.stdout) if done.returncode == 0 else {}
    here = [
        one for one, needs in NEEDS.items() if all(found.get(name) is not None for name in needs)
    ]
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode())
    for path in sorted(TRANSFORM.glob("*.py")):
        digest.update(path.read_bytes())
    return Codegens(tuple(here), digest.hexdigest()[:16])
