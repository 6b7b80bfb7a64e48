"""What alice tries, from a cell of her own notebook, to get at bob's things and at root's."""

import os
import secrets
import stat
import time
from pathlib import Path

import httpx
import pytest

from casita import sweep
from casita.testing import wait_for

READ = """
import os
answer = {}
for path in given:
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
        answer[path] = "read"
    except OSError as error:
        answer[path] = type(error).__name__
"""
ASK = """
import httpx
answer = []
with httpx.Client(trust_env=False, timeout=60, verify=False) as http:
    for method, url, token in given:
        headers = {"Authorization": f"token {token}"} if token else {}
        try:
            answer.append(http.request(method, url, headers=headers).status_code)
        except httpx.HTTPError as error:
            answer.append(type(error).__name__)
"""
REFUSED = {401, 403, 404}


def asked(person, *requests) -> list[tuple]:
    """Return (method, URL, status) of requests made by a cell of this person's."""
    answers = person.kernel.ask(ASK, requests)
    return [(method, url, got) for (method, url, _), got in zip(requests, answers, strict=True)]


def ports_of(process) -> set[int]:
    return {c.laddr.port for c in process.net_connections("tcp") if c.status == "LISTEN"}


@pytest.fixture(scope="module")
def services(town):
    return [one.process for one in sweep.belongings(town.facility.site.instance) if one.service]


# ---- files and processes


def test_files(town, alice, bob, clusters):
    site, name = town.facility.site, clusters[bob.name]
    (bob.home / "notes.txt").write_text("mine")
    os.chown(bob.home / "notes.txt", bob.uid, -1)
    (server,) = bob.processes("jupyterhub-singleuser")
    own = [bob.home, bob.home / "notes.txt", site.clusters / name, site.runtime / str(bob.uid)]
    own += [path for path in (site.clusters / name).rglob("*") if not path.is_socket()]
    own += [bob.processes("ipykernel_launcher")[0].cmdline()[-1], f"/proc/{server.pid}/environ"]
    own = [str(path) for path in own]
    assert any("dask.pem" in path for path in own)
    assert any("scheduler.log" in path for path in own)
    assert set(bob.kernel.ask(READ, own).values()) == {"read"}
    assert set(alice.kernel.ask(READ, own).values()) == {"PermissionError"}


def test_the_facilitys_files(town, alice, services):
    site = town.facility.site
    paths = [site.state, *(path for path in site.state.rglob("*") if not path.is_socket())]
    assert {"hub_token", "cookie_secret"} & {path.name for path in paths}
    paths += [site.clusters, site.runtime, site.socket]
    paths += [f"/proc/{one.pid}/{file}" for one in services for file in ("environ", "mem", "cwd")]
    found = alice.kernel.ask(READ, list(map(str, paths)))
    assert set(found.values()) == {"PermissionError"}, found


def test_other_peoples_processes(alice, bob, services):
    targets = [one.pid for one in (*bob.processes(), *services)]
    tried = alice.kernel.ask(
        "import ctypes, os\nanswer = []\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "for pid in given:\n"
        "    try:\n"
        "        os.kill(pid, 0)\n"
        "        answer.append('signalled')\n"
        "    except PermissionError:\n"
        "        attached = libc.ptrace(16, pid, None, None)  # PTRACE_ATTACH\n"
        "        answer.append('attached' if attached == 0 else os.strerror(ctypes.get_errno()))",
        targets,
    )
    assert set(tried) == {"Operation not permitted"}


def test_no_token_or_secret_stands_in_a_command_line(town, alice, bob, clusters):
    site = town.facility.site
    hidden = {path.read_text().strip() for path in (site.state / "secrets").iterdir()}
    for person in (alice, bob):
        for one in person.processes():
            names = ("JUPYTERHUB_API_TOKEN", "DASK_GATEWAY_API_TOKEN")
            hidden |= {one.environ()[name] for name in names if name in one.environ()}
    shown = alice.kernel.ask(
        "import psutil\n"
        "answer = [' '.join(p.info['cmdline'] or []) for p in psutil.process_iter(['cmdline'])]"
    )
    assert len(hidden) > 8
    assert any("casita.gateway.front" in line for line in shown)
    assert not [line for line in shown for one in hidden if one in line]


def test_nothing_is_left_in_common_folders_for_others_to_read(alice, bob, clusters):
    alice.kernel.run("client.submit(lambda: b'x' * 10**6).result()")
    for top in ("/tmp", "/var/tmp", "/dev/shm", "/run"):
        for folder, inner, files in os.walk(top):
            if not Path(folder).stat().st_mode & stat.S_IXOTH:
                inner.clear()  # nobody else comes in here
                files = []
            for path in (Path(folder), *(Path(folder, name) for name in files)):
                try:
                    about = path.lstat()
                except OSError:
                    continue
                if about.st_uid in (alice.uid, bob.uid) and not stat.S_ISLNK(about.st_mode):
                    assert not about.st_mode & 0o077, path
                    assert top == "/run" or "casita-test-" in str(path), path


# ---- HTTP: every door of bob's and of the facility's


def test_jupyter_servers(town, alice, bob):
    (server,) = bob.processes("jupyterhub-singleuser")
    (port,) = ports_of(server)
    mine = alice.kernel.token
    url = f"user/{bob.name}/api"
    doors = [f"http://127.0.0.1:{port}/{url}", f"{town.facility.url}/{url}"]
    calls = ("contents", "kernels", "terminals", "sessions", "me")
    wanted = [("GET", f"{d}/{call}", t) for d in doors for call in calls for t in ("", mine)]
    wanted += [("POST", f"{d}/kernels", mine) for d in doors]
    answers = asked(alice, *wanted)
    assert {got for *_, got in answers} <= REFUSED, answers
    with_his = asked(bob, *[("GET", f"{d}/{c}", bob.kernel.token) for d in doors for c in calls])
    assert {got for *_, got in with_his} == {200}


def test_dashboards_of_schedulers_and_workers(town, alice, bob, clusters):
    site, mine, name = town.facility.site, alice.kernel.token, clusters[bob.name]
    path = f"/services/dask-gateway/clusters/{name}"
    public = [f"{site.url}{path}", f"http://127.0.0.1:{site.ports['gateway_web']}{path}"]
    own = [f"http://127.0.0.1:{port}" for one in dask_of(bob) for port in ports_of(one)]
    assert len(own) >= 4  # scheduler and worker: traffic and dashboard each
    pages = ("status", "info/main/workers.html", "metrics", "health", "json/counts.json")
    wanted = [("GET", f"{d}/{p}", t) for d in (*public, *own) for p in pages for t in ("", mine)]
    answers = asked(alice, *wanted)
    # A port for TLS traffic answers nothing in HTTP.
    silent = {"RemoteProtocolError", "ReadError"}
    assert {got for *_, got in answers} <= REFUSED | silent, answers
    his = ("GET", f"{public[0]}/status", bob.kernel.token)
    # A young scheduler's pages come a moment after it.
    wait_for(lambda: asked(bob, his)[0][2] == 200, 30, "bob's dashboard")


def dask_of(person):
    return [one for one in person.processes() if "DASK_GATEWAY_CLUSTER_NAME" in one.environ()]


def test_the_gateways_api(town, alice, bob, clusters):
    site, mine, name = town.facility.site, alice.kernel.token, clusters[bob.name]
    hers = dask_of(alice)[0].environ()["DASK_GATEWAY_API_TOKEN"]  # her scheduler's
    inner = f"http://127.0.0.1:{site.ports['gateway']}/api/v1"
    wanted = []
    for api in (f"{site.url}/services/dask-gateway/api/v1", inner):
        for token in ("", mine, hers):
            cluster = f"{api}/clusters/{name}"
            wanted += [("GET", cluster, token), ("GET", f"{cluster}/logs", token)]
            wanted += [("POST", f"{cluster}/{what}", token) for what in ("scale", "heartbeat")]
            wanted += [("GET", f"{api}/routes", token), ("DELETE", cluster, token)]
    answers = asked(alice, *wanted)
    # To stop what isn't there, for her, is no error; nothing happens.
    assert {got for m, _, got in answers if m != "DELETE"} <= REFUSED, answers
    assert {got for m, _, got in answers if m == "DELETE"} <= REFUSED | {204}, answers
    listed = alice.kernel.ask("answer = [one.name for one in Gateway().list_clusters()]")
    assert listed == [clusters[alice.name]]
    assert bob.kernel.ask("answer = client.submit(sum, (1, 2)).result(60)") == 3


def test_panels_and_the_dashboards_behind_them(town, alice, bob, clusters):
    panel = f"{town.facility.url}/user/{bob.name}/casita"
    his = f"{panel}/clusters/{clusters[bob.name]}"
    gets = [f"{panel}/{path}" for path in ("facility", "events", "clusters", "clusters/form")]
    gets += [f"{his}/{path}" for path in ("logs", "logs/events", "pages", "environment")]
    dashboard = ("status", "individual-plots.json", "json/counts.json", "casita/facts.json")
    gets += [f"{his}/dashboard/{path}" for path in (*dashboard, "statics/js/bokeh.min.js")]
    changes = [
        *(("POST", f"{his}/{what}") for what in ("scale", "adapt")),
        *(("DELETE", url) for url in (his, f"{panel}/clusters", f"{his}/adapt")),
        *(("PATCH", his), ("POST", f"{panel}/clusters"), ("POST", f"{panel}/facility/extend")),
    ]
    requests = [("GET", url) for url in gets] + changes
    for token in ("", alice.kernel.token):
        answers = asked(alice, *[(*one, token) for one in requests])
        assert [one for one in answers if one[2] not in REFUSED] == []
    own = asked(bob, *[("GET", url, bob.token()) for url in (gets[0], f"{his}/logs")])
    assert [status for *_, status in own] == [200, 200]
    # Her own server asks for his cluster with her token.
    hers = f"{town.facility.url}/user/{alice.name}/casita/clusters/{clusters[bob.name]}"
    hidden = [*(("GET", url) for url in gets if url.startswith(his)), ("DELETE", his)]
    refused = asked(alice, *[(m, url.replace(his, hers), alice.token()) for m, url in hidden])
    assert [one for one in refused if one[2] not in REFUSED] == []


def test_the_hubs_api_and_tokens(town, alice, bob):
    site, mine = town.facility.site, alice.kernel.token
    user = f"users/{bob.name}"
    wanted = []
    for api in (f"{site.url}/hub/api", site.hub_api):
        for token in ("", mine):
            gets = (user, f"{user}/tokens", "users", "groups", "services", "proxy", "info")
            wanted += [("GET", f"{api}/{path}", token) for path in gets]
            wanted += [("POST", f"{api}/{path}", token) for path in (f"{user}/tokens", "users")]
            wanted += [("DELETE", f"{api}/{path}", token) for path in (f"{user}/server", user)]
            wanted += [("POST", f"{api}/shutdown", token)]
    answers = asked(alice, *wanted)
    harmless = {"users", "services"}  # lists of what the asker may see: nobody but herself
    bad = [a for a in answers if a[2] not in REFUSED and a[1].rpartition("/")[2] not in harmless]
    assert bad == []
    seen = httpx.get(f"{site.hub_api}/users", headers={"Authorization": f"token {mine}"}).json()
    assert [one["name"] for one in seen if isinstance(seen, list)] in ([], [alice.name])


def test_the_login_services_tokens(town, alice, bob):
    tokens = f"{town.facility.url}/services/login/tokens"
    headers = {"Authorization": f"Bearer {bob.kernel.token}"}
    made = httpx.post(
        tokens, headers=headers, json={"scopes": ["gateway"], "seconds": 600, "note": "bob's"}
    )
    assert made.status_code in (201, 422), made.text
    listed = httpx.get(tokens, headers=headers).json()
    his = [one["id"] for one in (listed["tokens"] if isinstance(listed, dict) else listed)]
    mine = alice.kernel.token
    assert {got for *_, got in asked(alice, *[("DELETE", f"{tokens}/{i}", mine) for i in his])} <= {
        404
    }
    shown = httpx.get(tokens, headers={"Authorization": f"Bearer {mine}"})
    assert not [one for one in his if one in shown.text]


def test_the_proxys_api(town, alice):
    api = f"http://127.0.0.1:{town.facility.site.ports['proxy_api']}"
    paths = ("api/rawdata", "api/http/routers", "api/overview", "dashboard/", "debug/pprof/")
    answers = asked(alice, *[("GET", f"{api}/{p}", t) for p in paths for t in ("", "x")])
    assert {got for *_, got in answers} <= REFUSED, answers


# ---- the schedulers' own traffic


def test_a_scheduler_takes_only_its_own_clusters_certificate(town, alice, bob, clusters):
    site, name = town.facility.site, clusters[bob.name]
    scheduler = next(one for one in dask_of(bob) if "scheduler" in one.cmdline())
    direct = [("127.0.0.1", port, None) for port in ports_of(scheduler)]
    ways = [*direct, ("127.0.0.1", site.ports["traffic"], f"daskgateway-{name}")]
    code = """
import os, socket, ssl
answer = []
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.load_cert_chain(f"{given[0]}/.certs/dask.crt", f"{given[0]}/.certs/dask.pem")
for host, port, name in given[1]:
    try:
        with socket.create_connection((host, port), 5) as plain:
            with context.wrap_socket(plain, server_hostname=name or "dask") as stream:
                answer.append("data" if stream.recv(8) else "closed")
    except OSError as error:
        answer.append(type(error).__name__)
"""
    tried = {
        person.name: person.kernel.ask(code, [str(site.clusters / clusters[person.name]), ways])
        for person in (alice, bob)
    }
    assert "data" in tried[bob.name]
    assert tried[bob.name][-1] == "data"  # through the gateway
    assert "data" not in tried[alice.name], tried


# ---- links, to make root read, change or delete what isn't alice's


def test_links_among_the_logs_show_nothing(town, alice, bob, clusters):
    site, name = town.facility.site, clusters[alice.name]
    mark = secrets.token_hex(8)
    kept = town.folder / "root-only.log"
    kept.write_text(mark)
    kept.chmod(0o600)
    alice.kernel.run(
        f"import os\nlogs = {str(site.clusters / name / 'logs')!r}\n"
        f"os.symlink({str(kept)!r}, logs + '/a.log')\n"
        f"os.symlink({str(site.state)!r}, logs + '/b.log')\n"
        "os.mkfifo(logs + '/c.log'); os.mkdir(logs + '/d.log')\n"
        "os.symlink('/dev/zero', logs + '/e.log'); os.symlink(logs, logs + '/f.log')"
    )
    os.link(kept, site.clusters / name / "logs" / "g.log")  # as if hard links weren't protected
    url = f"{town.facility.url}/services/dask-gateway/api/v1/clusters/{name}/logs"
    headers = {"Authorization": f"token {alice.kernel.token}"}

    def shown():
        return httpx.get(url, headers=headers, timeout=10).json()["logs"]

    logs = {one["process"]: one["text"] for one in shown()}
    assert "Scheduler at" in logs["scheduler"]
    assert {logs[one] for one in "abcdefg"} == {""}
    swap = f"os.rename(logs, logs + '-mine'); os.symlink({str(kept.parent)!r}, logs)"
    alice.kernel.run(swap)
    assert shown() == []
    alice.kernel.run("os.unlink(logs); os.rename(logs + '-mine', logs)")


def test_links_in_a_clusters_folder_delete_nothing_else(town, alice, bob):
    site = town.facility.site
    (town.folder / "victim").mkdir()
    (town.folder / "victim" / "kept").write_text("kept")
    name = alice.kernel.ask("other = Gateway().new_cluster()\nanswer = other.name")
    folder = site.clusters / name
    before = [path.lstat()[:6] for path in (Path("/"), bob.home, town.folder / "victim")]
    tried = alice.kernel.ask(
        "import os, shutil\nfolder, victim, home = given\nanswer = []\n"
        "for one in (folder + '/.certs', folder + '/logs'):\n"
        "    os.rename(one, one + '-old'); os.symlink(victim, one)\n"
        "os.symlink(home, folder + '/home'); os.symlink('/', folder + '/root')\n"
        "for attempt in (lambda: os.rename(folder, folder + 'x'), lambda: os.rmdir(folder),\n"
        "                lambda: os.symlink(victim, folder + 'y'),\n"
        "                lambda: os.chmod(os.path.dirname(folder), 0o777)):\n"
        "    try:\n"
        "        attempt(); answer.append('done')\n"
        "    except OSError as error:\n"
        "        answer.append(type(error).__name__)",
        [str(folder), str(town.folder / "victim"), str(bob.home)],
    )
    assert set(tried) <= {"PermissionError", "OSError"}
    alice.kernel.run("other.shutdown()")
    deadline = time.monotonic() + 60
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not folder.exists()
    assert (town.folder / "victim" / "kept").read_text() == "kept"
    assert [p.lstat()[:6] for p in (Path("/"), bob.home, town.folder / "victim")] == before
