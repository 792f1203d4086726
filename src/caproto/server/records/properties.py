"""The declarations of record fields, made from the table."""

from __future__ import annotations

from typing import Any

from ..._constants import MAX_STRING_SIZE
from ..properties import (
    PvpropertyByte,
    PvpropertyChar,
    PvpropertyData,
    PvpropertyDouble,
    PvpropertyFloat,
    PvpropertyInteger,
    PvpropertyShort,
    PvpropertyString,
)
from ..pvproperty import pvproperty
from .data import MenuData
from .table import COMMON, FieldFacts, table

__all__ = ["FieldProperty", "own_properties", "value_class"]

_LINK_SIZE = 1024
_CLASSES: dict[str, type[PvpropertyData]] = {
    "UCHAR": PvpropertyByte,
    "BYTES": PvpropertyByte,
    "SHORT": PvpropertyShort,
    "USHORT": PvpropertyInteger,
    "LONG": PvpropertyInteger,
    "ULONG": PvpropertyDouble,
    "INT64": PvpropertyDouble,
    "UINT64": PvpropertyDouble,
    "FLOAT": PvpropertyFloat,
    "DOUBLE": PvpropertyDouble,
    "NOACCESS": PvpropertyDouble,
    "ENUM": MenuData,
    "MENU": MenuData,
    "DEVICE": MenuData,
    "STRING": PvpropertyChar,
    "INLINK": PvpropertyString,
    "OUTLINK": PvpropertyString,
    "FWDLINK": PvpropertyString,
}
"""How Channel Access serves each kind of field: it has neither unsigned nor 64-bit integers."""


class FieldProperty(pvproperty[Any, Any]):
    """The declaration of a record field."""


def _initial(facts: FieldFacts, choices: tuple[str, ...]) -> Any:
    """Return the initial value of a field."""
    text = (
        "" if facts.attribute == "undefined" else facts.initial
    )  # our PVs have a value from the start
    if facts.kind in ("ENUM", "MENU", "DEVICE"):
        return choices.index(text) if text in choices else int(text or 0)
    if facts.kind in ("STRING", "INLINK", "OUTLINK", "FWDLINK"):
        return text
    if facts.kind == "UCHAR":
        return bytes([int(text or 0)])
    if facts.kind == "BYTES":
        return b""
    if facts.kind in ("FLOAT", "DOUBLE", "NOACCESS"):
        return float(text or 0)
    return int(text or 0)


def _arguments(facts: FieldFacts) -> dict[str, Any]:
    """Return the further arguments of the declaration of a field."""
    if facts.kind == "STRING":
        return {"report_as_string": True, "max_length": int(facts.extra)}
    if facts.kind == "BYTES":
        return {"max_length": int(facts.extra)}
    if facts.kind.endswith("LINK"):
        return {"long_string_max_length": _LINK_SIZE}
    return {}


def _property(facts: FieldFacts, devices: tuple[str, ...]) -> FieldProperty:
    """Declare a field."""
    choices = devices if facts.kind == "DEVICE" else table().menus.get(facts.extra, ())
    arguments = _arguments(facts)
    if _CLASSES[facts.kind] is MenuData:
        arguments["choices"] = choices
    if facts.kind == "NOACCESS" and facts.attribute.endswith("_value"):
        # OVAL of long strings
        return _property(facts._replace(kind="STRING", extra="40", read_only=True), devices)
    return FieldProperty(
        name=facts.name,
        dtype=_CLASSES[facts.kind],
        value=_initial(facts, choices),
        doc=facts.attribute.replace("_", " ").capitalize(),
        read_only=facts.read_only or None,
        **arguments,
    )


def own_properties(cls: Any) -> dict[str, FieldProperty]:
    """Return the fields of a record type that a class of fields needs beside those that it has.

    Parameters
    ----------
    cls : type
        The class, which is not complete yet.
    """
    record_type = vars(cls).get("_table_type")
    if record_type is None:
        return {}
    everything = table()
    devices = everything.devices.get(record_type, ())
    own: dict[str, FieldProperty] = {}
    for facts in everything.fields.get(record_type, ()):
        if facts.name != "VAL":
            own[facts.attribute] = _property(facts, devices)
    if record_type == COMMON:
        own["record_type"] = FieldProperty(
            name="RTYP",
            dtype=PvpropertyString,
            value="",
            doc="Record type",
            read_only=True,
            long_string_max_length=MAX_STRING_SIZE,
        )
    elif devices:
        device = next(f for f in everything.fields[COMMON] if f.kind == "DEVICE")
        own[device.attribute] = _property(device, devices)
    return {name: item for name, item in own.items() if name not in vars(cls)}


def value_class(record_type: str) -> type[PvpropertyData] | None:
    """Return the data class that goes with a record type if none is declared.

    Returns
    -------
    type or None
        None if the fields of the record decide about that, as for a waveform.
    """
    for facts in table().fields.get(record_type, ()):
        if facts.name == "VAL" and facts.kind != "NOACCESS":
            if facts.kind == "ENUM":
                return None
            return PvpropertyString if facts.kind == "STRING" else _CLASSES[facts.kind]
    return None
