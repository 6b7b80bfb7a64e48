"""The unit of a real host, and `casita up` as systemd runs it."""

import shutil
import signal
import socket
import subprocess
import sys

import pytest

from casita import supervisor
from casita.testing import ROOT as AS_ROOT
from casita.testing import Facility, stop_facility, wait_for

from .conftest import ROOT

UNIT = ROOT / "facility" / "systemd" / "casita.service"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze (systemd)")
def test_the_unit_is_valid(tmp_path):
    text = UNIT.read_text()
    assert "/opt/casita/.venv/bin/casita" in text
    here = tmp_path / UNIT.name
    here.write_text(text.replace("/opt/casita/.venv/bin/casita", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", here], capture_output=True, text=True, check=False
    )
    said = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_up_in_the_foreground_says_when_it_is_ready_and_stops_on_sigterm(tmp_path):
    facility = Facility(tmp_path / "state")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(120)
        command = [sys.executable, "-m", "casita", "up", "--state", facility.state, *AS_ROOT]
        running = subprocess.Popen(
            command, env={"NOTIFY_SOCKET": str(tmp_path / "notify")}, stdout=subprocess.DEVNULL
        )
        try:
            assert systemd.recv(100) == b"READY=1"
            assert facility.status()["state"] == "up"
            running.send_signal(signal.SIGTERM)
            assert running.wait(120) == 0
            assert facility.remains() == []
        finally:
            running.kill()
            stop_facility(facility)


def test_up_in_the_foreground_fails_when_its_supervisor_is_killed(tmp_path):
    facility = Facility(tmp_path / "state")
    command = [sys.executable, "-m", "casita", "up", "--state", facility.state, *AS_ROOT]
    running = subprocess.Popen(
        command, env={}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = wait_for(lambda: "Ctrl-C" in (running.stdout.readline() or "Ctrl-C ended"), 120)
        assert line
        supervisor.daemon(facility.site).kill()
        assert running.wait(30) == 1  # so systemd starts it again
        assert "supervisord was killed" in running.stderr.read()
    finally:
        running.kill()
        stop_facility(facility)
