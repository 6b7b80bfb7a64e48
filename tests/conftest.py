"""Fixtures for every test: one real facility that they share, a browser, and real CMS files."""

import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

# Imported now: its plugin would do so amid a browser test, where CPython 3.11 can fail to parse
# ("AST constructor recursion depth mismatch", because of Playwright's greenlets).
import hypothesis  # noqa: F401
import pytest

from casita.data.catalogue import SAMPLES
from casita.data.fetch import fetch_samples
from casita.errors import DataError
from casita.testing import running_facility

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def facility(tmp_path_factory):
    """One facility for all tests that only use it."""
    from casita_clusters import closing  # noqa: F401 (tests throw closed Gateways away, too)

    with running_facility(tmp_path_factory.mktemp("facility") / "state") as running:
        yield running


@pytest.fixture(scope="session")
def admin(facility):
    """The administrator's session, with a running Jupyter server."""
    with facility.login() as session:
        session.start_server()
        yield session


CACHED = """
[tokens]
read = ["/store"]
[backends.cache]
directory = "{folder}/disk"
catalogue = "{folder}/datasets.json"
parallel = 1
[backends.cache.local]
directory = "{folder}/store"
prefix = "/store"
"""


@pytest.fixture(scope="session")
def caching():
    """Give a facility whose cache has one origin: a directory ``store`` of this machine."""

    @contextmanager
    def start(fill):
        """Call ``fill`` with the directory; its datasets are written by ``catalogue``."""
        if shutil.which("xrootd") is None:
            pytest.skip("xrootd is not installed (apt install xrootd-server)")
        # XRootD's account must be able to enter it, also if the tests are root's.
        folder = Path(tempfile.mkdtemp(prefix="casita-test-", dir="/var/tmp"))
        store = folder / "store"
        store.mkdir()
        fill(store)
        for one in (folder, *store.rglob("*")):
            one.chmod(0o755 if one.is_dir() else 0o644)
        (folder / "datasets.json").write_text("{}")
        (folder / "casita.toml").write_text(CACHED.format(folder=folder))
        try:
            with running_facility(folder / "state", "--config", folder / "casita.toml") as running:
                running.store = store
                running.origin = f"root://127.0.0.1:{running.site.ports['cache.origin']}"
                running.catalogue = lambda datasets: (folder / "datasets.json").write_text(
                    json.dumps(datasets)
                )
                yield running
        finally:
            shutil.rmtree(folder)

    return start


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """The folder with the catalogue's samples."""
    directory = tmp_path_factory.mktemp("samples")
    try:
        fetch_samples(SAMPLES, directory)
    except DataError as error:
        pytest.skip(f"no route to the package index: {error}")
    return directory


@pytest.fixture(scope="session")
def shots():
    """The folder for screenshots, kept as build output."""
    folder = Path(__file__).parents[1] / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def browser():
    """A Chromium; every test takes contexts of its own from it.

    Ended with its module: while Playwright is there, no other event loop can run in this thread.
    """
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (apt install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()
