"""FacilityConfig on a machine -> the processes that make a facility, and their generated files.

Pure: nothing is started or written here; :mod:`casita.supervisor` does that.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from casita.backend import Process
from casita.site import GATEWAY_PREFIX, LOGIN_PREFIX, TOKENS_PREFIX, Site

BIN = Path(sys.prefix) / "bin"


def processes(site: Site) -> list[Process]:
    """Return every process of the facility, in the order in which they start."""
    python, state = sys.executable, str(site.state)
    ports = site.ports

    def local(port: str, path: str) -> str:
        return f"http://127.0.0.1:{ports[port]}{path}"

    own = [
        Process(
            name="proxy",
            command=(str(BIN / "traefik"), f"--configFile={site.etc / 'traefik.toml'}"),
            port=ports["public"],
            health=local("proxy_api", "/ping"),
            priority=10,
        ),
        Process(
            name="hub",
            command=(python, "-m", "jupyterhub", "-f", str(site.etc / "jupyterhub_config.py")),
            port=ports["hub"],
            # Through the proxy: the hub is of use once its routes are there.
            health=f"{site.local_url}/hub/health",
            stop_within=60,
            ready_within=120,
            priority=20,
        ),
        Process(
            name="gateway",
            command=_gateway(site),
            port=ports["gateway"],
            health=local("gateway", "/api/health"),
            stop_within=30,
            priority=30,
        ),
        Process(
            name="gateway-proxy",
            command=_gateway(site, "proxy"),
            port=ports["traffic"],
            health=local("gateway_web", f"{GATEWAY_PREFIX}/api/health"),
            priority=31,
        ),
        Process(
            name="front",
            command=(python, "-m", "casita.gateway.front", "--state", state),
            port=ports["front"],
            health=local("front", f"{GATEWAY_PREFIX}/health"),
            priority=40,
        ),
        Process(
            name="login",
            command=(python, "-m", "casita.login", "--state", state),
            port=ports["login"],
            health=local("login", f"{LOGIN_PREFIX}/health"),
            priority=40,
        ),
        Process(
            name="tokens",
            command=(python, "-m", "casita.tokens", "--state", state),
            port=ports["tokens"],
            health=local("tokens", f"{TOKENS_PREFIX}/health"),
            priority=40,
        ),
        Process(
            name="culler",
            command=(python, "-m", "casita.hub.culler", "--state", state),
            priority=50,
        ),
    ]
    offered = (
        process
        for backend in site.backends.values()
        for process in backend.processes(site.settings(backend), site.place(backend))
    )
    return sorted([*own, *offered], key=lambda process: process.priority)


def _gateway(site: Site, *command: str) -> tuple[str, ...]:
    program = str(BIN / "dask-gateway-server")
    return (program, *command, "-f", str(site.etc / "dask_gateway_config.py"))


def generated_files(site: Site) -> Mapping[str, str]:
    """Return the content of every file below ``etc/``, by name."""
    return {
        "traefik.toml": tomli_w.dumps(traefik_static(site)),
        "jupyterhub_config.py": _python_config(site, "casita.hub"),
        "dask_gateway_config.py": _python_config(site, "casita.gateway"),
    }


def _python_config(site: Site, package: str) -> str:
    return (
        "# Written by `casita up`; change casita.toml instead.\n"
        "from pathlib import Path\n\n"
        f"from {package} import configure\n"
        "from casita.site import open_site\n\n"
        f"configure(open_site(Path({str(site.state)!r})), c)  # noqa: F821\n"
    )


def traefik_static(site: Site) -> dict[str, Any]:
    """Return traefik's static configuration; routes come from the hub by file.

    Its version check and usage reports are off: a facility calls nobody.
    """
    facility = site.config.facility
    host = f"[{facility.host}]" if ":" in facility.host else facility.host
    public: dict[str, Any] = {"address": f"{host}:{site.ports['public']}"}
    # A notebook's event streams and websockets stay open for hours.
    public["transport"] = {"respondingTimeouts": {"readTimeout": "0s", "idleTimeout": "600s"}}
    name = "http"
    if facility.tls_certificate:
        name = "https"
        public["http"] = {"tls": {"options": "default"}}
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN"},
        "api": {},
        "ping": {"entryPoint": "auth_api"},
        "entryPoints": {
            name: public,
            "auth_api": {"address": f"127.0.0.1:{site.ports['proxy_api']}"},
        },
        "providers": {
            "providersThrottleDuration": "0s",
            "file": {"filename": str(rules_file(site)), "watch": True},
        },
    }


def rules_file(site: Site) -> Path:
    """Return where the hub writes its routes and traefik reads them."""
    return site.state / "hub" / "rules.toml"
