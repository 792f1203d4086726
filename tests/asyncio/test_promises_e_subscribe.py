"""What the reference page promises about subscriptions (31 to 42, 44 and 45)."""

from __future__ import annotations

import asyncio
import gc
import inspect
import re
import struct
import warnings
from typing import Any

import pytest

from caproto import EventAddResponse, SubscriptionType
from caproto.asyncio.client import Context, Subscription
from tests.support import Ioc

from .reprs import NORMAL
from .sent_messages import EVENT_ADD, EVENT_CANCEL, READ_NOTIFY, SentMessages, circuit_of
from .waiting import Recorder, until


async def test_promise_31_subscribe_is_synchronous_and_sends_nothing(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        sent = SentMessages(dt)
        sub = dt.subscribe()
        assert isinstance(sub, Subscription)
        await dt.read()
        assert sent.of(EVENT_ADD) == []
        updates = Recorder()
        sub.add_callback(updates)
        await updates.until_value(3.0)
        assert len(sent.of(EVENT_ADD)) == 1


async def test_promise_31_subscribe_before_the_connection(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        updates = Recorder()
        sub = dt.subscribe()
        sub.add_callback(updates)
        assert not dt.connected
        await updates.until_value(3.0)


async def test_promise_32_callback_takes_the_subscription_and_the_response(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        updates = Recorder()
        sub = dt.subscribe()
        sub.add_callback(updates)
        await updates.until_value(3.0)
        await dt.write(2.5)
        await updates.until_value(2.5)
        assert [given is sub for given, _ in updates.calls] == [True, True]
        assert sub.pv is dt
        assert sub.pv.name == "random_walk:dt"
        assert [response.data[0] for response in updates.responses] == [3.0, 2.5]


async def test_promise_32_one_function_for_many_subscriptions(ioc: Ioc) -> None:
    async with Context() as ctx:
        pvs = await ctx.get_pvs("random_walk:x", "random_walk:dt")
        updates = Recorder()
        subs = [pv.subscribe() for pv in pvs]
        for sub in subs:
            sub.add_callback(updates)
        await until(
            lambda: {sub.pv.name for sub, _ in updates.calls} == {"random_walk:x", "random_walk:dt"}
        )


async def test_promise_33_tokens_count_from_zero(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        sub, other = dt.subscribe(), dt.subscribe()
        callbacks = [Recorder() for _ in range(3)]
        tokens = [sub.add_callback(callback) for callback in callbacks]
        assert tokens == [0, 1, 2]
        assert all(type(token) is int for token in tokens)
        assert other.add_callback(callbacks[0]) == 0


async def test_promise_34_second_callback_is_no_load_on_the_network(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        first, second = Recorder(), Recorder()
        sub = dt.subscribe()
        sub.add_callback(first)
        await first.until_value(3.0)
        sent = SentMessages(dt)
        sub.add_callback(second)
        await second.until_value(3.0)  # the most recent value, at once
        assert sent.messages == []
        await dt.write(2.0)
        await first.until_value(2.0)
        await second.until_value(2.0)
        assert first.values == second.values == [3.0, 2.0]
        assert first.responses[1] is second.responses[1]


async def test_promise_35_async_for(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        sub = dt.subscribe()
        async for response in sub:
            assert repr(response) == (
                "EventAddResponse(data=array([3.]), data_type=<ChannelType.DOUBLE: 6>, "
                f"data_count=1, status={NORMAL}, subscriptionid=0, metadata=None)"
            )
            break


async def test_promise_35_async_for_begins_with_the_most_recent_value(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        updates = Recorder()
        sub = dt.subscribe()
        sub.add_callback(updates)
        await updates.until_value(3.0)
        sent = SentMessages(dt)
        received = []
        async for response in sub:
            received.append(response)
            if len(received) == 1:
                assert sent.messages == []
                assert response is updates.responses[0]
                await dt.write(2.0)
            else:
                break
        assert [response.value for response in received] == [3.0, 2.0]


async def test_promise_35_async_for_misses_nothing_while_its_body_waits(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        received: list[float] = []
        async for response in dt.subscribe():
            received.append(response.value)
            if len(received) == 1:
                for value in (11.0, 12.0, 13.0):
                    await dt.write(value)
                # Each of them has arrived by the time the reply to a later read has.
                await dt.read()
            if received[-1] == 13.0:
                break
        assert received == [3.0, 11.0, 12.0, 13.0]


async def test_promise_35_two_loops_get_every_update(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        sub = dt.subscribe()

        async def collect() -> list[float]:
            values: list[float] = []
            async for response in sub:
                values.append(response.value)
                if values[-1] == 12.0:
                    break
            return values

        loops = [asyncio.create_task(collect()) for _ in range(2)]
        await until(lambda: sub.most_recent_response)
        await dt.write(11.0)
        await dt.write(12.0)
        assert [await loop for loop in loops] == [[3.0, 11.0, 12.0]] * 2


async def test_promise_36_remove_callback_and_clear_are_coroutines(ioc: Ioc) -> None:
    assert inspect.iscoroutinefunction(Subscription.remove_callback)
    assert inspect.iscoroutinefunction(Subscription.clear)
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        removed, kept = Recorder(), Recorder()
        sub = dt.subscribe()
        token = sub.add_callback(removed)
        sub.add_callback(kept)
        await removed.until_value(3.0)
        await sub.remove_callback(token)
        await dt.write(2.0)
        await kept.until_value(2.0)
        assert removed.values == [3.0]
        await sub.clear()
        await dt.write(1.0)
        await dt.read()
        assert kept.values == [3.0, 2.0]


async def test_promise_37_last_callback_cancels_and_a_later_one_subscribes_again(
    ioc: Ioc,
) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        first, second, third = Recorder(), Recorder(), Recorder()
        sub = dt.subscribe()
        tokens = [sub.add_callback(first), sub.add_callback(second)]
        await first.until_value(3.0)
        sent = SentMessages(dt)
        await sub.remove_callback(tokens[0])
        await dt.read()
        assert sent.commands == [READ_NOTIFY]
        await sub.remove_callback(tokens[1])
        await until(lambda: sent.commands == [READ_NOTIFY, EVENT_CANCEL])
        await dt.write(2.0)
        sub.add_callback(third)
        await third.until_value(2.0)
        assert len(sent.of(EVENT_ADD)) == 1
        assert third.values == [2.0]
        await sub.clear()
        await until(lambda: len(sent.of(EVENT_CANCEL)) == 2)


async def test_promise_37_unsubscribe_all(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        updates = Recorder()
        subs = [dt.subscribe(), dt.subscribe(data_type="time")]
        for sub in subs:
            sub.add_callback(updates)
        await updates.until(lambda values: len(values) == 2)
        sent = SentMessages(dt)
        await dt.unsubscribe_all()
        await until(lambda: sent.commands == [EVENT_CANCEL, EVENT_CANCEL])
        await dt.write(2.0)
        await dt.read()
        assert updates.values == [3.0, 3.0]


async def test_promise_38_garbage_collection_of_the_last_callback_cancels(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        updates: Recorder | None = Recorder()
        assert updates is not None
        sub = dt.subscribe()
        sub.add_callback(updates)
        await updates.until_value(3.0)
        sent = SentMessages(dt)
        updates = None
        gc.collect()
        await until(lambda: sent.commands == [EVENT_CANCEL])
        again = Recorder()
        sub.add_callback(again)
        await again.until_value(3.0)


async def test_promise_38_an_abandoned_loop_cancels(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        sent = SentMessages(dt)
        async for _ in dt.subscribe():
            break
        gc.collect()
        await until(lambda: sent.commands == [EVENT_ADD, EVENT_CANCEL])


async def test_promise_39_first_callback_gets_the_first_response(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        for round_number in range(10):
            # While the subscription of the round before is being cancelled.
            first, second = Recorder(), Recorder()
            sub = dt.subscribe()
            sub.add_callback(first)
            sub.add_callback(second)
            await first.until(len)
            await second.until(len)
            assert first.values == second.values == [3.0], round_number
            await sub.clear()


async def test_promise_40_a_bare_lambda_is_silently_collected(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        calls: list[Any] = []
        sub = dt.subscribe()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            sub.add_callback(lambda sub, response: calls.append(response))
            gc.collect()
            await until(lambda: not sub.callbacks)
        assert warned == []
        await dt.write(2.0)
        await dt.read()
        assert calls == []
        callback = lambda sub, response: calls.append(response)  # noqa: E731
        sub.add_callback(callback)
        await until(lambda: calls)


async def test_promise_40_methods_live_as_long_as_their_object(ioc: Ioc) -> None:
    class Owner:
        def __init__(self) -> None:
            self.values: list[float] = []

        def update(self, sub: Subscription, response: EventAddResponse) -> None:
            self.values.append(response.value)

    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        owner: Owner | None = Owner()
        assert owner is not None
        sub = dt.subscribe()
        sub.add_callback(owner.update)
        gc.collect()
        values = owner.values
        await until(lambda: values == [3.0])
        sent = SentMessages(dt)
        owner = None
        gc.collect()
        await until(lambda: sent.commands == [EVENT_CANCEL])


# 41, that callbacks of reads and writes are kept alive, is tested with 22 and 27.


async def test_promise_41_callbacks_of_reads_and_writes_are_called_once(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        read, written = [], []
        await dt.read(wait=False, callback=lambda response: read.append(response.ioid))
        await dt.write(1, wait=False, callback=lambda response: written.append(response.ioid))
        gc.collect()
        await until(lambda: written)
        await dt.read()
        await dt.write(1)
        assert (read, written) == ([0], [1])


async def test_promise_42_callback_of_one_argument(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        values: list[float] = []

        def old(response: EventAddResponse) -> None:
            values.append(response.value)

        async def old_coroutine(response: EventAddResponse) -> None:
            values.append(-response.value)

        sub = dt.subscribe()
        with pytest.warns(DeprecationWarning, match="one argument") as warned:
            sub.add_callback(old)
        assert warned[0].filename == __file__
        with pytest.warns(DeprecationWarning, match="one argument"):
            sub.add_callback(old_coroutine)
        await until(lambda: sorted(values) == [-3.0, 3.0])


async def test_promise_44_low_high_and_to_are_sent(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        sent = SentMessages(dt)
        updates = Recorder()
        sub = dt.subscribe(low=1.5, high=2.5, to=3.5, mask=SubscriptionType.DBE_VALUE)
        sub.add_callback(updates)
        await updates.until_value(3.0)  # which is not between low and high: they do nothing
        (message,) = sent.of(EVENT_ADD)
        assert struct.unpack(">fffHxx", message.payload) == (1.5, 2.5, 3.5, 1)


async def test_promise_45_mask(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        sent = SentMessages(dt)
        updates = Recorder()
        default, logged = dt.subscribe(), dt.subscribe(mask=SubscriptionType.DBE_LOG)
        default.add_callback(updates)
        logged.add_callback(updates)
        await updates.until(lambda values: len(values) == 2)
        masks = [struct.unpack(">12xHxx", message.payload)[0] for message in sent.of(EVENT_ADD)]
        assert masks == [
            SubscriptionType.DBE_VALUE | SubscriptionType.DBE_ALARM | SubscriptionType.DBE_PROPERTY,
            SubscriptionType.DBE_LOG,
        ]


async def test_promise_45_property_updates_only(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        properties, values = Recorder(), Recorder()
        first = dt.subscribe(mask=SubscriptionType.DBE_PROPERTY)
        second = dt.subscribe()
        first.add_callback(properties)
        second.add_callback(values)
        await properties.until_value(3.0)
        await values.until_value(3.0)
        await dt.write(2.0)
        await values.until_value(2.0)
        assert properties.values == [3.0]


async def test_promise_35_data_type_and_count_of_a_subscription(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        async for response in dt.subscribe(data_type="time", data_count=1):
            assert re.match(r"DBR_TIME_DOUBLE\(status=", repr(response.metadata))
            break
        async for response in dt.subscribe(data_type="control"):
            assert repr(response.metadata).startswith("DBR_CTRL_DOUBLE(")
            break
        assert circuit_of(dt).connected


async def test_promise_35_an_empty_update_is_delivered(various_ioc: Ioc) -> None:
    async with Context() as ctx:
        (array,) = await ctx.get_pvs("various:array")
        await array.write([1.5, 2.5])
        received: list[list[float]] = []
        sub = array.subscribe()
        async for response in sub:
            received.append(response.data.tolist())
            if received[-1] == [1.5, 2.5]:
                await array.write([])
            elif received[-1] == []:
                assert response.data_count == 0
                await array.write([3.5])
            else:
                break
        assert received == [[1.5, 2.5], [], [3.5]]


async def test_promise_35_updates_of_an_array_that_is_empty_at_first(various_ioc: Ioc) -> None:
    async with Context() as ctx:
        (array,) = await ctx.get_pvs("various:array")
        await array.write([])
        updates = Recorder()
        sub = array.subscribe()
        sub.add_callback(updates)
        await until(lambda: updates.responses)
        assert updates.responses[0].data.tolist() == []
        # And the confirmation of the end is not taken for another empty one.
        await sub.clear()
        sub.add_callback(updates)
        await until(lambda: len(updates.responses) == 2)
        await array.read()
        assert len(updates.responses) == 2
