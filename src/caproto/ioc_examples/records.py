"""Records: PVs with the fields that clients expect of a record, and handlers for some of those fields."""

from __future__ import annotations

from typing import Any

from caproto import ChannelType
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run
from caproto.server.records import RecordFieldGroup


class RecordMockingIOC(PVGroup):
    """Two analog inputs, two analog outputs, and a string."""

    A = pvproperty(value=1.0, record="ai", doc="The A pvproperty")
    B = pvproperty(value=2.0, record="ao", precision=3, doc="The B pvproperty")
    C = pvproperty(
        value=0.0,
        record="ai",
        upper_alarm_limit=2.0,
        lower_alarm_limit=-2.0,
        upper_warning_limit=1.0,
        lower_warning_limit=-1.0,
        upper_ctrl_limit=3.0,
        lower_ctrl_limit=-3.0,
        units="mm",
        precision=3,
        doc="The C pvproperty",
    )

    @A.fields.current_raw_value.putter
    async def _write_both(fields: RecordFieldGroup, instance: Any, value: Any) -> None:  # noqa: N805
        """A.RVAL: the first argument of a handler of a field is the group of all fields of the record."""
        ioc = fields.parent.group
        await ioc.A.write(value)
        await ioc.B.write(value)

    @B.fields.current_raw_value.putter
    async def _write_both_more(fields: RecordFieldGroup, instance: Any, value: Any) -> None:  # noqa: N805
        """B.RVAL, and D.RVAL too: ten more to both."""
        ioc = fields.parent.group
        await ioc.A.write(value + 10)
        await ioc.B.write(value + 10)

    D = pvproperty(value=2.0, precision=3, field_spec=B.fields, doc="With the handlers of B")
    E = pvproperty(value="this is a test", dtype=ChannelType.STRING, record="stringin")


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="mock:", desc="Serve some records.")
    ioc = RecordMockingIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
