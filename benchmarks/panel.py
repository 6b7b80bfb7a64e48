"""JupyterLab's Facility panel: how soon it lists clusters, and what it costs.

The other side is what a user would do without it: ask Dask Gateway's own client in a notebook
(which does not ask the schedulers), and JupyterLab without the extension.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from benchmarks.fake_gateway import fake_gateway, requests
from benchmarks.report import Report, timed, turns
from casita.jupyter.testing import JupyterServer, running_server
from casita.ports import free_ports

COUNTS = (1, 10, 100)
IDLE_SECONDS = 60
OFF = "--ServerApp.jpserver_extensions={'casita.jupyter': False, 'casita_clusters.handlers': False}"
ASK = """
import asyncio, json, time
from dask_gateway import Gateway, BasicAuth
async def main():
    async with Gateway("{url}", auth=BasicAuth("ann"), asynchronous=True) as gateway:
        await gateway.list_clusters()
        began = time.perf_counter()
        found = await gateway.list_clusters()
        print(json.dumps([time.perf_counter() - began, sorted(one.name for one in found)]))
asyncio.run(main())
"""


def run(report: Report, given: Namespace) -> None:
    """Measure lists, idle traffic, memory and the load of the page."""
    lists(report, given)
    memory(report, given)
    page(report, given)


@contextmanager
def server(url: str, *options: str, config: str = "") -> Iterator[JupyterServer]:
    """Give a Jupyter server whose facility is the fake gateway."""
    variables = {
        "CASITA_URL": url,
        "CASITA_NAME": "casita",
        "CASITA_BACKENDS": json.dumps([{"name": "clusters", "title": "Dask", "state": "on"}]),
        "DASK_GATEWAY__ADDRESS": url,
        "JUPYTERHUB_API_TOKEN": "benchmark",
        "JUPYTERHUB_USER": "ann",
        "JUPYTER_CONFIG_PATH": config,
    }
    with (
        tempfile.TemporaryDirectory() as home,
        running_server(Path(home), variables, *options) as running,
    ):
        yield running


def lists(report: Report, given: Namespace) -> None:
    """Time the list of 1, 10 and 100 clusters, and what an idle minute costs."""
    rows = []
    for count in COUNTS:
        (port,) = free_ports(1)
        with fake_gateway(count, port) as url, server(url) as running:
            names: dict[str, list[str]] = {}

            def ours(running: Any = running, names: Any = names) -> dict[str, float]:
                began = time.perf_counter()
                found = running.http.get("clusters").json()["clusters"]
                seconds = time.perf_counter() - began
                names["casita"] = sorted(one["name"] for one in found)
                return {"list": seconds}

            def stock(url: str = url, names: Any = names) -> dict[str, float]:
                text = ASK.replace("{url}", url)
                told = subprocess.run(
                    [sys.executable, "-c", text], capture_output=True, text=True, check=True
                ).stdout
                seconds, names["stock"] = json.loads(told)
                return {"list": seconds}

            values = turns(given.rounds, {"panel": ours, "dask_gateway": stock})
            assert names["casita"] == names["stock"]
            mine, theirs = (median(values[side]["list"]) for side in ("panel", "dask_gateway"))
            idle = idle_minute(running, url)
            rows.append(
                [
                    str(count),
                    f"{1000 * mine:.0f}",
                    f"{1000 * theirs:.0f}",
                    f"{idle['bytes']:,}",
                    str(idle["browser"]),
                    f"{idle['gateway']:,}",
                ]
            )
    columns = ("clusters", "panel, ms", "Gateway.list_clusters, ms")
    more = ("bytes to the browser", "requests of the browser", "requests to the gateway")
    report.table(
        "The panel's list; and an idle minute of it",
        [*columns, *more],
        rows,
        "A list of the panel holds workers, tasks, memory and idle time, for which it asks each "
        "scheduler; the client's list does not. The page's stream of events is open.",
    )


def idle_minute(running: JupyterServer, url: str) -> dict[str, int]:
    """Return bytes and requests while nothing happens and the panel is open."""
    deadline = time.monotonic() + IDLE_SECONDS
    before = requests(url)
    headers = {"Authorization": f"token {running.token}"}
    with (
        httpx.Client(timeout=IDLE_SECONDS, headers=headers, trust_env=False) as http,
        http.stream("GET", f"{running.url}casita/events") as answer,
    ):
        got = drain(answer, deadline)
    return {"bytes": got, "browser": 1, "gateway": requests(url) - before}


def drain(answer: httpx.Response, deadline: float) -> int:
    """Read a stream until a moment; returns the bytes that came."""
    got = 0
    for chunk in answer.iter_raw():  # a comment comes every 20 s
        got += len(chunk)
        if time.monotonic() >= deadline:
            break
    return got


def memory(report: Report, given: Namespace) -> None:
    """Weigh a Jupyter server with and without the extensions, after it has listed clusters."""
    (port,) = free_ports(1)
    with fake_gateway(10, port) as url:

        def weigh(*options: str) -> dict[str, float]:
            with server(url, *options) as running:
                if not options:
                    running.http.get("clusters").raise_for_status()
                process = psutil.Process(running.pid)
                return {"resident, MB": process.memory_info().rss / 1e6}

        sides = {"with": lambda: weigh(), "without": lambda: weigh(OFF)}
        report.compare("Memory of a Jupyter server", turns(min(3, given.rounds), sides))


def page(report: Report, given: Namespace) -> None:
    """Time JupyterLab's page with and without the extension, and until cards are there."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("no Chromium here: the page is not measured")
        return
    from playwright.sync_api import sync_playwright

    (port,) = free_ports(1)
    with (
        fake_gateway(10, port) as url,
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
    ):
        disabled = Path(folder) / "labconfig" / "page_config.json"
        disabled.parent.mkdir()
        disabled.write_text(json.dumps({"disabledExtensions": {"@casita/lab": True}}))
        lab = "--ServerApp.jpserver_extensions={'jupyterlab': True}"
        bare = OFF.replace("={", "={'jupyterlab': True, ")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        def load(running: JupyterServer, *, panel: bool) -> dict[str, float]:
            context = browser.new_context()
            tab = context.new_page()
            address = f"{running.url}lab?token={running.token}&reset"
            seconds = {"launcher is there": timed(lambda: _open(tab, address, ".jp-Launcher"))}
            icon = '.jp-SideBar [data-id="casita-facility"]'
            assert tab.locator(icon).count() == panel
            if panel:
                tab.click(icon)
                clock = time.perf_counter()
                tab.wait_for_function("document.querySelectorAll('.casita-Card').length === 10")
                seconds["10 clusters after a click on the panel"] = time.perf_counter() - clock
            context.close()
            return seconds

        with (
            server(url, lab) as ours,
            server(url, bare, config=folder) as plain,
        ):
            sides = {
                "with": lambda: load(ours, panel=True),
                "without": lambda: load(plain, panel=False),
            }
            values = turns(given.rounds, sides)
        browser.close()
    report.compare("JupyterLab's page, with and without the extension", values)


def _open(tab: Any, address: str, selector: str) -> None:
    tab.goto(address)
    tab.wait_for_selector("#jupyterlab-splash", state="detached")
    tab.wait_for_selector(selector)
