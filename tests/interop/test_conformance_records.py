"""Our server and the C IOC answer alike: every record type read and written as every DBR type, and every field."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

import epicscorelibs
import pytest

from tests.interop.bulk_client import Answer, BulkClient, Channel
from tests.interop.conforming_ioc import TYPES as RECORDS
from tests.interop.dbr_layout import (
    CLASS_NAME,
    ENUM,
    NORMAL,
    PUT_ACKS,
    PUT_ACKT,
    STRING,
    STSACK_STRING,
    TYPES,
    canonical,
    metadata_size,
    type_name,
    without_limits,
)
from tests.support import CIoc, OurIoc
from tools.record_table import field_names

DATABASE = Path(__file__).with_name("conformance.db")
DBD = Path(epicscorelibs.__file__).parent / "dbd"
FIELDS = {name: [*fields, "RTYP", "NOSUCH"] for name, fields in field_names(DBD).items() if fields}
ARRAYS = ("aai", "aao", "subArray", "waveform")
LONG_STRINGS = ("lsi", "lso")
SOME_TEXT = b"some text".ljust(40, b"\0")
ELEMENTS = struct.pack(">3d", 1.5, 2.5, -3.5)
ONE = (b"1".ljust(40, b"\0"), b"\0\1", struct.pack(">f", 1), b"\0\1", b"\1", b"\0\0\0\1")
VALUES = (*ONE, struct.pack(">d", 1))
# A value that comes with metadata is refused by the C IOC whatever it is; ours is as the original here.
WRITTEN = (*range(7), PUT_ACKT, PUT_ACKS)


class Answers(NamedTuple):
    """What one server said."""

    channels: dict[str, Channel | None]
    read: dict[tuple[str, int], Any]
    """By record type and DBR type."""
    written: dict[tuple[str, int], Any]
    """The status of a write, and the value after it."""
    fields: dict[tuple[str, str], Any]
    """By record type and field: type, count, rights, value."""
    labels: dict[tuple[str, str], Any]


def said(answer: Answer) -> Any:
    """Return what counts of an answer."""
    if answer.status != NORMAL:
        return f"failed with {answer.status}"
    return answer.data_count, *canonical(answer.data_type, answer.data_count, answer.payload)


def read_all(client: BulkClient, channels: dict[str, Channel | None]) -> dict[Any, Any]:
    """Read each record as each type."""
    asked = [(name, data_type) for name in RECORDS for data_type in TYPES]
    requests = [(opened(channels, f"R:{name}"), data_type) for name, data_type in asked]
    return dict(zip(asked, map(said, client.read(requests)), strict=True))


def opened(channels: dict[str, Channel | None], name: str) -> Channel:
    channel = channels[name]
    assert channel is not None
    return channel


def write_all(client: BulkClient, channels: dict[str, Channel | None]) -> dict[Any, Any]:
    """Write one element to each record as each type, and read it after that."""
    found = {}
    for name in RECORDS:
        if name == "sub":
            continue  # without a C function it is busy for ever
        channel = opened(channels, f"R:{name}")
        for data_type in WRITTEN:
            value = VALUES[STRING if data_type > 36 else 3 if data_type > 34 else data_type % 7]
            payload = bytes(metadata_size(data_type)) + value
            status = client.write(channel, data_type, 1, payload)
            (after,) = client.read([(channel, channel.data_type)])
            found[name, data_type] = status, said(after)
    return found


def read_fields(
    client: BulkClient,
) -> tuple[dict[tuple[str, str], Any], dict[tuple[str, str], Any]]:
    """Read each field as the type that it has, and the labels of enums."""
    names = {(name, field): f"F:{name}.{field}" for name in RECORDS for field in FIELDS[name]}
    channels = client.open(list(names.values()))
    there = {key: channel for key, name in names.items() if (channel := channels[name])}
    values = client.read((channel, channel.data_type) for channel in there.values())
    fields: dict[tuple[str, str], Any] = dict.fromkeys(names)
    for (key, channel), value in zip(there.items(), values, strict=True):
        fields[key] = (*channel[1:], said(value))
    enums = {key: channel for key, channel in there.items() if channel.data_type == ENUM}
    labels = client.read((channel, 21 + ENUM) for channel in enums.values())
    return fields, {
        key: canonical(21 + ENUM, 1, answer.payload)[0][1:]
        for key, answer in zip(enums, labels, strict=True)
    }


def ask(port: int) -> Answers:
    """Ask one server everything."""
    with BulkClient(port) as client:
        channels = client.open([f"R:{name}" for name in RECORDS])
        for name in ARRAYS:
            assert client.write(opened(channels, f"R:{name}"), 6, 3, ELEMENTS) == NORMAL
        for name in LONG_STRINGS:
            assert client.write(opened(channels, f"R:{name}"), 0, 1, SOME_TEXT) == NORMAL
        read = read_all(client, channels)
        return Answers(channels, read, write_all(client, channels), *read_fields(client))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Answers, Answers]:
    """The answers of the C IOC, and ours."""
    with CIoc(DATABASE, folder=tmp_path_factory.mktemp("c")) as ioc:
        theirs = ask(ioc.port)
    folder = tmp_path_factory.mktemp("ours")
    with OurIoc("tests.interop.conforming_ioc", "R:ai", folder=folder) as ioc:
        ours = ask(ioc.port)
        assert "Traceback" not in ioc.output
    return theirs, ours


def is_(*kinds: int) -> frozenset[int]:
    """Return the DBR types of some plain types, in all families."""
    return frozenset(7 * family + kind for family in range(5) for kind in kinds)


ALL = frozenset(TYPES)
STRINGS = ("event", "lsi", "lso", "printf", "state", "stringin", "stringout")
BUSY = "the record does more with its value than to hold it"

# Where ours differs on purpose: (record types, DBR types) and why.
READ_REASONS: tuple[tuple[tuple[str, ...], frozenset[int], str], ...] = (
    (("event",), is_(3), "a text that spells a number is the number of a state, too"),
    (tuple(RECORDS), frozenset({PUT_ACKT, PUT_ACKS}), "ECA_BADTYPE says more than ECA_GETFAIL"),
    (LONG_STRINGS, is_(4), "a long string can be read as characters without asking for VAL$"),
    (("printf",), is_(4), "a long string can be read as characters without asking for VAL$"),
    (
        (*ARRAYS, "compress", "histogram"),
        frozenset({CLASS_NAME}),
        "the name is one string however long the array is",
    ),
    (("subArray",), frozenset({STSACK_STRING}), "it began with an alarm that nobody acknowledged"),
)
LIMITS_UNLIKE = (*("aSub", "bi", "bo", "event", "int64in", "int64out", "mbbi", "mbbo", "seq"),)
"""Here the record type has no limits, and the C IOC answers with NaN or with the range of an internal type."""
WRITE_REASONS: tuple[tuple[tuple[str, ...], frozenset[int], str], ...] = (
    (STRINGS, is_(4), "characters that are written to a string are text"),
    (("compress", "histogram", "printf"), ALL, BUSY),
)
FIELD_REASONS = {
    "RTYP": "a record cannot change its type, whatever is said about access",
    "STAT": "a PV has a value from the start",
    "SEVR": "a PV has a value from the start",
    "UDF": "a PV has a value from the start",
    "HHSV": "a limit that is set raises an alarm, without a severity being set",
    "HSV": "a limit that is set raises an alarm, without a severity being set",
    "LSV": "a limit that is set raises an alarm, without a severity being set",
    "LLSV": "a limit that is set raises an alarm, without a severity being set",
    "lsi.VAL": "an empty text is one string",
    "lsi.OVAL": "an empty text is one string",
    "lso.VAL": "an empty text is one string",
    "lso.OVAL": "an empty text is one string",
    "printf.VAL": "an empty text is one string",
    "mbbo.VAL": "a PV does not change its type with the number of its labels",
    "sub.PACT": "there is no C function whose absence could keep the record busy",
}
LABEL_REASONS = {
    "bi.VAL": "labels are declared, or there are none",
    "bo.VAL": "labels are declared, or there are none",
}


def reason(
    reasons: tuple[tuple[tuple[str, ...], frozenset[int], str], ...], name: str, data_type: int
) -> str | None:
    """Return why an answer may differ."""
    for names, data_types, why in reasons:
        if name in names and data_type in data_types:
            return why
    return None


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_read_as_every_type_as_from_the_c_ioc(
    both: tuple[Answers, Answers], name: str
) -> None:
    theirs, ours = both
    different = {}
    for data_type in TYPES:
        pair = theirs.read[name, data_type], ours.read[name, data_type]
        if name in LIMITS_UNLIKE:
            pair = without_limits(data_type, pair[0]), without_limits(data_type, pair[1])
        if pair[0] != pair[1] and reason(READ_REASONS, name, data_type) is None:
            different[type_name(data_type)] = pair
    assert different == {}
    assert ours.channels[f"R:{name}"][1:] == theirs.channels[f"R:{name}"][1:]  # type: ignore[index]


@pytest.mark.parametrize("name", [name for name in RECORDS if name != "sub"])
def test_a_record_is_written_as_every_type_as_to_the_c_ioc(
    both: tuple[Answers, Answers], name: str
) -> None:
    theirs, ours = both
    assert {
        type_name(data_type): (theirs.written[name, data_type], ours.written[name, data_type])
        for data_type in WRITTEN
        if theirs.written[name, data_type] != ours.written[name, data_type]
        and reason(WRITE_REASONS, name, data_type) is None
    } == {}


@pytest.mark.parametrize("name", RECORDS)
def test_the_fields_of_a_record_are_those_of_the_c_ioc(
    both: tuple[Answers, Answers], name: str
) -> None:
    theirs, ours = both
    assert {
        field: (theirs.fields[name, field], ours.fields[name, field])
        for field in FIELDS[name]
        if repr(theirs.fields[name, field]) != repr(ours.fields[name, field])
        and not {field, f"{name}.{field}"} & set(FIELD_REASONS)
    } == {}


@pytest.mark.parametrize("name", RECORDS)
def test_the_choices_of_menus_are_those_of_the_c_ioc(
    both: tuple[Answers, Answers], name: str
) -> None:
    theirs, ours = both
    mine = {field: labels for (record, field), labels in theirs.labels.items() if record == name}
    assert {
        field: (labels, ours.labels.get((name, field)))
        for field, labels in mine.items()
        if labels != ours.labels.get((name, field)) and f"{name}.{field}" not in LABEL_REASONS
    } == {}


def test_the_c_ioc_was_asked_for_all_record_types_and_has_answered(
    both: tuple[Answers, Answers],
) -> None:
    theirs, _ = both
    assert set(RECORDS) == set(FIELDS)
    assert sum(not isinstance(said, str) for said in theirs.read.values()) > 1000
    assert sum(status == NORMAL for status, _ in theirs.written.values()) > 200
    assert sum(said is not None for said in theirs.fields.values()) > 2000


def test_every_reason_is_needed(both: tuple[Answers, Answers]) -> None:
    theirs, ours = both
    for reasons, one, other in (
        (READ_REASONS, theirs.read, ours.read),
        (WRITE_REASONS, theirs.written, ours.written),
    ):
        needed = {reason(reasons, *key) for key in one if one[key] != other[key]}
        assert {why for _, _, why in reasons} <= needed
    for record_reasons, one_field, other_field in (
        (FIELD_REASONS, theirs.fields, ours.fields),
        (LABEL_REASONS, theirs.labels, ours.labels),
    ):
        differing = {key for key in one_field if one_field[key] != other_field.get(key)}
        names = {field for _, field in differing} | {".".join(key) for key in differing}
        assert set(record_reasons) <= names
    for name in LIMITS_UNLIKE:
        assert any(theirs.read[name, number] != ours.read[name, number] for number in range(21, 35))
