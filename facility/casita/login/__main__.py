"""``python -m casita.login --state DIR``: run the service."""

import argparse
from pathlib import Path

from casita.login.service import run

parser = argparse.ArgumentParser(description="The facility's login service.")
parser.add_argument("--state", type=Path, required=True)
run(parser.parse_args().state)
