"""JupyterLab in the system's Chromium."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from casita.hub.once import new_login_link
from casita.testing import wait_for

AXE = Path(__file__).parents[1] / "lab" / "node_modules" / "axe-core" / "axe.min.js"
"""What checks accessibility; installed with the other tools for TypeScript."""
HARMLESS = re.compile(
    # Chromium says so of every frame that may run scripts of its own origin, as dashboards must.
    r"allow-scripts and allow-same-origin"
)


@dataclass
class Lab:
    """JupyterLab in a browser, as a person with the Facility panel uses it."""

    page: Any
    shots: Path
    errors: list[str] = field(default_factory=list)
    """What went wrong in the browser since the last :meth:`fresh`."""

    def __post_init__(self) -> None:
        self.page.set_default_timeout(30_000)
        self.page.on("console", self._note)
        self.page.on("dialog", lambda dialog: dialog.accept())  # leaves what is not saved
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, message: Any) -> None:
        if message.type == "error" and not HARMLESS.search(message.text):
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def open(self, facility: Any) -> None:
        """Log in, start the server, and open the panel in an empty workspace."""
        page = self.page
        page.goto(new_login_link(facility.site, "/hub/spawn"))
        page.wait_for_url(re.compile("/user/[^/]+/lab"), timeout=120_000)
        self.errors.clear()  # of pages before this one
        self.start_over()

    def start_over(self) -> None:
        """Load Lab anew, with an empty workspace."""
        self.page.goto(re.sub(r"/lab.*", "/lab?reset", self.page.url))
        self.ready()

    def ready(self) -> None:
        """Wait for Lab, and open the panel if it is not."""
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")
        self.page.wait_for_selector('.jp-SideBar [data-id="casita-facility"]')
        header = self.page.locator(".casita-Header-name")
        for _ in range(3):  # a click hides what Lab's layout has just opened again
            if not self.page.locator(".casita-FacilityPanel").is_visible():
                self.page.click('.jp-SideBar [data-id="casita-facility"]')
            with suppress(AssertionError):
                wait_for(header.is_visible, 10, "the panel")
                return
        header.wait_for()

    def shot(self, name: str) -> None:
        """Keep a picture."""
        self.page.screenshot(path=self.shots / f"{name}.png", animations="disabled")

    @contextmanager
    def dark(self) -> Iterator[None]:
        """Have the dark theme for a while."""
        self._choose_theme("Dark", light=False)
        try:
            yield
        finally:
            self._choose_theme("Light", light=True)

    def _choose_theme(self, name: str, *, light: bool) -> None:
        self.page.click(".lm-MenuBar-item:has-text('Settings')")
        self.page.hover(".lm-Menu-item:has-text('Theme')")
        self.page.click(f".lm-Menu-item:has-text('JupyterLab {name}')")
        self.page.wait_for_selector(
            f"body[data-jp-theme-light='{str(light).lower()}']", state="attached"
        )

    # ---- the panel

    def card(self, text: str) -> Any:
        """Return the card that holds a text."""
        return self.page.locator(".casita-Clusters .casita-Card", has_text=text)

    def press(self, card: Any, label: str) -> None:
        """Press one of a card's buttons."""
        card.get_by_role("button", name=re.compile(f"^{label}")).click()

    def form(self) -> Any:
        """Open the form for a new cluster."""
        self.page.get_by_role("button", name="New cluster", exact=True).click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_label("Name", exact=True).wait_for()
        return dialog

    def notice(self, text: str) -> Any:
        """Return a notification."""
        return self.page.locator(".Toastify__toast", has_text=text)

    # ---- checks

    def inaccessible(self, *selectors: str) -> list[str]:
        """Return what axe finds serious or critical within these elements."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate(
            "async selectors => (await axe.run({include: selectors.map(one => [one])})).violations",
            list(selectors),
        )
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for one in found
            for node in one["nodes"]
            if one["impact"] in ("serious", "critical")
        ]

    def overflows(self) -> bool:
        """Whether the panel is wider than its place."""
        panel = "document.querySelector('.casita-FacilityPanel .jp-SidePanel-content')"
        return bool(self.page.evaluate(f"{panel}.scrollWidth > {panel}.clientWidth"))


@pytest.fixture(scope="module")
def new_lab(browser, shots):
    """Open JupyterLab of a facility, in a browser of its own; closed at the end."""
    contexts = []

    def open_lab(facility: Any, width: int = 1280, height: int = 850) -> Lab:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        lab = Lab(context.new_page(), shots)
        lab.open(facility)
        return lab

    yield open_lab
    for context in contexts:
        context.close()
