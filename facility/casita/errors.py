"""The one family of errors that may be shown to a person.

Every message names the value, the place and the remedy.  Each class also is the built-in that a
caller would expect, so that library code need not know casita to catch it.
"""

from __future__ import annotations


class CasitaError(Exception):
    """Something a person can act on.

    Parameters
    ----------
    message
        One sentence: what is wrong, with the value and the place.
    hint
        What to do about it; printed on a line of its own.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(CasitaError, ValueError):
    """The configuration file is wrong; the message holds file, line, key and allowed values."""


class StateError(CasitaError, RuntimeError):
    """The state directory can't be used, or the facility is not in the state asked for."""


class ProcessError(CasitaError, RuntimeError):
    """A process of the facility did not start, or died; the message holds its log's tail."""


class DataError(CasitaError, ValueError):
    """Input data is missing, unreadable, empty or without the branches needed."""


class MissingError(CasitaError, LookupError):
    """What was asked for does not exist, or is somebody else's."""


class ServiceError(CasitaError, RuntimeError):
    """A service answered with an error or not at all.

    Parameters
    ----------
    message, hint
        As for every error.
    status
        HTTP status of its answer; 0 when there was none.
    """

    def __init__(self, message: str, *, hint: str = "", status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.status = status

    @property
    def refused(self) -> bool:
        """Whether the service understood what was wanted, and said no."""
        return self.status in (400, 409, 413, 422, 429)


class LoginError(CasitaError, PermissionError):
    """No credentials, or the facility refused them (401, 403)."""


class DeniedError(LoginError):
    """The credentials are good, but not for this (403)."""
