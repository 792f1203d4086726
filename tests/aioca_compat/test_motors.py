"""Real ophyd-async moves our simulated motors, through `caproto.aioca_compat`."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import MakeOurIoc
from tests.support import run_libca

from . import motors

pytestmark = pytest.mark.interop


@pytest.mark.skipif(sys.version_info < (3, 11), reason="ophyd-async needs Python 3.11 or newer")
def test_ophyd_async_moves_stops_calibrates_and_scans_motors(make_our_ioc: MakeOurIoc) -> None:
    ioc = make_our_ioc("caproto.ioc_examples.fake_motor_record", "sim:mtr1")
    result = run_libca(motors.OPHYD_ASYNC_MOTOR, "sim:", env=ioc.client_env(), timeout=60)
    outside = result.pop("outside")
    assert "from 4.0 to 11.0 but motor limits are 0.0 <= x <= 10.0" in outside
    assert result == {
        "modes": ["Variable", "Use"],
        "limits": [0, 10],
        "moved": [2.5, -1.5],
        "done": 1,
        "relative": 4,
        "redefined": [7, 3],
        "moved with it": 8,
        "offset": 5,
        "scan": [2, 2.5, 3, 3.5, 4],
        "beside": [-1.5],
        "described": [3, {"low": 0, "high": 10}],
        "stopped": [True, True],
        "C library": [],
    }
