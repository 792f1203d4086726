"""Read the PV on the command line with the original caproto, whose synchronous client starts fastest."""

import sys
import time

from caproto.sync.client import read

value = read(sys.argv[1]).data[0]
print(time.monotonic(), value, flush=True)
