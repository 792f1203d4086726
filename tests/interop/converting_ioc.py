"""Our IOC with the PVs of ``interop.db`` whose conversions are compared with those of the C IOC."""

from __future__ import annotations

from caproto import ChannelType
from caproto.server import PVGroup, pvproperty, run


class Converting(PVGroup):
    """The same names, types, precisions, labels and values as in ``interop.db``."""

    ai = pvproperty(value=3.25, precision=3)
    longin = pvproperty(value=-123456)
    bi = pvproperty(value=1, dtype=ChannelType.ENUM, enum_strings=["Off", "On"])
    mbbo = pvproperty(
        value=0, dtype=ChannelType.ENUM, enum_strings=["zero", "one", "two words", "three"]
    )
    stringin = pvproperty(value="a string of thirty-nine characters long", dtype=ChannelType.STRING)
    stringout = pvproperty(value="hello", dtype=ChannelType.STRING)
    float = pvproperty(value=2.5, dtype=ChannelType.FLOAT, precision=2)
    short = pvproperty(value=-12345, dtype=ChannelType.INT)
    char = pvproperty(value=bytes([200]))
    wf_double = pvproperty(
        name="wf:double", value=[-1.5, 0.0, 1.5, 1e300, 1e-300], max_length=10, precision=3
    )
    wf_float = pvproperty(
        name="wf:float",
        value=[-1.5, 0.0, 1.5, 3e38],
        dtype=ChannelType.FLOAT,
        max_length=10,
        precision=2,
    )
    wf_long = pvproperty(name="wf:long", value=[-2147483648, -1, 0, 1, 2147483647], max_length=10)
    wf_short = pvproperty(
        name="wf:short", value=[-32768, -1, 0, 1, 32767], dtype=ChannelType.INT, max_length=10
    )
    wf_uchar = pvproperty(
        name="wf:uchar",
        value=bytes([0, 1, 127, 128, 255]),
        max_length=64,
        strip_null_terminator=False,
    )
    wf_string = pvproperty(
        name="wf:string", value=["one", "two", "three"], dtype=ChannelType.STRING, max_length=5
    )
    wf_enum = pvproperty(name="wf:enum", value=[0, 1, 2, 15], dtype=ChannelType.ENUM, max_length=10)
    wf_empty = pvproperty(name="wf:empty", value=[], dtype=ChannelType.DOUBLE, max_length=10)


if __name__ == "__main__":
    run(Converting("IO:").pvdb)
