"""A TCP proxy that makes a wide-area link of the loopback: latency, a rate cap, byte counts.

The kernels of containers and small machines often lack netem, so the link is modelled here:

* Every byte arrives half a round trip after it was sent.
* A connection opens one round trip late, as TCP's handshake would make it.
* The downlink is one serialised link for all connections together: bytes leave it at ``rate``.
* What is under way is bounded (two bandwidth-delay products and a router's buffer), so a sender
  notices a slow link.

TCP's slow start, losses and jitter are not modelled. ``python -m benchmarks.delay_proxy`` measures
what the proxy itself can pass on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

READ = 1 << 18
BUFFER = 1 << 20
PIECE_S = 0.001
UNCAPPED = 400e6  # only to size what may be under way


class Link:
    """What the proxy does and has done; settings may change while it runs.

    Parameters
    ----------
    rtt_ms
        The round trip, in milliseconds.
    rate
        Bytes a second that all connections together may receive; None for no cap.
    """

    def __init__(self, rtt_ms: float, rate: float | None) -> None:
        self.rtt_ms = rtt_ms
        self.rate = rate
        self.port = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self.connections = 0
        self._free_at = 0.0

    @property
    def one_way(self) -> float:
        """Seconds from one end to the other."""
        return self.rtt_ms / 2000

    @property
    def window(self) -> int:
        """How many bytes of a connection may be under way."""
        return BUFFER + int(2 * (self.rate or UNCAPPED) * self.rtt_ms / 1000)

    def pieces(self, data: bytes, now: float, down: bool) -> Iterator[tuple[float, bytes]]:
        """Cut data up as a serialised link would, with the time at which each piece arrives."""
        if not down or not self.rate:
            yield now + self.one_way, data
            return
        # A burst that arrived only when its last byte did would be late by its own length.
        step = max(4096, int(self.rate * PIECE_S))
        for start in range(0, len(data), step):
            piece = data[start : start + step] if step < len(data) else data
            self._free_at = max(self._free_at, now) + len(piece) / self.rate
            yield self._free_at + self.one_way, piece


class _End(asyncio.BufferedProtocol):
    """One end of a connection: reads into one large buffer, hands over to the other end."""

    def __init__(self, link: Link, down: bool) -> None:
        self._link = link
        self._down = down  # what this end reads flows down
        self._buffer = memoryview(bytearray(READ))
        self._queue: deque[tuple[float, bytes]] = deque()
        self._under_way = 0
        self._timer: asyncio.TimerHandle | None = None
        self._choked = False
        self._opened = 0.0
        self._loop = asyncio.get_running_loop()
        self.transport: Any = None
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._opened = self._loop.time()
        transport.set_write_buffer_limits(BUFFER)  # type: ignore[attr-defined]
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._accept(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> bool:
        self._accept(b"")  # the end travels behind the data; half-closed is not modelled
        return True

    def _accept(self, data: bytes) -> None:
        now, link = self._loop.time(), self._link
        if not self._down:
            now = max(now, self._opened + 2 * link.one_way)
        self._queue.extend(link.pieces(data, now, self._down) if data else self._end(now))
        self._under_way += len(data)
        if self._under_way > link.window:
            self.transport.pause_reading()
        self._deliver()

    def _end(self, now: float) -> list[tuple[float, bytes]]:
        last = self._queue[-1][0] if self._queue else 0.0
        return [(max(last, now + self._link.one_way), b"")]

    def _deliver(self) -> None:
        """Pass on what is due, and wait for the rest."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.other is None or self._choked:
            return
        due: list[bytes] = []
        horizon = self._loop.time() + PIECE_S / 4
        while self._queue and self._queue[0][0] <= horizon:
            due.append(self._queue.popleft()[1])
        if due:
            self._hand_over(due)
        if self._queue:
            self._timer = self._loop.call_at(self._queue[0][0], self._deliver)

    def _hand_over(self, due: list[bytes]) -> None:
        data = due[0] if len(due) == 1 else b"".join(due)
        target = self.other.transport  # type: ignore[union-attr]
        if self._down:
            self._link.bytes_down += len(data)
        else:
            self._link.bytes_up += len(data)
        target.write(data)
        if due[-1] == b"":
            target.close()  # once all is written
        was, self._under_way = self._under_way, self._under_way - len(data)
        if was > self._link.window / 2 >= self._under_way and not self.transport.is_closing():
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        self._choke(True)

    def resume_writing(self) -> None:
        self._choke(False)

    def _choke(self, on: bool) -> None:
        """Stop or go on: whoever reads at this end is slower than the link."""
        if self.other:
            self.other._choked = on
            self.other._deliver()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        if self.other:
            self.other.transport.close()


async def _serve(link: Link, target: int, ready: threading.Event, stop: asyncio.Event) -> None:
    loop, tasks = asyncio.get_running_loop(), set()

    async def connect(near: _End) -> None:
        try:
            _, far = await loop.create_connection(lambda: _End(link, True), "127.0.0.1", target)
        except OSError:
            near.transport.abort()
            return
        near.other, far.other = far, near
        near._deliver()

    class Near(_End):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            link.connections += 1
            task = loop.create_task(connect(self))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await loop.create_server(lambda: Near(link, False), "127.0.0.1", link.port)
    link.port = server.sockets[0].getsockname()[1]
    ready.set()
    await stop.wait()
    server.close()


@contextlib.contextmanager
def delay_proxy(
    target_port: int, rtt_ms: float = 50, rate: float | None = None, port: int = 0
) -> Iterator[Link]:
    """Run the proxy in a thread of this process; a port of 0 is any free one."""
    link, ready, loop = Link(rtt_ms, rate), threading.Event(), asyncio.new_event_loop()
    link.port = port
    stop = asyncio.Event()
    main = loop.create_task(_serve(link, target_port, ready, stop))
    # A port that is taken must be an error here, not a wait without end.
    main.add_done_callback(lambda _: ready.set())
    thread = threading.Thread(target=_run, args=(loop, main), name="delay_proxy", daemon=True)
    thread.start()
    ready.wait()
    try:
        if main.done():
            main.result()
        yield link
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join()


def _run(loop: asyncio.AbstractEventLoop, main: asyncio.Task[None]) -> None:
    with contextlib.suppress(OSError):
        loop.run_until_complete(main)
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            loop.run_until_complete(task)
    loop.close()


def _drain(port: int, size: int) -> tuple[float, float]:
    """Return the seconds to the first byte and to the last, connection set-up included."""
    began, got, first = time.monotonic(), 0, 0.0
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"go")
        while got < size and (data := client.recv(1 << 20)):
            first = first or time.monotonic() - began
            got += len(data)
    return first, time.monotonic() - began


def main() -> None:
    """Print what the proxy makes of a few links."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                client = server.accept()[0]
                with client, contextlib.suppress(OSError):
                    client.recv(2)
                    for _ in range(size >> 20):
                        client.sendall(bytes(1 << 20))

        threading.Thread(target=answer, daemon=True).start()
        for rtt, rate, size in ((0, None, 1 << 30), (50, None, 1 << 30), (50, 100e6, 200 << 20),
                                (50, 10e6, 20 << 20), (20, 10e6, 1 << 20)):  # fmt: skip
            with delay_proxy(server.getsockname()[1], rtt, rate) as link:
                began = time.process_time()
                first, last = _drain(link.port, size)
                used = time.process_time() - began
            print(f"RTT {rtt} ms, cap {rate and rate / 1e6}: first byte {first * 1e3:.1f} ms, "
                  f"{size / last / 1e6:.0f} MB/s, {used:.2f} s of CPU (both ends too)")  # fmt: skip


if __name__ == "__main__":
    main()
