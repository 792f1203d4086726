"""Read the PV on the command line with repics, blocking."""

import sys
import time

from repics import ca

value = float(ca.caget(sys.argv[1], form="plain"))
print(time.monotonic(), value, flush=True)
