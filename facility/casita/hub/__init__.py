"""FacilityConfig -> JupyterHub traitlets.  Pure: :func:`configure` only fills ``c``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from casita import login, tokens
from casita.backend import load_backends
from casita.gateway import front
from casita.hub import once, pages
from casita.processes import rules_file
from casita.site import GATEWAY_PREFIX, Site

USER_NAME = r"^[a-z_][a-z0-9_.-]{0,31}$"
ADD_USER = ["/usr/sbin/useradd", "--create-home", "--shell", "/bin/bash", "-K", "HOME_MODE=0700"]
KERNELS = ["--KernelManager.transport=ipc"]
"""Sockets in a private folder: any user of the machine can connect to a kernel's TCP ports, and
would read whatever a cell prints."""
CULLER_SCOPES = ["list:users", "read:users:activity", "read:servers", "delete:servers"]


def configure(site: Site, c: Any) -> None:
    """Fill a traitlets ``Config`` for JupyterHub 5.5 and 6.

    Parameters
    ----------
    site
        The facility on this machine.
    c
        What ``get_config()`` returns inside ``jupyterhub_config.py``.
    """
    _addresses(site, c)
    _proxy(site, c)
    _services(site, c)
    _tokens(site, c)
    _servers(site, c)
    _pages(site, c)
    if site.config.multiuser:
        _several_people(site, c)
    else:
        _one_person(site, c)


def _addresses(site: Site, c: Any) -> None:
    facility = site.config.facility
    scheme = "https" if facility.tls_certificate else "http"
    c.JupyterHub.bind_url = f"{scheme}://{facility.host}:{site.ports['public']}/"
    c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{site.ports['hub']}"
    c.JupyterHub.db_url = f"sqlite:///{site.state / 'hub' / 'jupyterhub.sqlite'}"
    site.secret("cookie_secret")
    c.JupyterHub.cookie_secret_file = str(site.state / "secrets" / "cookie_secret")
    c.JupyterHub.pid_file = str(site.state / "run" / "hub.pid")
    if facility.tls_certificate:
        c.JupyterHub.ssl_cert = str(facility.tls_certificate)
        c.JupyterHub.ssl_key = str(facility.tls_key)
    # Users' servers outlive the hub: it finds them again when it is back.
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False


def _proxy(site: Site, c: Any) -> None:
    c.JupyterHub.proxy_class = "traefik_file"
    c.TraefikProxy.should_start = False
    c.TraefikFileProviderProxy.dynamic_config_file = str(rules_file(site))
    c.TraefikProxy.traefik_api_url = f"http://127.0.0.1:{site.ports['proxy_api']}"
    c.TraefikProxy.traefik_api_username = "hub"
    c.TraefikProxy.traefik_api_password = site.secret("proxy_password")


def _services(site: Site, c: Any) -> None:
    culler = {"name": "idle-culler", "api_token": site.secret("culler_token"), "display": False}
    backends = [
        (backend, site.settings(backend), site.place(backend)) for backend in site.backends.values()
    ]
    c.JupyterHub.services = [
        front.hub_service(site),
        login.hub_service(site),
        tokens.hub_service(site),
        culler,
        *(
            entry
            for one, settings, place in backends
            for entry in one.hub_services(settings, place)
        ),
    ]
    access = [f"access:services!service={entry['name']}" for entry in c.JupyterHub.services[:2]]
    access += [scope for one, _, _ in backends for scope in one.scopes.values()]
    c.JupyterHub.load_roles = [
        {
            "name": "dask-gateway-service",
            "services": ["dask-gateway"],
            "scopes": ["read:users:name", "read:users:groups"],
        },
        {"name": "idle-culler", "services": ["idle-culler"], "scopes": CULLER_SCOPES},
        login.hub_role(site),
        tokens.hub_role(),
        {"name": "user", "scopes": ["self", *access]},
        # The token in a kernel: its own server and the facility's services, not its user's self.
        {"name": "server", "scopes": ["users:activity!user", "access:servers!server", *access]},
    ]


def _tokens(site: Site, c: Any) -> None:
    c.JupyterHub.token_expires_in_max_seconds = site.config.login.token_lifetime
    c.JupyterHub.oauth_token_expires_in = site.config.login.session_lifetime
    c.JupyterHub.cookie_max_age_days = max(1, site.config.login.token_lifetime // 86400)


def _servers(site: Site, c: Any) -> None:
    c.Spawner.cmd = [str(Path(sys.prefix) / "bin" / "jupyterhub-singleuser")]
    c.Spawner.default_url = "/lab"
    c.Spawner.notebook_dir = "~"
    c.Spawner.start_timeout = site.config.servers.start_timeout
    c.Spawner.http_timeout = site.config.servers.start_timeout
    c.Spawner.env_keep = ["LANG", "LC_ALL", "TZ"]
    c.Spawner.environment = user_environment(site)
    # Spawn requests wait this long before they turn into the progress page.
    c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 2}
    if site.config.facility.tls_certificate:
        c.JupyterHub.tornado_settings["xsrf_cookie_kwargs"] = {"secure": True}


def user_environment(site: Site) -> dict[str, str]:
    """Return what every user's server (and so every kernel) finds in its environment."""
    environment = {
        "PATH": f"{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "CASITA_INSTANCE": site.instance,
        "CASITA_URL": site.url,
        **panel_environment(site),
        "DASK_GATEWAY__ADDRESS": site.inner_gateway_url,
        "DASK_GATEWAY__PUBLIC_ADDRESS": GATEWAY_PREFIX,
        "DASK_GATEWAY__PROXY_ADDRESS": site.gateway_traffic,
        "DASK_GATEWAY__AUTH__TYPE": "jupyterhub",
    }
    if not site.config.multiuser:
        environment["CASITA_DATA"] = str(site.data)
    return environment | site.backend_environment()


def panel_environment(site: Site) -> dict[str, str]:
    """Return what the Facility panel of JupyterLab shows without asking anybody."""
    states = {True: "on", False: "off"}
    backends = [
        {"name": one.name, "title": one.title, "state": states[one.name in site.backends]}
        for one in load_backends().values()
    ]
    timeout = site.config.servers.idle_timeout
    return {
        "CASITA_NAME": site.config.facility.name,
        "CASITA_PROFILE": site.config.facility.profile,
        "CASITA_IDLE_TIMEOUT": str(timeout),
        # The culler goes by what servers tell the hub, which is every five minutes otherwise.
        "JUPYTERHUB_ACTIVITY_INTERVAL": str(max(10, min(60, timeout // 4))),
        "CASITA_BACKENDS": json.dumps(backends),
    }


def _pages(site: Site, c: Any) -> None:
    c.JupyterHub.template_paths = [str(pages.TEMPLATES)]
    c.JupyterHub.template_vars = pages.template_vars(site)
    c.JupyterHub.logo_file = str(pages.LOGO)


def _one_person(site: Site, c: Any) -> None:
    admin = site.config.login.admin
    site.secret("admin_password", 16)
    c.JupyterHub.authenticator_class = "casita.hub.authenticator.EmbeddedAuthenticator"
    c.EmbeddedAuthenticator.admin_name = admin
    c.EmbeddedAuthenticator.password_file = str(site.state / "secrets" / "admin_password")
    c.EmbeddedAuthenticator.codes_file = str(once.codes_file(site))
    c.Authenticator.allowed_users = {admin}
    c.Authenticator.admin_users = {admin}
    c.JupyterHub.spawner_class = "simple"
    c.SimpleLocalProcessSpawner.home_dir_template = str(site.state / "home" / "{username}")
    c.Spawner.args = [*KERNELS, *(["--allow-root"] if os.getuid() == 0 else [])]
    c.Spawner.environment["JUPYTER_RUNTIME_DIR"] = str(site.runtime / "jupyter")
    token_file = str(site.runtime / f"bt_u{os.getuid()}")
    c.Spawner.environment |= {"CASITA_TOKEN_FILE": token_file, "BEARER_TOKEN_FILE": token_file}


def _several_people(site: Site, c: Any) -> None:
    from casita.hub.spawner import START

    login_table = site.config.login
    c.JupyterHub.authenticator_class = "casita.hub.accounts.AccountAuthenticator"
    c.Authenticator.admin_users = {login_table.admin}
    # Empty: every person with an account, see AccountAuthenticator.refusal.
    listed = {login_table.admin, *login_table.users} if login_table.users else set()
    c.Authenticator.allowed_users = listed
    c.Authenticator.allow_existing_users = False
    c.Authenticator.username_pattern = USER_NAME
    # Who may no longer come in loses tokens, too.
    c.Authenticator.auth_refresh_strict = True
    c.Authenticator.auth_refresh_age = 60
    c.LocalAuthenticator.create_system_users = login_table.create_users
    c.LocalAuthenticator.add_user_cmd = ADD_USER
    c.AccountAuthenticator.created_file = str(site.state / "hub" / "created_users.json")
    # Sessions opened by root for the hub would be closed with the wrong process.
    c.PAMAuthenticator.open_sessions = False
    c.JupyterHub.spawner_class = "casita.hub.spawner.AccountSpawner"
    c.AccountSpawner.runtime_directory = str(site.runtime)
    c.AccountSpawner.instance = site.instance
    c.Spawner.cmd = ["/bin/sh", "-c", START, "casita-server", *c.Spawner.cmd]
    c.Spawner.args = KERNELS
    # A server that ended is noticed before another user could take its port.
    c.Spawner.poll_interval = 5
