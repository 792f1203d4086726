"""Channel filters and ``$``: our IOC and the C IOC give the same client the same answers."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from caproto import ChannelType
from caproto.server import PVGroup, pvproperty
from tests.asyncio.raw_client import RawClient, serving
from tests.support import CIoc
from tests.support.raw_messages import HEADER, RawMessage, raw_message

pytestmark = pytest.mark.interop

TIME_DOUBLE, DOUBLE, STRING, CHAR = 20, 6, 0, 4
VALUE_AND_ALARM, ALARM, PROPERTY = 5, 4, 8


class Filtered(PVGroup):
    """The PVs of filters.db."""

    v = pvproperty(
        value=0.0, precision=3, units="mm", upper_alarm_limit=100.0, lower_alarm_limit=-1e300
    )
    wf = pvproperty(value=[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], max_length=10)
    full = pvproperty(value=[0, 1, 2, 3, 4], max_length=5)
    empty = pvproperty(value=[], dtype=int, max_length=5)
    texts = pvproperty(
        value=["one", "two", "three"],
        dtype=ChannelType.STRING,
        max_length=5,
        long_string_max_length=40,
    )
    s = pvproperty(value="hello world", dtype=ChannelType.STRING, long_string_max_length=40)
    e = pvproperty(value="one", enum_strings=["zero", "one", "two"], dtype=ChannelType.ENUM)
    long = pvproperty(
        value="a long string with more than forty characters in it, surely",
        dtype=ChannelType.STRING,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.states = {"red": False}


@pytest.fixture(scope="module")
def ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CIoc]:
    folder = tmp_path_factory.mktemp("filters")
    with CIoc(Path(__file__).with_name("filters.db"), folder=folder) as found:
        found.iocsh("dbStateCreate red")
        yield found


class Server:
    """One of the two, with what a client cannot do."""

    def __init__(self, port: int, do: Callable[[str], Awaitable[None]]) -> None:
        self.port = port
        self.do = do


async def do_in_c(ioc: CIoc, step: str) -> None:
    """Set a state or a property, and wait until that is done."""
    commands = {
        "set": "dbStateSet red",
        "clear": "dbStateClear red",
        "unit": "dbpf F:v.EGU cm",
        "units": "dbpf F:v.EGU mm",
    }
    ioc.iocsh(commands[step])
    marker = f"done-{len(ioc.output)}"
    ioc.iocsh(f"echo {marker}")
    await asyncio.to_thread(ioc.wait_for_output, rf"^{marker}$")


async def do_in_ours(group: Filtered, step: str) -> None:
    if step in ("set", "clear"):
        group.states["red"] = step == "set"
    else:
        await group.v.write_metadata(units="cm" if step == "unit" else "mm")


async def in_both(ioc: CIoc, ask: Callable[[Server], Awaitable[Any]]) -> tuple[Any, Any]:
    """Return the answers of the C IOC and of ours."""
    theirs = await ask(Server(ioc.port, lambda step: do_in_c(ioc, step)))
    group = Filtered("F:")
    async with serving(group.pvdb) as context:
        assert context.port is not None
        ours = await ask(Server(context.port, lambda step: do_in_ours(group, step)))
    return theirs, ours


# --- which names there are ---

NAMES = r"""
F:v.VAL{"ts":{}}|F:v{"ts":{}}|F:v.{"ts":{}}|F:v.{"nope":{}}|F:v.{"dbnd":{"abs":1}|F:v.{dbnd:{abs:1}}
F:v.{"dbnd":{}}|F:v.{"dbnd":{"d":1}}|F:v.{"dbnd":{"m":"rel"}}|F:v.{"dbnd":{"abs":"1"}}|F:v.{"dbnd":{"abs":-1}}
F:v.{"dbnd":{"foo":1}}|F:v.{"dbnd":{"abs":1,"rel":2}}|F:v.{"dbnd":{"abs":1},"dbnd":{"abs":2}}|F:v.{"dbnd":1}
F:v.{"dec":{"n":3}}|F:v.{"dec":{"n":0}}|F:v.{"dec":{"n":-1}}|F:v.{"dec":{}}|F:v.{"dec":{"n":1.5}}|F:v.{"dec":{"n":"3"}}
F:v.{"utag":{"M":1,"V":0}}|F:v.{"utag":{}}|F:v.{"utag":{"M":1}}|F:v.{"utag":{"m":1,"v":1}}|F:v.{"utag":{"V":1}}
F:v.{"sync":{"m":"while","s":"red"}}|F:v.{"sync":{"while":"red"}}|F:v.{"sync":{"while":"nostate"}}
F:v.{"sync":{"while":""}}|F:v.{"sync":{}}|F:v.{"sync":{"m":"while"}}|F:v.{"sync":{"m":"some","s":"red"}}
F:v.{"sync":{"during":"red"}}|F:v.{"sync":{"m":"while","s":1}}
F:v.{"ts":{"num":"dbl"}}|F:v.{"ts":{"num":"ts"}}|F:v.{"ts":{"num":"bad"}}|F:v.{"ts":{"str":"epics"}}
F:v.{"ts":{"str":"iso"}}|F:v.{"ts":{"num":"dbl","epoch":"unix"}}|F:v.{"ts":{"num":"dbl","str":"iso"}}
F:v.{"ts":{"epoch":"unix"}}|F:v.{"ts":true}|F:v.{"ts":{"foo":1}}|F:v.{"ts":[]}|F:v.{"ts":null}
F:v.{"arr":{}}|F:v[0]|F:v.[0]|F:v.[1]|F:v.VAL[0]|F:wf[0:2]|F:wf.[0:2]|F:wf.[-3:]|F:wf.[2:2:-1]|F:wf.[5:2]
F:wf.[20:30]|F:wf.[-30:-20]|F:wf.[-1]|F:wf.[]|F:wf.[:]|F:wf.[::]|F:wf.[1:2:3:4]|F:wf.[a]|F:wf.[0:2|F:wf.[::2]
F:wf.[::-2]|F:wf.[::0]|F:wf.{"arr":{"s":1,"i":2,"e":8}}|F:wf.{"arr":{"s":1.5}}|F:wf.{"arr":{"q":1}}
F:wf.{"arr":{"i":0}}|F:wf.{"arr":{"i":-1}}|F:wf.[0x2:3]|F:wf.[ 1 : 2 ]|F:wf.[0:5]{"arr":{"s":1,"e":2}}
F:wf.[0:5]{"dbnd":{"abs":1}}|F:wf.{"arr":{"s":1}}[0:1]|F:wf.{}|F:v.{}{}|F:v.{} x|F:v. {}|F:v.[0]x|F:v.
F:v.[1:3][0:1]|F:s$|F:s.$|F:s.VAL$|F:v.VAL$|F:s.VAL$[0:3]{"arr":{"s":1}}|F:long.VAL$|F:long.$|F:long|F:long$
F:texts.VAL$|F:e.VAL$|F:v.VAL$$|F:full.[0:2]|F:empty.[0:2]|F:v.{'ts':{}}|F:v.{"ts":{},}|F:v.{"ts":{} /* c */}
F:v.{"dbnd":{"abs":1.}}|F:v.{"dbnd":{"abs":.5}}|F:v.{"dbnd":{"abs":0x10}}|F:v.{"dbnd":{"abs":+1}}
F:v.{"dbnd":{"abs":Infinity}}|F:v.{"dbnd":{"rel":NaN}}|F:wf.{"arr":{"s":"1"}}|F:v.{"dbnd":{"m":"abs","d":"1"}}
F:wf.{"arr":{"s":"a"}}|F:v.{"dbnd":{"m":"some","d":1}}|F:v.{"dbnd":{"abs":"x"}}|F:v.{"ts":{"epoch":"bad"}}
F:wf.{"arr":{"s":1,"s":2}}|F:e.{"dbnd":{"abs":1}}|F:s.{"dbnd":{"abs":1}}|F:none.{"ts":{}}|F:v.NONE{"ts":{}}
"""


async def created(server: Server) -> dict[str, tuple[int, int] | None]:
    """Return type and count of each channel, or None."""
    client = await RawClient.connect(server.port)
    client.send(raw_message(0, 0, 13))
    found: dict[str, tuple[int, int] | None] = {}
    for cid, name in enumerate(NAMES.replace("\n", "|").strip("|").split("|")):
        client.send(raw_message(18, 0, 0, cid, 13, name.encode() + b"\0"))
        message = await client.next()
        while message.command not in (18, 26):
            message = await client.next()
        found[name] = (message.data_type, message.data_count) if message.command == 18 else None
    await client.close()
    return found


async def test_same_names_make_a_channel_of_the_same_type_and_count(ioc: CIoc) -> None:
    theirs, ours = await in_both(ioc, created)
    assert sum(found is not None for found in theirs.values()) > 50
    assert sum(found is None for found in theirs.values()) > 30
    assert ours == theirs


async def found_by_tcp(server: Server) -> dict[str, bool]:
    """Return which names a search finds."""
    client = await RawClient.connect(server.port)
    client.send(raw_message(0, 0, 13))
    found = {}
    for cid, name in enumerate(NAMES.replace("\n", "|").strip("|").split("|")):
        client.send(raw_message(6, 10, 13, cid, cid, name.encode() + b"\0"))
        found[name] = (await client.next()).command == 6
    await client.close()
    return found


async def test_search_looks_at_record_and_field_only(ioc: CIoc) -> None:
    theirs, ours = await in_both(ioc, found_by_tcp)
    assert theirs['F:v.{"nope":{}}']
    different = {name for name in theirs if theirs[name] != ours[name]}
    # What the C IOC takes for a name with a field and something behind it, and then refuses.
    assert different <= {"F:v. {}", "F:v.VAL$$"}


# --- reads ---


def synchronised(mode: str) -> str:
    """Return the name of a channel with that filter."""
    return f'F:v.{{"sync":{{"{mode}":"red"}}}}'


READS = [
    *("F:v.[0]", "F:v.[1]", "F:wf.[0:2]", "F:wf.[2:2:-1]", "F:wf.[-3:]", "F:wf.[5:2]"),
    *("F:wf.[20:30]", "F:wf.[-30:-20]", "F:wf.[7:9]", "F:wf.[5:9]", "F:full.[-2:]", "F:full.[1]"),
    *("F:empty.[0:2]", "F:texts.[1:]", "F:s.VAL$", "F:s.VAL$[0:3]", "F:s.VAL$[-3:]"),
    *("F:s.VAL$[6:]", 'F:wf.[0:5]{"arr":{"s":1,"e":2}}', 'F:v.{"dec":{"n":3}}'),
    *(synchronised(mode) for mode in ("while", "unless", "before")),
    'F:v.{"utag":{"M":1,"V":1}}',
    'F:v.{"dbnd":{"abs":1}}',
]


def shown(message: RawMessage, data_type: int) -> Any:
    """Return what an answer says; of texts, what stands before the NUL."""
    status = message.p1 if message.command == 15 else 1
    if status != 1:
        return ("failed", status)
    payload, count = message.payload, message.data_count
    if data_type == DOUBLE:
        return struct.unpack_from(f">{count}d", payload)
    if data_type == TIME_DOUBLE:
        return struct.unpack_from(f">{count}d", payload, 16)
    if data_type == CHAR:
        return (count, payload[:count])
    return [payload[i : i + 40].partition(b"\0")[0] for i in range(0, 40 * count, 40)]


async def read_all(server: Server) -> dict[tuple[str, int, int], Any]:
    client = await RawClient.connect(server.port)
    client.send(raw_message(0, 0, 13))
    found = {}
    for cid, name in enumerate(READS):
        sid = await client.create(name, cid)
        for data_type in (DOUBLE, TIME_DOUBLE, STRING, CHAR):
            for count in (0, 1, 4):
                client.send(raw_message(15, data_type, count, sid, 1))
                found[name, data_type, count] = shown(await client.next(), data_type)
    # A long string record has no NUL at its end where it is cut; as a text all the rest is the same.
    sid = await client.create("F:long.VAL$", len(READS))
    client.send(raw_message(15, CHAR, 0, sid, 1))
    found["F:long.VAL$", CHAR, 0] = shown(await client.next(), CHAR)
    await client.close()
    return found


async def test_reads_give_the_same_elements(ioc: CIoc) -> None:
    theirs, ours = await in_both(ioc, read_all)
    different = {
        step: {"C IOC": theirs[step], "ours": ours[step]}
        for step in theirs
        if ours[step] != theirs[step]
    }
    assert not different, "\n".join(f"{step}: {both}" for step, both in different.items())


# --- subscriptions ---

BANDS = [
    *("{}", '{"abs":1}', '{"abs":-1}', '{"rel":50}', '{"d":1}', '{"m":"rel","d":50}'),
    *('{"abs":1,"rel":2}', '{"abs":"1"}'),
]
VARIOUS = [
    *(f'F:v.{{"dbnd":{band}}}' for band in BANDS),
    'F:v.{"dbnd":{"abs":1},"dbnd":{"abs":2}}',
    'F:v.{"dec":{"n":3}}',
    'F:v.{"dec":{"n":1}}',
    'F:v.{"dec":{"n":2},"dbnd":{"abs":1}}',
    'F:v.{"dbnd":{"abs":1},"dec":{"n":2}}',
    'F:v.{"utag":{}}',
    'F:v.{"utag":{"M":1}}',
    'F:v.{"utag":{"V":1}}',
    'F:v.[0]{"dbnd":{"abs":1}}',
    'F:v.{"ts":{},"dbnd":{"abs":1}}',
]
SYNCHRONISED = [
    synchronised(mode) for mode in ("before", "first", "last", "after", "while", "unless")
] + ['F:v.{"sync":{"while":"red"},"dec":{"n":2}}', 'F:v.{"dbnd":{"abs":2},"sync":{"before":"red"}}']
SCENARIOS: dict[str, tuple[str, list[str], int, list[float | str]]] = {
    "values": ("F:v", VARIOUS, VALUE_AND_ALARM, [0.5, 1, 1.5, 2.5, 150, 149, 160, 0, -3, -3.1, 4]),
    "infinite": (
        *("F:v", VARIOUS, VALUE_AND_ALARM),
        [5, float("nan"), 6, float("inf"), float("-inf"), 1, 1.5],
    ),
    "alarms": ("F:v", VARIOUS, ALARM, [0.5, 150, 0, 200, 201, 1]),
    "properties": ("F:v", VARIOUS, VALUE_AND_ALARM | PROPERTY, ["unit", 1, "units", 2, 2.5, 3.5]),
    "log": ("F:v", VARIOUS, 2, [1, 2, 2.5]),
    "synchronised": (
        *("F:v", SYNCHRONISED, VALUE_AND_ALARM),
        [
            *(1, 2, "set", 3, 4, 5, "clear", 6, 7, "set", "clear", 8, 9, "set", "clear", "set", 10),
            *("clear", 11, 150, "set", 1, 2),
        ],
    ),
    "synchronised from a set state": (
        *("F:v", SYNCHRONISED, VALUE_AND_ALARM),
        ["set", 1, 2, "clear", 6, 7],
    ),
    "synchronised properties": ("F:v", SYNCHRONISED, PROPERTY | 1, ["unit", 1, "units", "set", 2]),
    "arrays": (
        "F:wf",
        [
            'F:wf.{"dbnd":{"abs":1}}',
            'F:wf.{"dec":{"n":2}}',
            "F:wf.[0:1]",
            'F:wf.[0]{"dbnd":{"abs":1}}',
        ],
        VALUE_AND_ALARM,
        [1, 1.5, 3, 3.1],
    ),
    "enums": ("F:e", ['F:e.{"dbnd":{"abs":1}}'], VALUE_AND_ALARM, [1, 2, 0]),
    "texts": ("F:s", ['F:s.{"dbnd":{"abs":1}}', "F:s.VAL$[0]"], VALUE_AND_ALARM, [1, 2, 7]),
}


class Watcher:
    """Subscribes to names with filters, and last to the PV as such, by which it knows that all has come."""

    def __init__(self, client: RawClient, names: list[str]) -> None:
        self.client = client
        self.names = names
        self.found: dict[str, list[Any]] = {name: [] for name in names}

    async def next(self) -> RawMessage:
        """Return the next message that is no update of a filtered channel."""
        while True:
            message = await self.client.next()
            if message.command != 1 or message.p2 == len(self.names):
                return message
            self.found[self.names[message.p2]].append(shown(message, TIME_DOUBLE))

    async def subscribe(self, id_: int, name: str, mask: int) -> None:
        self.client.send(raw_message(18, 0, 0, id_, 13, name.encode() + b"\0"))
        message = await self.next()
        while message.command != 18:
            message = await self.next()
        payload = struct.pack(">fffHxx", 0, 0, 0, mask)
        self.client.send(raw_message(1, TIME_DOUBLE, 0, message.p2, id_, payload))

    async def settle(self, *, after_update: bool) -> None:
        """Take what comes until nothing more is on its way."""
        if after_update:
            while (await self.next()).command != 1:
                pass
        self.client.send(HEADER.pack(23, 0, 0, 0, 0, 0))
        while (await self.next()).command != 23:
            pass


async def watch(server: Server, scenario: str) -> dict[str, list[Any]]:
    """Return what each subscription of a scenario got, step by step."""
    pv, names, mask, steps = SCENARIOS[scenario]
    await server.do("clear")
    await server.do("units")
    writer = await RawClient.connect(server.port)
    writer.send(raw_message(0, 0, 13))
    sid = await writer.create(pv)
    writer.send(raw_message(19, DOUBLE, 1, sid, 1, struct.pack(">d", 0)))
    await writer.next()
    if steps[0] == "set":
        await server.do("set")
    client = await RawClient.connect(server.port)
    client.send(raw_message(0, 0, 13))
    watcher = Watcher(client, names)
    for id_, name in enumerate(names):
        await watcher.subscribe(id_, name, mask)
    await watcher.subscribe(len(names), pv, 15)
    await watcher.settle(after_update=True)
    for step in steps:
        for found in watcher.found.values():
            found.append(step)
        if isinstance(step, str):
            await server.do(step)
            await watcher.settle(after_update=step.startswith("unit"))
        else:
            writer.send(raw_message(19, DOUBLE, 1, sid, 1, struct.pack(">d", step)))
            await writer.next()
            await watcher.settle(after_update=True)
    await client.close()
    await writer.close()
    return watcher.found


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_subscriptions_get_the_same_updates(ioc: CIoc, scenario: str) -> None:
    theirs, ours = await in_both(ioc, lambda server: watch(server, scenario))
    assert any(len(found) > len(SCENARIOS[scenario][3]) for found in theirs.values())
    different = {
        name: {"C IOC": theirs[name], "ours": ours[name]}
        for name in theirs
        if repr(ours[name]) != repr(theirs[name])
    }
    assert not different, "\n".join(f"{step}: {both}" for step, both in different.items())
