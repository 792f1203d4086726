"""The data behind PVs: value, time, alarm, limits, and their conversion to what a client asks for.

============== =====================================================================================
`alarm`        `ChannelAlarm`
`state`        what every PV holds
`channel`      `ChannelData`, the base of the others: how a PV is read and written
`numeric`      numbers: `ChannelDouble`, `ChannelFloat`, `ChannelInteger`, `ChannelShort`
`enumeration`  `ChannelEnum`
`text`         `ChannelString`, `ChannelChar`, `ChannelByte`
`modified`     PVs as ``$`` and channel filters show them
`conversion`   values of one type as another
============== =====================================================================================
"""

from .alarm import ChannelAlarm
from .channel import ChannelData
from .enumeration import ChannelEnum, EnumLabel
from .numeric import (
    CannotExceedLimits,
    ChannelDouble,
    ChannelFloat,
    ChannelInteger,
    ChannelNumeric,
    ChannelShort,
)
from .text import ChannelByte, ChannelChar, ChannelString

__all__ = [
    "CannotExceedLimits",
    "ChannelAlarm",
    "ChannelByte",
    "ChannelChar",
    "ChannelData",
    "ChannelDouble",
    "ChannelEnum",
    "ChannelFloat",
    "ChannelInteger",
    "ChannelNumeric",
    "ChannelShort",
    "ChannelString",
    "EnumLabel",
]
