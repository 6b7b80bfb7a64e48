"""Local clusters: the user's scheduler and workers as processes of this machine.

Upstream's local backend, put right:

- It chowns every *character* of the certificates' paths, ``/`` first
  (dask_gateway_server/backends/local.py, ``paths.extend(path)``).
- As root it opens log files inside a folder that is already the user's: a link placed there would
  make root write wherever the user likes.  Here a process opens its own log, as the user.
- It signals one pid, so children outlive their parent; here the whole process group goes, if it
  still is this cluster's: after a reboot the pid may be anybody's.
- Logs of a cluster that failed are deleted before anybody can read them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web
from dask_gateway_server.backends.base import PublicException
from dask_gateway_server.backends.db_base import Cluster, JobStatus, Worker
from dask_gateway_server.backends.local import LocalBackend
from traitlets import Integer, Unicode

from casita.accounts import account
from casita.errors import LoginError
from casita.gateway import logs
from casita.gateway.issuer import storage_token
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
LOG = 'exec >>"$0" 2>&1; exec "$@"'
"""What a shell does before it becomes a scheduler or worker, whose log is ``$0``.

The gateway would wait for a program that opens files between fork and exec, and these lie in a
folder of the user's, who could have put something there that never opens.
"""
SPARE_MEMORY = 2**30
"""Bytes a worker's process may hold beyond its memory limit before the kernel refuses more."""


class EmbeddedBackend(LocalBackend):  # type: ignore[misc]
    """Clusters of one person, under the gateway's own uid."""

    failed_directory = Unicode(config=True, help="Where logs of failed clusters are kept.")
    homes_directory = Unicode(config=True, help="Home folders of the embedded profile.")
    instance = Unicode(config=True, help="The facility's CASITA_INSTANCE.")
    issuer = Unicode(config=True, help="URL of the issuer's token endpoint.")
    issuer_token = Unicode(config=True, help="The gateway's own token at the hub.")
    user_clusters = Integer(config=True, help="Clusters a user may have at a time.")
    user_cores = Integer(config=True, help="Worker cores a user may have at a time.")
    user_memory = Integer(config=True, help="Worker memory (bytes) a user may have at a time.")

    async def setup(self, app: web.Application) -> None:
        """Start as upstream does, with the routes for limits and logs."""
        self._exits: dict[int, asyncio.Task[int]] = {}
        await super().setup(app)
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

    def rename(self, name: str, label: str) -> Any:
        """Store what a cluster is called; returns the cluster as the API shows it."""
        cluster = self.db.get_cluster(name)
        self.db.update_cluster(cluster, options={**cluster.options, "label": label})
        return cluster.to_model()

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

    async def storage_token(self, username: str, audience: str) -> dict[str, Any]:
        """Return what the issuer answers for one of its user's clusters."""
        return await storage_token(self.issuer, self.issuer_token, username, audience)

    # ---- processes

    def get_env(self, cluster: Cluster) -> dict[str, str]:
        """Return the environment of a scheduler or worker: no more than it needs."""
        cores = str(cluster.config.worker_cores)
        return {
            **super().get_env(cluster),
            "CASITA_INSTANCE": self.instance,
            "HOME": self.home(cluster.username),
            "BEARER_TOKEN_FILE": str(Path(cluster.state["workdir"], "bearer", "token")),
            # Not a folder in /tmp that anybody may have made first, with pickles in it.
            "DASK_TEMPORARY_DIRECTORY": cluster.state["workdir"],
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

    def identity(self, cluster: Cluster) -> dict[str, Any]:
        """Return under whose uid a process starts, as :class:`subprocess.Popen` takes it."""
        return {}

    def setup_working_directory(self, cluster: Cluster) -> str:
        """Make a cluster's folder, anew if the gateway ended while it was made before."""
        folder = Path(self.clusters_directory) / cluster.name
        if folder.exists():
            self._kill_leftovers(cluster)
            shutil.rmtree(folder, ignore_errors=True)
        return str(super().setup_working_directory(cluster))

    async def start_process(
        self, cluster: Cluster, cmd: list[str], env: dict[str, str], name: str
    ) -> int:
        """Start a process in a session of its own; returns its pid, which is its group's, too."""
        workdir = cluster.state["workdir"]
        log = str(Path(self.get_logs_directory(workdir)) / f"{name}.log")
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", LOG, log, *cmd),
            start_new_session=True,
            cwd=workdir,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            umask=0o077,
            **self.identity(cluster),
        )
        self._exits[process.pid] = self.task_pool.spawn(process.wait())
        return process.pid

    async def do_setup(self) -> None:
        """Give up at once what ended while the gateway was away."""
        await super().do_setup()
        for cluster in self.db.active_clusters():
            if cluster.status >= JobStatus.SUBMITTED and not self._check_status(cluster):
                self.log.info("Cluster %s ended while the gateway was away", cluster.name)
                await self.stop_cluster(cluster.name, failed=True)

    def _check_status(self, o: Cluster | Worker) -> bool:
        pid, cluster = o.state.get("pid"), o.cluster if isinstance(o, Worker) else o
        if child := self._exits.get(pid):
            return not child.done()
        return bool(self._ours(pid, cluster))

    async def do_stop_worker(self, worker: Worker) -> None:
        """Stop a worker and everything it started."""
        pid = worker.state.get("pid")
        await self.stop_group(pid, worker.cluster)
        self._exits.pop(pid, None)

    async def stop_group(self, leader: int | None, cluster: Cluster) -> None:
        """Stop a process group of a cluster: SIGINT, SIGTERM, SIGKILL."""
        if not self._ours(leader, cluster):
            return
        assert leader is not None
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, one)
            if await _group_gone(leader, STOP_SECONDS):
                return
        self.log.warning("process group %d does not end", leader)

    def _ours(self, leader: int | None, cluster: Cluster) -> list[psutil.Process]:
        """Return the processes of group ``leader`` that this cluster has started.

        After a reboot the pid may be anybody's; a leader that ended may have left its group behind.
        """
        return [one for one in _group(leader) if self._belongs(one, cluster)] if leader else []

    def _belongs(self, process: psutil.Process, cluster: Cluster) -> bool:
        expected = {"CASITA_INSTANCE": self.instance, "DASK_GATEWAY_CLUSTER_NAME": cluster.name}
        with contextlib.suppress(psutil.Error, OSError):
            return expected.items() <= process.environ().items()
        return False

    def _kill_leftovers(self, cluster: Cluster) -> None:
        """End what left its process group, or whose pid was not noted as the gateway ended."""
        for process in psutil.process_iter():
            if self._belongs(process, cluster):
                with contextlib.suppress(psutil.Error):
                    process.kill()

    # ---- failures leave their logs

    async def do_stop_cluster(self, cluster: Cluster) -> None:
        """Stop the scheduler; keep logs and reason if the cluster failed."""
        if cluster.target == JobStatus.FAILED:
            text, reason = self._live_logs(cluster, 400), await self._reason(cluster)
            logs.keep(text, reason, Path(self.failed_directory) / cluster.name)
        await self.stop_group(cluster.state.get("pid"), cluster)
        self._exits.pop(cluster.state.get("pid"), None)
        self._kill_leftovers(cluster)
        folder = str(Path(self.clusters_directory) / cluster.name)
        await asyncio.to_thread(self.cleanup_working_directory, folder)

    async def _reason(self, cluster: Cluster) -> str:
        pid = cluster.state.get("pid")
        gone = bool(pid) and not self._ours(pid, cluster)
        if (ended := self._exits.get(pid)) and (gone or ended.done()):
            return f"the scheduler ended with status {await ended}"
        if gone:
            return "the scheduler ended while the gateway was away"
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
        return self._live_logs(cluster, lines), ""

    def _live_logs(self, cluster: Any, lines: int) -> dict[str, str]:
        folder = Path(self.clusters_directory) / cluster.name
        try:
            owner = folder.lstat().st_uid  # whom the folder was given to
        except OSError:
            return {}
        return logs.read(folder / "logs", lines, owner)


class UserBackend(EmbeddedBackend):
    """Clusters of several people, each under its user's uid.  Needs root.

    Memory is watched by dask's nanny; the kernel's RLIMIT_DATA stands behind it, for each process.
    Cores are the CPUs to which a worker is bound, those with the fewest workers so far.
    """

    async def start_cluster(self, user: Any, cluster_options: dict[str, Any]) -> str:
        """Create a cluster.

        Raises
        ------
        PublicException
            The user has no account here, is root, or has as many clusters as they may have.
        """
        try:
            account(user.name)
        except LoginError as error:
            raise PublicException(str(error)) from None
        return await super().start_cluster(user, cluster_options)

    def home(self, username: str) -> str:
        """Return the home folder of the user's system account."""
        return account(username).home

    def set_file_permissions(self, paths: list[str], username: str) -> None:
        """Give a cluster's folder to its user: content first, so nothing can be swapped."""
        user = account(username)
        for root, _, files in os.walk(paths[0], topdown=False):
            for path in [*(Path(root, name) for name in files), Path(root)]:
                os.chown(path, user.uid, user.gid, follow_symlinks=False)

    def identity(self, cluster: Cluster) -> dict[str, Any]:
        """Return the user's uid and groups."""
        user = account(cluster.username)
        return {"user": user.uid, "group": user.gid, "extra_groups": user.groups}

    def get_scheduler_command(self, cluster: Cluster) -> list[str]:
        """Return the command of a scheduler whose memory the kernel bounds."""
        command = super().get_scheduler_command(cluster)
        return [*_bounded(cluster.config.scheduler_memory), *command]

    def get_worker_command(
        self, cluster: Cluster, worker_name: str, scheduler_address: str | None = None
    ) -> list[str]:
        """Return the command of a worker whose memory and CPUs the kernel bounds."""
        command = super().get_worker_command(cluster, worker_name, scheduler_address)
        cpus = ",".join(map(str, cluster.workers[worker_name].state["cpus"]))
        return [*_bounded(cluster.config.worker_memory), "taskset", "--cpu-list", cpus, *command]

    async def do_start_worker(self, worker: Worker) -> AsyncIterator[dict[str, Any]]:
        """Start a worker bound to the CPUs that have the fewest workers."""
        cpus = {"cpus": self._free_cpus(worker.cluster.config.worker_cores)}
        yield cpus  # noted before anything is awaited: workers start at the same time
        async for state in super().do_start_worker(worker):
            yield {**state, **cpus}

    def _free_cpus(self, cores: int) -> list[int]:
        load = Counter(dict.fromkeys(sorted(os.sched_getaffinity(0)), 0))
        for cluster in self.db.active_clusters():
            for worker in cluster.active_workers():
                load.update((worker.state or {}).get("cpus", []))
        return [cpu for cpu, _ in sorted(load.items(), key=lambda one: one[1])[:cores]]


def _bounded(memory: int) -> list[str]:
    """Return what goes before a command so that its processes can't hold much more memory."""
    return ["prlimit", f"--data={memory + SPARE_MEMORY}"]


def _group(leader: int) -> list[psutil.Process]:
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


async def _group_gone(leader: int, patience: float) -> bool:
    pause = 0.05
    while patience > 0:
        if not _group(leader):
            return True
        await asyncio.sleep(pause)
        patience -= pause
        pause = min(2 * pause, 0.5)
    return False
