"""The result of a call that brings no value."""

from __future__ import annotations

from .._errors import (
    CaprotoError,
    CaprotoTimeoutError,
    CaprotoValueError,
    ThreadingClientException,
)
from .._protocol.status import CAStatus, status_from_code

__all__ = ["CANothing", "InvalidDatatype", "nothing_for"]

_NORMAL = CAStatus.ECA_NORMAL.value.code_with_severity


class CANothing(Exception):
    """Success or failure of a call; a failure is raised, or returned with ``throw=False``.

    Parameters
    ----------
    name : str
        The name of the PV.
    errorcode : int
        The ECA status; 1, the default, is success.
    """

    def __init__(self, name: str, errorcode: int = _NORMAL) -> None:
        super().__init__(name, errorcode)
        self.name = name
        self.errorcode = errorcode
        self.ok: bool = errorcode == _NORMAL

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        return f"CANothing({self.name!r}, {self.errorcode})"

    def __str__(self) -> str:
        return f"{self.name}: {status_from_code(self.errorcode).description}"


class InvalidDatatype(TypeError):
    """The `datatype` or `format` of a call is none that Channel Access has."""


def nothing_for(name: str, error: CaprotoError) -> CANothing:
    """Return what stands for `error`; that is its ``__cause__``, and says more."""
    status = getattr(error, "status", None)
    if status is None:
        kind = (
            CAStatus.ECA_TIMEOUT
            if isinstance(error, CaprotoTimeoutError)
            else CAStatus.ECA_DISCONN
            if isinstance(error, ThreadingClientException)
            else CAStatus.ECA_BADCOUNT
            if isinstance(error, CaprotoValueError)
            else CAStatus.ECA_BADTYPE
        )
        status = kind.value
    nothing = CANothing(name, status.code_with_severity)
    nothing.__cause__ = error
    return nothing
