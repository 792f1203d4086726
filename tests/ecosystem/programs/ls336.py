"""Start ls336-ioc as its console script does; ``LS336_VISA_DEV`` says where the instrument is."""

from __future__ import annotations

from ls336_ioc.application import main

main()
