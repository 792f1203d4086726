"""The demo IOC of the tutorial, read and written by a client on libca."""

from __future__ import annotations

import itertools

from tests.conftest import MakeOurIoc
from tests.support import LibcaClient, run_libca

GET = """
import json, sys, epics
values = [epics.caget(name, timeout=10) for name in sys.argv[1:]]
pvs = [epics.get_pv(name) for name in sys.argv[1:]]
print(json.dumps([[pv.type, pv.count, value] for pv, value in zip(pvs, values)]))
"""

MONITOR = """
import json, sys, epics
def changed(value, timestamp, **kwargs):
    print(json.dumps([value, timestamp]), flush=True)
epics.caput("random_walk:dt", 0.05, wait=True)
pv = epics.PV("random_walk:x", callback=changed)
sys.stdin.read()
"""


def test_dt_and_x_are_doubles_and_dt_is_three(make_our_ioc: MakeOurIoc) -> None:
    ioc = make_our_ioc("caproto.ioc_examples.random_walk", "random_walk:dt", "--list-pvs")
    dt, x = run_libca(GET, "random_walk:dt", "random_walk:x", env=ioc.client_env())
    assert dt == ["time_double", 1, 3.0]
    assert x[:2] == ["time_double", 1]
    assert -1.0 <= x[2] <= 1.0
    assert "PVs available:\n    random_walk:dt\n    random_walk:x\n" in ioc.output


def test_x_goes_on_walking_at_the_pace_of_a_new_dt(make_our_ioc: MakeOurIoc) -> None:
    ioc = make_our_ioc("caproto.ioc_examples.random_walk", "random_walk:dt")
    with LibcaClient(MONITOR, env=ioc.client_env()) as client:
        updates = [client.next_event() for _ in range(6)]
    for (before, earlier), (after, later) in itertools.pairwise(updates[1:]):
        assert 0 < abs(after - before) <= 1
        assert later > earlier


def test_the_prefix_can_be_chosen(make_our_ioc: MakeOurIoc) -> None:
    ioc = make_our_ioc("caproto.ioc_examples.random_walk", "other:x", "--prefix", "other:")
    assert run_libca(GET, "other:dt", env=ioc.client_env())[0][2] == 3.0


def test_a_dt_of_nothing_does_not_keep_the_ioc_from_answering(make_our_ioc: MakeOurIoc) -> None:
    ioc = make_our_ioc("caproto.ioc_examples.random_walk", "random_walk:dt")
    for value in ("0", "-5", "nan"):
        source = f"""
import json, epics
epics.caput("random_walk:dt", float("{value}"), wait=True)
print(json.dumps(epics.caget("random_walk:x") is not None))
"""
        assert run_libca(source, env=ioc.client_env()) is True
    assert "Traceback" not in ioc.output
