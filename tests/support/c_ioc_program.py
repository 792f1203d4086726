"""
The real C IOC, from `epicscorelibs`, with what ``python -m epicscorelibs.ioc`` lacks.

That is: an access security file, arrays filled with a ramp, no PV Access server, and IOC shell
commands on standard input. The IOC ends when standard input does. Run through
``without_realtime.py``.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys

from epicscorelibs import ioc

DBR_DOUBLE = 10  # of the database's own numbering (dbAccessDefs.h), not of Channel Access


def fill_with_ramp(record: str, count: int) -> None:
    """Put 0.0, 1.0, 2.0, ... into an array record."""
    address = (ctypes.c_char * 512)()  # larger than a DBADDR
    if ioc.dbCore.dbNameToAddr(record.encode(), address) != 0:
        raise SystemExit(f"no record {record}")
    values = (ctypes.c_double * count)(*range(count))
    if ioc.dbCore.dbPutField(address, DBR_DOUBLE, values, ctypes.c_long(count)) != 0:
        raise SystemExit(f"cannot fill {record}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", nargs=2, action="append", metavar=("FILE", "MACROS"))
    parser.add_argument("--access-file", nargs=2, metavar=("FILE", "MACROS"))
    parser.add_argument("--ramp", nargs=2, action="append", default=[], metavar=("RECORD", "COUNT"))
    arguments = parser.parse_args()
    if arguments.access_file:
        file, macros = arguments.access_file
        ioc.dbCore.asSetFilename(file.encode())
        ioc.dbCore.asSetSubstitutions(macros.encode())
    ioc.start_ioc(dbs=[(file, macros) for file, macros in arguments.database])
    for record, count in arguments.ramp:
        fill_with_ramp(record, int(count))
    print(f"harness: process {os.getpid()} is ready", flush=True)
    for line in sys.stdin:
        ioc.ioc(line.strip())


if __name__ == "__main__":
    main()
