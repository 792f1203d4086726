"""Our repeater between a real C IOC and a real libca client."""

from __future__ import annotations

from pathlib import Path

import pytest

from caproto._protocol.enums import Command
from caproto._protocol.header import HEADER
from tests.conftest import MakeCIoc
from tests.support import LibcaClient, free_port, loopback_env

from .programs import Client, our_repeater, running

pytestmark = pytest.mark.interop

# libca opens its search socket, from which it registers, when the first channel is made. What it
# has heard it tells only in a report that it prints.
LIBCA_CLIENT = """
import ctypes, json, os, re, sys, tempfile
from epics import ca
ca.initialize_libca()
channel = ca.create_channel("no:such:pv", connect=False, auto_cb=False)

def report():
    with tempfile.TemporaryFile() as file:
        stdout = os.dup(1)
        os.dup2(file.fileno(), 1)
        ca.libca.ca_client_status(ca.current_context(), 10)
        ctypes.CDLL(None).fflush(None)
        os.dup2(stdout, 1)
        file.seek(0)
        return file.read().decode()

print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    text = report()
    registered = re.search(r"repeater subscribe timer: attempts=\\d+ registered=(\\d)", text)
    servers = re.findall(r"CA beacon hash entry for (\\S+)", text)
    print(json.dumps([registered[1], sorted(set(servers))]), flush=True)
"""


def test_libca_registers_with_our_repeater_and_gets_the_beacons(tmp_path: Path) -> None:
    port, server_port = free_port(), free_port()
    env = loopback_env(free_port(), port)
    with (
        running(our_repeater(port, tmp_path, "-v"), port) as program,
        LibcaClient(LIBCA_CLIENT, env=env) as client,
        Client(port) as server,
    ):
        assert client.next_event() == "ready"
        # libca waits for ten seconds before it registers
        program.wait_for_output("Client 127.* registered", timeout=30)
        number = 0
        while True:
            server.send(HEADER.pack(Command.RSRV_IS_UP, 0, 13, server_port, number, 0))
            number += 1
            client.send("report")
            registered, servers = client.next_event()
            if servers:
                break
        assert registered == "1"
        assert servers == [f"127.0.0.1:{server_port}"]


def test_the_beacons_of_a_c_ioc_reach_the_clients(tmp_path: Path, make_c_ioc: MakeCIoc) -> None:
    port = free_port()
    database = tmp_path / "one.db"
    database.write_text('record(ai, "one") {}\n')
    with running(our_repeater(port, tmp_path), port), Client(port) as client:
        client.send(b"")
        assert client.command() == Command.REPEATER_CONFIRM
        # An IOC that starts sends its first beacons at short intervals.
        ioc = make_c_ioc(database, repeater_port=port)
        numbers = []
        while 2 not in numbers:
            command, _, version, ioc_port, number, address = HEADER.unpack(client.receive())
            assert (command, ioc_port, address) == (Command.RSRV_IS_UP, ioc.port, 0x7F000001)
            assert version == 13
            numbers.append(number)
        assert sorted(numbers) == numbers
