"""Read the PV on the command line with what we have in the place of pyepics."""

import sys
import time

from caproto.threading.pyepics_compat import caget

value = caget(sys.argv[1])
print(time.monotonic(), value, flush=True)
