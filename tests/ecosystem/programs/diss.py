"""Start diss-ioc with its own simulated detector."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

if sys.version_info < (3, 12):
    _Task = asyncio.Task

    def _task(*args: Any, eager_start: bool = False, **kwargs: Any) -> asyncio.Task[Any]:
        """Make a task with a keyword that this Python does not know yet."""
        return _Task(*args, **kwargs)

    asyncio.Task = _task  # type: ignore[assignment,misc]

from diss_ioc.ioc import main

main()
