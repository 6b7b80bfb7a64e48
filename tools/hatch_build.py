"""The part of `pip install .` and `uv build` that makes JupyterLab's panel where need be.

A source distribution carries the bundle, so that an install from one needs neither Node nor npm.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))

import lab
from get_uv import SetupError

WITHOUT = "CASITA_WITHOUT_PANEL"
"""Set this to install without a route to an npm registry, and without the panel."""
TARGET = "share/jupyter/labextensions/@casita/lab"


class PanelHook(BuildHookInterface[BuilderConfig]):
    """Sees to it that a bundle is of the sources beside it before it is packed."""

    def dependencies(self) -> list[str]:
        """Return what the build needs besides hatchling: nothing where the bundle is current."""
        root = Path(self.root)
        if lab.is_current(root) or os.environ.get(WITHOUT):
            return []
        lock = (root / "requirements" / "lab.txt").read_text()
        pins: list[str] = re.findall(r"^\S+==\S+", lock, re.MULTILINE)
        return pins

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the bundle, and pack it."""
        root = Path(self.root)
        if not os.environ.get(WITHOUT):
            try:
                lab.build(root, Path(sys.executable))
            except SetupError as error:
                self.app.abort(f"error: {error}\nor, to go without the panel: {WITHOUT}=1")
        if self.target_name == "wheel" and lab.is_current(root):
            build_data["shared_data"][str(lab.folder_of(root) / "labextension")] = TARGET
