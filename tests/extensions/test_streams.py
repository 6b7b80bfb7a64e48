"""XRootD's monitoring packets, captured from 5.5.3 and 6.2.0, and what is counted from them."""

import base64
import contextlib
import json
import struct
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from casita_cache import streams
from casita_cache.streams import Source, decode
from casita_cache.tally import OTHER, UNKNOWN, Tally

# Sessions of a cache: one branch of a ROOT file and four small files are read cold, then warm, then
# 1000 bytes by HTTP.  5.5.3: g-stream in binary; 6.2.0: in JSON, on the same port.
SESSION_5 = (
    "eNrNVstu00AUHcdpnaZJFywAgWgrL7wKjt9OggaVsoENSGwqqCo3cScPNbGN7YSmCIkFa34BVqz6T2zZ9B+YSYzrOg+n"
    "qmV6o5Fyx9dzz7kzvnPAMQTg+JQB9wA2WD1zbds/4UW5XlcbWk3WFFWUdUlRdXVvNChyXs9HkHNs14eSLIoi17M8H5pN"
    "s4tanNMZwOkC3Ai5cKTyKi+DgyEFDoIM1ORxdYQ6TV5UBEmJ5zhsNERJ5wX8E4+K3Ds40niJF7kz6Iz9rm3JPM45htxr"
    "qIB+G4A+WThHgYeAAjn8/z4eDwB4/vTD91c/KApUcNIcoQaE378IgKrn2y6qmgOv6vMEDJgaDcBuGFt6tglilr/sUPlL"
    "kg2PR2S8DLJ8ZtEIWT7bYNu9PjLMvu0htsL22xaeiqTzBs1+Hz/weueIbYiCIFTYVv/UCHxZFHSpwloGnvOw/++vcWJb"
    "aOI3TRN5nmGSXMT1fVx2gzh6XdUkoVbHK56gebMuGtg+wssesmF5G2QDBfYIozC6PfwCwWMMep4XojNaY6dJfIGgMTEY"
    "5LrE/VJclTUaOP44ZH0jykKmlFPi63ddhEK+kiaLirKMtBwjLWdKOsSXAvOP7BDnjhzwu3y8U9rsSQcJKcuSINVr0jLe"
    "khojXluBeE27FXFRqutK7Yq9puMl6ksrAOhCm6ILYXMFoBi0vcex5koH7fNPrLlOul3YPdeBE4uNGwXmGomdjX/Bf/sK"
    "lliALR+divekGLY8yMgCbGvTW2WmbpP+EcMWjV2tbiR2Tvy+sPN2fy8R23rgFmPYpl/4dWzR2BX3dBI7E7/3PqFw03wL"
    "L2hszII334CSOjO53/p5XMztLkyHD0RhwuFgmAv1C3NNv8iqdjv9kpvRL0/w2I59YoWIfmES9EthYXk6Qxp0Ahrlru87"
    "1aF1atmfLF5OIOFAEs5ZkOtC/KiNLfKcsyHnQq4DucGE1tp5J7d2HgilbTL+q1CS5t4kytyGqkQbaqR/BmIoVZ2Qni5K"
    "geGdl0EpcLySOqkSTVP1pHJW09/K1EXOfJ7yTXjWBFFV9Lt+bOVsmw+gL9o0fRFRbeWgB+/ErpSNiBJjElTbRsaqLaoM"
    "mATVVsxYtW1GlBiToNo2M1ZtpYi6YhJUWylj1VbIWLUxQU22IntQTtivrazOeYCx/Bc7EQ0v"
)
SESSION_6 = (
    "eNrVVs9v40QUniTdJpu27JUb1Rx8ipwZO4mdIEul7IULSKgXtFq5qTOJo8Y/1p6EDVWlPXDgP4ALEkjAaf8gTnBC4shf"
    "gHhjW47XSepWa5ndiSzNvHnz3jdfZt586NJA6PL68N8fEDSj+zLwPD6R6WCojZRenyhEo0O1T3Win62cthTOOTMk3wu4"
    "oaiUUmnuhtywxpbNBpI/c4w4gLRigbEayIpM0Pc32PImDI+wgTvYD9kLPKIdHHJvAh1t2B8opE96YJmDIZcUrIGFRzdY"
    "JIYQEMH2Qg69lSOiARBYI5B0sIACEzEYMTlzYBgDgiFAEssiUPj2FqGLZQ1dJFuvRW7dFZuNZbq182ejEVU0mcCPPm9L"
    "X8Zbo9JLw19z23NVGZhYG9JnRg8tpggtRNR6DX2IaqgO/R/Fh9Afv1/88x2q1VAHMtYF4Yj8+ZvI3gU2Ata1nLDLZYEE"
    "xa2B0Gnqe/zxEcq1Rmtaa7TSbAi1of+z+HLZGon/37lsoTNeLNJwh8jP+eZbDe1swnfb/xP521fojpZgO8iaMtiY4/N1"
    "DtsBqqgl2B5Fg4Mt3rgdMJbDlvW9H2/Cd4f/Ofnoi/OzQmyHybCdw/YCLz3O3sSW9b3nfxr5bvmffVVAXJxv74mF1tyz"
    "8nN03N8ynl/9dNmun+5NBweiJfbw6K+0zMzSMnN6+oBCMwtFneFrX8T4FGLwKzbbLKQqWJg7yVpub9s3mK2YK+rOdL5g"
    "prXwQgZrF1MXTPmLhkXubyA+JYR08NXi2kzGKiWa0sGuCbYwqo9x15x4LovGY8tiYWhaIpcYcg51zuRvApywXdaAOXAg"
    "IOwznJaxqGgS/BxQmPYcFgg8pjMPwxSdebX2x2IcDYDFeXi9mfQDNmXcsqNp17QAKwsC4X1/UqIbnpLyIEZIpYzsp6M0"
    "LqKKknKhDFTa691FiJojRK2UkBTfblY202VQExe0zOV5l6/OHRentKMSSYSUD1UhylBX7iJF6edY0e/BChm+FStUGWo9"
    "fUPNQIMQw730gLPW1wsoEqKtnoq2Zka0KW8p2upbou0X8eVkVCsj2poFoq219wm0lw1kJ3s4sTn3u0v32vW+dmW1aBe+"
    "Ifwl15BsA6am0DLzkmdIgSHNDMmJ9/V0foCeJpk+eFAmaxksupqs6zJtvJ42Gq8zIvME+r+KL8fO44xwbBaIzMcVi8ys"
    "kGkWiMx2xSLzKCMcmwUi86hikXmcEYPNApF5XLHIbFUsMpsJJ08y/8FJwf/1pKpznmA8OXy1Uwgr5QlhbUsIa/+XEFZ2"
    "vubazndLy75bmWcq0bOVCb3yRG8Ju3+vNW4J+98I1cpIKFPNlnL+qz0CpWvX3RwMHsKBTmi/p73PV0F9dwoh+g9Dbvwu"
)
# 6.2.0 with SciTokens: a file by HTTP, one by root://.
TOKENS_6 = (
    "eNrNVE1u00AUnqRNi7pkxbKaxawi22O7SbA0EqjdsEVhVVWuO5nEVmyP8UxC0ygSC+7AFbgHB4AF3IFTIN7YbpSm5Scs"
    "EC+yMu9nvu97Ly9Glwyhy+nB988IjNnXpZR6ZPk+9QM6OOk5fY8OqOO6lD6bZ0dEJVowUshSM9ejlJIkV5rxiMdCk2KS"
    "sRqAzEXJ5j3LtRz0fom5HAkcYIa7uFDiNQ5oFystR3DoPz3puQ4QQSQxgbukEC05DpbYEAMEIMRSaTjNM4MGQnBQKeli"
    "IwUStRiTnGTg1oLABUnmWiUKr1YIxbMWipvWW7HWhT3Lp7l8k1v0Xu/nQUDdvuXAh14ckYKZepIzEjNIjcE28kQyUjIy"
    "YSRj5AXz0VnSRmcNU3snJj4rU7tvDQYWRbPhHpo1KHu76X3FGSWKRWnCBaiuv2XVhApsO5U8Ss1czSg9x+YRjDuqe0DD"
    "2T4aNrSdapr2XEwiy/0d6ct6Ayi5ZsVCxzL3LFiYRT0SNewg1aAe7IIKrZz8ZSvtm/UqTtareHy8wzJOlNlFvSgMxilg"
    "6Csx2bjoQ0Tkm1D+anW0xGIucrOb4yQVIU+lEnA3HecQsoG7FDbPlK3jUpiESm4A3+151AfAq3Qa1hHqUafvdnEeQgyU"
    "eLfHcCRzUfkR50KpkBs2uBtpDf+GUN+VOBIPRUuRSS0A9vwCSMM4MXnHcYyTJQoS1fFqUURrB8aWqGnjFKUYC83jys1D"
    "DrpEWZrSPx+ByqI0XY+gof/pAOjWAOjdAXj/zwDgBTOGxyx8u4WemKWH8xd4viL04dPj08uPrRbqQnzfvIjR/t4381ba"
    "Xg50aweoWNeiqnbbWuhBM7X3659b796iXxgQPTKYjcbDDd7O9q+3pfHwH2vs/ACT9rGg"
)


def captured(text):
    data, packets = zlib.decompress(base64.b64decode(text)), []
    while data:
        size = int.from_bytes(data[:2], "big")
        packets.append(data[2 : 2 + size])
        data = data[2 + size :]
    return packets


def events(text, kind):
    return [one for packet in captured(text) for one in decode(packet) if type(one) is kind]


def counted(*texts):
    tally = Tally()
    for text in texts:
        for packet in captured(text):
            tally.add(decode(packet))
    return tally.snapshot()


SOURCE = Source(68364513724575, 1795620882)
FIVE, SIX = (pytest.param(one, id=name) for one, name in ((SESSION_5, "5.5.3"), (SESSION_6, "6.2")))


def test_a_server_tells_what_it_is():
    (server,) = events(SESSION_5, streams.Server)
    said = (server.host, server.port, server.instance, server.site, server.version)
    assert said == ("vm", "23111", "cacheb", "", "v5.5.3")
    binary, text = events(SESSION_6, streams.Server)
    assert binary == text  # both forms say the same, of the same run


def test_a_login_tells_a_claim_and_a_proof():
    first, _, web = events(SESSION_5, streams.Login)
    assert (first.session, first.protocol, first.user, first.name) == (1, "xroot", "vega", "")
    assert first.host == "[::127.0.0.1]"
    assert (web.protocol, web.user, web.method) == ("http", "unknown", "http")
    text = "xroot/a.b.12:5@host\n&p=ztn&n=alice&h=x&o=cms&r=&g=&m=&n=root&I=4"
    (proved,) = decode(mapped("u", 9, text))[1:]
    assert (proved.user, proved.name, proved.organization) == ("a.b", "alice", "cms")
    forged = "xroot/me.1:5@host\n&R=v6&x=app&n=root&p=gsi&y=&I=4"
    assert decode(mapped("u", 9, forged))[1].name == ""


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("&p=ztn&n=alice", ("alice", True)),
        ("&p=unix&n=alice", ("alice", False)),
        ("", ("me", False)),
    ],
)
def test_a_claim_is_no_proof(text, user):
    tally = Tally()
    tally.add(decode(mapped("u", 1, f"xroot/me.1:5@host\n{text}")))
    tally.add(decode(f_packet(opened(7, 1))))
    assert [(one.name, one.proved) for one in tally.snapshot().users] == [user]


def test_a_token_tells_its_subject():
    web, root = events(TOKENS_6, streams.Token)
    assert (web.session, root.session) == (1, 5)
    assert (web.subject, web.name) == ("alice", "alice")
    assert web.organization == "https://localhost:23130/casita"


def test_other_maps():
    (agent,) = events(SESSION_6, streams.Text)
    assert (agent.code, agent.key, agent.text) == ("i", 14, "curl/7.88.1")
    (path,) = decode(mapped("d", 3, "xroot/me.1:5@host\n/store/x"))[1:]
    assert (path.code, path.text) == ("d", "/store/x")
    (activity,) = decode(mapped("U", 3, "xroot/me.1:5@host\n&Uc=1&Ec=2&Ac=3"))[1:]
    assert (activity.session, activity.experiment, activity.activity) == (1, 2, 3)
    assert len(decode(mapped("x", 3, "xroot/me.1:5@host\nany"))) == 1


@pytest.mark.parametrize("session", [FIVE, SIX])
def test_files_by_the_f_stream(session):
    opened = events(session, streams.Opened)
    assert [one.path for one in opened[:5]] == [
        "/store/cms/t.root",
        "/store/cms/small",
        "/store/cms/empty",
        "/store/cms/three",
        '/store/cms/q"uote',
    ]
    assert (opened[0].size, opened[0].session, opened[0].writable) == (3202982, 1, False)
    closed = {one.file: one for one in events(session, streams.Closed)}
    assert sorted(closed) == sorted(one.file for one in opened)
    root = closed[opened[0].file]
    assert (root.read, root.vector_read, root.written, root.forced) == (801547, 0, 0, False)
    assert root.operations == streams.Operations(7, 0, 0, 0)
    assert [one.read for one in events(session, streams.Transferred)] == [801547, 801547]
    assert [one.session for one in events(session, streams.Disconnected)] == [1, 7, 13]
    window = events(session, streams.Window)[0]
    assert 0 <= window.ended - window.began <= 1


@pytest.mark.parametrize(("session", "fetched"), [(SESSION_5, None), (SESSION_6, 974758)])
def test_files_by_the_cache(session, fetched):
    closed = events(session, streams.CacheClosed)
    assert [one.accesses for one in closed if one.path.endswith("three")] == [1, 2, 3]
    cold, warm = (one for one in closed if one.path == "/store/cms/t.root")
    assert (cold.size, cold.block_size, cold.blocks, cold.cached_blocks) == (3202982, 131072, 25, 8)
    assert (cold.hit, cold.missed, cold.bypassed, cold.fetched) == (129748, 671799, 0, fetched)
    assert cold.closed - cold.opened == 4
    assert (warm.hit, warm.missed, warm.checksum_errors) == (801547, 0, 0)
    assert not events(session, streams.Unreadable)  # though one path has a quote


def test_numbers_of_packets():
    found = {}
    for one in events(SESSION_6, streams.Packet):
        found.setdefault((one.stream, one.modulus), []).append(one.sequence)
    assert found == {
        ("map", 256): [0, 1, 2, 3, 4],
        ("f", 256): [0, 1, 2, 3],
        ("json=", 1000): [1],
        ("jsongC", 1000): [1, 2],
    }
    sequences = [one.sequence for one in events(SESSION_5, streams.Packet) if one.stream == "gC"]
    assert sequences == [1, 2]


def header(code, size, sequence=0, started=100):
    return struct.pack(">BBHI", ord(code), sequence, size, started)


def packet(code, body, sequence=0, started=100):
    return header(code, 8 + len(body), sequence, started) + body


def mapped(code, key, text, **more):
    return packet(code, struct.pack(">I", key) + text.encode(), **more)


def f_packet(*records, server=5, **more):
    head = struct.pack(">BBHIIIQ", 2, 1, 24, len(records), 10, 11, server)
    return packet("f", head + b"".join(records), **more)


def record(kind, key, body=b"", flags=0):
    return struct.pack(">BBHI", kind, flags, 8 + len(body), key) + body


def opened(file, session, path="/f"):
    return record(1, file, struct.pack(">qI", 9, session) + path.encode() + b"\0\0", flags=1)


def moved(kind, file, read, vector=0, written=0):
    return record(kind, file, struct.pack(">qqq", read, vector, written))


def cache_packet(*lines, sequence=1, started=100, provider="C"):
    head = {"code": "g", "pseq": sequence, "stod": started, "sid": 5, "gs": {"type": provider}}
    return "\n".join([json.dumps(head), *lines]).encode() + b"\0"


def file_close(path, hit, missed):
    return (
        f'{{"event":"file_close","lfn":"{path}","size":9,"blk_size":4,"n_blks":3,"n_blks_done":1,'
        '"access_cnt":1,"attach_t":1,"detach_t":2,"remotes":[],'
        f'"b_hit":{hit},"b_miss":{missed},"b_bypass":0,"n_cks_errs":0}}'
    )


def test_traces_and_redirections_are_only_numbered():
    for code, mark in (("t", 0xE0), ("r", 0xF0)):
        (only,) = decode(packet(code, struct.pack(">Q8x", mark << 56 | 5), sequence=7))
        assert only == streams.Packet(Source(5, 100), "map", 7, 256)


def test_lines_of_other_streams():
    bad = "[" * 60_000
    found = decode(cache_packet('{"event":"x"}', "no json", bad, "[1]", provider="P"))[1:]
    assert found[0] == streams.Record(Source(5, 100), "P", {"event": "x"})
    assert [type(one) for one in found[1:]] == [streams.Unreadable] * 3
    negative = file_close("/f", -1, 0)
    assert type(decode(cache_packet(negative))[1]) is streams.Unreadable


def test_records_of_a_newer_kind_are_passed_over():
    found = decode(f_packet(record(9, 1, b"new"), record(4, 3)))
    assert [type(one) for one in found[1:]] == [streams.Window, streams.Disconnected]


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"f",
        b"<statistics/>",
        header("u", 7),
        header("u", 9),
        packet("u", b"abc"),
        mapped("u", 1, "xroot/me.1@host"),
        mapped("T", 1, "xroot/me.1:5@host\n&Uc=x&s=a"),
        mapped("U", 1, "xroot/me.1:5@host\n&Uc=1"),
        packet("?", b"abcdefgh"),
        packet("g", b"abc"),
        packet("f", b""),
        packet("f", struct.pack(">BBHIIIQ", 2, 0, 24, 0, 0, 0, 0)),
        f_packet(record(1, 1)),
        f_packet(record(0, 1, b"short")),
        f_packet(struct.pack(">BBHI", 4, 0, 4, 1)),
        f_packet(struct.pack(">BBHI", 4, 0, 99, 1)),
        f_packet(moved(3, 1, -5)),
        b"{",
        b"{}",
        b'{"code":"g","pseq":1,"stod":1,"sid":2}',
        b'{"code":"g","pseq":true,"stod":1,"sid":2,"gs":{"type":"C"}}',
        b'{"event":"file_close"}\n{"event":"file_close"}',
        b'{"a":' * 30_000,
    ],
)
def test_malformed_packets_are_told(wrong):
    with pytest.raises(streams.PacketError) as told:
        decode(wrong)
    assert str(told.value)


ANY_PACKET = some.one_of(
    some.binary(max_size=200),
    some.builds(packet, some.sampled_from("=duipxUTfgtr"), some.binary(max_size=120)),
    some.builds(
        mapped, some.sampled_from("=duiUT"), some.just(1), some.text().map("a/b.1:5@h\n&".__add__)
    ),
    some.builds(
        f_packet,
        some.builds(
            record,
            some.integers(0, 6),
            some.integers(0, 9),
            some.binary(max_size=90),
            some.integers(0, 255),
        ),
    ),
    some.builds(
        cache_packet,
        some.text(),
        some.builds(file_close, some.text(), some.integers(), some.integers()),
    ),
    some.text().map(lambda text: ("{" + text).encode()),
)


@given(some.lists(ANY_PACKET, max_size=8))
@example([b"{" + b"\xff" * 9])
def test_no_bytes_raise_anything_else(packets):
    tally = Tally(users=3, files=3)
    for one in packets:
        with contextlib.suppress(streams.PacketError):
            tally.add(decode(one))
    tally.snapshot()


@given(some.data())
def test_no_cut_or_changed_packet_raises_anything_else(data):
    whole = data.draw(some.sampled_from(captured(SESSION_5) + captured(SESSION_6)))
    changed = bytearray(whole[: data.draw(some.integers(0, len(whole)))])
    if changed:
        changed[data.draw(some.integers(0, len(changed) - 1))] = data.draw(some.integers(0, 255))
    with contextlib.suppress(streams.PacketError):
        Tally().add(decode(bytes(changed)))


@pytest.mark.parametrize(("session", "fetched"), [(SESSION_5, 935953), (SESSION_6, 1238912)])
def test_totals_of_a_session(session, fetched):
    found = counted(session)
    (server,) = found.servers
    warm = 801547 + 1000 + 263144 + 10
    assert server.served == 2 * warm + 1000
    assert server.hit == 129748 + warm + 1000
    assert server.missed == warm - 129748
    # What users got is what the cache read: the two streams agree to the byte.
    assert server.served == server.hit + server.missed + server.bypassed
    assert server.hit_ratio == pytest.approx(server.hit / server.served)
    assert server.fetched == fetched
    assert server.saved == server.served - fetched
    counts = (server.open_files, server.closed_files, server.lost, server.unreadable)
    assert counts == (0, 11, 0, 0)
    users = {one.name: (one.proved, one.served, one.files) for one in found.users}
    assert users == {"vega": (False, 2 * warm, 10), "unknown": (False, 1000, 1)}
    root = next(one for one in found.files if one.path.endswith("t.root"))
    assert (root.accesses, root.hit, root.missed) == (2, 129748 + 801547, 671799)
    assert found.files[-1].path == "/store/cms/three"


def test_bytes_go_to_whom_a_token_proves():
    users = counted(TOKENS_6).users
    assert [(one.name, one.proved, one.served, one.files) for one in users] == [
        ("alice", True, 2000, 2)
    ]


def test_an_open_file_counts_as_it_grows():
    tally = Tally()
    tally.add(decode(mapped("u", 1, "xroot/me.1:5@host\n&p=ztn&n=alice")))
    tally.add(decode(f_packet(opened(7, 1), moved(3, 7, 100, 5), sequence=0)))
    (server,) = tally.snapshot().servers
    assert (server.served, server.open_files) == (105, 1)
    tally.add(decode(f_packet(moved(3, 7, 150, 5, 3), sequence=1)))
    tally.add(decode(f_packet(moved(0, 7, 170, 5, 4), sequence=2)))
    found = tally.snapshot()
    assert (found.servers[0].served, found.servers[0].written) == (175, 4)
    assert found.servers[0].open_files == 0
    assert (found.users[0].name, found.users[0].served, found.users[0].written) == ("alice", 175, 4)


def test_a_restart_counts_nothing_twice():
    tally = Tally()
    tally.add(decode(mapped("u", 1, "xroot/me.1:5@host\n&p=ztn&n=alice")))
    tally.add(decode(f_packet(opened(7, 1), moved(3, 7, 100), sequence=5)))
    # The new run uses the same numbers for other files and other users.
    tally.add(decode(f_packet(moved(0, 7, 30), sequence=0, started=200)))
    found = tally.snapshot()
    (server,) = found.servers
    assert (server.served, server.open_files, server.lost) == (130, 0, 0)
    assert (server.started, server.restarts) == (200, 1)
    assert {one.name: one.served for one in found.users} == {"alice": 100, UNKNOWN: 30}
    # What comes late of the old run is not another restart.
    tally.add(decode(f_packet(moved(0, 7, 999), sequence=6)))
    assert tally.snapshot() == found


def test_the_same_session_again_in_a_new_run_doubles_the_totals():
    once = counted(SESSION_5).servers[0]
    tally = Tally()
    for started in (0, 1):
        for one in captured(SESSION_5):
            stod = struct.pack(">I", struct.unpack_from(">I", one, 4)[0] + started)
            tally.add(decode(one[:4] + stod + one[8:]))
    twice = tally.snapshot().servers[0]
    assert (twice.served, twice.hit, twice.lost) == (2 * once.served, 2 * once.hit, 0)
    assert twice.restarts == 1


@pytest.mark.parametrize(
    ("sequences", "lost", "served"),
    [
        ([0, 1, 2], 0, 3),
        ([254, 255, 0], 0, 3),
        ([0, 3], 2, 2),
        ([250, 4], 9, 2),
        ([0, 0, 0], 0, 1),  # twice
        ([0, 2, 1, 3], 1, 3),  # too late
        ([0, 200], 199, 2),
    ],
)
def test_gaps(sequences, lost, served):
    tally = Tally()
    for number, sequence in enumerate(sequences):
        tally.add(decode(f_packet(moved(0, number, 1), sequence=sequence)))
    (server,) = tally.snapshot().servers
    assert (server.lost, server.served) == (lost, served)


def test_gaps_of_json_go_over_999():
    tally = Tally()
    for sequence in (998, 999, 0, 2):
        tally.add(decode(cache_packet(file_close("/f", 1, 1), sequence=sequence)))
    assert tally.snapshot().servers[0].lost == 1


def test_memory_is_bounded():
    tally = Tally(users=2, files=2)
    for number in range(6):
        login = "&p=ztn&n=alice" if number == 5 else ""
        text = f"xroot/u{number}.1:5@host\n{login}"
        tally.add(decode(mapped("u", number, text, sequence=number)))
        tally.add(decode(f_packet(opened(number, number), moved(0, number, 1), sequence=number)))
        line = file_close(f"/f{number}", 1, 0)
        tally.add(decode(cache_packet(line, sequence=number)))
    for server in range(500):
        tally.add(decode(f_packet(record(4, 1), server=server + 10)))
    found = tally.snapshot()
    users = {(one.name, one.proved): (one.served, one.files) for one in found.users}
    assert users == {
        ("u0", False): (1, 1),
        ("u1", False): (1, 1),
        (OTHER, False): (3, 3),
        ("alice", True): (1, 1),
    }
    assert [one.path for one in found.files] == ["/f4", "/f5"]
    assert len(found.servers) == 100


def test_a_connection_that_ends_takes_its_files_along():
    tally = Tally()
    tally.add(decode(f_packet(opened(7, 1), opened(8, 2), record(4, 1))))
    assert tally.snapshot().servers[0].open_files == 1


def test_before_the_first_byte_there_is_no_ratio():
    tally = Tally()
    tally.add(decode(mapped("=", 0, "=/xrootd.1:5@host\n&site=&port=1&inst=a&pgm=b&ver=c")))
    assert tally.snapshot().servers[0].hit_ratio is None
