"""Read the PV on the command line with pyepics."""

import sys
import time

from epics import caget

value = caget(sys.argv[1])
print(time.monotonic(), value, flush=True)
