"""A small beamline: detectors behind a pinhole, an edge, a slit and a moving dot, in a beam whose current oscillates.

A write to a motor completes when the motor is there. A motor that moves takes no other target until then.

PVs
---
current
    Of the beam, ten times a second. Read only.
ph:, edge:, slit:
    ``det`` counts what comes through (read only), depending on the position ``mtr`` and on the exposure time ``exp`` in
    seconds. ``vel`` is the speed of the motor in units per second, ``mtr_tick_rate`` how often a second it tells its
    position.
dot:
    ``det`` is an image of a spot at ``mtrx``, ``mtry`` (read only, once a second), ``img_sum`` its sum; ``exp`` the
    exposure time in seconds. With ``shutter_open`` 0 there is only the background. ``ArraySizeX_RBV``,
    ``ArraySizeY_RBV`` and ``ArraySize_RBV`` tell the shape of the image.
"""

from __future__ import annotations

import functools
import math
import random
from array import array
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from caproto import CaprotoValueError, SkipWrite
from caproto.server import PVGroup, SubGroup, ioc_arg_parser, pvproperty, run

P = TypeVar("P", bound=Callable[..., Awaitable[Any]])

_COUNTS = 200
"""Counts per unit of current and second, where the full beam comes through."""
_BACKGROUND = 1000
_ROWS, _COLUMNS = 480, 640
_SPOT = 30.0
"""Width of the spot in pixels."""


def no_reentry(put: P) -> P:
    """Decorate a putter that is not to be called for a PV while it is at work for it: such writes are ignored."""
    busy: set[int] = set()

    @functools.wraps(put)
    async def once_at_a_time(group: Any, instance: Any, value: Any) -> Any:
        if id(instance) in busy:
            group.log.warning("%s is moving: %s is ignored", instance.pvname, value)
            raise SkipWrite
        busy.add(id(instance))
        try:
            return await put(group, instance, value)
        finally:
            busy.discard(id(instance))

    return once_at_a_time  # type: ignore[return-value]


class _Exposed(PVGroup):
    """What all detectors have."""

    exp: Final = pvproperty(value=1.0, doc="exposure time in seconds")

    @exp.putter
    async def _check_exposure(self, instance: Any, value: float) -> None:
        if not value >= 0:
            raise CaprotoValueError(f"{instance.pvname} cannot be {value}: it is a time in seconds")


class _Detector(_Exposed):
    """A detector that counts what comes through something that a motor moves."""

    det: Final = pvproperty(value=0.0, read_only=True, doc="counts")
    mtr: Final = pvproperty(value=0.0, precision=3, record="ai", doc="position")
    vel: Final = pvproperty(value=1.0, doc="speed in units per second")
    mtr_tick_rate: Final = pvproperty(value=10.0, units="Hz", doc="how often the position is told")

    def transmission(self, position: float) -> float:
        """Return the part of the beam that comes through, from 0 to 1."""
        raise NotImplementedError

    @det.scan(period=0.5)
    async def _count(self, instance: Any, async_lib: Any) -> None:
        mean = _COUNTS * self.parent.current.value * self.exp.value
        mean *= self.transmission(self.mtr.value)
        await instance.write(max(0.0, round(random.gauss(mean, math.sqrt(mean)))))

    @mtr.startup
    async def _remember_async_lib(self, instance: Any, async_lib: Any) -> None:
        self._async_lib = async_lib

    @mtr.putter
    @no_reentry
    async def _move(self, instance: Any, value: float) -> None:
        position = instance.value
        if self.vel.value <= 0 or not math.isfinite(value):
            return
        tick = 1 / max(self.mtr_tick_rate.value, 0.1)
        step = self.vel.value * tick
        for _ in range(int(abs(value - position) / step)):
            await self._async_lib.sleep(tick)
            position += math.copysign(step, value - position)
            await instance.write(position, verify_value=False)
        await self._async_lib.sleep(abs(value - position) / self.vel.value)


class PinHole(_Detector):
    """A hole of width 10 around 0."""

    def transmission(self, position: float) -> float:
        """Return the part of the beam that comes through."""
        return math.exp(-((position / 5.0) ** 2))


class Edge(_Detector):
    """An edge at 2.5."""

    def transmission(self, position: float) -> float:
        """Return the part of the beam that comes through."""
        return math.erfc(2.5 - position) / 2


class Slit(_Detector):
    """A slit from -5 to 5."""

    def transmission(self, position: float) -> float:
        """Return the part of the beam that comes through."""
        return (math.erf(position + 5) - math.erf(position - 5)) / 2


class MovingDot(_Exposed):
    """An image of a spot."""

    det: Final = pvproperty(
        value=[0.0] * (_ROWS * _COLUMNS), read_only=True, doc=f"image ({_ROWS}x{_COLUMNS})"
    )
    img_sum: Final = pvproperty(value=0.0, read_only=True, doc="sum of the image")
    mtrx: Final = pvproperty(value=0.0, doc="horizontal position of the spot")
    mtry: Final = pvproperty(value=0.0, doc="vertical position of the spot")
    shutter_open: Final = pvproperty(value=1, doc="0 leaves the background only")
    ArraySizeY_RBV: Final = pvproperty(value=_ROWS, read_only=True, doc="rows")
    ArraySizeX_RBV: Final = pvproperty(value=_COLUMNS, read_only=True, doc="columns")
    ArraySize_RBV: Final = pvproperty(value=[_ROWS, _COLUMNS], read_only=True, doc="rows, columns")

    @det.scan(period=1.0)
    async def _expose(self, instance: Any, async_lib: Any) -> None:
        height = 0.0
        if self.shutter_open.value:
            height = _COUNTS / 100 * self.parent.current.value * self.exp.value
        image = await async_lib.to_thread(_spot, height, self.mtrx.value, self.mtry.value)
        await instance.write(image)
        await self.img_sum.write(math.fsum(image))


def _spot(height: float, x: float, y: float) -> array[float]:
    """Return an image, row by row: a spot in the middle, moved by x and y, and a background."""

    def profile(size: int, shift: float) -> list[float]:
        return [math.exp(-(((i - size / 2 - shift) / _SPOT) ** 2)) for i in range(size)]

    across = profile(_COLUMNS, x)
    image = array("d")
    for row in profile(_ROWS, y):
        noise = random.random() * _BACKGROUND / 100
        image.extend([noise + height * row * column for column in across])
    return image


class MiniBeamline(PVGroup):
    """The beam and what is in it."""

    current: Final = pvproperty(value=500.0, read_only=True, doc="current of the beam")
    ph: Final = SubGroup(PinHole, doc="behind a pinhole")
    edge: Final = SubGroup(Edge, doc="behind an edge")
    slit: Final = SubGroup(Slit, doc="behind a slit")
    dot: Final = SubGroup(MovingDot, doc="a camera")

    @current.scan(period=0.1)
    async def _oscillate(self, instance: Any, async_lib: Any) -> None:
        turns = async_lib.library.get_running_loop().time() / 4
        await instance.write(500 + 25 * math.sin(2 * math.pi * turns))


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="mini:", desc=__doc__ or "")
    ioc = MiniBeamline(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
