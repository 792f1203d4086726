"""The names of pyepics over the threading client, without the C library.

>>> from caproto.threading.pyepics_compat import PV, caget, caput
>>> pv = PV("random_walk:x")
>>> pv.get(), pv.units, pv.timestamp

Nothing here raises because a PV is not there: as in pyepics, the result is None then.
"""

from __future__ import annotations

from ._pyepics.contexts import default_context
from ._pyepics.functions import (
    caget,
    caget_many,
    cainfo,
    camonitor,
    camonitor_clear,
    caput,
    caput_many,
    get_pv,
)
from ._pyepics.monitor import AUTOMONITOR_MAXLENGTH, DEFAULT_SUBSCRIPTION_MASK
from ._pyepics.pv import PV

__all__ = [
    "AUTOMONITOR_MAXLENGTH",
    "DEFAULT_SUBSCRIPTION_MASK",
    "PV",
    "caget",
    "caget_many",
    "cainfo",
    "camonitor",
    "camonitor_clear",
    "caput",
    "caput_many",
    "get_pv",
]

# Programs for the original ask for the shared Context by this name.
_make_context = default_context
