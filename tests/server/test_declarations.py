"""Handlers that are declared for the PVs of subgroups, in subclasses, and wrongly."""

# mypy: disable-error-code="no-redef, untyped-decorator"

from __future__ import annotations

import functools
from typing import Any

import pytest

from caproto import CaprotoAttributeError, CaprotoRuntimeError, CaprotoTypeError
from caproto.server import (
    NestedPvproperty,
    PVGroup,
    PvpropertyDouble,
    PVSpec,
    SubGroup,
    get_pv_pair_wrapper,
    pvproperty,
)

pvproperty_with_rbv = get_pv_pair_wrapper()


class Axis(PVGroup):
    """What several subgroups are made of."""

    position = pvproperty(value=1.0, name="pos", units="mm")


# --- handlers for the PVs of a subgroup ---


async def test_the_halves_of_a_pair_take_handlers_by_decorators() -> None:
    calls: list[Any] = []

    class Group(PVGroup):
        pair = pvproperty_with_rbv(value=1.5)

        @pair.setpoint.putter
        async def pair(self, instance: Any, value: Any) -> None:
            calls.append((self, instance.pvname, value))
            await self.readback.write(value / 2)

        @pair.setpoint.startup
        async def pair(self, instance: Any, async_lib: Any) -> None:
            calls.append(("startup", async_lib))

        @pair.readback.getter
        async def pair(self, instance: Any) -> None:
            calls.append("get")

        @pair.readback.shutdown
        async def pair(self, instance: Any, async_lib: Any) -> None:
            calls.append("shutdown")

        @pair.readback.scan(period=1.0)
        async def pair(self, instance: Any, async_lib: Any) -> None:
            calls.append("scan")

    group = Group("p:")
    assert list(group.pvdb) == ["p:pair", "p:pair_RBV"]
    await group.pair.setpoint.write(4.0)
    assert group.pair.readback.value == 2.0
    await group.pair.setpoint.server_startup("lib")
    await group.pair.readback.read(6)
    await group.pair.readback.server_shutdown("lib")
    assert calls == [(group.pair, "p:pair", 4.0), ("startup", "lib"), "get", "shutdown"]
    assert hasattr(group.pair.readback, "server_scan")


async def test_the_other_handlers_of_a_pair_are_those_of_the_readback() -> None:
    async def hook(group: Any, instance: Any, async_lib: Any) -> None: ...

    class Group(PVGroup):
        pair = pvproperty_with_rbv(value=1, startup=hook, shutdown=hook, doc="what it is")

    pair = Group("p:").pair
    assert hasattr(pair.readback, "server_startup")
    assert hasattr(pair.readback, "server_shutdown")
    assert not hasattr(pair.setpoint, "server_startup")
    assert Group.pair.__doc__ == "what it is"


async def test_a_handler_for_one_subgroup_leaves_the_others_of_its_class_alone() -> None:
    class Stage(PVGroup):
        x = SubGroup(Axis)
        y = SubGroup(Axis)

        @x.position.putter
        async def _put_x(self, instance: Any, value: Any) -> Any:
            return value + 100

    stage = Stage("s:")
    assert list(stage.pvdb) == ["s:x:pos", "s:y:pos"]
    await stage.x.position.write(1.0)
    await stage.y.position.write(1.0)
    assert (stage.x.position.value, stage.y.position.value) == (101.0, 1.0)
    assert stage.x.position.units == "mm"
    assert isinstance(stage.x, Axis)
    assert Axis("").position.putter is None


async def test_all_handlers_of_a_nested_pv_may_be_given_at_once() -> None:
    async def get(group: Any, instance: Any) -> Any:
        return 5.0

    class Stage(PVGroup):
        x = SubGroup(Axis)
        x.position(get)

    assert (await Stage("").x.position.read(6))[1].tolist() == [5.0]


def test_the_pvs_of_a_subgroup_are_seen_in_the_class_body() -> None:
    class Stage(PVGroup):
        x = SubGroup(Axis)

    nested = Stage.x.position
    assert isinstance(nested, NestedPvproperty)
    assert nested.parent is Stage.x
    assert nested.pvspec.value == 1.0
    with pytest.raises(CaprotoAttributeError, match="SubGroup x has no 'speed'"):
        _ = Stage.x.speed


def test_the_items_of_a_dict_may_be_arguments() -> None:
    class Group(PVGroup):
        sub = SubGroup({"a": {"value": 1.5, "cls_kwargs": {"units": "V"}}, "b": PVSpec(value=2)})

    group = Group("")
    assert list(group.pvdb) == ["sub:a", "sub:b"]
    assert group.sub.a.units == "V"
    with pytest.raises(CaprotoTypeError, match="not of 3"):
        SubGroup({"a": 3})


# --- subclasses ---


async def test_a_handler_declared_in_a_subclass_leaves_the_base_class_alone() -> None:
    class Base(PVGroup):
        x = pvproperty(value=1)
        sub = SubGroup(Axis)
        pair = pvproperty_with_rbv(value=1)

        @x.putter
        async def x(self, instance: Any, value: Any) -> Any:
            return value + 1

    class Derived(Base):
        @Base.x.putter
        async def x(self, instance: Any, value: Any) -> Any:
            return value + 10

        @Base.sub.position.putter
        async def _put_position(self, instance: Any, value: Any) -> Any:
            return value + 10

        @Base.pair.setpoint.putter
        async def pair(self, instance: Any, value: Any) -> Any:
            return value + 10

    assert list(Derived("").pvdb) == list(Base("").pvdb) == ["x", "sub:pos", "pair", "pair_RBV"]
    for cls, more in ((Base, 1), (Derived, 10), (Base, 1)):
        group = cls("")
        await group.x.write(5)
        assert group.x.value == 5 + more
    base, derived = Base(""), Derived("")
    for group in (base, derived):
        await group.sub.position.write(5.0)
        await group.pair.setpoint.write(5)
    assert (base.sub.position.value, derived.sub.position.value) == (5.0, 15.0)
    assert (base.pair.readback.value, derived.pair.readback.value) == (5, 1)
    assert derived.pair.setpoint.value == 15


async def test_a_handler_may_be_added_to_a_class_that_is_finished() -> None:
    class Group(PVGroup):
        x = pvproperty(value=1)

    @Group.x.putter
    async def put(group: Any, instance: Any, value: Any) -> Any:
        return value + 1

    group = Group("")
    await group.x.write(5)
    assert group.x.value == 6


def test_one_declaration_may_serve_two_classes() -> None:
    shared = pvproperty(value=1)

    class One(PVGroup):
        x = shared

    class Other(PVGroup):
        x = shared

    assert list(One("1:").pvdb) + list(Other("2:").pvdb) == ["1:x", "2:x"]
    assert One("").x.value == Other("").x.value == 1


# --- handlers that cannot work ---


@pytest.mark.parametrize("kind", ["getter", "putter", "startup", "shutdown"])
def test_a_handler_with_other_arguments_is_refused_where_it_is_declared(kind: str) -> None:
    async def wrong(group: Any) -> None: ...

    with pytest.raises(CaprotoRuntimeError, match=r"async def wrong\(group, instance.*line"):
        getattr(pvproperty(value=1), kind)(wrong)


def test_a_handler_that_is_no_coroutine_is_refused() -> None:
    def put(group: Any, instance: Any, value: Any) -> None: ...

    with pytest.raises(CaprotoRuntimeError, match="async def put"):
        pvproperty(put=put, value=1)
    with pytest.raises(CaprotoRuntimeError, match="scan handler"):
        pvproperty(value=1).scan(period=1)(put)  # type: ignore[arg-type]


async def test_a_handler_may_be_any_callable_that_gives_a_coroutine() -> None:
    async def put(factor: float, group: Any, instance: Any, value: Any) -> Any:
        return value * factor

    class Group(PVGroup):
        x = pvproperty(value=1.0, put=functools.partial(put, 3.0))

    group = Group("")
    await group.x.write(2.0)
    assert group.x.value == 6.0


def test_a_handler_that_does_not_tell_its_signature_is_taken() -> None:
    declared: Any = pvproperty(value=1, put=dict)
    assert declared.pvspec.put is dict


# --- types ---


def test_a_data_class_may_name_its_record() -> None:
    class Fields:
        """Stands for the fields of a record."""

    with_record: Any = PvpropertyDouble
    spec: Any = pvproperty(value=1.0, dtype=with_record[Fields]).pvspec
    assert (spec.dtype, spec.record) == (PvpropertyDouble, Fields)
    declared = pvproperty[PvpropertyDouble, Any](value=1.0)
    assert declared.pvspec.value == 1.0
