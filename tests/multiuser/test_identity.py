"""Under whose account everything runs."""

import json
import os
from pathlib import Path


def status(process) -> dict[str, list[str]]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {line.partition(":")[0]: line.partition(":")[2].split() for line in lines}


def test_a_persons_server_and_kernel_run_under_their_account(alice):
    found = alice.kernel.ask(
        "import os\n"
        "answer = {'ids': [os.getresuid(), os.getresgid()], 'groups': os.getgroups(),\n"
        " 'home': os.environ['HOME'], 'cwd': os.getcwd(), 'umask': os.umask(0o077),\n"
        " 'user': os.environ['USER'], 'parent': os.getppid()}"
    )
    uid, gid = alice.uid, alice.account.pw_gid
    assert found["ids"] == [[uid] * 3, [gid] * 3]
    assert sorted(found["groups"]) == sorted(os.getgrouplist(alice.name, gid))
    assert len(found["groups"]) == 2  # their own and "users", none of root's
    assert found["home"] == found["cwd"] == str(alice.home)
    assert found["umask"] == 0o077
    assert found["user"] == alice.name
    (server,) = alice.processes("jupyterhub-singleuser")
    assert found["parent"] == server.pid
    assert set(server.uids()) == {uid}


def test_nobody_else_can_reach_a_kernels_channels(alice, bob):
    kernel = next(iter(alice.processes("ipykernel_launcher")))
    file = kernel.cmdline()[-1]
    how = json.loads(Path(file).read_text())
    assert how["transport"] == "ipc"
    sockets = list(Path(how["ip"]).parent.glob(f"{Path(how['ip']).name}-*"))
    assert len(sockets) == 5
    # ipykernel has a port of its own, into which its child processes print; nothing comes out.
    assert len([c for c in kernel.net_connections("tcp") if c.status == "LISTEN"]) <= 1
    tried = bob.kernel.ask(
        "import socket\nanswer = []\n"
        "for path in given:\n"
        "    try:\n"
        "        socket.socket(socket.AF_UNIX).connect(path)\n"
        "        answer.append('connected')\n"
        "    except OSError as error:\n"
        "        answer.append(type(error).__name__)",
        [str(one) for one in sockets],
    )
    assert tried == ["PermissionError"] * 5


def test_schedulers_and_workers_run_under_their_users_account(town, alice, bob, clusters):
    for person in (alice, bob):
        found = [one for one in person.processes() if cluster_of(one) == clusters[person.name]]
        kinds = {word for one in found for word in ("scheduler", "worker") if word in one.cmdline()}
        assert kinds == {"scheduler", "worker"}
        groups = sorted(os.getgrouplist(person.name, person.account.pw_gid))
        for one in found:
            assert one.uids() == (person.uid,) * 3
            assert one.gids() == (person.account.pw_gid,) * 3
            assert sorted(map(int, status(one)["Groups"])) == groups
            assert status(one)["Umask"] == ["0077"]
            assert one.environ()["HOME"] == str(person.home)
    home = alice.kernel.ask("import os\nanswer = client.submit(os.path.expanduser, '~').result()")
    assert home == str(alice.home)


def test_services_run_as_root_and_hold_ports_that_only_root_can_take(town, alice):
    site = town.facility.site
    assert all(port < 1024 for port in site.ports.values())
    tried = alice.kernel.ask(
        "import socket\nanswer = []\n"
        "for port in given:\n"
        "    try:\n"
        "        socket.socket().bind(('127.0.0.2', port))\n"
        "        answer.append('bound')\n"
        "    except OSError as error:\n"
        "        answer.append(type(error).__name__)",
        list(site.ports.values()),
    )
    assert set(tried) == {"PermissionError"}


def cluster_of(process) -> str:
    return process.environ().get("DASK_GATEWAY_CLUSTER_NAME", "")
