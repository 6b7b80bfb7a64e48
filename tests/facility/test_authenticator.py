"""Login to the embedded profile, through a real hub and proxy: password, one-time links, pages."""

import contextlib
import os
import re
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from casita.config import FacilityConfig
from casita.errors import StateError
from casita.files import read_json, tail
from casita.hub import once
from casita.site import prepare

pytest.importorskip("jupyterhub")

CONFIG = """
from pathlib import Path
from casita.hub import pages
from casita.site import open_site

site = open_site(Path({state!r}))
c.JupyterHub.bind_url = site.url
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{{site.ports['hub']}}"
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.cookie_secret_file = str(site.state / "hub" / "cookie_secret")
c.JupyterHub.proxy_class = "traefik_file"
c.TraefikProxy.traefik_api_url = f"http://127.0.0.1:{{site.ports['proxy_api']}}"
c.TraefikProxy.traefik_api_username = "hub"
c.TraefikProxy.traefik_api_password = site.secret("proxy_password")
c.TraefikProxy.static_config_file = str(site.etc / "traefik.toml")
c.TraefikProxy.extra_static_config = {{"accessLog": {{}}}}
c.TraefikFileProviderProxy.dynamic_config_file = str(site.state / "hub" / "rules.toml")
c.JupyterHub.authenticator_class = "casita.hub.authenticator.EmbeddedAuthenticator"
c.EmbeddedAuthenticator.admin_name = site.config.login.admin
c.EmbeddedAuthenticator.password_file = str(site.state / "secrets" / "admin_password")
c.EmbeddedAuthenticator.codes_file = str(site.state / "hub" / "once.json")
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.template_paths = [str(pages.TEMPLATES)]
c.JupyterHub.template_vars = pages.template_vars(site)
c.JupyterHub.logo_file = str(pages.LOGO)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    config = FacilityConfig.model_validate(
        {"facility": {"name": "Top <b>& Co</b>"}, "login": {"admin": "ada"}}
    )
    site = prepare(config, tmp_path_factory.mktemp("hub") / "state")
    site.secret("admin_password", 16)
    (site.etc / "jupyterhub_config.py").write_text(CONFIG.format(state=str(site.state)))
    return site


@pytest.fixture(scope="module", autouse=True)
def hub(site):
    """A running hub; yields its log (traefik's access log is in it)."""
    log = site.logs / "hub.log"
    command = [sys.executable, "-m", "jupyterhub", "-f", str(site.etc / "jupyterhub_config.py")]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=stream,
            cwd=site.state,
            env={**os.environ, "PATH": path},
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 90
        while not _answers(f"{site.url}/hub/health"):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the hub did not start:\n{tail(log, 40)}")
            time.sleep(0.2)
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _answers(url):
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def browser(site):
    with httpx.Client(base_url=site.url, timeout=30) as client:
        yield client


def submit(browser, page, **fields):
    """Fill in the form on ``page`` and send it, as a browser does."""
    form = browser.get(page)
    assert form.status_code == 200
    hidden = re.search(r'name="_xsrf" value="([^"]+)"', form.text)[1]
    return browser.post(page, data={"_xsrf": hidden, **fields})


def log_in(browser, site):
    password = site.secret("admin_password")
    return submit(browser, "/hub/login", username="ada", password=password)


def is_logged_in(browser):
    return browser.get("/hub/home").status_code == 200


def code_of(link):
    return link.partition("#")[2]


def test_the_password_logs_in_and_leads_to_the_server(site, browser):
    answer = log_in(browser, site)
    assert (answer.status_code, answer.headers["location"]) == (302, "/hub/spawn")
    assert is_logged_in(browser)


@pytest.mark.parametrize("password", ["wrong", "", "contraseña"])
def test_a_wrong_password_is_refused_and_logged(site, browser, hub, password):
    before = hub.read_text().count("Failed login")
    answer = submit(browser, "/hub/login", username="ada", password=password)
    assert answer.status_code == 403
    assert "Invalid username or password" in answer.text
    assert not is_logged_in(browser)
    assert hub.read_text().count("Failed login") == before + 1


def test_an_empty_password_file_lets_nobody_in(site, browser):
    file = site.state / "secrets" / "admin_password"
    kept = file.read_text()
    try:
        file.write_text("")
        answer = submit(browser, "/hub/login", username="ada", password="")
    finally:
        file.write_text(kept)
    assert answer.status_code == 403


def test_a_second_person_learns_why_and_what_to_do(site, browser):
    password = site.secret("admin_password")
    answer = submit(browser, "/hub/login", username="bob", password=password)
    assert answer.status_code == 403
    assert "for one person" in answer.text
    assert "multiuser profile" in answer.text
    assert not is_logged_in(browser)


def test_a_link_works_once(site, browser):
    link = once.new_login_link(site)
    assert link.startswith(f"{site.url}/hub/once#")
    answer = submit(browser, "/hub/once", code=code_of(link))
    assert (answer.status_code, answer.headers["location"]) == (302, "/hub/spawn")
    assert is_logged_in(browser)
    with httpx.Client(base_url=site.url, timeout=30) as other:
        again = submit(other, "/hub/once", code=code_of(link))
        assert again.status_code == 403
        assert "already used" in again.text
        assert "casita link" in again.text
        assert not is_logged_in(other)


def test_the_whole_link_may_be_pasted(site, browser):
    submit(browser, "/hub/once", code=f" {once.new_login_link(site)} ")
    assert is_logged_in(browser)


@pytest.mark.parametrize("code", ["", "guess", "é" * 300])
def test_a_made_up_code_is_refused(site, browser, code):
    assert submit(browser, "/hub/once", code=code).status_code == 403
    assert not is_logged_in(browser)


def test_an_old_link_is_refused(site, browser):
    code = once.new_code(once.codes_file(site), lifetime=-1)
    answer = submit(browser, "/hub/once", code=code)
    assert answer.status_code == 403
    assert "older than 15 minutes" in answer.text


def test_of_two_posts_at_once_one_gets_in(site):
    code = code_of(once.new_login_link(site))

    def post(_):
        with httpx.Client(base_url=site.url, timeout=30) as client:
            return submit(client, "/hub/once", code=code).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(post, range(4))) == [302, 403, 403, 403]


def test_a_code_is_consumed_once_however_many_try(tmp_path):
    file = tmp_path / "once.json"
    codes = [once.new_code(file) for _ in range(30)]
    start = Barrier(4)

    def try_all(_):
        start.wait(10)
        return sum(once.consume(file, code) for code in codes)

    # The file lock is per open file, so threads exclude each other as processes do.
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(try_all, range(4))) == len(codes)
    assert read_json(file) == {}


def test_a_foreign_form_neither_logs_in_nor_uses_the_link_up(site, browser):
    code = code_of(once.new_login_link(site))
    answer = browser.post("/hub/once", data={"code": code})
    assert answer.status_code == 403
    assert "Open the link again" in answer.text
    assert submit(browser, "/hub/once", code=code).status_code == 302


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/hub/token", "/hub/token"),
        ("https://elsewhere.example/", "/hub/spawn"),
        ("//elsewhere.example/", "/hub/spawn"),
        ("/\\elsewhere.example/", "/%5Celsewhere.example/"),  # a path here, not a host
        ("javascript:alert(1)", "/hub/spawn"),
    ],
)
def test_next_leads_nowhere_else(site, browser, wanted, reached):
    page = str(httpx.URL("/hub/once", params={"next": wanted}))
    shown = browser.get(page).text
    action = re.search(r'action="(/hub/once[^"]*)"', shown)[1]
    answer = submit(browser, action, code=code_of(once.new_login_link(site)))
    assert (answer.status_code, answer.headers["location"]) == (302, reached)


def test_no_code_is_stored_or_logged(site, browser, hub):
    link = once.new_login_link(site)
    file = once.codes_file(site)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    stored = file.read_text()
    submit(browser, "/hub/once", code=code_of(link))
    assert is_logged_in(browser)
    log = hub.read_text()
    assert "POST /hub/once" in log
    for text in (stored, file.read_text(), log):
        assert code_of(link) not in text
        assert site.secret("admin_password") not in text


def test_a_shared_facility_has_no_links(tmp_path):
    config = FacilityConfig.model_validate({"facility": {"profile": "multiuser"}})
    with pytest.raises(StateError, match="embedded profile only"):
        once.new_login_link(prepare(config, tmp_path / "state"))


def test_the_pages_carry_the_facilitys_name_as_text(site, browser):
    page = browser.get("/hub/login").text
    assert "Top &lt;b&gt;&amp; Co&lt;/b&gt;" in page
    assert "<b>&" not in page
    assert 'value="ada"' in page


def test_the_front_page_says_what_is_offered(site, browser):
    log_in(browser, site)
    page = browser.get("/hub/home").text
    assert "Start JupyterLab" in page
    assert 'data-health="/services/dask-gateway/health"' in page
    for backend in site.backends.values():
        assert backend.title in page


def test_no_page_names_another_host(site, browser):
    pages = [browser.get("/hub/login").text, browser.get("/hub/once").text]
    log_in(browser, site)
    pages += [browser.get(f"/hub/{name}").text for name in ("home", "token", "nowhere")]
    for page in pages:
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="([^"]+)"', page)
        assert loaded
        assert [url for url in loaded if not url.startswith("/hub/")] == []
