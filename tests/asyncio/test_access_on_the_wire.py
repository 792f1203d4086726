"""Access rules of a server that runs: what clients are told and refused, and the C IOC beside it."""

from __future__ import annotations

import json
import os
import signal
import struct
from pathlib import Path
from typing import Any

from caproto import AccessRights, ChannelDouble
from caproto.server import AccessRules
from tests.support import CIoc, Program, free_port, loopback_env, python_command
from tests.support.raw_messages import RawMessage, raw_message

from .raw_client import RawClient, serving

NORDACCESS, NOWTACCESS = 368, 376


async def open_channel(client: RawClient, name: str, user: str = "ada") -> tuple[int, int]:
    """Say who it is, open a channel, and return sid and rights."""
    client.send(raw_message(0, 0, 13), raw_message(20, payload=user.encode() + b"\0"))
    client.send(raw_message(18, 0, 0, 1, 13, name.encode() + b"\0"))
    rights, created = await client.next(), await client.next()
    assert (rights.command, created.command) == (22, 18)
    return created.p2, rights.p2


async def test_write_is_refused_on_the_wire_not_only_by_the_rights(loopback: Any) -> None:
    rules = AccessRules([{"users": "ada", "write": True}, {"write": False}])
    pv = ChannelDouble(value=0.0)
    value = struct.pack(">d", 5.0)
    async with serving({"x": pv}, access=rules) as context:
        assert context.port is not None
        for user, allowed in (("bob", False), ("ada", True)):
            client = await RawClient.connect(context.port)
            sid, rights = await open_channel(client, "x.VAL", user)
            assert rights == (3 if allowed else 1)
            client.send(raw_message(19, 6, 1, sid, 77, value))
            answer = await client.next()
            assert (answer.command, answer.p1) == (19, 1 if allowed else NOWTACCESS)
            if not allowed:
                client.send(raw_message(4, 6, 1, sid, 1, value))
                answer = await client.next()
                assert (answer.command, answer.p2) == (11, NOWTACCESS)
                assert pv.value == 0.0
            await client.close()
        assert pv.value == 5.0


async def test_new_rules_reach_connected_clients(loopback: Any) -> None:
    rules = AccessRules()
    pv = ChannelDouble(value=1.0)
    async with serving({"x": pv, "y": ChannelDouble(value=0.0)}, access=rules) as context:
        assert context.port is not None
        client = await RawClient.connect(context.port)
        sid, rights = await open_channel(client, "x")
        assert rights == 3
        await client.create("y", 2)
        await client.subscribe(sid, 9)
        rules.replace([{"pvs": "x", "read": False}])
        told, update = await client.next(), await client.next()
        assert (told.command, told.p1, told.p2) == (22, 1, 2)
        assert (update.command, update.p1, update.p2) == (1, NORDACCESS, 9)
        await pv.write(2.0)
        client.send(raw_message(15, 6, 1, sid, 3))
        answer = await client.next()  # and no update before it
        assert (answer.command, answer.p1) == (15, NORDACCESS)
        rules.replace([])
        told, update = await client.next(), await client.next()
        assert (told.command, told.p2) == (22, 3)
        assert update.payload == struct.pack(">d", 2.0)
        await client.close()
    rules.replace([])  # nobody listens any more


async def test_check_access_that_changes_its_mind_is_asked_again(loopback: Any) -> None:
    class Moody(ChannelDouble):
        rights = AccessRights.READ

        def check_access(self, hostname: str, username: str) -> AccessRights:
            return self.rights

    pv = Moody(value=1.0)
    async with serving({"x": pv}, access=AccessRules()) as context:
        assert context.port is not None
        client = await RawClient.connect(context.port)
        _, rights = await open_channel(client, "x")
        assert rights == 1
        pv.rights = AccessRights.READ | AccessRights.WRITE
        context.refresh_access()
        assert (await client.next()).p2 == 3
        await client.close()


IOC = """
import sys
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

class Group(PVGroup):
    x = pvproperty(value=1.0)

options, running = ioc_arg_parser(default_prefix="acc:", desc="")
run(Group(**options).pvdb, **running)
"""


async def test_hangup_signal_reads_the_file_again(tmp_path: Path) -> None:
    file = tmp_path / "access.json"
    file.write_text(json.dumps([{"write": False}]))
    port = free_port()
    env = loopback_env(port, free_port())
    command = python_command("-c", IOC, "--access-file", str(file))
    with Program(command, env, tmp_path / "output") as program:
        program.wait_for_output("Server startup complete")
        client = await RawClient.connect(port)
        _, rights = await open_channel(client, "acc:x")
        assert rights == 1
        assert program.pid is not None
        file.write_text("no JSON")
        os.kill(program.pid, signal.SIGHUP)
        program.wait_for_output("The old access rules stay")
        file.write_text("[]")
        os.kill(program.pid, signal.SIGHUP)
        assert (await client.next()).p2 == 3
        os.kill(program.pid, signal.SIGTERM)
        await client.closed()
        await client.close()


# --- as the C IOC ---

ACF = 'ASG(DEFAULT) { INPA("sw") RULE(1, READ) { CALC("A=1") } RULE(1, WRITE) { CALC("A=1") } }\nASG(OPEN) { RULE(1, WRITE) }\n'
DATABASE = 'record(ao, "x") { field(VAL, "7") field(PINI, "YES") }\nrecord(bo, "sw") { field(VAL, "1") field(PINI, "YES") field(ASG, "OPEN") }\n'


def seen(message: RawMessage) -> tuple[Any, ...]:
    payload = message.payload if message.command == 1 else b""
    return (message.command, message.data_type, message.data_count, message.p1, message.p2, payload)


async def test_client_hears_of_a_change_of_rights_what_a_c_ioc_would_say(
    loopback: Any, tmp_path: Path
) -> None:
    (tmp_path / "x.acf").write_text(ACF)
    (tmp_path / "x.db").write_text(DATABASE)
    heard = []
    with CIoc(tmp_path / "x.db", folder=tmp_path, access_file=tmp_path / "x.acf") as ioc:
        client = await RawClient.connect(ioc.port)
        client.send(raw_message(0, 0, 13))
        sid = await client.create("x")
        await client.subscribe(sid, 9)
        for state in ("0", "1"):
            ioc.iocsh(f"dbpf sw {state}")
            heard.append([seen(await client.next()), seen(await client.next())])
        await client.close()
    rules = AccessRules()
    async with serving({"x": ChannelDouble(value=7.0)}, access=rules) as context:
        assert context.port is not None
        client = await RawClient.connect(context.port)
        client.send(raw_message(0, 0, 13))
        sid = await client.create("x")
        await client.subscribe(sid, 9)
        ours = []
        for allowed in (False, True):
            rules.replace([{"read": allowed, "write": allowed}])
            ours.append([seen(await client.next()), seen(await client.next())])
        await client.close()
    assert [sorted(each) for each in ours] == [sorted(each) for each in heard]
