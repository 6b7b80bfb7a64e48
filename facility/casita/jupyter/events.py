"""One stream of server-sent events for all that a page shows.

A browser opens six connections to a host, over all of its tabs; a stream for each section of the
panel would leave none for notebooks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from casita.errors import CasitaError
from casita.jupyter.handlers import BodyError, Event, EventHandler, allowed, answer_for
from casita.jupyter.models import Trouble, Watches
from casita.jupyter.watch import Watch

logger = logging.getLogger(__name__)
AGAIN_SECONDS = 5.0
"""After so long a watch that could not look is asked again."""
All = Mapping[str, Watch[Any]]
"""Every watch of a Jupyter server, by name."""


class Events(EventHandler):
    """``events``: ``watches``, then an event named like its watch at each change of any."""

    def initialize(self, watches: All) -> None:
        """Take the watches of all parts of the server."""
        self.watches = watches

    @allowed
    async def get(self) -> None:
        """Send all, or those named by ``?watch=``."""
        wanted = self.get_arguments("watch") or list(self.watches)
        if unknown := [one for one in wanted if one not in self.watches]:
            raise BodyError(
                f"watch: there is no {unknown[0][:40]!r}", hint=f"one of {', '.join(self.watches)}"
            )
        await self.stream(merged({name: self.watches[name] for name in wanted}))


async def merged(watches: All) -> AsyncGenerator[Event, None]:
    """Give what all watches tell: one that fails is told of, and leaves the others alone."""
    yield "watches", Watches(names=list(watches))
    told: asyncio.Queue[Event] = asyncio.Queue(maxsize=1)  # whoever reads slowly skips states
    tasks = [asyncio.create_task(_pump(name, one, told)) for name, one in watches.items()]
    try:
        while True:
            yield await told.get()
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(name: str, watch: Watch[Any], told: asyncio.Queue[Event]) -> None:
    while True:
        try:
            async with aclosing(watch.follow()) as states:
                async for one in states:
                    await told.put((name, one))
        except CasitaError as error:
            code = answer_for(error)[1]
            trouble = Trouble(watch=name, code=code, message=error.message, hint=error.hint)
            await told.put(("trouble", trouble))
        except Exception:
            logger.exception("the watch %s failed", name)
            said = "this can't be shown", "the log of your Jupyter server says why"
            trouble = Trouble(watch=name, code="internal", message=said[0], hint=said[1])
            await told.put(("trouble", trouble))
        await asyncio.sleep(AGAIN_SECONDS)
