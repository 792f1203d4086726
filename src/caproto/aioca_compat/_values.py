"""Values as aioca's users know them: they carry only the attributes that were asked for."""

from __future__ import annotations

import datetime
from typing import Any, Protocol

import numpy as np

from .._protocol.dbr import NATIVE_TYPES
from .._protocol.enums import ChannelType
from .._protocol.metadata import EnumFields, NumericFields, TimeFields
from ..client.augmented import bytes_of_characters
from ._constants import (
    DBR_CHAR_BYTES,
    DBR_CHAR_UNICODE,
    DBR_CLASS_NAME,
    DBR_STSACK_STRING,
)
from ._datatypes import ARRAY_TYPES, TEXTS_OF_CHARACTERS, Datatype

__all__ = ["AugmentedValue", "augmented"]


class AugmentedValue(Protocol):
    """What `caget` and `camonitor` give: a number, a text or an array that carries more.

    `name` and `ok` are there always; `datatype` and `element_count` if `ok`; `status` and `severity` with
    ``FORMAT_TIME`` and ``FORMAT_CTRL``; `timestamp`, `raw_stamp` and `datetime` with the former; `units`, the limits,
    `precision` or `enums` with the latter, as far as the type has them.
    """

    name: str
    ok: bool
    datatype: int
    element_count: int
    severity: int
    status: int
    raw_stamp: tuple[int, int]
    timestamp: float
    datetime: datetime.datetime
    units: str
    upper_disp_limit: float
    lower_disp_limit: float
    upper_alarm_limit: float
    lower_alarm_limit: float
    upper_warning_limit: float
    lower_warning_limit: float
    upper_ctrl_limit: float
    lower_ctrl_limit: float
    precision: int
    enums: list[str]

    def __pos__(self) -> Any:
        """Return the plain value."""


class ca_float(float):  # noqa: N801
    """A `float` that carries more."""


class ca_int(int):  # noqa: N801
    """An `int` that carries more."""


class ca_str(str):  # noqa: N801
    """A `str` that carries more."""

    def __pos__(self) -> str:
        return str(self)


class ca_bytes(bytes):  # noqa: N801
    """A `bytes` that carries more."""

    def __pos__(self) -> bytes:
        return bytes(self)


class ca_array(np.ndarray):  # noqa: N801
    """A `numpy.ndarray` that carries more."""

    def __pos__(self) -> Any:
        return self.view(np.ndarray)


_SCALARS: dict[type, Any] = {int: ca_int, float: ca_float, str: ca_str, bytes: ca_bytes}


def augmented(name: str, element_count: int, response: Any, datatype: Datatype) -> Any:
    """Make a value of a response.

    Parameters
    ----------
    name : str
        Of the PV.
    element_count : int
        How many elements the channel can have; with one the value is a scalar.
    response : ReadNotifyResponse or EventAddResponse
    datatype
        What the user asked for.
    """
    plain = _plain_value(response, datatype)
    as_text = isinstance(datatype, int) and datatype in TEXTS_OF_CHARACTERS
    if as_text or (element_count == 1 and type(plain) in _SCALARS):
        value = _SCALARS[type(plain)](plain)
    else:
        number_type = ARRAY_TYPES.get(NATIVE_TYPES[response.data_type])
        value = np.atleast_1d(np.asarray(plain, number_type)).view(ca_array)
    fields = value.__dict__
    fields.update(name=name, ok=True, element_count=element_count)
    type_code = int(response.data_type)
    special = type_code in (DBR_STSACK_STRING, DBR_CLASS_NAME)
    fields["datatype"] = type_code if special else int(NATIVE_TYPES[response.data_type])
    if response.metadata is not None:
        _add_metadata(fields, response.metadata)
    return value


def _plain_value(response: Any, datatype: Datatype) -> Any:
    """Return the value without what it carries."""
    if isinstance(datatype, int) and datatype in TEXTS_OF_CHARACTERS:
        raw = bytes_of_characters(response.value)
        if datatype == DBR_CHAR_BYTES:
            return raw
        return raw.decode("utf-8", "strict" if datatype == DBR_CHAR_UNICODE else "replace")
    if NATIVE_TYPES[response.data_type] is ChannelType.STRING:
        if response.data_count == 0:
            return np.array([], "S1" if datatype is bytes else "U1")
        if datatype is bytes:
            items = list(response.data)
            return items[0] if response.data_count == 1 else items
    return response.value


def _add_metadata(fields: dict[str, Any], metadata: Any) -> None:
    """Add what came with the value."""
    if isinstance(metadata, TimeFields):
        stamp = metadata.stamp
        fields["raw_stamp"] = (int(metadata.timestamp), stamp.nanoSeconds)
        fields["timestamp"] = metadata.timestamp
        fields["datetime"] = datetime.datetime.fromtimestamp(metadata.timestamp)  # noqa: DTZ006
    elif isinstance(metadata, EnumFields):
        fields["enums"] = [label.decode("utf-8", "replace") for label in metadata.enum_strings]
    elif isinstance(metadata, NumericFields):
        for field in metadata.info_fields:
            fields[field] = getattr(metadata, field)
        fields["units"] = metadata.units.decode("utf-8", "replace")
    # At the end: those of `info_fields` are members of enums.
    fields["severity"], fields["status"] = int(metadata.severity), int(metadata.status)
