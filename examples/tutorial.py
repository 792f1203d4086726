"""The tutorial of the asyncio client as one program: ``python examples/tutorial.py``.

It starts the random-walk IOC on free ports of this machine, does with it what the tutorial does, and stops it.
Nothing else needs to run, and nothing outside this machine is asked. The exit status says whether all went well.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import socket
import sys
import textwrap
from collections.abc import AsyncIterator
from typing import Any

from caproto import EventAddResponse
from caproto.asyncio.client import PV, Context, Subscription

SECONDS_OF_UPDATES = 5
WIDTH = 88


class TutorialError(Exception):
    """Something was not as the tutorial says."""


# --- what the program prints ---


def say(text: str) -> None:
    """Print a line in one piece: callbacks do so on other threads."""
    sys.stdout.write(text + "\n")


def step(title: str, remark: str = "") -> None:
    """Begin a step."""
    say(f"\n{title}\n{'-' * len(title)}")
    if remark:
        say(textwrap.fill(remark, WIDTH))


def show(code: str, result: Any = None) -> None:
    """Print a line of Python and, unless it is None, what it gave."""
    say(f"  >>> {code}")
    if result is not None:
        lines = textwrap.wrap(repr(result), WIDTH - 6, break_long_words=False)
        say("  " + "\n      ".join(lines))


def check(condition: object, complaint: str) -> None:
    """End the tutorial if something is not as it should be."""
    if not condition:
        raise TutorialError(complaint)


# --- the IOC ---


def free_port() -> int:
    """Return a port that nobody has bound, for UDP or for TCP."""
    for _ in range(100):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        ):
            udp.bind(("127.0.0.1", 0))
            port: int = udp.getsockname()[1]
            with contextlib.suppress(OSError):
                tcp.bind(("127.0.0.1", port))
                return port
    raise TutorialError("there is no free port")


def keep_to_this_machine() -> None:
    """Let clients and servers of this program find each other by loopback, and nobody else."""
    for name in list(os.environ):
        if name.startswith(("EPICS_CA", "CAPROTO_")):
            del os.environ[name]
    os.environ.update(
        EPICS_CA_ADDR_LIST="127.0.0.1",
        EPICS_CA_AUTO_ADDR_LIST="NO",
        EPICS_CA_SERVER_PORT=str(free_port()),
        EPICS_CA_REPEATER_PORT=str(free_port()),
        EPICS_CAS_INTF_ADDR_LIST="127.0.0.1",
        EPICS_CAS_BEACON_ADDR_LIST="127.0.0.1",
        EPICS_CAS_AUTO_BEACON_ADDR_LIST="NO",
        CAPROTO_NO_REPEATER="1",  # which would go on after this program
    )


@contextlib.asynccontextmanager
async def random_walk_ioc() -> AsyncIterator[None]:
    """Run the demo IOC beside this program."""
    step("1. Start an IOC", "In a process of its own, on free ports of this machine.")
    arguments = ["-m", "caproto.ioc_examples.random_walk", "--list-pvs"]
    say(f"  $ python {' '.join(arguments)}")
    ioc = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert ioc.stdout is not None
    try:
        while True:
            line = (await asyncio.wait_for(ioc.stdout.readline(), 30)).decode().rstrip()
            check(line, f"the IOC ended with exit status {ioc.returncode}")
            say(f"  {line}")
            if line.endswith("random_walk:x"):
                break
        yield
        check(ioc.returncode is None, "the IOC ended by itself")
    finally:
        if ioc.returncode is None:
            ioc.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGINT)  # as Ctrl-C does
            try:
                await asyncio.wait_for(ioc.communicate(), 10)
            except asyncio.TimeoutError:
                ioc.kill()
                await ioc.communicate()
    step("The IOC has stopped", f"Its exit status is {ioc.returncode}.")
    check(ioc.returncode == 0 or os.name == "nt", "the IOC did not end in order")


# --- the tutorial ---


async def connect(ctx: Context) -> tuple[PV, PV]:
    """Ask for two PVs."""
    step(
        "2. Connect",
        "get_pvs returns at once. The Context searches and connects in the background.",
    )
    x, dt = await ctx.get_pvs("random_walk:x", "random_walk:dt")
    show("x, dt = await ctx.get_pvs('random_walk:x', 'random_walk:dt')")
    show("dt", dt)
    show("ctx", ctx)
    await x.wait_for_connection(timeout=30)
    await dt.wait_for_connection(timeout=30)
    show("await dt.wait_for_connection()")
    show("dt", dt)
    show("ctx", ctx)
    return x, dt


async def read(dt: PV) -> None:
    """Read a value, plain and with its time."""
    step("3. Read")
    response = await dt.read()
    show("response = await dt.read()")
    show("response", response)
    show("response.data", response.data)
    show("response.value", response.value)
    show("bytes(response)", bytes(response))
    check(response.value == 3.0, "random_walk:dt should be 3.0 at first")

    step("4. Read with the time", "Richer types bring metadata along.")
    richer = await dt.read(data_type="time")
    show("richer = await dt.read(data_type='time')")
    show("richer.metadata", richer.metadata)
    show("richer.metadata.stamp.as_datetime()  # UTC", richer.metadata.stamp.as_datetime())


async def write(dt: PV) -> None:
    """Write a value: the walk takes a step every second from now on."""
    step("5. Write", "By default the server confirms it. From now on, one step a second.")
    show("await dt.write([1])", await dt.write([1]))
    value = (await dt.read()).value
    show("(await dt.read()).value", value)
    check(value == 1.0, "the value that was written should be read")

    confirmed = asyncio.Event()

    async def callback(response: Any) -> None:
        say(f"  callback: confirmed, ioid={response.ioid}, {response.status.name}")
        confirmed.set()

    show("await dt.write([1], wait=False, callback=callback)")
    await dt.write([1], wait=False, callback=callback)
    await asyncio.wait_for(confirmed.wait(), 10)


async def subscribe(x: PV) -> None:
    """Give updates to two callbacks, and to a loop."""
    step(
        "6. Subscribe",
        f"Two callbacks share one subscription, for {SECONDS_OF_UPDATES} seconds.",
    )
    responses: list[EventAddResponse] = []
    values: list[float] = []

    def f(sub: Subscription, response: EventAddResponse) -> None:
        say(f"  f: received response from {sub.pv.name}")
        responses.append(response)

    def g(sub: Subscription, response: EventAddResponse) -> None:
        say(f"  g: the value is {response.value:+.3f}")
        values.append(response.data[0])

    sub = x.subscribe()
    show("sub = x.subscribe()")
    token = sub.add_callback(f)
    show("token = sub.add_callback(f)")
    show("sub.add_callback(g)", sub.add_callback(g))
    await asyncio.sleep(SECONDS_OF_UPDATES)
    show("len(responses)", len(responses))
    check(len(responses) >= 2, "there should be several updates by now")
    check(len(responses) == len(values), "both callbacks should be told of each update")

    step(
        "7. Subscribe with async for",
        "The first value is the most recent one. The callbacks are still told, too.",
    )
    show("async for response in sub: ...")
    count = 0
    async for response in sub:
        say(f"  received {response.data}")
        count += 1
        if count == 3:
            break
    await sub.remove_callback(token)
    show("await sub.remove_callback(token)")
    await sub.clear()
    show("await sub.clear()")


async def go_idle(x: PV, ctx: Context) -> None:
    """Give the channel back to the server, and use the PV again."""
    step("8. Go idle and come back", "An idle PV costs nothing. The next use reconnects it.")
    show("x", x)
    await x.go_idle()
    show("await x.go_idle()")
    show("x", x)
    show("ctx", ctx)
    check("(idle)" in repr(x), "the PV should be idle")
    value = (await x.read()).value
    show("(await x.read()).value", value)
    show("x", x)
    check(x.connected, "the PV should be connected again")


async def cancel(ctx: Context) -> None:
    """Stop looking for a name that nobody serves."""
    step("9. Cancel a search", "Otherwise a name is looked for for ever, less and less often.")
    (typo,) = await ctx.get_pvs("random_walk:typo")
    show("typo, = await ctx.get_pvs('random_walk:typo')")
    show("typo", typo)
    ctx.broadcaster.cancel("random_walk:typo")
    show("ctx.broadcaster.cancel('random_walk:typo')")
    show("typo", typo)
    check("(cancelled)" in repr(typo), "the search should be cancelled")


async def events_off_and_on(x: PV, dt: PV) -> None:
    """Suspend all updates of a circuit for a while."""
    step("10. Events off and on", "Ten steps a second; then the server holds them back.")
    values: list[float] = []

    def count(sub: Subscription, response: EventAddResponse) -> None:
        values.append(response.value)

    async def updates_in_a_second() -> int:
        before = len(values)
        await asyncio.sleep(1)
        return len(values) - before

    await dt.write(0.1)
    show("await dt.write(0.1)")
    sub = x.subscribe()
    sub.add_callback(count)
    async for _ in sub:
        if len(values) >= 3:  # the step before still took a second
            break
    say(f"  {await updates_in_a_second()} updates in a second")

    manager = x.circuit_manager
    assert manager is not None
    await manager.events_off()
    show("await x.circuit_manager.events_off()")
    await x.read()  # from here on nothing is under way any more
    held_back = await updates_in_a_second()
    say(f"  {held_back} updates in a second")
    check(held_back == 0, "there should be no updates while events are off")

    await manager.events_on()
    show("await x.circuit_manager.events_on()")
    resumed = await updates_in_a_second()
    say(f"  {resumed} updates in a second")
    check(resumed >= 2, "updates should go on")
    await sub.clear()


def health(x: PV, ctx: Context) -> None:
    """Tell when the server was last heard."""
    step("11. Server health", "Seconds since each server, and that of a PV, was last heard.")
    show("ctx.broadcaster.time_since_last_heard()", ctx.broadcaster.time_since_last_heard())
    show("x.time_since_last_heard()", x.time_since_last_heard())
    check(x.time_since_last_heard() < 10, "the server should have been heard lately")


async def tutorial() -> None:
    """Do all of it."""
    async with random_walk_ioc(), Context() as ctx:
        x, dt = await connect(ctx)
        await read(dt)
        await write(dt)
        await subscribe(x)
        await go_idle(x, ctx)
        await cancel(ctx)
        await events_off_and_on(x, dt)
        health(x, ctx)


def main() -> int:
    """Run the tutorial; return the exit status."""
    # So that the IOC is stopped however this program is.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # for those who watch it through a pipe
    keep_to_this_machine()
    try:
        asyncio.run(asyncio.wait_for(tutorial(), 120))
    except (Exception, KeyboardInterrupt) as error:
        print(f"\nThe tutorial failed: {error!r}", file=sys.stderr)
        return 1
    say("\nThat is all. Everything was as it should be.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
