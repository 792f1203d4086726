"""Bring a million channels on a thousand servers up with 5 % datagram loss, then kill a tenth of the servers.

``python -m benchmarks.simulation --channels 1000000 --servers 1000``
"""

from __future__ import annotations

import argparse
import logging
import time

from .run import Simulation


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--channels", type=int, default=1_000_000)
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--loss", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--in-order", action="store_true", help="ask server by server")
    arguments = parser.parse_args()
    simulation = Simulation(
        arguments.channels,
        arguments.servers,
        loss=arguments.loss,
        seed=arguments.seed,
        in_order=arguments.in_order,
    )
    print(
        f"{arguments.channels:,} channels on {arguments.servers:,} servers, "
        f"{100 * arguments.loss:g} % of the datagrams lost, seed {arguments.seed}"
    )
    logging.getLogger("caproto").setLevel(logging.ERROR)  # a thousand servers give much to warn of
    started = time.perf_counter()
    for phase in simulation.phases():
        elapsed, started = time.perf_counter() - started, time.perf_counter()
        print(f"{phase}  [computed in {elapsed:.1f} s]", flush=True)


if __name__ == "__main__":
    main()
