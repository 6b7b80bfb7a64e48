"""``casita clusters`` and ``casita_clusters`` in a kernel, on real clusters."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager

import httpx
import pytest
from tests.extensions.servers import log_in, server_at

from casita.jupyter.testing import running_server
from casita.testing import casita, running_facility, wait_for

GIB = 2**30


@pytest.fixture(scope="module")
def home(facility, tmp_path_factory):
    """The variables of a person who is logged in at the shared facility."""
    return log_in(facility, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def clusters(home):
    """Run ``casita clusters`` as that person."""

    def run(*words, **more):
        return casita("clusters", *words, env=home, **more)

    return run


@pytest.fixture(scope="module")
def cluster(clusters):
    """A cluster with one worker, as ``create --json`` tells of it."""
    made = json.loads(clusters("create", "--workers", "1", "--json").stdout)
    yield made
    clusters("stop", made["name"], check=False)


def listed(clusters):
    return {one["name"]: one for one in json.loads(clusters("list", "--json").stdout)}


def limits(clusters):
    return json.loads(clusters("limits", "--json").stdout)


def refused(run, *words):
    done = run(*words, check=False)
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


# ---- terminal


def test_a_new_cluster_is_told_in_the_documented_form(cluster, facility, home):
    assert set(cluster) == {"name", "status", "workers", "dashboard"}
    assert cluster["status"] == "running"
    assert cluster["workers"] == 1
    assert cluster["dashboard"].startswith(f"{facility.url}/services/dask-gateway/clusters/")
    assert httpx.get(cluster["dashboard"]).status_code == 401


def test_what_there_is_and_may_be(clusters, cluster):
    mine = listed(clusters)[cluster["name"]]
    assert (mine["status"], mine["workers"], mine["cores"]) == ("running", 1, 1)
    assert mine["memory"] == 2 * GIB
    assert cluster["name"] in clusters("list").stdout
    options = clusters("options").stdout
    assert "worker_cores     Cores of a worker (1 to 4; default 1)" in options
    fields = [one["field"] for one in json.loads(clusters("options", "--json").stdout)]
    assert {"worker_cores", "worker_memory", "environment", "label"} == set(fields)
    now = limits(clusters)
    assert now["clusters"]["used"] >= 1
    assert now["cores"]["used"] >= 1
    assert (
        f"cores     {now['cores']['used']} of {now['cores']['limit']}" in clusters("limits").stdout
    )


def test_scale(clusters, cluster):
    name = cluster["name"]
    assert f"{name} goes to 2 workers" in clusters("scale", name[:6], "2").stdout
    wait_for(lambda: listed(clusters)[name]["workers"] == 2, 30, "two workers")
    clusters("scale", name, "1")
    wait_for(lambda: listed(clusters)[name]["workers"] == 1, 30, "one worker")
    most = limits(clusters)["cores"]["limit"]
    said = refused(clusters, "scale", name, str(most + 1))
    assert f"error: {most + 1} workers of 1 core and 2 GiB are more than you may have" in said
    assert listed(clusters)[name]["workers"] == 1


def test_adapt(clusters, cluster):
    name = cluster["name"]
    most = limits(clusters)["cores"]["limit"]
    assert f"{name} has 2 to 3 workers, as needed\n" in clusters("adapt", name, "2:3").stdout
    wait_for(lambda: listed(clusters)[name]["workers"] == 2, 30, "the minimum")
    shown = clusters("adapt", name, f"1:{most + 5}").stdout
    assert f"your limits allow {most}" in shown
    said = refused(clusters, "adapt", name, f"{most + 1}:{most + 5}")
    assert f"{most + 1} workers of 1 core" in said
    assert "keeps the workers that it has" in clusters("adapt", name, "off").stdout
    clusters("scale", name, "1")
    assert "is no range of workers" in refused(clusters, "adapt", name, "4:1")


def test_clusters_have_names_for_people(clusters, cluster):
    made = json.loads(clusters("create", "--name", "Fit [red]", "--json").stdout)["name"]
    shown = next(one for one in clusters("list").stdout.splitlines() if made in one)
    assert "Fit [red]" in shown
    assert listed(clusters)[made]["label"] == "Fit [red]"
    assert f"{made} goes to 0 workers" in clusters("scale", "Fit", "0").stdout
    assert f"{made} is called top quark" in clusters("rename", "Fit [red]", "top quark").stdout
    assert listed(clusters)[made]["label"] == "top quark"
    assert "scheduler  " in clusters("logs", "top quark").stdout
    assert "you have no cluster 'Fit'" in refused(clusters, "scale", "Fit", "1")
    assert f"{made} stops" in clusters("stop", "top").stdout


def test_a_create_that_is_refused_leaves_no_cluster(clusters, cluster):
    before = set(listed(clusters))
    for words, sentence in (
        (("--workers", "99"), "99 workers of 1 core and 2 GiB are more than you may have"),
        (("--adapt", "9"), "is no range of workers"),
        (("--workers", "1", "--adapt", "0:1"), "exclude each other"),
        (("-o", "worker_cores=99"), "worker_cores must be <= 4"),
        (("-o", "environment=nowhere"), "not a valid option for environment"),
        (("-o", "nonsense=1"), "'nonsense=1' is no cluster option"),
    ):
        assert sentence in refused(clusters, "create", *words), words
    wait_for(lambda: set(listed(clusters)) == before, 20, "no further cluster")


def test_names_must_say_which(clusters, cluster):
    for words in (("scale", "zz", "1"), ("adapt", "zz", "off"), ("stop", "zz"), ("logs", "zz"),
                  ("logs", "../limits"), ("stop", "..")):  # fmt: skip
        said = refused(clusters, *words)
        assert f"you have no cluster {words[1]!r}" in said
        assert "hint: `casita clusters list` shows yours" in said
    for words in (("stop", ""), ("logs", ""), ("scale", "", "1")):
        assert "no cluster is named" in refused(clusters, *words)
    assert "which cluster?" in refused(clusters, "stop")
    assert cluster["name"] in listed(clusters)


def test_logs(clusters, cluster):
    name = cluster["name"]
    shown = clusters("logs", name[:6]).stdout
    assert "scheduler  " in shown
    assert "worker-" in shown
    only = clusters("logs", name, "--process", "scheduler", "-n", "3").stdout.splitlines()
    assert len(only) == 3
    assert all(line.startswith("scheduler  ") for line in only)
    processes = {
        one["process"] for one in json.loads(clusters("logs", name, "--json").stdout)["logs"]
    }
    assert "scheduler" in processes


@contextmanager
def in_background(home, *words):
    """Run a command; gives the process, which is ended afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "casita", *words],
        env={**os.environ, **home},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_logs_are_followed_until_the_cluster_ends(clusters, home):
    name = json.loads(clusters("create", "--json").stdout)["name"]
    with in_background(home, "clusters", "logs", name, "--follow") as following:
        seen = [following.stdout.readline()]
        clusters("scale", name, "1")
        while "Register worker" not in seen[-1]:
            line = following.stdout.readline()
            assert line, following.stderr.read()
            seen.append(line)
        log = clusters("logs", name, "--process", "scheduler", "-n", "500").stdout
        clusters("stop", name)
        # communicate() would leave out what readline() has taken in already.
        seen.append(following.stdout.read())
        assert following.wait(30) == 0, following.stderr.read()
    followed = [one for one in "".join(seen).splitlines() if one.startswith("scheduler")]
    assert followed[: len(log.splitlines())] == log.splitlines()  # each once, in order


def test_several_are_stopped_only_on_purpose(clusters, cluster):
    made = json.loads(clusters("create", "--json").stdout)["name"]
    said = refused(clusters, "stop", cluster["name"], made)
    assert "this stops 2 clusters" in said
    assert "say so with --yes" in said
    clusters("stop", made, "--yes")
    assert set(listed(clusters)) == {cluster["name"]}


# ---- kernel

KERNEL = """
import sys
from dask.distributed import Client
from dask_gateway import Gateway
from casita_clusters import connect, new_cluster

made = new_cluster(workers=1, worker_memory=1)
with connect(made.name[:8]) as client:
    print("connect", client.submit(pow, 2, 5).result(timeout=60))
with Client(made.scheduler_address) as client:
    print("address", client.submit(pow, 2, 6).result(timeout=60))
print("options", Gateway().get_cluster(made.name).options["worker_memory"])
try:
    connect()
except Exception as error:
    print("several:", error)
try:
    new_cluster(workers=99)
except Exception as error:
    print("limit:", error)
made.close()
with connect() as client:
    print("only", client.submit(pow, 2, 7).result(timeout=60))
try:
    Client("gateway://127.0.0.1:1/" + made.name)
except Exception as error:
    print("stopped:", error)
"""


def test_a_kernel_makes_finds_and_joins_clusters(cluster, clusters, home):
    done = casita("run", "--", sys.executable, "-c", KERNEL, env=home)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert said["connect"] == "32"
    assert said["address"] == "64"
    assert said["only"] == "128"
    assert said["options"] == "1.0"
    assert "no cluster is named" in said["several:"]
    assert cluster["name"] in said["several:"]
    assert "99 workers of 1 core and 2 GiB are more than you may have" in said["limit:"]
    assert "does not run" in said["stopped:"]
    assert "Exception ignored" not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    # Leaving `connect` leaves the cluster, closing what `new_cluster` made ends it.
    assert set(listed(clusters)) == {cluster["name"]}


# ---- a facility of its own: clusters that fail, idle or outlive the gateway

IDLE = 20
CONFIG = """
[gateway]
user_clusters = 1
user_cores = 2
idle_timeout = "{idle}s"
[gateway.environments]
broken = "{folder}/broken"
endless = "{folder}/endless"
plain = "{folder}/plain"
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A facility with short patience and with environments that are no good."""
    folder = tmp_path_factory.mktemp("own")
    scripts = {
        "broken": "echo \"ModuleNotFoundError: No module named 'dask_gateway'\" >&2; exit 1",
        "endless": "exec sleep 120",
        "plain": f'exec {sys.prefix}/bin/dask "$@"',
    }
    for name, line in scripts.items():
        program = folder / name / "bin" / "dask"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
    config = folder / "casita.toml"
    config.write_text(CONFIG.format(idle=IDLE, folder=folder))
    with running_facility(folder / "state", "--config", config) as running:
        yield running


def names(facility):
    found = json.loads(facility.casita("clusters", "list", "--json").stdout)
    return [one["name"] for one in found]


def test_a_start_that_fails_says_why_and_what_to_do(own):
    done = own.casita("clusters", "create", "-o", "environment=broken", check=False)
    assert done.returncode == 1
    assert "failed: the scheduler ended with status 1; the end of its scheduler log:" in done.stderr
    assert "No module named 'dask_gateway'" in done.stderr
    assert "hint: a module is missing on the cluster" in done.stderr
    assert names(own) == []
    failed = done.stderr.split()[2]
    shown = own.casita("clusters", "logs", failed).stdout
    assert "failed: the scheduler ended with status 1" in shown
    assert "No module named 'dask_gateway'" in shown
    # It does not follow what has ended.
    own.casita("clusters", "logs", failed, "--follow", timeout=20)


def test_a_failed_start_is_shown_in_jupyter_also_after_its_restart(own, tmp_path):
    def failure(server, name):
        overview = server.http.get("clusters").json()
        assert overview["problem"] is None
        return next((one for one in overview["failures"] if one["name"] == name), None)

    with server_at(own, tmp_path) as server:
        wish = {"options": {"environment": "broken"}, "workers": 1}
        name = server.http.post("clusters", json=wish).json()["name"]
        before = wait_for(lambda: failure(server, name), 30, "the failure")
    assert before["reason"] == "the scheduler ended with status 1"
    assert before["process"] == "scheduler"
    assert "No module named 'dask_gateway'" in before["tail"]
    assert before["hint"].startswith("a module is missing on the cluster")
    with running_server(tmp_path) as server:
        assert failure(server, name) == before
        logs = server.http.get(f"clusters/{name}/logs").json()
        assert (logs["status"], logs["reason"]) == ("FAILED", before["reason"])


def test_ctrl_c_while_a_cluster_starts_leaves_none(own):
    words = ("clusters", "create", "-o", "environment=endless", "--state", str(own.state))
    with in_background({}, *words) as creating:
        wait_for(lambda: names(own), 20, "a cluster")
        creating.send_signal(signal.SIGINT)
        assert creating.wait(20) != 0
    wait_for(lambda: not names(own), 30, "the cluster's end")


def test_one_cluster_more_than_allowed_is_refused(own):
    first = own.casita("clusters", "create", "--json")
    done = own.casita("clusters", "create", check=False)
    assert done.returncode == 1
    assert "you have 1 of 1 clusters: stop one before you start another" in done.stderr
    own.casita("clusters", "stop", json.loads(first.stdout)["name"])
    wait_for(lambda: not names(own), 30, "the cluster's end")


def test_an_environment_without_casita_has_a_guarded_dashboard(own):
    done = own.casita("clusters", "create", "-o", "environment=plain", "--workers", "1", "--json")
    made = json.loads(done.stdout)
    assert made["workers"] == 1
    door = f"http://127.0.0.1:{own.site.ports['gateway_web']}/services/dask-gateway"
    for path in ("status", "json/counts.json", "info/main/logs.html", "metrics"):
        answer = httpx.get(f"{door}/clusters/{made['name']}/{path}")
        assert answer.status_code == 401, path
    own.casita("clusters", "stop", made["name"])
    wait_for(lambda: not names(own), 30, "the cluster's end")


def test_an_idle_cluster_ends(own):
    name = json.loads(own.casita("clusters", "create", "--json").stdout)["name"]
    assert names(own) == [name]
    wait_for(lambda: not names(own), IDLE + 30, "the end of an idle cluster")


BUSY = """
import sys, time
from distributed import fire_and_forget
from casita_clusters import connect

with connect(sys.argv[1]) as client:
    print(client.submit(pow, 2, int(sys.argv[2])).result(timeout=60))
    fire_and_forget(client.submit(time.sleep, 45))
"""


def test_clusters_survive_hub_and_gateway_and_go_on(own):
    """A busy cluster outlives a restart of what watches it, and can then be used and changed."""
    name = json.loads(own.casita("clusters", "create", "--workers", "2", "--json").stdout)["name"]
    run = ("run", "--state", own.state, "--", sys.executable, "-c", BUSY, name)
    assert casita(*run, 8).stdout == "256\n"
    key = own.site.secret("gateway_encryption")
    own.casita("restart")
    assert names(own) == [name]
    assert casita(*run, 9).stdout == "512\n"
    own.casita("clusters", "scale", name, "1")
    wait_for(
        lambda: '"workers": 1' in own.casita("clusters", "list", "--json").stdout, 30, "one worker"
    )
    assert own.site.secret("gateway_encryption") == key
    with closing(sqlite3.connect(own.state / "gateway" / "gateway.sqlite")) as database:
        (sealed,) = database.execute(
            "select tls_credentials from clusters where name = ?", [name]
        ).fetchone()
    assert b"PRIVATE KEY" not in sealed
    own.casita("clusters", "stop", name)
