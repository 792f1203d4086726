"""One event loop in a thread of its own, on which the blocking clients run the asyncio client."""

from __future__ import annotations

from .loop import BackgroundLoop, enter, leave, stay_if_program_ends
from .waiter import ThreadWaiter

__all__ = ["BackgroundLoop", "ThreadWaiter", "enter", "leave", "stay_if_program_ends"]
