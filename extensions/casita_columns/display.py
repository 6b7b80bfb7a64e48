"""Progress of deliveries: widgets in a notebook, bars on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from html import escape
from typing import Any

from casita.units import format_size
from casita_columns.delivery import Display
from casita_columns.models import RequestState

LINES_SECONDS = 5.0
STYLES = {"Complete": "success", "Running": "info", "Submitted": "info", "Lookup": "info"}


def display(kind: str | None = None) -> Display:
    """Return what fits to where the program runs.

    Parameters
    ----------
    kind
        ``notebook``, ``terminal``, ``lines`` or ``none``; by default what fits.
    """
    kind = kind or _fitting()
    if kind == "notebook":
        return Widgets()
    if kind == "terminal":
        return Bars()
    return Lines() if kind == "lines" else Nothing()


def _fitting() -> str:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ == "ZMQInteractiveShell":
        return "notebook"
    return "terminal" if sys.stderr.isatty() else "lines"


def words(request: RequestState, fetched: int) -> str:
    """Return in a few words how a request is."""
    if request.state in ("Submitted", "Lookup"):
        return "looking up its files"
    failed = f", {request.failed} failed" if request.failed else ""
    rate = f", {request.rate / 1e3:,.0f} kHz" if request.rate and not request.cached else ""
    cached = ", was there already" if request.cached else ""
    if request.done:
        state = "" if request.state == "Complete" else f"{request.state}: "
        done = f"{fetched} of {request.files} files, {format_size(request.size)}"
        return f"{state}{done}{failed}{cached}"
    return f"{request.completed} of {request.files} files read, {fetched} here{failed}{rate}"


class Nothing:
    """Shows nothing."""

    def show(self, request: RequestState, fetched: int) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


class Lines:
    """A line now and then, and one at the end of each request."""

    def __init__(self) -> None:
        self._spoken: dict[str, float] = {}
        self._lock = threading.Lock()

    def show(self, request: RequestState, fetched: int) -> None:
        """Print a line if it is time."""
        with self._lock:
            last = self._spoken.setdefault(request.id, time.monotonic())
            over = request.done and fetched == request.completed
            if last == 0 or (not over and time.monotonic() - last < LINES_SECONDS):
                return
            self._spoken[request.id] = 0 if over else time.monotonic()
        name = request.title or request.id
        sys.stderr.write(f"{name}: {words(request, fetched)}\n")

    def end(self) -> None:
        """Do nothing."""


class Bars:
    """A bar for each request on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._bars.start()

    def show(self, request: RequestState, fetched: int) -> None:
        """Move its bar."""
        with self._lock:
            if request.id not in self._tasks:
                title = request.title or request.id
                self._tasks[request.id] = self._bars.add_task(title, total=None, words="")
            task = self._tasks[request.id]
        self._bars.update(
            task,
            total=2 * request.files or None,
            completed=request.completed + request.failed + fetched + request.failed,
            words=words(request, fetched),
        )

    def end(self) -> None:
        """Leave the bars as they are."""
        self._bars.stop()


class Widgets:
    """A bar for each request in a notebook."""

    def __init__(self) -> None:
        import ipywidgets
        from IPython.display import display as show

        self._made = ipywidgets
        self._box = ipywidgets.VBox([])
        self._rows: dict[str, tuple[Any, Any]] = {}
        self._lock = threading.Lock()
        show(self._box)

    def show(self, request: RequestState, fetched: int) -> None:
        """Move its bar."""
        with self._lock:
            bar, text = self._rows.get(request.id) or self._add(request)
            bar.max = max(1, 2 * request.files)
            bar.value = request.completed + fetched + 2 * request.failed
            bad = request.failed or request.state in ("Fatal", "Bad Dataset", "Canceled")
            bar.bar_style = "danger" if bad else STYLES.get(request.state, "")
            text.value = (
                f'<span style="color: var(--jp-ui-font-color1)">{escape(words(request, fetched))}'
                "</span>"
            )

    def _add(self, request: RequestState) -> tuple[Any, Any]:
        title = request.title or request.id
        bar = self._made.IntProgress(description=title[:40], style={"description_width": "12em"})
        text = self._made.HTML()
        self._rows[request.id] = (bar, text)
        row = self._made.HBox([bar, text])
        self._box.children = (*self._box.children, row)
        return bar, text

    def end(self) -> None:
        """Leave the bars as they are."""
