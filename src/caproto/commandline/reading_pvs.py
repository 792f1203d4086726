"""Which type and how many elements to ask for, and reading many PVs at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._errors import CaprotoError, CAStatusError
from .._protocol.dbr import promote_type
from .._protocol.enums import AccessRights, ChannelType
from .options import Parsed
from .readings import Reading
from .session import Session, Target

__all__ = ["CLASSES", "data_type_of", "native_of", "read_targets", "stand_in", "wanted_type"]

CLASSES = ("native", "status", "time", "graphic", "control")
_FLOATS = (ChannelType.FLOAT, ChannelType.DOUBLE)
_WRITE_ONLY = (ChannelType.PUT_ACKT, ChannelType.PUT_ACKS)


def data_type_of(text: str) -> ChannelType | str:
    """Return the DBR type, or class of types, that an argument of ``-d`` means.

    Raises
    ------
    ValueError
        If there is no such type.
    """
    name = text.upper().removeprefix("DBR_")
    if name.lower() in CLASSES:
        return name.lower()
    if name.endswith("SHORT"):
        name = name.removesuffix("SHORT") + "INT"
    try:
        kind = ChannelType(int(name)) if name.isdecimal() else ChannelType[name]
    except (KeyError, ValueError):
        kind = ChannelType.PUT_ACKT
    if kind in _WRITE_ONLY:
        raise ValueError(f"Requested dbr type {text!r} out of range or invalid; see --list-types")
    return kind


def native_of(pv: Any) -> ChannelType:
    """Return the type of a connected PV."""
    return ChannelType(pv.open_channel.native_data_type)


def wanted_type(pv: Any, parsed: Parsed, with_time: bool) -> ChannelType:
    """Return the DBR type to read a PV in."""
    asked, native = parsed["data_type"], native_of(pv)
    if isinstance(asked, ChannelType):
        return asked
    if isinstance(asked, str):
        return promote_type(native, asked)
    base = native
    enum_as_label = native is ChannelType.ENUM and not parsed["enum_as_number"]
    if enum_as_label or (native in _FLOATS and parsed["float_as_text"]):
        base = ChannelType.STRING
    elif native is ChannelType.ENUM:  # with a sign, as for the C tools
        base = ChannelType.INT
    return promote_type(base, "time") if with_time else base


def wanted_count(pv: Any, parsed: Parsed, whole: bool = False) -> int:
    """Return how many elements to read: as many as the PV can hold, as C tools do, or as it has with ``-c``."""
    most: int = pv.open_channel.native_data_count
    count = parsed["count"]
    if count:
        return min(int(count), most)
    return 0 if parsed["callback"] and not whole else most


async def read_targets(
    session: Session, targets: Sequence[Target], with_time: bool, whole: bool = False
) -> list[Reading | CaprotoError]:
    """Read all that are connected, in one call; the errors of the others stay.

    With `whole`, ``-c`` does not matter: ``caput`` has it for something else.
    """
    from ..asyncio._bulk import bulk_read

    parsed = session.parsed
    results: list[Reading | CaprotoError] = []
    pvs, wishes, places = [], [], []
    for place, (name, pv, error) in enumerate(targets):
        if pv is None or error is not None:
            results.append(error or CaprotoError(f"{name} is not connected"))
            continue
        native = native_of(pv)
        kind = wanted_type(pv, parsed, with_time)
        count = wanted_count(pv, parsed, whole)
        blank = Reading.blank(name, native, kind, max(1, count))
        results.append(blank)
        if pv.access_rights is not None and not pv.access_rights & AccessRights.READ:
            blank.note = "*** no read access"
            continue
        pvs.append(pv)
        wishes.append((kind, count))
        places.append(place)
    answers = await bulk_read(session.context, pvs, wishes, session.timeout)
    for place, pv, answer in zip(places, pvs, answers, strict=True):
        if isinstance(answer, CaprotoError):
            results[place] = answer
        else:
            results[place] = Reading.of_response(targets[place].name, native_of(pv), answer)
    return results


def stand_in(
    session: Session, target: Target, error: CaprotoError, with_time: bool, whole: bool = False
) -> Reading:
    """Return what C tools print of a connected PV whose value did not come."""
    assert target.pv is not None
    parsed = session.parsed
    kind = wanted_type(target.pv, parsed, with_time)
    count = max(1, wanted_count(target.pv, parsed, whole))
    reading = Reading.blank(target.name, native_of(target.pv), kind, count)
    if not isinstance(error, CAStatusError):
        reading.note = "*** no data available (timeout)"
    elif parsed["callback"] and not whole:
        status = error.status
        text = "Channel read request failed" if status.name == "ECA_GETFAIL" else status.description
        reading.note = f"*** CA error {text}"
    return reading
