"""IPv4 numbers, and ``host[:port]`` as people write it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caproto._addresses import (
    Address,
    ipv4_from_int32,
    ipv4_to_int32,
    is_ipv4,
    is_loopback,
    is_multicast,
    parse_address,
    unique,
)
from caproto._errors import CaprotoValueError


@given(st.ip_addresses(v=4))
def test_an_ip_address_and_its_number_convert_both_ways(address: IPv4Address) -> None:
    number = int(address)
    assert ipv4_to_int32(str(address)) == number
    assert ipv4_from_int32(number) == str(address)


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "1.2.3.256", "1.2.3.4.5", "1.2.3.٤"])
def test_text_that_is_no_ip_address_is_refused(text: str) -> None:
    assert not is_ipv4(text)
    with pytest.raises(CaprotoValueError, match="is not an IPv4 address"):
        ipv4_to_int32(text)


@pytest.mark.parametrize("number", [-1, 2**32])
def test_a_number_of_more_than_32_bits_is_refused(number: int) -> None:
    with pytest.raises(CaprotoValueError, match="32 bits"):
        ipv4_from_int32(number)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", 5064)),
        ("10.0.0.1:7000", ("10.0.0.1", 7000)),
        ("ioc-3.example.org:65535", ("ioc-3.example.org", 65535)),
        ("my_host", ("my_host", 5064)),
        ("h.", ("h.", 5064)),
    ],
)
def test_host_and_optional_port_are_read(text: str, expected: tuple[str, int]) -> None:
    address = parse_address(text, 5064)
    assert address == expected
    assert str(address) == "{}:{}".format(*expected)


@pytest.mark.parametrize(
    "text",
    ["", ":5064", "h:", "h:0", "h:65536", "h:x", "h:1:2", "h:-1", "::1", "1.2.3.999", "a,b", "a/b"],
)
def test_an_address_that_makes_no_sense_is_refused_and_named(text: str) -> None:
    with pytest.raises(CaprotoValueError) as caught:
        parse_address(text, 5064)
    assert repr(text) in str(caught.value)


def test_multicast_and_loopback_are_told_by_their_numbers() -> None:
    assert is_multicast("224.0.0.1")
    assert is_multicast("239.255.255.255")
    assert not is_multicast("223.0.0.1")
    assert not is_multicast("240.0.0.1")
    assert not is_multicast("224-group.example.org")
    assert is_loopback("127.3.2.1")
    assert not is_loopback("128.0.0.1")
    assert not is_loopback("localhost")


def test_repetitions_go_and_the_order_stays() -> None:
    first, second = Address("b", 1), Address("a", 1)
    assert unique([first, second, first]) == (first, second)
