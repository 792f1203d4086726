"""Simulated instruments: servers on loopback that answer what the programs ask their hardware."""

from __future__ import annotations

import socketserver
import threading
from typing import Any

__all__ = ["LakeShore336", "Pfeiffer366", "TcpInstrument"]


class TcpInstrument:
    """An instrument that gets lines over TCP and answers some of them; use it as a context manager.

    Attributes
    ----------
    port : int
        Where it listens.
    received : list of str
        The commands so far, without their ends.
    """

    def __init__(self) -> None:
        self.received: list[str] = []
        self._changed = threading.Condition()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._make_handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def wait_for(self, *commands: str, timeout: float = 10.0) -> None:
        """Wait until all these commands have come."""
        with self._changed:
            done = self._changed.wait_for(lambda: set(commands) <= set(self.received), timeout)
        assert done, f"of {commands} only {set(commands) & set(self.received)} have come"

    def answer(self, command: str) -> bytes:
        """Return the reply to one command; nothing if there is none."""
        raise NotImplementedError

    def split(self, data: bytes) -> tuple[list[str], bytes]:
        """Split what came into commands and the rest."""
        *lines, rest = data.replace(b"\r", b"\n").split(b"\n")
        return [line.decode("ascii") for line in lines if line], rest

    def _make_handler(self) -> type[socketserver.BaseRequestHandler]:
        instrument = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                rest = b""
                while chunk := self.request.recv(4096):
                    commands, rest = instrument.split(rest + chunk)
                    for command in commands:
                        with instrument._changed:
                            instrument.received.append(command)
                            instrument._changed.notify_all()
                        self.request.sendall(instrument.answer(command))

        return Handler

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class LakeShore336(TcpInstrument):
    """A temperature controller that is at its setpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.values = {
            "*IDN": "LSCI,MODEL336,LSA133P/#######,2.9",
            **{f"KRDG {letter}": f"+{number}1.5" for number, letter in enumerate("ABCD", 1)},
            **{f"TLIMIT {letter}": "+450.0" for letter in "ABCD"},
            **{f"OUTMODE {number}": f"1,{number},0" for number in range(1, 5)},
            **{f"PID {number}": "+50.0,+20.0,+0.0" for number in (1, 2)},
            **{f"HTR {number}": f"+{number}2.5" for number in (1, 2)},
            **{f"RAMP {number}": "1,+10.0" for number in (1, 2)},
            **{f"RELAY {number}": "1,0,0" for number in (1, 2)},
        }

    def answer(self, command: str) -> bytes:
        name, _, argument = command.partition("?")
        if "?" in command:
            return self.values.get((name + argument).strip(), "0").encode() + b"\r\n"
        name, _, rest = command.partition(" ")
        index, _, value = rest.partition(",")
        if name == "SETP":
            self.values[f"KRDG {'ABCD'[int(index) - 1]}"] = value
        self.values[f"{name} {index}"] = value
        return b""


class Pfeiffer366(TcpInstrument):
    """A controller of six pressure gauges."""

    def __init__(self) -> None:
        super().__init__()
        self.gauges = [(0, 1.5e-7), (1, 2e-9), (2, 1000.0), (3, 0.0), (4, 0.0), (5, 0.0)]

    def split(self, data: bytes) -> tuple[list[str], bytes]:
        """Split at the end of each line, and take each enquiry for a command."""
        commands, rest = super().split(data.replace(b"\x05", b"ENQ\n"))
        return commands, rest

    def answer(self, command: str) -> bytes:
        if command == "PRX":
            return b"\x06\r\n"
        if command == "ENQ":
            return (
                ",".join(f"{status},{value:.4E}" for status, value in self.gauges).encode()
                + b"\r\n"
            )
        return b"\x15\r\n"
