"""The children of one worker: one that holds a selection, and one that waits for the next."""

from __future__ import annotations

import os

from casita_columns.workers.child import Child, ChildError
from casita_columns.workers.sandbox import Limits, Sandbox


class Children:
    """Has a child at hand: starting one takes as long as reading many a file.

    Nobody's code runs in a child after another's.
    """

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self._sandbox = sandbox
        self._limits = limits
        self._loaded: Child | None = None
        self._key: object = None
        self._spare: Child | None = None

    def holding(self, codegen: str, key: str, selection: int) -> Child:
        """Return a child that has a selection; one that has another is ended.

        So is one that has used as much CPU time as a file may: it could not have that for another.

        Parameters
        ----------
        key
            Of the selection among all of the code generator's.
        selection
            File descriptor of its text.

        Raises
        ------
        ChildError
            It is none, with a sentence for a person.
        """
        if self._is_fit(self._loaded) and self._key == (codegen, key):
            assert self._loaded is not None
            return self._loaded
        self.forget()
        child = self.empty()
        self._spare = None
        os.lseek(selection, 0, os.SEEK_SET)
        try:
            child.load(codegen, selection)
        except ChildError:
            child.kill()
            raise
        self._loaded, self._key = child, (codegen, key)
        return child

    def empty(self) -> Child:
        """Return a child that has none, for whatever needs no selection."""
        if not self._is_fit(self._spare):
            self._end(self._spare)
            self._spare = Child(self._sandbox, self._limits)
        assert self._spare is not None
        return self._spare

    def forget(self) -> None:
        """End the child that has a selection."""
        self._end(self._loaded)
        self._loaded, self._key = None, None

    def close(self) -> None:
        """End all."""
        self.forget()
        self._end(self._spare)
        self._spare = None

    def _is_fit(self, child: Child | None) -> bool:
        return child is not None and child.alive and child.cpu < self._limits.cpu

    def _end(self, child: Child | None) -> None:
        if child:
            child.kill()
