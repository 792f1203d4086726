"""The simulation of ``make simulate``, a hundred times smaller."""

from __future__ import annotations

import logging

import pytest

from benchmarks.simulation.run import Phase, Simulation

CHANNELS, SERVERS = 10_000, 100


@pytest.fixture(scope="module")
def phases() -> dict[str, Phase]:
    logging.getLogger("caproto").setLevel(logging.ERROR)
    try:
        found = list(Simulation(CHANNELS, SERVERS, loss=0.05, seed=1).phases())
    finally:
        logging.getLogger("caproto").setLevel(logging.NOTSET)
    return {phase.name: phase for phase in found}


def test_everything_connects_with_few_datagrams(phases: dict[str, Phase]) -> None:
    phase = phases["all connected"]
    assert phase.connected == CHANNELS
    assert phase.lost > 500
    # Loss of a search or of its answer, and a little for answers that were late.
    assert phase.requests < 1.2 * CHANNELS
    assert phase.seconds < 2.0  # of virtual time, which does not depend on the machine


def test_dead_servers_are_noticed_and_their_names_searched_again(phases: dict[str, Phase]) -> None:
    phase = phases["10 servers killed and noticed"]
    assert phase.connected == CHANNELS * 9 // 10
    assert phase.seconds <= 35.1  # EPICS_CA_CONN_TMO, and 5 s for the answer to the echo
    assert phase.requests >= CHANNELS // 20  # those of the servers that were seen to die


def test_searches_for_what_is_not_there_become_rare(phases: dict[str, Phase]) -> None:
    phase = phases["searching what is not there"]
    missing = CHANNELS // 10
    assert phase.connected == CHANNELS - missing
    # About 14 times each, and a few more when three beacons of a server are lost in a row: that looks like news.
    assert missing < phase.requests < 30 * missing


def test_servers_that_come_back_are_found_at_once(phases: dict[str, Phase]) -> None:
    phase = phases["servers back, all connected"]
    assert phase.connected == CHANNELS
    assert phase.seconds < 60.0  # a lost beacon makes it the next one
