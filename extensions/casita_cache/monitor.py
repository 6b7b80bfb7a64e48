"""Receives what the servers tell of their work, by UDP on this machine, and counts it."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Any

from casita_cache.streams import PacketError, decode
from casita_cache.tally import Snapshot, Tally

logger = logging.getLogger("casita.cache")


class Monitor(asyncio.DatagramProtocol):
    """Listens while it is entered.

    Parameters
    ----------
    port
        UDP port of 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._tally = Tally()
        self._transport: asyncio.DatagramTransport | None = None
        self.refused = 0
        """Packets that could not be read."""

    async def __aenter__(self) -> Monitor:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", self._port)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._transport:
            self._transport.close()

    def datagram_received(self, data: bytes, address: Any) -> None:
        """Count a packet (called by asyncio)."""
        try:
            self._tally.add(decode(data))
        except PacketError as error:
            self.refused += 1
            if self.refused == 1:
                logger.warning("a monitoring packet can't be read: %s", error)

    def snapshot(self) -> Snapshot:
        """Return the totals so far."""
        return self._tally.snapshot()
