"""Hooks that run when the server starts and when it ends.

One belongs to the server, the others to a PV. They run side by side, so a hook may go on for as long as the server; it
is cancelled before the shutdown hooks are called.

PVs
---
thing
    An integer.
"""

from __future__ import annotations

from typing import Any, Final

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class StartupAndShutdown(PVGroup):
    """A PV with hooks, and a hook for all."""

    thing: Final = pvproperty(value=2, doc="an integer")

    @thing.startup
    async def _start(self, instance: Any, async_lib: Any) -> None:
        print(f"The startup hook of {instance.pvname} is called, on {async_lib.name}", flush=True)

    @thing.shutdown
    async def _stop(self, instance: Any, async_lib: Any) -> None:
        print(f"The shutdown hook of {instance.pvname} is called", flush=True)

    async def for_the_server(self, async_lib: Any) -> None:
        """Tell when the server ends.

        Parameters
        ----------
        async_lib : AsyncLibraryLayer
        """
        print("The startup hook of the server is called", flush=True)
        try:
            await async_lib.Event().wait()
        finally:
            print("The startup hook of the server is cancelled", flush=True)


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="simple:", desc=__doc__ or "")
    ioc = StartupAndShutdown(**ioc_options)
    run(ioc.pvdb, startup_hook=ioc.for_the_server, **run_options)


if __name__ == "__main__":
    main()
