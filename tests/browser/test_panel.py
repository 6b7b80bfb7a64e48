"""The Facility panel and its clusters, in a real browser at a real facility."""

import json
import re
import time

import pytest
from dask_gateway import Gateway, JupyterHubAuth
from tests.browser.notebooks import run_first_cell

from casita.client import operator
from casita.testing import wait_for

expect = pytest.importorskip("playwright.sync_api").expect


@pytest.fixture(scope="module")
def lab(new_lab, facility):
    return new_lab(facility)


@pytest.fixture(autouse=True)
def tidy(lab, facility):
    """No console errors, and nothing left for the next test."""
    lab.errors.clear()
    yield
    errors = list(lab.errors)
    if lab.page.locator("#jp-main-dock-panel .lm-TabBar-tab").count() > 1:
        lab.start_over()
    lab.page.keyboard.press("Escape")
    facility.casita("clusters", "stop", "--all", "--yes")
    expect(lab.page.locator(".casita-Clusters .casita-Card")).to_have_count(0, timeout=30_000)
    assert errors == []


@pytest.fixture
def terminal(facility):
    """Run ``casita clusters`` as the same person, in a terminal."""

    def run(*words):
        return facility.casita("clusters", *words)

    return run


@pytest.fixture
def cluster(terminal, lab):
    """A cluster with two workers, made in a terminal; its card is there."""
    made = json.loads(terminal("create", "--workers", "2", "--name", "scan", "--json").stdout)
    lab.card("scan").get_by_text("2 workers").wait_for()
    return made["name"]


@pytest.fixture
def connected(facility, cluster):
    """A client of that cluster."""
    found = operator(facility.site)
    auth = JupyterHubAuth(api_token=found.token)
    with Gateway(found.gateway, proxy_address=found.traffic, auth=auth) as gateway:
        joined = gateway.connect(cluster)
        with joined.get_client() as client:
            yield client
        joined.close()


# ---- the list


def test_a_cluster_is_made_by_the_form(lab):
    page = lab.page
    expect(page.get_by_role("button", name="Stop all clusters")).to_be_disabled()
    lab.shot("panel-empty")
    dialog = lab.form()
    dialog.get_by_label("Name", exact=True).fill("ttbar scan")
    dialog.get_by_label("Memory of a worker").fill("1")
    dialog.get_by_label("Number", exact=True).fill("1")
    expect(dialog.get_by_text(re.compile(r"1 of \d+ cores and 1 of"))).to_be_visible()
    lab.shot("panel-form")
    assert lab.inaccessible(".jp-Dialog") == []
    dialog.get_by_role("button", name="Start").click()
    card = lab.card("ttbar scan")
    expect(card).to_be_visible()
    expect(card.get_by_text("1 worker")).to_be_visible()
    expect(card.get_by_text("running")).to_be_visible()
    expect(page.locator(".casita-Chips")).to_contain_text(re.compile(r"1 of \d+ cores, 1 cluster"))
    expect(page.locator(".casita-Header")).to_contain_text("Server stops in")
    lab.shot("panel-running")
    assert lab.inaccessible(".casita-FacilityPanel") == []
    assert not lab.overflows()


def test_wrong_numbers_are_named_at_their_fields(lab):
    dialog = lab.form()
    cores = dialog.get_by_label("Cores of a worker")
    cores.fill("99")
    expect(cores).to_have_attribute("aria-invalid", "true")
    expect(cores).to_have_accessible_description(re.compile("At most"))
    cores.fill("")
    expect(cores).to_have_accessible_description(re.compile("whole number"))
    dialog.get_by_label("Follow the load").check()
    dialog.get_by_label("At least").fill("3")
    dialog.get_by_label("At most").fill("1")
    expect(dialog.get_by_label("At most")).to_have_accessible_description(re.compile("Not less"))
    dialog.get_by_role("button", name="Cancel").click()


def test_what_a_terminal_makes_appears_and_what_it_stops_goes(lab, cluster, terminal):
    card = lab.card("scan")
    expect(card.locator("h3")).to_have_attribute("title", f"scan ({cluster})")
    lab.shot("panel-from-terminal")
    terminal("rename", cluster, "renamed in a terminal")
    expect(lab.card("renamed in a terminal")).to_be_visible()
    terminal("stop", cluster)
    expect(lab.page.locator(".casita-Clusters .casita-Card")).to_have_count(0, timeout=30_000)


def test_workers_are_scaled_and_follow_the_load_and_a_cluster_is_renamed_and_stopped(
    lab, cluster, terminal
):
    card = lab.card("scan")
    lab.press(card, "Change workers")
    card.get_by_label("Number", exact=True).fill("1")
    card.get_by_role("button", name="Apply").click()
    expect(card.get_by_text(re.compile("^1 worker"))).to_be_visible()

    lab.press(card, "Change workers")
    card.get_by_label("Follow the load").check()
    card.get_by_label("At least").fill("2")
    card.get_by_label("At most").fill("2")
    lab.shot("panel-adapt")
    card.get_by_role("button", name="Apply").click()
    expect(card.get_by_text("2 workers, follows the load")).to_be_visible()

    lab.press(card, "Change workers")
    card.get_by_label("Fixed number").check()
    card.get_by_label("Number", exact=True).fill("1")
    card.get_by_role("button", name="Apply").click()
    expect(card.get_by_text(re.compile("^1 worker"))).to_be_visible()
    expect(card.get_by_text("follows the load")).to_have_count(0)

    lab.press(card, "Rename")
    card.get_by_label("Name", exact=True).fill("Analyse <b>")
    card.get_by_label("Name", exact=True).press("Enter")
    card = lab.card("Analyse <b>")
    expect(card).to_be_visible()
    assert "Analyse <b>" in terminal("list").stdout
    lab.press(card, "Stop")
    expect(lab.page.locator(".casita-Clusters .casita-Card")).to_have_count(0, timeout=30_000)


def test_a_cluster_that_computes_is_stopped_only_after_a_question(lab, cluster, connected):
    page = lab.page
    slow = connected.map(time.sleep, [60, 61, 62])
    card = lab.card("scan")
    expect(card.get_by_text("computing")).to_be_visible()
    expect(card.get_by_text("3 running")).to_be_visible()
    lab.press(card, "Stop")
    expect(page.get_by_role("dialog")).to_contain_text("3 tasks have not been computed yet")
    lab.shot("panel-stop")
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    page.get_by_role("button", name="Stop all clusters").click()
    expect(page.get_by_role("dialog")).to_contain_text("scan")
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.locator(".casita-Clusters .casita-Card")).to_have_count(0, timeout=30_000)
    del slow


def test_the_list_survives_a_reload_and_a_restart_of_the_server(lab, cluster, facility):
    page = lab.page
    page.reload()
    lab.ready()
    expect(lab.card("scan").get_by_text("2 workers")).to_be_visible()
    with facility.login() as session:
        session.stop_server()
        expect(page.get_by_text("Your Jupyter server is not running").first).to_be_visible()
        lab.shot("panel-server-gone")
        session.start_server()
    lab.start_over()
    expect(lab.card("scan").get_by_text("2 workers")).to_be_visible()
    lab.shot("panel-after-restart")
    lab.errors.clear()  # of requests to a server that was not there


# ---- notebooks


def test_code_is_inserted_and_run_and_shows_a_card(lab, cluster):
    page = lab.page
    lab.press(lab.card("scan"), "Insert code")
    cell = page.locator(".jp-Notebook .jp-Cell").first
    expect(cell.locator(".cm-content")).to_contain_text(f'connect("{cluster}")  # scan')
    run_first_cell(page)
    output = page.locator(".jp-OutputArea-output", has_text="scan").first
    expect(output).to_contain_text("2 workers")
    expect(output.get_by_role("button", name="Scale")).to_be_visible()
    output.get_by_label("Workers").fill("1")
    output.get_by_role("button", name="Scale").click()
    expect(output).to_contain_text("1 worker ")
    assert page.locator(".jp-OutputArea-output[data-mime-type*='error']").count() == 0
    lab.shot("notebook-card")


def test_code_is_dragged_into_a_notebook(lab, cluster):
    page = lab.page
    page.click('.jp-LauncherCard[data-category="Notebook"] >> nth=0')
    page.wait_for_selector(".jp-Notebook .cm-content")
    page.wait_for_selector("#jp-main-statusbar:has-text('Python 3 (ipykernel) | Idle')")
    start = lab.card("scan").get_by_role("button", name=re.compile("^Insert code")).bounding_box()
    target = page.locator(".jp-Notebook .jp-Cell").first.bounding_box()
    page.mouse.move(start["x"] + 8, start["y"] + 8)
    page.mouse.down()
    for step in range(1, 6):
        page.mouse.move(start["x"] + 8 + 20 * step, start["y"] + 8)
    page.mouse.move(target["x"] + 100, target["y"] + 12, steps=5)
    page.mouse.up()
    expect(page.locator(".jp-Notebook .jp-Cell", has_text=f'connect("{cluster}")')).to_be_visible()


# ---- dashboards and logs


def drawn(page):
    """Return how much each open dashboard draws, by its title."""
    found = {}
    page.wait_for_timeout(50)  # lets Playwright hear of new frames
    for frame in page.frames:
        if "/dashboard/" in frame.url:
            found[frame.url.rpartition("/")[2]] = frame.evaluate(
                "window.Bokeh?.documents[0]?.roots().length ? "
                "[...Bokeh.documents[0]._all_models.values()]"
                ".filter(one => one.type === 'ColumnDataSource')"
                ".map(one => one.get_length() || 0).reduce((a, b) => a + b, 0) : null"
            )
    return found


def test_dashboards_open_side_by_side_and_move_while_tasks_run(lab, cluster, connected, facility):
    page = lab.page
    lab.press(lab.card("scan"), "Open dashboards side by side")
    pages = {"individual-task-stream", "individual-progress", "individual-workers-memory"}
    wait_for(lambda: all(drawn(page).get(one) is not None for one in pages), 60, "the dashboards")
    before = drawn(page)
    kept = connected.map(pow, range(300), [2] * 300, pure=False)
    connected.gather(kept)
    wait_for(lambda: drawn(page)["individual-task-stream"] >= 300, 30, "300 tasks in the stream")
    wait_for(lambda: drawn(page)["individual-progress"] > before["individual-progress"], 30, "bars")
    slow = connected.map(time.sleep, [3, 3], pure=False)
    lab.shot("dashboards")
    del slow, kept
    addresses = [frame.url for frame in page.frames if "/dashboard/" in frame.url]
    assert all(one.startswith(f"{facility.url}/user/") for one in addresses)

    page.reload()
    lab.ready()
    wait_for(lambda: len(drawn(page)) >= 4, 60, "the dashboards after a reload")

    anonymous = page.context.browser.new_context().new_page()
    for address in addresses:
        anonymous.goto(address)
        assert "/hub/login" in anonymous.url
    anonymous.goto(f"{facility.url}/hub/login")
    for address in [
        *addresses,
        *(re.sub("individual-.*", one, addresses[0]) for one in ("json/counts.json", "x/ws")),
        f"{facility.url}/services/dask-gateway/clusters/{cluster}/status",
    ]:
        status = anonymous.evaluate(
            "async url => (await fetch(url, {redirect: 'manual'})).status", address
        )
        assert status in (401, 403), address
    anonymous.context.close()


def test_a_page_is_chosen_by_its_name_and_says_when_the_cluster_has_gone(lab, cluster, terminal):
    page = lab.page
    lab.press(lab.card("scan"), "Dashboards")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("searchbox").fill("stream")
    lab.shot("dashboards-chooser")
    assert lab.inaccessible(".jp-Dialog") == []
    dialog.get_by_role("button", name="Task stream", exact=True).click()
    wait_for(lambda: drawn(page).get("individual-task-stream") is not None, 60, "the dashboard")
    terminal("stop", cluster)
    expect(page.locator(".casita-DashboardTab").get_by_text("has gone")).to_be_visible()
    lab.errors.clear()  # of a websocket whose other end has gone


def test_logs_are_followed_and_filtered(lab, cluster, connected):
    page = lab.page
    lab.press(lab.card("scan"), "Logs")
    lines = page.get_by_role("log")
    expect(lines).to_contain_text("Scheduler at")

    def complain(dask_scheduler):
        import logging

        logging.getLogger("distributed.scheduler").warning("a line of this test")

    connected.run_on_scheduler(complain)
    expect(lines).to_contain_text("a line of this test")
    page.get_by_label("Show only lines that hold").fill("THIS TEST")
    expect(lines.locator("[data-level]")).to_have_count(1)
    expect(lines.locator("[data-level=warning]")).to_have_count(1)
    lab.shot("logs")
    assert lab.inaccessible(".casita-LogsTab") == []
    page.get_by_label("Show only lines that hold").fill("")
    page.get_by_label("Process").select_option(index=1)
    expect(lines).to_contain_text("Start worker")


# ---- looks and keys


def test_the_dark_theme_is_readable(lab, cluster):
    page = lab.page
    with lab.dark():
        lab.press(lab.card("scan"), "Logs")
        expect(page.get_by_role("log")).to_contain_text("Scheduler at")
        lab.press(lab.card("scan"), "Change workers")
        lab.shot("dark")
        assert lab.inaccessible(".casita-FacilityPanel", ".casita-LogsTab") == []
        dialog = lab.form()
        lab.shot("dark-form")
        assert lab.inaccessible(".jp-Dialog") == []
        dialog.get_by_role("button", name="Cancel").click()


def focus(page, label):
    """Go on with the Tab key until something with this label has the focus."""
    for _ in range(80):
        now = page.evaluate(
            "document.activeElement.ariaLabel || document.activeElement.textContent"
        )
        if (now or "").startswith(label):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {label}")


def test_the_keyboard_is_enough(lab):
    page = lab.page
    page.keyboard.press("Control+Shift+C")
    page.keyboard.type("Show the Facility Panel")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+Shift+C")
    page.keyboard.type("New Dask Cluster")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_label("Name", exact=True).wait_for()
    expect(page.get_by_role("dialog").get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("by keys")
    page.keyboard.press("Enter")
    card = lab.card("by keys")
    expect(card.get_by_text("2 workers")).to_be_visible()
    # The form gives the focus back to what it was called from; the panel comes after a few Tabs.
    page.locator('.jp-SideBar [data-id="casita-facility"]').focus()
    focus(page, "Change workers")
    lab.shot("keyboard")
    page.keyboard.press("Enter")
    focus(page, "Cancel")
    page.keyboard.press("Escape")
    expect(card.get_by_role("button", name="Apply")).to_have_count(0)
    focus(page, "Stop")
    page.keyboard.press("Enter")
    expect(page.locator(".casita-Clusters .casita-Card")).to_have_count(0, timeout=30_000)
