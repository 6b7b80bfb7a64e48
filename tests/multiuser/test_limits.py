"""Memory and cores of a worker, and what a user may have: enforced, and for each user alone."""

import os

import httpx
import pytest

FAIL = """
try:
    answer = str({call})
except BaseException as error:
    answer = f"{{type(error).__name__}}: {{error}}"
"""


@pytest.mark.usefixtures("clusters")
def test_a_task_that_wants_far_more_memory_fails_and_the_next_one_runs(alice):
    wanted = "client.submit(lambda: len(bytearray(8 * 2**30))).result(120)"
    assert alice.kernel.ask(FAIL.format(call=wanted)).startswith("MemoryError")
    assert alice.kernel.ask("answer = client.submit(sum, (1, 2)).result(60)") == 3


@pytest.mark.usefixtures("clusters")
def test_the_kernel_bounds_memory_where_dask_does_not_look(alice):
    alice.kernel.run(
        "import subprocess, sys\n"
        "def child():\n"
        "    code = 'x = bytearray(8 * 2**30)'\n"
        "    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)\n"
        "    return done.stderr\n"
        "def lift():\n"
        "    import resource\n"
        "    resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))"
    )
    assert "MemoryError" in alice.kernel.ask("answer = client.submit(child).result(120)")
    lifted = alice.kernel.ask(FAIL.format(call="client.submit(lift).result(60)"))
    assert lifted.startswith("ValueError: not allowed to raise maximum limit")
    # So is a scheduler's, where its user's code can run, too.
    scheduled = "client.run_on_scheduler(lambda: len(bytearray(8 * 2**30)))"
    assert alice.kernel.ask(FAIL.format(call=scheduled)).startswith("MemoryError")


@pytest.mark.usefixtures("clusters")
def test_a_worker_over_its_memory_is_restarted_and_the_client_is_told(alice):
    alice.kernel.run(
        "def hold():\n"
        "    import time\n"
        "    kept = b'x' * (700 * 2**20)  # beyond dask's limit, not the kernel's\n"
        "    time.sleep(60)\n"
        "    return len(kept)\n"
        "client.run_on_scheduler("
        "lambda dask_scheduler: setattr(dask_scheduler, 'allowed_failures', 0))"
    )
    assert alice.kernel.ask(FAIL.format(call="client.submit(hold).result(120)")).startswith(
        "KilledWorker"
    )
    assert alice.kernel.ask("answer = client.submit(sum, (1, 2)).result(120)") == 3


@pytest.mark.usefixtures("clusters")
def test_workers_are_bound_to_cpus_the_least_busy_ones(alice, bob):
    code = "import os\nanswer = list(client.run(lambda: sorted(os.sched_getaffinity(0))).values())"
    (hers,), (his,) = alice.kernel.ask(code), bob.kernel.ask(code)
    assert len(hers) == len(his) == 1
    if len(os.sched_getaffinity(0)) > 1:
        assert hers != his
    threads = alice.kernel.ask(
        "import os\nanswer = client.submit(lambda: os.environ.get('OMP_NUM_THREADS')).result()"
    )
    assert threads == "1"


@pytest.mark.usefixtures("clusters")
def test_limits_hold_for_each_user_and_say_so(town, alice, bob):
    too_many = alice.kernel.ask(FAIL.format(call="cluster.scale(4)"))
    assert "4 workers of 1 core and 512 MiB are more than you may have" in too_many
    # One object for all: distributed can fail to start a loop while another is thrown away.
    alice.kernel.run("gateway = Gateway(); second = gateway.submit()")
    third = alice.kernel.ask(FAIL.format(call="gateway.submit()"))
    assert "you have 2 of 2 clusters: stop one before you start another" in third
    limits = f"{town.facility.url}/services/dask-gateway/api/v1/limits"
    used = {
        one.name: httpx.get(limits, headers={"Authorization": f"token {one.kernel.token}"}).json()
        for one in (alice, bob)
    }
    assert used[alice.name]["clusters"] == {"used": 2, "limit": 2}
    assert used[bob.name]["clusters"] == {"used": 1, "limit": 2}
    assert used[bob.name]["cores"] == {"used": 1, "limit": 3}
    alice.kernel.run("gateway.stop_cluster(second)")
    bob.kernel.run("cluster.scale(2); cluster.scale(1)")


def test_a_cluster_that_does_not_start_tells_its_owner_why(town, alice, bob):
    said = alice.kernel.ask(FAIL.format(call="Gateway().new_cluster(environment='broken')"))
    assert "failed" in said
    name = next(word.strip("'\".,") for word in said.split() if len(word.strip("'\".,")) == 32)
    url = f"{town.facility.url}/services/dask-gateway/api/v1/clusters/{name}/logs"
    kept = httpx.get(url, headers={"Authorization": f"token {alice.kernel.token}"}).json()
    assert kept["reason"] == "the scheduler ended with status 127"
    assert "/nonexistent/bin/dask: No such file or directory" in kept["logs"][0]["text"]
    his = httpx.get(url, headers={"Authorization": f"token {bob.kernel.token}"})
    assert his.status_code == 404
