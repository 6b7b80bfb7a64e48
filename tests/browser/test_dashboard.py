"""A cluster's dashboard in a real browser: drawn, live, and kept away from the hub."""

import re

import httpx
import pytest

from casita.hub.once import new_login_link
from casita.testing import wait_for

pytest.importorskip("playwright.sync_api")

REACH = """async (path) => {
    try { return (await fetch(path)).status } catch (error) { return error.name }
}"""


@pytest.fixture(scope="module")
def cluster(facility):
    """A cluster of the administrator's, with one worker that has something to do."""
    from dask_gateway import Gateway, JupyterHubAuth

    site = facility.site
    with facility.login() as session:
        token = session.token("test", 600)
    auth = JupyterHubAuth(api_token=token)
    with Gateway(site.gateway_url, proxy_address=site.gateway_traffic, auth=auth) as gateway:
        made = gateway.new_cluster()
        made.scale(1)
        page = f"{site.gateway_url}/clusters/{made.name}/status"
        headers = {"Authorization": f"token {token}"}
        wait_for(lambda: httpx.get(page, headers=headers).status_code == 200, 30, "the dashboard")
        yield made
        made.shutdown()


def test_the_dashboard_is_drawn_and_live_but_can_not_reach_the_hub(
    browser, facility, cluster, shots
):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    login, page = context.new_page(), context.new_page()
    login.goto(new_login_link(facility.site))
    login.wait_for_url(re.compile("/user/|/hub/spawn"))
    login.close()
    errors, frames, asked = [], [], []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(data))
    )
    page.goto(f"{facility.url}/services/dask-gateway/clusters/{cluster.name}/status")
    assert page.title() == "Dask Diagnostic UI"
    page.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle")
    seen = len(frames)
    with cluster.get_client() as client:
        client.wait_for_workers(1, timeout=60)
        client.gather(client.map(pow, range(200), [2] * 200))
        page.wait_for_function(
            "Bokeh.documents[0].get_model_by_name('task_stream')?.renderers[0]"
            ".data_source.get_length() >= 200"
        )
    assert len(frames) > seen
    page.screenshot(path=shots / "dashboard.png")
    assert errors == []
    own = f"{facility.url}/services/dask-gateway/clusters/{cluster.name}/"
    after_login = max(i for i, url in enumerate(asked) if url == f"{own}status")
    here = asked[after_login:]
    assert [url for url in here if not url.startswith((own, "data:", "blob:"))] == []

    assert page.evaluate(REACH, f"{own}health") == 200
    for path in ("/hub/api/", "/services/login/health", "/services/dask-gateway/api/health"):
        assert page.evaluate(REACH, path) == "TypeError", path
    assert page.evaluate("window.open('/hub/home')") is None
    frame = "document.body.appendChild(Object.assign(document.createElement('iframe'), {src: %s}))"
    page.evaluate(f"new Promise(done => {{{frame % '`/hub/home`'}.onload = done}})")
    assert all("/hub/" not in one.url for one in page.frames)
