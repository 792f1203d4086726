"""Channel filters and long strings, without sockets; `tests/interop` compares them with the C IOC."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from caproto import ChannelChar, ChannelData, ChannelDouble, ChannelEnum, ChannelString
from caproto._protocol.filter_chain import parse_filter_chain
from caproto._protocol.filters import FilterValidationError
from caproto.server._engine.source import Source, source_of
from tests.support.raw_messages import RawMessage, raw_message

from .fake_shell import Client

LONG_TEXT = "a text of more than the forty characters that a string has"


def doubles(sent: list[RawMessage]) -> list[tuple[int, tuple[float, ...]]]:
    """Return subscription and values of each update."""
    assert {each.command for each in sent} <= {1}
    return [(m.p2, struct.unpack_from(f">{m.data_count}d", m.payload)) for m in sent]


def write(client: Client, pv: ChannelData, value: Any) -> list[RawMessage]:
    """Let the IOC write a PV, and return what the client gets."""
    pv.write_now([value] if not isinstance(value, list) else value, pv.data_type, None)
    return client.turn()


def test_each_subscription_has_a_filter_state_of_its_own() -> None:
    pv = ChannelDouble(value=0.0)
    client = Client({"x": pv})
    sid = client.create('x.{"dbnd":{"abs":1}}')
    assert doubles(client.subscribe(sid, 0)) == [(0, (0.0,))]
    assert write(client, pv, 0.9) == []
    assert doubles(client.subscribe(sid, 1)) == [(1, (0.9,))]
    assert doubles(write(client, pv, 1.5)) == [(0, (1.5,))]
    assert doubles(write(client, pv, 2.0)) == [(1, (2.0,))]


def test_plain_subscriptions_beside_a_filter_get_everything() -> None:
    pv = ChannelDouble(value=0.0)
    client = Client({"x": pv})
    plain, filtered = client.create("x", 1), client.create('x.{"dec":{"n":2}}', 2)
    client.subscribe(plain, 0)
    client.subscribe(filtered, 1)
    assert doubles(write(client, pv, 1.0)) == [(0, (1.0,))]
    assert doubles(write(client, pv, 2.0)) == [(0, (2.0,)), (1, (2.0,))]


def test_pv_is_as_before_when_the_last_filtered_subscription_has_ended() -> None:
    pv = ChannelDouble(value=0.0)
    client = Client({"x": pv})
    sid = client.create("x.[0]")
    client.subscribe(sid, 0)
    assert type(source_of(pv)) is not Source
    client.tell(raw_message(2, 6, 0, sid, 0))
    assert type(source_of(pv)) is Source
    client.subscribe(sid, 1)
    client.circuit.close()
    assert type(source_of(pv)) is Source
    assert source_of(pv).views is None


def test_slow_client_is_held_the_newest_update_that_passed() -> None:
    pv = ChannelDouble(value=0.0)
    client = Client({"x": pv})
    sid = client.create('x.{"dbnd":{"abs":1}}')
    client.subscribe(sid, 7)
    client.tell(raw_message(8))
    for value in (2.0, 4.0, 4.5):
        assert write(client, pv, value) == []
    assert doubles(client.tell(raw_message(9))) == [(7, (4.0,))]


def test_array_filter_follows_an_array_that_grows_and_shrinks() -> None:
    pv = ChannelDouble(value=[1.0, 2.0, 3.0], max_length=10)
    client = Client({"x": pv})
    sid = client.create("x.[-2:]")
    assert doubles(client.subscribe(sid, 0)) == [(0, (2.0, 3.0))]
    assert doubles(write(client, pv, [5.0])) == [(0, (5.0,))]
    assert doubles(write(client, pv, [])) == [(0, ())]
    assert doubles(write(client, pv, [4.0, 5.0, 6.0, 7.0])) == [(0, (6.0, 7.0))]


def test_ts_filter_gives_the_time_at_which_it_is_sent() -> None:
    pv = ChannelDouble(value=1.0, timestamp=1_000_000_000.0)
    client = Client({"x": pv})
    plain, filtered = client.create("x", 1), client.create('x.{"ts":{}}', 2)
    old = client.tell(raw_message(15, 20, 1, plain, 1))[0].payload
    new = client.tell(raw_message(15, 20, 1, filtered, 1))[0].payload
    assert old[:4] + old[16:] == new[:4] + new[16:]
    assert struct.unpack_from(">I", old, 4) < struct.unpack_from(">I", new, 4)


@pytest.mark.parametrize(
    ("options", "data_type", "expected"),
    [
        ('"num":"dbl","epoch":"unix"', 6, (1_000_000_000.5,)),
        ('"num":"dbl"', 6, (1_000_000_000.5 - 631152000,)),
        ('"num":"sec","epoch":"unix"', 6, (1e9,)),
        ('"num":"nsec"', 6, (5e8,)),
        ('"num":"ts","epoch":"unix"', 6, (1e9, 5e8)),
        ('"str":"iso"', 6, (2001.0,)),
    ],
)
def test_ts_filter_gives_the_time_in_place_of_the_value(
    options: str, data_type: int, expected: tuple[float, ...]
) -> None:
    pv = ChannelDouble(value=1.0, timestamp=1_000_000_000.5)
    client = Client({"x": pv})
    sid = client.create('x.{"ts":{%s}}' % options)  # noqa: UP031  # braces within braces
    (answer,) = client.tell(raw_message(15, data_type, 0, sid, 1))
    assert struct.unpack_from(f">{answer.data_count}d", answer.payload) == expected


def test_ts_filter_as_text() -> None:
    pv = ChannelDouble(value=1.0, timestamp=1_000_000_000.5, precision=1)
    client = Client({"x": pv})
    for cid, (options, part) in enumerate(
        [
            ('"str":"iso"', b"T"),
            ('"str":"epics"', b" "),
            ('"num":"dbl","epoch":"unix"', b"1000000000.5\0"),
            ('"num":"sec","epoch":"unix"', b"1000000000\0"),
        ]
    ):
        sid = client.create('x.{"ts":{%s}}' % options, cid)  # noqa: UP031
        (answer,) = client.tell(raw_message(15, 0, 0, sid, 1))
        assert part in answer.payload
        if options.startswith('"str'):
            assert answer.payload.startswith(b"2001-09-09") or answer.payload.startswith(
                b"2001-09-08"
            )
            assert b".500000" in answer.payload


def test_long_string_is_read_written_and_monitored_whole() -> None:
    pv = ChannelString(value=LONG_TEXT)
    client = Client({"x": pv})
    sent = client.tell(raw_message(18, p1=1, p2=13, payload=b"x.VAL$\0"))
    assert (sent[1].data_type, sent[1].data_count) == (4, 81)
    sid = sent[1].p2
    (update,) = client.subscribe(sid, 5, data_type=4)
    assert update.payload[: update.data_count] == LONG_TEXT.encode() + b"\0"
    new = LONG_TEXT.replace("text", "longer text").encode() + b"\0"
    sent = client.tell(raw_message(19, 4, len(new), sid, 3, new))
    assert pv.value == new[:-1].decode()
    assert {(each.command, each.data_count) for each in sent} == {(1, len(new)), (19, len(new))}
    (answer,) = client.tell(raw_message(15, 4, 10, sid, 3))
    assert answer.payload[:10] == new[:9] + b"\0"


def test_long_string_with_filters() -> None:
    pv = ChannelString(value=LONG_TEXT)
    client = Client({"x": pv})
    sid = client.create('x.$[2:5]{"dec":{"n":2}}')
    (update,) = client.subscribe(sid, 5, data_type=4)
    assert update.payload[: update.data_count] == b"tex\0"
    assert write(client, pv, "another") == []
    (update,) = write(client, pv, "0123456789")
    assert update.payload[: update.data_count] == b"234\0"


def test_array_of_characters_is_a_long_string_as_it_is() -> None:
    pv = ChannelChar(value="some text", max_length=100)
    client = Client({"x": pv})
    sid = client.create("x.VAL$")
    (answer,) = client.tell(raw_message(15, 4, 0, sid, 3))
    assert answer.payload[: answer.data_count] == b"some text"


def test_array_of_characters_reported_as_a_string_is_whole_by_dollar() -> None:
    pv = ChannelChar(value=LONG_TEXT, max_length=100, report_as_string=True)
    client = Client({"x": pv})
    sid = client.create("x.$")
    (answer,) = client.tell(raw_message(15, 4, 0, sid, 3))
    assert answer.payload[: answer.data_count] == LONG_TEXT.encode() + b"\0"


@pytest.mark.parametrize("name", ["x.$", "x.VAL$", "e.$", 'x.{"nope":{}}', "x.[", "x.{", "y.[0]"])
def test_refused_name_costs_nobody_else_anything(name: str) -> None:
    client = Client({"x": ChannelDouble(value=1.0), "e": ChannelEnum(enum_strings=["a"])})
    other = client.create("x", 1)
    (answer,) = client.tell(raw_message(18, p1=2, p2=13, payload=name.encode() + b"\0"))
    assert (answer.command, answer.p1) == (26, 2)
    (answer,) = client.tell(raw_message(15, 6, 1, other, 1))
    assert answer.payload == struct.pack(">d", 1.0)


def test_pv_whose_name_looks_like_a_filter_is_found_first() -> None:
    pvs = {"a.[0]": ChannelDouble(value=1.0), "XF{Det.1}T": ChannelDouble(value=[2.0, 3.0])}
    client = Client(pvs)
    assert client.names.find("a.[0]") is pvs["a.[0]"]
    assert client.names.find("XF{Det.1}T.VAL") is pvs["XF{Det.1}T"]
    sid = client.create("XF{Det.1}T.VAL[1]")
    (answer,) = client.tell(raw_message(15, 6, 0, sid, 1))
    assert answer.payload == struct.pack(">d", 3.0)


def test_very_long_name_with_modifiers_is_unknown() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    assert not client.names.knows('x.{"ts":{}}' + " " * 1100)
    assert client.names.find("x." + "/*" * 30000) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"arr":{"s":true}}',
        '{"dbnd":{"abs":true}}',
        '{"dec":{"n":true}}',
        '{"sync":{"while":3}}',
        '{"arr":{"s":1e300}}',
        "[9" * 3000,
        "{" * 5000,
        '{"dec":{"n":9999999999}}',
        "[99999999999999]",
        f"[{'9' * 5000}]",
        f'{{"arr":{{"s":{"9" * 5000}}}}}',
        f'{{"arr":{{"s":0x{"f" * 5000}}}}}',
        f'{{"arr":{{"s":"{"9" * 5000}"}}}}',
    ],
)
def test_senseless_filters_are_an_error_of_one_kind(text: str) -> None:
    with pytest.raises(FilterValidationError):
        parse_filter_chain(text)


class SlowDouble(ChannelDouble):
    """A PV with a `read` of its own."""

    async def read(self, data_type: int) -> tuple[Any, Any]:
        self._value = [value + 1 for value in self.value]
        self.forget_encoded()
        return await super().read(data_type)


@pytest.mark.parametrize(
    ("name", "expected"), [("x.[1:2]", (3.0, 4.0)), ('x.[1]{"dec":{"n":1},"ts":{}}', (3.0,))]
)
def test_filters_of_a_pv_that_gets_its_value_when_it_is_read(
    name: str, expected: tuple[float, ...]
) -> None:
    client = Client({"x": SlowDouble(value=[1.0, 2.0, 3.0])})
    sid = client.create(name)
    (answer,) = client.tell(raw_message(15, 6, 0, sid, 1))
    assert struct.unpack_from(f">{answer.data_count}d", answer.payload) == expected
    (answer,) = client.tell(raw_message(15, 20, 0, sid, 1))
    values = struct.unpack_from(f">{answer.data_count}d", answer.payload, 16)
    assert values == tuple(value + 1 for value in expected)


class SlowString(ChannelString):
    """A text that is got when it is read."""

    async def read(self, data_type: int) -> tuple[Any, Any]:
        self._value = LONG_TEXT
        return await super().read(data_type)


def test_long_string_that_is_got_when_it_is_read() -> None:
    client = Client({"x": SlowString(value="old")})
    for cid, (name, expected) in enumerate(
        [("x.$", LONG_TEXT.encode() + b"\0"), ("x.$[0:3]", b"a t\0")]
    ):
        sid = client.create(name, cid)
        (answer,) = client.tell(raw_message(15, 4, 0, sid, 1))
        assert answer.payload[: answer.data_count] == expected
