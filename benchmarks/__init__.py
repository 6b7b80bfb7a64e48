"""Honest comparisons: casita on one side, what a user would pick instead on the other.

``make bench`` (``python -m benchmarks``) runs them all on this machine; both sides take turns in
the same run, results must be equal, medians are reported, and never a time is asserted.
"""
