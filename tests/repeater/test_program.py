"""The repeater as a program with real sockets, beside that of the C library."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from caproto._addresses import Address
from caproto._errors import CaprotoNetworkError, RepeaterAlreadyRunning
from caproto._protocol.enums import Command
from caproto._protocol.header import HEADER
from caproto._version import __version__
from caproto.commandline.repeater import main
from caproto.sync import repeater
from tests.conftest import Loopback
from tests.support import free_port, free_ports
from tests.support.blocking import wait_until
from tests.support.logs import unconfigured_logging
from tests.support.ports import bound_ports

from .programs import Client, c_repeater, our_repeater, owner_of_udp_port, running

LOOPBACK = 0x7F000001
REGISTER = HEADER.pack(Command.REPEATER_REGISTER, 0, 0, 0, 0, LOOPBACK)
CONFIRM = HEADER.pack(Command.REPEATER_CONFIRM, 0, 0, 0, 0, LOOPBACK)
NO_OP = HEADER.pack(Command.VERSION, 0, 0, 0, 0, 0)


def beacon(number: int, address: int = 0) -> bytes:
    return HEADER.pack(Command.RSRV_IS_UP, 0, 13, 5064, number, address)


@pytest.fixture(params=["ours", pytest.param("C", marks=pytest.mark.interop)])
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """The port of a running repeater."""
    number = free_port()
    make = our_repeater if request.param == "ours" else c_repeater
    with running(make(number, tmp_path), number):
        yield number


# --- what clients and servers see -----------------------------------------------------------------


@pytest.mark.parametrize("request_", [REGISTER, b""], ids=["message", "empty"])
def test_a_registration_is_confirmed_from_another_port(port: int, request_: bytes) -> None:
    with Client(port) as client:
        client.send(request_)
        assert client.receive() == CONFIRM
        client.send(request_)  # a lost answer is asked for again
        assert client.receive() == CONFIRM


def test_clients_get_beacons_with_the_address_of_the_server(port: int) -> None:
    with Client(port) as first, Client(port) as second, Client(port) as server:
        first.send(REGISTER)
        assert first.receive() == CONFIRM
        second.send(REGISTER)
        assert second.receive() == CONFIRM
        assert first.receive() == NO_OP
        server.send(beacon(1))
        server.send(beacon(2, address=0x01020304))
        for client in (first, second):
            assert client.receive() == beacon(1, LOOPBACK)
            assert client.receive() == beacon(2, 0x01020304)


def test_a_datagram_does_not_return_to_its_sender(port: int) -> None:
    with Client(port) as sender, Client(port) as other:
        sender.send(REGISTER)
        assert sender.receive() == CONFIRM
        other.send(REGISTER)
        assert other.receive() == CONFIRM
        assert sender.receive() == NO_OP
        sender.send(beacon(1, LOOPBACK))
        assert other.receive() == beacon(1, LOOPBACK)
        other.send(beacon(2, LOOPBACK))
        assert sender.receive() == beacon(2, LOOPBACK), "the first it gets is not its own"


def test_clients_that_are_gone_do_no_harm_to_the_others(port: int) -> None:
    with Client(port) as stays:
        stays.send(REGISTER)
        assert stays.receive() == CONFIRM
        for number in range(10):
            with Client(port) as passing:
                passing.send(REGISTER)
                assert passing.receive() == CONFIRM
            assert stays.receive() == NO_OP
            stays.send(beacon(number))  # to nobody, or to those that are gone
        with Client(port) as server:
            server.send(beacon(99))
            assert stays.receive() == beacon(99, LOOPBACK)


def test_a_port_that_a_client_left_serves_the_next_one(port: int) -> None:
    with Client(port) as server, Client(port) as former:
        former.send(REGISTER)
        assert former.receive() == CONFIRM
        address = former.sock.getsockname()
        former.sock.close()
        server.send(beacon(1))  # provokes the error that the next send to this port reports
        with Client(port) as latter:
            latter.sock.close()
            latter.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            latter.sock.bind(address)
            latter.sock.settimeout(1)
            while True:  # a client asks until it is answered
                latter.send(REGISTER)
                try:
                    if latter.receive() == CONFIRM:
                        break
                except TimeoutError:
                    continue
            server.send(beacon(2))
            datagrams = iter(latter.receive, beacon(2, LOOPBACK))
            assert set(datagrams) <= {CONFIRM, NO_OP, beacon(1, LOOPBACK)}


# --- only ours ------------------------------------------------------------------------------------


def test_dead_clients_are_forgotten_when_another_one_comes(tmp_path: Path) -> None:
    port = free_port()
    with running(our_repeater(port, tmp_path, "-v", "--no-color"), port) as program:
        with Client(port) as gone:
            gone.send(REGISTER)
            gone.receive()
            gone_port = gone.sock.getsockname()[1]
        with Client(port) as stays:
            stays.send(REGISTER)
            stays.receive()
        program.wait_for_output(rf"Client 127\.0\.0\.1:{gone_port} is gone")


def test_a_client_that_is_gone_is_noticed_by_the_error_on_sending(tmp_path: Path) -> None:
    port = free_port()
    with running(our_repeater(port, tmp_path, "-v"), port) as program, Client(port) as server:
        with Client(port) as gone:
            gone.send(REGISTER)
            gone.receive()
        server.send(beacon(1))
        server.send(beacon(2))
        program.wait_for_output("is gone")


def test_hostile_datagrams_do_not_stop_it(tmp_path: Path) -> None:
    port = free_port()
    with running(our_repeater(port, tmp_path), port) as program:
        with Client(port) as hostile, Client(port) as client:
            client.send(REGISTER)
            assert client.receive() == CONFIRM
            for size in range(1, 40):
                hostile.send(b"\xff" * size)
            hostile.send(bytes(65507))
            hostile.send(beacon(1)[:-1])
            hostile.send(beacon(2))
            datagrams = list(iter(client.receive, beacon(2, LOOPBACK)))
        assert min(map(len, datagrams)) >= 16
        assert "Traceback" not in program.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_on_a_signal(number: int, tmp_path: Path) -> None:
    port = free_port()
    with running(our_repeater(port, tmp_path), port) as program:
        program.wait_for_output(rf"Repeater is listening on 0\.0\.0\.0:{port}")
        with Client(port) as client:
            client.send(REGISTER)
            client.receive()
        program.send_signal(number)
        assert program.wait() == 0
    assert port not in bound_ports()
    assert "Traceback" not in program.output


@pytest.mark.parametrize("first", ["ours", pytest.param("C", marks=pytest.mark.interop)])
def test_the_second_repeater_ends_silently_with_success(first: str, tmp_path: Path) -> None:
    port = free_port()
    make = our_repeater if first == "ours" else c_repeater
    with running(make(port, tmp_path), port) as program:
        owner = owner_of_udp_port(port)
        (tmp_path / "second").mkdir()
        second = our_repeater(port, tmp_path / "second")
        second.start()
        assert second.wait() == 0
        assert second.output == ""
        assert owner_of_udp_port(port) == owner == program.pid


def test_of_repeaters_started_at_once_one_remains(tmp_path: Path) -> None:
    port = free_port()
    programs = []
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        programs.append(our_repeater(port, folder))
    for program in programs:
        program.start()
    try:
        wait_until(lambda: sum(p.running for p in programs) == 1, "three of four end")
        (winner,) = [program for program in programs if program.running]
        assert owner_of_udp_port(port) == winner.pid
        for program in programs:
            if program is not winner:
                assert program.wait() == 0
                assert program.output == ""
    finally:
        for program in programs:
            program.kill()


# --- the command and the module, in this process --------------------------------------------------


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """Undo what the command configures."""
    with unconfigured_logging():
        yield


def test_the_command_tells_its_version_and_its_port(
    capsys: pytest.CaptureFixture[str], loopback: Loopback
) -> None:
    for argument, expected in (("-V", __version__), ("--help", str(loopback.repeater_port))):
        with pytest.raises(SystemExit) as caught:
            main([argument])
        assert caught.value.code == 0
        assert expected in capsys.readouterr().out


def test_quiet_and_verbose_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["-q", "-v"])
    assert caught.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_running_into_a_running_repeater_is_an_error_of_the_function(loopback: Loopback) -> None:
    address = ("127.0.0.1", loopback.repeater_port)
    with repeater.check_for_running_repeater(address) as sock:
        assert sock.getsockname() == address
        with pytest.raises(RepeaterAlreadyRunning) as caught:
            repeater.run("127.0.0.1")
        assert caught.value.address == address


def test_an_address_of_another_machine_cannot_be_served(loopback: Loopback) -> None:
    with pytest.raises(CaprotoNetworkError, match=r"cannot bind 198\.51\.100\.1"):
        repeater.run("198.51.100.1")


@pytest.mark.usefixtures("logging_as_it_was")
def test_a_port_that_is_not_for_us_ends_the_command_with_an_error(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise CaprotoNetworkError("The repeater cannot bind 0.0.0.0:1: Permission denied")

    monkeypatch.setattr("caproto.commandline.repeater.run", refuse)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    assert main(["--quiet"]) == 1
    assert "Permission denied" in capsys.readouterr().out


def test_it_goes_on_when_the_system_has_no_more_file_descriptors(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "caproto.repeater")
    emfile = OSError(errno.EMFILE, "Too many open files")
    outcomes = iter([emfile, emfile, KeyboardInterrupt()])

    def fail(self: object, *_: object) -> None:
        raise next(outcomes)

    with repeater.check_for_running_repeater(("127.0.0.1", loopback.repeater_port)) as sock:
        shell = repeater.RepeaterShell(sock)
        with Client(loopback.repeater_port) as client, monkeypatch.context() as patch:
            client.send(REGISTER)
            client.send(REGISTER)
            client.send(REGISTER)
            # first where an answer is sent, then where a datagram is judged
            patch.setattr(repeater.RepeaterShell, "_client_socket", fail)
            shell._receive(REGISTER, Address(*client.sock.getsockname()))
            assert "Sending to client" in caplog.text
            patch.setattr(repeater.RepeaterShell, "_receive", fail)
            with pytest.raises(KeyboardInterrupt):
                shell.serve()
            assert "A datagram is lost: [Errno 24]" in caplog.text
        shell.close()


def test_ports_that_nobody_has_any_more_are_found() -> None:
    taken, left = free_ports(2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", taken))
        assert list(repeater.check_ports_in_use([taken, left])) == [("", left)]


def test_the_repeater_hears_the_multicast_groups_of_the_address_lists(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = loopback.repeater_port
    with repeater.check_for_running_repeater(("0.0.0.0", port)) as sock:
        repeater._join_groups(sock, ["239.255.76.68"])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            interface = socket.inet_aton("127.0.0.1")
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
            sender.sendto(beacon(1), ("239.255.76.68", port))
        sock.settimeout(10)
        assert sock.recv(100) == beacon(1)


def test_a_group_that_cannot_be_joined_is_reported(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    with repeater.check_for_running_repeater(("0.0.0.0", loopback.repeater_port)) as sock:
        repeater._join_groups(sock, ["10.0.0.1"])
    assert "Cannot join the multicast group 10.0.0.1" in caplog.text


def test_only_addresses_of_this_machine_are_local() -> None:
    assert repeater._is_local("127.0.0.1")
    assert not repeater._is_local("198.51.100.1")


def test_the_documented_names_are_in_the_module() -> None:
    assert {"MAX_UDP_RECV", "RepeaterAlreadyRunning", "logger", "run", "spawn_repeater"} <= set(
        repeater.__all__
    )
    assert repeater.logger.name == "caproto.repeater"
    assert os.path.basename(repeater.__file__) == "repeater.py"
