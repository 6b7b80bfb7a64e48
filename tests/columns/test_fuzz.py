"""Whatever is sent to the service, within its OpenAPI and without, gets a documented answer."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.columns.live import running, settings
from tests.columns.test_service import body, finished, submit

from casita_columns.service.application import PREFIX

PROGRAM = Path(sys.executable).parent / "schemathesis"
CHECKS = "not_a_server_error,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def client(tmp_path_factory, files):
    with running(settings(tmp_path_factory.mktemp("fuzz"))) as client:
        finished(client, submit(client, body(files)))  # something to find
        yield client


def test_openapi_is_kept_to(client, tmp_path):
    url = str(client.base_url).rstrip("/")
    done = subprocess.run(
        [
            *(PROGRAM, "run", f"{url}{PREFIX}/openapi.json"),
            *("--url", url, "--header", "X-User: ada", "--checks", CHECKS),
            *("--max-examples", "12", "--seed", "7", "--workers", "2", "--no-color"),
            *("--request-timeout", "20", "--generation-database", ":memory:"),
            *("--exclude-path-regex", "/events$|/token/refresh$"),  # endless; needs an issuer
        ],
        capture_output=True,
        text=True,
        timeout=250,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    # It still serves.
    assert client.get(f"{PREFIX}/health").json()["ready"]
    assert client.get(f"{PREFIX}/requests").status_code == 200
