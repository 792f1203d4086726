"""The benchmark of servers: its arithmetic, and that its client finds wrong answers out."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.peers.measurement import Measurement
from benchmarks.peers.readme import README, with_tables
from benchmarks.peers.results import Results
from benchmarks.server import workloads
from benchmarks.server.pvs import BATCH, FAN_OUTS, FEW, input_name, write_database
from benchmarks.server.raw_client import created, creation, messages, pack, searches
from benchmarks.server.report import report, shortfalls
from benchmarks.server.rows import MEMORY_ROWS, ROWS, TIMES_C
from tests.support import Ioc, python_command

READ = next(row for row in ROWS if row.key == "read")


def results_of(row: str, **samples: float) -> Results:
    """Make results with one round of one sample for each server."""
    results = Results()
    for server, sample in samples.items():
        results.add("same", row, server, Measurement([sample], 1e-6))
    return results


def test_both_ratios_of_a_row_are_judged() -> None:
    results = results_of("read", ours=900.0, caproto=100.0, c=9_000.0)
    original, c = shortfalls(results, "same", READ)
    assert original.endswith("9.00 times as good as caproto 1.3; wanted 10")
    assert c.endswith("0.100 times as good as C IOC; wanted 0.3")


def test_a_row_that_is_good_enough_falls_not_short() -> None:
    assert not list(
        shortfalls(results_of("read", ours=1_000.0, caproto=100.0, c=3_000.0), "same", READ)
    )


def test_less_memory_is_better() -> None:
    results = results_of(MEMORY_ROWS[0].key, ours=1_000.0, caproto=2_000.0)
    (line,) = shortfalls(results, "same", MEMORY_ROWS[0])
    assert "2.00 times as good as caproto 1.3" in line


def test_a_failure_is_shown_in_the_table_and_told_below() -> None:
    results = results_of("read", ours=1_000.0)
    results.fail("same", "read", "c", "TimeoutError: gone")
    shown = report(results)
    assert "| failed |" in shown
    assert "- reads, 100 sent together, c: TimeoutError: gone" in shown


def test_every_row_against_the_c_ioc_is_there() -> None:
    assert set(TIMES_C) <= {row.key for row in ROWS}


def test_tables_of_clients_and_servers_do_not_mix_in_the_readme() -> None:
    text = with_tables(README.read_text(), "| servers |", "server tables")
    text = with_tables(text, "| clients |")
    assert text.count("| servers |") == text.count("| clients |") == 1


def test_database_has_every_pv_once(tmp_path: Path) -> None:
    write_database(tmp_path / "bench.db", FEW)
    names = [line.split('"')[1] for line in (tmp_path / "bench.db").read_text().splitlines()]
    assert len(names) == len(set(names)) == FEW + BATCH + sum(FAN_OUTS.values()) + len(FAN_OUTS)


def test_channel_that_may_not_be_written_is_no_channel_to_measure() -> None:
    confirmation = pack(18, 6, 1, 7, 70)
    assert created(pack(22, p1=7, p2=3) + confirmation, [7]) == [70]
    with pytest.raises(AssertionError, match="read and written"):
        created(pack(22, p1=7, p2=1) + confirmation, [7])


def test_requests_can_be_taken_apart() -> None:
    (request,) = messages(creation(["x"], [5]))
    assert request == (18, 0, 0, 5, 13, b"x" + bytes(7))


def test_every_pv_is_searched_once_in_datagrams_that_travel_unfragmented() -> None:
    found = searches([input_name(index) for index in range(200)])
    assert len(found) > 1
    assert all(len(datagram) <= 1400 for datagram, _ in found)
    assert sorted(cid for _, cids in found for cid in cids) == list(range(200))


class _OurIoc(Ioc):
    def _ask_to_end(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGINT)


@pytest.mark.parametrize(
    "measure",
    [
        lambda ioc: workloads.read(ioc, 0.01, 100),
        lambda ioc: workloads.read(ioc, 0.01, 1),
        lambda ioc: workloads.write(ioc, 0.01, 100),
        lambda ioc: workloads.fan_out(ioc, 0.01, 1),
        lambda ioc: workloads.fan_out(ioc, 0.01, 100),
    ],
    ids=["read", "read-single", "write", "monitor-1", "monitor-100"],
)
def test_our_ioc_passes_every_check_and_loses_nothing(
    measure: Callable[[Ioc], Measurement], tmp_path: Path
) -> None:
    with _OurIoc(
        python_command("-m", "benchmarks.server.ioc", "--inputs", str(FEW)),
        input_name(0),
        folder=tmp_path,
    ) as ioc:
        measured = measure(ioc)
    assert measured.samples[0] > 0
    assert measured.lost == 0
