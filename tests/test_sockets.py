"""Sockets as they are made and bound."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from caproto import _sockets
from caproto._errors import CaprotoNetworkError
from caproto._interfaces import Interface
from tests.support import free_port


@contextmanager
def sockets_to_close() -> Iterator[list[socket.socket]]:
    """Close what a test puts into the list."""
    sockets: list[socket.socket] = []
    try:
        yield sockets
    finally:
        for sock in sockets:
            sock.close()


def option(sock: socket.socket, number: int) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, number))


def test_a_broadcast_socket_may_broadcast_and_share_its_port() -> None:
    with sockets_to_close() as opened:
        port = free_port()
        for _ in range(2):
            opened.append(_sockets.bcast_socket())
            assert option(opened[-1], socket.SO_BROADCAST)
            opened[-1].bind(("127.0.0.1", port))


def test_a_broadcast_socket_comes_from_the_module_that_is_given() -> None:
    class FakeSocket(socket.socket):
        pass

    class Module:
        socket = FakeSocket

    with _sockets.bcast_socket(Module) as sock:  # type: ignore[arg-type]
        assert type(sock) is FakeSocket


def test_a_search_socket_has_a_port_of_its_own() -> None:
    with sockets_to_close() as opened:
        opened += [_sockets.search_socket(), _sockets.search_socket(multicast_ttl=9)]
        assert len({sock.getsockname()[1] for sock in opened}) == 2
        assert all(option(sock, socket.SO_BROADCAST) for sock in opened)
        assert not any(sock.getblocking() for sock in opened)
        assert opened[1].getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 9


def test_a_port_is_in_use_even_if_its_owner_would_share_it() -> None:
    with sockets_to_close() as opened:
        port = free_port()
        assert not _sockets.port_in_use(port)
        opened.append(_sockets.bcast_socket())
        opened[0].bind(("127.0.0.1", port))
        assert _sockets.port_in_use(port)


def test_tcp_listens_on_one_port_of_all_interfaces() -> None:
    with sockets_to_close() as opened:
        wanted = free_port()
        port, sockets = _sockets.tcp_listeners(["127.0.0.1", "127.0.0.2"], wanted)
        opened += sockets
        assert port == wanted
        assert [sock.getsockname() for sock in sockets] == [
            ("127.0.0.1", port),
            ("127.0.0.2", port),
        ]
        with socket.create_connection(("127.0.0.2", port), timeout=5):
            pass


def test_promise_4_tcp_takes_a_random_port_if_the_wanted_one_is_taken_on_any_interface() -> None:
    with sockets_to_close() as opened:
        wanted = free_port()
        _, taken = _sockets.tcp_listeners(["127.0.0.2"], wanted)
        opened += taken
        port, sockets = _sockets.tcp_listeners(["127.0.0.1", "127.0.0.2"], wanted)
        opened += sockets
        assert 49152 <= port <= 65535
        assert {sock.getsockname()[1] for sock in sockets} == {port}


def test_tcp_on_an_address_of_another_machine_is_an_error_that_names_it() -> None:
    port = free_port()
    with pytest.raises(CaprotoNetworkError, match=f"198.51.100.1:{port}") as caught:
        _sockets.tcp_listeners(["127.0.0.1", "198.51.100.1"], port)
    assert caught.value.address == ("198.51.100.1", port)


def test_tcp_gives_up_when_no_port_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with sockets_to_close() as opened:
        port, sockets = _sockets.tcp_listeners(["127.0.0.1"], free_port())
        opened += sockets
        monkeypatch.setattr(_sockets, "random_ports", lambda num, try_first: [port, port])
        with pytest.raises(CaprotoNetworkError, match=r"No TCP port is free on 127\.0\.0\.1"):
            _sockets.tcp_listeners(["127.0.0.1"], port)


def test_udp_listeners_share_the_port_and_hear_what_is_sent_to_them() -> None:
    with sockets_to_close() as opened:
        port = free_port()
        opened += _sockets.udp_listeners(["127.0.0.1", "127.0.0.2"], port)
        opened += _sockets.udp_listeners(["127.0.0.3"], port)
        assert [sock.getsockname()[0] for sock in opened] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for sock in opened:
                sender.sendto(b"x", sock.getsockname())
                sock.settimeout(5)
                assert sock.recv(10) == b"x"


def test_udp_on_one_interface_hears_its_broadcasts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with sockets_to_close() as opened:
        served = Interface("test", "127.0.0.2", "127.255.255.255")
        monkeypatch.setattr(_sockets, "list_interfaces", lambda: [served])
        port = free_port()
        opened += _sockets.udp_listeners(["127.0.0.2"], port)
        assert [sock.getsockname()[0] for sock in opened] == ["127.0.0.2", "127.255.255.255"]
        opened.append(_sockets.bcast_socket())
        opened[-1].sendto(b"x", ("127.255.255.255", port))
        opened[1].settimeout(5)
        assert opened[1].recv(10) == b"x"


def test_udp_hears_a_multicast_group() -> None:
    with sockets_to_close() as opened:
        port = free_port()
        opened += _sockets.udp_listeners(["127.0.0.1"], port, ["239.255.76.67"])
        assert len(opened) == 2
        _sockets.join_multicast_group(opened[1], "239.255.76.67", "127.0.0.1")  # twice does no harm
        sender = _sockets.search_socket()
        opened.append(sender)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sender.sendto(b"x", ("239.255.76.67", port))
        opened[1].settimeout(5)
        assert opened[1].recv(10) == b"x"


def test_a_group_that_is_none_cannot_be_joined() -> None:
    with sockets_to_close() as opened:
        opened.append(_sockets.search_socket())
        with pytest.raises(
            CaprotoNetworkError, match=r"multicast group 10\.0\.0\.1 on 127\.0\.0\.1"
        ):
            _sockets.join_multicast_group(opened[0], "10.0.0.1", "127.0.0.1")


def test_udp_listeners_leave_nothing_open_if_one_cannot_be_bound() -> None:
    # The check for leaks that follows every test is part of this one.
    with pytest.raises(CaprotoNetworkError, match=r"Cannot bind UDP 198\.51\.100\.1"):
        _sockets.udp_listeners(["127.0.0.1", "198.51.100.1"], free_port())
