"""PVs that tell how the IOC itself is: those of iocStats, and where its memory goes.

Put `StatusHelper` into the group of an IOC::

    class MyIoc(PVGroup):
        stats = SubGroup(StatusHelper, prefix=":")
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import platform
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from .. import __version__
from .._protocol.enums import ChannelType
from .autosave import AutosaveHelper, autosaved
from .events import wait_for_event
from .group import PVGroup
from .memory_tracing import TRACEMALLOC_FILTERS, MemoryTracingHelper, get_top_allocation_info
from .process_readings import ProcessReadings, psutil
from .properties import (
    PvpropertyCharRO,
    PvpropertyDouble,
    PvpropertyDoubleRO,
    PvpropertyEnum,
    PvpropertyInteger,
    PvpropertyIntegerRO,
)
from .pvproperty import pvproperty
from .subgroup import SubGroup
from .typing import AsyncLibraryLayer

__all__ = [
    "TRACEMALLOC_FILTERS",
    "BasicStatusHelper",
    "MemoryTracingHelper",
    "PeriodicStatusHelper",
    "StatusHelper",
    "get_source_file",
    "get_top_allocation_info",
    "psutil",
]

MODULE_LOGGER = logging.getLogger(__name__)
_RESTORE_TIMEOUT = 10.0


def get_source_file(obj: Any) -> Path:
    """Return the file in which a class, a function or a module is defined.

    Parameters
    ----------
    obj : object

    Returns
    -------
    pathlib.Path
        With neither links nor ``..`` in it.

    Raises
    ------
    TypeError
        If there is none.
    """
    file = inspect.getsourcefile(obj)
    if file is None:
        raise TypeError(f"{obj!r} has no source file")
    return Path(file).resolve()


def _top_group(group: PVGroup) -> PVGroup:
    """Return the outermost group that a group is part of."""
    while group.parent is not None:
        group = group.parent
    return group


def _autosave_helpers(group: PVGroup) -> Iterable[AutosaveHelper]:
    """Go through the helpers that save values of a group or its subgroups."""
    if isinstance(group, AutosaveHelper):
        yield group
    for subgroup in group.groups.values():
        yield from _autosave_helpers(subgroup)


class BasicStatusHelper(PVGroup):
    """PVs about the process that stay as they are. Parameters are those of `PVGroup`."""

    process_id: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0, name="PROCESS_ID", dtype=int, read_only=True, record="ai", doc="Process id"
    )
    parent_pid: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0, name="PARENT_ID", dtype=int, read_only=True, record="ai", doc="Id of the parent"
    )
    cpu_count: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0, name="CPU_CNT", dtype=int, read_only=True, record="longin", doc="Processors"
    )
    kernel_version: pvproperty[PvpropertyCharRO, Any] = pvproperty(
        value=platform.version(),
        name="KERNEL_VERS",
        dtype=str,
        read_only=True,
        record="stringin",
        doc="Version of the operating system",
    )
    version: pvproperty[PvpropertyCharRO, Any] = pvproperty(
        value=f"{__version__} on {sys.version}",
        name="EPICS_VERSION",
        dtype=str,
        read_only=True,
        record="stringin",
        doc="Version of caproto and of Python",
    )
    engineer: pvproperty[PvpropertyCharRO, Any] = pvproperty(
        value="",
        name="ENGINEER",
        dtype=str,
        max_length=40,
        read_only=True,
        record="stringin",
        doc="Who looks after this IOC: the environment variable ENGINEER",
    )
    location: pvproperty[PvpropertyCharRO, Any] = pvproperty(
        value="",
        name="LOCATION",
        dtype=str,
        max_length=40,
        read_only=True,
        record="stringin",
        doc="Where it is: the environment variable LOCATION",
    )
    hostname: pvproperty[PvpropertyCharRO, Any] = pvproperty(
        value="",
        name="HOSTNAME",
        dtype=str,
        max_length=255,
        read_only=True,
        record="stringin",
        doc="Name of the machine",
    )
    application_directory: pvproperty[PvpropertyCharRO, Any] = pvproperty(
        value="",
        name="APP_DIR",
        dtype=str,
        max_length=255,
        read_only=True,
        record="waveform",
        doc="Folder of the program",
    )
    source_filename: pvproperty[PvpropertyCharRO, Any] = pvproperty(
        value="",
        name="SOURCE_FILE",
        dtype=str,
        max_length=255,
        read_only=True,
        record="waveform",
        doc="File that defines the outermost group",
    )
    sysreset: pvproperty[PvpropertyInteger, Any] = pvproperty(
        value=0, name="SYSRESET", dtype=int, record="sub", doc="Write 1 to end the IOC"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asked_to_end = asyncio.Event()

    @process_id.startup
    async def _fill_in(self, instance: Any, async_lib: AsyncLibraryLayer) -> None:
        """Fill in what is known once the IOC runs."""
        await self.process_id.write(os.getpid())
        await self.parent_pid.write(os.getppid())
        await self.cpu_count.write(os.cpu_count() or 0)
        program = getattr(sys.modules["__main__"], "__file__", None)
        folder = os.path.dirname(os.path.abspath(program)) if program else os.getcwd()  # noqa: ASYNC240
        try:
            source = str(get_source_file(type(_top_group(self))))
        except (TypeError, OSError):  # made by an interactive session
            source = ""
        texts = (
            (self.engineer, os.environ.get("ENGINEER", "")),
            (self.location, os.environ.get("LOCATION", "")),
            (self.hostname, platform.node()),
            (self.application_directory, folder),
            (self.source_filename, source),
        )
        for pv, text in texts:
            await pv.write(text[: pv.max_length])

    @sysreset.startup
    async def _end_when_asked(self, instance: Any, async_lib: Any) -> None:
        """Wait until somebody wants the IOC to end."""
        await self._asked_to_end.wait()
        # The client gets the confirmation of its write first.
        await async_lib.library.sleep(0.1)
        raise SystemExit(0)

    @sysreset.putter
    async def _ask_to_end(self, instance: Any, value: int) -> None:
        """Let the IOC end; procServ or the like starts it again."""
        if value:
            self.log.warning("%s was set to %s: the IOC ends", instance.pvname, value)
            self._asked_to_end.set()


class PeriodicStatusHelper(PVGroup):
    """PVs about the process that are renewed all the time. Parameters are those of `PVGroup`.

    Most are renewed every ``UPD_TIME`` seconds, the time of day and the heartbeat every second. Memory and the load of
    the machine are known with psutil or on Linux.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._period_changed = asyncio.Event()

    access: pvproperty[PvpropertyEnum, Any] = pvproperty(
        value="Running",
        name="ACCESS",
        dtype=ChannelType.ENUM,
        enum_strings=["Running", "Maintenance", "Test", "OFFLINE"],
        record="mbbo",
        doc="What the IOC is meant for now; for people",
    )
    start_tod: pvproperty[PvpropertyCharRO, Any] = pvproperty(
        value="",
        name="STARTTOD",
        dtype=str,
        max_length=100,
        read_only=True,
        record="stringin",
        doc="When the IOC was started",
    )
    time_of_day: pvproperty[PvpropertyCharRO, Any] = pvproperty(
        value="",
        name="TOD",
        dtype=str,
        max_length=100,
        read_only=True,
        record="stringin",
        doc="Date and time",
    )
    heartbeat: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0,
        name="HEARTBEAT",
        dtype=int,
        read_only=True,
        record="calcout",
        doc="Counts the seconds since the start",
    )
    start_count: pvproperty[PvpropertyIntegerRO, Any] = autosaved(
        pvproperty(
            value=0,
            name="START_CNT",
            dtype=int,
            read_only=True,
            record="calcout",
            doc="How often the IOC was started, if there is an AutosaveHelper",
        )
    )
    ca_client_count: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0, name="CA_CLNT_CNT", dtype=int, read_only=True, record="longin", doc="Clients"
    )
    ca_connection_count: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0,
        name="CA_CONN_CNT",
        dtype=int,
        read_only=True,
        record="longin",
        doc="Channels of all clients",
    )
    record_count: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0, name="RECORD_CNT", dtype=int, read_only=True, record="ai", doc="PVs"
    )
    fd_max: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0,
        name="FD_MAX",
        dtype=int,
        read_only=True,
        record="ai",
        doc="Files and sockets that may be open at once",
    )
    fd_count: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0,
        name="FD_CNT",
        dtype=int,
        read_only=True,
        record="ai",
        doc="Files and sockets that are open",
    )
    fd_free: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0,
        name="FD_FREE",
        dtype=int,
        read_only=True,
        record="calc",
        doc="Files and sockets that may still be opened",
    )
    sys_cpu_load: pvproperty[PvpropertyDoubleRO, Any] = pvproperty(
        value=0.0,
        name="SYS_CPU_LOAD",
        dtype=float,
        read_only=True,
        record="ai",
        units="%",
        lower_ctrl_limit=0.0,
        upper_ctrl_limit=100.0,
        doc="Load of the machine",
    )
    ioc_cpu_load: pvproperty[PvpropertyDoubleRO, Any] = pvproperty(
        value=0.0,
        name="IOC_CPU_LOAD",
        dtype=float,
        read_only=True,
        record="ai",
        units="%",
        lower_ctrl_limit=0.0,
        upper_ctrl_limit=100.0,
        doc="Load by the IOC",
    )
    susp_task_count: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0,
        name="SUSP_TASK_CNT",
        dtype=int,
        read_only=True,
        record="longin",
        doc="Always 0: tasks are not suspended here",
    )
    mem_used: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0,
        name="MEM_USED",
        dtype=int,
        read_only=True,
        record="ai",
        units="KByte",
        doc="Memory of the IOC",
    )
    mem_free: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0,
        name="MEM_FREE",
        dtype=int,
        read_only=True,
        record="ai",
        units="KByte",
        doc="Free memory of the machine, with the swap space",
    )
    mem_max: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0,
        name="MEM_MAX",
        dtype=int,
        read_only=True,
        record="ai",
        units="KByte",
        doc="Memory of the machine",
    )
    uptime: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0,
        name="UPTIME",
        dtype=int,
        read_only=True,
        record="longin",
        units="s",
        doc="Since the start",
    )
    num_threads: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        value=0, name="NumThreads", dtype=int, read_only=True, record="longin", doc="Threads"
    )
    update_period: pvproperty[PvpropertyDouble, Any] = pvproperty(
        value=15.0,
        name="UPD_TIME",
        dtype=float,
        record="ao",
        units="s",
        lower_ctrl_limit=1,
        upper_ctrl_limit=60,
        doc="From one renewal to the next",
    )

    @start_tod.startup
    async def _note_start(self, instance: Any, async_lib: AsyncLibraryLayer) -> None:
        """Note when the IOC started."""
        await self.start_tod.write(_time_of_day())

    @time_of_day.scan(period=1.0)
    async def _tell_time(self, instance: Any, async_lib: AsyncLibraryLayer) -> None:
        """Renew the time of day."""
        await self.time_of_day.write(_time_of_day())

    @heartbeat.scan(period=1.0)
    async def _beat(self, instance: Any, async_lib: AsyncLibraryLayer) -> None:
        """Count one further, in what a PV can hold."""
        await self.heartbeat.write((self.heartbeat.value + 1) & 0x7FFF_FFFF)

    @start_count.startup
    async def _count_start(self, instance: Any, async_lib: Any) -> None:
        """Count one further once the former number has been restored."""
        for helper in _autosave_helpers(_top_group(self)):
            if not await wait_for_event(helper.restored, _RESTORE_TIMEOUT, clear=False):
                self.log.warning("%s never restored its values", helper.name)
        await self.start_count.write(self.start_count.value + 1)

    @update_period.startup
    async def _renew_periodically(self, instance: Any, async_lib: Any) -> None:
        """Renew the others again and again; a new period counts at once."""
        readings = ProcessReadings()
        if not readings.complete:
            self.log.warning(
                "Memory and load of the machine stay 0 without the Python library psutil:"
                " pip install psutil"
            )
        started = time.monotonic()
        while True:
            await self._renew(readings, async_lib)
            await self.uptime.write(int(time.monotonic() - started))
            await wait_for_event(self._period_changed, self.update_period.value)

    @update_period.putter
    async def _change_period(self, instance: Any, value: float) -> None:
        """Let the new period count at once."""
        self._period_changed.set()

    async def _renew(self, readings: ProcessReadings, async_lib: Any) -> None:
        """Renew what is read from the operating system and from the server."""
        clients = list(async_lib.circuits)
        fd_max, fd_count = readings.file_descriptors()
        machine, process = readings.cpu_load()
        used, free, total = readings.memory()
        for pv, value in (
            (self.ca_client_count, len(clients)),
            (self.ca_connection_count, sum(len(client.circuit.channels) for client in clients)),
            (self.record_count, len(_top_group(self).pvdb)),
            (self.fd_max, min(fd_max, 0x7FFF_FFFF)),
            (self.fd_count, fd_count),
            (self.fd_free, min(max(0, fd_max - fd_count), 0x7FFF_FFFF)),
            (self.sys_cpu_load, machine),
            (self.ioc_cpu_load, process),
            (self.mem_used, used),
            (self.mem_free, min(free, 0x7FFF_FFFF)),
            (self.mem_max, min(total, 0x7FFF_FFFF)),
            (self.num_threads, readings.threads()),
        ):
            await pv.write(value)


def _time_of_day() -> str:
    """Return date and time as people read it."""
    return str(datetime.now())  # noqa: DTZ005


class StatusHelper(PVGroup):
    """All PVs of `BasicStatusHelper` and `PeriodicStatusHelper`. Parameters are those of `PVGroup`."""

    basic: SubGroup[BasicStatusHelper] = SubGroup(BasicStatusHelper, prefix="")
    periodic: SubGroup[PeriodicStatusHelper] = SubGroup(PeriodicStatusHelper, prefix="")
