"""Facilities with caches: real XRootD servers on loopback."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy
import psutil
import pytest
import uproot

import xrootd_aside
from casita.ports import free_ports
from casita.testing import running_facility, wait_for

XROOTD = shutil.which("xrootd")
ROOT = os.getuid() == 0


@pytest.fixture(scope="session")
def world():
    """A folder that XRootD's account can enter, also if the tests are root's."""
    if XROOTD is None:
        pytest.skip("xrootd is not installed (apt install xrootd-server)")
    folder = Path(tempfile.mkdtemp(prefix="casita-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def newer():
    """The launcher of an XRootD that may guard data."""
    try:
        return xrootd_aside.get(xrootd_aside.FOLDER)
    except xrootd_aside.AsideError as error:
        pytest.skip(f"no newer XRootD can be had here: {error}")


@pytest.fixture(scope="session")
def data(world):
    """What the local origins export: three files and a folder."""
    folder = world / "data"
    rng = numpy.random.default_rng(4)
    for name, size in (("a", 200_000), ("b", 50_000), ("cms/c", 20_000), ("cmsX/d", 1000)):
        file = folder / f"{name}.root"
        file.parent.mkdir(parents=True, exist_ok=True)
        with uproot.recreate(file) as out:
            tree = out.mktree("Events", {"x": "float64", "n": "int32"})
            for _ in range(4):
                x = rng.random(size // 4)
                tree.extend({"x": x, "n": (10 * x).astype("int32")})
    for one in [folder, *folder.rglob("*")]:
        one.chmod(0o755 if one.is_dir() else 0o644)
    return folder


@contextmanager
def facility_with(world, text, **more):
    """A facility with a casita.toml; its caches' disks go with it."""
    folder = Path(tempfile.mkdtemp(prefix="facility-", dir=world))
    folder.chmod(0o755)
    config = folder / "casita.toml"
    config.write_text(text.format(directory=folder / "disk", **more))
    try:
        with running_facility(folder / "state", "--config", config) as running:
            running.disk = folder / "disk"
            yield running
    finally:
        shutil.rmtree(folder)


def port_of(facility, name):
    return facility.site.ports[f"cache.{name}"]


def server_of(facility, name):
    """The live process of one of the facility's XRootD servers."""
    listed = {one["name"]: one for one in facility.status()["processes"]}
    return psutil.Process(listed[name]["pid"])


def closed(facility):
    """Whether the caches have closed all files.

    A server may take half a minute (XrdPosix's ddInterval), and gives from memory until then what
    was removed from its disk.
    """
    listed = [one["name"] for one in facility.status()["processes"]]
    servers = [server_of(facility, name) for name in listed if name.startswith("cache-")]
    opened = [Path(file.path) for one in servers for file in one.open_files()]
    return not any({"data", "meta"} & set(path.parts) for path in opened)


@contextmanager
def plain_origin(world, export):
    """An XRootD server that is no facility's: somebody's storage, far away."""
    port = free_ports(1)[0]
    folder = Path(tempfile.mkdtemp(prefix="origin-", dir=world))
    shutil.chown(folder, "xrootd") if ROOT else None
    config = folder / "origin.cfg"
    lines = ["all.role server", "all.export /store r/o", f"oss.localroot {export}"]
    lines += [f"all.adminpath {folder}", f"all.pidpath {folder}", f"xrd.port {port}"]
    lines += ["xrd.allow host 127.0.0.1", "xrd.allow host localhost"]
    config.write_text("\n".join(lines) + "\n")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [XROOTD, "-c", str(config)],
            stdout=log,
            stderr=log,
            cwd=folder,
            **({"user": "xrootd", "group": "xrootd", "extra_groups": []} if ROOT else {}),
        )

    def up():
        assert process.poll() is None, (folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(up, 20, "the origin")
        yield port, process
    finally:
        process.kill()
        process.wait()


RUNNER = """
import json, os, sys, time, warnings
from casita import startup
startup.install()
import casita_cache, fsspec, uproot
"""


def program(facility, code, *, check=True, env=None, timeout=120, scopes="cache,columns"):
    """Run Python as a kernel of the administrator's would."""
    token = facility.casita("token", "create", "--scope", scopes, "-q").stdout.strip()
    known = {key: value for key, value in os.environ.items() if not key.startswith("CASITA")}
    environment = {
        **known,
        **facility.site.backend_environment(),
        "CASITA_URL": facility.url,
        "JUPYTERHUB_API_TOKEN": token,
        "JUPYTERHUB_USER": "admin",
        "DASK_GATEWAY__ADDRESS": f"{facility.url}/services/dask-gateway",
        "XRD_CONNECTIONWINDOW": "3",
        "XRD_CONNECTIONRETRY": "1",
        **(env or {}),
    }
    done = subprocess.run(
        [sys.executable, "-c", RUNNER + code],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        check=False,
    )
    if check:
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{facility.logs()}"
    return done
