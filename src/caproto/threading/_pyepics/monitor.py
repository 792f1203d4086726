"""The monitor of a pyepics-like PV: what keeps its value up to date."""

from __future__ import annotations

from typing import Any

from ..._errors import CaprotoError
from ..._protocol.enums import ChannelType, SubscriptionType
from .._subscription import Subscription
from .callbacks import Callbacks
from .connection import logger
from .fields import FORMS

__all__ = ["AUTOMONITOR_MAXLENGTH", "DEFAULT_SUBSCRIPTION_MASK", "Monitored"]

AUTOMONITOR_MAXLENGTH = 65536
"""PVs with more elements than that are not monitored unless it is asked for; see CAPROTO_CLIENT_AUTOMONITOR_MAXLENGTH."""
DEFAULT_SUBSCRIPTION_MASK = int(SubscriptionType.DBE_VALUE | SubscriptionType.DBE_ALARM)
_PATIENCE = 1.0  # seconds that setting MDEL may take


class Monitor:
    """One PV's part in a subscription, which others may share; it is made on the loop.

    Parameters
    ----------
    pv : Monitored
    """

    def __init__(self, pv: Monitored) -> None:
        family = FORMS[pv.form]
        if pv.form == "ctrl" and pv._native is ChannelType.STRING:
            family = "time"  # as `form_type`
        self._background = pv.context._background
        self._subscription: Subscription = pv._caproto_pv.subscribe(
            family, pv._count, mask=pv.auto_monitor_mask
        )
        self._token: int | None = self._subscription._sub._add_own(pv._on_changes)

    def end(self) -> None:
        """End it, on the loop; others who share the subscription go on."""
        token, self._token = self._token, None
        if token is not None:
            self._subscription._sub._discard(token)

    def clear(self) -> None:
        """End it."""
        self._background.call(self.end)


class Monitored(Callbacks):
    """A PV that is monitored by itself."""

    _auto_monitor: bool | int | None = None
    _reported: tuple[Any, Any] | None = None
    """Value and alarm that callbacks were last told, where small changes do not count."""
    _delta_is_ours = True
    """Whether the record does not leave small changes out."""

    @property
    def auto_monitor(self) -> bool | int | None:
        """Whether the value is kept up to date; may be set, also to a mask of ``DBE_…``."""
        wanted = self._auto_monitor
        if wanted is None and (nelm := self._nelm) is not None:
            return nelm <= self.context._core._settings.automonitor_maxlength
        return wanted

    @auto_monitor.setter
    def auto_monitor(self, value: bool | int | None) -> None:
        self._auto_monitor = value
        if self._native is not None:
            self.context._background.call(self._adjust_monitor)

    @property
    def auto_monitor_mask(self) -> int:
        """Which changes are of interest, of ``DBE_…``."""
        wanted = self._auto_monitor
        if wanted is None or wanted is True or wanted is False:
            return DEFAULT_SUBSCRIPTION_MASK
        return wanted

    def clear_auto_monitor(self) -> None:
        """Keep the value up to date no longer."""
        self.auto_monitor = False

    def _adjust_monitor(self) -> None:
        """Begin or end the monitor as it is wanted, on the loop."""
        monitor = self._auto_monitor_sub
        if not self.auto_monitor:
            if monitor is not None:
                self._auto_monitor_sub = None
                monitor.end()
        elif monitor is None and not self._disconnected_for_good:
            self._auto_monitor_sub = Monitor(self)

    def _ready(self) -> None:
        # The loop tells those who wait for the connection before it begins the monitor.
        if self._auto_monitor is not False and self._auto_monitor_sub is None and self.auto_monitor:
            self.context._background.call(self._adjust_monitor)

    def on_state(self, state: str) -> None:
        """Take note that the channel opened or closed, on the loop."""
        if state == "connected":
            if self._auto_monitor is not False:
                self._adjust_monitor()
            if self._monitor_delta is not None:
                self._hand_over(Monitored._set_monitor_delta, self)
        super().on_state(state)

    def _on_changes(self, subscription: Any, response: Any) -> None:
        """Take an update, on a worker thread."""
        if not response.succeeded:
            return
        self._newest = response
        if self._monitor_delta is not None and self._is_small_change():
            return
        if self.callbacks:
            self._run_all(response)

    # --- small changes ----------------------------------------------------------------------------------------------

    @property
    def monitor_delta(self) -> float | None:
        """Smaller changes do not count."""
        return self._monitor_delta

    @monitor_delta.setter
    def monitor_delta(self, value: float | None) -> None:
        self._monitor_delta = value
        self._args["monitor_delta"] = value
        self._set_monitor_delta()

    def _set_monitor_delta(self) -> None:
        """Tell the record; where that is not possible, the changes are left out here."""
        delta = self._monitor_delta
        if delta is None:
            return
        try:
            (field,) = self.context.get_pvs(self.pvname.partition(".")[0] + ".MDEL")
            field.write(delta, timeout=_PATIENCE)
        except CaprotoError as error:
            self._delta_is_ours = True
            logger.debug("MDEL of %r cannot be set: %s", self.pvname, error)
        else:
            self._delta_is_ours = False

    def _is_small_change(self) -> bool:
        """Whether there is no need to tell the callbacks: small steps add up, and an alarm is never small."""
        args = self._args
        now = args["value"], (args["status"], args["severity"])
        before = self._reported
        if (
            self._delta_is_ours
            and before is not None
            and before[1] == now[1]
            and _is_close(before[0], now[0], self._monitor_delta or 0)
        ):
            return True
        self._reported = now
        return False


def _is_close(before: Any, now: Any, delta: float) -> bool:
    """Whether a number has changed by less than `delta`."""
    if not isinstance(before, int | float) or not isinstance(now, int | float):
        return False
    return abs(now - before) < delta
