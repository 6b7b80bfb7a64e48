"""A facility with a certificate of a private authority: https for everybody, http for nobody."""

import datetime
import ipaddress
import json
import ssl

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from casita.demo.session import HubSession
from casita.testing import casita, running_facility

from .conftest import Kernel


def certificate(folder, name, issuer=None):
    """Write ``name``.pem and ``name``.key, signed by (certificate, key) ``issuer`` or itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    above, signer = issuer or (None, key)
    builder = x509.CertificateBuilder(above.subject if above else subject, subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = builder.sign(signer, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made, key


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    certificate(folder, "server", certificate(folder, "authority"))
    return folder


@pytest.fixture(scope="module")
def secured(folder):
    config = folder / "casita.toml"
    config.write_text(
        f'[facility]\ntls_certificate = "{folder}/server.pem"\ntls_key = "{folder}/server.key"\n'
    )
    with running_facility(folder / "state", "--config", config) as facility:
        yield facility


@pytest.fixture(scope="module")
def person(secured, folder):
    """The administrator, logged in by a one-time link over https, with a running server."""
    assert secured.url.startswith("https://127.0.0.1:")
    code = next(word for word in secured.casita("link").stdout.split() if "#" in word)
    with HubSession(secured.url, ca=str(folder / "authority.pem")) as session:
        session.login_once(code.partition("#")[2])
        session.start_server()
        yield session


def test_http_is_not_served(secured):
    plain = secured.url.replace("https://", "http://")
    with httpx.Client(trust_env=False) as http:
        try:
            answer = http.get(f"{plain}/hub/login")
        except httpx.TransportError:
            return
        assert answer.status_code >= 400
        assert "password" not in answer.text


def test_a_client_that_does_not_know_the_authority_refuses(secured):
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{secured.url}/hub/login", trust_env=False)


def test_cookies_are_for_https_only(person):
    cookies = list(person._http.cookies.jar)
    assert {"jupyterhub-hub-login", "_xsrf"} <= {one.name for one in cookies}
    assert all(one.secure for one in cookies)


def test_old_protocols_are_refused(secured, folder):
    context = ssl.create_default_context(cafile=folder / "authority.pem")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{secured.url}/hub/login", verify=context, trust_env=False)


def test_gateway_in_a_notebook_needs_no_argument(secured, person, folder):
    token = person.token("test", 600)
    kernel = Kernel(secured.url, person.user, token, str(folder / "authority.pem"))
    code = "from dask_gateway import Gateway\nanswer = [list(Gateway().list_clusters())]"
    assert kernel.ask(code) == [[]]


def test_a_terminal_logs_in_with_the_authoritys_certificate(secured, person, folder, tmp_path):
    token = person.token("terminal", 600)
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    words = ("login", secured.url, "--token-stdin")
    unknown = casita(*words, stdin=token, env=home, check=False)
    assert unknown.returncode == 1
    assert "shows a certificate that this machine does not trust" in unknown.stderr
    casita(*words, "--ca", folder / "authority.pem", stdin=token, env=home)
    assert json.loads(casita("clusters", "list", "--json", env=home).stdout) == []


def test_the_operator_needs_no_certificate_at_all(secured):
    assert secured.status()["state"] == "up"
    assert json.loads(secured.casita("clusters", "list", "--json").stdout) == []
