"""The arithmetic of the peer benchmark's tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.peers.measurement import Measurement
from benchmarks.peers.readme import README, with_tables
from benchmarks.peers.report import number, ratio_table, report, shortfalls, value_table
from benchmarks.peers.results import Cell, Results
from benchmarks.peers.rows import CLIENTS, ROWS, row_of
from benchmarks.peers.target import Target, better
from benchmarks.peers.unit import BANDWIDTH_OF_A_MILLION, MICROSECONDS, RATE, Unit
from benchmarks.peers.workloads import WORKLOADS

READ = row_of("read")
SEND = row_of("send-10000")


def results_of(row: str, **samples: float) -> Results:
    """Make results with one round of one sample for each client."""
    results = Results()
    for client, sample in samples.items():
        results.add("same", row, client.replace("_", "-"), Measurement([sample]))
    return results


def test_cell_is_the_median_of_the_medians_of_its_rounds() -> None:
    rounds = [Measurement([1e-6, 2e-6, 90e-6]), Measurement([4e-6]), Measurement([3e-6])]
    assert Cell(rounds).median(MICROSECONDS) == pytest.approx(3.0)


def test_p99_is_the_median_of_the_rounds_and_needs_a_hundred_samples() -> None:
    samples = [float(n) for n in range(1_000)]
    assert Cell([Measurement(samples)] * 3).p99(Unit("s")) == 990.0
    assert Cell([Measurement([1.0] * 99)]).p99(Unit("s")) is None


def test_losses_of_all_rounds_are_taken_together() -> None:
    rounds = [Measurement([1.0], received=90, lost=10), Measurement([1.0], received=60, lost=40)]
    assert Cell(rounds).lost() == pytest.approx(0.25)


def test_time_of_an_array_is_shown_as_bandwidth() -> None:
    assert BANDWIDTH_OF_A_MILLION.shown(0.004) == pytest.approx(2_000.0)


def test_more_than_one_is_better_whichever_way_the_unit_goes() -> None:
    assert better(MICROSECONDS, mine=10.0, other=25.0) == 2.5
    assert better(RATE, mine=10.0, other=25.0) == 0.4


def test_ratios_are_those_of_both_loops_to_each_peer_and_to_the_best() -> None:
    results = results_of(
        "read", floor=10e-6, ours=20e-6, ours_uvloop=16e-6, aioca=80e-6, repics=40e-6
    )
    line = ratio_table(results, "same", [READ], CLIENTS).splitlines()[-1]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        READ.title,
        "0.500 / 0.625",
        "–",
        "4.00 / 5.00",
        "–",
        "–",
        "2.00 / 2.50",
        "–",
        "2.00 / 2.50",
    ]


def test_best_of_rates_is_the_highest() -> None:
    results = results_of("send-10000", floor=9e6, ours=300e3, aioca=40e3, repics=200e3)
    line = ratio_table(results, "same", [SEND], CLIENTS).splitlines()[-1]
    assert line.endswith("| 1.50 / – |")


def test_losses_stand_beside_the_rate() -> None:
    row = row_of("monitor-plain-100")
    results = Results()
    results.add("same", row.key, "repics", Measurement([300e3], 3e-6, received=40, lost=60))
    assert "| 300 (60.0 % lost) |" in value_table(results, "same", [row], CLIENTS)


def test_who_has_no_thread_of_its_own_is_taken_from_the_other_row() -> None:
    row = row_of("monitor-thread-100")
    results = results_of("monitor-plain-100", aioca=45e3)
    results.add("same", row.key, "ours", Measurement([400e3], 2e-6))
    table = value_table(results, "same", [row], ("ours", "aioca"))
    assert "| 400 | 45.0 |" in table


def test_failures_are_shown_and_explained() -> None:
    results = results_of("read", ours=20e-6)
    results.fail("same", "read", "aioca", "took longer than 25 s")
    text = report(results)
    assert "| failed |" in text
    assert f"- same, {READ.title}, aioca: took longer than 25 s" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (12345.6, "12,346"),
        (123.4, "123"),
        (45.67, "45.7"),
        (4.567, "4.57"),
        (0.4567, "0.457"),
        (0.0, "0.000"),
    ],
)
def test_numbers_have_three_digits_and_no_powers(value: float, shown: str) -> None:
    assert number(value) == shown


def test_the_slowest_client_takes_part_once_and_the_others_as_often_as_it_is_worth_while() -> None:
    connecting = row_of("connect-10000")
    assert [READ.takes_turn("caproto", turn) for turn in range(2)] == [True, False]
    assert all(READ.takes_turn("ours", turn) for turn in range(9))
    assert [connecting.takes_turn("ours", turn) for turn in range(4)] == [True, True, True, False]


def cells(**medians: float) -> defaultdict[str, Cell]:
    """Make the cells of a row whose unit shows samples as they are."""
    made: defaultdict[str, Cell] = defaultdict(Cell)
    for client, median in medians.items():
        made[client.replace("_", "-")].rounds.append(Measurement([median]))
    return made


SECONDS = Unit("s")


@pytest.mark.parametrize(
    ("target", "reached", "missed"),
    [
        (Target(times_best=2.0), {"ours": 5.0, "aioca": 10.0}, {"ours": 5.1, "aioca": 10.0}),
        (
            Target(times_best=1.0, rivals=("aioca",)),
            {"ours": 5.0, "aioca": 6.0, "repics": 1.0},
            {"ours": 5.0, "aioca": 4.0, "repics": 1.0},
        ),
        (
            Target(uvloop_times_best=1.0),
            {"ours": 9.0, "ours-uvloop": 5.0, "repics": 6.0},
            {"ours": 1.0, "ours-uvloop": 7.0, "repics": 6.0},
        ),
        (Target(of_floor=0.5), {"ours": 5.0, "floor": 3.0}, {"ours": 5.0, "floor": 2.0}),
        (Target(limit=5.0), {"ours": 5.0}, {"ours": 5.1}),
    ],
)
def test_target_is_judged(
    target: Target, reached: dict[str, float], missed: dict[str, float]
) -> None:
    assert not list(target.shortfalls(SECONDS, cells(**reached)))
    assert list(target.shortfalls(SECONDS, cells(**missed)))


@pytest.mark.parametrize(
    ("target", "spoil"),
    [
        (Target(p99=2.0), lambda one: one.samples.extend([3.0] * 100)),
        (Target(cpu=1e-6), lambda one: setattr(one, "cpu", 2e-6)),
        (Target(lossless=True), lambda one: setattr(one, "lost", 1)),
    ],
)
def test_p99_processor_time_and_losses_are_judged(
    target: Target, spoil: Callable[[Measurement], None]
) -> None:
    measured = cells(ours=1.0)
    one = measured["ours"].rounds[0]
    one.samples, one.cpu, one.received = [1.0] * 200, 1e-6, 100
    assert not list(target.shortfalls(SECONDS, measured))
    spoil(one)
    assert len(list(target.shortfalls(SECONDS, measured))) == 1


def test_rows_that_fall_short_are_listed() -> None:
    results = results_of("send-10000", ours=100e3, repics=200e3)
    assert list(shortfalls(results, "same", ROWS)) == [
        f"{SEND.title}: ours: 0.50 times as good as repics; wanted 1.5"
    ]


def test_results_survive_their_file(tmp_path: Path) -> None:
    results = results_of("read", ours=20e-6)
    results.fail("same", "read", "aioca", "broken")
    results.versions["aioca"] = "2.1"
    results.save(tmp_path / "results.json")
    assert report(Results.load(tmp_path / "results.json")) == report(results)


def test_rows_are_named_once_and_have_a_workload() -> None:
    assert len({row.key for row in ROWS}) == len(ROWS)
    assert {row.workload for row in ROWS} - {""} <= WORKLOADS.keys()
    assert {row.same_as for row in ROWS} - {""} <= {row.key for row in ROWS}


def test_tables_replace_those_in_the_readme() -> None:
    text = with_tables(README.read_text(), "| new |")
    assert text.count("| new |") == 1
    assert with_tables(text, "| newer |") == text.replace("| new |", "| newer |")
    assert (
        text.partition("<!-- tables -->")[0] == README.read_text().partition("<!-- tables -->")[0]
    )


def test_readme_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="tables"):
        with_tables("# Benchmarks", "| new |")
