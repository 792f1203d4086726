"""The type of ``group.x``: what a type checker finds out is what it is at run time.

``make types`` checks each `assert_type` below for the type checker, and the tests check it for the objects.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import pytest

from caproto import ChannelType
from caproto.server import (
    PVGroup,
    PvpropertyBoolEnum,
    PvpropertyBoolEnumRO,
    PvpropertyByte,
    PvpropertyByteRO,
    PvpropertyChar,
    PvpropertyCharRO,
    PvpropertyDouble,
    PvpropertyDoubleRO,
    PvpropertyEnum,
    PvpropertyEnumRO,
    PvpropertyFloat,
    PvpropertyFloatRO,
    PvpropertyInteger,
    PvpropertyIntegerRO,
    PvpropertyShort,
    PvpropertyShortRO,
    PvpropertyString,
    PvpropertyStringRO,
    SubGroup,
    pvproperty,
)

if TYPE_CHECKING:
    from typing_extensions import assert_type
else:

    def assert_type(value: Any, cls: type) -> None:
        assert type(value) is cls


class Color(enum.IntEnum):
    red = 0
    green = 1


class Motor(PvpropertyDouble):
    """A data class of the program."""


class Group(PVGroup):
    integer = pvproperty(value=1)
    integer_ro = pvproperty(value=1, read_only=True, doc="options change nothing")
    integers = pvproperty(value=[1, 2])
    double = pvproperty(value=1.5, units="mm", precision=3)
    double_ro = pvproperty(value=1.5, read_only=True)
    doubles = pvproperty(value=[1.5], max_length=10)
    text = pvproperty(value="abc")
    text_ro = pvproperty(value="abc", read_only=True)
    raw = pvproperty(value=b"abc")
    raw_ro = pvproperty(value=b"abc", read_only=True)
    boolean = pvproperty(value=True)
    boolean_ro = pvproperty(value=True, read_only=True)
    color = pvproperty(value=Color.red)
    color_ro = pvproperty(value=Color.red, read_only=True)


class ByType(PVGroup):
    integer = pvproperty(dtype=int)
    integer_ro = pvproperty(dtype=int, read_only=True)
    double = pvproperty(value=1, dtype=float)
    double_ro = pvproperty(value=1, dtype=float, read_only=True)
    text = pvproperty(dtype=str)
    text_ro = pvproperty(dtype=str, read_only=True)
    raw = pvproperty(dtype=bytes)
    raw_ro = pvproperty(dtype=bytes, read_only=True)
    boolean = pvproperty(dtype=bool)
    boolean_ro = pvproperty(dtype=bool, read_only=True)
    color = pvproperty(dtype=Color)
    color_ro = pvproperty(dtype=Color, read_only=True)
    motor = pvproperty(value=1.0, dtype=Motor)
    short_class = pvproperty(dtype=PvpropertyShort)


class ByChannelType(PVGroup):
    string = pvproperty(dtype=ChannelType.STRING)
    string_ro = pvproperty(dtype=ChannelType.STRING, read_only=True)
    short = pvproperty(dtype=ChannelType.INT)
    short_ro = pvproperty(dtype=ChannelType.INT, read_only=True)
    float = pvproperty(dtype=ChannelType.FLOAT)
    float_ro = pvproperty(dtype=ChannelType.FLOAT, read_only=True)
    enum = pvproperty(dtype=ChannelType.ENUM, enum_strings=["a", "b"])
    char = pvproperty(dtype=ChannelType.CHAR)
    long = pvproperty(dtype=ChannelType.LONG)
    double = pvproperty(dtype=ChannelType.DOUBLE)


class Decorated(PVGroup):
    inner = SubGroup(Group, prefix="inner:")

    @pvproperty(value=1.5)
    async def getter(self, instance: PvpropertyDouble) -> float:
        return float(instance.value + 1.0)

    x = pvproperty(value=1)

    @x.putter
    async def _put(self, instance: PvpropertyInteger, value: Any) -> None: ...

    @x.scan(period=1.0)
    async def _scan(self, instance: PvpropertyInteger, async_lib: Any) -> None: ...

    annotated: pvproperty[PvpropertyDouble, Any] = pvproperty(value=1.5)


def test_by_value() -> None:
    group = Group("")
    assert_type(group.integer, PvpropertyInteger)
    assert_type(group.integer_ro, PvpropertyIntegerRO)
    assert_type(group.integers, PvpropertyInteger)
    assert_type(group.double, PvpropertyDouble)
    assert_type(group.double_ro, PvpropertyDoubleRO)
    assert_type(group.doubles, PvpropertyDouble)
    assert_type(group.text, PvpropertyChar)
    assert_type(group.text_ro, PvpropertyCharRO)
    assert_type(group.raw, PvpropertyByte)
    assert_type(group.raw_ro, PvpropertyByteRO)
    assert_type(group.boolean, PvpropertyBoolEnum)
    assert_type(group.boolean_ro, PvpropertyBoolEnumRO)
    assert_type(group.color, PvpropertyEnum)
    assert_type(group.color_ro, PvpropertyEnumRO)


def test_by_python_type_or_data_class() -> None:
    group = ByType("")
    assert_type(group.integer, PvpropertyInteger)
    assert_type(group.integer_ro, PvpropertyIntegerRO)
    assert_type(group.double, PvpropertyDouble)
    assert_type(group.double_ro, PvpropertyDoubleRO)
    assert_type(group.text, PvpropertyChar)
    assert_type(group.text_ro, PvpropertyCharRO)
    assert_type(group.raw, PvpropertyByte)
    assert_type(group.raw_ro, PvpropertyByteRO)
    assert_type(group.boolean, PvpropertyBoolEnum)
    assert_type(group.boolean_ro, PvpropertyBoolEnumRO)
    assert_type(group.color, PvpropertyEnum)
    assert_type(group.color_ro, PvpropertyEnumRO)
    assert_type(group.motor, Motor)
    assert_type(group.short_class, PvpropertyShort)


def test_by_channel_type() -> None:
    group = ByChannelType("")
    assert_type(group.string, PvpropertyString)
    assert_type(group.string_ro, PvpropertyStringRO)
    assert_type(group.short, PvpropertyShort)
    assert_type(group.short_ro, PvpropertyShortRO)
    assert_type(group.float, PvpropertyFloat)
    assert_type(group.float_ro, PvpropertyFloatRO)
    assert_type(group.enum, PvpropertyEnum)
    assert_type(group.char, PvpropertyChar)
    assert_type(group.long, PvpropertyInteger)
    assert_type(group.double, PvpropertyDouble)


def test_by_decorators_subgroups_and_annotations() -> None:
    group = Decorated("")
    assert_type(group.getter, PvpropertyDouble)
    assert_type(group.x, PvpropertyInteger)
    assert_type(group.inner, Group)
    assert_type(group.inner.double, PvpropertyDouble)
    assert_type(group.annotated, PvpropertyDouble)


def test_on_the_class_it_is_the_declaration() -> None:
    assert_type(Group.integer, pvproperty[PvpropertyInteger, Any]) if TYPE_CHECKING else None
    assert isinstance(Group.integer, pvproperty)
    with pytest.raises(AttributeError):
        Group("").integer = 3
