"""An interactive zsh on a pseudo-terminal: its completion works nowhere else."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

_LONGEST = 30  # seconds


class InteractiveZsh:
    """Type at it, and read what it shows.

    Parameters
    ----------
    folder
        In which it runs; without anybody's settings.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> InteractiveZsh:
        self._terminal, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 100, 200, 0, 0))
        self._process = subprocess.Popen(
            ["zsh", "-f", "-i"],
            cwd=self._folder,
            env={**os.environ, "TERM": "dumb", "HOME": str(self._folder)},
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)
        self.run("bindkey '^I' list-choices; LISTMAX=1000; unsetopt beep")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(_LONGEST)
        os.close(self._terminal)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._terminal, text.encode())

    def run(self, command: str) -> None:
        """Run a command, and wait until it is done."""
        self.type(f"{command}; echo do''ne\n")
        self.read_until("done")

    def read_until(self, word: str) -> None:
        """Read until a word is shown that has not been typed in full."""
        shown = ""
        end = time.monotonic() + _LONGEST
        while re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", shown) is None:
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"zsh did not show {word!r}, but {shown!r}")
            shown += os.read(self._terminal, 1 << 16).decode("utf-8", "replace")
