"""``python -I .../transform/start.py``: makes this folder the package ``transform``, and runs it.

Isolated from the facility (``-I``), nothing of it is on the path; putting a folder there would show
users' code what else lies in it.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> None:
    """Run the program."""
    spec = importlib.util.spec_from_file_location(
        "transform", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["transform"] = package
    spec.loader.exec_module(package)
    importlib.import_module("transform.program").main(sys.argv[1:])


if __name__ == "__main__":
    main()
