"""PVs whose clients are watched, and may be made to wait."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, Protocol

from .._errors import CaprotoError, CaprotoRuntimeError
from .._protocol.dbr import NATIVE_TYPES
from .._protocol.enums import AccessRights, ChannelType
from ..server.data import ChannelData
from ._pvs import plain_value

__all__ = ["Watcher", "Write", "unwatch", "watch"]


class Write(NamedTuple):
    """One write of a client, as in `FakeIoc.written`; it equals the tuple of its two items.

    Attributes
    ----------
    name : str
        Of the PV.
    value : object
        What was written, in the type of the PV: a number, a text, the label of a state (which also equals its number),
        or a list.
    """

    name: str
    value: Any


class Watcher(Protocol):
    """What watched PVs tell."""

    async def delay(self, name: str) -> None:
        """Keep a client waiting."""
        ...

    def note_write(self, write: Write) -> None:
        """Take note of a client's write."""
        ...

    def rights(self, name: str) -> AccessRights:
        """Tell what clients may do."""
        ...


def _as_written(pv: ChannelData, data: Any, data_type: ChannelType) -> Any:
    """Return what a client wrote as a value of the PV, or as it came if it cannot be one."""
    try:
        return pv.preprocess_value(pv.value_from_dbr(data, NATIVE_TYPES[data_type]))
    except CaprotoError:
        return data


@cache
def _watched_class(cls: Any) -> Any:
    """Return a class that does what `cls` does, watched."""

    # One base class only: Python lets no object change to a class with two.
    class Watched(cls):  # type: ignore[misc]
        __doc__ = cls.__doc__
        _watcher: Watcher
        _name_watched: str

        def check_access(self, hostname: str, username: str) -> AccessRights:
            """Take away what the test has taken away."""
            rights: AccessRights = super().check_access(hostname, username)
            return rights & self._watcher.rights(self._name_watched)

        async def auth_read(self, *args: Any, **kwargs: Any) -> Any:
            """Let a client read, perhaps late."""
            await self._watcher.delay(self._name_watched)
            return await super().auth_read(*args, **kwargs)

        async def auth_write(
            self,
            hostname: str,
            username: str,
            data: Any,
            data_type: ChannelType,
            metadata: Any,
            **kwargs: Any,
        ) -> Any:
            """Take note of what a client writes, and let it write, perhaps late."""
            value = plain_value(_as_written(self, data, data_type))
            self._watcher.note_write(Write(self._name_watched, value))
            await self._watcher.delay(self._name_watched)
            return await super().auth_write(hostname, username, data, data_type, metadata, **kwargs)

    Watched.takes_scalars = cls.takes_scalars
    for name in ("__name__", "__qualname__", "__module__"):
        setattr(Watched, name, getattr(cls, name))
    return Watched


def watch(pv: ChannelData, name: str, watcher: Watcher) -> None:
    """Tell `watcher` from now on what clients do with a PV.

    Raises
    ------
    CaprotoRuntimeError
        If another one is told already.
    """
    own: Any = pv
    other = getattr(pv, "_watcher", None)
    if other is watcher:
        return  # it has two names
    if other is not None:
        raise CaprotoRuntimeError(
            f"the PV {name} is served by another fake IOC already", pv_name=name
        )
    cls: Any = type(pv)
    own.__class__ = _watched_class(cls)
    own._watcher = watcher
    own._name_watched = name


def unwatch(pv: ChannelData, watcher: Watcher) -> None:
    """Make a PV what it was before `watch`."""
    own: Any = pv
    if getattr(pv, "_watcher", None) is watcher:
        own.__class__ = type(pv).__base__
        del own._watcher, own._name_watched
