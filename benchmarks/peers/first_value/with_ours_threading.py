"""Read the PV on the command line with our client for programs with threads."""

import sys
import time

from caproto.threading.client import Context

(pv,) = Context().get_pvs(sys.argv[1])
value = pv.read().value
print(time.monotonic(), value, flush=True)
