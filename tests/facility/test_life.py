"""A facility's life, as its operator sees it: up, kill, restart, down."""

import os
import re
import socket
import subprocess
import sys

import httpx
import psutil
import pytest

from casita import supervisor, sweep
from casita.testing import ROOT, Facility, casita, start_facility, stop_facility, wait_for


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A facility that these tests may maltreat, with a running Jupyter server."""
    facility = start_facility(tmp_path_factory.mktemp("life") / "state")
    with facility.login() as session:
        session.start_server()
    yield facility
    stop_facility(facility)


def pid_of(facility: Facility, name: str) -> int:
    return next(p["pid"] for p in facility.status()["processes"] if p["name"] == name)


def servers(facility: Facility) -> set[int]:
    """Pids of users' Jupyter servers."""
    return {
        one.process.pid
        for one in sweep.belongings(facility.site.instance)
        if not one.service and "jupyterhub-singleuser" in " ".join(one.process.cmdline())
    }


def test_status_has_the_documented_shape(own):
    status = own.status()
    assert status["state"] == "up"
    assert status["profile"] == "embedded"
    assert httpx.get(status["url"] + "/hub/login").status_code == 200
    names = {p["name"] for p in status["processes"]}
    assert {"hub", "proxy", "gateway", "gateway-proxy", "front", "login", "culler"} <= names
    for process in status["processes"]:
        assert set(process) == {"name", "state", "pid", "port", "healthy", "detail"}
        assert process["healthy"], process
    assert own.casita("status").returncode == 0


def test_everything_listens_on_loopback_only(own):
    listening = [
        (one.service, connection.laddr.ip)
        for one in sweep.belongings(own.site.instance)
        for connection in one.process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert {ip for _, ip in listening} <= {"127.0.0.1", "::1"}, listening


def test_a_second_up_is_refused_in_one_line(own):
    before = (own.state / "casita.toml").read_text()
    other = own.state / "other.toml"
    other.write_text('[facility]\nname = "other"\n')
    done = own.casita("up", "--detach", "--config", other, *ROOT, check=False)
    assert done.returncode == 1
    assert (own.state / "casita.toml").read_text() == before
    assert f"already up in {own.state}: {own.url}" in done.stderr
    assert done.stderr.count("\n") == 2  # the error and the hint


@pytest.mark.parametrize("name", ["hub", "proxy", "gateway", "front"])
def test_a_killed_process_comes_back_and_users_servers_stay(own, name):
    before, users = pid_of(own, name), servers(own)
    psutil.Process(before).kill()
    wait_for(lambda: pid_of(own, name) not in (before, None), 60, f"{name} comes back")
    wait_for(lambda: own.status()["state"] == "up", 90, "the facility is up again")
    assert servers(own) == users


def test_users_servers_survive_a_restart_of_the_hub(own):
    users = servers(own)
    assert users
    own.casita("restart", "hub")
    assert servers(own) == users
    with own.login() as session:
        assert session.api("GET", "/users/admin").json()["servers"][""]["ready"]
        token = session.token("test", 60)
    answer = httpx.get(
        f"{own.url}/user/admin/api/status", headers={"Authorization": f"token {token}"}
    )
    assert answer.status_code == 200


def test_up_recovers_from_kill_9_of_everything_but_users_servers(own):
    users = servers(own)
    for one in sweep.belongings(own.site.instance):
        if one.service:
            one.process.kill()
    wait_for(lambda: not [b for b in sweep.belongings(own.site.instance) if b.service])
    assert own.status()["state"] == "down"
    done = own.casita("up", "--detach", *ROOT)
    assert "go on" in done.stdout
    assert servers(own) == users
    assert own.status()["state"] == "up"


def test_up_cleans_what_an_orphaned_supervisor_left(own):
    daemon = supervisor.daemon(own.site)
    daemon.kill()
    daemon.wait(10)
    assert "left-over processes" in own.casita("doctor", check=False).stdout
    done = own.casita("up", "--detach", *ROOT)
    assert "an earlier run left without supervisor" in done.stdout
    assert own.status()["state"] == "up"


def test_doctor_finds_nothing_wrong_and_then_a_world_readable_secret(own):
    done = own.casita("doctor", check=False)
    assert done.returncode == 0, done.stdout
    secret = own.state / "secrets" / "admin_password"
    secret.chmod(0o644)
    try:
        done = own.casita("doctor", check=False)
    finally:
        secret.chmod(0o600)
    assert done.returncode == 1
    assert f"chmod go= {secret}" in done.stdout


def test_logs_hold_no_secret(own):
    secrets = [path.read_text() for path in (own.state / "secrets").iterdir()]
    text = "".join(path.read_text(errors="replace") for path in own.site.logs.iterdir())
    commands = " ".join(" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    for secret in secrets:
        assert secret not in text
        assert secret not in commands


def test_logs_command(own):
    assert "hub" in own.casita("logs").stdout.split()
    assert "JupyterHub" in own.casita("logs", "hub", "-n", "2000").stdout
    done = own.casita("logs", "nothing", check=False)
    assert done.returncode == 1
    assert "there are:" in done.stderr


def test_a_busy_port_is_one_clear_line(tmp_path):
    config = tmp_path / "casita.toml"
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        config.write_text(f"[facility]\nport = {port}\n")
        done = casita(
            "up", "--detach", "--config", config, "--state", tmp_path / "s", *ROOT, check=False
        )
    assert done.returncode == 1
    assert f"port {port} (facility.port) is in use by" in done.stderr
    assert f"pid {os.getpid()}" in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount a small disk")
def test_a_full_disk_is_one_clear_line(tmp_path):
    """On a disk of its own, in a mount namespace that ends with the command."""
    words = [sys.executable, "-m", "casita", "up", "--detach", *ROOT, "--state", tmp_path / "s"]
    mount = 'mount -t tmpfs -o size=20m none "$0" && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, tmp_path, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"only .* free, 200 MiB needed", done.stderr), done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_a_wrong_config_starts_nothing(tmp_path):
    config = tmp_path / "casita.toml"
    config.write_text("[facility]\nporrt = 1\n")
    done = casita("up", "--config", config, "--state", tmp_path / "s", *ROOT, check=False)
    assert done.returncode == 1
    assert "line 2: facility.porrt is not a known key" in done.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="asks what happens to root")
def test_root_is_refused_without_the_flag(tmp_path):
    done = casita("up", "--state", tmp_path / "s", check=False)
    assert done.returncode == 1
    assert "you are root" in done.stderr
    assert "--allow-root" in done.stderr


def test_down_leaves_nothing_and_says_so(tmp_path):
    facility = start_facility(tmp_path / "state")
    with facility.login() as session:
        session.start_server()
    assert servers(facility)
    facility.casita("down")
    assert facility.remains() == []
    assert facility.status()["state"] == "down"
    done = casita("status", "--state", tmp_path / "elsewhere", check=False)
    assert "no facility in" in done.stderr
