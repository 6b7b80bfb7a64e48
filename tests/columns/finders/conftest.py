"""What a lookup gets, and servers that answer as CERN Open Data and Rucio do."""

import contextlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from casita_columns.finders import Context, local_listing

from ...cache.conftest import plain_origin, world  # noqa: F401


@pytest.fixture
def make_context(tmp_path):
    """Make a context; what is given replaces what is usual."""
    with httpx.Client(timeout=20, follow_redirects=True, trust_env=False) as http:

        def make(**more):
            usual = {"user": "alice", "list_directory": local_listing, "http": http}
            return Context(**usual | {"directory": tmp_path / "kept"} | more)

        yield make


@pytest.fixture
def context(make_context):
    return make_context()


class Loopback:
    """A web server whose answers are set by path; it remembers what it was asked."""

    def __init__(self):
        self.answers, self.asked, self.connections = {}, [], []
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                loopback.asked.append((self.path, dict(self.headers), body))
                answer = loopback.answers.get(self.path, (404, {"message": "no such thing"}))
                status, content, *headers = answer(self, body) if callable(answer) else answer
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {"Content-Length": len(data), **dict(*headers)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def process_request(self, request, address):
                loopback.connections.append(request)
                super().process_request(request, address)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))

    def paths(self):
        return [path for path, _, _ in self.asked]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        for one in self.connections:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.thread.join()


@pytest.fixture
def loopback():
    server = Loopback()
    server.thread.start()
    yield server
    if server.thread.is_alive():
        server.stop()


def paths(found):
    return [one.paths[0] for one in found]
