"""Running an IOC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from .._errors import CaprotoNotImplementedError
from ._engine.limits import ClientLimits
from .access import AccessRules
from .typing import AinitHook

__all__ = ["run"]


def run(
    pvdb: Mapping[str, Any],
    *,
    module_name: str = "asyncio.server",
    interfaces: Sequence[str] | None = None,
    log_pv_names: bool = False,
    startup_hook: AinitHook | None = None,
    access: AccessRules | None = None,
    limits: ClientLimits | None = None,
) -> None:
    """Serve PVs until Ctrl-C or SIGTERM.

    Parameters
    ----------
    pvdb : dict of str to ChannelData
        The PVs by name, for example ``group.pvdb``.
    module_name : str
        Where the server is; within this package the leading ``caproto.`` may be left out.
    interfaces : list of str, optional
        Addresses of the interfaces to serve; those of ``EPICS_CAS_INTF_ADDR_LIST`` by default.
    log_pv_names : bool
        Log the names of all PVs once they are served.
    startup_hook : coroutine function, optional
        ``startup_hook(async_lib)`` is run beside the server.
    access : AccessRules, optional
        Who may read and write what; all may by default. SIGHUP reads them again, if they came from a file.
    limits : ClientLimits, optional
        What one client may take.

    Raises
    ------
    CaprotoNotImplementedError
        If the server is to run on curio or trio.
    """
    library = module_name.removeprefix("caproto.").removesuffix(".server")
    if library in ("curio", "trio"):
        raise CaprotoNotImplementedError(
            f"IOCs run on asyncio only, not on {library}: leave out module_name and --async-lib, and await what "
            f"asyncio offers (async_lib.library, async_lib.sleep) in the hooks"
        )
    if not module_name.startswith("caproto.") and module_name.endswith(".server"):
        module_name = f"caproto.{module_name}"
    more = {"access": access, "limits": limits}
    import_module(module_name).run(
        pvdb,
        interfaces=interfaces,
        log_pv_names=log_pv_names,
        startup_hook=startup_hook,
        **{name: value for name, value in more.items() if value is not None},
    )
