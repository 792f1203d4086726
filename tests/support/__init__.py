"""What tests share: ports, environments, IOCs, clients on libca, and checks for leaks."""

from .async_runner import AsyncTestError, run_async_test
from .environment import loopback_env, loopback_settings, use_loopback
from .ioc import CIoc, Ioc, OurIoc, write_bulk_database
from .leaks import LeakCheck
from .libca import LibcaClient, run_libca
from .ports import free_port, free_ports
from .process import Program, ProgramError, python_command
from .raw_ca import SearchReply, search

__all__ = [
    "AsyncTestError",
    "CIoc",
    "Ioc",
    "LeakCheck",
    "LibcaClient",
    "OurIoc",
    "Program",
    "ProgramError",
    "SearchReply",
    "free_port",
    "free_ports",
    "loopback_env",
    "loopback_settings",
    "python_command",
    "run_async_test",
    "run_libca",
    "search",
    "use_loopback",
    "write_bulk_database",
]
