"""Completion of the commands for bash, zsh and fish: made from the same tables as the parsers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .options import Command, Option

__all__ = ["SHELLS", "main", "script"]

SHELLS = ("bash", "zsh", "fish")
_USAGE = """Usage: python -m caproto completion bash|zsh|fish

Print a script that completes the options of caproto's commands:

  bash   source <(python -m caproto completion bash)      # in ~/.bashrc
  zsh    source <(python -m caproto completion zsh)       # in ~/.zshrc, after compinit
  fish   python -m caproto completion fish > ~/.config/fish/completions/caproto.fish
"""


def _function_name(command: Command) -> str:
    return "_" + command.program.replace("-", "_")


def _takes_names(command: Command) -> bool:
    """Tell whether its arguments are names of PVs, or ``@FILE`` with such names."""
    return "@FILE" in command.arguments


def _takes_files(command: Command) -> bool:
    return command.arguments == "FILE"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _bash(commands: Sequence[Command]) -> str:
    lines = ["# Completion of caproto's commands for bash."]
    for command in commands:
        name = _function_name(command)
        words = " ".join(each for option in command.options for each in option.names)
        lines += [
            f"{name}() {{",
            '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"',
            "    COMPREPLY=()",
            '    case "$previous" in',
        ]
        for option in command.options:
            if option.metavar:
                lines.append(
                    f"        {'|'.join(map(_quoted, option.names))}) {_bash_words(option)} return;;"
                )
        lines += [
            "    esac",
            '    if [[ "$current" == -* ]]; then',
            f"        COMPREPLY=($(compgen -W {_quoted(words)} -- \"$current\"))",
            '    elif [[ "$current" == @* ]]; then',
            '        COMPREPLY=($(compgen -P @ -f -- "${current#@}"))',
            "    fi",
            "}",
            f"complete {'-o default ' * _takes_files(command)}-F {name} {command.program}",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _bash_words(option: Option) -> str:
    if option.words == ("FILE",):
        return 'COMPREPLY=($(compgen -f -- "$current"));'
    if option.words:
        return f'COMPREPLY=($(compgen -W {_quoted(" ".join(option.words))} -- "$current"));'
    return ""


def _zsh(commands: Sequence[Command]) -> str:
    lines = [
        "#compdef " + " ".join(command.program for command in commands),
        "# Completion of caproto's commands for zsh.",
        "_caproto_names() {\n    compset -P @ && _files\n}",
    ]
    for command in commands:
        lines.append(f"{_function_name(command)}() {{\n    _arguments -s \\")
        for option in command.options:
            for name in option.names:
                text = option.help.replace("[", "(").replace("]", ")").replace(":", " -")
                spec = f"*{name}[{text}]" if option.repeated else f"{name}[{text}]"
                if option.metavar:
                    action = ""
                    if option.words == ("FILE",):
                        action = "_files"
                    elif option.words:
                        action = f"({' '.join(option.words)})"
                    spec += f":{option.dest}:{action}"
                lines.append(f"        {_quoted(spec)} \\")
        lines += [
            f"        {_zsh_arguments(command)}",
            "}",
            f"compdef {_function_name(command)} {command.program}",
        ]
    return "\n".join(lines) + "\n"


def _zsh_arguments(command: Command) -> str:
    if _takes_files(command):
        return "'*:capture:_files'"
    return "'*:PV name:_caproto_names'" if _takes_names(command) else "'*::'"


_FISH_NAMES = """\
function __caproto_names
    string match -q '@*' -- (commandline -ct)
    and __fish_complete_path (string sub -s 2 -- (commandline -ct)) | string replace -r '^' '@'
end"""


def _fish(commands: Sequence[Command]) -> str:
    lines = ["# Completion of caproto's commands for fish.", _FISH_NAMES]
    for command in commands:
        if not _takes_files(command):
            names = " -a '(__caproto_names)'" if _takes_names(command) else ""
            lines.append(f"complete -c {command.program} -f{names}")
        for option in command.options:
            parts = [f"complete -c {command.program}"]
            for name in option.names:
                if name.startswith("--"):
                    parts.append(f"-l {name[2:]}")
                elif len(name) == 2:
                    parts.append(f"-s {_quoted(name[1:])}")
                else:
                    parts.append(f"-o {_quoted(name[1:])}")
            if option.metavar:
                parts.append("-rF" if option.words == ("FILE",) else "-x")
                if option.words and option.words != ("FILE",):
                    parts.append(f"-a {_quoted(' '.join(option.words))}")
            parts.append(f"-d {_quoted(option.help)}")
            lines.append(" ".join(parts))
    return "\n".join(lines) + "\n"


def _of_parser(name: str, parser: argparse.ArgumentParser) -> Command:
    """Return the options of a command that uses argparse."""
    files = any(action.metavar == "FILE" for action in parser._get_positional_actions())
    options = tuple(
        Option(
            tuple(action.option_strings),
            action.dest,
            (action.help or "").replace("%%", "%"),
            metavar="" if action.nargs == 0 else action.dest.upper(),
        )
        for action in parser._actions
        if action.option_strings
    )
    return Command(name, parser.description or "", "FILE" if files else "", options)


def script(shell: str) -> str:
    """Return the completion script for a shell.

    Parameters
    ----------
    shell : {'bash', 'zsh', 'fish'}
    """
    from . import get, info, monitor, put, repeater, shark

    commands = [module.COMMAND for module in (get, put, monitor, info)]
    commands += [
        _of_parser("repeater", repeater._parser()),
        _of_parser("shark", shark._parser()),
    ]
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](commands)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the script for the shell that the argument names.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit status: 1 if there is no such shell.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["-h"], ["--help"]):
        print(_USAGE, end="")
        return 0
    if len(words) != 1 or words[0] not in SHELLS:
        print(f"caproto completion: say one of {', '.join(SHELLS)}.", file=sys.stderr)
        return 1
    sys.stdout.write(script(words[0]))
    return 0
