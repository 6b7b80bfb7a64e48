"""Datasets in Rucio: a stub on loopback speaks its REST as the server's source has it."""

import datetime
import ipaddress
import json
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from casita_columns.finders import BadName, Found, LookupFailed, NotThere, registry

from .conftest import paths

TOKEN = "alice-/CN=alice-unknown-0123456789abcdef"


class Rucio:
    """What Rucio knows, behind a web server."""

    def __init__(self, loopback):
        self.loopback, self.tokens = loopback, {TOKEN}
        self.files, self.replicas, self.batches = {}, {}, []
        loopback.answers["/replicas/list"] = self.list_replicas

    def dataset(self, path, files):
        """Add one; ``files`` are (scope, name) pairs."""
        self.loopback.answers[f"/dids/{path}/files"] = self.contents
        self.files[f"/dids/{path}/files"] = files

    def file(self, name, *replicas, scope="mc", **more):
        """Add a file with replicas, (RSE, URL, more) each."""
        pfns = {
            url: {"rse": rse, "rse_id": rse.lower(), "type": "DISK", "volatile": False}
            | {"domain": "wan", "priority": number, "client_extract": False}
            | dict(*rest)
            for number, (rse, url, *rest) in enumerate(replicas, 1)
        }
        self.replicas[scope, name] = {
            "scope": scope,
            "name": name,
            "bytes": 100,
            "md5": None,
            "adler32": "0cc737eb",
            "pfns": pfns,
            "rses": {one["rse"]: [url] for url, one in pfns.items()},
            "states": {one["rse"]: "AVAILABLE" for one in pfns.values()},
        } | more
        return scope, name

    def refused(self, handler):
        token = handler.headers.get("X-Rucio-Auth-Token")
        if not token:
            return self.error(400, "ValueError", "Token must be set.")
        if token not in self.tokens:
            said = "Cannot authenticate with given credentials"
            return self.error(401, "CannotAuthenticate", said)
        return None

    @staticmethod
    def error(status, kind, said):
        return status, {"ExceptionClass": kind, "ExceptionMessage": said}

    def contents(self, handler, _):
        lines = [
            {"scope": scope, "name": name, "bytes": 100, "adler32": "0cc737eb", "events": 1000}
            | {"guid": None}
            for scope, name in self.files[handler.path]
        ]
        return self.refused(handler) or (200, stream(lines))

    def list_replicas(self, handler, body):
        asked = json.loads(body)
        self.batches.append(asked)
        known = [self.replicas.get((one["scope"], one["name"])) for one in asked["dids"]]
        return self.refused(handler) or (200, stream(filter(None, reversed(known))))


def stream(lines):
    """A document a line, as ``application/x-json-stream``."""
    return "".join(f"{json.dumps(one)}\n" for one in lines).encode()


@pytest.fixture
def rucio(loopback):
    return Rucio(loopback)


@pytest.fixture
def make_finder(loopback, tmp_path):
    def make(**more):
        token = tmp_path / "token"
        token.write_text(f"{TOKEN}\n")
        table = {"url": f"{loopback.url}/", "token_file": token} | more
        there = registry({"rucio": table}, {})
        assert there.troubles == {}
        return there["rucio"]

    return make


def test_the_files_of_a_dataset_by_name_with_all_replicas(rucio, make_finder, context):
    rucio.dataset(
        "mc/mc20.ttbar",
        [
            rucio.file(
                "b.root",
                ("SITE_A", "root://a.org:1094//store/b.root"),
                ("SITE_B", "davs://b.org:443/store/b.root"),
            ),
            rucio.file("a.root", ("SITE_B", "root://b.org:1094//store/a.root")),
            ("mc", "a.root"),  # it is in two of a container's datasets
        ],
    )
    assert list(make_finder().find("mc:mc20.ttbar", context)) == [
        Found(("root://b.org:1094//store/a.root",), 100, 1000, "0cc737eb"),
        Found(
            ("root://a.org:1094//store/b.root", "davs://b.org:443/store/b.root"),
            100,
            1000,
            "0cc737eb",
        ),
    ]
    (batch,) = rucio.batches
    assert batch == {
        "dids": [{"scope": "mc", "name": "a.root"}, {"scope": "mc", "name": "b.root"}],
        "schemes": ["root", "davs", "https"],
        "ignore_availability": False,
        "all_states": False,
    }


@pytest.mark.parametrize("name", ["cms:/Muon/Run2018A-v1/NANOAOD", "/Muon/Run2018A-v1/NANOAOD"])
def test_names_with_slashes_and_without_a_scope(rucio, make_finder, context, name):
    rucio.dataset(
        "cms/%2FMuon%2FRun2018A-v1%2FNANOAOD",
        [rucio.file("/store/a.root", ("T2", "root://t2//store/a.root"), scope="cms")],
    )
    assert paths(make_finder(scope="cms").find(name, context)) == ["root://t2//store/a.root"]


def test_preferred_storages_come_first_then_what_rucio_prefers(rucio, make_finder, context):
    rucio.dataset(
        "mc/x",
        [
            rucio.file(
                "a.root",
                ("T2_DE_X", "root://de//a.root"),
                ("T2_US_X", "root://us-x//a.root"),
                ("T2_US_Y", "davs://us-y/a.root", {"priority": 9}),
                ("T2_US_Y", "root://us-y//a.root", {"priority": 8}),
            )
        ],
    )
    finder = make_finder(prefer=["T2_US_Y", "T2_US_*"], site="Y", rses="istape=False")
    (found,) = finder.find("mc:x", context)
    assert found.paths == (
        "root://us-y//a.root",
        "davs://us-y/a.root",
        "root://us-x//a.root",
        "root://de//a.root",
    )
    (batch,) = rucio.batches
    assert batch["client_location"] == {"site": "Y"}
    assert (batch["sort"], batch["rse_expression"]) == ("geoip", "istape=False")


def test_a_file_that_is_nowhere_is_an_error_unless_what_is_available_is_wanted(
    rucio, make_finder, context, make_context
):
    states = {"states": {"T2": "BAD"}}
    rucio.dataset(
        "mc/x",
        [
            rucio.file("a.root", ("T2", "root://t2//a.root")),
            rucio.file("b.root"),
            rucio.file("c.root", ("T1_TAPE", "root://tape//c.root", {"type": "TAPE"})),
            rucio.file("d.root", ("T2", "root://t2//d.root"), **states),
            rucio.file("e.root", ("T2", "srm://t2/e.root")),
            ("mc", "f.root"),
            rucio.file("g.root", ("T2", "root://t2//g.root")),
        ],
    )
    files = make_finder().find("mc:x", context)
    assert next(files).paths == ("root://t2//a.root",)
    with pytest.raises(LookupFailed, match=r"mc:b.root has no replica") as failed:
        next(files)
    assert "?get=available" in failed.value.hint
    available = make_context(get="available")
    found = paths(make_finder().find("mc:x", available))
    assert found == ["root://t2//a.root", "root://t2//g.root"]
    found = paths(make_finder(tape=True).find("mc:x", available))
    assert "root://tape//c.root" in found


def test_replicas_are_asked_for_as_files_are_wanted(rucio, make_finder, context):
    names = [f"{number:05d}.root" for number in range(2500)]
    rucio.dataset("mc/x", [rucio.file(one, ("T2", f"root://t2//{one}")) for one in reversed(names)])
    files = make_finder().find("mc:x", context)
    assert next(files).paths == ("root://t2//00000.root",)
    assert [len(one["dids"]) for one in rucio.batches] == [1000]
    assert paths(files) == [f"root://t2//{one}" for one in names[1:]]
    assert [len(one["dids"]) for one in rucio.batches] == [1000, 1000, 500]


@pytest.mark.parametrize("name", ["x", ":x", "mc:", "mc:x?file=1", "/data/x", "a/b:c"])
def test_what_is_no_name_is_refused(make_finder, loopback, context, name):
    with pytest.raises(BadName, match="rucio://scope:name"):
        list(make_finder().find(name, context))
    assert loopback.asked == []


def test_what_is_not_there(rucio, make_finder, loopback, context):
    said = "Data identifier 'mc:x' not found"
    loopback.answers["/dids/mc/x/files"] = rucio.error(404, "DataIdentifierNotFound", said)
    with pytest.raises(NotThere, match=said):
        list(make_finder().find("mc:x", context))
    rucio.dataset("mc/empty", [])
    with pytest.raises(NotThere, match="has no files"):
        list(make_finder().find("mc:empty", context))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((503, b"<html>proxy</html>"), "answers 503"),
        ((500, {"ExceptionClass": "DatabaseException", "ExceptionMessage": "locked"}), "locked"),
        ((200, b"<html>login</html>"), "does not answer with JSON"),
        ((200, b'{"scope": "mc", "na'), "does not answer with JSON"),
        ((200, b'{"ExceptionClass": "RucioException"}\n'), "RucioException"),
        ((302, b"", {"Location": "/elsewhere"}), "answers 302"),
    ],
)
def test_a_server_in_trouble(rucio, make_finder, loopback, context, answer, said):
    loopback.answers["/dids/mc/x/files"] = answer
    with pytest.raises(LookupFailed, match=said) as failed:
        list(make_finder().find("mc:x", context))
    assert failed.value.hint
    assert "/elsewhere" not in loopback.paths()  # the token is for nobody else


def test_a_server_that_is_not_there(make_finder, loopback, context):
    loopback.stop()
    with pytest.raises(LookupFailed, match="does not answer"):
        list(make_finder().find("mc:x", context))


def test_a_token_is_read_anew_and_its_refusal_told(rucio, make_finder, context, tmp_path):
    rucio.dataset("mc/x", [rucio.file("a.root", ("T2", "root://t2//a.root"))])
    finder = make_finder()
    rucio.tokens = {"renewed"}
    with pytest.raises(LookupFailed, match="does not take our token: Cannot authenticate"):
        list(finder.find("mc:x", context))
    (tmp_path / "token").write_text("renewed")
    assert paths(finder.find("mc:x", context)) == ["root://t2//a.root"]
    (tmp_path / "token").unlink()
    with pytest.raises(LookupFailed, match="token can't be read") as failed:
        list(finder.find("mc:x", context))
    assert str(tmp_path) not in str(failed.value)
    with pytest.raises(LookupFailed, match="Token must be set"):
        list(make_finder(token_file=None).find("mc:x", context))


def certificate(folder, name):
    """Write a self-signed certificate and its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    file = Path(folder, f"{name}.pem")
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@pytest.fixture
def guarded(loopback, tmp_path):
    """The web server with TLS, for who has a certificate."""
    server, user = certificate(tmp_path, "server"), certificate(tmp_path, "user")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    context.load_verify_locations(user)
    context.verify_mode = ssl.CERT_OPTIONAL
    loopback.server.socket = context.wrap_socket(loopback.server.socket, server_side=True)
    loopback.url = loopback.url.replace("http:", "https:")
    return {"token_file": None, "certificate": user, "certificates": server, "account": "casita"}


def test_a_certificate_buys_a_token_for_as_long_as_it_is_good(
    rucio, guarded, make_finder, loopback, context
):
    rucio.dataset("mc/x", [rucio.file("a.root", ("T2", "root://t2//a.root"))])
    given, ends = [], [time.time() + 3600]

    def login(handler, _):
        peer = handler.connection.getpeercert()
        if not peer or handler.headers["X-Rucio-Account"] != "casita":
            return Rucio.error(401, "CannotAuthenticate", "no certificate")
        assert ("commonName", "user") in [pair for one in peer["subject"] for pair in one]
        given.append(f"token-{len(given)}")
        rucio.tokens = {given[-1]}
        until = time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime(ends[0]))
        headers = {"X-Rucio-Auth-Token": given[-1], "X-Rucio-Auth-Token-Expires": until}
        return 200, b"", headers

    loopback.answers["/auth/x509_proxy"] = login
    finder = make_finder(**guarded)
    for _ in range(2):
        assert paths(finder.find("mc:x", context)) == ["root://t2//a.root"]
    assert len(given) == 1
    rucio.tokens = set()  # the server was restarted and knows it no more
    assert paths(finder.find("mc:x", context)) == ["root://t2//a.root"]
    assert len(given) == 2
    ends[0] = time.time() + 10
    short = make_finder(**guarded)
    assert paths(short.find("mc:x", context)) == ["root://t2//a.root"]
    assert len(given) > 3  # for each request: it might end on the way

    loopback.answers["/auth/x509_proxy"] = Rucio.error(401, "CannotAuthenticate", "unknown")
    with pytest.raises(LookupFailed, match="does not take its certificate: it answers 401"):
        list(make_finder(**guarded).find("mc:x", context))
    guarded["certificate"].write_text("no certificate")
    with pytest.raises(LookupFailed, match="certificate is of no use"):
        list(make_finder(**guarded).find("mc:x", context))
