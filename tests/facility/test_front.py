"""The gateway's public door: a dashboard is for its owner, whichever way one comes."""

import asyncio
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import cloudpickle
import httpx
import psutil
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from casita import sweep
from casita.testing import wait_for

SCOPE = "access:services!service=dask-gateway"
PREFIX = "/services/dask-gateway"
PERSON = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


@pytest.fixture(scope="module")
def owner(facility):
    """The administrator, logged in at the hub as a browser would be."""
    with facility.login() as session:
        yield session


@pytest.fixture(scope="module")
def token(owner):
    """The owner's token, good for the gateway only."""
    return owner.token("test", 600, [SCOPE])


@pytest.fixture(scope="module")
def stranger(owner):
    """Another user's token, with the very same scope."""
    owner.api("POST", "/users/bob")
    body = {"note": "test", "expires_in": 600, "scopes": [SCOPE]}
    yield owner.api("POST", "/users/bob/tokens", json=body).json()["token"]
    owner.api("DELETE", "/users/bob")


@pytest.fixture(scope="module")
def cluster(facility, token):
    """The owner's cluster with a worker, made through the public API by the stock client."""
    from dask_gateway import Gateway, JupyterHubAuth

    site = facility.site
    with Gateway(
        site.gateway_url, proxy_address=site.gateway_traffic, auth=JupyterHubAuth(api_token=token)
    ) as gateway:
        made = gateway.new_cluster()
        with made.get_client() as client:
            made.scale(1)
            client.wait_for_workers(1, timeout=60)
            page = f"{facility.url}{PREFIX}/clusters/{made.name}/status"
            wait_for(lambda: httpx.get(page, headers=bearer(token)).status_code == 200, 30)
            yield made
        made.shutdown()


@pytest.fixture(scope="module")
def doors(facility, cluster):
    """URLs of one dashboard: the public one, the gateway's proxy, each process's own port."""
    path = f"{PREFIX}/clusters/{cluster.name}"
    found = {
        "public": f"{facility.url}{path}",
        "proxy": f"http://127.0.0.1:{facility.site.ports['gateway_web']}{path}",
    }
    for one in sweep.belongings(facility.site.instance):
        command = one.process.cmdline()
        kind = next((w for w in ("scheduler", "worker") if w in command), "")
        if not one.service and kind:
            for listener in one.process.net_connections("inet"):
                url = f"http://127.0.0.1:{listener.laddr.port}"
                if listener.status == psutil.CONN_LISTEN and is_dashboard(url):
                    found[kind] = url
    return found


def is_dashboard(url: str) -> bool:
    """Tell a dashboard, open or guarded, from the port where the gateway gives its orders."""
    try:
        return httpx.get(f"{url}/health", timeout=10).status_code != 404
    except httpx.HTTPError:
        return False  # scheduler traffic: TLS


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def raw(facility, target: str, token: str) -> int:
    """Return the status of a request whose address no client has tidied up."""
    connection = HTTPConnection("127.0.0.1", facility.site.ports["front"], timeout=20)
    connection.request("GET", target, headers=bearer(token))
    status = connection.getresponse().status
    connection.close()
    return status


def test_strangers_stay_outside_every_door(doors, stranger):
    assert set(doors) == {"public", "proxy", "scheduler", "worker"}
    for name, door in doors.items():
        for path in ("/status", "/health", "/metrics", "/sitemap.json", "/info/main/logs.html"):
            answers = [
                httpx.get(door + path),
                httpx.get(door + path, headers=bearer("garbage")),
                httpx.get(door + path, headers=bearer(stranger)),
                httpx.get(door + path, headers={"Authorization": "Basic YTpi"}),
            ]
            statuses = [answer.status_code for answer in answers]
            assert statuses == [401, 401, 403, 401], (name, path, statuses)


def test_the_owners_token_opens_every_door(doors, token):
    for name, door in doors.items():
        for scheme in ("Bearer", "token"):
            page = "/health" if name == "worker" else "/status"  # workers have no pages
            answer = httpx.get(door + page, headers={"Authorization": f"{scheme} {token}"})
            assert answer.status_code == 200, (name, answer.text)
            assert ("bokeh" in answer.text) == (name != "worker")


def test_a_person_logs_in_and_sees_their_dashboard(doors, owner, facility):
    door = doors["public"]
    anonymous = httpx.get(f"{door}/status", headers=PERSON)
    assert anonymous.status_code == 302
    assert anonymous.headers["Location"].startswith("/hub/api/oauth2/authorize?")
    with httpx.Client(cookies=owner._http.cookies, follow_redirects=True) as browser:
        page = browser.get(door, headers=PERSON)
        assert page.status_code == 200
        assert page.url == f"{door}/status"
        assert "<title>Dask Diagnostic UI</title>" in page.text
        # The login lasts, and a script's request needs no redirect.
        assert browser.get(f"{door}/health").text == "ok"
        for cookie in browser.cookies.jar:
            if cookie.name.startswith("service-dask-gateway"):
                assert cookie.path == f"{PREFIX}/"
                assert cookie.has_nonstandard_attr("HttpOnly")
                assert cookie.get_nonstandard_attr("SameSite") == "Lax"
    log = (facility.site.logs / "front.log").read_text()
    assert "oauth_callback" in log
    assert "code=" not in log


def connect(url: str, **headers: str):
    """Open bokeh's websocket; returns the HTTP status and the first message."""

    async def attempt():
        request = HTTPRequest(url.replace("http", "ws", 1), headers=headers)
        try:
            socket = await websocket_connect(request, subprotocols=["bokeh", headers["session"]])
        except HTTPClientError as error:
            return error.code, None
        async with asyncio.timeout(20):
            message = await socket.read_message()
        socket.close()
        return 101, message

    # In a thread: Playwright keeps a loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, attempt()).result()


def test_websockets_are_for_the_owner_and_for_this_sites_pages(doors, token, stranger, facility):
    for name in ("public", "proxy", "scheduler"):
        door = doors[name]
        page = httpx.get(f"{door}/status", headers=bearer(token)).text
        session = re.search(r'"token":"([^"]+)"', page)[1]
        url = f"{door}/status/ws"
        assert connect(url, session=session)[0] == 401
        assert connect(url, session=session, **bearer(stranger))[0] == 403
        status, message = connect(url, session=session, **bearer(token))
        assert status == 101
        assert json.loads(message)["msgtype"] == "ACK"
    url = f"{doors['public']}/status/ws"
    evil = {"session": session, "Origin": "http://elsewhere.example"}
    assert connect(url, **evil, **bearer(token))[0] == 403
    own = {"session": session, "Origin": facility.url}
    assert connect(url, **own, **bearer(token))[0] == 101


def mischief(dask_scheduler):
    """Add to a scheduler what its user's code may add: a page that tells what it was sent."""
    from tornado import web

    class Echo(web.RequestHandler):
        def get(self):
            self.set_cookie("jupyterhub-session-id", "stolen", path="/")
            self.set_header("Service-Worker-Allowed", "/")
            self.set_header("Access-Control-Allow-Origin", "*")
            self.set_header("Content-Security-Policy", "default-src *")
            self.write(dict(self.request.headers.get_all()))

    dask_scheduler.http_application.add_handlers(".*", [("/echo.*", Echo)])


def test_code_in_a_scheduler_gets_no_cookie_and_sets_none(doors, cluster, owner, token):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with cluster.get_client() as client:
        client.run_on_scheduler(mischief)
    with httpx.Client(cookies=owner._http.cookies, follow_redirects=True) as browser:
        answer = browser.get(f"{doors['public']}/echo%20a?b=%0d%0a", headers=PERSON)
        assert answer.status_code == 200
    got = {name.lower() for name in answer.json()}
    assert "cookie" not in got
    assert "authorization" in got
    widening = {"set-cookie", "service-worker-allowed", "access-control-allow-origin"}
    assert not widening & set(answer.headers)
    policy = answer.headers["content-security-policy"]
    assert f"connect-src {doors['public']}/ ws" in policy
    assert "*" not in policy


def test_only_the_public_part_of_the_api_is_public(facility, cluster, token):
    api = f"{facility.url}{PREFIX}/api"
    assert httpx.get(f"{api}/health").json()["status"] == "pass"
    for path in ("/v1/options", "/v1/limits", "/v1/clusters/", f"/v1/clusters/{cluster.name}"):
        assert httpx.get(api + path).status_code == 401, path
        assert httpx.get(api + path, headers=bearer(token)).status_code == 200, path
    assert httpx.post(f"{api}/v1/clusters/", json={}).status_code == 401
    secret = facility.site.secret("gateway_proxy_token")
    for path in ("/v1/routes", "/v1/clusters/..", f"/v1/clusters/{cluster.name}/../../routes"):
        assert raw(facility, f"{PREFIX}/api{path}", secret) == 404, path
    beat = httpx.post(f"{api}/v1/clusters/{cluster.name}/heartbeat", headers=bearer(token), json={})
    assert beat.status_code == 404
    assert beat.json() == {"error": f"nothing at {PREFIX}/api/v1/clusters/{cluster.name}/heartbeat"}


def test_an_address_does_not_lead_out_of_its_cluster(facility, cluster, token):
    dashboard = f"{PREFIX}/clusters/{cluster.name}"
    for tail in ("/../x/status", "/%2e%2e/x/status", "/a%2f..%2f..%2fx", "/./status"):
        assert raw(facility, dashboard + tail, token) == 404, tail
    assert raw(facility, f"{dashboard}/status", token) == 200


def test_unknown_clusters_and_places_are_404(facility, token):
    url = f"{facility.url}{PREFIX}"
    assert httpx.get(f"{url}/clusters/none/status", headers=bearer(token)).status_code == 404
    assert httpx.get(f"{url}/elsewhere", headers=bearer(token)).status_code == 404
    assert httpx.get(f"{url}/health").json()["alive"] is True


def test_a_revoked_token_is_refused_soon(facility, cluster, owner):
    made = owner.api(
        "POST", f"/users/{owner.user}/tokens", json={"expires_in": 600, "scopes": [SCOPE]}
    ).json()
    url = f"{facility.url}{PREFIX}/clusters/{cluster.name}/health"
    assert httpx.get(url, headers=bearer(made["token"])).status_code == 200
    owner.api("DELETE", f"/users/{owner.user}/tokens/{made['id']}")
    wait_for(lambda: httpx.get(url, headers=bearer(made["token"])).status_code == 401, 10)


def test_a_token_without_the_gateways_scope_is_refused(facility, cluster, owner):
    weak = owner.token("test", 60, ["read:users!user"])
    url = f"{facility.url}{PREFIX}/clusters/{cluster.name}/status"
    assert httpx.get(url, headers=bearer(weak)).status_code == 401
