"""Our IOC and the C IOC convert alike: the same reads and writes by the same client, on libca."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import CIoc, Ioc, OurIoc, run_libca

CLIENT = """
import asyncio, json, math, sys, aioca

def plain(value):
    if not value.ok:
        return f"failed with {value.errorcode}"
    value = value.tolist() if hasattr(value, "tolist") else value
    return json.loads(json.dumps(value if isinstance(value, (int, float, list)) else str(value)))

async def main():
    steps, found = json.loads(sys.argv[1]), []
    for name, datatype, value in steps:
        if value is not None:
            done = await aioca.caput(name, value, datatype=datatype, wait=True, timeout=10, throw=False)
            if not done.ok:
                found.append(f"failed with {done.errorcode}")
                continue
            datatype = None
        got = await aioca.caget(name, datatype=datatype, timeout=10, throw=False)
        found.append(plain(got))
    print(json.dumps(found))

asyncio.run(main())
"""

STRING, SHORT, FLOAT, ENUM, CHAR, LONG, DOUBLE = range(7)
NAMES = ("STRING", "SHORT", "FLOAT", "ENUM", "CHAR", "LONG", "DOUBLE")

READ = (
    *("ai", "longin", "bi", "mbbo", "stringin", "stringout", "float", "short", "char"),
    *("wf:double", "wf:float", "wf:long", "wf:short", "wf:uchar", "wf:string", "wf:enum"),
    "wf:empty",
)
WRITTEN = (
    *("mbbo", "stringout", "float", "short", "char"),
    *("wf:double", "wf:long", "wf:uchar", "wf:string"),
)
TEXTS = (
    *("12", "3.7", "two words", "0x10", "010", "", " 5", "5 mm", "1e2", "abc", "-3", "3", "nan"),
    *("inf", ".5", "- 5", "99999999999", "300", "1e400", "1_0"),
)
VALUES: list[tuple[int, Any]] = [
    *((STRING, text) for text in TEXTS),
    *((DOUBLE, number) for number in (3.7, -3.7, 3e9, 1e20, 1e-50, 0.1, 12345678.9, 1e17, 2.5)),
    *((LONG, number) for number in (70000, 2, -1)),
    (ENUM, 3),
    (ENUM, 9),
    (FLOAT, 1.25),
    (DOUBLE, [1.5, 2.5]),
    (STRING, ["1", "2"]),
    (LONG, [1, -1]),
]
STEPS = [
    *((f"IO:{name}", datatype, None) for name in READ for datatype in range(7)),
    *((f"IO:{name}", datatype, value) for name in WRITTEN for datatype, value in VALUES),
]

# Where ours differs on purpose, and why.
REASONS: dict[tuple[str, int, str | None], str] = {
    ("IO:wf:enum", STRING, None): "an enum without labels is written out as its number",
    **{
        ("IO:mbbo", STRING, text): "an empty label is no state, and there are only four states"
        for text in ("", "010", " 5", "5 mm")
    },
    **{
        ("IO:wf:string", datatype, str(value)): "a PV has a precision, of 6, where no PREC says 0"
        for datatype, value in VALUES
        if datatype in (DOUBLE, FLOAT)
    },
    **{
        (f"IO:{name}", STRING, ""): "an empty text is 0 for every scalar, not only for some"
        for name in ("float", "short", "char")
    },
}


def answers(ioc: Ioc) -> list[Any]:
    return list(run_libca(CLIENT, json.dumps(STEPS), env=ioc.client_env(), timeout=60))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, Any, Any]]:
    """Each step with the answer of the C IOC and with ours."""
    with CIoc.interop(folder=tmp_path_factory.mktemp("c")) as ioc:
        theirs = answers(ioc)
    folder = tmp_path_factory.mktemp("ours")
    with OurIoc("tests.interop.converting_ioc", "IO:ai", folder=folder) as ioc:
        ours = answers(ioc)
        assert "Traceback" not in ioc.output
    return list(zip(STEPS, theirs, ours, strict=True))


def reason(step: tuple[str, int, Any]) -> str | None:
    name, datatype, value = step
    return REASONS.get((name, datatype, value if value is None else str(value)))


def test_there_are_enough_steps_that_work(both: list[tuple[Any, Any, Any]]) -> None:
    assert sum(not str(theirs).startswith("failed") for _, theirs, _ in both) > 300


@pytest.mark.parametrize("name", sorted({*READ, *WRITTEN}))
def test_conversions_are_those_of_the_c_ioc(both: list[tuple[Any, Any, Any]], name: str) -> None:
    different = {
        (NAMES[step[1]], step[2]): {"C IOC": theirs, "ours": ours}
        for step, theirs, ours in both
        if step[0] == f"IO:{name}" and json.dumps(theirs) != json.dumps(ours) and not reason(step)
    }
    assert different == {}


def test_every_reason_is_needed(both: list[tuple[Any, Any, Any]]) -> None:
    needed = {reason(step) for step, theirs, ours in both if json.dumps(theirs) != json.dumps(ours)}
    assert set(REASONS.values()) <= needed
