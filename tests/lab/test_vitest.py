"""The TypeScript tests beside this file, as one: `make test` is one command."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_panel_s_own_tests_pass():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "node.py", ROOT / "tests" / "lab", "test"],
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
