"""Jupyter servers of people who are logged in, and what their answers have in common."""

import signal
from contextlib import contextmanager

import psutil

from casita.jupyter.testing import running_server
from casita.testing import casita


def log_in(facility, home, token=None):
    """Log in the administrator, or whose token it is, with this home; returns the variables."""
    if token is None:
        with facility.login() as person:
            token = person.token("test", 3600)
    places = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}
    casita("login", facility.url, "--token-stdin", env=places, stdin=token)
    return places


@contextmanager
def server_at(facility, home, token=None):
    """A Jupyter server of somebody who is logged in there."""
    log_in(facility, home, token)
    with running_server(home) as running:
        yield running


def error(answer, status):
    """Return what is said of an error, which has our form."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    found = answer.json()["error"]
    assert set(found) == {"code", "message", "hint"}
    return found


def told(server, section, seconds=30):
    """Give the (name, content) of a section's stream after the first, which says what there is."""
    events = server.events(f"events?watch={section}", seconds)
    assert next(events) == ("watches", {"names": [section]})
    yield from events


@contextmanager
def frozen(facility):
    """The cache's origin hears and says nothing."""
    listed = facility.status()["processes"]
    origin = psutil.Process(next(one["pid"] for one in listed if one["name"] == "cache-origin"))
    origin.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        origin.send_signal(signal.SIGCONT)
