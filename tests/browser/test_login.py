"""What a person sees from the login page to JupyterLab, in a real browser."""

import re

import pytest

from casita.hub.once import new_login_link

sync_api = pytest.importorskip("playwright.sync_api")


def test_a_link_leads_to_lab_and_works_once(browser, facility):
    link = new_login_link(facility.site)
    code = link.partition("#")[2]
    page = browser.new_context().new_page()
    asked, seen = [], []
    page.context.on("request", lambda request: asked.append(request.url))
    page.on("framenavigated", lambda frame: seen.append(frame.url))
    page.goto(link)
    page.wait_for_url(re.compile("/user/[^/]+/lab"), timeout=120_000)
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=120_000)
    page.wait_for_selector(".jp-Launcher, .jp-Notebook")
    # The code is in no address the browser asked for, and nowhere one could go back to.
    assert [url for url in asked if code in url.partition("#")[0]] == []
    assert code not in page.url
    # Nothing is loaded from elsewhere, and Lab does not ask whether it may.
    ours = (facility.url, facility.url.replace("http", "ws", 1), "data:", "blob:")
    assert [url for url in asked if not url.startswith(ours)] == []
    assert page.locator(".Toastify__toast, .jp-Dialog").count() == 0

    other = browser.new_context().new_page()
    other.goto(link)
    other.wait_for_selector("#once-problem:has-text('already used')")
    # A new link opened in that very tab changes the fragment only.
    other.goto(new_login_link(facility.site))
    other.wait_for_url(re.compile("/user/[^/]+/lab|/hub/spawn"))


def test_the_password_leads_in_and_a_wrong_one_does_not(browser, facility):
    page = browser.new_context().new_page()
    page.goto(f"{facility.url}/hub/login?next=/hub/home")
    page.fill("#password_input", "wrong")
    page.click("#login_submit")
    page.wait_for_selector(".login_error:has-text('Invalid username or password')")
    page.fill("#username_input", "somebody")
    page.fill("#password_input", "wrong")
    page.click("#login_submit")
    page.wait_for_selector(".login_error:has-text('for one person')")
    page.fill("#username_input", facility.site.config.login.admin)
    page.fill("#password_input", facility.site.secret("admin_password"))
    page.click("#login_submit")
    page.wait_for_selector("h1:has-text('" + facility.site.config.facility.name + "')")
    for state in page.locator("[data-health]").all():
        sync_api.expect(state).to_have_text("running")


@pytest.mark.parametrize("path", ["login", "once", "home", "token"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_telephone(browser, facility, path, scheme):
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    if path in ("home", "token"):
        page.goto(new_login_link(facility.site))
        page.wait_for_url(re.compile("/user/|/hub/spawn"))
    page.goto(f"{facility.url}/hub/{path}")
    assert page.locator("html").get_attribute("data-bs-theme") == scheme
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
