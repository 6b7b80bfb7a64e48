"""The text of XRootD's configuration files.  Pure.

Directives: https://xrootd.slac.stanford.edu/docs.html (XRootD, Open File System, Proxy Storage
and Proxy File Cache configuration references).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from casita_cache.servers import Server

LARGE_BUFFERS = (5, 7, 0)
"""Before, a large buffer lets readers overflow the stack of the server (do_PgRIO)."""


def text(server: Server, version: tuple[int, ...]) -> str:
    """Return the configuration of one server.

    Parameters
    ----------
    version
        Of XRootD, 5.5 to 6.2.
    """
    parts = [_place(server, version), _doors(server), _monitoring(server)]
    parts.append(_cache(server) if server.role == "cache" else _export(server))
    if server.audience:
        parts.append(_guard(server))
    lines = [line for part in parts for line in part]
    return "# Written at each start; change casita.toml instead.\n" + "\n".join(lines) + "\n"


def _place(server: Server, version: tuple[int, ...]) -> Iterator[str]:
    yield "all.role server"
    yield f"all.adminpath {run_folder(server)}"
    yield f"all.pidpath {run_folder(server)}"
    # A reader's large request is handled at once, not in pieces of 2 MB with a round trip to the
    # origin for each; see docs/explanation/performance.md.
    yield "xrootd.async maxsegs 128 limit 128"
    if version >= LARGE_BUFFERS:
        yield "xrd.buffers maxbsz 16m"


def run_folder(server: Server) -> Path:
    """Return where a server has its sockets and its pid."""
    return server.directory / "run"


def _doors(server: Server) -> Iterator[str]:
    # Its sockets are made by the launcher: there is no directive for an address to listen on.
    yield f"xrd.port {server.port}"
    if server.http_port:
        yield f"xrd.protocol http:{server.http_port} libXrdHttp.so"
    if not server.public:
        for one in ("127.0.0.1", "localhost"):
            yield f"xrd.allow host {one}"


def _monitoring(server: Server) -> Iterator[str]:
    there = f"127.0.0.1:{server.monitor}"
    yield (
        "xrootd.monitor all auth ident 5s flush 1s fstat 1s lfn ops xfr 1 "
        f"dest fstat info user {there}"
    )
    if server.role == "cache":
        yield f"xrootd.mongstream pfc use flush 1s send json dflthdr {there}"


def _export(server: Server) -> Iterator[str]:
    yield f"all.export {server.prefix or '/'} r/o"
    yield f"oss.localroot {tree(server)}"
    yield "xrootd.chksum adler32"
    if server.keytab:
        yield "xrootd.seclib libXrdSec.so"
        yield f"sec.protocol sss -s {server.keytab}"
        yield "sec.protbind * only sss"


def tree(server: Server) -> Path:
    """Return the folder that an origin exports: its own, with a link where files appear."""
    if not server.prefix:
        assert server.export is not None
        return server.export
    return server.directory / "tree"


def _cache(server: Server) -> Iterator[str]:
    assert server.origin is not None
    yield "all.export / r/o"
    yield "ofs.osslib libXrdPss.so"
    yield "pss.cachelib libXrdPfc.so"
    yield f"pss.origin {_upstream(server.origin.url)}"
    files = server.directory
    yield f"oss.localroot {files / 'ns'}"
    for space in ("data", "meta"):
        yield f"oss.space {space} {files / space}"
    yield "pfc.spaces data meta"
    # Without a unit a number would be a part of the disk.
    limits = "files " + " ".join(
        f"{int(server.size * part) // 1024}k" for part in (server.low / 2, server.low, 1)
    )
    yield f"pfc.diskusage 0.90 0.95 {limits} purgeinterval 60s"
    yield f"pfc.ram {server.memory}"
    yield f"pfc.blocksize {server.block_size}"
    yield f"pfc.prefetch {server.prefetch}"
    # Page checksums, on disk and on the way: a corrupted block is an error, never wrong data.
    yield "pfc.cschk cache net"


def _upstream(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    return f"{host}:{parts.port or 1094}"


def _guard(server: Server) -> Iterator[str]:
    certificate, key = credentials(server)
    yield "xrd.tlsca noverify"  # of readers, who show tokens and no certificates
    yield f"xrd.tls {certificate} {key}"
    yield "xrootd.tls capable all"
    yield "xrootd.seclib libXrdSec.so"
    yield "sec.protocol ztn"
    # Who has no token may come in and is told at each file that it takes one.
    yield "sec.protocol unix"
    yield "sec.protbind * ztn unix"
    yield "ofs.authorize"
    yield f"ofs.authlib libXrdAccSciTokens.so config={server.directory / 'scitokens.cfg'}"
    if server.http_port:
        yield "http.header2cgi Authorization authz"
        yield "http.desthttps yes"
        yield "http.selfhttps2http no"


def keys_folder(server: Server) -> Path:
    """Return the folder of issuers' keys, for all servers: the facility's, not the account's."""
    return server.directory.parent / "keys"


def credentials(server: Server) -> tuple[Path, Path]:
    """Return a server's own copies of its certificate and key, which must be its account's."""
    return server.directory / "certificate.pem", server.directory / "key.pem"


def scitokens(server: Server) -> str:
    """Return the configuration of XRootD's token plug-in (xrootd-scitokens/README.md)."""
    lines = ["[Global]", f"audience = {server.audience}", "onmissing = deny"]
    for number, issuer in enumerate(server.issuers):
        lines += ["", f"[Issuer {number}]", f"issuer = {issuer.url}", f"base_path = {issuer.base}"]
        if number == 0:
            lines.append("map_subject = False")
    return "\n".join(lines) + "\n"
