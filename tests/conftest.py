"""Fixtures for every test: one real facility that they share, and real CMS files."""

# Imported now: its plugin would do so amid a browser test, where CPython 3.11 can fail to parse
# ("AST constructor recursion depth mismatch", because of Playwright's greenlets).
import hypothesis  # noqa: F401
import pytest

from casita.data.catalogue import SAMPLES
from casita.data.fetch import fetch_samples
from casita.errors import DataError
from casita.testing import running_facility


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


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """The folder with the catalogue's samples."""
    directory = tmp_path_factory.mktemp("samples")
    try:
        fetch_samples(SAMPLES, directory)
    except DataError as error:
        pytest.skip(f"no route to the package index: {error}")
    return directory
