"""The main door: log in, start JupyterLab, and use a Dask cluster from a notebook cell."""

import json
import re
from pathlib import Path

import pytest
from tests.browser.notebooks import run_first_cell

from casita.hub.once import new_login_link

expect = pytest.importorskip("playwright.sync_api").expect

CODE = """from dask_gateway import Gateway
gateway = Gateway()
cluster = gateway.new_cluster()
cluster.scale(2)
client = cluster.get_client()
client.wait_for_workers(2)
total = client.submit(sum, [20, 22]).result()
print("workers", len(client.scheduler_info()["workers"]), "answer", total, gateway.address)
cluster.shutdown()"""


def test_a_cell_computes_on_a_cluster_without_any_argument(browser, facility, shots):
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(90_000)
    page.goto(new_login_link(facility.site, "/hub/spawn"))
    page.wait_for_url(re.compile("/user/[^/]+/lab"))
    page.goto(re.sub(r"/lab.*", "/lab?reset", page.url))
    page.wait_for_selector("#jupyterlab-splash", state="detached")
    page.click('.jp-LauncherCard[data-category="Notebook"] >> nth=0')
    page.wait_for_selector(".jp-Notebook .cm-content")
    # The notebook's own indicator is idle before there is a kernel; Lab then drops what is run.
    page.wait_for_selector("#jp-main-statusbar:has-text('Python 3 (ipykernel) | Idle')")
    page.click(".jp-Notebook .cm-content")
    page.wait_for_selector(".jp-Notebook .cm-editor.cm-focused")  # until then, typing goes nowhere
    page.keyboard.insert_text(CODE)
    page.wait_for_selector(".jp-Notebook .cm-content:has-text('cluster.shutdown()')")
    run_first_cell(page)
    try:
        page.wait_for_selector(
            f".jp-OutputArea-output:has-text('workers 2 answer 42 {facility.site.gateway_url}')"
        )
        assert page.locator(".jp-OutputArea-output[data-mime-type*='error']").count() == 0
    finally:
        page.screenshot(path=shots / "notebook.png")


def test_the_demos_notebook_opens_with_its_plot_and_a_live_slider(
    browser, facility, samples, shots
):
    done = facility.casita("demo", "--allow-root", "--json")
    name = Path(json.loads(done.stdout)["notebook"]).name
    page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
    page.set_default_timeout(60_000)
    page.goto(new_login_link(facility.site, f"/user/admin/lab/tree/{name}?reset"))
    page.wait_for_url(re.compile("/lab"))
    page.wait_for_selector("#jupyterlab-splash", state="detached")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.hover(".jp-Notebook")
    slider = page.locator(".widget-hslider")
    while not slider.count():
        page.mouse.wheel(0, 600)
    slider.scroll_into_view_if_needed()
    picture = page.locator(".jupyter-widgets.widget-output img")
    before = picture.get_attribute("src")
    page.click("button:has-text('1 lepton, 4 jets, 2 b')")
    page.wait_for_function(
        "before => document.querySelector('.widget-output img')?.src !== before", arg=before
    )
    page.screenshot(path=shots / "ttbar.png")
