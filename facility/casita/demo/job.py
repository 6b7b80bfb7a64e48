"""The main job: data, a facility, an analysis on a Dask cluster, a plot.  What `casita demo` runs.

Everything goes through the doors that people use: the one-time login, the hub's API, the user's
own Jupyter server.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from casita import runtime, supervisor
from casita.config import FacilityConfig
from casita.demo.steps import Steps
from casita.errors import DataError, StateError
from casita.hub.once import new_login_link
from casita.site import Site, open_site

NOTEBOOK = "ttbar"
WORKERS = 2
TOKEN_SECONDS = 24 * 3600


@dataclass
class Outcome:
    """What came out; times in seconds."""

    url: str
    user: str
    notebook: str
    """Path of the executed notebook."""
    plot: str
    """Path of the picture."""
    events: int
    identical: bool
    """Whether the cluster's histograms equal those of one process."""
    yields: dict[str, dict[str, int]]
    """Selected events by dataset title: ``events``, ``4j1b``, ``4j2b``."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Duration of each step."""

    def to_json(self) -> dict[str, Any]:
        """Return the shape of ``casita demo --json``."""
        return asdict(self)


def run(
    config: FacilityConfig,
    state: Path,
    steps: Steps,
    *,
    data: str = "",
    events: int = 0,
    workers: int = WORKERS,
    allow_root: bool = False,
) -> Outcome:
    """Do the main job; the facility stays up.

    Parameters
    ----------
    data
        A file, directory, glob or URL; "" takes the catalogue's samples.
    events
        Take so many events made from the first sample instead; 0 doesn't.

    Raises
    ------
    CasitaError
        The data, the facility or the analysis failed; a sentence says why.
    """
    if config.multiuser:
        raise StateError(
            "the demo logs in with a one-time link, which the multiuser profile does not have",
            hint="use the embedded profile; notebooks/ttbar.ipynb runs in both",
        )
    runtime.check_profile(config, allow_root=allow_root)
    with steps.step("data: checked" if data else "data: real CMS NanoAOD, checked"):
        data = _check_data(data, steps) if data else _sample_data(events, state, steps)
    with steps.step("facility: hub, proxy and gateway start"):
        site = _facility(config, state, steps, allow_root=allow_root)
    return _analyse(site, steps, data, workers)


def _sample_data(events: int, state: Path, steps: Steps) -> str:
    from casita.data.catalogue import SAMPLES
    from casita.data.fetch import fetch_samples
    from casita.data.generate import Plan, generate

    directory = state / "data"
    paths = fetch_samples(SAMPLES, directory)
    steps.note(f"{len(paths)} samples in {directory}")
    if not events:
        return ""
    name = f"{SAMPLES[0].name}-{events}"
    files = generate(Plan(str(paths[0]), events, min(events, WORKERS)), name, directory)
    steps.note(f"{events:,} events made from {paths[0].name}, in {files[0].parent}")
    return str(files[0].parent)


def _check_data(data: str, steps: Steps) -> str:
    """Check the user's input before anything is started; returns it with an absolute path."""
    from casita.demo.ttbar import inputs

    found = inputs(data)
    if len({one.format for one in found}) > 1:
        raise DataError(f"{data}: both ROOT and Parquet files", hint="name files of one format")
    steps.note(f"{sum(one.events for one in found):,} events, files: {len(found)}")
    return data if urlsplit(data).scheme else str(Path(data).expanduser().absolute())


def _facility(config: FacilityConfig, state: Path, steps: Steps, *, allow_root: bool) -> Site:
    if (state / "site.json").exists():
        site = open_site(state)
        if supervisor.daemon(site):
            steps.note(f"it is up already: {site.url}")
            return site
    return runtime.up(config, state, allow_root=allow_root, report=steps.note).site


def _analyse(site: Site, steps: Steps, data: str, workers: int) -> Outcome:
    from casita.demo import notebook as notebooks
    from casita.demo.session import HubSession

    ca = str(site.config.facility.tls_certificate or "")
    with HubSession(site.url, ca=ca) as hub:
        with steps.step("login: the user's JupyterLab starts"):
            hub.login_once(new_login_link(site).partition("#")[2])
            hub.start_server()
            token = hub.token("casita demo", TOKEN_SECONDS)
        server = notebooks.Server(f"{site.url}/user/{hub.user}", token, ca)
        with steps.step(f"analysis: ttbar on a Dask cluster of {workers} workers"):
            content = notebooks.load(notebook_file(), DATA=data, WORKERS=workers)
            name = notebooks.free_name(server, NOTEBOOK)
            server.write_notebook(name, content)
            try:
                server.execute(content, name, steps.note)
            finally:
                server.write_notebook(name, content)
        summary = json.loads(server.read("ttbar.json"))
        user = hub.user
    home = site.state / "home" / user
    return Outcome(
        url=site.url,
        user=user,
        notebook=str(home / name),
        plot=str(home / "ttbar.png"),
        events=summary["events"],
        identical=summary["identical"],
        yields=summary["yields"],
        seconds=steps.seconds,
    )


def notebook_file() -> Path:
    """Return the notebook as it was installed, or as it lies in a checkout."""
    installed = Path(sys.prefix) / "share" / "casita" / "notebooks" / f"{NOTEBOOK}.ipynb"
    checkout = Path(__file__).parents[3] / "notebooks" / f"{NOTEBOOK}.ipynb"
    # An editable install copies shared files once; the checkout's are current.
    found = next((path for path in (checkout, installed) if path.is_file()), None)
    if found is None:
        raise StateError(f"{installed} is missing", hint="install casita again: `make demo`")
    return found
