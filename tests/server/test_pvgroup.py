"""Declaring PVs: `PVGroup`, `pvproperty`, `PVSpec`, `SubGroup` and what belongs to them."""

from __future__ import annotations

import contextlib
import enum
import logging
from typing import Any, ClassVar

import pytest

from caproto import (
    AccessRights,
    AlarmSeverity,
    AlarmStatus,
    CaprotoAttributeError,
    CaprotoRuntimeError,
    CaprotoTypeError,
    ChannelType,
    SkipWrite,
)
from caproto.server import (
    PVGroup,
    PvpropertyBoolEnum,
    PvpropertyBoolEnumRO,
    PvpropertyByte,
    PvpropertyChar,
    PvpropertyData,
    PvpropertyDouble,
    PvpropertyDoubleRO,
    PvpropertyEnum,
    PvpropertyEnumRO,
    PvpropertyFloat,
    PvpropertyInteger,
    PvpropertyReadOnlyData,
    PvpropertyShort,
    PvpropertyShortRO,
    PvpropertyString,
    PVSpec,
    SubGroup,
    channeldata_from_pvspec,
    data_class_from_pvspec,
    expand_macros,
    get_pv_pair_wrapper,
    pvproperty,
)

T = ChannelType


class Color(enum.IntEnum):
    red = 0
    green = 1
    blue = 4


class MyFloat(float):
    """A type that is nearly one of those that are known."""


@pytest.mark.parametrize(
    ("options", "cls", "value", "max_length"),
    [
        ({}, PvpropertyInteger, 0, 1),
        ({"value": 1}, PvpropertyInteger, 1, 1),
        ({"value": 1.5}, PvpropertyDouble, 1.5, 1),
        ({"value": MyFloat(1.5)}, PvpropertyDouble, 1.5, 1),
        ({"value": "text"}, PvpropertyChar, "text", 4),
        ({"value": b"abc"}, PvpropertyByte, b"abc", 3),
        ({"value": True}, PvpropertyBoolEnum, "On", 1),
        ({"value": [1, 2]}, PvpropertyInteger, [1, 2], 2),
        ({"value": [1.5], "max_length": 10}, PvpropertyDouble, [1.5], 10),
        ({"value": [], "max_length": 2}, PvpropertyInteger, [], 2),
        ({"value": Color.green}, PvpropertyEnum, "green", 1),
        ({"dtype": int}, PvpropertyInteger, 0, 1),
        ({"dtype": float}, PvpropertyDouble, 0.0, 1),
        ({"dtype": str}, PvpropertyChar, "", 1),
        ({"dtype": bytes, "max_length": 4}, PvpropertyByte, b"", 4),
        ({"dtype": bool}, PvpropertyBoolEnum, "Off", 1),
        ({"dtype": Color}, PvpropertyEnum, "red", 1),
        ({"dtype": int, "max_length": 5}, PvpropertyInteger, [0], 5),
        ({"dtype": T.STRING}, PvpropertyString, "", 1),
        ({"dtype": T.INT, "value": 3}, PvpropertyShort, 3, 1),
        ({"dtype": T.LONG}, PvpropertyInteger, 0, 1),
        ({"dtype": T.FLOAT}, PvpropertyFloat, 0.0, 1),
        ({"dtype": T.DOUBLE}, PvpropertyDouble, 0.0, 1),
        ({"dtype": T.ENUM, "enum_strings": ["a", "b"], "value": "b"}, PvpropertyEnum, "b", 1),
        ({"dtype": T.CHAR, "value": "x", "max_length": 100}, PvpropertyChar, "x", 100),
        ({"dtype": PvpropertyShort, "value": 3}, PvpropertyShort, 3, 1),
        ({"dtype": PvpropertyString}, PvpropertyString, "", 1),
        ({"dtype": PvpropertyEnum}, PvpropertyEnum, 0, 1),
        ({"value": 1.0, "read_only": True}, PvpropertyDoubleRO, 1.0, 1),
        ({"dtype": bool, "read_only": True}, PvpropertyBoolEnumRO, "Off", 1),
        ({"dtype": Color, "read_only": True}, PvpropertyEnumRO, "red", 1),
        ({"dtype": PvpropertyShort, "read_only": True}, PvpropertyShortRO, 0, 1),
        ({"dtype": PvpropertyShortRO, "read_only": True}, PvpropertyShortRO, 0, 1),
    ],
)
def test_value_and_dtype_tell_the_class_of_the_data(
    options: dict[str, Any], cls: type[PvpropertyData], value: Any, max_length: int
) -> None:
    class Group(PVGroup):
        x = pvproperty(**options)

    data: Any = Group("p:").x
    assert type(data) is cls
    assert (data.value, data.max_length) == (value, max_length)
    rights = AccessRights.READ
    if not options.get("read_only"):
        rights |= AccessRights.WRITE
    assert data.check_access("host", "user") == rights
    assert data.access_is_fixed


def test_a_read_only_form_of_a_class_of_the_program_is_made() -> None:
    class Special(PvpropertyDouble):
        """Special."""

        def special(self) -> str:
            return "special"

    class Group(PVGroup):
        x = pvproperty(value=1.0, dtype=Special, read_only=True)

    data = Group("").x
    assert data.special() == "special"
    assert type(data).__name__ == "SpecialRO"
    assert data.check_access("", "") == AccessRights.READ
    assert data.reads_at_once


def test_names_of_an_enum_become_labels_and_gaps_are_filled() -> None:
    class Group(PVGroup):
        x = pvproperty(value=Color.blue)

    data = Group("").x
    assert data.enum_strings == ("red", "green", "unset_2", "unset_3", "blue")
    assert data.value == "blue"


@pytest.mark.parametrize("dtype", [dict, "float", T.TIME_DOUBLE])
def test_a_dtype_that_means_nothing_is_refused(dtype: Any) -> None:
    class Group(PVGroup):
        x = pvproperty(dtype=dtype)

    with pytest.raises(CaprotoTypeError, match="p:x"):
        Group("p:")


def test_a_declaration_that_makes_no_sense_names_the_pv() -> None:
    class Group(PVGroup):
        x = pvproperty(value=[1, 2, 3], max_length=2)

    with pytest.raises(CaprotoRuntimeError, match="p:x") as caught:
        Group("p:")
    assert caught.value.pv_name == "p:x"


def test_names_are_made_of_prefix_name_and_macros() -> None:
    class Group(PVGroup):
        plain = pvproperty(value=1)
        named = pvproperty(value=1, name="{axis}:N")
        empty = pvproperty(value=1, name="")

    group = Group("{bl}:", macros={"bl": "BL1", "axis": "m2"})
    assert list(group.pvdb) == ["BL1:plain", "BL1:m2:N", "BL1:"]
    assert group.attr_to_pvname == {"plain": "BL1:plain", "named": "BL1:m2:N", "empty": "BL1:"}
    assert group.prefix == "BL1:"
    assert group.named.pvname == "BL1:m2:N"
    assert group.named is group.pvdb["BL1:m2:N"]
    assert group.attr_pvdb["named"] is group.named


def test_two_pvs_of_one_name_are_refused() -> None:
    class Group(PVGroup):
        one = pvproperty(value=1, name="x")
        other = pvproperty(value=1, name="x")

    with pytest.raises(CaprotoRuntimeError, match="one"):
        Group("p:")


def test_macros() -> None:
    assert expand_macros("{a}:{b}{{c}}", {"a": "1", "b": 2}) == "1:2{c}"
    with pytest.raises(KeyError):
        expand_macros("{a}", {})


def test_a_data_object_knows_where_it_belongs() -> None:
    class Group(PVGroup):
        x = pvproperty(value=1, doc="what x is", record="ai")
        y = pvproperty(value=1)

    group = Group("p:", name="my group")
    assert group.x.group is group
    assert group.x.name == "my group.x"
    assert group.x.__doc__ == "what x is"
    assert group.x.record_type == group.x.reported_record_type == "ai"
    assert group.y.record_type is None
    assert group.y.reported_record_type == "caproto"
    assert group.x.log is group.log
    assert group.log.name.endswith("my group")
    assert repr(group.x) == "<PvpropertyInteger 'p:x' value=1>"
    assert Group.x.record_type == "ai"
    assert Group.x.__doc__ == "what x is"


def test_a_pv_may_have_a_logger_of_its_own() -> None:
    logger = logging.getLogger("special")

    class Group(PVGroup):
        x = pvproperty(value=1, logger=logger)

    assert Group("").x.log is logger


def test_a_pv_cannot_be_assigned_to() -> None:
    class Group(PVGroup):
        x = pvproperty(value=1)
        sub = SubGroup({"y": pvproperty(value=1)})

    group = Group("p:")
    with pytest.raises(AttributeError, match="write"):
        group.x = 3
    with pytest.raises(AttributeError, match="SubGroup"):
        group.sub = 3


def test_pvs_share_their_alarm_unless_they_are_in_different_alarm_groups() -> None:
    class Group(PVGroup):
        a = pvproperty(value=1)
        b = pvproperty(value=1)
        c = pvproperty(value=1, alarm_group="other")

    group = Group("")
    assert group.a.alarm is group.b.alarm
    assert group.c.alarm is group.alarms["other"]
    assert group.a.alarm is not group.c.alarm
    assert Group("").a.alarm is not group.a.alarm


class Refusing(PVGroup):
    number = pvproperty(value=0)
    state = pvproperty(value="a", dtype=ChannelType.ENUM, enum_strings=["a", "b"], alarm_group="s")
    text = pvproperty(value="a", max_length=9, alarm_group="t")
    refusing = True

    @number.putter
    async def _put_number(self, instance: Any, value: Any) -> None:
        if value == 1:
            await instance.alarm.write(status=AlarmStatus.HIGH, severity=AlarmSeverity.MINOR_ALARM)
        await self.maybe_refuse()

    @state.putter
    async def _put_state(self, instance: Any, value: Any) -> None:
        await self.maybe_refuse()

    @text.putter
    async def _put_text(self, instance: Any, value: Any) -> None:
        await self.maybe_refuse()

    async def maybe_refuse(self) -> None:
        if self.refusing:
            raise OSError("the motor does not answer")


@pytest.mark.parametrize(("name", "value"), [("number", 2), ("state", "b"), ("text", "b")])
async def test_a_putter_that_fails_is_an_alarm_until_a_write_succeeds(
    name: str, value: Any
) -> None:
    group = Refusing("p:")
    data = getattr(group, name)
    with pytest.raises(OSError, match="does not answer"):
        await data.write(value)
    assert (data.status, data.severity) == (AlarmStatus.WRITE, AlarmSeverity.MAJOR_ALARM)
    group.refusing = False
    await data.write(value)
    assert (data.status, data.severity) == (AlarmStatus.NO_ALARM, AlarmSeverity.NO_ALARM)


async def test_the_alarm_that_a_putter_sets_is_the_one_to_have() -> None:
    group = Refusing("p:")
    for group.refusing in (True, False, False):
        with contextlib.suppress(OSError):
            await group.number.write(1)
        assert (group.number.status, group.number.severity) == (
            AlarmStatus.HIGH,
            AlarmSeverity.MINOR_ALARM,
        )
    await group.number.write(2)
    assert group.number.severity == AlarmSeverity.NO_ALARM


def test_a_subclass_inherits_overrides_adds_and_removes_pvs() -> None:
    class Base(PVGroup):
        a = pvproperty(value=1)
        b = pvproperty(value=2)
        c = pvproperty(value=3)

    class Derived(Base):
        b = pvproperty(value="text")  # type: ignore[assignment]
        d = pvproperty(value=4)
        c = None  # type: ignore[assignment]

    assert list(Derived("").pvdb) == ["a", "b", "d"]
    assert Derived("").b.value == "text"
    assert Base("").b.value == 2
    assert list(Derived._pvs_) == ["a", "b", "d"]


def test_several_base_classes_go_by_pythons_rules() -> None:
    class One(PVGroup):
        x = pvproperty(value=1)
        y = pvproperty(value=2)

    class Other(PVGroup):
        z = pvproperty(value=3)
        y = pvproperty(value=5)

    class Mixin:
        m = pvproperty(value=6)

    class Both(One, Mixin, Other):
        w = pvproperty(value=4)

    assert {name: data.value for name, data in Both("").pvdb.items()} == {
        "x": 1,
        "y": 2,
        "z": 3,
        "m": 6,
        "w": 4,
    }


def test_only_the_val_field_exists_without_a_record() -> None:
    class Group(PVGroup):
        x = pvproperty(value=1)

    data = Group("p:").x
    assert data.get_field("VAL") is data
    with pytest.raises(CaprotoAttributeError, match="p:x has no field DESC"):
        data.get_field("DESC")


# --- handlers ---


class Handlers(PVGroup):
    """Every way to declare a handler."""

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        self.calls: list[Any] = []
        super().__init__(prefix, **kwargs)

    @pvproperty(value=3)
    async def decorated(self, instance: Any) -> Any:
        """What the getter says."""
        self.calls.append(("get", instance.pvname))
        return instance.value + 1

    @pvproperty
    async def bare(self, instance: Any) -> None:
        self.calls.append("bare")

    x = pvproperty(value=1)

    @x.getter
    async def _get_x(self, instance: Any) -> Any:
        return 7

    @x.putter
    async def _put_x(self, instance: Any, value: Any) -> Any:
        self.calls.append(("put", value))
        if value == 13:
            raise SkipWrite
        return None if value == 1 else value * 2

    @x.startup
    async def _start_x(self, instance: Any, async_lib: Any) -> None:
        self.calls.append(("startup", instance is self.x, async_lib))

    @x.shutdown
    async def _stop_x(self, instance: Any, async_lib: Any) -> None:
        self.calls.append(("shutdown", instance is self.x, async_lib))

    async def _get_positional(self, instance: Any) -> Any:
        return 11

    async def _put_positional(self, instance: Any, value: Any) -> Any:
        return value + 100

    positional = pvproperty(_get_positional, _put_positional, value=5)


async def test_a_getter_sets_the_value_that_is_read() -> None:
    group = Handlers("p:")
    assert not group.decorated.reads_at_once
    assert group.decorated.writes_at_once
    assert group.decorated.__doc__ == "What the getter says."
    assert (await group.decorated.read(T.LONG))[1].tolist() == [4]
    assert group.decorated.value == 4
    assert group.calls == [("get", "p:decorated")]


async def test_a_getter_that_returns_nothing_leaves_the_value() -> None:
    group = Handlers("p:")
    assert (await group.bare.read(T.LONG))[1].tolist() == [0]
    assert group.calls == ["bare"]


async def test_the_value_of_a_getter_does_not_go_through_the_putter() -> None:
    group = Handlers("p:")
    assert (await group.x.read(T.LONG))[1].tolist() == [7]
    assert group.calls == []


async def test_a_putter_may_change_a_value_keep_it_or_skip_it() -> None:
    group = Handlers("p:")
    assert not group.x.writes_at_once
    await group.x.write(3)
    assert group.x.value == 6
    await group.x.write_from_dbr([1], T.LONG, None)
    assert group.x.value == 1
    await group.x.write(13)
    assert group.x.value == 1
    await group.x.write(13, verify_value=False)
    assert group.x.value == 13
    assert group.calls == [("put", 3), ("put", 1), ("put", 13)]


async def test_handlers_may_be_arguments() -> None:
    group = Handlers("p:")
    await group.positional.write(1)
    assert group.positional.value == 101
    assert (await group.positional.read(T.LONG))[1].tolist() == [11]


async def test_start_up_and_shutdown_hooks_are_bound_to_group_and_instance() -> None:
    group = Handlers("p:")
    await group.x.server_startup("lib")
    await group.x.server_shutdown("lib")
    assert group.calls == [("startup", True, "lib"), ("shutdown", True, "lib")]
    assert not hasattr(group.decorated, "server_startup")


def test_a_handler_is_no_second_pv() -> None:
    assert list(Handlers("p:").attr_pvdb) == ["decorated", "bare", "x", "positional"]
    assert Handlers._put_x is Handlers.x


async def test_handlers_may_be_given_to_a_declaration_that_is_called() -> None:
    async def get(group: Any, instance: Any) -> Any:
        return 5

    async def put(group: Any, instance: Any, value: Any) -> Any:
        return 6

    class Group(PVGroup):
        x = pvproperty(value=1)(get, put)

    group = Group("")
    await group.x.write(1)
    assert group.x.value == 6
    await group.x.read(T.LONG)
    assert group.x.value == 5


async def test_a_group_may_handle_the_pvs_that_have_no_handler() -> None:
    class Group(PVGroup):
        x = pvproperty(value=1)

        async def group_read(self, instance: PvpropertyData) -> Any:
            return 21

        async def group_write(self, instance: PvpropertyData, value: Any) -> Any:
            return value * 10

    group = Group("")
    assert not group.x.reads_at_once
    assert not group.x.writes_at_once
    assert (await group.x.read(T.LONG))[1].tolist() == [21]
    await group.x.write(3)
    assert group.x.value == 30


async def test_the_handlers_of_a_plain_group_leave_a_value_alone() -> None:
    class Group(PVGroup):
        x = pvproperty(value=1)

    group = Group("")
    assert group.x.reads_at_once
    assert group.x.writes_at_once
    assert await group.group_read(group.x) is None
    assert await group.group_write(group.x, 3) == 3
    await group.x.write(2)
    assert (await group.x.read(T.LONG))[1].tolist() == [2]


async def test_a_pv_that_awaits_something_at_each_value_is_written_without_a_handler_too() -> None:
    class Noted(PvpropertyDouble):
        seen: ClassVar[list[float]] = []

        async def update_fields(self, value: Any) -> None:
            self.seen.append(value)

    class Group(PVGroup):
        x = pvproperty(value=1.0, dtype=Noted)

    group = Group("")
    assert not group.x.writes_at_once
    await group.x.write(2.5)
    assert group.x.value == 2.5
    assert Noted.seen == [2.5]


async def test_states_are_told_to_all_pvs() -> None:
    calls: list[Any] = []

    class Watching(PvpropertyInteger):
        def pre_state_change(self, state: Any, new_value: Any) -> None:
            calls.append(("before", state, new_value, dict(self.group.states)))

        def post_state_change(self, state: Any, new_value: Any) -> None:
            calls.append(("after", state, new_value, dict(self.group.states)))

    class Group(PVGroup):
        x = pvproperty(value=1, dtype=Watching)

    async with Group("").update_state("moving", True):
        calls.append("within")
    assert calls == [
        ("before", "moving", True, {}),
        "within",
        ("after", "moving", True, {"moving": True}),
    ]


# --- PVSpec ---


async def test_a_pv_may_be_made_of_a_spec_alone() -> None:
    async def get(instance: Any) -> Any:
        return 5.5

    data = PVSpec(get=get, name="alone", value=1.0).create()
    assert data.pvname == "alone"
    assert data.group is None
    assert data.writes_at_once
    assert (await data.read(T.DOUBLE))[1].tolist() == [5.5]
    assert PVSpec(attr="attr", value=1, read_only=True).create().pvname == "attr"
    assert data.log.name == "caproto.ioc"


def test_a_spec_may_get_other_names() -> None:
    spec = PVSpec(attr="a", name="n", value=3)
    assert spec.new_names() == spec
    assert spec.new_names("b")[4:6] == ("b", "n")
    assert spec.new_names(name="m")[4:6] == ("a", "m")


def test_a_spec_tells_class_and_arguments() -> None:
    group = PVGroup("p:")
    spec = PVSpec(attr="x", value=1.5, cls_kwargs={"units": "V"})
    assert data_class_from_pvspec(group, spec) is PvpropertyDouble
    cls, kwargs = spec.get_instantiation_info(group)
    assert cls is PvpropertyDouble
    assert (kwargs["pvname"], kwargs["units"]) == ("p:x", "V")
    name, data = channeldata_from_pvspec(group, spec)
    assert (name, data.value) == ("p:x", 1.5)


def test_a_group_may_map_types_otherwise() -> None:
    class Text(PVGroup):
        type_map: ClassVar[dict[Any, Any]] = {**PVGroup.type_map, str: PvpropertyString}
        default_values: ClassVar[dict[Any, Any]] = {**PVGroup.default_values, str: "nothing"}

        x = pvproperty(dtype=str)

    x: Any = Text("").x
    assert type(x) is PvpropertyString
    assert Text("").x.value == "nothing"


def test_a_class_with_no_default_begins_with_zero() -> None:
    class Odd(PvpropertyData):
        pass

    assert PVSpec(name="x", dtype=Odd).create().value == 0
    assert issubclass(PVSpec(dtype=Odd, read_only=True).get_data_class(), Odd)
    assert not issubclass(Odd, PvpropertyReadOnlyData)


# --- subgroups ---


class Axis(PVGroup):
    """One axis."""

    position = pvproperty(value=1.0)

    def __init__(self, prefix: str, *, scale: int = 1, **kwargs: Any) -> None:
        super().__init__(prefix, **kwargs)
        self.scale = scale


class Stage(PVGroup):
    """Every form of SubGroup."""

    first = pvproperty(value=0)
    x = SubGroup(Axis)
    y = SubGroup(Axis, prefix="{axis}-y:", scale=3, macros={"axis": "A"}, doc="the other axis")
    dashed = SubGroup(Axis, attr_separator="-")

    @SubGroup(prefix="deco:")
    class decorated(PVGroup):  # noqa: N801 -- it becomes an attribute
        a = pvproperty(value=2)

    @SubGroup
    class plain(PVGroup):  # noqa: N801 -- it becomes an attribute
        a = pvproperty(value=2)

    table = SubGroup({"a": pvproperty(value=1), "b": PVSpec(value=1.5, name="B")}, prefix="t:")
    last = pvproperty(value=9)


def test_subgroups_have_their_place_among_the_pvs() -> None:
    stage = Stage("S:")
    assert list(stage.pvdb) == [
        "S:first",
        "S:x:position",
        "S:A-y:position",
        "S:dashed-position",
        "S:deco:a",
        "S:plain:a",
        "S:t:a",
        "S:t:B",
        "S:last",
    ]
    assert list(stage.groups) == ["x", "y", "dashed", "decorated", "plain", "table"]
    assert stage.attr_pvdb["x.position"] is stage.x.position
    assert stage.x.parent is stage
    assert stage.x.name == "Stage.x"
    assert stage.y.scale == 3
    assert stage.y.macros == {"axis": "A"}
    assert type(stage.table).__name__ == "table"
    assert Stage.y.__doc__ == "the other axis"
    assert Stage.x.__doc__ == "One axis."
    assert Stage.x.group is Axis
    assert set(Stage.table.group_dict or ()) == {"a", "b"}


def test_subgroups_of_two_objects_are_two() -> None:
    assert Stage("S:").x.position is not Stage("S:").x.position


def test_a_subgroup_may_have_base_classes() -> None:
    class Base(PVGroup):
        common = pvproperty(value=1)

    class Group(PVGroup):
        sub = SubGroup({"own": pvproperty(value=2)}, base=(Base,), prefix="")

    assert list(Group("").pvdb) == ["common", "own"]


def test_a_subgroup_needs_a_group() -> None:
    with pytest.raises(CaprotoTypeError, match="int"):
        SubGroup(int)  # type: ignore[type-var]
    named = SubGroup(Axis)
    named.__set_name__(PVGroup, "first")
    named.__set_name__(PVGroup, "second")
    assert named.attr_name == "first"

    class Group(PVGroup):
        sub = SubGroup(prefix="x")

    with pytest.raises(CaprotoTypeError, match="has no group"):
        Group("")


# --- pairs ---


async def test_a_setpoint_is_copied_to_its_readback() -> None:
    pair = get_pv_pair_wrapper()

    class Group(PVGroup):
        x = pair(value=3.5, units="mm")

    group = Group("p:")
    assert list(group.pvdb) == ["p:x", "p:x_RBV"]
    await group.x.setpoint.write(5.0)
    assert group.x.readback.value == 5.0
    assert group.x.readback.units == "mm"
    assert group.x.readback.check_access("", "") == AccessRights.READ


async def test_a_pair_may_be_named_and_its_halves_may_differ() -> None:
    pair = get_pv_pair_wrapper(setpoint_suffix=":SP", readback_suffix=":RB")
    written: list[Any] = []

    async def put(group: Any, instance: Any, value: Any) -> None:
        written.append(value)

    class Group(PVGroup):
        x = pair(
            dtype=int,
            name="N",
            put=put,
            setpoint_kw={"alarm_group": "sp"},
            readback_kw={"units": "c"},
        )

    group = Group("p:")
    assert list(group.pvdb) == ["p:N:SP", "p:N:RB"]
    await group.x.setpoint.write(5)
    assert written == [5]
    assert group.x.readback.value == 0
    assert group.x.setpoint.units == ""
    assert group.x.readback.units == "c"
