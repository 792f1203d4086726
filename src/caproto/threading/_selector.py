"""Watching sockets in a thread."""

from __future__ import annotations

import logging
import socket
from typing import Any

from .._background import BackgroundLoop, enter, leave

__all__ = ["SelectorThread"]

logger = logging.getLogger("caproto.ctx")
_CHUNK = 65536  # bytes


class SelectorThread:
    """Gives what sockets receive to objects that want it.

    The client itself does not need it; it is there for programs that used the original's.

    Parameters
    ----------
    parent : object, optional
        Accepted for compatibility.
    """

    def __init__(self, *, parent: Any = None) -> None:
        self.parent = parent
        self._background: BackgroundLoop | None = None
        self._sockets: dict[socket.socket, Any] = {}

    @property
    def running(self) -> bool:
        """Whether sockets are watched."""
        return self._background is not None and self._background.why_ended is None

    def start(self) -> None:
        """Begin to watch."""
        if not self.running:
            self._background = enter(self)
            for sock in list(self._sockets):
                self._watch(sock)

    def stop(self) -> None:
        """Watch no longer; the sockets stay open."""
        background = self._background
        if background is not None:
            for sock in list(self._sockets):
                self._unwatch(sock)
            self._background = None
            leave(background, self)

    def add_socket(self, sock: socket.socket, target_obj: Any) -> None:
        """Watch a socket.

        Parameters
        ----------
        sock : socket.socket
        target_obj : object
            Its method ``received(bytes_recv, address)`` is called with what was received, on the event loop of the
            clients; without bytes when the connection has ended.
        """
        sock.setblocking(False)
        self._sockets[sock] = target_obj
        if self.running:
            self._watch(sock)

    def remove_socket(self, sock: socket.socket) -> None:
        """Watch a socket no longer, if it is watched.

        Parameters
        ----------
        sock : socket.socket
        """
        if self._sockets.pop(sock, None) is not None:
            self._unwatch(sock)

    def _watch(self, sock: socket.socket) -> None:
        background = self._background
        assert background is not None
        background.call(background.loop.add_reader, sock, self._readable, sock)

    def _unwatch(self, sock: socket.socket) -> None:
        background = self._background
        if background is not None and background.why_ended is None:
            background.call(background.loop.remove_reader, sock)

    def _readable(self, sock: socket.socket) -> None:
        target = self._sockets.get(sock)
        try:
            received, address = sock.recvfrom(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            received, address = b"", None
        if not received and sock.type == socket.SOCK_STREAM:
            assert self._background is not None
            self._background.loop.remove_reader(sock)
            self._sockets.pop(sock, None)
        if target is not None:
            try:
                target.received(received, address)
            except Exception:
                logger.exception("%r failed to take what was received", target)
