"""PVs with a record type: their fields, what these are linked to, and the handlers that they may have."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from typing import Any

import pytest

from caproto import (
    AlarmSeverity,
    AlarmStatus,
    CaprotoAttributeError,
    CaprotoValueError,
    ChannelType,
    SkipWrite,
)
from caproto.asyncio.server import AsyncioAsyncLayer
from caproto.server import (
    PVGroup,
    PvpropertyDouble,
    PvpropertyInteger,
    PvpropertyString,
    pvproperty,
    scan_wrapper,
)
from caproto.server.records import (
    AiFields,
    RecordFieldGroup,
    get_record_registry,
    link_enum_strings,
    link_parent_attribute,
    records,
    register_record,
    summarize,
)
from tests.asyncio.raw_client import RawClient, serving
from tests.support.raw_messages import raw_message


class Records(PVGroup):
    """Some records, each with an alarm of its own."""

    ai = pvproperty(
        value=1.0,
        record="ai",
        alarm_group="ai",
        doc="An analog input",
        units="mm",
        precision=2,
        upper_alarm_limit=5,
        upper_warning_limit=4,
        lower_warning_limit=-4,
        lower_alarm_limit=-5,
    )
    ao = pvproperty(
        value=2.0, record="ao", alarm_group="ao", upper_ctrl_limit=9, lower_ctrl_limit=-9
    )
    bo = pvproperty(
        value=1, dtype=ChannelType.ENUM, record="bo", enum_strings=["a", "b"], alarm_group="bo"
    )
    mbbo = pvproperty(
        value=2,
        dtype=ChannelType.ENUM,
        record="mbbo",
        enum_strings=["x", "y", "z"],
        alarm_group="mbbo",
    )
    bits = pvproperty(value=5, record="mbboDirect", alarm_group="bits")
    array = pvproperty(value=[1.0, 2.0], max_length=4, record="waveform", alarm_group="array")
    plain = pvproperty(value=3)


@pytest.fixture
def group() -> Records:
    return Records("r:")


def shown(pv: Any, field: str) -> Any:
    return pv.get_field(field).value


def putter(pv: Any, field: str) -> Any:
    return pv.get_field(field).putter


# --- what there is ---


def test_the_server_does_not_load_records_before_one_is_declared() -> None:
    program = (
        "import sys; from caproto.server import PVGroup, pvproperty\n"
        "class A(PVGroup):\n    x = pvproperty(value=1)\n"
        "A('').pvdb; assert 'caproto.server.records' not in sys.modules\n"
        "class B(PVGroup):\n    x = pvproperty(value=1, record='ai')\n"
        "assert 'caproto.server.records' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_field_is_made_when_it_is_asked_for(group: Records) -> None:
    fields = group.ai.fields
    assert len(fields) > 70
    assert "DESC" in fields
    assert "NOSUCH" not in fields
    assert group.ai.field_inst._made == {}
    assert fields["DESC"] is group.ai.get_field("DESC") is group.ai.field_inst.description
    assert list(group.ai.field_inst._made) == ["description"]
    assert {field.pvname for field in fields.values()} == {f"r:ai.{name}" for name in fields}


def test_val_is_the_pv_itself(group: Records) -> None:
    assert group.ai.get_field("VAL") is group.ai
    assert group.plain.get_field("VAL") is group.plain


def test_a_pv_without_a_record_type_has_no_fields_but_val(group: Records) -> None:
    assert group.plain.fields == {}
    assert group.plain.field_inst is None
    assert group.plain.reported_record_type == "caproto"
    for field in ("RTYP", "DESC"):
        with pytest.raises(CaprotoAttributeError, match="declare it with record="):
            group.plain.get_field(field)


def test_a_field_that_the_record_type_does_not_have_is_an_error(group: Records) -> None:
    with pytest.raises(CaprotoAttributeError, match="r:ai has no field ZNAM"):
        group.ai.get_field("ZNAM")


def test_an_unknown_record_type_is_refused_when_it_is_declared() -> None:
    with pytest.raises(CaprotoValueError, match="there is no record type 'aj'; there are aai, aao"):
        pvproperty(value=1, record="aj")


def test_names_are_known_by_two_ways(group: Records) -> None:
    assert shown(group.ai, "NAME") == "r:ai"
    assert shown(group.ai, "RTYP") == "ai" == group.ai.reported_record_type
    assert group.ai.record_type == "ai" == Records.ai.record_type


@pytest.mark.parametrize(
    ("record", "cls"),
    [
        ("ai", PvpropertyDouble),
        ("longout", PvpropertyInteger),
        ("stringin", PvpropertyString),
        (AiFields, PvpropertyDouble),
    ],
)
def test_the_record_type_says_what_the_pv_is_if_nothing_else_does(record: Any, cls: type) -> None:
    class Bare(PVGroup):
        pv = pvproperty(record=record)

    assert type(Bare("").pv) is cls


# --- links ---


@pytest.mark.parametrize(
    ("field", "value", "attribute"),
    [
        ("PREC", 4, "precision"),
        ("EGU", "cm", "units"),
        ("HOPR", 30.0, "upper_disp_limit"),
        ("LOPR", -30.0, "lower_disp_limit"),
        ("HIHI", 7.0, "upper_alarm_limit"),
        ("HIGH", 6.0, "upper_warning_limit"),
        ("LOW", -6.0, "lower_warning_limit"),
        ("LOLO", -7.0, "lower_alarm_limit"),
        ("MDEL", 0.5, "value_atol"),
        ("ADEL", 0.7, "log_atol"),
    ],
)
async def test_metadata_and_fields_are_one(
    group: Records, field: str, value: Any, attribute: str
) -> None:
    data = group.ai.get_field(field)
    assert data.value == getattr(group.ai, attribute)
    await data.write(value)
    assert getattr(group.ai, attribute) == value == data.value


async def test_drive_limits_are_control_limits(group: Records) -> None:
    await group.ao.get_field("DRVH").write(1.0)
    with pytest.raises(CaprotoValueError):
        await group.ao.write(2.0)
    await group.ao.write_metadata(upper_ctrl_limit=4.0)
    assert shown(group.ao, "DRVH") == 4.0


async def test_a_limit_that_is_moved_changes_the_alarm_at_once(group: Records) -> None:
    await group.ai.get_field("HIHI").write(0.5)
    assert (group.ai.alarm.status, group.ai.alarm.severity) == (
        AlarmStatus.HIHI,
        AlarmSeverity.MAJOR_ALARM,
    )
    assert shown(group.ai, "SEVR") == "MAJOR"
    assert shown(group.ai, "STAT") == "HIHI"
    await group.ai.get_field("HHSV").write("INVALID")
    assert shown(group.ai, "SEVR") == "INVALID"
    await group.ai.get_field("HHSV").write("NO_ALARM")
    assert shown(group.ai, "SEVR") == "NO_ALARM"


async def test_fields_leave_the_alarm_of_the_record_alone(group: Records) -> None:
    await group.ai.write(9.0)
    assert shown(group.ai, "SEVR") == "MAJOR"
    await group.ai.get_field("SMOO").write(0.5)
    await group.ai.get_field("EGU").write("mm")
    assert shown(group.ai, "SEVR") == "MAJOR"


async def test_a_field_that_refuses_a_value_is_no_alarm_of_the_record() -> None:
    class Refusing(PVGroup):
        x = pvproperty(value=1.0, record="ai")

        @x.fields.smoothing.putter
        async def _put(self: Any, instance: Any, value: Any) -> None:
            raise OSError("no filter here")

    group = Refusing("p:")
    with pytest.raises(OSError, match="no filter"):
        await group.x.get_field("SMOO").write(0.5)
    assert shown(group.x, "SEVR") == "NO_ALARM"


async def test_hyst_keeps_an_alarm_that_is_nearly_over(group: Records) -> None:
    await group.ai.get_field("HYST").write(1.0)
    assert shown(group.ai, "HYST") == 1.0
    for value, status in (
        (5.0, "HIHI"),
        (4.5, "HIHI"),
        (3.9, "NO_ALARM"),
        (4.0, "HIGH"),
        (3.5, "HIGH"),
    ):
        await group.ai.write(value)
        assert shown(group.ai, "STAT") == status


async def test_an_alarm_status_beyond_the_first_sixteen_has_its_name(group: Records) -> None:
    await group.ai.alarm.write(status=AlarmStatus.UDF, severity=AlarmSeverity.INVALID_ALARM)
    stat: Any = group.ai.get_field("STAT")
    assert stat.value == "UDF"
    assert len(stat.enum_strings) == 16
    assert stat.values_as(ChannelType.STRING) == [b"UDF"]
    assert list(stat.values_as(ChannelType.ENUM)) == [17]


async def test_labels_are_fields(group: Records) -> None:
    await group.bo.get_field("ONAM").write("On")
    assert group.bo.enum_strings == ("a", "On")
    assert group.bo.value == "On"
    assert [shown(group.mbbo, f) for f in ("ZRST", "TWST", "THST")] == ["x", "z", ""]
    await group.mbbo.get_field("FRST").write("five")
    assert shown(group.mbbo, "FRST") == "five"
    assert shown(group.mbbo, "TVST") == ""
    await group.mbbo.get_field("FRST").write("")
    assert group.mbbo.enum_strings == ("x", "y", "z")


async def test_a_state_can_be_an_alarm(group: Records) -> None:
    await group.bo.get_field("OSV").write("MINOR")
    assert (shown(group.bo, "STAT"), shown(group.bo, "SEVR")) == ("STATE", "MINOR")
    await group.bo.write("a")
    assert (shown(group.bo, "STAT"), shown(group.bo, "SEVR")) == ("NO_ALARM", "NO_ALARM")
    await group.mbbo.get_field("THSV").write("MAJOR")
    await group.mbbo.write(3)
    assert shown(group.mbbo, "SEVR") == "MAJOR" == shown(group.mbbo, "THSV")
    assert shown(group.mbbo, "FFSV") == "NO_ALARM"


async def test_the_raw_value_and_the_bits_are_the_value(group: Records) -> None:
    await group.bo.get_field("RVAL").write(0)
    assert group.bo.value == "a"
    assert [shown(group.bits, f"B{bit}") for bit in "0123"] == [b"\1", b"\0", b"\1", b"\0"]
    await group.bits.get_field("B3").write(1)
    await group.bits.get_field("B0").write(0)
    await group.bits.get_field("B1F").write(1)
    assert group.bits.value == 12 - (1 << 31)


async def test_an_array_says_how_long_it_is_and_may_be(group: Records) -> None:
    assert shown(group.array, "NELM") == 4
    assert shown(group.array, "NORD") == 2
    assert shown(group.array, "FTVL") == "DOUBLE"
    await group.array.write([1.0, 2.0, 3.0])
    assert shown(group.array, "NORD") == 3


async def test_desc_is_the_doc_of_the_pv(group: Records) -> None:
    assert shown(group.ai, "DESC") == "An analog input"
    await group.ai.get_field("DESC").write("Something else")
    assert group.ai.__doc__ == "Something else" == shown(group.ai, "DESC")
    assert shown(group.ao, "DESC") == ""


async def test_last_values_follow(group: Records) -> None:
    await group.ai.write(3.5)
    assert [shown(group.ai, f) for f in ("MLST", "ALST", "LALM")] == [3.5, 3.5, 3.5]


# --- what fields do ---


class Handled(PVGroup):
    """Notes what its handlers are called for."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix)
        self.calls: list[Any] = []

    got = pvproperty(value=1.0, record="ai", alarm_group="got")
    put = pvproperty(value=2.0, record="ao", alarm_group="put")

    @got.getter
    async def _get(self, instance: Any) -> float:
        self.calls.append("get")
        return 7.0

    @put.putter
    async def _put(self, instance: Any, value: float) -> None:
        self.calls.append(("put", value))

    @put.fields.scan_rate.putter
    async def _scan_rate(fields: RecordFieldGroup, instance: Any, value: Any) -> None:  # noqa: N805
        fields.parent.group.calls.append(("SCAN", fields.parent.pvname, str(value)))

    @put.fields.EGU.putter
    async def _egu(fields: RecordFieldGroup, instance: Any, value: Any) -> str:  # noqa: N805
        if value == "no":
            raise SkipWrite
        return str(value).upper()

    @put.fields.current_raw_value.getter
    async def _rval(fields: RecordFieldGroup, instance: Any) -> int:  # noqa: N805
        return 42


async def test_proc_gets_the_value_or_puts_it() -> None:
    group = Handled("h:")
    await group.got.get_field("PROC").write(1)
    assert group.got.value == 7.0
    await group.put.get_field("PROC").write(1)
    assert group.calls == ["get", ("put", 2.0)]


async def test_proc_does_nothing_but_raise_an_alarm_while_disabled() -> None:
    group = Handled("h:")
    await group.put.get_field("DISA").write(1)
    await group.put.get_field("DISS").write("MINOR")
    await group.put.get_field("PROC").write(1)
    assert group.calls == []
    assert shown(group.put, "STAT") == "DISABLE"
    assert shown(group.put, "SEVR") == "MINOR"


async def test_tpro_has_processing_logged(caplog: pytest.LogCaptureFixture) -> None:
    group = Handled("h:")
    with caplog.at_level("INFO"):
        await group.put.get_field("PROC").write(1)
        assert "process" not in caplog.text
        await group.put.get_field("TPRO").write(1)
        await group.put.get_field("PROC").write(1)
        assert "h:put: process" in caplog.text


async def test_handlers_of_fields_get_the_group_of_fields() -> None:
    group = Handled("h:")
    await group.put.get_field("SCAN").write("2 second")
    assert group.calls == [("SCAN", "h:put", "2 second")]
    assert group.put.field_inst.scan_rate_sec == 2.0
    await group.put.get_field("SCAN").write("I/O Intr")
    assert group.put.field_inst.scan_rate_sec == 0.0


async def test_handlers_of_fields_may_change_or_skip_what_is_written() -> None:
    group = Handled("h:")
    await group.put.get_field("EGU").write("mm")
    await group.put.get_field("EGU").write("no")
    assert group.put.units == "MM"
    await group.put.get_field("RVAL").read(ChannelType.LONG)
    assert shown(group.put, "RVAL") == 42


def test_handlers_are_not_those_of_other_pvs() -> None:
    group = Handled("h:")
    assert putter(group.got, "SCAN") is None
    assert AiFields.scan_rate.pvspec.put is None


def test_a_field_spec_can_be_shared_and_given_as_items() -> None:
    async def put(*args: Any) -> None: ...

    class Sharing(PVGroup):
        first = pvproperty(value=1.0, record="ai", fields=((("scan_rate", "put"), put),))
        second = pvproperty(value=1.0, field_spec=first.fields)

    assert Sharing.second.record_type == "ai"
    assert Sharing.second.fields.fields == ((("scan_rate", "put"), put),)
    assert Sharing.first.field_spec is not None
    group = Sharing("")
    for pv in (group.first, group.second):
        assert putter(pv, "SCAN").func is put
    assert "AiFields" in repr(Sharing.first.fields)
    assert "scan_rate" in repr(Sharing.first.fields.SCAN)


def test_a_field_spec_says_what_is_missing() -> None:
    with pytest.raises(CaprotoAttributeError, match="AiFields has no field with the attribute 'x'"):
        _ = pvproperty(value=1.0, record="ai").fields.x
    with pytest.raises(CaprotoAttributeError, match="has no fields without record="):
        _ = pvproperty(value=1.0).fields
    assert pvproperty(value=1.0).field_spec is None


async def test_disp_refuses_what_clients_write_but_not_what_the_ioc_does(group: Records) -> None:
    await group.ai.get_field("DISP").write(1)
    for data in (group.ai, group.ai.get_field("EGU"), group.ai.get_field("PROC")):
        with pytest.raises(CaprotoValueError, match="DISP"):
            data.write_now([1], ChannelType.LONG, None)
        with pytest.raises(CaprotoValueError, match="DISP"):
            await data.auth_write("host", "user", [1], ChannelType.LONG, None)
    await group.ai.write(2.0)
    await group.ai.get_field("EGU").write("um")
    group.ai.get_field("DISP").write_now(0, ChannelType.LONG, None)
    group.ai.write_now(3.0, ChannelType.DOUBLE, None)
    assert group.ai.value == 3.0


# --- record types of a program ---


@register_record
class Own(AiFields):
    """A record type with a field more and another putter."""

    _record_type = "own"
    noted: list[Any]
    extra = pvproperty(name="XTRA", value=3)

    @AiFields.current_raw_value.putter
    async def set_raw_value(self, instance: Any, value: Any) -> None:
        """Put the value."""
        await self.parent.write(value * 2)

    async def value_write_hook(self, instance: Any, value: Any) -> None:
        """Note new values."""
        vars(self).setdefault("noted", []).append(value)


class Owning(PVGroup):
    """PVs of that type, by name and by class."""

    one = pvproperty(value=1.0, record="own")
    two = pvproperty(value=2.0, record=Own)


async def test_a_program_can_hook_the_new_values_of_one_record() -> None:
    group = Owning("")
    seen: list[Any] = []

    async def hook(instance: Any, value: Any) -> None:
        seen.append((instance, value))

    await group.two.write(1.0)
    group.two.field_inst.value_write_hook = hook
    await group.one.write(5.0)
    await group.two.write(6.0)
    await group.two.write(7.0, update_fields=False)
    assert seen == [(group.two, 6.0)]
    assert group.one.field_inst.noted == [5.0]


async def test_a_program_can_make_record_types() -> None:
    group = Owning("")
    assert records["own"] is Own
    assert get_record_registry()["own"] is Own
    for pv in (group.one, group.two):
        assert shown(pv, "RTYP") == "own"
        assert shown(pv, "XTRA") == 3
        await pv.get_field("RVAL").write(4)
        assert pv.value == 8
        assert pv.field_inst.noted == [8]
    assert AiFields.current_raw_value.pvspec.put is None


def test_a_record_type_needs_a_name() -> None:
    with pytest.raises(CaprotoValueError, match="Nameless needs a _record_type"):

        @register_record
        class Nameless(AiFields):
            pass


class Linked(RecordFieldGroup):
    """Fields of a program that are linked to the PV."""

    _record_type = "linked"
    digits = pvproperty(name="DIGITS", dtype=int)
    note = pvproperty(name="NOTE", value="")
    label = pvproperty(name="LABEL", value="")
    link_parent_attribute(digits, "precision")
    link_parent_attribute(note, "note", use_setattr=True, default="nothing")
    link_enum_strings(label, 1)


async def test_a_program_can_link_fields_of_its_own() -> None:
    class Linking(PVGroup):
        number = pvproperty(value=1.0, precision=3, record=Linked)
        state = pvproperty(value=0, dtype=ChannelType.ENUM, enum_strings=["a", "b"], record=Linked)

    group = Linking("")
    for pv, field, before, after in (
        (group.number, "DIGITS", 3, 5),
        (group.number, "NOTE", "nothing", "something"),
        (group.state, "LABEL", "b", "c"),
    ):
        data: Any = pv.get_field(field)
        await data.read(data.data_type)
        assert data.value == before
        await data.write(after)
        await data.read(data.data_type)
        assert data.value == after
    assert group.number.precision == 5
    assert group.state.enum_strings == ("a", "c")
    assert shown(group.number, "RTYP") == "linked"


def test_all_record_types_can_be_listed() -> None:
    out = io.StringIO()
    summarize(out)
    assert "\nao (AoFields)\n" in out.getvalue()
    assert "    DRVH     drive_high_limit " in out.getvalue()


# --- with a server ---


async def test_hooks_of_fields_run_beside_the_server(loopback: Any) -> None:
    ran: list[str] = []
    started = asyncio.Event()

    class Hooked(PVGroup):
        pv = pvproperty(value=1.0, record="ai")

        @pv.fields.description.startup
        async def _start(fields: RecordFieldGroup, instance: Any, async_lib: Any) -> None:  # noqa: N805
            ran.append(instance.pvname)

        @pv.fields.description.shutdown
        async def _end(fields: RecordFieldGroup, instance: Any, async_lib: Any) -> None:  # noqa: N805
            ran.append("end")

        @pv.fields.event_name.scan(period=0.001)
        async def _scan(fields: RecordFieldGroup, instance: Any, async_lib: Any) -> None:  # noqa: N805
            ran.append("scan")
            if ran.count("scan") == 3:
                started.set()

    async with serving(Hooked("s:").pvdb):
        await started.wait()
    assert ran[0] == "s:pv.DESC"
    assert ran.count("scan") >= 3
    assert ran[-1] == "end"


async def test_subscribers_of_fields_hear_of_changes_of_the_pv(
    loopback: Any, group: Records
) -> None:
    async with serving(group.pvdb) as context:
        assert context.port is not None
        client = await RawClient.connect(context.port)
        client.send(raw_message(0, 0, 13))
        sid = await client.create("r:ai.PREC", 1)
        first = await client.subscribe(sid, 1, 1)
        assert first.payload[:2] == b"\0\2"
        await group.ai.write_metadata(precision=6)
        assert (await client.next()).payload[:2] == b"\0\6"
        sid = await client.create("r:array.NORD", 2)
        assert (await client.subscribe(sid, 2, 5)).payload[:4] == b"\0\0\0\2"
        await group.array.write([1.0])
        assert (await client.next()).payload[:4] == b"\0\0\0\1"
        sid = await client.create("r:ai.SEVR", 3)
        assert (await client.subscribe(sid, 3, 3)).payload[:2] == b"\0\0"
        await group.ai.write(100.0)
        assert (await client.next()).payload[:2] == b"\0\2"
        await client.close()


async def test_the_scan_field_sets_the_pace() -> None:
    group = Handled("h:")
    times = asyncio.Queue[None]()

    async def scan(ioc: Any, instance: Any, async_lib: Any) -> None:
        times.put_nowait(None)

    layer = AsyncioAsyncLayer()
    scanned = scan_wrapper(scan, 1000.0, use_scan_field=True)
    task = asyncio.ensure_future(scanned(group, group.got, layer))
    await times.get()
    assert shown(group.got, "SCAN") == "Passive"  # no choice is a thousand seconds
    await group.got.get_field("SCAN").write(".1 second")
    await times.get()
    await times.get()
    await group.got.get_field("SCAN").write("Passive")
    assert group.got.field_inst.scan_rate_sec == 0.0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_scan_shows_the_period_that_was_declared() -> None:
    group = Handled("h:")
    group.got.field_inst.begin_scan(0.5, lambda: None)
    assert shown(group.got, "SCAN") == ".5 second"
    group.got.field_inst.begin_scan(10, lambda: None)
    assert shown(group.got, "SCAN") == ".5 second"


async def test_without_a_record_the_declared_period_holds() -> None:
    group = Records("r:")
    count = 0

    async def scan(ioc: Any, instance: Any, async_lib: Any) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise asyncio.CancelledError

    scanned = scan_wrapper(scan, 0.001, use_scan_field=True)
    with pytest.raises(asyncio.CancelledError):
        await scanned(group, group.plain, AsyncioAsyncLayer())
