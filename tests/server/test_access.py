"""`AccessRules`: who may read and write what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from caproto import AccessRights, CaprotoValueError, ChannelDouble
from caproto.server import AccessRules, ioc_arg_parser
from tests.server.fake_shell import Client
from tests.support.logs import unconfigured_logging
from tests.support.raw_messages import raw_message

NONE, READ, WRITE, BOTH = (AccessRights(code) for code in range(4))


def rights(rules: Any, pv: str = "x", **client: str) -> AccessRights:
    """Return the rights of a client, by default ada on lab at 10.1.2.3."""
    who = {"user": "ada", "host_name": "lab.example", "address": "10.1.2.3", **client}
    return AccessRules(rules).rights(pv, **who)


def test_without_rules_everybody_may_do_everything() -> None:
    assert rights([]) == BOTH


def test_default_decides_where_no_rule_does() -> None:
    rules = {"default": {"write": False}, "rules": [{"pvs": "y", "write": True}]}
    assert rights(rules, "x") == READ
    assert rights(rules, "y") == BOTH


def test_first_rule_that_says_something_decides_for_reading_and_writing_apart() -> None:
    rules: list[dict[str, Any]] = [
        {"users": "ada", "write": False},
        {"users": "*", "read": False, "write": True},
        {"read": True},
    ]
    assert rights(rules) == NONE
    assert rights(rules, user="bob") == WRITE


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("10.1.2.3", True),
        ("10.1.0.0/16", True),
        (["192.168.0.0/24", "10.0.0.0/8"], True),
        ("10.2.0.0/16", False),
        ("lab.example", True),
        ("LAB.*", True),
        ("*.example", True),
        ("lab", False),
        ("::1", False),
        ([], False),
    ],
)
def test_hosts_are_addresses_networks_or_names(hosts: Any, expected: bool) -> None:
    rules = {"default": {"read": False}, "rules": [{"hosts": hosts, "read": True}]}
    assert (rights(rules) & READ == READ) is expected


def test_addresses_are_not_what_a_client_says() -> None:
    rules = {"default": {"read": False}, "rules": [{"hosts": "10.0.0.0/8", "read": True}]}
    assert not rights(rules, host_name="10.1.2.3", address="192.0.2.1") & READ
    assert not rights(rules, address="a pipe") & READ


@pytest.mark.parametrize(
    ("pvs", "pv", "record", "expected"),
    [
        ("IOC:*", "IOC:x", None, True),
        ("IOC:?", "IOC:xy", None, False),
        (["a", "b[12]"], "b2", None, True),
        ("rec", "rec.DESC", "rec", True),
        ("rec.DESC", "rec.DESC", "rec", True),
        ("rec.DESC", "rec.VAL", "rec", False),
        ("*.DESC", "rec.DESC", "rec", True),
    ],
)
def test_record_stands_for_its_fields(
    pvs: Any, pv: str, record: str | None, expected: bool
) -> None:
    rules = AccessRules([{"pvs": pvs, "write": False}])
    found = rules.rights(pv, user="", host_name="", address="", record=record)
    assert (found == READ) is expected


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        (["x"], "access rule 1 is a mapping"),
        ([{}], "neither"),
        ([{"read": True}, {"pv": "x", "read": True}], r"access rule 2 has .* not \['pv'\]"),
        ([{"read": "yes"}], "true or false"),
        ([{"read": True, "hosts": "10.0.0.300/8"}], "no network"),
        ([{"read": True, "users": 5}], "a text or a list"),
        ({"rule": []}, "not \\['rule'\\]"),
        ({"default": {"delete": True}}, "default"),
        ({"default": {"read": 1}}, "true or false"),
        ("all", "a list"),
        ({"rules": 5}, "a list"),
    ],
)
def test_what_is_no_rule_is_refused_and_named(rules: Any, text: str) -> None:
    with pytest.raises(CaprotoValueError, match=text):
        AccessRules(rules)


def test_file_is_read_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "access.json"
    file.write_text(json.dumps([{"write": False}]))
    rules = AccessRules.from_file(file)
    who = {"user": "", "host_name": "", "address": ""}
    assert rules.rights("x", **who) == READ
    heard: list[str] = []
    rules.add_listener(lambda: heard.append("changed"))
    file.write_text('{"rules": [{"read": false}]}')
    rules.reload()
    assert rules.rights("x", **who) == WRITE
    assert heard == ["changed"]
    file.write_text("{")
    with pytest.raises(CaprotoValueError, match=r"access\.json are no JSON"):
        rules.reload()
    assert rules.rights("x", **who) == WRITE
    assert str(file) in repr(rules)


def test_rules_that_came_from_no_file_cannot_be_read_again() -> None:
    with pytest.raises(CaprotoValueError, match="replace"):
        AccessRules().reload()


def test_option_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "access.json"
    file.write_text("[]")
    argv = ["--access-file", str(file)]
    with unconfigured_logging():
        _, running = ioc_arg_parser(desc="", default_prefix="", argv=argv)
        assert running["access"].path == str(file)
        file.write_text("[5]")
        with pytest.raises(SystemExit):
            ioc_arg_parser(desc="", default_prefix="", argv=argv)
    assert "access rule 1" in capsys.readouterr().err


# --- in the engine ---


class ReadOnly(ChannelDouble):
    """A PV that refuses writes itself."""

    def check_access(self, hostname: str, username: str) -> AccessRights:
        return AccessRights.READ


def test_engine_gives_the_rights_that_both_the_pv_and_the_rules_allow() -> None:
    asked = []

    def rights_of(*args: str) -> AccessRights:
        asked.append(args)
        return AccessRights.WRITE | AccessRights.READ

    client = Client({"x": ReadOnly(value=0.0)}, rights=rights_of)
    sent = client.tell(raw_message(18, p1=1, p2=13, payload=b"x\0"))
    assert (sent[0].command, sent[0].p2) == (22, 1)
    assert asked == [("x", "ada", "lovelace", "10.0.0.7")]


@pytest.mark.parametrize("name", ["x", "x.VAL", "x.[0]", 'x.VAL{"ts":{}}'])
def test_names_with_fields_and_filters_are_about_the_same_pv(name: str) -> None:
    client = Client({"x": ChannelDouble(value=0.0)})
    assert client.names.parts(name) == ("x", "x.VAL")


def test_parts_of_unusual_names() -> None:
    client = Client({"a.b": ChannelDouble(value=0.0), "y[0]": ChannelDouble(value=0.0)})
    assert client.names.parts("a.b") == ("a.b", "a.b.VAL")
    assert client.names.parts("a.b.VAL[0]") == ("a.b", "a.b.VAL")
    assert client.names.parts("y[0].VAL") == ("y[0]", "y[0].VAL")
