"""Every exception of the library, in one tree.

::

    Exception
    ├── CaprotoError                          base of everything that is raised on purpose
    │   ├── CaprotoAttributeError             also an AttributeError
    │   ├── CaprotoKeyError                   also a KeyError, but with a readable str()
    │   ├── CaprotoNetworkError               also an OSError
    │   ├── CaprotoNotImplementedError        also a NotImplementedError
    │   ├── CaprotoRuntimeError               also a RuntimeError
    │   │   └── RepeaterAlreadyRunning
    │   ├── CaprotoTimeoutError               also a TimeoutError (and asyncio.TimeoutError)
    │   ├── CaprotoTypeError                  also a TypeError
    │   ├── CaprotoValueError                 also a ValueError
    │   │   └── CaprotoConversionError
    │   ├── DeadCircuitError
    │   ├── ErrorResponseReceived
    │   │   └── CAStatusError                 a request that the server answered with a failure
    │   ├── Forbidden
    │   ├── ProtocolError
    │   │   ├── LocalProtocolError            we did something that the protocol does not allow
    │   │   └── RemoteProtocolError           the peer did
    │   └── ThreadingClientException
    │       ├── ContextDisconnectedError
    │       └── DisconnectedError
    └── SkipWrite                             control flow of an IOC's putter, not a failure

All of them but `SkipWrite` take keyword fields, which become attributes, so that a program can
react to *which* PV or server failed without taking the message apart. They survive pickling.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.version_info >= (3, 11):
    # `asyncio.TimeoutError` is the built-in one, so it needs no base class of its own.
    _AsyncioTimeoutError = Exception
else:
    # On 3.10 it is another class, and `except` looks at real base classes only, so the import
    # cannot be put off. It costs nothing there to programs that use asyncio anyway.
    from importlib import import_module

    _AsyncioTimeoutError = import_module("asyncio.exceptions").TimeoutError

__all__ = [
    "CAStatusError",
    "CaprotoAttributeError",
    "CaprotoConversionError",
    "CaprotoError",
    "CaprotoKeyError",
    "CaprotoNetworkError",
    "CaprotoNotImplementedError",
    "CaprotoRuntimeError",
    "CaprotoTimeoutError",
    "CaprotoTypeError",
    "CaprotoValueError",
    "ContextDisconnectedError",
    "DeadCircuitError",
    "DisconnectedError",
    "ErrorResponseReceived",
    "Forbidden",
    "LocalProtocolError",
    "ProtocolError",
    "RemoteProtocolError",
    "RepeaterAlreadyRunning",
    "SkipWrite",
    "ThreadingClientException",
]


class CaprotoError(Exception):
    """Base class of everything that the library raises on purpose.

    Parameters
    ----------
    *args
        As for any exception; by custom one message.
    pv_name : str, optional
        The PV that was being worked on.
    address : (str, int), optional
        Host and port of the server, or of the peer in general.
    status : CAStatusCode, optional
        The ECA status that the server answered with.
    response : Message, optional
        The message that reported the failure.

    Notes
    -----
    Each field is also an attribute, ``None`` where it is not known.
    """

    pv_name: str | None
    address: tuple[str, int] | None
    status: Any
    response: Any

    def __init__(
        self,
        *args: object,
        pv_name: str | None = None,
        address: tuple[str, int] | None = None,
        status: Any = None,
        response: Any = None,
    ) -> None:
        # Of the classes below, those with a built-in base class as well have this class first: so this is reached for
        # them too. That one's own method is left out, which may not know these arguments.
        Exception.__init__(self, *args)
        self.pv_name = pv_name
        self.address = address
        self.status = status
        self.response = response


class CaprotoAttributeError(CaprotoError, AttributeError):
    """An attribute that does not exist, or not in this state."""


class CaprotoKeyError(CaprotoError, KeyError):
    """A name or an id that is not known."""

    def __str__(self) -> str:
        """Return the message itself, where `KeyError` would show its repr."""
        return Exception.__str__(self)


class CaprotoValueError(CaprotoError, ValueError):
    """An argument of the right type whose value cannot be used."""


class CaprotoConversionError(CaprotoValueError):
    """A value that cannot be converted to or from the requested EPICS type."""


class CaprotoTypeError(CaprotoError, TypeError):
    """An argument of a type that cannot be used."""


class CaprotoNotImplementedError(CaprotoError, NotImplementedError):
    """Something that the documented API has and this library does not."""


class CaprotoRuntimeError(CaprotoError, RuntimeError):
    """A call that does not fit the state of the object."""


class RepeaterAlreadyRunning(CaprotoRuntimeError):
    """The repeater's port is taken, which means that a repeater serves this host already."""


class CaprotoNetworkError(OSError, CaprotoError):
    """The operating system refused a network operation.

    Two positional arguments are taken as ``errno`` and ``strerror``, as by `OSError`.
    """

    def __init__(
        self,
        *args: object,
        pv_name: str | None = None,
        address: tuple[str, int] | None = None,
        status: Any = None,
        response: Any = None,
    ) -> None:
        OSError.__init__(self, *args)  # sets errno and strerror, which Exception would not
        self.pv_name = pv_name
        self.address = address
        self.status = status
        self.response = response


class CaprotoTimeoutError(TimeoutError, CaprotoError, _AsyncioTimeoutError):
    """Something did not happen in time.

    It is also a `TimeoutError`, and an ``asyncio.TimeoutError`` on every version of Python.

    Parameters
    ----------
    *args
        By custom one message.
    stage : str, optional
        Where the time went: ``'search'``, ``'connect'`` (TCP), ``'create'`` (of the channel)
        or ``'reply'``.
    timeout : float, optional
        The time that was allowed, in seconds.
    searched : sequence of (str, int), optional
        For ``'search'``: the addresses that were asked.
    pv_name, address, status, response
        See `CaprotoError`.
    """

    stage: str | None
    timeout: float | None
    searched: tuple[tuple[str, int], ...]

    def __init__(
        self,
        *args: object,
        stage: str | None = None,
        timeout: float | None = None,
        searched: Sequence[tuple[str, int]] = (),
        pv_name: str | None = None,
        address: tuple[str, int] | None = None,
        status: Any = None,
        response: Any = None,
    ) -> None:
        CaprotoError.__init__(
            self, *args, pv_name=pv_name, address=address, status=status, response=response
        )
        self.stage = stage
        self.timeout = timeout
        self.searched = tuple(searched)


class ProtocolError(CaprotoError):
    """The rules of Channel Access were broken; see the two subclasses for by whom."""


class LocalProtocolError(ProtocolError):
    """You tried to do something that the protocol does not allow now; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """Your peer sent something malformed, or something that the protocol does not allow now."""


class ErrorResponseReceived(CaprotoError):
    """The server reported an error."""


class CAStatusError(ErrorResponseReceived):
    """A read or a write that the server answered with a failure.

    ``pv_name``, ``address``, ``status`` and ``response`` are set: the response is the message as
    it came, a `ReadNotifyResponse`, a `WriteNotifyResponse` or an `ErrorResponse`.
    """


class Forbidden(CaprotoError):
    """Access to the channel is not granted."""


class DeadCircuitError(CaprotoError):
    """The circuit that a request was to be sent over is closed."""


class ThreadingClientException(CaprotoError):
    """Base of the errors about disconnection. The name is historical: all front ends use it."""


class DisconnectedError(ThreadingClientException):
    """The PV is not connected, or lost its connection before the answer came."""


class ContextDisconnectedError(ThreadingClientException):
    """The Context was shut down, so it and its PVs cannot be used any more."""


class SkipWrite(Exception):
    """Raise it in a putter to accept a write without storing or publishing a value."""
