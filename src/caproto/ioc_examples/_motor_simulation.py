"""A motor that exists only here: what the motor record does, with a position instead of hardware."""

from __future__ import annotations

import math
import time
from typing import Any

from caproto import SkipWrite

__all__ = ["MotorSimulation"]

STOP, PAUSE, MOVE, GO = range(4)
"""The choices of SPMG."""
_FAR = 1e9
_DIRECTION, _DONE, _HOME, _MOVING = 0x1, 0x2, 0x80, 0x400
"""Bits of MSTA."""


class MotorSimulation:
    """A simulated motor behind a PV with ``record='motor'``.

    Its position is kept in dial coordinates. What users see is ``user = dial + OFF``, or ``OFF - dial`` with DIR at
    ``'Neg'``.

    Parameters
    ----------
    record : PvpropertyData
        Its value (VAL) is where the motor should be.
    async_lib : AsyncLibraryLayer
    tick_rate_hz : float
        How often the position is updated while the motor moves.
    """

    def __init__(self, record: Any, async_lib: Any, *, tick_rate_hz: float = 10.0) -> None:
        self.record = record
        self.fields: Any = record.field_inst
        self.position = 0.0
        self.target: float | None = None
        """Where it is going, or None while it stands."""
        self.speed = 0.0
        self.setpoint = float(record.value)
        """The last VAL that was taken note of."""
        self._library = async_lib.library
        self._tick = 1.0 / tick_rate_hz
        self._wake = async_lib.Event()
        self._done = async_lib.Event()
        self._done.set()

    # --- coordinates ---

    @property
    def sign(self) -> int:
        """Whether user coordinates grow with those of the dial."""
        return -1 if self.fields.user_direction.raw_value else 1

    def to_dial(self, user: float) -> float:
        """Convert a position from user to dial coordinates."""
        return float((user - self.fields.user_offset.value) * self.sign)

    def to_user(self, dial: float) -> float:
        """Convert a position from dial to user coordinates."""
        return float(dial * self.sign + self.fields.user_offset.value)

    def allows(self, dial: float) -> bool:
        """Tell whether a position is within the limits; there are none while both are the same."""
        low, high = self.fields.dial_low_limit.value, self.fields.dial_high_limit.value
        return bool(low == high or low <= dial <= high)

    # --- what is shown ---

    async def show(self, attribute: str, value: Any) -> None:
        """Set a field, if it is not so already."""
        field = self.fields.attr_pvdb[attribute]
        if field.value != value:
            await field.write(value, verify_value=False)

    async def show_position(self) -> None:
        """Set the fields that say where the motor is."""
        resolution = self.fields.motor_step_size.value or 1.0
        steps = max(-(2**31), min(2**31 - 1, round(self.position / resolution)))
        await self.show("dial_readback_value", self.position)
        await self.show("raw_readback_value", steps)
        await self.show("raw_motor_position", steps)
        await self.show("user_readback_value", self.to_user(self.position))
        target = self.position if self.target is None else self.target
        await self.show("difference_dval_drbv", target - self.position)

    async def show_setpoint(self, dial: float) -> None:
        """Set the fields that say where the motor should be."""
        resolution = self.fields.motor_step_size.value or 1.0
        self.setpoint = self.to_user(dial)
        if self.record.value != self.setpoint:
            await self.record.write(self.setpoint, verify_value=False)
        await self.show("dial_desired_value", dial)
        steps = max(-(2**31), min(2**31 - 1, round(dial / resolution)))
        await self.show("raw_desired_value", steps)
        await self.show("last_user_des_val", self.setpoint)
        await self.show("last_dial_des_val", dial)

    @property
    def moving(self) -> bool:
        """Whether the motor moves now."""
        return self.target is not None and self.mode not in (STOP, PAUSE)

    async def show_state(self) -> None:
        """Set the fields that say whether the motor moves.

        Each as it is when its turn comes: the motor may be stopped while the one before is written.
        """
        forward = self.target is not None and self.target >= self.position
        await self.show("direction_of_travel", int(forward))
        bits = _MOVING if self.moving else 0 if self.target is not None else _DONE
        home = _HOME if self.position == 0 else 0
        await self.show("motor_status", bits | home | (_DIRECTION if forward else 0))
        await self.show("at_home", int(self.position == 0))
        await self.show("motor_is_moving", int(self.moving))
        await self.show("done_moving_to_value", int(self.target is None))

    # --- motion ---

    async def move(self, dial: float, speed: float) -> None:
        """Go somewhere, and return when the motion has ended, wherever that is."""
        await self.begin(dial, speed)
        await self._done.wait()

    async def begin(self, dial: float, speed: float) -> None:
        """Begin to go somewhere, unless SPMG or the limits forbid it."""
        await self.show("limit_violation", int(not self.allows(dial)))
        if not self.allows(dial) or self.mode == STOP or not math.isfinite(dial):
            await self.show_setpoint(self.position if self.target is None else self.target)
            return
        self.target, self.speed = dial, abs(speed)
        self._done.clear()
        await self.show_setpoint(dial)
        await self.show_state()
        self._wake.set()

    async def stop(self) -> None:
        """Stay where the motor is."""
        await self.show_setpoint(self.position)
        if self.target is not None:
            await self._end()

    async def _end(self) -> None:
        """Tell that the motion has ended."""
        self.target = None
        await self.show_position()
        for attribute in ("jog_motor_forward", "jog_motor_reverse"):
            await self.show(attribute, 0)
        await self.show_state()
        if self.mode == MOVE:
            await self.show("stop_pause_move_go", PAUSE)
        self._done.set()

    @property
    def mode(self) -> int:
        """SPMG."""
        return int(self.fields.stop_pause_move_go.raw_value)

    async def run(self) -> None:
        """Move the motor whenever it should be elsewhere; never returns."""
        await self.show("limit_violation", 0)
        await self.show_setpoint(self.position)
        await self.show_position()
        await self.show_state()
        while True:
            self._wake.clear()
            await self._wake.wait(self._tick)
            if self.target is not None:
                await self._travel()
            elif self.record.value != self.setpoint:
                # Set by the IOC itself, or by a putter of its own.
                await self.begin(self.to_dial(self.record.value), self.fields.velocity.value)

    async def _travel(self) -> None:
        """Go where the motor should be, step by step."""
        last = time.monotonic()
        while True:
            await self._library.sleep(self._tick)
            now = time.monotonic()
            step, last = self.speed * (now - last), now
            if self.target is None:  # stopped meanwhile
                return
            await self.show_state()
            if not self.moving:  # interrupted, or stopped just now
                continue
            left = self.target - self.position
            if abs(left) <= step or self.speed <= 0:
                self.position = self.target
                await self._end()
                return
            self.position += math.copysign(step, left)
            await self.show_position()

    # --- what clients write ---

    def take_over(self) -> None:
        """Handle what is written to the record and its fields from now on."""
        if self.record.putter is None:
            self.record.putter = self.put_val
        handlers = {
            "dial_desired_value": self.put_dval,
            "raw_desired_value": self.put_rval,
            "relative_value": self.put_rlv,
            "stop": self.put_stop,
            "stop_pause_move_go": self.put_spmg,
            "tweak_motor_forward": self.put_tweak_forward,
            "tweak_motor_reverse": self.put_tweak_reverse,
            "jog_motor_forward": self.put_jog_forward,
            "jog_motor_reverse": self.put_jog_reverse,
            "home_forward": self.put_home,
            "home_reverse": self.put_home,
            "user_offset": self.put_off,
            "user_direction": self.put_dir,
            "user_high_limit": self.put_hlm,
            "user_low_limit": self.put_llm,
            "dial_high_limit": self.put_dhlm,
            "dial_low_limit": self.put_dllm,
            "set_set_mode": self.put_sset,
            "set_use_mode": self.put_suse,
            "sync_position": self.put_sync,
        }
        for attribute, handler in handlers.items():
            field = self.fields.attr_pvdb[attribute]
            if field.putter is None:
                field.putter = handler

    @property
    def setting(self) -> bool:
        """Whether positions that are written only calibrate the motor (SET)."""
        return bool(self.fields.set_use_switch.raw_value)

    async def put_val(self, instance: Any, value: Any) -> None:
        """VAL: go there; or, with SET, call the present position so."""
        value = float(value)
        if not self.setting:
            await self.move(self.to_dial(value), self.fields.velocity.value)
        elif self.fields.offset_freeze_switch.raw_value:
            self.position = self.to_dial(value)
            await self._calibrated()
        else:
            await self.show("user_offset", value - self.sign * self.position)
            await self._calibrated()
        raise SkipWrite

    async def put_dval(self, instance: Any, value: Any) -> None:
        """DVAL: the same in dial coordinates."""
        value = float(value)
        if not self.setting:
            await self.move(value, self.fields.velocity.value)
        else:
            user = self.to_user(self.position)
            self.position = value
            if not self.fields.offset_freeze_switch.raw_value:
                await self.show("user_offset", user - self.sign * value)
            await self._calibrated()
        raise SkipWrite

    async def put_rval(self, instance: Any, value: Any) -> None:
        """RVAL: the same in steps."""
        await self.put_dval(instance, value * self.fields.motor_step_size.value)

    async def put_rlv(self, instance: Any, value: Any) -> float:
        """RLV: go so much further."""
        await self.move(self.to_dial(self.record.value + value), self.fields.velocity.value)
        return 0.0

    async def _calibrated(self) -> None:
        """Show everything anew, the coordinates have changed."""
        await self._show_user_limits()
        await self.show_setpoint(self.position)
        await self.show_position()
        await self.show_state()

    async def put_stop(self, instance: Any, value: Any) -> int:
        """STOP: end the motion."""
        if value:
            await self.stop()
        return 0

    async def put_spmg(self, instance: Any, value: Any) -> None:
        """SPMG: Stop ends the motion, Pause interrupts it, Move and Go resume it."""
        if int(value) == STOP:
            await self.stop()

    async def _tweak(self, direction: int) -> int:
        step = direction * self.fields.tweak_step_size.value
        await self.move(self.to_dial(self.record.value + step), self.fields.velocity.value)
        return 0

    async def put_tweak_forward(self, instance: Any, value: Any) -> int:
        """TWF: go forward by TWV."""
        return await self._tweak(1) if value else 0

    async def put_tweak_reverse(self, instance: Any, value: Any) -> int:
        """TWR: go back by TWV."""
        return await self._tweak(-1) if value else 0

    async def _jog(self, direction: int, on: Any) -> None:
        if not on:
            await self.stop()
            return
        direction *= self.sign
        low, high = self.fields.dial_low_limit.value, self.fields.dial_high_limit.value
        end = direction * _FAR if low == high else high if direction > 0 else low
        await self.begin(end, self.fields.jog_velocity.value or self.fields.velocity.value)

    async def put_jog_forward(self, instance: Any, value: Any) -> None:
        """JOGF: go forward until it is 0 again, or the limit is reached."""
        await self._jog(1, value)

    async def put_jog_reverse(self, instance: Any, value: Any) -> None:
        """JOGR: go back until it is 0 again, or the limit is reached."""
        await self._jog(-1, value)

    async def put_home(self, instance: Any, value: Any) -> int:
        """HOMF, HOMR: go to the zero of the dial."""
        if value:
            await self.move(0.0, self.fields.home_velocity.value or self.fields.velocity.value)
        return 0

    async def put_off(self, instance: Any, value: Any) -> None:
        """OFF: shift the user coordinates."""
        await self.show("user_offset", float(value))
        await self._calibrated()

    async def put_dir(self, instance: Any, value: Any) -> None:
        """DIR: turn the user coordinates around."""
        await self.show("user_direction", value)
        await self._calibrated()

    async def _show_user_limits(self) -> None:
        """Set HLM and LLM to what the limits of the dial are for the user."""
        low = self.to_user(self.fields.dial_low_limit.value)
        high = self.to_user(self.fields.dial_high_limit.value)
        if self.fields.dial_low_limit.value == self.fields.dial_high_limit.value:
            low = high = 0.0
        await self._show_limits_of_positions(min(low, high), max(low, high))

    async def set_user_limits(self, low: float, high: float) -> None:
        """Set all limits by those for the user."""
        await self._show_limits_of_positions(low, high)
        ends = (0.0, 0.0) if low == high else (self.to_dial(low), self.to_dial(high))
        await self.show("dial_low_limit", min(ends))
        await self.show("dial_high_limit", max(ends))

    async def _show_limits_of_positions(self, low: float, high: float) -> None:
        """Set HLM and LLM, and tell with the positions how far the motor can go, as clients ask for it (DBR_CTRL).

        The fields come last: who sees them change asks for the limits of VAL at once.
        """
        # Nothing more of VAL: it would refuse what is outside, and the record could not tell the violation (LVIO).
        await self.record.write_metadata(upper_disp_limit=high, lower_disp_limit=low)
        await self.fields.user_readback_value.write_metadata(
            upper_disp_limit=high,
            lower_disp_limit=low,
            upper_ctrl_limit=high,
            lower_ctrl_limit=low,
        )
        await self.show("user_low_limit", low)
        await self.show("user_high_limit", high)

    async def put_hlm(self, instance: Any, value: Any) -> None:
        """HLM: the upper limit for the user."""
        await self.set_user_limits(self.fields.user_low_limit.value, float(value))

    async def put_llm(self, instance: Any, value: Any) -> None:
        """LLM: the lower limit for the user."""
        await self.set_user_limits(float(value), self.fields.user_high_limit.value)

    async def put_dhlm(self, instance: Any, value: Any) -> None:
        """DHLM: the upper limit of the dial."""
        await self.show("dial_high_limit", float(value))
        await self._show_user_limits()

    async def put_dllm(self, instance: Any, value: Any) -> None:
        """DLLM: the lower limit of the dial."""
        await self.show("dial_low_limit", float(value))
        await self._show_user_limits()

    async def put_sset(self, instance: Any, value: Any) -> None:
        """SSET: positions that are written calibrate the motor from now on."""
        await self.show("set_use_switch", 1)

    async def put_suse(self, instance: Any, value: Any) -> None:
        """SUSE: positions that are written are gone to from now on."""
        await self.show("set_use_switch", 0)

    async def put_sync(self, instance: Any, value: Any) -> int:
        """SYNC: the motor should be where it is."""
        if value:
            await self.show_setpoint(self.position)
        return 0
