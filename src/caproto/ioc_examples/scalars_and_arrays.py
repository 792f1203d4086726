"""Scalars and arrays of each kind, and how `max_length` tells them apart.

PVs
---
scalar_int, scalar_int2, scalar_float, scalar_string
    One element; `max_length` is 1.
array_int, array_float, array_string
    Up to five elements. They begin with fewer.
byte
    Up to ten bytes, as they are.
char
    A text of up to ten characters, as an array of characters.
enum
    ``no`` or ``yes``.
"""

from __future__ import annotations

from typing import Final

from caproto import ChannelType
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class ArrayIOC(PVGroup):
    """Scalars and arrays."""

    scalar_int: Final = pvproperty(value=1, doc="an integer")
    scalar_int2: Final = pvproperty(
        value=[2], doc="an integer too: one element in brackets is no array"
    )
    array_int: Final = pvproperty(
        value=[3], max_length=5, doc="begins with one element, and has room for four more"
    )

    scalar_float: Final = pvproperty(value=1.01, precision=5, doc="a floating-point number")
    array_float: Final = pvproperty(
        value=[3.01], max_length=5, precision=5, doc="up to five numbers"
    )

    scalar_string: Final = pvproperty(
        value="string1", dtype=ChannelType.STRING, doc="a string of up to 39 characters"
    )
    array_string: Final = pvproperty(
        value=["string1", "string2"],
        dtype=ChannelType.STRING,
        max_length=5,
        doc="up to five strings",
    )

    byte: Final = pvproperty(value=b"byte0123", max_length=10, doc="bytes without an encoding")
    char: Final = pvproperty(
        value="char0123", max_length=10, string_encoding="latin-1", doc="a text with an encoding"
    )
    enum: Final = pvproperty(
        value="no",
        dtype=ChannelType.ENUM,
        enum_strings=["no", "yes"],
        record="bi",
        doc="one of two states",
    )


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="arr:", desc=__doc__ or "")
    ioc = ArrayIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
