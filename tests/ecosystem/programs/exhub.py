"""Start exhub-ioc as its console script does."""

from __future__ import annotations

from exhub.application import main

main()
