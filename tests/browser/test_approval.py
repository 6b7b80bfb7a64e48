"""``casita login`` as a person sees it: a terminal, a browser, a click."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from casita.hub.once import new_login_link

sync_api = pytest.importorskip("playwright.sync_api")

PAGE = "/services/login/"


def begin(facility, **form):
    return httpx.post(f"{facility.url}{PAGE}device", data=form).json()


@contextlib.contextmanager
def terminal(facility, home):
    """Start ``casita login``; gives the process, the address and the code that it shows."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "casita", "login", facility.url],
        env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = process.stdout.readline().removeprefix("Open ").strip()
        yield process, address, re.search(r"code (\S+)", process.stdout.readline())[1]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def page(browser, facility, request):
    """A page of a browser that is logged in to the hub."""
    scheme, width = getattr(request, "param", ("light", 1280))
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    login = context.new_page()
    login.goto(new_login_link(facility.site))
    login.wait_for_url(re.compile("/user/|/hub/spawn"))
    login.close()
    yield context.new_page()
    context.close()


def test_a_person_types_the_code_and_the_terminal_goes_on(page, facility, tmp_path):
    asked, problems = [], []
    page.context.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    with terminal(facility, tmp_path) as (process, address, code):
        assert address == f"{facility.url}{PAGE}"
        page.goto(address)
        assert page.evaluate("document.activeElement.id") == "code"
        page.keyboard.type(code.lower())
        page.keyboard.press("Enter")
        sync_api.expect(page.locator(".code")).to_have_text(code)
        sync_api.expect(page.locator("dd").first).to_have_text("admin")
        page.get_by_role("button", name="Approve").click()
        sync_api.expect(page.locator("h1")).to_have_text("Approved")
        assert process.wait(30) == 0
    assert problems == []
    kept = json.loads(Path(tmp_path, "config", "casita", "credentials.json").read_text())
    token = kept["facilities"][facility.url]["token"]
    assert [url for url in asked if not url.startswith(f"{facility.url}/")] == []
    assert [url for url in asked if token in url] == []
    # Nothing a script could read.
    assert page.evaluate("document.cookie").count("casita") == 0


def test_a_wrong_code_is_told_and_another_can_be_typed(page, facility):
    page.goto(f"{facility.url}{PAGE}?code=BBBB-BBBB")
    sync_api.expect(page.get_by_role("alert")).to_contain_text("mistyped, used or expired")
    page.get_by_label("The code that your terminal shows").fill(begin(facility)["user_code"])
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Deny").click()
    sync_api.expect(page.locator("h1")).to_have_text("Denied")


def test_who_is_not_logged_in_logs_in_first_and_comes_back_to_the_code(browser, facility):
    code = begin(facility)["user_code"]
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{facility.url}{PAGE}?code={code}")
    page.fill("#password_input", facility.site.secret("admin_password"))
    page.click("#login_submit")
    sync_api.expect(page.locator(".code")).to_have_text(code)
    context.close()


@pytest.mark.parametrize("page", [("light", 1280), ("dark", 360)], indirect=True)
def test_pages_fit_and_can_be_read(page, facility, tmp_path):
    device = begin(
        facility,
        client="casita on a-machine-with-a-rather-long-name.physics.example.org",
        scope="gateway login servers",
    )
    for name, query in (
        ("code", ""),
        ("wrong", "?code=BBBB-BBBB"),
        ("approve", f"?code={device['user_code']}"),
    ):
        page.goto(f"{facility.url}{PAGE}{query}")
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        width = page.viewport_size["width"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("header img").evaluate("logo => logo.naturalWidth") > 0
        assert contrast(page, "main p, main dt, main label, main .soft, main .bad") >= 4.5
        assert contrast(page, "button.main") >= 4.5


CONTRAST = """elements => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (rgb) => rgb.slice(0, 3)
        .map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        const rgb = channels(getComputedStyle(element).backgroundColor);
        return rgb.length === 4 && rgb[3] === 0 ? behind(element.parentElement) : rgb;
    };
    return Math.min(...elements.map((element) => {
        const [a, b] = [light(channels(getComputedStyle(element).color)), light(behind(element))];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }));
}"""


def contrast(page, selector):
    """Return the smallest contrast of text to what is behind it (WCAG 2: 4.5 is readable)."""
    return page.locator(selector).evaluate_all(CONTRAST)
