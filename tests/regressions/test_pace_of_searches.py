"""How often names are searched: issues of caproto, EPICS base and PVXS."""

from __future__ import annotations

from caproto._protocol.messages import SearchRequest, SearchResponse
from tests.support.fakes import FakeClient, FakeNetwork, FakeRecord, FakeServer


def test_caproto_246_search_for_a_name_that_does_not_exist_becomes_rare() -> None:
    network = FakeNetwork()
    server = FakeServer(network)
    client = FakeClient(network)
    client.pv("missing")
    network.clock.run(3600.0)
    # 0.032 s, doubling to 300 s: some 14 in the first five minutes, then 12 an hour.
    assert 15 <= len(server.searched) <= 35
    last = len(server.searched)
    network.clock.run(3600.0)
    assert 10 <= len(server.searched) - last <= 15


def test_caproto_246_names_of_a_dead_server_do_not_slow_the_others_down() -> None:
    network = FakeNetwork()
    FakeServer(network, ["new"])
    client = FakeClient(network)
    for index in range(5000):
        client.pv(f"dead:{index}")
    network.clock.run(600.0)
    pv = client.pv("new")
    assert network.clock.run_until(lambda: pv.connected) < 0.1


def test_caproto_371_beacon_of_a_new_server_makes_names_be_searched_at_once() -> None:
    network = FakeNetwork()
    server = FakeServer(network)
    client = FakeClient(network)
    pv = client.pv("pv")
    network.clock.run(1000.0)  # by now it is searched every five minutes
    server.records["pv"] = FakeRecord()
    server.beacon(client)
    assert network.clock.run_until(lambda: pv.connected) < 1.0


def test_caproto_371_beacons_in_rhythm_and_storms_of_them_cause_no_storm_of_searches() -> None:
    network = FakeNetwork()
    server = FakeServer(network)
    client = FakeClient(network)
    client.pv("missing")
    server.beacon(client)
    network.clock.run(15.0)
    for _ in range(240):  # an hour
        server.beacon(client)
        network.clock.run(15.0)
    in_rhythm = len(server.searched)
    assert in_rhythm <= 50
    for _ in range(10_000):  # in ten seconds
        server.beacon(client, beacon_id=network.random.randrange(2**32))
        network.clock.run(0.001)
    assert len(server.searched) - in_rhythm <= 200


def test_caproto_470_asking_for_many_pvs_one_after_the_other_repeats_few_searches() -> None:
    network = FakeNetwork()
    server = FakeServer(network)
    client = FakeClient(network)
    for index in range(300):
        client.pv(f"pv:{index}")
        client.search_again()  # as every call of get_pvs does
        network.clock.run(0.001)
    assert server.searched.count("pv:0") <= 8
    assert len(set(server.searched)) == 300
    network.clock.run(2.0)
    assert len(server.searched) <= 300 * 12


def test_pvxs_39_new_and_retried_names_share_their_datagrams() -> None:
    network = FakeNetwork()
    server = FakeServer(network)
    client = FakeClient(network)
    for index in range(300):
        client.pv(f"missing:{index}")
        if index % 10 == 0:
            network.clock.run(0.005)
    network.clock.run(5.0)
    # About 40 of these names fit into a datagram; 1 each would be as many datagrams as searches.
    assert len(server.searched) > 300
    assert len(server.datagrams) <= len(server.searched) / 8
    assert max(len(datagram) for datagram in server.datagrams) <= 1472


def test_pvxs_84_back_off_starts_anew_after_a_reconnection() -> None:
    network = FakeNetwork()
    server = FakeServer(network)
    client = FakeClient(network)
    pv = client.pv("pv")
    network.clock.run(2000.0)
    server.records["pv"] = FakeRecord()
    network.clock.run_until(lambda: pv.connected)
    network.clock.run(10.0)
    server.stop()
    network.clock.run(1.0)
    server.start()
    assert network.clock.run_until(lambda: pv.connected) < 2.0


def test_epics_base_372_missing_names_do_not_stop_the_others() -> None:
    network = FakeNetwork()
    server = FakeServer(network, [f"pv:{index}" for index in range(3000)])
    server.seconds_per_name = 5e-6
    client = FakeClient(network)
    pvs = []
    for index in range(3000):
        for missing in range(3):  # three of four do not exist
            client.pv(f"missing:{index}:{missing}")
        pvs.append(client.pv(f"pv:{index}"))
    took = network.clock.run_until(lambda: all(pv.connected for pv in pvs), limit=60.0)
    assert took < 5.0
    assert server.overflows == 0


def test_epics_base_372_slow_answers_are_not_taken_for_losses() -> None:
    network = FakeNetwork()
    network.delay = 0.15  # a gateway far away
    names = [f"pv:{index}" for index in range(3000)]
    server = FakeServer(network, names)
    client = FakeClient(network)
    pvs = [client.pv(name) for name in names]
    took = network.clock.run_until(lambda: all(pv.connected for pv in pvs), limit=60.0)
    assert took < 10.0
    assert len(server.searched) < 10 * len(names)


def test_epics_base_379_search_requests_are_not_taken_for_answers() -> None:
    network = FakeNetwork()
    server = FakeServer(network)
    client = FakeClient(network)
    pv = client.pv("pv")
    network.clock.run(0.01)
    cid = client.search.get("pv").cid  # type: ignore[union-attr]
    for datagram in (
        bytes(SearchRequest("pv", cid, 13)),  # what another client sent
        bytes(SearchResponse(5064, None, cid + 1, 13)),  # an answer to somebody else
        bytes(SearchResponse(0, None, cid, 13)),  # no port
    ):
        network.send_datagram(datagram, client, server)
    network.clock.run(0.01)
    assert pv.events == []
    network.send_datagram(bytes(SearchResponse(5064, None, cid, 13)), client, server)
    network.clock.run(0.01)
    assert pv.events[0] == "found"
