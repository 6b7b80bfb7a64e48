"""What a scheduler tells its owner of its cluster, and what clusters are called."""

import json
import time
from collections import namedtuple
from types import SimpleNamespace

import httpx
import pytest

from casita.client import operator
from casita.gateway import facts as module
from casita.gateway.facts import facts
from casita.hub import panel_environment
from casita.testing import wait_for
from casita_clusters.client import Clusters
from casita_clusters.kernel import connect

PREFIX = "/services/dask-gateway"


@pytest.fixture(scope="module")
def http(facility):
    with operator(facility.site).http() as session:
        yield session


@pytest.fixture(scope="module")
def cluster(facility, http):
    clusters = Clusters(http, facility.site.gateway_url)
    name = clusters.create({"label": "  ttbar scan "})
    clusters.wait(name)
    clusters.scale(name, 1)
    clusters.wait(name, workers=1)
    yield name
    clusters.stop(name)


def ask(http, cluster, what="facts"):
    answer = http.get(f"{PREFIX}/clusters/{cluster}/casita/{what}.json")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_idle_cluster_tells_when_it_ends(http, cluster, facility):
    told = ask(http, cluster)
    assert (told["workers"], told["wanted"], told["cores"]) == (1, 1, 1)
    assert told["memory"] == facility.site.config.gateway.worker_memory
    assert 0 < told["memory_used"] < told["memory"]
    assert told["adaptive"] is None
    assert abs(told["idle_ends"] - time.time() - facility.site.config.gateway.idle_timeout) < 120


def test_tasks_are_counted_and_a_busy_cluster_has_no_end(facility, http, cluster, monkeypatch):
    site = facility.site
    monkeypatch.setenv("CASITA_STATE", str(facility.state))
    monkeypatch.setenv("DASK_GATEWAY__ADDRESS", site.gateway_url)
    monkeypatch.setenv("DASK_GATEWAY__PROXY_ADDRESS", site.gateway_traffic)
    monkeypatch.setenv("DASK_GATEWAY__AUTH__TYPE", "jupyterhub")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", http.headers["Authorization"].split()[1])
    import dask.config

    dask.config.refresh()
    with connect(cluster) as client:
        kept = client.submit(int, 7)
        kept.result()
        slow = client.submit(time.sleep, 20)
        later = client.submit(int, slow)
        wanted = {"waiting": 1, "processing": 1, "memory": 1, "erred": 0}
        busy = wait_for(lambda: (t := ask(http, cluster))["tasks"] == wanted and t, 10)
        assert busy["idle_ends"] is None
        del slow, later, kept


def test_bounds_show_while_the_load_decides(facility, http, cluster):
    clusters = Clusters(http, facility.site.gateway_url)
    clusters.adapt(cluster, 1, 2)
    assert ask(http, cluster)["adaptive"] == {"minimum": 1, "maximum": 2}
    clusters.scale(cluster, 1)
    assert ask(http, cluster)["adaptive"] is None


def test_the_environment_is_told_by_normalised_names(http, cluster):
    told = ask(http, cluster, "packages")
    assert told["packages"]["dask"] == told["packages"]["distributed"]
    assert "dask-gateway" in told["packages"]
    assert told["python"].startswith("3.")


def test_facts_are_for_the_owner(facility, cluster):
    for what in ("facts", "packages"):
        url = f"{facility.url}{PREFIX}/clusters/{cluster}/casita/{what}.json"
        assert httpx.get(url, trust_env=False).status_code == 401
        headers = {"Authorization": "token nonsense"}
        assert httpx.get(url, headers=headers, trust_env=False).status_code in (401, 403)


def test_a_cluster_is_called_as_its_owner_wants(facility, http, cluster):
    clusters = Clusters(http, facility.site.gateway_url)
    assert clusters.get(cluster).label == "ttbar scan"
    path = f"{PREFIX}/api/v1/clusters/{cluster}"
    answer = http.patch(path, json={"label": "Träume & more"})
    assert answer.json()["options"]["label"] == "Träume & more"
    assert clusters.get(cluster).label == "Träume & more"
    facility.casita("restart", "gateway")
    wait_for(lambda: clusters.get(cluster).label == "Träume & more", 30)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"label": "%s"}' % ("x" * 61), "at most 60 characters, not 61"),
        ('{"label": "a\\nb"}', "one line"),
        ('{"label": 3}', "is text, not int"),
        ("{}", 'send {"label": "a name"}'),
        ('{"label": ' + "[" * 10**5, 'send {"label": "a name"}'),
        ("no json", 'send {"label": "a name"}'),
    ],
)
def test_what_is_no_name_is_refused_in_a_sentence(http, cluster, body, said):
    answer = http.patch(f"{PREFIX}/api/v1/clusters/{cluster}", content=body)
    assert answer.status_code == 422
    assert said in answer.json()["error"]


def test_nobody_renames_what_is_not_theirs(facility, http, cluster):
    unknown = http.patch(f"{PREFIX}/api/v1/clusters/{'0' * 32}", json={"label": "x"})
    assert unknown.status_code == 404
    assert http.patch(f"{PREFIX}/api/v1/clusters/{cluster}/scale", json={}).status_code == 405
    url = f"{facility.url}{PREFIX}/api/v1/clusters/{cluster}"
    assert httpx.patch(url, json={"label": "x"}, trust_env=False).status_code == 401


# ---- without a cluster

Transition = namedtuple("Transition", "key timestamp")
Worker = namedtuple("Worker", "nthreads memory_limit metrics processing")


def scheduler(*workers, unrunnable=(), log=(), timeout=100, groups=None):
    service = SimpleNamespace(
        count=3, idle_timeout=timeout, adapt_task=None, minimum=None, maximum=None
    )
    return SimpleNamespace(
        workers={str(number): one for number, one in enumerate(workers)},
        plugins={"other": object(), "gateway": SimpleNamespace(service=service)},
        task_groups=groups or {},
        unrunnable=unrunnable,
        transition_log=log,
        time_started=1000.0,
    )


@pytest.mark.parametrize(
    ("found", "ends"),
    [
        (scheduler(), 1100.0),
        (scheduler(log=[Transition("x", 1010.0)]), 1110.0),
        (scheduler(log=[Transition("x", 1.0)]), 1050.0),  # overdue: at the next look
        (scheduler(timeout=0), None),
        (scheduler(unrunnable={"x"}), None),
        (scheduler(Worker(1, 2, {}, {"x": 1})), None),
    ],
)
def test_the_end_of_an_idle_cluster(found, ends):
    assert facts(found, 1050.0)["idle_ends"] == ends


def test_a_scheduler_without_gateway_tells_what_it_knows():
    found = scheduler(Worker(2, 10, {"memory": 4}, {}))
    found.plugins = {}
    told = facts(found, 1050.0)
    assert (told["cores"], told["memory"], told["memory_used"]) == (2, 10, 4)
    assert (told["wanted"], told["adaptive"], told["idle_ends"]) == (None, None, None)


def test_tasks_without_a_worker_wait():
    groups = {"g": SimpleNamespace(states={"no-worker": 1, "queued": 2, "waiting": 3, "erred": 1})}
    assert facts(scheduler(groups=groups), 1.0)["tasks"]["waiting"] == 6


def test_the_first_of_two_distributions_counts(monkeypatch):
    one = namedtuple("Distribution", "name version")
    monkeypatch.setattr(
        module, "distributions", lambda: [one("My_Pack.age", "2"), one("my-pack-age", "1")]
    )
    module.packages.cache_clear()
    try:
        assert module.packages() == {"my-pack-age": "2"}
    finally:
        module.packages.cache_clear()


def test_servers_know_of_backends_that_are_off(facility):
    told = panel_environment(facility.site)
    assert {"name": "clusters", "title": "Dask clusters", "state": "on"} in json.loads(
        told["CASITA_BACKENDS"]
    )
    assert told["CASITA_IDLE_TIMEOUT"] == str(facility.site.config.servers.idle_timeout)
