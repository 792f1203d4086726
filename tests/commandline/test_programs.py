"""The commands as programs: signals, closed pipes, ten thousand PVs, shells, and a quick start."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from caproto.commandline import completion, umbrella
from tests.support import (
    CIoc,
    Program,
    free_port,
    loopback_env,
    python_command,
    write_bulk_database,
)
from tests.support.process import REPOSITORY

from .conftest import Run
from .zsh import InteractiveZsh


def _run(
    env: dict[str, str], *arguments: str, **options: object
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        python_command(*arguments),
        env=env,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=50,
        **{"stdin": subprocess.DEVNULL, **options},
    )


def test_python_m_caproto_runs_every_command(golden: CIoc) -> None:
    env = golden.client_env()
    assert _run(env, "-m", "caproto", "get", "-t", "G:ao").stdout == "3.14159\n"
    assert _run(env, "-m", "caproto", "info", "G:ao").stdout.startswith("G:ao\n    State:")
    assert _run(env, "-m", "caproto", "put", "-t", "G:w1", "2").stdout == "2\n"
    assert _run(env, "-m", "caproto", "monitor", "--maximum", "1", "G:hex").stdout.endswith(
        " 255  \n"
    )
    missing = _run(env, "-m", "caproto", "get", "-w", "0.1", "G:nope")
    assert missing.returncode == 1
    assert missing.stderr.startswith("caproto-get: ")


def test_the_umbrella_helps_with_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert umbrella.main([]) == 1
    assert umbrella.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in umbrella.COMMANDS)
    assert umbrella.main(["-V"]) == 0
    assert umbrella.main(["caproto-get", "--list-types"]) == 0
    capsys.readouterr()
    assert umbrella.main(["gett"]) == 1
    assert "Do you mean 'get'?" in capsys.readouterr().err
    assert umbrella.main(["zzz"]) == 1
    assert "There are get, put" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["X:count"], ["G:nope"], ["--json", "X:count"]])
def test_ctrl_c_ends_quietly_and_like_the_signal(
    golden: CIoc, tmp_path: Path, arguments: list[str]
) -> None:
    command = python_command("-m", "caproto", "monitor", "-w", "0.1", *arguments)
    with Program(command, golden.client_env(), tmp_path / "out.txt") as program:
        program.wait_for_output(r"X:count|G:nope")
        program.send_signal(signal.SIGINT)
        assert program.wait() == -signal.SIGINT
        assert "Traceback" not in program.output
        assert "KeyboardInterrupt" not in program.output


def test_a_get_that_waits_is_interrupted_quietly(golden: CIoc, tmp_path: Path) -> None:
    command = python_command("-m", "caproto", "get", "-vv", "-w", "30", "G:ao", "G:nope")
    with Program(command, golden.client_env(), tmp_path / "out.txt") as program:
        program.wait_for_output(r"\S")  # a log message: it is at work
        program.send_signal(signal.SIGINT)
        assert program.wait() == -signal.SIGINT
        assert "Traceback" not in program.output


@pytest.mark.parametrize("arguments", [["monitor", "X:count"], ["monitor", "--json", "X:count"]])
def test_a_closed_pipe_ends_quietly(golden: CIoc, arguments: list[str]) -> None:
    with subprocess.Popen(
        python_command("-m", "caproto", *arguments),
        env=golden.client_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"X:count" in process.stdout.readline()
        process.stdout.close()  # as `head -1` does
        assert process.wait(30) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_a_get_into_a_closed_pipe_ends_quietly(golden: CIoc, tmp_path: Path) -> None:
    script = f"{sys.executable} -m caproto get G:ao | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], env=golden.client_env(), capture_output=True, text=True, timeout=30
    )
    assert done.stderr == ""
    assert done.stdout.strip() in ("141", "0")  # 0 if it was quicker than `true`


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    "command", ["get G:ao", "monitor --maximum 1 G:ao", "info G:ao", "put G:w1 1", "completion zsh"]
)
def test_output_that_cannot_be_written_is_one_line_and_no_output_is_none(
    golden: CIoc, command: str
) -> None:
    def bash(redirection: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", f"{sys.executable} -m caproto {command} {redirection}"],
            env=golden.client_env(),
            capture_output=True,
            text=True,
            timeout=50,
        )

    full = bash("> /dev/full")
    assert full.returncode == 1
    assert len(full.stderr.splitlines()) == 1
    assert full.stderr.endswith(": No space left on device\n")
    closed = bash(">&-")
    assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], ["get", "--help"], ["completion", "bash"]])
def test_help_into_a_closed_pipe_ends_quietly(arguments: list[str]) -> None:
    with subprocess.Popen(
        python_command("-m", "caproto", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # before anything has been printed
        assert process.wait(30) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_a_terminal_that_does_not_know_a_sign_gets_an_escape(golden: CIoc) -> None:
    assert _run(golden.client_env(), "-m", "caproto", "put", "G:ao.EGU", "\u00b5m").returncode == 0
    env = golden.client_env(PYTHONIOENCODING="ascii")
    try:
        shown = _run(env, "-m", "caproto", "get", "-d", "CTRL_DOUBLE", "G:ao")
        assert r"Units:            \xb5m" in shown.stdout
        printed = _run(env, "-m", "caproto", "get", "--json", "-d", "control", "G:ao")
        assert json.loads(printed.stdout)["units"] == "\u00b5m"
    finally:
        _run(golden.client_env(), "-m", "caproto", "put", "G:ao.EGU", "mm")


def test_a_name_that_is_no_text_does_not_hide_the_others(golden: CIoc) -> None:
    done = subprocess.run(
        python_command("-m", "caproto", "get", "-w", "0.2", "-"),
        env=golden.client_env(PYTHONIOENCODING="utf-8:surrogateescape"),
        cwd=REPOSITORY,
        input=b"\xff\nG:hex\n",
        capture_output=True,
        timeout=50,
    )
    assert done.stdout.decode().splitlines()[1] == "G:hex                          255"
    assert b"not found" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.timeout(120)
def test_ten_thousand_pvs_are_read_and_written_at_once(tmp_path: Path) -> None:
    names = write_bulk_database(tmp_path / "bulk.db", 10_000)
    file = tmp_path / "names.txt"
    file.write_text("\n".join([*names[:5000], "bulk:missing", *names[5000:]]) + "\n")
    with CIoc(tmp_path / "bulk.db", folder=tmp_path) as ioc:
        done = _run(ioc.client_env(), "-m", "caproto", "get", "-w", "10", "-t", *names[:3])
        assert done.stdout == "0\n1\n2\n"
        with open(file) as stream:
            done = _run(ioc.client_env(), "-m", "caproto", "get", "-w", "3", "-", stdin=stream)
        file.write_text("".join(f"{name} {number + 1}\n" for number, name in enumerate(names)))
        written = _run(ioc.client_env(), "-m", "caproto", "put", "-w", "30", "-t", f"@{file}")
    lines = done.stdout.splitlines()
    assert len(lines) == 10_001
    assert lines[5000] == "bulk:missing                   *** Not connected (PV not found)"
    assert lines[-1] == "bulk:9999                      9999"
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert written.stderr == ""
    assert written.stdout.splitlines() == [str(number + 1) for number in range(10_000)]


def test_a_get_imports_only_what_it_needs(golden: CIoc) -> None:
    source = (
        "import sys; sys.argv = ['caproto-get', '-a', 'G:ao', 'G:wfd']; "
        "from caproto.commandline.get import main; status = main(); "
        "heavy = {'numpy', 'rich', 'matplotlib', 'argparse', 'caproto.server', 'caproto.threading'}; "
        "print(sorted(heavy & set(sys.modules)), status)"
    )
    done = _run(golden.client_env(), "-c", source)
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_commands_work_without_rich_and_say_what_is_missing(golden: CIoc) -> None:
    source = (
        "import sys; sys.modules['rich'] = sys.modules['matplotlib'] = None; "
        "sys.stdout.isatty = lambda: True; "
        "from caproto.commandline import get, monitor; "
        "print(get.main(['--table', 'G:alarm'])); "
        "print(monitor.main(['--live', '--maximum', '1', 'G:ao'])); "
        "print(monitor.main(['--plot', 'x.png', 'G:ao']))"
    )
    env = golden.client_env(TERM="xterm")
    env.pop("NO_COLOR", None)
    done = _run(env, "-c", source)
    assert "G:alarm  9" in done.stdout
    assert "--live needs rich" in done.stderr
    assert "--plot needs matplotlib" in done.stderr
    assert done.stdout.splitlines()[-1] == "1"


def test_no_repeater_is_started_if_it_is_not_wanted(golden: CIoc) -> None:
    env = golden.client_env()
    del env["CAPROTO_NO_REPEATER"]
    done = _run(env, "-m", "caproto", "get", "--no-repeater", "-t", "G:hex")
    assert done.stdout == "255\n"


def test_nothing_found_without_a_network_is_an_error_and_not_a_hang() -> None:
    env = loopback_env(free_port(), free_port(), extra={"EPICS_CA_ADDR_LIST": ""})
    done = _run(env, "-m", "caproto", "get", "-w", "0.1", "G:ao")
    assert done.returncode == 1
    assert "set EPICS_CA_ADDR_LIST" in done.stderr


# --- completion -----------------------------------------------------------------------------------------------------


def _complete_in_bash(line: str, tmp_path: Path) -> list[str]:
    """Return what bash would offer behind `line`."""
    words = line.split(" ")
    script = tmp_path / "completion.bash"
    script.write_text(completion.script("bash"))
    quoted = " ".join(f"'{word}'" for word in words)
    body = (
        f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
        f"_{words[0].replace('-', '_')}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(
        ["bash", "-euc", body], cwd=tmp_path, capture_output=True, text=True, timeout=20
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_options_and_their_arguments(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("")
    assert _complete_in_bash("caproto-get --ti", tmp_path) == ["--timeout"]
    assert "--live" in _complete_in_bash("caproto-monitor --", tmp_path)
    assert _complete_in_bash("caproto-get -d TIME_D", tmp_path) == ["TIME_DOUBLE"]
    assert _complete_in_bash("caproto-get @na", tmp_path) == ["@names.txt"]
    assert "names.txt" in _complete_in_bash("caproto-get --file na", tmp_path)
    assert _complete_in_bash("caproto-info --js", tmp_path) == ["--json"]
    assert _complete_in_bash("caproto-shark --js", tmp_path) == ["--json"]
    assert _complete_in_bash("caproto-repeater --q", tmp_path) == ["--quiet"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_files_where_they_are_wanted(tmp_path: Path) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(completion.script("bash"))
    done = subprocess.run(
        ["bash", "-euc", f"source {script}; complete -p"],
        capture_output=True,
        text=True,
        timeout=20,
    )
    kinds = {line.split()[-1]: "-o default" in line for line in done.stdout.splitlines()}
    assert kinds["caproto-shark"]
    assert not kinds["caproto-get"]


COMPLETIONS = [
    ("caproto-get --ti", "--timeout"),
    ("caproto-get -d TIME_D", "TIME_DOUBLE"),
    ("caproto-get --file na", "names.txt"),
    ("caproto-put @na", "names.txt"),
    ("caproto-monitor -t ", "sI"),
    ("caproto-shark ca", "capture.pcap"),
    ("caproto-shark --js", "--json"),
    ("caproto-repeater --qu", "--quiet"),
]


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
@pytest.mark.parametrize(("line", "offered"), COMPLETIONS)
def test_fish_completes_options_and_their_arguments(
    tmp_path: Path, line: str, offered: str
) -> None:
    for name in ("names.txt", "capture.pcap", "script"):
        (tmp_path / name).write_text(completion.script("fish") if name == "script" else "")

    def offers(line: str) -> list[str]:
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"source script; complete -C '{line}'"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert done.stderr == ""
        return [each.split("\t")[0].removeprefix("@") for each in done.stdout.splitlines()]

    assert offered in offers(line)
    assert offers("caproto-get na") == []  # a name of a PV is no name of a file
    assert "names.txt" not in offers("caproto-monitor -t ")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
@pytest.mark.parametrize(("line", "offered"), COMPLETIONS)
def test_zsh_completes_options_and_their_arguments(tmp_path: Path, line: str, offered: str) -> None:
    for name in ("names.txt", "capture.pcap", "script"):
        (tmp_path / name).write_text(completion.script("zsh") if name == "script" else "")
    with InteractiveZsh(tmp_path) as zsh:
        zsh.run("autoload -U compinit; compinit -u -D; source script")
        zsh.type(line + "\t")
        zsh.read_until(offered)


@pytest.mark.parametrize(
    ("shell", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])]
)
def test_completion_scripts_are_valid_and_complete(
    shell: str, check: list[str], tmp_path: Path, run: Run
) -> None:
    text = run("caproto.commandline.completion", shell).stdout
    for command in ("get", "put", "monitor", "info", "repeater", "shark"):
        assert f"caproto-{command}" in text
    for word in ("timeout", "duration", "array-pad", "lx"):
        assert word in text
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} to check the syntax")
    file = tmp_path / "script"
    file.write_text(text)
    subprocess.run([program, *check, str(file)], check=True, timeout=20)


def test_completion_of_an_unknown_shell_is_refused(run: Run) -> None:
    assert run("caproto.commandline.completion", "csh").status == 1
    assert run("caproto.commandline.completion", "--help").status == 0
