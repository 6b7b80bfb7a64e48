"""A second person's browser at somebody's dashboards."""

import pytest

pytest.importorskip("playwright.sync_api")

FETCH = "async url => (await fetch(url, {redirect: 'manual'})).status"
SOCKET = """url => new Promise(resolve => {
    const socket = new WebSocket(url.replace('http', 'ws'));
    socket.onopen = () => resolve('open');
    socket.onerror = () => resolve('refused');
})"""
PAGES = ("status", "individual-task-stream", "individual-plots.json", "json/counts.json")
DATA = ("casita/facts.json", "statics/js/bokeh.min.js", "info/main/workers.html", "metrics")


def test_a_second_person_sees_no_dashboard_of_the_first(town, alice, bob, clusters, browser, shots):
    url, name = town.facility.url, clusters[bob.name]
    doors = (
        f"{url}/user/{bob.name}/casita/clusters/{name}/dashboard",
        f"{url}/user/{alice.name}/casita/clusters/{name}/dashboard",
        f"{url}/services/dask-gateway/clusters/{name}",
    )
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/hub/login?next=/hub/home")
    page.fill("#username_input", alice.name)
    page.fill("#password_input", alice.password)
    page.click("#login_submit")
    page.wait_for_url("**/hub/home")
    # Her own: so the browser is logged in, at her server and at the gateway.
    mine = clusters[alice.name]
    for door in doors[1:]:
        page.goto(f"{door.replace(name, mine)}/json/counts.json")
        assert '"workers"' in page.content()
    page.goto(f"{url}/hub/home")
    for door in doors:
        for path in (*PAGES, *DATA):
            assert page.evaluate(FETCH, f"{door}/{path}") in (401, 403, 404), f"{door}/{path}"
        socket = f"{door}/individual-task-stream/ws"
        assert page.evaluate(SOCKET, socket) == "refused", socket
    page.goto(f"{doors[1]}/status")
    page.screenshot(path=shots / "dashboard-of-somebody-else.png")
    assert "Not your dashboard" in page.content() or "gone" in page.content()
    context.close()
