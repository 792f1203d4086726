"""``python -m caproto``."""

import sys

from .commandline.umbrella import main

if __name__ == "__main__":
    sys.exit(main())
