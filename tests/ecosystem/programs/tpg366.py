"""Start tpg366-ioc; its own `main` does so too, but for a misspelt name that stops it."""

from __future__ import annotations

import asyncio

from tpg366_ioc.main import PfeifferDevice, PfeifferIOC, loop

ioc = PfeifferIOC(prefix="TPG:", device=PfeifferDevice(), poll_wait=0.05)
asyncio.run(loop(ioc.get_pv_dict()))
