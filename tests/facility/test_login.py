"""``casita login``: a terminal asks, a person approves in a browser, and only they can."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest

from casita.login.store import OPEN_PER_ADDRESS, Store, normal_code
from casita.testing import casita

PREFIX = "/services/login"
PAGE = f"{PREFIX}/"


@pytest.fixture
def home(tmp_path):
    """The variables of a person with an empty home directory."""
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


class Person:
    """Somebody whose browser is logged in to the hub."""

    def __init__(self, facility):
        with facility.login() as session:
            cookies = session._http.cookies
        self.http = httpx.Client(
            base_url=facility.url, cookies=cookies, follow_redirects=True, timeout=30
        )

    def open(self, code=""):
        return self.http.get(PAGE, params={"code": code} if code else {})

    def decide(self, code, answer):
        page = self.open(code)
        assert page.status_code == 200, page.text
        return self.post(form_of(page), answer)

    def post(self, form, answer):
        return self.http.post(PAGE, data={"form": form, "answer": answer})


def form_of(page):
    return re.search(r'name="form" value="([^"]+)"', page.text)[1]


@pytest.fixture(scope="module")
def person(facility):
    found = Person(facility)
    yield found
    found.http.close()


@contextlib.contextmanager
def terminal(home, *words):
    """Start ``casita login`` as a process; gives it and the code that it shows."""
    hidden = ("CASITA", "JUPYTERHUB", "DASK_")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    process = subprocess.Popen(
        [sys.executable, "-m", "casita", "login", *words],
        env={**clean, **home},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        shown = process.stdout.readline() + process.stdout.readline()
        code = re.search(r"the code (\w{4}-\w{4})", shown)
        assert code, shown + process.stderr.read()
        yield process, code[1]
    finally:
        process.kill()
        process.communicate()


def kept_in(home):
    return Path(home["XDG_CONFIG_HOME"]) / "casita" / "credentials.json"


def credentials(home):
    kept = json.loads(kept_in(home).read_text())
    return kept["facilities"][kept["current"]]


def begin(facility, **form):
    answer = httpx.post(f"{facility.url}{PREFIX}/device", data=form)
    assert answer.status_code == 200, answer.text
    return answer.json()


def fetch(facility, device):
    form = {"device_code": device["device_code"]}
    return httpx.post(f"{facility.url}{PREFIX}/token", data=form)


def whoami(facility, token):
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{facility.url}{PREFIX}/whoami", headers=headers)


# ---- the main road


def test_a_terminal_is_connected_and_disconnected(facility, person, home):
    with terminal(home, facility.url) as (process, code):
        page = person.open(code.lower().replace("-", ""))
        for text in ("admin", code, "127.0.0.1", "7 days", "start and use your Dask clusters"):
            assert text in page.text
        assert "Approved" in person.post(form_of(page), "approve").text
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert f"Logged in to casita ({facility.url}) as admin, for 7d: gateway, login" in out
    token = credentials(home)["token"]
    assert token not in out + err
    assert stat.S_IMODE(kept_in(home).stat().st_mode) == 0o600
    assert stat.S_IMODE(kept_in(home).parent.stat().st_mode) == 0o700

    shown = casita("whoami", env=home).stdout
    assert f"admin at {facility.url}, for 7d" in shown
    assert "gateway" in shown
    assert "servers" not in shown
    assert json.loads(casita("whoami", "--json", env=home).stdout)["scopes"] == [
        "gateway",
        "login",
        "cache",
        "columns",
    ]
    casita("clusters", "list", env=home)

    assert f"Logged out of {facility.url}" in casita("logout", env=home).stdout
    assert whoami(facility, token).status_code == 401
    done = casita("whoami", env=home, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: not logged in to a facility\nhint: casita login URL\n"
    assert casita("logout", env=home, check=False).returncode == 1


def test_a_denied_terminal_gets_nothing(facility, person, home):
    with terminal(home, facility.url, "--scope", "servers") as (process, code):
        page = person.open(code)
        assert "open your Jupyter server" in page.text
        assert "Dask" not in page.text
        assert "Denied" in person.post(form_of(page), "deny").text
        assert process.wait(30) == 1
        err = process.stderr.read()
    assert err == "error: no login: admin denied it\nhint: run `casita login` again\n"
    assert not kept_in(home).exists()


def test_a_code_that_has_expired_ends_the_wait(facility, person, home):
    with terminal(home, facility.url) as (process, code):
        with contextlib.closing(
            sqlite3.connect(facility.state / "hub" / "login.sqlite", timeout=10)
        ) as database:
            database.execute("update requests set expires = 0 where user_code = ?", [code])
            database.commit()
        assert "mistyped, used or expired" in person.open(code).text
        assert process.wait(30) == 1
        assert "no login: this login has expired or was used" in process.stderr.read()


def test_ctrl_c_ends_the_wait(facility, home):
    with terminal(home, facility.url) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(10) != 0
        assert "Traceback" not in process.stderr.read()


def test_a_restart_of_the_service_loses_no_login(facility, person, home):
    with terminal(home, facility.url) as (process, code):
        facility.casita("restart", "login")
        assert "Approved" in person.decide(code, "approve").text
        facility.casita("restart", "login")
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Logged in" in out


def test_a_token_that_was_handed_out_is_kept_though_the_service_restarts(home):
    """A stand-in for the facility, that is away at just that moment."""
    about = {"name": "away", "gateway": "/services/dask-gateway", "traffic": "gateway://x:1"}
    me = {"user": "ann", "token": "a1", "scopes": ["gateway"], "hub_scopes": [], "expires": None}
    answers = [(200, about), (502, {}), (404, {}), (200, me)]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, content = answers.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = casita("login", url, "--token-stdin", env=home, stdin="f" * 32)
        server.shutdown()
    assert "Logged in to away" in done.stdout
    assert answers == []
    assert credentials(home)["token"] == "f" * 32


# ---- who may approve what


def test_a_code_is_good_for_one_token_however_many_ask_at_once(facility, person):
    device = begin(facility, scope="gateway", expires_in=60)
    assert fetch(facility, device).json()["error"] == "authorization_pending"
    assert fetch(facility, device).json()["error"] == "slow_down"
    person.decide(device["user_code"], "approve")
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: fetch(facility, device), range(6)))
    good = [one for one in answers if one.is_success]
    assert len(good) == 1
    assert {one.json()["error"] for one in answers if one.is_error} == {"expired_token"}
    assert good[0].headers["Cache-Control"] == "no-store"
    token = good[0].json()["access_token"]
    assert whoami(facility, token).json()["scopes"] == ["gateway"]
    # Of those that came too late nothing is left.
    listed = facility.casita("token", "list", "--json").stdout
    assert len([one for one in json.loads(listed) if one["note"] == "login from a terminal"]) == 1
    assert person.open(device["user_code"]).status_code == 404


def test_a_form_of_another_session_is_refused(facility, person):
    device = begin(facility)
    code = device["user_code"]
    other = Person(facility)
    foreign = form_of(other.open(code))
    person.open()
    for form in (foreign, foreign[:-2], "garbage"):
        answer = person.post(form, "approve")
        assert answer.status_code == 403
        assert "expired" in answer.text
    with httpx.Client(base_url=facility.url) as nobody:
        stolen = nobody.post(PAGE, data={"form": foreign, "answer": "approve"})
        assert stolen.status_code == 403
        # Another site's page can send neither cookie, which is SameSite, nor form.
        assert nobody.post(PAGE, data={"answer": "approve"}).status_code == 422
    assert fetch(facility, device).json()["error"] == "authorization_pending"
    assert "Denied" in other.post(foreign, "deny").text
    assert "already decided" in other.post(foreign, "approve").text
    assert fetch(facility, device).json()["error"] == "access_denied"
    other.http.close()


def test_what_is_sealed_for_one_purpose_is_worth_nothing_for_another(facility, person):
    code = begin(facility)["user_code"]
    form = form_of(person.open(code))
    with httpx.Client(base_url=facility.url) as client:
        state = client.get(PAGE).cookies["casita-login-state"]
        client.cookies.clear()
        for sealed in (form, state, "x"):
            page = client.get(PAGE, headers={"Cookie": f"casita-login={sealed}"})
            assert page.status_code == 302
            assert page.headers["Location"].startswith("/hub/api/oauth2/authorize?")


def test_the_login_at_the_hub_leads_nowhere_else(facility, person):
    with httpx.Client(base_url=facility.url) as client:
        for query in ("next=http://evil.example", "code=//evil.example", "code=%0d%0aX-Evil:1"):
            answer = client.get(f"{PAGE}?{query}")
            assert answer.status_code == 302
            assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize?")
            assert "evil" not in str(answer.headers).lower()
            cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=lax" in cookie
            assert f"Path={PAGE}" in cookie
        for query in ("", "?code=a&state=b", "?code=a&state=%c3%a9"):
            answer = client.get(f"{PREFIX}/oauth_callback{query}")
            assert answer.status_code == 400
            assert "Login failed" in answer.text
    landed = person.open("//evil.example")
    assert landed.url.path == PAGE
    assert landed.url.host == "127.0.0.1"


def test_guessing_codes_is_stopped(facility, person):
    device = begin(facility)
    try:
        wrong = [person.open("BBBB-BBBB").status_code for _ in range(11)]
        assert set(wrong) == {404, 429}
        answer = person.open(device["user_code"])
        assert answer.status_code == 429
        assert "Too many wrong codes" in answer.text
        assert int(answer.headers["Retry-After"]) <= 600
    finally:
        facility.casita("restart", "login")  # which forgets the guesses
    assert person.open(device["user_code"]).status_code == 200


def test_the_page_tells_the_truth_about_who_asks(facility, person):
    device = begin(facility, client="<b>x</b>\u202e\n casita", expires_in=90)
    page = person.open(device["user_code"])
    assert "&lt;b&gt;x&lt;/b&gt; casita" in page.text
    spoofed = httpx.post(
        f"{facility.url}{PREFIX}/device", headers={"X-Forwarded-For": "203.0.113.9"}
    )
    page = person.open(spoofed.json()["user_code"])
    assert "127.0.0.1" in page.text
    assert "203.0.113.9" not in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


def test_one_address_can_not_keep_all_others_out(tmp_path):
    store = Store(tmp_path / "login.sqlite")
    for _ in range(OPEN_PER_ADDRESS):
        store.add("x", "192.0.2.1", ["gateway"], 60)
    with pytest.raises(OverflowError):
        store.add("x", "192.0.2.1", ["gateway"], 60)
    store.add("x", "192.0.2.2", ["gateway"], 60)


def test_codes_are_found_however_they_are_typed():
    for typed in ("BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "bcdf\u2013ghjk"):
        assert normal_code(typed) == "BCDF-GHJK"


# ---- wrong requests


def test_wrong_requests_are_answered_in_form(facility):
    url = f"{facility.url}{PREFIX}"
    unknown = httpx.post(f"{url}/device", data={"scope": "gateway nonsense"})
    assert unknown.json()["error"] == "invalid_scope"
    assert "'nonsense'" in unknown.json()["error_description"]
    for form in ({"expires_in": "0"}, {"expires_in": "x"}, {"client": "x" * 81}):
        answer = httpx.post(f"{url}/device", data=form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert next(iter(form)) in answer.json()["error_description"]
    other = httpx.post(f"{url}/token", data={"device_code": "x", "grant_type": "password"})
    assert other.json()["error"] == "unsupported_grant_type"
    assert httpx.post(f"{url}/token", data={"device_code": "x"}).json()["error"] == "expired_token"
    missing = httpx.get(f"{url}/nothing")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert httpx.get(f"{url}/device").json()["error"]["code"] == "method_not_allowed"


def test_huge_requests_are_refused(facility):
    url = f"{facility.url}{PREFIX}/device"
    answer = httpx.post(url, data={"client": "x" * 10**6})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    chunks = (b"client=" if not n else b"x" * 10**4 for n in range(100))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert httpx.post(url, content=chunks, headers=form).status_code in (400, 413)
    assert httpx.get(f"{facility.url}{PREFIX}/health").json()["alive"]


# ---- other ways in, and wrong addresses


def test_a_token_from_elsewhere_can_be_pasted(facility, home):
    token = facility.casita("token", "create", "--expires", "10m", "--quiet").stdout
    done = casita("login", facility.url, "--token-stdin", env=home, stdin=token)
    assert "as admin, for 10m: gateway" in done.stdout
    assert token.strip() not in done.stdout + done.stderr
    casita("clusters", "list", env=home)
    # It may not manage tokens, but it can end itself.
    done = casita("token", "list", env=home, check=False)
    assert done.returncode == 1
    assert "lacks the scope 'login'" in done.stderr
    casita("logout", env=home)
    assert whoami(facility, token.strip()).status_code == 401


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no token on stdin"),
        ("\n", "there is no token on stdin"),
        ("garbage\n", "refused the token (401)"),
        ("tök€n\n", "holds characters that no token has"),
        ("two words\n", "holds characters that no token has"),
    ],
)
def test_what_is_no_token_is_refused(facility, home, text, sentence):
    done = casita("login", facility.url, "--token-stdin", env=home, stdin=text, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert not kept_in(home).exists()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://casita.example.org", "is not encrypted: the token would travel in clear"),
        ("http://127.0.0.1.example.org", "is not encrypted"),
        ("ftp://127.0.0.1", "is no URL of a facility"),
        ("http://", "is no URL of a facility"),
        ("http://127.0.0.1:port", "is no URL of a facility"),
        ("http://[::1", "is no URL of a facility"),
        ("http://me:secret@127.0.0.1", "is no URL of a facility"),
        ("two words", "is no URL of a facility"),
        ("http://127.0.0.1:1", "nobody answers at http://127.0.0.1:1"),
        ("127.0.0.1:1", "nobody answers at http://127.0.0.1:1"),
    ],
)
def test_wrong_addresses_are_one_sentence(home, url, sentence):
    done = casita("login", url, env=home, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.fixture(scope="module")
def elsewhere():
    """A web server that is no facility; ``/moved`` hosts send everything on."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.headers["Host"].startswith("localhost"):
                self.send_response(308)
                self.send_header("Location", f"https://casita.example.org{self.path}")
                self.end_headers()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<h1>Welcome to our gateway</h1>")

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Other)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_another_web_server_is_told_from_a_facility(elsewhere, home, tmp_path):
    done = casita("login", f"127.0.0.1:{elsewhere}", env=home, check=False)
    assert "answers something else than a facility does" in done.stderr
    done = casita("login", f"http://localhost:{elsewhere}", env=home, check=False)
    assert "sends us on to https://casita.example.org" in done.stderr
    assert "hint: casita login https://casita.example.org" in done.stderr
    done = casita("login", f"https://127.0.0.1:{elsewhere}", env=home, check=False)
    assert "does not speak https" in done.stderr
    ca = tmp_path / "none.pem"
    for content in (None, "no certificate"):
        if content:
            ca.write_text(content)
        done = casita("login", "https://127.0.0.1:1", "--ca", ca, env=home, check=False)
        assert f"{ca}: can't be read as certificates" in done.stderr
        assert len(done.stderr.splitlines()) == 2


# ---- what is left behind


def test_metrics_name_routes_and_no_secret(facility, person):
    device = begin(facility, client="metrics", expires_in=60, scope="gateway")
    person.decide(device["user_code"], "approve")
    token = fetch(facility, device).json()["access_token"]
    httpx.get(f"{facility.url}{PREFIX}/{token}")
    httpx.request("SECRET", f"{facility.url}{PREFIX}/tokens/{token}")
    answer = httpx.get(f"{facility.url}{PREFIX}/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert f'route="{PREFIX}/device",status="200"' in answer.text
    assert 'casita_login_tokens_total{way="device"}' in answer.text
    for secret in (token, device["device_code"], device["user_code"], "SECRET"):
        assert secret not in answer.text


def test_no_token_is_in_a_log_or_a_process_list(facility, person, home):
    with terminal(home, facility.url) as (process, code):
        person.decide(code, "approve")
        process.wait(30)
    token = credentials(home)["token"]
    # Two mistakes that people make.
    httpx.delete(
        f"{facility.url}{PREFIX}/tokens/{token}", headers={"Authorization": f"Bearer {token}"}
    )
    done = casita("token", "revoke", token, env=home, check=False)
    assert "this is no token's id" in done.stderr
    assert token not in done.stderr
    show = "import psutil; print([p.info for p in psutil.process_iter(['cmdline'])])"
    seen = casita("run", "--", sys.executable, "-c", show, env=home).stdout
    assert show.split(";")[0] in seen
    assert token not in seen
    logs = {path: path.read_text(errors="replace") for path in facility.site.logs.iterdir()}
    assert f"{PREFIX}/tokens/{{identifier}}" in logs[facility.site.logs / "login.log"]
    assert [path for path, text in logs.items() if token in text] == []
    assert "code=" not in logs[facility.site.logs / "login.log"]
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not any(token in word for command in commands for word in command)
    for line in logs[facility.site.logs / "login.log"].splitlines():
        json.loads(line)
