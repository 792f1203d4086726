"""Start diss-ioc with its own simulated detector.

The images of a real Eiger are unpacked by a library that has to be compiled; the simulated one needs none.
"""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import Any

if sys.version_info < (3, 12):
    _Task = asyncio.Task

    def _task(*args: Any, eager_start: bool = False, **kwargs: Any) -> asyncio.Task[Any]:
        """Make a task with a keyword that this Python does not know yet."""
        return _Task(*args, **kwargs)

    asyncio.Task = _task  # type: ignore[assignment,misc]

for name in ("dectris", "dectris.compression"):
    sys.modules[name] = ModuleType(name)
sys.modules["dectris"].compression = sys.modules["dectris.compression"]  # type: ignore[attr-defined]

from diss_ioc.ioc import main  # noqa: E402

main()
