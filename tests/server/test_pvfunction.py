"""Functions that clients call: `pvfunction`."""

from __future__ import annotations

from typing import Any

import pytest

from caproto import AlarmSeverity, AlarmStatus, CaprotoTypeError, ChannelType, SkipWrite
from caproto.server import (
    PVGroup,
    PvpropertyBoolEnumRO,
    PvpropertyCharRO,
    PvpropertyEnum,
    PvpropertyInteger,
    PvpropertyString,
    pvfunction,
)


class Functions(PVGroup):
    """Functions of every kind."""

    offset = 1000

    @pvfunction(default=7)
    async def add(self, low: int = 1, high: int = 2) -> int:
        """Add two numbers and what the group says."""
        if high == 0:
            raise ValueError("high must not be 0")
        if high < 0:
            raise SkipWrite
        return low + high + int(self.parent.offset)

    @pvfunction(
        prefix="two-",
        names={"Process": "Go", "retval": "RESULT", "status": "State", "x": "X"},
        alarm_group="shared",
        doc="given",
    )
    async def named(self, x: float, text: str = "abc", numbers: list[float] = [1.0, 2.0]) -> float:  # noqa: B006
        return x + len(text) + sum(numbers)

    @pvfunction
    async def typed(self, color: ChannelType.ENUM = 1, flag=True) -> bool:  # type: ignore[no-untyped-def,valid-type]
        return bool(flag)

    @pvfunction
    async def lists(self, one: list[int] = [5], names: list[str] = ["a", "b"]) -> list[str]:  # noqa: B006
        return [str(sum(one)), *names][:1]

    @pvfunction(attr_separator=".")
    def plain(self) -> None:
        """Is no coroutine, and returns nothing."""
        self.parent.offset = 5


def values(group: Any) -> dict[str, Any]:
    return {name: data.value for name, data in group.pvdb.items()}


def test_parameters_status_result_and_process_are_pvs_in_this_order() -> None:
    group = Functions("p:")
    assert values(group.add) == {
        "p:add:low": 1,
        "p:add:high": 2,
        "p:add:Status": "Init",
        "p:add:Retval": 7,
        "p:add:Process": 0,
    }
    assert list(group.named.pvdb) == [
        "p:two-X",
        "p:two-text",
        "p:two-numbers",
        "p:two-State",
        "p:two-RESULT",
        "p:two-Go",
    ]
    assert list(group.plain.pvdb) == ["p:plain.Status", "p:plain.Retval", "p:plain.Process"]
    assert list(group.add.attr_pvdb) == ["low", "high", "status", "retval", "Process"]
    assert group.attr_pvdb["add.low"] is group.add.low
    assert Functions.add.__doc__ == "Add two numbers and what the group says."
    assert Functions.named.__doc__ == "given"
    assert Functions.named.alarm_group == "shared"


def test_annotations_and_defaults_tell_the_types() -> None:
    group = Functions("p:")
    assert type(group.add.low) is PvpropertyInteger
    assert type(group.add.status) is PvpropertyCharRO
    assert group.add.status.max_length == 256
    assert group.named.x.value == 0.0
    assert group.named.text.max_length == 256
    assert group.named.numbers.max_length == 2
    assert (group.lists.one.value, group.lists.one.max_length) == (5, 1)
    assert type(group.lists.names) is PvpropertyString
    assert group.lists.names.value == ["a", "b"]
    assert type(group.typed.color) is PvpropertyEnum
    assert group.typed.flag.value == "On"
    assert type(group.typed.retval) is PvpropertyBoolEnumRO


async def test_a_write_to_process_calls_the_function_with_the_values() -> None:
    group = Functions("p:")
    await group.add.low.write(10)
    await group.add.Process.write(0)
    assert group.add.retval.value == 1012
    assert group.add.status.value == "Success"
    await group.named.Process.write(1)
    assert group.named.retval.value == 6.0
    await group.typed.Process.write(1)
    assert group.typed.retval.value == "On"
    await group.lists.Process.write(1)
    assert group.lists.retval.value == "5"
    await group.plain.Process.write(1)
    assert (group.offset, group.plain.retval.value) == (5, 0)


async def test_an_exception_fails_the_write_and_is_told_until_a_call_succeeds() -> None:
    group = Functions("p:")
    await group.add.high.write(0)
    with pytest.raises(ValueError, match="high must not be 0"):
        await group.add.Process.write(1)
    assert group.add.status.value == "ValueError: high must not be 0"
    assert group.add.retval.severity == AlarmSeverity.MAJOR_ALARM
    assert group.add.retval.status == AlarmStatus.WRITE
    assert group.typed.retval.severity == AlarmSeverity.NO_ALARM
    await group.add.high.write(1)
    await group.add.Process.write(1)
    assert group.add.status.value == "Success"
    assert group.add.retval.severity == AlarmSeverity.NO_ALARM


async def test_a_skipped_call_is_no_alarm() -> None:
    group = Functions("p:")
    await group.add.high.write(-1)
    await group.add.Process.write(1)
    assert (group.add.Process.value, group.add.retval.value) == (0, 7)
    assert group.add.retval.severity == AlarmSeverity.NO_ALARM


def test_a_parameter_of_which_nothing_tells_the_type_is_refused() -> None:
    async def unknown(self, x) -> int:  # type: ignore[no-untyped-def]
        return 1

    async def many(self, *values: int) -> int:  # type: ignore[no-untyped-def]
        return 1

    with pytest.raises(CaprotoTypeError, match="parameter x of the pvfunction unknown"):
        pvfunction(unknown)
    with pytest.raises(CaprotoTypeError, match="values"):
        pvfunction(many)


def test_an_annotation_that_cannot_be_found_is_told() -> None:
    class Local: ...

    async def f(self, x: Local) -> int:  # type: ignore[no-untyped-def]
        return 1

    with pytest.raises(CaprotoTypeError, match="Local"):
        pvfunction(f)
