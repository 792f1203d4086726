"""IOCs on loopback and private ports: the real C IOC, and ours."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .environment import loopback_env
from .ports import free_port
from .process import Program, ProgramError, python_command
from .raw_ca import search

SUPPORT = Path(__file__).resolve().parent
INTEROP = SUPPORT.parent / "interop"


class Ioc(Program):
    """
    An IOC that counts as started when it has answered a search for `ready_pv`.

    Parameters
    ----------
    command
        The command line.
    ready_pv
        Name of a PV that the IOC serves.
    folder
        An existing folder for the output and other files of this IOC.
    port
        UDP and TCP port; a free one by default.
    repeater_port
        Where the IOC sends its beacons; by default a free port, where nobody listens.
    extra_env
        Further environment variables of the IOC.
    start_timeout
        Seconds the IOC may take to answer the first search.

    Attributes
    ----------
    port, repeater_port : int
        The ports in use.
    """

    def __init__(
        self,
        command: Sequence[str],
        ready_pv: str,
        *,
        folder: Path,
        port: int | None = None,
        repeater_port: int | None = None,
        extra_env: Mapping[str, str] | None = None,
        start_timeout: float = 20.0,
    ) -> None:
        self.port = port if port is not None else free_port()
        self.repeater_port = repeater_port if repeater_port is not None else free_port()
        self.ready_pv = ready_pv
        self.start_timeout = start_timeout
        self._extra_env = dict(extra_env or {})
        super().__init__(command, {}, folder / f"ioc-{self.port}.log")

    @property
    def address(self) -> tuple[str, int]:
        """Host and TCP port, as in ``channel.circuit.address``."""
        return ("127.0.0.1", self.port)

    def client_env(self, **extra: str) -> dict[str, str]:
        """Complete environment for a client process that shall find this IOC."""
        return loopback_env(self.port, self.repeater_port, extra=extra)

    def start(self) -> None:
        """Start the IOC and wait until it answers a search."""
        self.env = loopback_env(self.port, self.repeater_port, extra=self._extra_env)
        super().start()
        try:
            self.wait_until_found()
        except BaseException:
            self.kill()
            raise

    def wait_until_found(self, timeout: float | None = None) -> None:
        """Search until the IOC answers; raise ProgramError if it does not, or if it ends."""
        reply = search(
            self.ready_pv,
            self.port,
            timeout=self.start_timeout if timeout is None else timeout,
            still_worth_it=lambda: self.running,
        )
        if reply is None:
            raise ProgramError(self._complaint(f"did not answer a search for {self.ready_pv}"))
        if reply.tcp_port != self.port:
            raise ProgramError(
                self._complaint(f"listens on TCP port {reply.tcp_port}, not on {self.port}")
            )

    def restart(self, port: int | None = None, *, crash: bool = False) -> None:
        """Stop (or kill) the IOC, and start it again on the same or on another port."""
        if crash:
            self.kill()
        else:
            self.stop()
        if port is not None:
            self.port = port
        self.start()


class CIoc(Ioc):
    """
    The real C IOC, without real-time threads.

    Parameters
    ----------
    *databases
        Database files, loaded in this order.
    folder
        An existing folder for output and helper files.
    macros
        Macros for every database file.
    access_file
        Access security file (ASG rules).
    ramps
        Array records to fill with 0.0, 1.0, ..., and with how many elements.
    **options
        As for :class:`Ioc`.
    """

    def __init__(
        self,
        *databases: Path,
        folder: Path,
        macros: Mapping[str, str] | None = None,
        access_file: Path | None = None,
        ramps: Mapping[str, int] | None = None,
        port: int | None = None,
        repeater_port: int | None = None,
        extra_env: Mapping[str, str] | None = None,
        start_timeout: float = 20.0,
    ) -> None:
        super().__init__(
            [],
            "",
            folder=folder,
            port=port,
            repeater_port=repeater_port,
            extra_env=extra_env,
            start_timeout=start_timeout,
        )
        self.ready_pv = f"harness:{self.port}:ready"
        ready = folder / f"ready-{self.port}.db"
        ready.write_text(f'record(bi, "{self.ready_pv}") {{}}\n')
        expansion = ",".join(f"{name}={value}" for name, value in (macros or {}).items())
        command = python_command(
            str(SUPPORT / "without_realtime.py"), str(SUPPORT / "c_ioc_program.py")
        )
        for database in (*databases, ready):
            command += ["--database", str(database), expansion]
        if access_file is not None:
            command += ["--access-file", str(access_file), expansion]
        for record, count in (ramps or {}).items():
            command += ["--ramp", record, str(count)]
        self.command = command

    @classmethod
    def interop(
        cls, *more: Path, folder: Path, prefix: str = "IO:", port: int | None = None
    ) -> CIoc:
        """Return the IOC of ``tests/interop/interop.db`` with its access rules, not started yet."""
        return cls(
            INTEROP / "interop.db",
            *more,
            folder=folder,
            macros={"P": prefix},
            access_file=INTEROP / "interop.acf",
            ramps={f"{prefix}wf:million": 1_000_000},
            port=port,
        )

    def wait_until_found(self, timeout: float | None = None) -> None:
        """Wait, too, until the arrays are filled: the IOC answers searches before that."""
        super().wait_until_found(timeout)
        limit = self.start_timeout if timeout is None else timeout
        self.wait_for_output(rf"^harness: process {self.pid} is ready$", limit)

    def iocsh(self, command: str) -> None:
        """Run a command of the IOC shell, such as ``casr 2`` or ``dbpf IO:ai 3``."""
        self.send_line(command)


class OurIoc(Ioc):
    """
    One of our own IOCs as a program: ``python -m MODULE ARGUMENTS``.

    Parameters
    ----------
    module
        For instance ``caproto.ioc_examples.random_walk``.
    ready_pv
        Name of a PV that it serves.
    *arguments
        Its command-line arguments.
    **options
        As for :class:`Ioc`.
    """

    def __init__(
        self,
        module: str,
        ready_pv: str,
        *arguments: str,
        folder: Path,
        port: int | None = None,
        repeater_port: int | None = None,
        extra_env: Mapping[str, str] | None = None,
        start_timeout: float = 20.0,
    ) -> None:
        super().__init__(
            python_command("-u", "-m", module, *arguments),
            ready_pv,
            folder=folder,
            port=port,
            repeater_port=repeater_port,
            extra_env=extra_env,
            start_timeout=start_timeout,
        )

    def _ask_to_end(self, process: subprocess.Popen[bytes]) -> None:
        """Ctrl-C is how a person ends an IOC."""
        process.send_signal(signal.SIGINT)


def write_bulk_database(path: Path, count: int, *, pattern: str = "bulk:{index}") -> list[str]:
    """
    Write a database of `count` analogue input records whose value is their index.

    Parameters
    ----------
    path
        The file to write.
    count
        How many records.
    pattern
        Name of a record; ``{index}`` counts from 0.

    Returns
    -------
    list of str
        The names.
    """
    names = [pattern.format(index=index) for index in range(count)]
    path.write_text(
        "".join(
            f'record(ai, "{name}") {{ field(VAL, "{index}") field(PINI, "YES") }}\n'
            for index, name in enumerate(names)
        )
    )
    return names
