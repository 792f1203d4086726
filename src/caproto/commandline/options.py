"""Options as data: one table gives the parser, the help and the shell completion.

The rules are those of ``getopt``, by which the C tools of EPICS read their arguments: ``-tn`` is ``-t -n``, ``-f8`` is
``-f 8``, ``-lx`` and ``-l x`` are one option, options may follow the names, and ``--`` ends them. Long options are added to that,
as ``--name value`` or ``--name=value``, and may be shortened as long as they stay unique.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Command", "Option", "Parsed", "UsageError", "flag", "valued", "warn"]

_NEGATIVE_NUMBER = re.compile(r"-(\d|\.\d|inf$|nan$)")
_TITLE_WIDTH = 26


class UsageError(Exception):
    """The command line cannot be understood; the text says why."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes
    ----------
    names : tuple of str
        As typed, such as ``('-w', '--timeout')``.
    dest : str
        What it is called in the result.
    help : str
    value : object
        What is stored, if the option takes no argument.
    metavar : str
        Name of its argument; empty if it takes none.
    convert : callable
        Makes the argument a value. A ValueError of it is reported as a warning and the option ignored, as the C
        tools do.
    group : str
        Title under which the help lists it.
    words : tuple of str
        What a shell may offer for the argument; ``('FILE',)`` for the name of a file.
    repeated : bool
        Whether every occurrence adds to a list, or, without an argument, to a count.
    """

    names: tuple[str, ...]
    dest: str
    help: str
    value: Any = True
    metavar: str = ""
    convert: Callable[[str], Any] = str
    group: str = "Options"
    words: tuple[str, ...] = ()
    repeated: bool = False


def flag(names: str, dest: str, help_: str, *, value: Any = True, **more: Any) -> Option:
    """Return an option without an argument; `names` are separated by spaces."""
    return Option(tuple(names.split()), dest, help_, value, **more)


def valued(names: str, dest: str, metavar: str, help_: str, **more: Any) -> Option:
    """Return an option with an argument."""
    return Option(tuple(names.split()), dest, help_, None, metavar, **more)


@dataclass(slots=True)
class Parsed:
    """The result: values of options by `dest`, the other arguments, and what was wrong but can be ignored."""

    values: dict[str, Any] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)

    def __getitem__(self, dest: str) -> Any:
        return self.values.get(dest)

    def get(self, dest: str, default: Any) -> Any:
        """Return what was given for `dest`, or `default`."""
        return self.values.get(dest, default)


@dataclass(frozen=True, slots=True)
class Command:
    """A command with its options.

    Attributes
    ----------
    name : str
        Such as ``'get'``.
    summary : str
        One line.
    arguments : str
        What follows the options, for the help.
    options : tuple of Option
    epilog : str
        Further text of the help.
    """

    name: str
    summary: str
    arguments: str
    options: tuple[Option, ...]
    epilog: str = ""

    @property
    def program(self) -> str:
        """How the command is called by a person."""
        return f"caproto-{self.name}"

    def parse(self, argv: Sequence[str]) -> Parsed:
        """Read a command line.

        Raises
        ------
        UsageError
            If there is an unknown option, or one without its argument.
        """
        parsed = Parsed()
        rest = list(argv)
        while rest:
            token = rest.pop(0)
            if token == "--":
                parsed.names += rest
                break
            if token.startswith("--"):
                self._long(token, rest, parsed)
            elif len(token) < 2 or token[0] != "-" or self._is_number(token):
                parsed.names.append(token)
            else:
                self._short(token, rest, parsed)
        return parsed

    def _is_number(self, token: str) -> bool:
        """Tell whether a token that starts with a minus is a value rather than an option."""
        if not _NEGATIVE_NUMBER.match(token):
            return False
        return not any(name.startswith(token[:2]) for each in self.options for name in each.names)

    def _long(self, token: str, rest: list[str], parsed: Parsed) -> None:
        name, equals, attached = token.partition("=")
        matches = {
            each: known for each in self.options for known in each.names if known.startswith(name)
        }
        exact = [each for each in matches if name in each.names]
        if len(exact or matches) != 1:
            what = "ambiguous: " + ", ".join(matches.values()) if matches else "unknown"
            raise UsageError(f"Option '{name}' is {what}.")
        option = (exact or list(matches))[0]
        if not option.metavar:
            if equals:
                raise UsageError(f"Option '{name}' takes no argument.")
            self._store(option, name, None, parsed)
        else:
            self._store(option, name, attached if equals else _next(name, rest), parsed)

    def _short(self, token: str, rest: list[str], parsed: Parsed) -> None:
        letters = token[1:]
        while letters:
            option = self._find("-" + letters[:2]) or self._find("-" + letters[:1])
            if option is None:
                raise UsageError(f"Unrecognized option: '-{letters[0]}'.")
            two = "-" + letters[:2] in option.names
            name, letters = "-" + letters[: 1 + two], letters[1 + two :]
            option = self._in_two_words(option, name, letters, rest)
            if not option.metavar:
                self._store(option, name, None, parsed)
                continue
            self._store(option, name, letters or _next(name, rest), parsed)
            return

    def _in_two_words(self, option: Option, name: str, letters: str, rest: list[str]) -> Option:
        """Take ``-l x`` for ``-lx`` if more follows: an ``x`` at the end is a name."""
        if letters or option.metavar or len(rest) < 2 or len(rest[0]) != 1:
            return option
        longer = self._find(name + rest[0])
        if longer is None:
            return option
        rest.pop(0)
        return longer

    def _find(self, name: str) -> Option | None:
        return next((each for each in self.options if name in each.names), None)

    def _store(self, option: Option, name: str, argument: str | None, parsed: Parsed) -> None:
        value = option.value
        if argument is not None:
            try:
                value = option.convert(argument)
            except ValueError as error:
                parsed.warnings.append(f"{error} (option {name} is ignored)")
                return
        if option.repeated:
            old = parsed.values.get(option.dest)
            if option.metavar:
                value = [*(old or []), value]
            else:
                value = (old or 0) + value
        parsed.values[option.dest] = value
        parsed.order.append(option.dest)

    # --- help -------------------------------------------------------------------------------------------------------

    def help(self) -> str:
        """Return the text of ``--help``."""
        lines = [f"Usage: {self.program} [options] {self.arguments}", "", self.summary]
        groups: dict[str, list[Option]] = {}
        for option in self.options:
            groups.setdefault(option.group, []).append(option)
        for title, options in groups.items():
            lines += ["", f"{title}:"]
            for option in options:
                lines += _described(option)
        if self.epilog:
            lines += ["", *textwrap.wrap(self.epilog, 100, break_on_hyphens=False)]
        return "\n".join(lines) + "\n"


def _next(name: str, rest: list[str]) -> str:
    if not rest:
        raise UsageError(f"Option '{name}' requires an argument.")
    return rest.pop(0)


def _described(option: Option) -> list[str]:
    """Return the lines of the help for one option."""
    argument = f" {option.metavar}" if option.metavar else ""
    title = "  " + ", ".join(option.names) + argument
    body = textwrap.wrap(option.help, 100 - _TITLE_WIDTH, break_on_hyphens=False)
    if len(title) >= _TITLE_WIDTH:
        return [title] + [" " * _TITLE_WIDTH + line for line in body]
    return [title.ljust(_TITLE_WIDTH) + body[0]] + [" " * _TITLE_WIDTH + line for line in body[1:]]


def warn(program: str, text: str) -> None:
    """Print one line on standard error."""
    print(f"{program}: {text}", file=sys.stderr)
