"""Readings for other programs: JSON and comma-separated values."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from typing import Any

from .._constants import EPICS2UNIX_EPOCH
from .layouts import decoded, time_of
from .readings import Reading, severity_name, status_name
from .values import Style, text_of_chars

__all__ = ["CSV_FIELDS", "csv_line", "csv_row", "json_line", "record"]

CSV_FIELDS = ("name", "timestamp", "value", "status", "severity", "error")
_NOT_SHOWN = ("status", "severity", "timestamp", "stamp")


def _plain(value: Any) -> Any:
    """Return what JSON can hold; numbers that are not finite become text."""
    if isinstance(value, bytes):
        return decoded(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _value(reading: Reading, style: Style) -> Any:
    if style.chars_as_text and reading.is_text:
        return decoded(text_of_chars(reading.values).encode("latin-1"))
    values = reading.values
    labels = reading.labels
    if labels is not None and not style.enum_as_number:
        values = [labels[value] if value < len(labels) else value for value in values]
    values = [
        decoded(value.encode("latin-1")) if isinstance(value, str) else value for value in values
    ]
    return _plain(values[0] if len(values) == 1 else values)


def record(reading: Reading, style: Style) -> dict[str, Any]:
    """Return a reading as what JSON can hold: a scalar for one element, a list for others."""
    result: dict[str, Any] = {"name": reading.name, "value": _value(reading, style)}
    if reading.stamp is not None:
        seconds, nanoseconds = reading.stamp
        result["timestamp"] = None
        if seconds or nanoseconds:
            result["timestamp"] = round(seconds + EPICS2UNIX_EPOCH + nanoseconds * 1e-9, 6)
        result["time"] = time_of(reading)
    if reading.metadata is not None:
        result["status"] = status_name(reading.status)
        result["severity"] = severity_name(reading.severity)
        for name in reading.metadata.info_fields:
            if name not in _NOT_SHOWN:
                result[name] = _plain(getattr(reading.metadata, name))
    return result


def json_line(fields: dict[str, Any]) -> str:
    """Return one line of JSON; where it is not written as UTF-8, only with characters of ASCII."""
    line = json.dumps(fields, ensure_ascii=False, allow_nan=False)
    if line.isascii():
        return line
    encoding = str(getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    return line if encoding == "utf8" else json.dumps(fields, allow_nan=False)


def csv_row(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what is written of a `record` to CSV: elements are separated by spaces, the time can be read."""
    value = fields.get("value", "")
    if isinstance(value, list):
        value = " ".join(str(each) for each in value)
    return {**fields, "value": value, "timestamp": fields.get("time", "")}


def csv_line(fields: dict[str, Any] | None, columns: tuple[str, ...] = CSV_FIELDS) -> str:
    """Return one line of CSV, the header for None."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, columns, restval="", extrasaction="ignore", lineterminator="", dialect="unix",
        quoting=csv.QUOTE_MINIMAL,
    )  # fmt: skip
    if fields is None:
        writer.writeheader()
    else:
        writer.writerow(fields)
    return text.getvalue()
