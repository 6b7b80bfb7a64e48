"""Tokens for terminals, jobs and programs: made, bounded, refused; ``casita run``."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from casita import sweep
from casita.config import FacilityConfig
from casita.login import scopes
from casita.site import prepare
from casita.testing import casita, wait_for

LOGIN = "/services/login"
GATEWAY = "/services/dask-gateway/api/v1"
SCOPES = {name: scopes.OWN[name] for name in ("gateway", "login", "servers")}
TOKEN = re.compile(r"[0-9a-zA-Z_-]{20,}")


@pytest.fixture(scope="module")
def admin(facility):
    """The administrator, logged in at the hub as a browser would be."""
    with facility.login() as session:
        yield session


@pytest.fixture
def home(tmp_path):
    """The variables of a person with an empty home directory."""
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


def logged_in(facility, admin, home, *names, seconds=3600):
    """Log a terminal in with a token that the hub made; returns the token."""
    token = admin.token("test", seconds, [SCOPES[name] for name in names])
    casita("login", facility.url, "--token-stdin", env=home, stdin=token)
    return token


def ask(facility, method, path, token, **more):
    headers = {"Authorization": f"Bearer {token}".encode()} if token else {}
    return httpx.request(method, facility.url + path, headers=headers, **more)


def refused(*words, **more):
    """Run a command that must fail with one sentence and at most a hint; returns stderr."""
    done = casita(*words, check=False, **more)
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert 1 <= len(done.stderr.splitlines()) <= 2, done.stderr
    assert done.stderr.startswith("error: ")
    return done.stderr


# ---- make, list, revoke


def test_a_token_is_made_listed_used_and_revoked(facility, admin, home):
    logged_in(facility, admin, home, "gateway", "login", seconds=7200)
    done = casita("token", "create", "--scope", "gateway", "--expires", "10m", "--quiet", env=home)
    token = done.stdout.strip()
    assert TOKEN.fullmatch(token)
    assert done.stdout == f"{token}\n"
    assert done.stderr == ""
    assert ask(facility, "GET", f"{GATEWAY}/clusters/", token).status_code == 200

    words = ("--scope", "gateway,login", "--expires", "90s", "--note", "job [/x]\x1b[31m")
    made = json.loads(casita("token", "create", *words, "--json", env=home).stdout)
    assert made["scopes"] == ["gateway", "login"]
    assert made["note"] == "job [/x][31m"
    spoken = casita("token", "create", env=home)
    assert TOKEN.fullmatch(spoken.stdout.strip())
    assert re.search(r"For gateway, until .* UTC; .* `casita token revoke a\d+`", spoken.stderr)

    listed = json.loads(casita("token", "list", "--json", env=home).stdout)
    mine = {one["id"]: one for one in listed}
    assert mine[made["id"]]["token"] is None
    table = casita("token", "list", env=home).stdout
    assert made["id"] in table
    assert "job [/x]" in table
    assert token not in table

    assert ask(facility, "GET", f"{LOGIN}/whoami", made["token"]).status_code == 200
    casita("token", "revoke", made["id"], env=home)
    assert ask(facility, "GET", f"{LOGIN}/whoami", made["token"]).status_code == 401
    assert f"you have no token '{made['id']}'" in refused("token", "revoke", made["id"], env=home)


def test_the_operator_needs_no_login(facility):
    done = facility.casita("token", "create", "--scope", "servers", "--expires", "14d", "-q")
    about = ask(facility, "GET", f"{LOGIN}/whoami", done.stdout.strip()).json()
    assert about["user"] == "admin"
    assert about["scopes"] == ["servers"]
    assert about["expires"] > time.time() + 13 * 86400
    # Who tidies up their tokens does not lock themselves out.
    listed = json.loads(facility.casita("token", "list", "--json").stdout)
    for one in listed:
        if one["note"] == "operator on this machine":
            facility.casita("token", "revoke", one["id"])
    facility.casita("clusters", "list")
    for offered in ("", "garbage", "é"):
        answer = ask(facility, "POST", f"{LOGIN}/operator", offered)
        assert answer.status_code == 401


def test_what_can_not_be_asked_for(facility, admin, home):
    logged_in(facility, admin, home, "gateway", "login")
    create = ("token", "create")
    said = refused(*create, "--scope", "nonsense", env=home)
    assert "unknown scope 'nonsense'" in said
    assert "there are: cache, columns, gateway, login, servers" in said
    assert "a token may live 14d here, not 15d" in refused(*create, "--expires", "15d", env=home)
    assert "is no duration" in refused(*create, "--expires", "soon", env=home)
    assert "is over at once" in refused(*create, "--expires", "0m", env=home)
    for body in ({}, {"scopes": [], "expires_in": 5}, {"scopes": ["gateway"], "expires_in": -1}):
        answer = ask(facility, "POST", f"{LOGIN}/tokens", admin.token("x", 60), json=body)
        assert answer.status_code == 422
        assert answer.json()["error"]["message"]


# ---- a token makes nothing wider than itself


def test_a_narrow_token_can_not_be_widened(facility, admin, home):
    token = logged_in(facility, admin, home, "gateway", "login")
    said = refused("token", "create", "--scope", "servers", env=home)
    assert "does not hold the scope 'servers', so it can't pass it on" in said
    # Nor at the hub itself, nor by the back door.
    for body in ({"scopes": [SCOPES["servers"]]}, {"scopes": [SCOPES["gateway"]]}, {}):
        answer = ask(facility, "POST", "/hub/api/users/admin/tokens", token, json=body)
        assert answer.status_code in (403, 404)
    assert ask(facility, "POST", f"{LOGIN}/operator", token).status_code == 401
    assert ask(facility, "GET", "/user/admin/api/contents", token).status_code in (302, 403, 503)
    # What it makes is no wider either.
    child = casita("token", "create", "--scope", "login", "-q", "--expires", "5m", env=home)
    body = {"scopes": ["gateway"], "expires_in": 60}
    answer = ask(facility, "POST", f"{LOGIN}/tokens", child.stdout.strip(), json=body)
    assert answer.status_code == 403


def test_a_token_makes_none_that_outlives_it(facility, admin, home):
    logged_in(facility, admin, home, "gateway", "login", seconds=300)
    said = refused("token", "create", "--expires", "1h", env=home)
    assert re.search(r"your own token ends in [45]m, so it can't make one that lives 1h", said)
    casita("token", "create", "--expires", "4m", env=home)
    # Who may make any token at the hub may do so here, too.
    body = {"scopes": ["gateway"], "expires_in": "13d"}
    answer = ask(facility, "POST", f"{LOGIN}/tokens", admin.token("x", 60), json=body)
    assert answer.status_code == 201


def test_scopes_are_covered_by_their_owners_and_unfiltered_forms():
    servers = "access:servers!user"
    for held in (servers, f"{servers}=ann", "access:servers"):
        assert scopes.not_held([servers], [held], "ann") == []
    for held in (f"{servers}=bob", "access:servers!server=ann/", "access:services"):
        assert scopes.not_held([servers], [held], "ann") == [servers]


# ---- refused


@pytest.fixture(scope="module")
def bad(facility, admin):
    """Tokens that open nothing, by what is wrong with them."""
    expired = admin.token("test", 1, [SCOPES["gateway"], SCOPES["login"]])
    revoked = admin.api(
        "POST", "/users/admin/tokens", json={"expires_in": 60, "scopes": [SCOPES["gateway"]]}
    ).json()
    admin.api("DELETE", f"/users/admin/tokens/{revoked['id']}")
    wait_for(
        lambda: ask(facility, "GET", f"{LOGIN}/whoami", expired).status_code == 401, 20, "expiry"
    )
    return {
        "none": "",
        "expired": expired,
        "revoked": revoked["token"],
        "garbage": "garbage",
        "foreign": "tökén",
        "narrow": admin.token("test", 600, ["read:users:name!user"]),
    }


KINDS = ["none", "expired", "revoked", "garbage", "foreign", "narrow"]


@pytest.mark.parametrize("kind", KINDS)
def test_bad_tokens_are_refused_by_the_gateway(facility, bad, kind):
    for method, path in (
        ("GET", f"{GATEWAY}/clusters/"),
        ("GET", f"{GATEWAY}/options"),
        ("GET", f"{GATEWAY}/limits"),
        ("POST", f"{GATEWAY}/clusters/"),
    ):
        answer = ask(facility, method, path, bad[kind])
        assert answer.status_code == 401, (method, path)
        assert "revoked, expired, or not for Dask clusters" in answer.json()["error"]


@pytest.mark.parametrize("kind", KINDS)
def test_bad_tokens_are_refused_by_the_login_service(facility, bad, kind):
    for method, path, more in (
        ("GET", "tokens", {}),
        ("DELETE", "tokens/a1", {}),
        ("POST", "tokens", {"json": {"scopes": ["gateway"], "expires_in": 5}}),
    ):
        answer = ask(facility, method, f"{LOGIN}/{path}", bad[kind], **more)
        assert answer.status_code == (403 if kind == "narrow" else 401), (method, path)
        error = answer.json()["error"]
        assert set(error) == {"code", "message", "hint"}
        assert error["message"]
        assert (answer.headers.get("WWW-Authenticate") == "Bearer") is (kind != "narrow")


@pytest.mark.parametrize("kind", ["expired", "revoked", "garbage", "narrow"])
def test_bad_tokens_are_one_sentence_in_a_terminal(facility, admin, bad, home, kind):
    logged_in(facility, admin, home, "gateway", "login")
    path = f"{home['XDG_CONFIG_HOME']}/casita/credentials.json"
    with open(path) as stream:
        kept = json.load(stream)
    kept["facilities"][facility.url]["token"] = bad[kind]
    with open(path, "w") as stream:
        json.dump(kept, stream)
    said = refused("clusters", "list", env=home)
    assert f"{facility.url} refused the token (401): the hub token is missing" in said
    assert f"hint: `casita login {facility.url}` gets a new one" in said
    said = refused("token", "list", env=home)
    sentence = "lacks the scope 'login'" if kind == "narrow" else "unknown, revoked or expired"
    assert sentence in said
    assert bad[kind] not in said
    # To log out of a dead token is no error.
    casita("logout", env=home)


def test_a_login_known_to_have_expired_is_not_even_sent(facility, admin, home):
    logged_in(facility, admin, home, "gateway", seconds=5)
    time.sleep(5.1)
    for words in (("clusters", "list"), ("run", "--", "true"), ("whoami",)):
        said = refused(*words, env=home)
        assert f"the token for {facility.url} has expired" in said
        assert f"casita login {facility.url}" in said


def test_another_users_tokens_do_not_exist(facility, admin):
    admin.api("POST", "/users/bob")
    try:
        body = {"note": "x", "expires_in": 600, "scopes": [SCOPES["login"], SCOPES["gateway"]]}
        bob = admin.api("POST", "/users/bob/tokens", json=body).json()["token"]
        made = ask(
            facility,
            "POST",
            f"{LOGIN}/tokens",
            bob,
            json={"scopes": ["gateway"], "expires_in": 60},
        ).json()
        mine = admin.token("x", 60)
        for identifier in (made["id"], "a999999", "../tokens/a1"):
            answer = ask(facility, "DELETE", f"{LOGIN}/tokens/{identifier}", mine)
            assert answer.status_code == 404, identifier
        listed = ask(facility, "GET", f"{LOGIN}/tokens", mine).json()
        assert made["id"] not in {one["id"] for one in listed}
        assert ask(facility, "GET", f"{LOGIN}/whoami", made["token"]).json()["user"] == "bob"
    finally:
        admin.api("DELETE", "/users/bob")


def test_while_the_hub_is_away_one_is_told_to_come_back(facility, admin):
    token = admin.token("x", 600)
    restart = subprocess.Popen(
        [sys.executable, "-m", "casita", "restart", "hub", "--state", str(facility.state)],
        stdout=subprocess.DEVNULL,
    )
    try:
        for path in (f"{LOGIN}/tokens", f"{GATEWAY}/clusters/"):
            answer = wait_for(lambda path=path: away(facility, path, token), 30, "the hub is away")
            assert answer.headers["Retry-After"] == "5"
            assert "the hub does not answer" in answer.text
    finally:
        assert restart.wait(120) == 0
    for path in (f"{LOGIN}/tokens", f"{GATEWAY}/clusters/"):
        assert ask(facility, "GET", path, token).status_code == 200


def away(facility, path, token):
    """Return the service's own 503, or None."""
    answer = ask(facility, "GET", path, token)
    return answer if answer.status_code == 503 and "Retry-After" in answer.headers else None


def test_a_terminal_inside_the_facility_needs_no_login(facility, admin):
    admin.start_server()
    server = next(
        one.process
        for one in sweep.belongings(facility.site.instance)
        if not one.service and "jupyterhub-singleuser" in " ".join(one.process.cmdline())
    )
    inside = server.environ()
    me = json.loads(casita("whoami", "--json", env=inside).stdout)
    assert (me["user"], me["expires"]) == ("admin", None)
    assert {"gateway", "login"} <= set(me["scopes"])
    casita("clusters", "list", env=inside)
    # Its token may open this server, but pass on no more than clusters.
    assert "does not hold the scope 'servers'" in refused(
        "token", "create", "--scope", "servers", env=inside
    )
    assert TOKEN.fullmatch(casita("token", "create", "-q", env=inside).stdout.strip())
    # It is the server's, not a login that one could end.
    assert "not logged in" in refused("logout", env={**inside, "XDG_CONFIG_HOME": "/nonexistent"})


# ---- casita run


@contextmanager
def running(home, *words):
    """Run a command in the background; gives the process once it has printed a line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "casita", "run", "--", *words],
        env={**os.environ, **home},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


SCRIPT = """
from dask_gateway import Gateway

with Gateway() as gateway:
    before = gateway.list_clusters()
    cluster = gateway.new_cluster()
    print([one.name for one in gateway.list_clusters() if one not in before].count(cluster.name))
    cluster.scale(1)
    with cluster.get_client() as client:
        print(client.submit(sum, [1, 2, 3]).result(timeout=60))
    cluster.shutdown()
"""


def test_a_local_script_uses_the_gateway_without_a_word(facility, admin, home, tmp_path):
    logged_in(facility, admin, home, "gateway")
    script = tmp_path / "analysis.py"
    script.write_text(SCRIPT)
    done = casita("run", "--", sys.executable, script, env=home)
    assert done.stdout.split() == ["1", "6"]
    assert done.stderr == ""


def test_another_python_is_told_of_nothing_that_it_lacks(facility, admin, home, tmp_path):
    logged_in(facility, admin, home, "gateway")
    show = "import os; print([key for key in os.environ if 'SECURITY_LOADER' in key])"
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    for path, program, told in (
        (f"{tmp_path}:/usr/bin:/bin", "python", False),
        (f"{tmp_path}:/usr/bin:/bin", sys.executable, True),
        (f"{sys.prefix}/bin:/usr/bin:/bin", "env", True),
    ):
        words = (program, *(("python",) if program == "env" else ()), "-c", show)
        done = casita("run", "--", *words, env={**home, "PATH": path})
        assert ("SECURITY_LOADER" in done.stdout) is told, (path, program)


def test_arguments_and_exit_status_pass_through(facility, admin, home):
    logged_in(facility, admin, home, "gateway")
    show = "import sys; print(sys.argv[1:]); sys.exit(7)"
    words = ("--help", "-x", "--state", "a b", "")
    for dashes in (("--",), ()):
        done = casita("run", *dashes, sys.executable, "-c", show, *words, env=home, check=False)
        assert done.returncode == 7
        assert done.stdout.strip() == str(list(words))
    done = casita("run", "--", sys.executable, "-c", "import os; os.kill(os.getpid(), 15)",
                  env=home, check=False)  # fmt: skip
    assert done.returncode == -signal.SIGTERM
    said = refused("run", "--", "no-such-program", env=home)
    assert "no-such-program: no such command" in said


def test_a_command_that_can_not_be_run_is_one_sentence(facility, admin, home, tmp_path):
    logged_in(facility, admin, home, "gateway")
    program = tmp_path / "program"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    assert f"{program} can't be run" in refused("run", "--", program, env=home)


CATCH = """
import sys, time
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(42)
"""


def test_signals_reach_the_command_itself(facility, admin, home):
    logged_in(facility, admin, home, "gateway")
    with running(home, sys.executable, "-c", CATCH) as process:
        os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does
        assert process.wait(20) == 42
    with running(home, sys.executable, "-c", CATCH) as process:
        process.terminate()
        assert process.wait(20) == -signal.SIGTERM


def test_nothing_is_sent_to_the_port_of_a_facility_that_is_down(tmp_path):
    site = prepare(FacilityConfig(), tmp_path / "state")
    said = refused("whoami", "--state", site.state)
    assert f"the facility in {site.state} is down" in said
