"""Runs a notebook in a kernel of the user's own Jupyter server, as if they had opened it there.

nbclient executes the cells; jupyter_server's gateway client speaks to the remote kernel.  The
kernel belongs to a session of the server, so that JupyterLab shows the notebook with this very
kernel, and goes on living afterwards.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import nbformat
import websocket
from jupyter_core.utils import ensure_async
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.gateway.managers import GatewayKernelClient, GatewayKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from casita.client import trust
from casita.errors import ServiceError

CELL_SECONDS = 24 * 3600
"""A cell may take as long as an analysis does."""
MARK = "casita"
"""Metadata of a notebook that the demo wrote: the digest of its sources."""

Report = Callable[[str], None]


class _KernelClient(GatewayKernelClient):  # type: ignore[misc]
    """Upstream's, which forgets the token when it opens the kernel's websocket."""

    async def start_channels(self, **channels: Any) -> None:
        gateway = GatewayClient.instance()
        self.channel_socket = websocket.create_connection(
            f"{gateway.ws_url}{gateway.kernels_endpoint}/{self.kernel_id}/channels",
            header={"Authorization": f"token {gateway.auth_token}"},
            sslopt={"ca_certs": gateway.ca_certs},
            timeout=gateway.KERNEL_LAUNCH_TIMEOUT,
            enable_multithread=True,
        )
        await ensure_async(super(GatewayKernelClient, self).start_channels(**channels))
        self.response_router = Thread(target=self._route_responses)
        self.response_router.start()


class Server:
    """A user's Jupyter server, by its REST API.

    Parameters
    ----------
    url
        E.g. ``http://127.0.0.1:8000/user/alice``.
    token
        A hub token that may use it.
    ca
        PEM file of a certificate authority of the facility's own, or "".
    """

    def __init__(self, url: str, token: str, ca: str = "") -> None:
        self.url = url
        self._token = token
        self._ca = ca
        headers = {"Authorization": f"token {token}"}
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=60, verify=trust(ca), trust_env=False
        )

    def read(self, path: str) -> Any:
        """Return a file's content (a notebook as a notebook), or None if there is none."""
        answer = self._http.get(f"/api/contents/{path}")
        return None if answer.status_code == 404 else self._checked(answer)["content"]

    def write_notebook(self, path: str, notebook: nbformat.NotebookNode) -> None:
        """Store a notebook; the server signs it, so that JupyterLab shows its widgets."""
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.metadata["trusted"] = True
        body = {"type": "notebook", "format": "json", "content": notebook}
        self._checked(self._http.put(f"/api/contents/{path}", json=body))

    def start_session(self, path: str) -> str:
        """Return the id of a fresh kernel that belongs to the notebook at ``path``."""
        for one in self._checked(self._http.get("/api/sessions")):
            if one["path"] == path:
                self._http.delete(f"/api/sessions/{one['id']}")
        body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        return str(self._checked(self._http.post("/api/sessions", json=body))["kernel"]["id"])

    def _checked(self, answer: httpx.Response) -> Any:
        if answer.is_error:
            raise ServiceError(
                f"{answer.request.method} {answer.url.path}: {answer.status_code} "
                f"{answer.text[:200]}"
            )
        return answer.json() if answer.content else None

    def execute(self, notebook: nbformat.NotebookNode, path: str, report: Report) -> None:
        """Run a notebook's cells; outputs are written into ``notebook``.

        Parameters
        ----------
        report
            Called with the heading of each part when it begins.

        Raises
        ------
        ServiceError
            A cell raised; holds its error.
        """
        kernel = self.start_session(path)
        GatewayClient.clear_instance()
        gateway = GatewayClient.instance()
        gateway.url, gateway.auth_token, gateway.auth_scheme = self.url, self._token, "token"
        gateway.ca_certs = self._ca or None
        try:
            asyncio.run(_execute(notebook, kernel, report))
        except CellExecutionError as error:
            raise ServiceError(
                f"{path}: a cell failed: {error.ename}: {error.evalue}",
                hint=f"open it at {self.url}/lab/tree/{path}",
            ) from error
        finally:
            GatewayClient.clear_instance()


async def _execute(notebook: nbformat.NotebookNode, kernel: str, report: Report) -> None:
    headings = _headings(notebook)

    def began(cell_index: int, **more: Any) -> None:
        if cell_index in headings:
            report(headings[cell_index])

    manager = GatewayKernelManager()
    await manager.start_kernel(kernel_id=kernel)
    client = NotebookClient(notebook, km=manager, timeout=CELL_SECONDS, on_cell_execute=began)
    client.kc = _KernelClient(kernel)
    await client.kc.start_channels()
    try:
        await client.kc.wait_for_ready(timeout=60)
        await client.async_execute()
    finally:
        client.kc.stop_channels()


def _headings(notebook: nbformat.NotebookNode) -> dict[int, str]:
    """Return the heading above each code cell that is the first below it, by cell number."""
    found, heading = {}, ""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            heading = cell.source.partition("\n")[0].lstrip("# ")
        elif heading:
            found[number], heading = heading, ""
    return found


# ---- the user's copy


def load(path: Path, **parameters: Any) -> nbformat.NotebookNode:
    """Return a notebook with values (text or numbers) set in its cell tagged ``parameters``.

    Raises
    ------
    ValueError
        The notebook has no such parameter.
    """
    notebook = nbformat.read(path, as_version=4)
    cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", ()))
    lines = cell.source.splitlines()
    for name, value in parameters.items():
        number = next((i for i, line in enumerate(lines) if line.startswith(f"{name} = ")), None)
        if number is None:
            raise ValueError(f"{path} has no parameter {name}")
        _, hash_sign, comment = lines[number].partition("  #")
        lines[number] = f"{name} = {json.dumps(value)}{hash_sign}{comment}"
    cell.source = "\n".join(lines)
    notebook.metadata[MARK] = {"sources": _digest(notebook)}
    return notebook


def free_name(server: Server, stem: str) -> str:
    """Return a name below the user's home that loses none of their changes."""
    number = 1
    while True:
        name = f"{stem}.ipynb" if number == 1 else f"{stem}-{number}.ipynb"
        there = server.read(name)
        if there is None or _is_unchanged(nbformat.from_dict(there)):
            return name
        number += 1


def _is_unchanged(notebook: nbformat.NotebookNode) -> bool:
    return bool(notebook.metadata.get(MARK, {}).get("sources") == _digest(notebook))


def _digest(notebook: nbformat.NotebookNode) -> str:
    return sha256("\0".join(cell.source for cell in notebook.cells).encode()).hexdigest()
