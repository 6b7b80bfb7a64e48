"""Fixtures for every test: one real facility that they share."""

import pytest

from casita.testing import running_facility


@pytest.fixture(scope="session")
def facility(tmp_path_factory):
    """One facility for all tests that only use it."""
    with running_facility(tmp_path_factory.mktemp("facility") / "state") as running:
        yield running


@pytest.fixture(scope="session")
def admin(facility):
    """The administrator's session, with a running Jupyter server."""
    with facility.login() as session:
        session.start_server()
        yield session
