"""The numbers that aioca's users know by name."""

from __future__ import annotations

from typing import Literal

__all__ = [
    "DBE_ALARM",
    "DBE_LOG",
    "DBE_PROPERTY",
    "DBE_VALUE",
    "DBR_CHAR",
    "DBR_CHAR_BYTES",
    "DBR_CHAR_STR",
    "DBR_CHAR_UNICODE",
    "DBR_CLASS_NAME",
    "DBR_DOUBLE",
    "DBR_ENUM",
    "DBR_ENUM_STR",
    "DBR_FLOAT",
    "DBR_LONG",
    "DBR_PUT_ACKS",
    "DBR_PUT_ACKT",
    "DBR_SHORT",
    "DBR_STRING",
    "DBR_STSACK_STRING",
    "FORMAT_CTRL",
    "FORMAT_RAW",
    "FORMAT_TIME",
    "ca_extra_fields",
]

FORMAT_RAW: Literal[0] = 0
FORMAT_TIME: Literal[1] = 1
FORMAT_CTRL: Literal[2] = 2

DBE_VALUE, DBE_LOG, DBE_ALARM, DBE_PROPERTY = 1, 2, 4, 8

DBR_STRING: Literal[0] = 0
DBR_SHORT: Literal[1] = 1
DBR_FLOAT: Literal[2] = 2
DBR_ENUM: Literal[3] = 3
DBR_CHAR: Literal[4] = 4
DBR_LONG: Literal[5] = 5
DBR_DOUBLE: Literal[6] = 6
DBR_PUT_ACKT: Literal[35] = 35
DBR_PUT_ACKS: Literal[36] = 36
DBR_STSACK_STRING: Literal[37] = 37
DBR_CLASS_NAME: Literal[38] = 38
# Not of Channel Access: how to look at CHAR and ENUM.
DBR_ENUM_STR: Literal[996] = 996
DBR_CHAR_BYTES: Literal[997] = 997
DBR_CHAR_UNICODE: Literal[998] = 998
DBR_CHAR_STR: Literal[999] = 999

ca_extra_fields: list[str] = [
    "name",
    "ok",
    "datatype",
    "element_count",
    "severity",
    "status",
    "raw_stamp",
    "timestamp",
    "datetime",
    "units",
    "upper_disp_limit",
    "lower_disp_limit",
    "upper_alarm_limit",
    "lower_alarm_limit",
    "upper_warning_limit",
    "lower_warning_limit",
    "upper_ctrl_limit",
    "lower_ctrl_limit",
    "precision",
    "enums",
]
