"""Local clusters: the user's scheduler and workers as processes of this machine.

Upstream's local backend, put right:

- It chowns every *character* of the certificates' paths, ``/`` first
  (dask_gateway_server/backends/local.py, ``paths.extend(path)``).
- As root it opens log files inside a folder that is already the user's: a link placed there would
  make root write wherever the user likes.  Here a process opens its own log after it has become
  the user.
- It signals one pid, so children outlive their parent; here the whole process group goes.
- Logs of a cluster that failed are deleted before anybody can read them.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import pwd
import resource
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web
from dask_gateway_server.backends.base import PublicException
from dask_gateway_server.backends.db_base import Cluster, JobStatus, Worker
from dask_gateway_server.backends.local import LocalBackend
from traitlets import Integer, Unicode

from casita.gateway import logs
from casita.gateway.limits import (
    Limits,
    Share,
    Usage,
    most_workers,
    refuse_cluster,
    refuse_workers,
    usage,
)
from casita.gateway.routes import routes

STOP_SECONDS = 5.0
"""Seconds between SIGINT, SIGTERM and SIGKILL."""
SPARE_MEMORY = 2**30
"""Bytes a worker's process may hold beyond its memory limit before the kernel refuses more."""


class EmbeddedBackend(LocalBackend):  # type: ignore[misc]
    """Clusters of one person, under the gateway's own uid."""

    failed_directory = Unicode(config=True, help="Where logs of failed clusters are kept.")
    homes_directory = Unicode(config=True, help="Home folders of the embedded profile.")
    instance = Unicode(config=True, help="The facility's CASITA_INSTANCE.")
    user_clusters = Integer(config=True, help="Clusters a user may have at a time.")
    user_cores = Integer(config=True, help="Worker cores a user may have at a time.")
    user_memory = Integer(config=True, help="Worker memory (bytes) a user may have at a time.")

    async def setup(self, app: web.Application) -> None:
        """Start as upstream does, with the routes for limits and logs."""
        await super().setup(app)
        self._exits: dict[int, int] = {}
        app.add_routes(routes)

    # ---- limits

    @property
    def limits(self) -> Limits:
        """What every user may have."""
        return Limits(self.user_clusters, self.user_cores, self.user_memory)

    def usage_of(self, username: str, without: str = "") -> Usage:
        """Return what a user has, without the cluster named ``without``."""
        shares = (
            Share(c.name, c.count, c.config.worker_cores, c.config.worker_memory)
            for c in self.db.active_clusters()
            if c.username == username and c.name != without
        )
        return usage(shares)

    async def start_cluster(self, user: Any, cluster_options: dict[str, Any]) -> str:
        """Create a cluster.

        Raises
        ------
        PublicException
            The user has as many as they may have.
        """
        if refusal := refuse_cluster(self.limits, self.usage_of(user.name)):
            raise PublicException(refusal)
        return str(await super().start_cluster(user, cluster_options))

    async def forward_message_to_scheduler(self, cluster: Any, msg: dict[str, Any]) -> None:
        """Pass ``scale`` or ``adapt`` on to the scheduler, within the user's limits.

        Raises
        ------
        PublicException
            More workers than the user may have.
        """
        others = self.usage_of(cluster.username, without=cluster.name)
        kind = (cluster.config["worker_cores"], cluster.config["worker_memory"])
        if msg["op"] == "scale":
            wanted = msg["count"]
        else:
            wanted = msg.get("minimum") or 0
            most = most_workers(self.limits, others, *kind)
            maximum = msg.get("maximum")
            msg = {**msg, "maximum": most if maximum is None else min(maximum, most)}
        if refusal := refuse_workers(wanted, self.limits, others, *kind):
            raise PublicException(refusal)
        await super().forward_message_to_scheduler(cluster, msg)

    async def on_cluster_heartbeat(self, cluster_name: str, msg: dict[str, Any]) -> None:
        """Take a scheduler's report; what it asks for is capped, since user code runs in it."""
        cluster = self.db.get_cluster(cluster_name)
        if cluster is not None:
            others = self.usage_of(cluster.username, without=cluster_name)
            config = cluster.config
            most = most_workers(self.limits, others, config.worker_cores, config.worker_memory)
            msg = {**msg, "count": min(msg["count"], max(most, 0))}
        await super().on_cluster_heartbeat(cluster_name, msg)

    # ---- processes

    def get_env(self, cluster: Cluster) -> dict[str, str]:
        """Return the environment of a scheduler or worker: no more than it needs."""
        cores = str(cluster.config.worker_cores)
        return {
            **super().get_env(cluster),
            "CASITA_INSTANCE": self.instance,
            "HOME": self.home(cluster.username),
            # Numerical libraries take all cores of the machine otherwise.
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), cores),
            # Upstream's nanny starts a second interpreter, which imports everything again.
            "DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "fork",
        }

    def get_worker_command(
        self, cluster: Cluster, worker_name: str, scheduler_address: str | None = None
    ) -> list[str]:
        """Return the command of a worker that listens on loopback only."""
        command = super().get_worker_command(cluster, worker_name, scheduler_address)
        return [*command, "--host", self.default_host]

    def home(self, username: str) -> str:
        """Return the user's home folder."""
        return str(Path(self.homes_directory) / username)

    def set_file_permissions(self, paths: list[str], username: str) -> None:
        """Leave the files to the gateway's own uid, which is the user's."""

    def make_preexec_fn(self, cluster: Cluster) -> Callable[[], None]:
        """Return what a new process does before it runs: nothing here."""
        return lambda: None

    async def start_process(
        self, cluster: Cluster, cmd: list[str], env: dict[str, str], name: str
    ) -> int:
        """Start a process in a session of its own; returns its pid, which is its group's, too."""
        become_user = self.make_preexec_fn(cluster)
        workdir = cluster.state["workdir"]
        log = Path(self.get_logs_directory(workdir)) / f"{name}.log"

        def preexec() -> None:
            become_user()
            os.chdir(workdir)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            handle = os.open(log, flags, 0o600)
            os.dup2(handle, 1)
            os.dup2(handle, 2)

        process = await asyncio.create_subprocess_exec(
            *cmd,
            preexec_fn=preexec,
            start_new_session=True,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
        )
        self.task_pool.spawn(self._note_exit(process))
        return process.pid

    async def _note_exit(self, process: asyncio.subprocess.Process) -> None:
        self._exits[process.pid] = await process.wait()

    async def stop_process(self, pid: int) -> None:
        """Stop a process and everything it started: SIGINT, SIGTERM, SIGKILL."""
        if not self._is_ours(pid):
            return
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, one)
            if await _group_gone(pid, STOP_SECONDS):
                return
        self.log.warning("process group %d does not end", pid)

    def _is_ours(self, pid: int) -> bool:
        """Whether a pid from the database is still a process that we started.

        After a reboot it may be anybody's; a leader that ended may have left its group behind.
        """
        members = _group(pid)
        return any(_instance_of(one) == self.instance for one in members)

    # ---- failures leave their logs

    async def do_stop_cluster(self, cluster: Cluster) -> None:
        """Stop the scheduler; keep logs and reason if the cluster failed."""
        workdir = cluster.state.get("workdir")
        if cluster.target == JobStatus.FAILED and workdir:
            text = logs.read(
                Path(self.get_logs_directory(workdir)), 400, self.uid(cluster.username)
            )
            logs.keep(text, self._reason(cluster), Path(self.failed_directory) / cluster.name)
        await super().do_stop_cluster(cluster)

    def _reason(self, cluster: Cluster) -> str:
        pid = cluster.state.get("pid")
        if pid in self._exits:
            return f"the scheduler ended with status {self._exits[pid]}"
        if cluster.worker_start_failure_count >= self.worker_start_failure_limit:
            return f"{cluster.worker_start_failure_count} workers in a row failed to start"
        if cluster.last_heartbeat is None:
            return f"the scheduler did not report within {self.cluster_start_timeout:.0f} s"
        return f"the scheduler has not reported for {self.cluster_heartbeat_timeout:.0f} s"

    def cluster_logs(self, cluster: Any, lines: int) -> tuple[dict[str, str], str]:
        """Return (logs by process, reason of failure or "") of a cluster, running or failed."""
        kept = Path(self.failed_directory) / cluster.name
        if kept.is_dir():
            return logs.read(kept, lines), logs.reason(kept)
        live = Path(self.clusters_directory) / cluster.name / "logs"
        return logs.read(live, lines, self.uid(cluster.username)), ""

    def uid(self, username: str) -> int:
        """Return the uid under which a user's clusters run."""
        return os.getuid()


class UserBackend(EmbeddedBackend):
    """Clusters of several people, each under its user's uid.  Needs root.

    Memory of a worker is watched by dask's nanny; the kernel's RLIMIT_DATA stands behind it.
    Cores are the CPUs to which a worker is bound, those with the fewest workers so far.
    """

    def uid(self, username: str) -> int:
        """Return the uid of the user's system account."""
        return pwd.getpwnam(username).pw_uid

    def home(self, username: str) -> str:
        """Return the home folder of the user's system account."""
        return pwd.getpwnam(username).pw_dir

    def set_file_permissions(self, paths: list[str], username: str) -> None:
        """Give a cluster's folder to its user: content first, so nothing can be swapped."""
        user = pwd.getpwnam(username)
        for root, _, files in os.walk(paths[0], topdown=False):
            for path in [*(Path(root, name) for name in files), Path(root)]:
                os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)

    def make_preexec_fn(self, cluster: Cluster) -> Callable[[], None]:
        """Return a function that turns a new process into the user's."""
        user = pwd.getpwnam(cluster.username)
        groups = [user.pw_gid, *(g.gr_gid for g in grp.getgrall() if user.pw_name in g.gr_mem)]

        def become_user() -> None:
            os.setgroups(groups)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            os.umask(0o077)

        return become_user

    async def start_process(
        self, cluster: Cluster, cmd: list[str], env: dict[str, str], name: str
    ) -> int:
        """Start a process as the user; the kernel bounds its memory."""
        pid = await super().start_process(cluster, cmd, env, name)
        if name != "scheduler":
            most = cluster.config.worker_memory + SPARE_MEMORY
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))
        return pid

    async def do_start_worker(self, worker: Worker) -> AsyncIterator[dict[str, Any]]:
        """Start a worker bound to the CPUs that have the fewest workers."""
        cpus = self._free_cpus(worker.cluster.config.worker_cores)
        async for state in super().do_start_worker(worker):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(state["pid"], cpus)
            yield {**state, "cpus": cpus}

    def _free_cpus(self, cores: int) -> list[int]:
        load = Counter(dict.fromkeys(sorted(os.sched_getaffinity(0)), 0))
        for cluster in self.db.active_clusters():
            for worker in cluster.active_workers():
                load.update((worker.state or {}).get("cpus", []))
        return [cpu for cpu, _ in sorted(load.items(), key=lambda one: one[1])[:cores]]


def _group(leader: int) -> list[psutil.Process]:
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


def _instance_of(process: psutil.Process) -> str:
    try:
        return str(process.environ().get("CASITA_INSTANCE", ""))
    except (psutil.Error, OSError):
        return ""


async def _group_gone(leader: int, patience: float) -> bool:
    pause = 0.05
    while patience > 0:
        if not _group(leader):
            return True
        await asyncio.sleep(pause)
        patience -= pause
        pause = min(2 * pause, 0.5)
    return False
