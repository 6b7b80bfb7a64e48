"""The Facility panel when things go wrong."""

import json
import re

import pytest

from casita.testing import ROOT, running_facility

expect = pytest.importorskip("playwright.sync_api").expect

CONFIG = """\
[gateway]
user_cores = 2
user_clusters = 2
worker_memory = "512 MiB"
[gateway.environments]
broken = "/nonexistent"
[servers]
idle_timeout = "80s"
"""


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A facility with low limits, an environment that is no good, and impatient with servers."""
    folder = tmp_path_factory.mktemp("narrow")
    (folder / "casita.toml").write_text(CONFIG)
    with running_facility(folder / "state", "--config", folder / "casita.toml") as running:
        yield running


@pytest.fixture(scope="module")
def lab(new_lab, narrow):
    return new_lab(narrow)


def harmless(errors, *statuses):
    """Return errors other than what Chromium says of answers with these statuses."""
    pattern = re.compile(f"status of ({'|'.join(map(str, statuses))}) ")
    return [one for one in errors if not pattern.search(one)]


def test_a_failed_start_shows_its_log_and_what_to_do(lab, narrow):
    lab.errors.clear()
    page = lab.page
    dialog = lab.form()
    dialog.get_by_label("Name", exact=True).fill("no good")
    dialog.get_by_label("Python environment").select_option("broken")
    dialog.get_by_role("button", name="Start").click()
    card = page.locator(".casita-mod-failed", has_text="no good")
    expect(card).to_contain_text("The scheduler ended with status")
    expect(card).to_contain_text("The environment has no dask")
    card.get_by_text("End of the log of scheduler").click()
    expect(card.locator("pre")).to_contain_text("/nonexistent/bin/dask")
    lab.shot("panel-failed")
    assert lab.inaccessible(".casita-FacilityPanel") == []
    assert not lab.overflows()
    page.reload()
    lab.ready()
    expect(card).to_be_visible()  # the server knows, not the page

    def saved(answer):
        return "/api/workspaces" in answer.url and answer.request.method == "PUT"

    with page.expect_response(saved):  # Lab keeps what was dismissed with its layout
        card.get_by_role("button", name="Try again").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Python environment")).to_have_value("broken")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("no good")
    dialog.get_by_role("button", name="Cancel").click()
    page.reload()
    lab.ready()
    expect(page.get_by_text("No clusters yet")).to_be_visible()  # dismissed
    assert lab.errors == []


def test_a_refusal_stands_in_the_form_and_keeps_what_was_typed(lab, narrow):
    lab.errors.clear()
    dialog = lab.form()
    dialog.get_by_label("Name", exact=True).fill("too large")
    dialog.get_by_label("Python environment").select_option("casita")
    dialog.get_by_label("Number", exact=True).fill("5")
    expect(dialog.locator(".casita-Form-cost[data-too-much=true]")).to_contain_text("5 of 2 cores")
    dialog.get_by_role("button", name="Start").click()
    expect(dialog.get_by_role("alert")).to_contain_text("more than you may have")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("too large")
    lab.shot("panel-refused")
    assert lab.inaccessible(".jp-Dialog") == []
    dialog.get_by_label("Number", exact=True).fill("1")
    dialog.get_by_role("button", name="Start").click()
    expect(lab.card("too large").get_by_text("1 worker")).to_be_visible()
    narrow.casita("clusters", "stop", "--all", "--yes")
    assert harmless(lab.errors, 409) == []


def test_an_idle_server_is_announced_and_kept(lab, narrow):
    """Nobody does anything: after three quarters of the time the warning comes."""
    lab.errors.clear()
    warning = lab.notice("Your server is not used and will be stopped at")
    expect(warning).to_be_visible(timeout=90_000)
    lab.shot("panel-idle")
    warning.get_by_role("button", name="Keep it").click()
    expect(warning).to_have_count(0)
    expect(lab.page.locator(".casita-Header")).to_contain_text(
        re.compile("Server stops in (1 min|5. s)")
    )
    assert lab.errors == []


def test_a_backend_that_is_off_is_explained(narrow, lab):
    path = narrow.state.parent / "casita.toml"
    path.write_text(CONFIG + "[backends.clusters]\nenabled = false\n")
    narrow.casita("down")
    narrow.casita("up", "--detach", "--config", path, *ROOT)
    with narrow.login() as session:
        session.stop_server()
        session.start_server()
    lab.start_over()
    lab.errors.clear()
    section = lab.page.locator(".casita-Section.casita-mod-explained")
    expect(section).to_contain_text("The operator of this facility has switched it off.")
    expect(section).to_contain_text("[backends.clusters]")
    expect(lab.page.get_by_role("button", name="Start a cluster")).to_be_hidden()
    expect(lab.page.locator(".casita-Chips")).to_have_count(0)
    lab.shot("panel-off")
    assert lab.inaccessible(".casita-FacilityPanel") == []
    assert lab.errors == []


def test_a_missing_part_of_the_server_is_explained(narrow, lab):
    config = narrow.state / "home" / "admin" / ".jupyter" / "jupyter_server_config.json"
    config.parent.mkdir(exist_ok=True)
    off = {"casita.jupyter": False, "casita_clusters.handlers": False}
    config.write_text(json.dumps({"ServerApp": {"jpserver_extensions": off}}))
    with narrow.login() as session:
        session.stop_server()
        session.start_server()
    lab.page.goto(re.sub(r"/lab.*", "/lab?reset", lab.page.url))
    lab.page.wait_for_selector("#jupyterlab-splash", state="detached")
    panel = lab.page.locator(".casita-FacilityPanel")
    if not panel.is_visible():
        lab.page.click('.jp-SideBar [data-id="casita-facility"]')
    expect(panel).to_contain_text("lacks the server extension casita.jupyter")
    expect(panel).to_contain_text("Restart the server from the Hub Control Panel")
    lab.shot("panel-missing")
