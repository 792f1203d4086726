"""Start dg645-ioc as its console script does; ``KRONOS_DELAY_DEVICE`` says which instrument."""

from __future__ import annotations

from kronos.main import main

main()
