"""The subscription behind a pyepics-like PV."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..._protocol.enums import SubscriptionType
from .. import _pv
from .fields import FORMS

__all__ = ["AUTOMONITOR_MAXLENGTH", "DEFAULT_SUBSCRIPTION_MASK", "Monitor"]

AUTOMONITOR_MAXLENGTH = 65536
"""PVs with more elements than that are not monitored unless it is asked for."""
DEFAULT_SUBSCRIPTION_MASK = int(SubscriptionType.DBE_VALUE | SubscriptionType.DBE_ALARM)


class Monitor:
    """One PV's part in a subscription, which others may share.

    Parameters
    ----------
    pv : caproto.threading.client.PV
    form : {'time', 'ctrl', 'native'}
    count : int or None
    mask : int
    callback : callable
        ``f(subscription, response)``, on a worker thread.
    """

    def __init__(
        self,
        pv: _pv.PV,
        form: str,
        count: int | None,
        mask: int,
        callback: Callable[[Any, Any], None],
    ) -> None:
        native = pv.channel.native_data_type if pv.channel is not None else None
        family = "time" if form == "ctrl" and native == 0 else FORMS[form]  # as `form_type`
        self._subscription = pv.subscribe(family, count, mask=SubscriptionType(mask))
        self._token: int | None = self._subscription.add_callback(callback, strong=True)

    def clear(self) -> None:
        """End it; others who share the subscription go on."""
        token, self._token = self._token, None
        if token is not None:
            self._subscription.remove_callback(token)
