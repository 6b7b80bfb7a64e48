"""A card in a notebook: what the cache does for it at the moment."""

from __future__ import annotations

import threading
import time
from html import escape

import ipywidgets as widgets

from casita.client import connection
from casita.errors import CasitaError
from casita.units import format_size
from casita_cache.client import Cache
from casita_cache.models import Status
from casita_cache.traffic import LEDGER, Traffic

PERIOD = 2.0
"""Seconds between two looks."""
MUTED = "color: var(--jp-ui-font-color2)"


class Card:
    """Shows this program's reads and the caches, until it is closed."""

    def __init__(self) -> None:
        self._text = widgets.HTML()
        self._bar = widgets.FloatProgress(
            min=0, max=100, description="Hits", layout={"width": "320px"}
        )
        close = widgets.Button(description="Close", tooltip="Follow no longer")
        close.on_click(lambda _: self.close())
        self.box = widgets.VBox([self._bar, self._text, close])
        self._ended = threading.Event()
        self._served = 0
        self._looked = time.monotonic()

    def follow(self) -> None:
        """Keep it up to date, in a thread: cells compute meanwhile."""
        threading.Thread(target=self._run, name="casita-cache-card", daemon=True).start()

    def close(self) -> None:
        """Follow no longer, and take it away."""
        self._ended.set()
        self.box.close()

    def _run(self) -> None:
        while not self._ended.wait(0 if not self._text.value else PERIOD):
            try:
                with connection().http() as http:
                    status = Cache(http).status()
            except CasitaError as error:
                self._text.value = f'<p style="{MUTED}">{escape(str(error))}</p>'
                continue
            self._show(status, LEDGER.traffic())

    def _show(self, status: Status, traffic: Traffic) -> None:
        hit = sum(one.hit for one in status.origins)
        total = hit + sum(one.missed for one in status.origins)
        served, now = sum(one.served for one in status.origins), time.monotonic()
        rate = max(0, served - self._served) / max(0.1, now - self._looked) if self._served else 0
        self._served, self._looked = served, now
        self._bar.value = 100 * hit / total if total else 0
        self._text.value = text(status, traffic, rate)


def text(status: Status, traffic: Traffic, rate: float) -> str:
    """Return what the card says, HTML.

    Parameters
    ----------
    rate
        Of all readers, bytes a second.
    """
    down = [one.name for one in status.origins if not one.up]
    saved = sum(max(0, one.saved) for one in status.origins)
    rows = [
        f"this notebook: {format_size(traffic.cached)} through the cache"
        + (f", {format_size(traffic.direct)} past it" if traffic.direct else ""),
        f"everybody: {format_size(rate)}/s; {format_size(saved)} did not cross the network again",
        *(f"<b>the cache of {escape(one)} is down</b>" for one in down),
    ]
    return "".join(f'<div style="{MUTED}">{row}</div>' for row in rows)
