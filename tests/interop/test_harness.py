"""The harness itself: what every other test takes for granted."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Loopback, MakeCIoc
from tests.support import (
    CIoc,
    LibcaClient,
    ProgramError,
    free_port,
    python_command,
    run_libca,
    search,
    write_bulk_database,
)
from tests.support.ports import bound_ports, is_free
from tests.support.process import REPOSITORY

PYEPICS_GET = """
import json, sys, epics
print(json.dumps([epics.caget(name, timeout=5) for name in sys.argv[1:]]))
"""

AIOCA_GET = """
import asyncio, json, sys, aioca
async def main():
    print(json.dumps([float(v) for v in await aioca.caget(sys.argv[1:], timeout=10)]))
asyncio.run(main())
"""

PYEPICS_ACCESS = """
import json, sys, time, epics
pv = epics.PV(sys.argv[1], auto_monitor=False)
pv.wait_for_connection(10)
print(json.dumps(pv.write_access))
pv.access_callbacks.append(lambda read, write, pv: print(json.dumps(write), flush=True))
sys.stdin.read()
"""


# --- ports ---


def test_a_free_port_is_free_and_never_the_same_twice() -> None:
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
    assert all(is_free(port) for port in ports)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_in_use_for_one_protocol_is_not_free(kind: socket.SocketKind) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        assert not is_free(port)
        assert port in bound_ports()
    assert is_free(port)


# --- the C IOC ---


def test_c_ioc_answers_pyepics(c_ioc: CIoc) -> None:
    values = run_libca(PYEPICS_GET, "IO:ai", "IO:longin", "IO:stringout", env=c_ioc.client_env())
    assert values == [3.25, -123456, "hello"]


def test_c_ioc_answers_aioca(c_ioc: CIoc) -> None:
    assert run_libca(AIOCA_GET, "IO:ai", "IO:float", env=c_ioc.client_env()) == [3.25, 2.5]


def test_every_record_of_the_interop_database_is_served(c_ioc: CIoc) -> None:
    text = (Path(__file__).parent / "interop.db").read_text()
    names = re.findall(r'^record\(\w+, "\$\(P=IO:\)([^"]+)"', text, re.MULTILINE)
    assert len(names) > 40
    missing = [name for name in names if search(f"IO:{name}", c_ioc.port, timeout=5) is None]
    assert missing == []
    assert "ERROR" not in c_ioc.output


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no schedulers to look at")
def test_the_c_ioc_has_no_real_time_threads(c_ioc: CIoc) -> None:
    policies = {
        os.sched_getscheduler(int(thread)) for thread in os.listdir(f"/proc/{c_ioc.pid}/task")
    }
    assert policies == {os.SCHED_OTHER}


def test_a_search_for_an_unknown_name_finds_nothing(c_ioc: CIoc) -> None:
    assert search("IO:there_is_no_such_record", c_ioc.port, timeout=0.1) is None


def test_a_stopped_c_ioc_is_gone_and_frees_its_port(make_c_ioc: MakeCIoc) -> None:
    ioc = make_c_ioc()
    assert ioc.stop() == 0
    assert not ioc.running
    assert is_free(ioc.port)


def test_a_killed_c_ioc_comes_back_on_another_port(make_c_ioc: MakeCIoc) -> None:
    ioc = make_c_ioc()
    old = ioc.port
    ioc.restart(free_port(), crash=True)
    assert ioc.port != old
    assert run_libca(PYEPICS_GET, "IO:ai", env=ioc.client_env()) == [3.25]


def test_a_paused_c_ioc_is_silent_until_it_is_resumed(make_c_ioc: MakeCIoc) -> None:
    ioc = make_c_ioc()
    ioc.pause()
    assert search("IO:ai", ioc.port, timeout=0.1) is None
    ioc.resume()
    assert search("IO:ai", ioc.port) is not None


def test_an_ioc_that_cannot_start_says_why(make_c_ioc: MakeCIoc, tmp_path: Path) -> None:
    bad = tmp_path / "bad.db"
    bad.write_text('record(no_such_type, "x") {}\n')
    with pytest.raises(ProgramError, match="no_such_type"):
        make_c_ioc(bad)


def test_the_ioc_shell_changes_access_rights_under_a_client(make_c_ioc: MakeCIoc) -> None:
    ioc = make_c_ioc()
    with LibcaClient(PYEPICS_ACCESS, "IO:access:switched", env=ioc.client_env()) as client:
        assert client.next_event() is False
        ioc.iocsh("dbpf IO:access:switch 1")
        while not client.next_event():
            pass  # pyepics repeats the state it starts with


def test_a_bulk_database_serves_as_many_records_as_asked(
    make_c_ioc: MakeCIoc, tmp_path: Path
) -> None:
    database = tmp_path / "bulk.db"
    names = write_bulk_database(database, 1000)
    ioc = make_c_ioc(database)
    assert run_libca(AIOCA_GET, *names, env=ioc.client_env()) == list(range(1000))


# --- the rules of tests/conftest.py ---

# Each of these is run by an inner pytest; its name says how it must end.
INNER_TESTS = """
import asyncio, os, socket, threading, warnings
import pytest

def test_pass_sync(): pass

async def test_pass_async(): await asyncio.sleep(0)

async def test_pass_with_fixture(tmp_path): assert tmp_path.is_dir()

async def test_fail_async_assertion(): assert False

async def test_fail_left_task():
    asyncio.get_running_loop().left = asyncio.create_task(asyncio.sleep(100))

async def test_fail_unhandled_in_callback():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

async def test_fail_task_exception_never_retrieved():
    async def fail(): raise KeyError("lost")
    asyncio.create_task(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

async def test_fail_never_awaited():
    asyncio.sleep(0)

async def test_fail_unclosed_transport():
    async def handle(reader, writer): pass
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", port)
    server.close()

@pytest.mark.timeout(5)
async def test_fail_hanging():
    await asyncio.Event().wait()

stop = threading.Event()

def test_fail_left_thread():
    threading.Thread(target=stop.wait, name="left over", daemon=True).start()

kept = []

def test_fail_left_socket():
    kept.append(socket.socket())

def test_fail_left_file():
    kept.append(os.open("/dev/null", os.O_RDONLY))

async def test_fail_left_socket_async():
    kept.append(socket.socket())

def test_fail_warning():
    warnings.warn("careful", stacklevel=1)

@pytest.mark.leaks_allowed
def test_pass_leak_allowed():
    kept.append(socket.socket())

def test_pass_c_ioc(c_ioc): pass

def test_pass_c_ioc_started_by_the_test(make_c_ioc): make_c_ioc()
"""


def run_inner(folder: Path, tests: str) -> str:
    """Run tests in a pytest of their own, under our rules; return what it printed and its status."""
    (folder / "conftest.py").write_text("from tests.conftest import *\n")
    (folder / "test_inner.py").write_text(tests)
    command = python_command(
        "-m", "pytest", "-c", str(REPOSITORY / "pyproject.toml"), "--rootdir", str(folder)
    )
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-q", "-rA", str(folder)],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    return f"{done.stdout}{done.stderr}\nstatus {done.returncode}"


@pytest.fixture(scope="module")
def inner_outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    output = run_inner(tmp_path_factory.mktemp("inner"), INNER_TESTS)
    outcomes = re.findall(r"^(PASSED|FAILED|ERROR) \S*::(\w+)", output, re.MULTILINE)
    assert outcomes, output
    return {name: outcome for outcome, name in outcomes}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", re.findall(r"def (test_\w+)", INNER_TESTS))
def test_the_rules_decide_how_a_test_ends(name: str, inner_outcomes: dict[str, str]) -> None:
    expected = "PASSED" if name.startswith("test_pass") else "FAILED"
    assert inner_outcomes[name] == expected


INNER_LEFTOVER = """
import subprocess, sys
import pytest
from tests.support import free_port

PROGRAM = "import socket, sys; s = socket.socket(type=2); s.bind(('127.0.0.1', int(sys.argv[1])));"

kept = []

@pytest.mark.leaks_allowed
def test_leaves_a_program_behind():
    program = PROGRAM + "print('bound', flush=True); sys.stdin.read()"
    kept.append(subprocess.Popen([sys.executable, "-c", program, str(free_port())],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    kept[0].stdout.readline()
"""


def test_a_program_left_behind_fails_the_run(tmp_path: Path) -> None:
    output = run_inner(tmp_path, INNER_LEFTOVER)
    assert "programs still listen on ports" in output
    assert "1 passed" in output
    assert output.splitlines()[-1] == "status 1"


async def test_the_loopback_fixture_keeps_this_process_on_private_ports(
    loopback: Loopback,
) -> None:
    assert os.environ["EPICS_CA_ADDR_LIST"] == "127.0.0.1"
    assert os.environ["EPICS_CA_SERVER_PORT"] == str(loopback.ca_port)
    assert os.environ["EPICS_CAS_SERVER_PORT"] == str(loopback.ca_port)
    assert os.environ["EPICS_CA_REPEATER_PORT"] == str(loopback.repeater_port)
    server = await asyncio.start_server(
        lambda _reader, _writer: None, "127.0.0.1", loopback.ca_port
    )
    server.close()
    await server.wait_closed()
