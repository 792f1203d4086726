"""The server's side of the soak: IOCs behind proxies, and all that happens to them."""

from __future__ import annotations

import asyncio
import random
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.support import CIoc, free_port
from tests.support.chaos_proxy import Action, ChaosProxy, Fault, Way, Weather
from tests.support.raw_ca import CA_PROTO_SEARCH
from tests.support.raw_messages import HEADER

from .soak_truth import Target, write_database

BEACON = 13
SCALARS = 8
DEAF = (Fault(Action.STALL, 0, Way.TO_CLIENT), Fault(Action.STALL, 0, Way.TO_SERVER))


class Site:
    """
    An IOC and the proxy in front of it.

    Parameters
    ----------
    place
        A letter.
    number
        Of the first target.
    folder
        For files.
    seed
        Of the proxy.
    """

    def __init__(self, place: str, number: int, folder: Path, seed: int) -> None:
        self.place = place
        self.targets = [
            Target(f"SOAK:{place}:{index}", number + index, wave=index == SCALARS)
            for index in range(SCALARS + 1)
        ]
        database = folder / f"soak-{place}.db"
        write_database(database, place, self.targets)
        self.ioc = CIoc(database, folder=folder)
        self.proxy = ChaosProxy(self.ioc.port, seed=seed)
        self.frozen = False
        self.restarting = False

    async def restart(self, port: int) -> None:
        """Kill the IOC and start it again."""
        self.restarting = True
        self.ioc.kill()
        for target in self.targets:
            target.restarted()
        await asyncio.to_thread(self.ioc.restart, port)
        self.proxy.server_port = port
        self.restarting = False

    def freeze(self) -> None:
        """Stop the IOC, as a debugger would."""
        self.ioc.pause()
        self.frozen = True

    def thaw(self) -> None:
        """Let it go on."""
        if self.frozen:
            self.ioc.resume()
        self.frozen = False


class Faults:
    """
    Lets things happen until it is told to stop.

    Parameters
    ----------
    sites
        Where.
    rng
        Decides what.
    counts
        Where to count.
    """

    def __init__(self, sites: list[Site], rng: random.Random, counts: Counter[str]) -> None:
        self._sites = sites
        self._rng = rng
        self._counts = counts
        self._kinds: list[tuple[int, Callable[[Site], Awaitable[None]]]] = [
            (6, self._cut),
            (6, self._reset),
            (4, self._stall),
            (6, self._delay),
            (4, self._damage),
            (4, self._weather),
            (3, self._junk),
            (2, self._refuse),
            (2, self._spoil_greeting),
            (2, self._answer_nothing),
            (3, self._freeze),
            (1, self._kill),
        ]

    async def run(self, seconds: float) -> None:
        """Let things happen for so long; afterwards everything works again."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        rng = self._rng
        running: list[asyncio.Future[None]] = []
        weights = [weight for weight, _ in self._kinds]
        try:
            while loop.time() < end:
                [(_, kind)] = rng.choices(self._kinds, weights)
                site = rng.choice(self._sites)
                self._counts[kind.__name__.strip("_").replace("_", " ")] += 1
                running.append(asyncio.ensure_future(kind(site)))
                await asyncio.sleep(rng.uniform(0.02, 0.6))
        finally:
            await asyncio.gather(*running)
            self._repair()

    def _repair(self) -> None:
        for site in self._sites:
            site.thaw()
            site.proxy.heal()
            site.proxy.listen()

    def _way(self) -> Way:
        return self._rng.choice(list(Way))

    async def _cut(self, site: Site) -> None:
        site.proxy.inject(Fault(Action.CUT, self._rng.randrange(3000), self._way()))

    async def _reset(self, site: Site) -> None:
        site.proxy.inject(Fault(Action.RESET, self._rng.randrange(3000), self._way()))

    async def _stall(self, site: Site) -> None:
        site.proxy.inject(Fault(Action.STALL, self._rng.randrange(100), self._way()))
        await asyncio.sleep(self._rng.uniform(0.1, 4.0))
        for link in list(site.proxy.links):
            link.heal()

    async def _delay(self, site: Site) -> None:
        delay = self._rng.uniform(0.01, 0.5)
        site.proxy.inject(Fault(Action.DELAY, self._rng.randrange(1000), self._way(), amount=delay))

    async def _damage(self, site: Site) -> None:
        """Make a command that does not exist: of all damage that is what is noticed, and no value is changed."""
        fault = Fault(Action.CORRUPT, self._rng.randrange(1000), self._way(), between=True)
        site.proxy.inject(fault)

    async def _weather(self, site: Site) -> None:
        rng = self._rng
        site.proxy.weather = Weather(
            loss=rng.uniform(0, 0.6), duplication=rng.uniform(0, 0.5), delay=rng.uniform(0, 0.1)
        )
        await asyncio.sleep(rng.uniform(0.5, 3.0))
        site.proxy.weather = Weather()

    async def _junk(self, site: Site) -> None:
        """Send what servers would not: noise, forged beacons, answers that lead nowhere."""
        rng = self._rng
        for _ in range(rng.randrange(1, 30)):
            nowhere = rng.choice((0, 1, 9, 65535))
            site.proxy.send_to_clients(
                rng.choice(
                    (
                        rng.randbytes(rng.randrange(1, 200)),
                        HEADER.pack(BEACON, 0, 13, nowhere, rng.getrandbits(32), 0),
                        HEADER.pack(BEACON, 0, 13, site.proxy.tcp_port, rng.getrandbits(32), 0),
                        HEADER.pack(CA_PROTO_SEARCH, 8, nowhere, 0, 0xFFFFFFFF, rng.randrange(50))
                        + struct.pack(">H6x", 13),
                    )
                )
            )

    async def _refuse(self, site: Site) -> None:
        site.proxy.refuse()
        for link in list(site.proxy.links):
            link.close(reset=True)
        await asyncio.sleep(self._rng.uniform(0.1, 1.5))
        site.proxy.listen()

    async def _spoil_greeting(self, site: Site) -> None:
        rng = self._rng
        for _ in range(rng.randrange(1, 4)):
            action = rng.choice((Action.CUT, Action.RESET, Action.STALL))
            site.proxy.plan.append((Fault(action, rng.randrange(60), self._way()),))
        site.proxy.inject(Fault(Action.CUT))

    async def _answer_nothing(self, site: Site) -> None:
        site.proxy.plan.append(DEAF)
        site.proxy.inject(Fault(Action.RESET))

    async def _freeze(self, site: Site) -> None:
        if not site.frozen and not site.restarting:
            site.freeze()
            await asyncio.sleep(self._rng.uniform(0.05, 3.0))
            site.thaw()

    async def _kill(self, site: Site) -> None:
        if not site.frozen and not site.restarting:
            await site.restart(free_port() if self._rng.random() < 0.5 else site.ioc.port)
