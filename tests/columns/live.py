"""The service in this process, on a port of its own; who calls it says so in a header."""

import socket
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from fastapi import Request

from casita.auth.scopes import parse
from casita.auth.verifier import StorageToken
from casita.backend import Issuer, Trust
from casita.testing import wait_for
from casita_columns.service.application import PREFIX, Service, build
from casita_columns.settings import ColumnsSettings, ServiceSettings
from casita_columns.workers.sandbox import interpreter

PYTHON = interpreter(None, Path(sys.prefix))


def settings(folder, columns=None, **more):
    """What a service is told; two workers unless told otherwise."""
    (folder / "key").write_text("secret")
    (folder / "token").write_text("token")
    values = {
        "port": 0,
        "url": "",
        "profile": "embedded",
        "directory": folder / "columns",
        "issuer": "http://127.0.0.1:1/token",
        "token_file": folder / "token",
        "key_file": folder / "key",
        "trust": Trust("http://127.0.0.1/services/columns", (Issuer("http://127.0.0.1:1"),)),
        "columns": ColumnsSettings(**{"workers": 2, **(columns or {})}),
        "python": PYTHON,
        "environment": {},
    }
    return ServiceSettings(**{**values, **more})


@contextmanager
def listening(make):
    """Serve what ``make(url)`` returns, an application, on loopback; gives the url."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        # As on sockets that asyncio opens itself; without it, each answer takes 40 ms more.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(make(url), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            wait_for(lambda: server.started or not thread.is_alive(), 30, "the service")
            yield url
        finally:
            server.should_exit = True
            thread.join(timeout=30)


@contextmanager
def running(given, anonymous=""):
    """Run a service; gives a client, which is ada unless it says otherwise by X-User.

    ``anonymous`` is who comes without any token.
    """
    services = []

    def make(url):
        service = Service(given.model_copy(update={"url": f"{url}{PREFIX}"}))
        services.append(service)
        app = build(service)

        async def caller(request: Request) -> StorageToken:
            name = request.headers.get("X-User", anonymous)
            if not name:
                return await service.access.caller(request)
            scopes = tuple(map(parse, request.headers.get("X-Scopes", "storage.read:/").split()))
            return StorageToken(name, "me", scopes, time.time() + 60, "")

        app.dependency_overrides[service.access.caller] = caller
        return app

    with (
        listening(make) as url,
        httpx.Client(base_url=url, headers={"X-User": "ada"}, timeout=60) as client,
    ):
        client.service = services[0]
        yield client
