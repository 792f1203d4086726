"""Start syncster-ioc with its own pretended synchronizer."""

from __future__ import annotations

from syncster_ioc.main import main

main(sim=True)
