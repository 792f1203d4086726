"""Real ophyd moves our simulated motors, through `caproto.threading.pyepics_compat`."""

from __future__ import annotations

import pytest

from tests.conftest import MakeOurIoc
from tests.support import run_libca

from . import motors

pytestmark = pytest.mark.interop


def test_ophyd_moves_stops_calibrates_homes_and_scans_motors(make_our_ioc: MakeOurIoc) -> None:
    ioc = make_our_ioc("caproto.ioc_examples.fake_motor_record", "sim:mtr1")
    result = run_libca(motors.OPHYD_MOTOR, "sim:", env=ioc.client_env(), timeout=60)
    assert result == {
        "layer": "caproto",
        "limits": [[0, 10], 0, 10, 10, 0],
        "described": {"precision": 3, "lower_ctrl_limit": 0, "upper_ctrl_limit": 10},
        "precision": 3,
        "egu": "",
        "moved": [True, True, 2.5, 2.5, False],
        "told": [True, True],
        "set": 4,
        "outside": ["LimitError", "LimitError", 4],
        "on the way": [True, False],
        "stopped": True,
        "redefined": [7, 7, 3, 0],
        "limits with it": [3, 13],
        "moved with it": [8, 3],
        "offset": 5,
        "home": [True, 0],
        "scan": [4, 4.5, 5, 5.5, 6],
        "setpoints": [4, 4.5, 5, 5.5, 6],
        "relative": [7.5, -1],
        "C library": [],
    }
