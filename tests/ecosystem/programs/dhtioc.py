"""Start dhtioc with a sensor in place of the drivers for the pins of a Raspberry Pi."""

from __future__ import annotations

import itertools
import sys
import types


class DHT22:
    """A sensor in a room that gets ever warmer."""

    def __init__(self, pin: object) -> None:
        self._count = itertools.count()

    @property
    def temperature(self) -> float:
        """In degrees Celsius."""
        return 20.0 + 0.5 * next(self._count)

    @property
    def humidity(self) -> float:
        """In per cent."""
        return 45.0


board = types.ModuleType("board")
board.D4 = "pin 4"  # type: ignore[attr-defined]
adafruit_dht = types.ModuleType("adafruit_dht")
adafruit_dht.DHT22 = DHT22  # type: ignore[attr-defined]
sys.modules.update(board=board, adafruit_dht=adafruit_dht)

from dhtioc import ioc, reader  # noqa: E402

# Quicker than the real sensor allows.
ioc.REPORT_PERIOD = reader.READ_PERIOD = 0.1
ioc.main()
