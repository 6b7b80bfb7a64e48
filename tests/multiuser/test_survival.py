"""What two people have while their facility restarts, dies, comes back, and ends.  Runs last."""

import httpx
import psutil

from casita import sweep
from casita.testing import casita, wait_for


def users_processes(*people) -> dict[int, float]:
    """Return start time by pid of servers, kernels, schedulers and workers."""
    words = ("jupyterhub-singleuser", "ipykernel_launcher", "scheduler", "worker")
    return {
        one.pid: one.create_time()
        for person in people
        for word in words
        for one in person.processes(word)
    }


def test_a_restart_of_hub_and_gateway_keeps_what_both_have(town, alice, bob, clusters):
    before = users_processes(alice, bob)
    assert len(before) >= 8
    for name in ("hub", "gateway", "gateway-proxy"):
        town.facility.casita("restart", name)
    assert users_processes(alice, bob) == before
    for person in (alice, bob):
        with person.login() as session:
            assert session.api("GET", f"/users/{person.name}").json()["servers"][""]["ready"]
        code = "gateway = Gateway()\nanswer = [one.name for one in gateway.list_clusters()]"
        assert person.kernel.ask(code) == [clusters[person.name]]
        person.kernel.run("client = gateway.connect(answer[0]).get_client()")
        assert person.kernel.ask("answer = client.submit(sum, (1, 2)).result(60)") == 3


def test_up_after_kill_9_adopts_what_users_have_and_forgets_who_left(town, alice, bob, clusters):
    token = town.eve.token()
    url = f"{town.facility.url}/hub/api/user"
    assert httpx.get(url, headers={"Authorization": f"token {token}"}).status_code == 200
    for one in sweep.belongings(town.facility.site.instance):
        if one.service:
            one.process.kill()
    wait_for(lambda: not [b for b in sweep.belongings(town.facility.site.instance) if b.service])
    scheduler = next(one for one in bob.processes("scheduler"))
    scheduler.kill()
    before = users_processes(alice)
    text = town.config.read_text()
    town.config.write_text(text.replace(f', "{town.eve.name}"', ""))
    town.facility.casita("up", "--detach", "--config", town.config)
    assert users_processes(alice) == before
    alice.kernel.run("client = Gateway().connect(cluster.name).get_client()")
    assert alice.kernel.ask("answer = client.submit(sum, (1, 2)).result(60)") == 3
    logs = f"{town.facility.url}/services/dask-gateway/api/v1/clusters/{clusters[bob.name]}/logs"
    headers = {"Authorization": f"token {bob.kernel.token}"}
    said = wait_for(lambda: httpx.get(logs, headers=headers).json()["reason"], 60)
    assert said == "the scheduler ended while the gateway was away"
    assert "may not use this facility" in town.eve.refused()
    assert httpx.get(url, headers={"Authorization": f"token {token}"}).status_code == 403


def test_a_worker_that_leaves_its_group_ends_with_its_cluster(town, alice):
    pid = alice.kernel.ask(
        "import subprocess\n"
        "def leave():\n"
        "    return subprocess.Popen(['sleep', '600'], start_new_session=True).pid\n"
        "answer = client.submit(leave).result(60)"
    )
    assert psutil.Process(pid).name() == "sleep"
    alice.kernel.run("Gateway().stop_cluster(cluster.name)")
    wait_for(lambda: not psutil.pid_exists(pid), 60, "the process ends")
    wait_for(lambda: not alice.processes("scheduler"), 60, "the scheduler ends")


def test_down_leaves_no_process_of_any_user_and_no_folder(town, alice, bob):
    site = town.facility.site
    alice.kernel.run("last = Gateway().submit()")
    assert users_processes(alice, bob)
    town.facility.casita("down")
    assert [one.cmdline() for person in (alice, bob) for one in person.processes()] == []
    assert town.facility.remains() == []
    assert not site.clusters.exists()
    assert not site.runtime.exists()
    assert casita("status", "--state", site.state, check=False).returncode == 1
