"""EVENT_ADD and EVENT_CANCEL."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..._errors import RemoteProtocolError
from ..._protocol.arrays import Buffer
from ..._protocol.enums import Command
from ..._protocol.header import Head, pack_head
from ..._protocol.messages.subscription import EVENT_ADD_PAYLOAD
from ..._protocol.status import CAStatus
from .channel import Channel
from .reads import current_reply, read_reply
from .source import Reply, Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .circuit import ServerCircuit

__all__ = ["Monitors"]

_ALLOCMEM = int(CAStatus.ECA_ALLOCMEM)
_NORMAL = int(CAStatus.ECA_NORMAL)
_BADTYPE = int(CAStatus.ECA_BADTYPE)
_BADMASK = int(CAStatus.ECA_BADMASK)
_BADMONID = int(CAStatus.ECA_BADMONID)


class Monitors:
    """The requests of one circuit about subscriptions."""

    __slots__ = ("_channels", "_circuit")

    def __init__(self, circuit: ServerCircuit) -> None:
        self._circuit = circuit
        self._channels = circuit.channels

    def on_event_add(self, head: Head, payload: Buffer) -> None:
        """Begin a subscription; the first update leaves at once, whatever the mask says."""
        circuit = self._circuit
        channel = self._channels.get(head[4])
        if channel is None:
            circuit.unknown_sid(head)
        if len(payload) < EVENT_ADD_PAYLOAD.size:
            raise RemoteProtocolError(
                f"EVENT_ADD with {len(payload)} bytes of payload", address=circuit.address
            )
        mask = EVENT_ADD_PAYLOAD.unpack_from(payload)[3]
        if not mask:
            circuit.send_error(head, channel.cid, _BADMASK, "the mask is empty")
            return
        refusal = self._refusal(channel, head)
        if refusal:
            circuit.send_error(head, channel.cid, _ALLOCMEM, refusal)
            return
        subscription = Subscription(circuit, head, mask)
        replaced = channel.take_subscription(head[5])
        if replaced is not None:  # a client that uses an id twice means the later one
            self._forget(channel, replaced)
        channel.subscriptions += (subscription,)
        circuit.subscriptions += 1
        if channel.operations is None and (channel.reads_at_once or not channel.readable):
            # Not kept: the update is the last that wants the current value in this form, until it changes.
            self._begin(channel, subscription, *current_reply(channel, head, keep=False))
        elif not channel.submit(False, head, partial(self._start, channel, subscription)):
            channel.take_subscription(head[5])
            self._forget(channel, subscription)

    def renew(self, channel: Channel) -> None:
        """Send each subscription what there is to read now, and let updates come as far as the client may read."""
        for subscription in channel.subscriptions:
            channel.source.remove(subscription)
            if channel.reads_at_once or not channel.readable:
                self._start(channel, subscription)
            else:
                channel.submit(
                    False, subscription.head, partial(self._start, channel, subscription)
                )

    def _refusal(self, channel: Channel, head: Head) -> str:
        """Return why there may not be one more subscription, if that is so."""
        of_channel, of_client = self._circuit.limits[2:4]
        if of_channel is not None and len(channel.subscriptions) >= of_channel:
            reason = f"no more than {of_channel} subscriptions to {channel.name}"
        elif of_client is not None and self._circuit.subscriptions >= of_client:
            reason = f"a client may have {of_client} subscriptions, no more"
        else:
            return ""
        # One with the same id takes the place of the one before.
        return "" if any(each.head[5] == head[5] for each in channel.subscriptions) else reason

    def _start(
        self, channel: Channel, subscription: Subscription
    ) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """Begin a subscription now, or return what does."""
        if channel.reads_at_once or not channel.readable:
            self._begin(channel, subscription, *current_reply(channel, subscription.head))
            return None
        return partial(self._begin_slowly, channel, subscription)

    async def _begin_slowly(self, channel: Channel, subscription: Subscription) -> None:
        self._begin(channel, subscription, *await read_reply(channel, subscription.head))

    def _begin(
        self, channel: Channel, subscription: Subscription, reply: Reply, status: int
    ) -> None:
        """Send the first update, and let those after it come unless this one was refused."""
        if subscription not in channel.subscriptions:
            return  # cancelled while the PV got its value
        first: Reply | None = reply
        if status == _NORMAL:
            first = channel.source.first_update(subscription, reply)
        if first is not None:
            self._circuit.send_update(subscription, first)
        if channel.readable and status != _BADTYPE:
            channel.source.add(subscription)

    def on_event_cancel(self, head: Head, payload: Buffer) -> None:
        """End a subscription; the confirmation is an EVENT_ADD without payload."""
        circuit = self._circuit
        channel = self._channels.get(head[4])
        if channel is None:
            circuit.unknown_sid(head)
        subscription = channel.take_subscription(head[5])
        if subscription is None:
            text = f"there is no subscription {head[5]} to {channel.name}"
            circuit.send_error(head, channel.cid, _BADMONID, text)
            raise RemoteProtocolError(text, address=circuit.address)
        self._forget(channel, subscription)
        _, _, data_type, data_count, sid, id_ = subscription.head[:6]
        long = len(subscription.head) > 6
        circuit.send(pack_head(Command.EVENT_ADD, 0, data_type, data_count, sid, id_, long=long))

    def _forget(self, channel: Channel, subscription: Subscription) -> None:
        """Let a subscription get nothing more, not even what is held back."""
        self._circuit.subscriptions -= 1
        channel.source.remove(subscription)
        if self._circuit.held:
            self._circuit.held.discard(subscription)
