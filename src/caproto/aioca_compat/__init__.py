"""The names of aioca over the asyncio client, without the C library.

>>> import caproto.aioca_compat
>>> caproto.aioca_compat.install()  # from now on ``import aioca`` gives this

Programs written for aioca, and ophyd-async's Channel Access signals, run on it. numpy is needed.
"""

from __future__ import annotations

import warnings
from asyncio import Future, get_running_loop
from asyncio import run as _run
from collections.abc import Coroutine
from typing import Any

from .._version import __version__ as _version
from ._calls import caget, caput
from ._channels import (
    CAInfo,
    ChannelInfo,
    cainfo,
    connect,
    get_channel_infos,
    purge_channel_caches,
)
from ._constants import (
    DBE_ALARM,
    DBE_LOG,
    DBE_PROPERTY,
    DBE_VALUE,
    DBR_CHAR,
    DBR_CHAR_BYTES,
    DBR_CHAR_STR,
    DBR_CHAR_UNICODE,
    DBR_CLASS_NAME,
    DBR_DOUBLE,
    DBR_ENUM,
    DBR_ENUM_STR,
    DBR_FLOAT,
    DBR_LONG,
    DBR_PUT_ACKS,
    DBR_PUT_ACKT,
    DBR_SHORT,
    DBR_STRING,
    DBR_STSACK_STRING,
    FORMAT_CTRL,
    FORMAT_RAW,
    FORMAT_TIME,
    ca_extra_fields,
)
from ._install import install
from ._monitor import Subscription, camonitor
from ._nothing import CANothing, InvalidDatatype

__version__ = f"2.1+caproto.{_version}"

__all__ = [
    # calls
    "caget",
    "cainfo",
    "camonitor",
    "caput",
    "connect",
    "get_channel_infos",
    "install",
    "purge_channel_caches",
    "run",
    # classes
    "CAInfo",
    "CANothing",
    "ChannelInfo",
    "InvalidDatatype",
    "Subscription",
    # constants
    "DBE_ALARM",
    "DBE_LOG",
    "DBE_PROPERTY",
    "DBE_VALUE",
    "DBR_CHAR",
    "DBR_CHAR_BYTES",
    "DBR_CHAR_STR",
    "DBR_CHAR_UNICODE",
    "DBR_CLASS_NAME",
    "DBR_DOUBLE",
    "DBR_ENUM",
    "DBR_ENUM_STR",
    "DBR_FLOAT",
    "DBR_LONG",
    "DBR_PUT_ACKS",
    "DBR_PUT_ACKT",
    "DBR_SHORT",
    "DBR_STRING",
    "DBR_STSACK_STRING",
    "FORMAT_CTRL",
    "FORMAT_RAW",
    "FORMAT_TIME",
    "__version__",
    "ca_extra_fields",
]


def run(coro: Coroutine[Any, Any, Any], forever: bool = False) -> Any:
    """Run a coroutine; `asyncio.run` does the same.

    Parameters
    ----------
    coro : coroutine
    forever : bool
        Go on until interrupted when the coroutine has ended.
    """
    warnings.warn(
        "aioca.run is deprecated, use asyncio.run instead", DeprecationWarning, stacklevel=2
    )

    async def run_and_stay() -> Any:
        result = await coro
        if forever:
            await Future[None](loop=get_running_loop())
        return result

    running = run_and_stay()
    try:
        return _run(running)
    finally:
        running.close()  # where a loop runs already, it was not begun
