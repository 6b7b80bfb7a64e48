"""``python -m casita.tokens --state DIR``: run the service."""

import argparse
from pathlib import Path

from casita.tokens.service import run

parser = argparse.ArgumentParser(description="The facility's issuer of storage tokens.")
parser.add_argument("--state", type=Path, required=True)
run(parser.parse_args().state)
