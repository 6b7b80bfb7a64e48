"""From the text of a query to a plan."""

from __future__ import annotations

from .pieces import Plan, SelectionError


def load(codegen: str, text: str) -> Plan:
    """Return what a query asks for.

    Raises
    ------
    SelectionError
        It can't be understood, or there is no such code generator.
    """
    if codegen == "uproot-raw":
        from .raw import Raw

        return Raw.of(text)
    if codegen == "uproot":
        from .funcadl import FuncAdl

        return FuncAdl.of(text)
    if codegen == "python":
        from .function import Function

        return Function.of(text)
    raise SelectionError(f"there is no code generator {codegen!r}")
