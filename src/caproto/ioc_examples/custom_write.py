"""What is written to a PV is written to a file.

PVs
---
directory
    Where the files are.
A, B
    What is written here becomes the text of the file of that name.
"""

from __future__ import annotations

import asyncio
import pathlib
import tempfile
from typing import Any, Final

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class CustomWrite(PVGroup):
    """Numbers that are kept in files."""

    directory: Final = pvproperty(
        value=tempfile.gettempdir(), max_length=256, doc="where the files are"
    )

    async def _put(self, instance: Any, value: Any) -> None:
        path = pathlib.Path(self.directory.value) / instance.pvspec.attr
        # In another thread, as a disk may be slow. An exception here refuses the write, and the PV keeps its value.
        await asyncio.to_thread(path.write_text, f"{value}\n", encoding="utf-8")
        print(f"Wrote {value} to {path}")

    A = pvproperty(value=0, put=_put, doc="is written to the file A")
    B = pvproperty(value=0, put=_put, doc="is written to the file B")


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="custom_write:", desc=__doc__ or "")
    ioc = CustomWrite(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
