"""The command line of an IOC."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from typing import Any

from .._env import ServerSettings
from .._errors import CaprotoValueError
from .._log import config_caproto_logging
from .._version import __version__
from .access import AccessRules

__all__ = ["ioc_arg_parser", "template_arg_parser"]

_ASYNC_LIBS = ("asyncio",)


def template_arg_parser(
    *,
    desc: str,
    default_prefix: str,
    argv: list[str] | None = None,
    macros: dict[str, str] | dict[str, str | None] | None = None,
    supported_async_libs: list[str] | None = None,
) -> tuple[
    argparse.ArgumentParser, Callable[[argparse.Namespace], tuple[dict[str, Any], dict[str, Any]]]
]:
    """Make the argument parser of an IOC, to which a program may add its own arguments.

    Parameters
    ----------
    desc : str
        What the IOC is, for ``--help``.
    default_prefix : str
        Prefix of the PV names unless ``--prefix`` says another.
    argv : list of str, optional
        Accepted for symmetry with `ioc_arg_parser`; parsing is up to the caller.
    macros : dict of str to str, optional
        Each becomes an option, with this default. Where that is None it has to be given.
    supported_async_libs : list of str, optional
        Accepted for compatibility: only ``'asyncio'`` exists.

    Returns
    -------
    parser : argparse.ArgumentParser
    split_args : callable
        Takes the parsed arguments, configures logging as they say, and returns the keyword arguments for the group
        and those for `run`.
    """
    defaults: dict[str, str | None] = dict(macros or {})
    parser = _parser(desc, default_prefix)
    for name, default in defaults.items():
        parser.add_argument(
            f"--{name}",
            default=default,
            required=default is None,
            help="macro in the PV names" + ("" if default is None else f" [{default}]"),
        )

    def split_args(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
        """Configure logging, and return the arguments for the group and those for `run`."""
        _configure_logging(-1 if args.quiet else args.verbose)
        group = {
            "prefix": args.prefix,
            "macros": {name: getattr(args, name.replace("-", "_")) for name in defaults},
        }
        return group, _run_options(parser, args)

    return parser, split_args


def _parser(desc: str, default_prefix: str) -> argparse.ArgumentParser:
    """Return the parser of what every IOC understands."""
    parser = argparse.ArgumentParser(
        description=desc,
        epilog=f"caproto version {__version__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--prefix", default=default_prefix, help=f"prefix of all PV names [{default_prefix}]"
    )
    parser.add_argument(
        "--async-lib",
        default="asyncio",
        type=_async_lib,
        metavar="{asyncio}",
        help="asynchronous library to run on [asyncio]",
    )
    default_interfaces = list(ServerSettings.from_environ().interfaces)
    parser.add_argument(
        "--interfaces",
        default=default_interfaces,
        nargs="+",
        metavar="ADDRESS",
        help=f"addresses of the interfaces to serve [{' '.join(default_interfaces)}]",
    )
    parser.add_argument(
        "--access-file",
        metavar="FILE",
        help="JSON file of rules who may read and write what; SIGHUP reads it again",
    )
    parser.add_argument("--list-pvs", action="store_true", help="log the names of all PVs")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("-q", "--quiet", action="store_true", help="log warnings and errors only")
    amount.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="log more: the IOC itself (-v), every message too (-vv)",
    )
    return parser


def _run_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments for `run`."""
    running = {
        "module_name": f"caproto.{args.async_lib}.server",
        "log_pv_names": args.list_pvs,
        "interfaces": args.interfaces,
    }
    if args.access_file is not None:
        try:
            running["access"] = AccessRules.from_file(args.access_file)
        except (OSError, CaprotoValueError) as error:
            parser.error(f"--access-file: {error}")
    return running


def _async_lib(name: str) -> str:
    """Take the name of the one library there is.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is another one.
    """
    if name not in _ASYNC_LIBS:
        raise argparse.ArgumentTypeError(
            f"IOCs run on asyncio only, not on {name}: leave the option out"
        )
    return name


def _configure_logging(verbose: int) -> None:
    """Log what the user asked for: everything is a matter of what each logger lets through."""
    config_caproto_logging(level="WARNING" if verbose < 0 else "DEBUG" if verbose else "INFO")
    if verbose == 1:
        for name in ("caproto.ch", "caproto.circ", "caproto.bcast"):
            logging.getLogger(name).setLevel(logging.INFO)


def ioc_arg_parser(
    *,
    desc: str,
    default_prefix: str,
    argv: list[str] | None = None,
    macros: dict[str, str] | dict[str, str | None] | None = None,
    supported_async_libs: list[str] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parse the command line of an IOC, and configure logging as it says.

    Parameters
    ----------
    desc, default_prefix, macros, supported_async_libs
        As for `template_arg_parser`.
    argv : list of str, optional
        The arguments, without the name of the program; those of the process by default.

    Returns
    -------
    ioc_options : dict
        Keyword arguments for the group: ``prefix``, ``macros``.
    run_options : dict
        Keyword arguments for `run`: ``module_name``, ``log_pv_names``, ``interfaces``, and
        ``access`` if there is an ``--access-file``.
    """
    parser, split_args = template_arg_parser(
        desc=desc,
        default_prefix=default_prefix,
        macros=macros,
        supported_async_libs=supported_async_libs,
    )
    return split_args(parser.parse_args(argv))
