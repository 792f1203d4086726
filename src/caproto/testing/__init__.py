"""A fake IOC for the tests of programs that use EPICS, with pytest or without.

In a test, or in the ``conftest.py`` at the root of the tests::

    pytest_plugins = ["caproto.testing"]

    def test_my_program(fake_ioc):
        ioc = fake_ioc({"beam:current": 1.5, "shutter": ChannelEnum(value="Closed", enum_strings=["Closed", "Open"])})
        my_program()
        assert ioc.written == [("shutter", "Open")]

Without pytest::

    with caproto.testing.serve({"beam:current": 1.5}) as ioc:
        ...

The plugin has to be named, rather than being found by every pytest that runs beside an installed caproto: programs
that do not use it pay nothing for it, and none of its names can get into their way.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ._fake_ioc import FakeIoc, serve
from ._watched import Write

# pytest collects the fixtures of a plugin from its module. Without pytest there is no need for it.
if TYPE_CHECKING or "pytest" in sys.modules:
    from ._fixtures import MakeFakeIoc, fake_ioc

    __all__ = ["FakeIoc", "MakeFakeIoc", "Write", "fake_ioc", "serve"]
else:
    __all__ = ["FakeIoc", "Write", "serve"]
