"""What counts of the bytes of an answer: not the time, not the padding, not what follows a NUL."""

from __future__ import annotations

from typing import Any

STRING, INT, FLOAT, ENUM, CHAR, LONG, DOUBLE = range(7)
NAMES = ("STRING", "INT", "FLOAT", "ENUM", "CHAR", "LONG", "DOUBLE")
FAMILIES = ("", "STS_", "TIME_", "GR_", "CTRL_")
PUT_ACKT, PUT_ACKS, STSACK_STRING, CLASS_NAME = range(35, 39)
TYPES = range(39)
SIZES = (40, 2, 4, 2, 1, 4, 8)
NORMAL = 1

_METADATA = (
    (0, 0, 0, 0, 0, 0, 0),
    (4, 4, 4, 4, 5, 4, 8),
    (12, 14, 12, 14, 15, 12, 16),
    (4, 24, 40, 422, 19, 36, 64),
    (4, 28, 48, 422, 21, 44, 80),
)


def type_name(data_type: int) -> str:
    """Return the name of a DBR type."""
    if data_type >= PUT_ACKT:
        return ("PUT_ACKT", "PUT_ACKS", "STSACK_STRING", "CLASS_NAME")[data_type - PUT_ACKT]
    return FAMILIES[data_type // 7] + NAMES[data_type % 7]


def metadata_size(data_type: int) -> int:
    """Return how many bytes stand before the first value."""
    if data_type >= PUT_ACKT:
        return 8 if data_type == STSACK_STRING else 0
    return _METADATA[data_type // 7][data_type % 7]


def text(raw: bytes) -> str:
    """Return a string up to its NUL."""
    return raw.partition(b"\0")[0].decode("latin-1")


def texts(raw: bytes, size: int, count: int) -> list[str]:
    """Return strings of a fixed size."""
    return [text(raw[size * i : size * (i + 1)]) for i in range(count)]


def _metadata(data_type: int, raw: bytes) -> Any:
    """Return what counts of the metadata."""
    family, native = divmod(data_type, 7)
    alarm = raw[:4]
    if data_type == STSACK_STRING:
        return raw
    if family < 3 or native == STRING:
        return alarm
    if native == ENUM:
        count = int.from_bytes(raw[4:6], "big")
        return alarm, count, texts(raw[6:], 26, count)
    if native in (FLOAT, DOUBLE):
        return alarm, raw[4:6], text(raw[8:16]), raw[16:]
    end = len(raw) - 1 if native == CHAR else len(raw)
    return alarm, text(raw[4:12]), raw[12:end]


def canonical(data_type: int, count: int, payload: bytes) -> Any:
    """Return what counts of the payload of an answer."""
    size = metadata_size(data_type)
    native = STRING if data_type >= PUT_ACKT else data_type % 7
    values = payload[size : size + SIZES[native] * count]
    shown = texts(values, 40, count) if native == STRING else values
    return _metadata(data_type, payload[:size]), shown


def without_limits(data_type: int, said: Any) -> Any:
    """Return what counts of an answer, but for the limits of the graphic and control types."""
    if data_type < 21 or data_type >= PUT_ACKT or data_type % 7 in (STRING, ENUM):
        return said
    if isinstance(said, str):
        return said
    count, metadata, values = said
    return count, metadata[:-1], values
