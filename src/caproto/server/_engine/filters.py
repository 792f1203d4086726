"""Channel filters: which updates of a PV reach a subscription, each with a state of its own.

With the C IOC the subscriptions of one channel share the state of its filters, so that of two with a dead-band only
the first gets anything. Here each has its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from itertools import groupby
from typing import Protocol

from ..._protocol.enums import SubscriptionType
from ..._protocol.filter_chain import DecimationFilter, Filter, UserTagFilter
from ..._protocol.filters import DeadbandFilter, SyncFilter
from .served import Served
from .source import Reply, Source, Subscription, source_of

__all__ = ["FilteredSource", "Update", "gates"]

_VALUE_FLAGS = int(SubscriptionType.DBE_VALUE | SubscriptionType.DBE_LOG)
_PROPERTY = int(SubscriptionType.DBE_PROPERTY)


class Update:
    """What may be sent to a subscription.

    Parameters
    ----------
    number : float or None
        The value of a PV that is a single number.
    user_tag : int
    encode : callable
        Returns the value in wire form; called only if it is sent or kept, as most of a dead-band's updates are not.
    """

    __slots__ = ("_encode", "_reply", "number", "user_tag")

    def __init__(self, number: float | None, user_tag: int, encode: Callable[[], Reply]) -> None:
        self.number = number
        self.user_tag = user_tag
        self._encode = encode
        self._reply: Reply | None = None

    @property
    def reply(self) -> Reply:
        """The value in wire form: as it was when this was asked for first."""
        if self._reply is None:
            self._reply = self._encode()
        return self._reply

    def fixed(self) -> Update:
        """Return itself with the value of now, which soon will be another one."""
        self._reply = self.reply
        return self


class Gate(Protocol):
    """A filter on its way from one subscription's first update to its last.

    Changes of properties pass all of them; only dead-bands take note of the value then.
    """

    def admit(self, update: Update, flags: int) -> Update | None:
        """Return what goes on: the update, an earlier one, or nothing."""
        ...


class _Deadband:
    """Lets a number through that differs enough from the one before, and any alarm."""

    def __init__(self, filter_: DeadbandFilter) -> None:
        self._relative = filter_.m == "rel"
        self._width = filter_.d
        self._band = filter_.d
        self._last = math.nan

    def admit(self, update: Update, flags: int) -> Update | None:
        number = update.number
        if number is None:
            return update
        moved = not _moved(self._last, number) <= self._band  # also when the band is no number
        if moved:
            self._last = number
        elif not flags & ~_VALUE_FLAGS:
            return None
        if self._relative:
            self._band = number * self._width / 100
        return update


def _moved(old: float, new: float) -> float:
    """Return how far a number has moved; to and from infinity and what is no number, infinitely far."""
    if math.isfinite(old) and math.isfinite(new):
        return abs(new - old)
    return 0.0 if old == new or (math.isnan(old) and math.isnan(new)) else math.inf


class _Decimation:
    """Lets one of so many updates through, the first one to begin with."""

    def __init__(self, filter_: DecimationFilter) -> None:
        self._n = filter_.n
        self._count = 0

    def admit(self, update: Update, flags: int) -> Update | None:
        if flags & _PROPERTY:
            return update
        passes = self._count == 0
        self._count = (self._count + 1) % self._n
        return update if passes else None


class _UserTag:
    """Lets updates through whose tag has certain bits, and the first one."""

    def __init__(self, filter_: UserTagFilter) -> None:
        self._filter = filter_
        self._first = True

    def admit(self, update: Update, flags: int) -> Update | None:
        if flags & _PROPERTY:
            return update
        mask, value = self._filter
        first, self._first = self._first, False
        return update if first or update.user_tag & mask == value else None


class _Synchronisation:
    """Lets updates through, depending on a state of the IOC at their time."""

    def __init__(self, mode: str, state: Callable[[], bool]) -> None:
        self._mode = mode
        self._state = state
        self._was = False
        self._kept: Update | None = None

    def admit(self, update: Update, flags: int) -> Update | None:
        if flags & _PROPERTY:
            return update
        was, now = self._was, self._state()
        self._was = now
        kept = self._kept
        if self._mode in ("before", "last"):
            self._kept = update.fixed()
        found: dict[str, Update | None] = {
            "while": update if now else None,
            "unless": None if now else update,
            "first": update if now and not was else None,
            "after": update if was and not now else None,
            "before": kept if now and not was else None,
            "last": kept if was and not now else None,
        }
        return found[self._mode]


def gates(
    filters: Iterable[Filter], state_of: Callable[[str], Callable[[], bool]]
) -> list[Callable[[], Gate]]:
    """Return what makes the gates of a new subscription, in the order of the filters.

    Parameters
    ----------
    filters : iterable of Filter
        Those that change the value rather than let it through or not are left out.
    state_of : callable
        Returns what tells the current state of that name.
    """
    found: list[Callable[[], Gate]] = []
    for each in filters:
        if isinstance(each, DeadbandFilter):
            found.append(lambda each=each: _Deadband(each))  # type: ignore[misc]
        elif isinstance(each, DecimationFilter):
            found.append(lambda each=each: _Decimation(each))  # type: ignore[misc]
        elif isinstance(each, UserTagFilter):
            found.append(lambda each=each: _UserTag(each))  # type: ignore[misc]
        elif isinstance(each, SyncFilter):
            state = state_of(each.s)
            found.append(lambda mode=each.m, state=state: _Synchronisation(mode, state))  # type: ignore[misc]
    return found


class FilteredSource(Source):
    """A PV as ``$`` and channel filters show it.

    It takes part in the updates of the PV as long as it has subscriptions. It keeps no encoded replies: the value
    behind it may change without notice.

    Parameters
    ----------
    shown : Served
        The PV with what its name asks for.
    pv : Served
        The PV as such.
    make_gates : sequence of callables
        From `gates`.
    number : callable
        Returns the value that dead-bands look at, or None.
    """

    __slots__ = ("_chains", "_make_gates", "_number", "_pv")

    def __init__(
        self,
        shown: Served,
        pv: Served,
        make_gates: Iterable[Callable[[], Gate]] = (),
        number: Callable[[], float | None] = lambda: None,
    ) -> None:
        super().__init__(shown)
        self._pv = pv
        self._make_gates = tuple(make_gates)
        self._number = number
        self._chains: dict[Subscription, list[Gate]] = {}

    def encode(self, key: int, keep: bool = True) -> Reply:
        """Encode the current value, and do not keep the result."""
        reply = super().encode(key, keep=False)
        self.forget()
        return reply

    def first_update(self, subscription: Subscription, reply: Reply) -> Reply | None:
        """Return what a new subscription gets at once, if anything."""
        if not self._make_gates:
            return reply
        self._chains[subscription] = [make() for make in self._make_gates]
        update = self._update(lambda: reply)
        return self._admitted(subscription, update, subscription.mask)

    def publish(self, flags: int, number: float | None = None, nanoseconds: int = 0) -> None:
        """Send the current value to every subscription that asks for any of `flags` and lets it through."""
        if not self._make_gates:
            super().publish(flags)
            return
        concerned = (each for each in self.subscriptions if each.mask & flags)
        for key, subscriptions in groupby(concerned, lambda each: each.key):
            update = self._update(partial(self.encode_or_fail, key))
            for subscription in subscriptions:
                reply = self._admitted(subscription, update, subscription.mask & flags)
                if reply is not None:
                    subscription.circuit.send_update(subscription, reply)

    def _update(self, encode: Callable[[], Reply]) -> Update:
        return Update(self._number(), getattr(self._pv, "utag", 0), encode)

    def _admitted(self, subscription: Subscription, update: Update, flags: int) -> Reply | None:
        """Send an update through the gates of a subscription."""
        for gate in self._chains[subscription]:
            admitted = gate.admit(update, flags)
            if admitted is None:
                return None
            update = admitted
        return update.reply

    def add(self, subscription: Subscription) -> None:
        """Let a subscription get updates from now on."""
        if subscription not in self._chains:
            self._chains[subscription] = [make() for make in self._make_gates]
        if not self.subscriptions:
            _watch(source_of(self._pv), self)
        super().add(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Let a subscription get no more updates."""
        self._chains.pop(subscription, None)
        had_any = bool(self.subscriptions)
        super().remove(subscription)
        if had_any and not self.subscriptions:
            _unwatch(source_of(self._pv), self)


class _WatchedSource(Source):
    """The source of a PV that is also shown modified to somebody; a class of its own, so that others pay nothing."""

    __slots__ = ()

    def publish(self, flags: int, number: float | None = None, nanoseconds: int = 0) -> None:
        """Send the current value to all, and to those who see it modified."""
        super().publish(flags, number, nanoseconds)
        for view in list(self.views or ()):
            view.publish(flags)


def _watch(source: Source, view: FilteredSource) -> None:
    """Let `view` take part in the updates of a PV."""
    if source.views is None:
        source.views = {}
        source.__class__ = _WatchedSource
    source.views[view] = None


def _unwatch(source: Source, view: FilteredSource) -> None:
    """Let `view` take part no longer."""
    if source.views is not None:
        source.views.pop(view, None)
        if not source.views:
            source.views = None
            source.__class__ = Source
