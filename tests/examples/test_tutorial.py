"""The tutorial of the reference page, run as the program that ``make demo`` runs."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest

from tests.support import Program, free_port, loopback_env, python_command

TUTORIAL = "examples/tutorial.py"
STEPS = [
    "1. Start an IOC",
    "2. Connect",
    "3. Read",
    "4. Read with the time",
    "5. Write",
    "6. Subscribe",
    "7. Subscribe with async for",
    "8. Go idle and come back",
    "9. Cancel a search",
    "10. Events off and on",
    "11. Server health",
    "The IOC has stopped",
]


def program(folder: Path, *arguments: str) -> Program:
    """Return a program that is not started yet, in an environment that leads nowhere."""
    env = loopback_env(free_port(), free_port())
    return Program(python_command(*arguments), env, folder / "output.txt")


def ioc_answers(output: str) -> bool:
    """Tell whether the IOC that the output speaks of accepts connections."""
    listening = re.search(r"Listening on 127\.0\.0\.1:(\d+)", output)
    assert listening
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(listening[1]))) == 0


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the tutorial prints when nobody watches it on a terminal."""
    tutorial = program(tmp_path_factory.mktemp("tutorial"), TUTORIAL)
    tutorial.start()
    status = tutorial.wait(50)
    assert status == 0, tutorial.output
    return tutorial.output


def test_all_steps_are_there_in_order(output: str) -> None:
    headings = re.findall(r"^(.+)\n-+$", output, re.MULTILINE)
    assert headings == STEPS
    assert output.endswith("\nThat is all. Everything was as it should be.\n")


def test_output_is_plain_text_in_short_lines(output: str) -> None:
    assert output.isascii()
    assert "\x1b" not in output
    assert "Traceback" not in output
    assert max(map(len, output.splitlines())) <= 110


@pytest.mark.parametrize(
    "pattern",
    [
        r"\[I \d\d:\d\d:\d\d\.\d{3}       server: +\d+\] Asyncio server starting up\.\.\.",
        r"    random_walk:dt\n +random_walk:x\n",
        r"<PV name='random_walk:dt' priority=0 \(searching\.\.\.\.\)>",
        r"<Context circuits=0 pvs=2 idle=0>",
        r"<Context circuits=1 pvs=2 idle=0>",
        r"ReadNotifyResponse\(data=array\(\[3\.\]\), ",
        r"response\.value\n  3\.0\n",
        r"b'\\x00\\x0f\\x00\\x08\\x00\\x06\\x00\\x01\\x00\\x00\\x00\\x01\\x00.*@\\x08",
        r"DBR_TIME_DOUBLE\(status=<AlarmStatus\.NO_ALARM: 0>",
        r"datetime\.datetime\(20\d\d, ",
        r"WriteNotifyResponse\(data_type=<ChannelType\.DOUBLE: 6>, data_count=1,",
        r"\(await dt\.read\(\)\)\.value\n  1\.0\n",
        r"callback: confirmed, ioid=4, ECA_NORMAL",
        r"len\(responses\)\n  [2-9]\n",
        r"(f: received response from random_walk:x\n  g: the value is [+-]\d.*\n  ){2}",
        r"( +received \[-?\d.*\]\n(.*\n)*){3}.*remove_callback",
        r"<PV name='random_walk:x' priority=0 \(idle\)>\n  >>> ctx\n  <Context .* idle=1>",
        r"<PV name='random_walk:typo' priority=0 \(cancelled\)>",
        r"events_off\(\)\n  0 updates in a second\n",
        r"events_on\(\)\n  ([2-9]|\d\d) updates in a second\n",
        r"\{\('127\.0\.0\.1', \d+\): \d+\.\d+(e-\d+)?\}",
        r"x\.time_since_last_heard\(\)\n  \d+\.\d+",
        r"Its exit status is 0\.",
    ],
)
def test_it_shows_real_values(output: str, pattern: str) -> None:
    assert re.search(pattern, output), output


def test_the_ioc_is_gone(output: str) -> None:
    assert not ioc_answers(output)


BROKEN = """
import sys
sys.path.insert(0, "examples")
import tutorial

async def go_wrong(dt):
    tutorial.check((await dt.read()).value == 4.0, "on purpose")

tutorial.read = go_wrong
sys.exit(tutorial.main())
"""


def test_exit_status_says_that_something_went_wrong(tmp_path: Path) -> None:
    broken = program(tmp_path, "-c", BROKEN)
    broken.start()
    assert broken.wait() == 1
    assert "The tutorial failed: TutorialError('on purpose')" in broken.output
    assert "That is all" not in broken.output
    assert not ioc_answers(broken.output)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_ioc_ends_with_an_interrupted_tutorial(tmp_path: Path, number: int) -> None:
    tutorial = program(tmp_path, TUTORIAL)
    tutorial.start()
    tutorial.wait_for_output(r"^6\. Subscribe$", 30)
    assert ioc_answers(tutorial.output)
    tutorial.send_signal(number)
    assert tutorial.wait() != 0
    assert not ioc_answers(tutorial.output)
