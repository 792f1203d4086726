"""Who may read and write which PVs of a server."""

from __future__ import annotations

import fnmatch
import ipaddress
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from .._errors import CaprotoValueError
from .._protocol.enums import AccessRights

__all__ = ["AccessRules"]

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_KEYS = ("pvs", "users", "hosts", "read", "write")
_NONE, _READ, _WRITE = AccessRights(0), AccessRights.READ, AccessRights.WRITE


class _Rule(NamedTuple):
    """One rule; what is None is not asked about, or not decided."""

    pvs: re.Pattern[str] | None
    users: re.Pattern[str] | None
    host_names: re.Pattern[str] | None
    networks: tuple[_Network, ...] | None
    read: bool | None
    write: bool | None

    def is_about(self, names: Iterable[str], user: str, host_name: str, address: str) -> bool:
        """Tell whether the rule is about a client and a PV."""
        if self.pvs is not None and not any(map(self.pvs.fullmatch, names)):
            return False
        if self.users is not None and not self.users.fullmatch(user):
            return False
        if self.host_names is None and self.networks is None:
            return True
        if self.host_names is not None and self.host_names.fullmatch(host_name.lower()):
            return True
        return self.networks is not None and _is_in(address, self.networks)


class AccessRules:
    """Rules about who may read and write which PVs.

    The rules are looked at in their order, for reading and for writing separately: the first one that is about the
    client and the PV and says ``"read"`` decides about reading, the first one that says ``"write"`` about writing. If
    none does, the default decides. What a PV itself refuses (`ChannelData.check_access`, ``read_only=True``) stays
    refused.

    Parameters
    ----------
    rules : mapping, or sequence of mappings
        The rules, or ``{"default": {"read": bool, "write": bool}, "rules": [...]}``. A rule is a mapping of

        ``"pvs"``
            one name or a list of them, with the wildcards ``*``, ``?`` and ``[...]``. A record's name stands for all
            its fields, ``record.FIELD`` for one. Any PV by default.
        ``"users"``
            user names, with wildcards. Any user by default.
        ``"hosts"``
            addresses (``10.1.2.3``), networks (``10.1.0.0/16``), or host names with wildcards. Any by default.
        ``"read"``, ``"write"``
            true or false. A rule says at least one of them.

    Raises
    ------
    CaprotoValueError
        If a rule is none; nothing is taken for granted.

    Notes
    -----
    Addresses and networks are compared with where a client really connects from. User and host names are what it
    says of itself: like the access security of a C IOC they protect against mistakes, not against malice.

    Examples
    --------
    >>> rules = AccessRules(
    ...     {
    ...         "default": {"read": True, "write": False},
    ...         "rules": [{"pvs": "IOC:setpoint*", "hosts": "10.1.0.0/16", "write": True}],
    ...     }
    ... )
    >>> rights = rules.rights("IOC:setpoint1", user="ada", host_name="lab", address="10.1.7.7")
    >>> AccessRights.WRITE in rights
    True
    """

    def __init__(self, rules: Mapping[str, Any] | Iterable[Mapping[str, Any]] = ()) -> None:
        self.path: str | None = None
        """The file that `reload` reads, if they came from one."""
        self._listeners: dict[Callable[[], object], None] = {}
        self._default, self._rules = _compiled(rules)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> AccessRules:
        """Read rules from a JSON file.

        Parameters
        ----------
        path : path-like
            Of a JSON document in UTF-8, in either form that the class takes.

        Raises
        ------
        OSError
            If it cannot be read.
        CaprotoValueError
            If it is no JSON, or has no rules.
        """
        self = cls(_read(path))
        self.path = os.fspath(path)
        return self

    def __repr__(self) -> str:
        origin = f" from {self.path}" if self.path else ""
        return f"<AccessRules: {len(self._rules)} rules{origin}>"

    def rights(
        self, pv_name: str, *, user: str, host_name: str, address: str, record: str | None = None
    ) -> AccessRights:
        """Return what a client may do.

        Parameters
        ----------
        pv_name : str
            The PV, or the field of a record.
        user, host_name : str
            As the client says.
        address : str
            Where it connects from.
        record : str, optional
            The record, if `pv_name` is a field of one.
        """
        names = (pv_name,) if record is None else (pv_name, record)
        read: bool | None = None
        write: bool | None = None
        for rule in self._rules:
            decides = (read is None and rule.read is not None) or (
                write is None and rule.write is not None
            )
            if decides and rule.is_about(names, user, host_name, address):
                read = rule.read if read is None else read
                write = rule.write if write is None else write
        default = self._default
        may_read = bool(default & _READ) if read is None else read
        may_write = bool(default & _WRITE) if write is None else write
        return (_READ if may_read else _NONE) | (_WRITE if may_write else _NONE)

    def replace(self, rules: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> None:
        """Exchange all rules; the servers that use them tell their clients what has changed.

        To be called in the thread of the server's event loop.

        Raises
        ------
        CaprotoValueError
            If a rule is none; then the old ones stay.
        """
        self._default, self._rules = _compiled(rules)
        for listener in list(self._listeners):
            listener()

    def reload(self) -> None:
        """Read the file again, and do as `replace` does.

        Raises
        ------
        CaprotoValueError
            If the rules came from no file, or it has none now; then the old ones stay.
        OSError
            If it cannot be read; then the old ones stay.
        """
        if self.path is None:
            raise CaprotoValueError("these access rules came from no file; use replace(rules)")
        self.replace(_read(self.path))

    def add_listener(self, listener: Callable[[], object]) -> None:
        """Call `listener` after each change."""
        self._listeners[listener] = None

    def remove_listener(self, listener: Callable[[], object]) -> None:
        """Call `listener` no more."""
        self._listeners.pop(listener, None)


def _read(path: str | os.PathLike[str]) -> Any:
    with open(path, encoding="utf-8") as file:
        try:
            return json.load(file)
        except (ValueError, RecursionError) as error:
            raise CaprotoValueError(
                f"the access rules in {os.fspath(path)} are no JSON: {error}"
            ) from None


def _compiled(rules: Any) -> tuple[AccessRights, list[_Rule]]:
    """Check rules and bring them into the form in which they are used."""
    default = _READ | _WRITE
    if isinstance(rules, Mapping):
        unknown = set(rules) - {"default", "rules"}
        if unknown:
            raise CaprotoValueError(
                f'access rules have "default" and "rules", but not {sorted(map(str, unknown))}'
            )
        said = rules.get("default", {})
        if not isinstance(said, Mapping) or set(said) - {"read", "write"}:
            raise CaprotoValueError('the default of access rules is {"read": bool, "write": bool}')
        for key, right in (("read", _READ), ("write", _WRITE)):
            if _decision(said, key, "the default of access rules") is False:
                default &= ~right
        rules = rules.get("rules", ())
    if isinstance(rules, str | bytes) or not isinstance(rules, Iterable):
        raise CaprotoValueError(f"access rules are a list, not {rules!r}")
    return default, [_rule(each, f"access rule {n}") for n, each in enumerate(rules, 1)]


def _rule(given: Any, what: str) -> _Rule:
    if not isinstance(given, Mapping):
        raise CaprotoValueError(f"{what} is a mapping of {', '.join(_KEYS)}, not {given!r}")
    unknown = set(given) - set(_KEYS)
    if unknown:
        raise CaprotoValueError(
            f"{what} has {', '.join(_KEYS)}, but not {sorted(map(str, unknown))}"
        )
    read, write = _decision(given, "read", what), _decision(given, "write", what)
    if read is None and write is None:
        raise CaprotoValueError(f'{what} says neither "read" nor "write"')
    names, networks = [], []
    hosts = _texts(given, "hosts", what)
    for host in hosts or ():
        try:
            networks.append(ipaddress.ip_network(host, strict=False))
        except ValueError:
            if "/" in host:
                raise CaprotoValueError(f"{what}: {host!r} is no network") from None
            names.append(host.lower())
    return _Rule(
        _pattern(_texts(given, "pvs", what)),
        _pattern(_texts(given, "users", what)),
        None if hosts is None else _pattern(names),
        None if hosts is None else tuple(networks),
        read,
        write,
    )


def _decision(given: Mapping[str, Any], key: str, what: str) -> bool | None:
    found = given.get(key)
    if found is not None and not isinstance(found, bool):
        raise CaprotoValueError(f'{what}: "{key}" is true or false, not {found!r}')
    return found


def _texts(given: Mapping[str, Any], key: str, what: str) -> list[str] | None:
    """Return one text or several as a list; None if there is no such key."""
    found = given.get(key)
    if found is None:
        return None
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise CaprotoValueError(f'{what}: "{key}" is a text or a list of texts, not {found!r}')
    return list(texts)


def _pattern(texts: list[str] | None) -> re.Pattern[str] | None:
    """Return one expression for several texts with wildcards; of none, one that nothing matches."""
    if texts is None:
        return None
    return re.compile("|".join(map(fnmatch.translate, texts)) or "(?!)")


def _is_in(address: str, networks: tuple[_Network, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)
