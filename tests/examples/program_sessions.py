"""What a client on libca does with the IOCs in `programs`.

The original's servers pass too, but for two faults of theirs in `toolkit`: there a putter of a subclass changes the base
class as well, and what a getter gives goes through the putter.
"""

from __future__ import annotations

from .sessions import get, monitored_while, put, refuses, severity, text, updates


async def controller() -> None:
    assert await monitored_while("ctl:loop1:TEMP", put("ctl:loop1:SP", 25.0)) == [20.0, 25.0]
    assert await get("ctl:loopB:TEMP") == 20.0
    assert await get("ctl:count") == 1
    assert await refuses("ctl:loop1:SP", 100.5)
    assert await refuses("ctl:loop1:TEMP", 1.0)
    await put("ctl:loopB:EN", "On", datatype=str)
    assert await get("ctl:loopB:EN") == 1
    ticks = await updates("ctl:ticks", lambda values: len(values) >= 5)
    assert ticks == [ticks[0] + i for i in range(len(ticks))]
    await put("ctl:message", [*b"new", 0])
    assert await text("ctl:message") == "NEW"
    assert await monitored_while("ctl:pair_RBV", put("ctl:pair", 5)) == [3, -5]


async def embedded() -> None:
    assert await get("emb:double") == 1.25
    assert await refuses("emb:double", 11.0)
    await put("emb:double", 9.0)
    assert await get("emb:double") == 9.0
    assert await refuses("emb:guarded", 1)
    assert [await get("emb:twice") for _ in range(3)] == [2.0, 4.0, 8.0]
    await put("emb:enum", "b", datatype=str)
    assert await get("emb:enum") == 1
    await put("emb:string", "other")
    assert await get("emb:string") == "other"
    counted = await updates("emb:n0", lambda values: len(values) >= 4)
    assert counted == [counted[0] + i for i in range(len(counted))]
    assert [await get(f"emb:n{i}") for i in (1, 2)] == [1, 2]


async def toolkit() -> None:
    import aioca

    assert await get("tk:base.mode", datatype=str) == "idle"
    for name, steps in (("base.value", 1), ("derived:value", 10)):
        await put(f"tk:{name}", 5.0)
        assert await get(f"tk:{name}") == 5.0 + steps
    await put("tk:derived:value", -5.0)
    assert await get("tk:derived:value") == 15.0
    await put("tk:derived:value", 200.0)
    assert severity(await aioca.caget("tk:derived:value", format=aioca.FORMAT_TIME)) == 2
    assert severity(await aioca.caget("tk:base.value", format=aioca.FORMAT_TIME)) == 0
    assert await get("tk:derived:more", count=0) == [1.0, 2.0]
    assert await get("tk:store:a") == 1
    await put("tk:store:a", 5)
    assert await get("tk:store:a") == 10
    assert await get("tk:store:b") == 2
    await put("tk:in:deeper:x", 7)
    assert await get("tk:in:text") == "x is 7"
    await put("tk:add:a", 2.5)
    await put("tk:add:Go", 1)
    assert await get("tk:add:Retval") == 4.5
    assert len(await updates("tk:polled", lambda values: len(values) >= 3)) >= 3
