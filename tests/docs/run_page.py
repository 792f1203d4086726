"""Run the code of one page, in its order: ``python -m tests.docs.run_page PAGE``.

The environment says on which ports of loopback; those of the IOCs are named in ``EPICS_CA_ADDR_LIST``.
"""

from __future__ import annotations

import _thread
import ast
import asyncio
import doctest
import inspect
import json
import linecache
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from tests.docs.blocks import LANGUAGES, Block, blocks_of

REPOSITORY = Path(__file__).resolve().parents[2]
# They would change this machine or this checkout: what they name is checked instead.
MAKE = re.compile(r"make( [\w-]+)+")
INSTALL = re.compile(r"pip install '?(?:\.|caproto)(?:\[([\w,]+)\])?'?")
NUMBER = re.compile(r"-?\d+(?:[.]\d+)*(?:e[+-]?\d+)?")
_MARK = "<<end of command>>"


class PageError(AssertionError):
    """The page does not tell the truth."""


def agree(expected: str, actual: str, *, vary: bool = False) -> bool:
    """Tell whether an output is the expected one but for white space; ``...`` stands for anything."""
    number = NUMBER if vary else re.compile(r"(?!)")
    pieces = [
        NUMBER.pattern.join(map(re.escape, number.split(piece.strip())))
        for piece in " ".join(expected.split()).split("...")
    ]
    return re.fullmatch(r"\s*.*?\s*".join(pieces), " ".join(actual.split())) is not None


def compare(expected: str, actual: str, *, vary: bool = False) -> None:
    """Raise PageError if an output is not the expected one."""
    if not agree(expected, actual, vary=vary):
        raise PageError(f"expected:\n{expected}\nbut this was printed:\n{actual}")


def known_elsewhere(command: str) -> bool:
    """Check a command that is not to be run here; return whether it is one."""
    command = command.split("#")[0].strip()
    if MAKE.fullmatch(command):
        subprocess.run(
            [*command.split(), "--dry-run"], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL
        )
        return True
    install = INSTALL.fullmatch(command)
    if install:
        project = (REPOSITORY / "pyproject.toml").read_text()
        for extra in (install[1] or "").split(","):
            if extra and not re.search(rf"^{extra} = \[", project, re.MULTILINE):
                raise PageError(f"there is no extra {extra!r}")
    return bool(install)


class _Limited(StringIO):
    """Standard output that interrupts the program after some lines."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.left = lines

    def write(self, text: str) -> int:
        super().write(text)
        self.left -= text.count("\n")
        if self.left <= 0:
            if threading.current_thread() is threading.main_thread():
                raise KeyboardInterrupt
            _thread.interrupt_main()
        return len(text)


class Page:
    """The state of a page that is being run."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.awaits = any(
            block.language == "pycon" and "await " in block.text for block in blocks_of(page)
        )
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.loop = asyncio.new_event_loop()
        self.printed = ""
        self.programs: list[subprocess.Popen[str]] = []
        self.ports = re.findall(r":(\d+)", os.environ["EPICS_CA_ADDR_LIST"])

    def run(self) -> int:
        """Run all blocks; return how many."""
        asyncio.set_event_loop(self.loop)
        count = 0
        try:
            for block in blocks_of(self.page):
                try:
                    self.run_block(block)
                except BaseException:
                    sys.stdout.write(f"{self.page}, block of line {block.line}:\n")
                    raise
                count += 1
        finally:
            self.close()
        return count

    def close(self) -> None:
        """End what goes on."""
        try:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            if left:
                self.loop.run_until_complete(asyncio.wait(left))
                raise PageError(f"the page leaves tasks behind: {[str(task) for task in left]}")
        finally:
            self.loop.close()
            for program in self.programs:
                program.send_signal(signal.SIGINT)
            for program in self.programs:
                try:
                    program.communicate(timeout=5)
                except subprocess.TimeoutExpired:
                    program.kill()
                    program.communicate()

    def run_block(self, block: Block) -> None:
        """Run one block."""
        if "not run" in block.notes:
            if not block.notes["not run"]:
                raise PageError("a reason is missing")
            sys.stdout.write(f"line {block.line} is not run: {block.notes['not run']}\n")
            return
        if "address" in block.notes:
            block.text = block.text.replace(block.notes["address"], f"127.0.0.1:{self.ports[0]}")
        if "pid" in block.notes:
            block.text = block.text.replace(block.notes["pid"], str(self.programs[-1].pid))
        if "prints" in block.notes:
            compare(block.text, self.printed, vary="numbers vary" in block.notes)
        elif "file" in block.notes:
            (self.folder / block.notes["file"]).write_text(block.text)
        elif block.language == "ioc":
            command = [sys.executable, "-u", "-m", *block.text.split()]
            self.start(command, "...Server startup complete")
        elif block.language == "console":
            self.run_console(block)
        elif block.language in ("sh", "bash", "zsh", "fish"):
            self.run_script(block)
        elif block.language == "python":
            self.run_python(block)
        elif block.language == "pycon":
            self.run_dialogue(block)
        elif block.language == "json":
            json.loads(block.text)
        elif block.language not in LANGUAGES:
            raise PageError(f"{block.language!r} must be one of {sorted(LANGUAGES)}")

    # --- programs and shells ---

    def start(self, command: list[str], expected: str, *, vary: bool = False) -> None:
        """Start a program that goes on, and wait until it has printed what is expected."""
        port = self.ports[len(self.programs)]
        env = {**os.environ, "EPICS_CAS_SERVER_PORT": port, "PYTHONUNBUFFERED": "1"}
        output = self.folder / f"program-{port}.txt"
        with output.open("w") as file:
            program = subprocess.Popen(
                command, cwd=self.folder, env=env, text=True, stdout=file, stderr=subprocess.STDOUT
            )
        self.programs.append(program)
        limit = time.monotonic() + 15
        wanted = f"{expected}..."
        while not agree(wanted, output.read_text(), vary=vary):
            if program.poll() is not None or time.monotonic() > limit:
                compare(wanted, output.read_text(), vary=vary)
            time.sleep(0.02)

    def run_console(self, block: Block) -> None:
        """Run the commands behind ``$``, and compare what they print."""
        vary = "numbers vary" in block.notes
        commands: list[tuple[str, str]] = []
        for line in block.text.splitlines(keepends=True):
            if line.startswith("$ "):
                commands.append((line[2:].rstrip(), ""))
            elif line.startswith("> "):
                commands[-1] = (f"{commands[-1][0]}\n{line[2:].rstrip()}", "")
            else:
                commands[-1] = (commands[-1][0], commands[-1][1] + line)
        if "keeps running" in block.notes:
            ((command, expected),) = commands
            self.start(["bash", "-c", f"exec {command}"], expected, vary=vary)
            return
        script = "".join(
            f"{command.split('  #')[0]}\nstatus=$?; echo; echo '{_MARK}'; (exit $status)\n"
            for command, _ in commands
            if not known_elsewhere(command)
        )
        done = self.shell("bash", script)
        outputs = done.stdout.split(f"\n{_MARK}\n")
        for (_, expected), actual in zip(
            [pair for pair in commands if not known_elsewhere(pair[0])], outputs, strict=False
        ):
            compare(expected, actual, vary=vary)

    def run_script(self, block: Block) -> None:
        """Run lines of a shell; all of them must succeed."""
        language = "bash" if block.language == "sh" else block.language
        if shutil.which(language) is None:
            sys.stdout.write(f"line {block.line} is not run: there is no {language} here\n")
            return
        lines = [line for line in block.text.splitlines() if not known_elsewhere(line)]
        stop = "set -e\n" if language != "fish" else ""
        done = self.shell(language, stop + "\n".join(lines))
        if done.returncode != 0:
            raise PageError(f"exit status {done.returncode}:\n{done.stdout}")
        self.printed = done.stdout

    def shell(self, program: str, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script."""
        return subprocess.run(
            [program, "-c", script],
            cwd=self.folder,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=40,
            check=False,
        )

    # --- Python ---

    def execute(self, source: str, mode: str, name: str) -> None:
        """Run Python, with ``await`` wherever it stands; dialogues that have it somewhere as ``python -m asyncio`` does."""
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        code = compile(source, name, mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if not code.co_flags & inspect.CO_COROUTINE and (mode == "exec" or not self.awaits):
            exec(code, self.namespace)
            return

        async def within_the_loop() -> None:
            coroutine = eval(code, self.namespace)
            if coroutine is not None:
                await coroutine

        self.loop.run_until_complete(within_the_loop())

    def run_python(self, block: Block) -> None:
        """Run a program."""
        limit = block.notes.get("ends after")
        output = _Limited(int(limit)) if limit else StringIO()
        source = "\n" * block.line + block.text
        with redirect_stdout(output):
            try:
                self.execute(source, "exec", str(self.page))
            except KeyboardInterrupt:
                if limit is None:
                    raise
            else:
                if limit is not None:
                    raise PageError(f"it printed less than {limit} lines:\n{output.getvalue()}")
        self.printed = output.getvalue()

    def run_dialogue(self, block: Block) -> None:
        """Run a dialogue, and compare what is printed."""
        limit = int(block.notes.get("ends after", 1_000_000))
        for number, example in enumerate(doctest.DocTestParser().get_examples(block.text)):
            output = _Limited(limit)
            with redirect_stdout(output):
                try:
                    name = f"{self.page}, line {block.line + example.lineno + 1}, {number}"
                    self.execute(example.source, "single", name)
                except KeyboardInterrupt:
                    if output.left > 0:
                        raise
                except Exception as error:
                    if example.exc_msg is None:
                        raise
                    compare(example.exc_msg, traceback.format_exception_only(error)[-1])
                    continue
            if not example.want and "output left out" in block.notes:
                continue
            compare(
                f"{example.source}{example.want}",
                f"{example.source}{output.getvalue()}",
                vary="numbers vary" in block.notes,
            )


def main(page: str) -> Iterator[str]:
    """Run a page in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(page).resolve()
        os.chdir(folder)
        sys.path.insert(0, folder)
        yield f"{Page(path, Path(folder)).run()} blocks\n"


if __name__ == "__main__":
    for line in main(sys.argv[1]):
        sys.stdout.write(line)
