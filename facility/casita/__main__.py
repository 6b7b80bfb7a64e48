"""``python -m casita``: the command line."""

from casita.cli import main

main()
