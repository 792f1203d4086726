"""Our IOC with the records of ``conformance.db``."""

from __future__ import annotations

from typing import Any

from caproto import AlarmStatus, ChannelType
from caproto.server import PVGroup, PvpropertyChar, pvproperty, run
from caproto.server.records import records

DOUBLE, LONG, STRING, ENUM = (
    ChannelType.DOUBLE,
    ChannelType.LONG,
    ChannelType.STRING,
    ChannelType.ENUM,
)
SHOWN: dict[str, Any] = {"units": "mm", "upper_disp_limit": 10, "lower_disp_limit": -10}
REAL: dict[str, Any] = {**SHOWN, "precision": 3}
LIMITS: dict[str, Any] = {
    "upper_alarm_limit": 9,
    "upper_warning_limit": 8,
    "lower_warning_limit": -8,
    "lower_alarm_limit": -9,
}
SWITCH: dict[str, Any] = {"dtype": ENUM, "enum_strings": ["Off", "On"]}
STATES: dict[str, Any] = {"dtype": ENUM, "enum_strings": ["zero", "one", "two words", "three"]}
LONG_STRING: dict[str, Any] = {
    "dtype": PvpropertyChar,
    "report_as_string": True,
    "max_length": 60,
}

# By record type, what is declared for the record with a value.
DECLARED: dict[str, dict[str, Any]] = {
    "aai": {"value": [], "dtype": DOUBLE, "max_length": 5, **REAL},
    "aao": {"value": [], "dtype": DOUBLE, "max_length": 5, **REAL},
    "ai": {"value": 3.25, **REAL, **LIMITS},
    "ao": {"value": 3.25, **REAL, **LIMITS, "upper_ctrl_limit": 20, "lower_ctrl_limit": -20},
    "aSub": {"value": 7},
    "bi": {"value": 1, **SWITCH},
    "bo": {"value": 1, **SWITCH},
    "calc": {"value": 3.25, **REAL},
    "calcout": {"value": 3.25, **REAL},
    "compress": {"value": [], "dtype": DOUBLE, "max_length": 5, **REAL},
    "dfanout": {"value": 3.25, **REAL},
    "event": {"value": "12", "dtype": STRING},
    "fanout": {"value": 7},
    "histogram": {"value": [0.0] * 3},
    "int64in": {"value": 70000, "dtype": DOUBLE, **SHOWN},
    "int64out": {"value": 70000, "dtype": DOUBLE, **SHOWN},
    "longin": {"value": -70000, **SHOWN},
    "longout": {"value": -7, **SHOWN, "upper_ctrl_limit": 20000, "lower_ctrl_limit": -20000},
    "lsi": {"value": "", **LONG_STRING},
    "lso": {"value": "", **LONG_STRING},
    "mbbi": {"value": 2, **STATES},
    "mbbiDirect": {"value": 5},
    "mbbo": {"value": 2, **STATES},
    "mbboDirect": {"value": 5},
    "permissive": {"value": 1},
    "printf": {"value": "printed", **LONG_STRING},
    "sel": {"value": 3.25, "read_only": True, **REAL},
    "seq": {"value": 7},
    "state": {"value": "running", "dtype": STRING},
    "stringin": {"value": "a string of thirty-nine characters long", "dtype": STRING},
    "stringout": {"value": "hello", "dtype": STRING},
    "sub": {"value": 3.25, **REAL},
    "subArray": {"value": [], "dtype": DOUBLE, "max_length": 5, **REAL},
    "waveform": {"value": [], "dtype": DOUBLE, "max_length": 5, **REAL},
}
# By record type, what has to be declared for the record that is as it is by default.
DEFAULTS: dict[str, dict[str, Any]] = {
    **{
        name: {"value": [], "dtype": STRING, "max_length": 2}
        for name in ("aai", "aao", "subArray", "waveform")
    },
    "compress": {"value": [], "dtype": DOUBLE, "max_length": 2},
    "histogram": {"value": 0.0},
    "sel": {"read_only": True},
    "bi": {"dtype": ENUM, "value": 0},
    "bo": {"dtype": ENUM, "value": 0},
    "mbbi": {"dtype": ENUM, "value": 0},
    "mbbo": {"dtype": ENUM, "value": 0},
    **{name: {**LONG_STRING, "value": "", "max_length": 41} for name in ("lsi", "lso", "printf")},
}


def declare(record_type: str, prefix: str, arguments: dict[str, Any]) -> pvproperty[Any, Any]:
    """Declare a record, with an alarm of its own."""
    name = f"{prefix}:{record_type}"
    return pvproperty(name=name, record=record_type, alarm_group=name, **arguments)


TYPES = sorted(DECLARED)
Conforming = type(
    "Conforming",
    (PVGroup,),
    {
        **{f"r_{name}": declare(name, "R", DECLARED[name]) for name in TYPES},
        **{f"f_{name}": declare(name, "F", DEFAULTS.get(name, {})) for name in TYPES},
    },
)


# These the C IOC has not processed: they still have the status that they start with.
UNPROCESSED = ("aSub", "compress", "histogram", "sub")


if __name__ == "__main__":
    assert set(TYPES) <= set(records)
    pvdb = Conforming("").pvdb
    for name in UNPROCESSED:
        pvdb[f"R:{name}"].alarm.change(status=AlarmStatus.UDF)
    run(pvdb)
