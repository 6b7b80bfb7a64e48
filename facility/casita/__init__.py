"""casita: a Coffea-Casa-style analysis facility that anyone can put up.

This package is the operator: what a facility is (:mod:`casita.config`), where it lies on a
machine (:mod:`casita.site`) and how it runs (:mod:`casita.processes`, :mod:`casita.supervisor`).
What a facility *offers* lives in the backends under ``extensions/``.
"""

from importlib.metadata import version

__version__ = version("casita")
