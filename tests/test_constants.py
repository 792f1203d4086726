"""Numbers that other programs know by name."""

from __future__ import annotations

from datetime import datetime, timezone

from caproto import EPICS_EPOCH
from caproto import _constants as const


def test_every_exported_constant_exists_and_every_constant_is_exported() -> None:
    names = {name for name in vars(const) if name.isupper()}
    assert names == set(const.__all__)


def test_the_epics_epoch_is_1990_in_utc() -> None:
    epoch = datetime(1990, 1, 1, tzinfo=timezone.utc)
    assert epoch == EPICS_EPOCH
    assert EPICS_EPOCH.timestamp() == const.EPICS2UNIX_EPOCH


def test_a_name_of_greatest_length_fills_one_datagram_of_libca() -> None:
    # VERSION header, SEARCH header, the name and its NUL; payloads are multiples of 8 bytes.
    payload = const.MAX_RECORD_LENGTH + 1
    assert payload % 8 == 0
    assert 16 + 16 + payload == const.MAX_UDP_SEND
    assert const.MAX_UDP_SEND <= const.SEARCH_MAX_DATAGRAM_BYTES


def test_there_are_as_many_ids_as_fit_a_header_field() -> None:
    assert (const.MAX_ID - 1).bit_length() == 32
