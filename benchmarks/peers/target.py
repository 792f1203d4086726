"""What ours has to show in a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.peers.results import Cell
from benchmarks.peers.unit import Unit

__all__ = ["ASYNCIO_PEERS", "OURS_BLOCKING", "PEERS", "Target", "better"]

PEERS = ("caproto", "aioca", "pyepics", "pyepics-pv", "repics", "repics-asyncio")
OURS_BLOCKING = ("ours-threading", "ours-pyepics")
ASYNCIO_PEERS = ("caproto", "aioca", "repics-asyncio")


@dataclass(frozen=True)
class Target:
    """Conditions, of which those that are not given do not count.

    Parameters
    ----------
    text : str
        The conditions in words.
    times_best : float or None
        So many times better than the best of `rivals` has ours to be on the stock loop.
    rivals : tuple of str
    uvloop_times_best : float or None
        So many times better than the best of all peers on uvloop.
    of_floor : float or None
        This share of the floor's speed, on the stock loop; where there is none, nothing is asked.
    limit : float or None
        In the unit of the row: at most, or at least where high is good.
    p99 : float or None
        At most, in the unit of the row.
    cpu : float or None
        At most, in seconds per operation.
    lossless : bool
    blocking_rivals : tuple of str
        Blocking clients that ours with blocking calls have to be ahead of.
    """

    text: str = ""
    times_best: float | None = None
    rivals: tuple[str, ...] = PEERS
    uvloop_times_best: float | None = None
    of_floor: float | None = None
    limit: float | None = None
    p99: float | None = None
    cpu: float | None = None
    lossless: bool = False
    blocking_rivals: tuple[str, ...] = ("pyepics", "pyepics-pv")

    def shortfalls(self, unit: Unit, cells: Mapping[str, Cell]) -> Iterator[str]:
        """Tell in words which conditions the cells of a row, by client, do not meet.

        What was not measured is not judged.
        """
        for client in OURS_BLOCKING:
            yield from self._against_peers(unit, cells, client, 1.0, self.blocking_rivals)
        ours = cells["ours"]
        mine = ours.median(unit)
        if mine is None:
            if ours.errors:
                yield "failed"
            return
        yield from self._against_peers(unit, cells, "ours", self.times_best, self.rivals)
        yield from self._against_peers(unit, cells, "ours-uvloop", self.uvloop_times_best, PEERS)
        floor = cells["floor"].median(unit)
        if self.of_floor is not None and floor:
            share = better(unit, mine, floor)
            if share < self.of_floor:
                yield f"{share:.2f} of the floor's speed; wanted {self.of_floor:.2f}"
        if self.limit is not None and better(unit, mine, self.limit) < 1:
            yield f"{mine:.3g} {unit.name}; wanted {self.limit:g}"
        p99 = ours.p99(unit)
        if self.p99 is not None and p99 is not None and p99 > self.p99:
            yield f"p99 {p99:.3g} {unit.name}; wanted {self.p99:g}"
        cpu = ours.cpu()
        if self.cpu is not None and cpu is not None and cpu > self.cpu:
            yield f"{cpu * 1e6:.2f} µs of processor time; wanted {self.cpu * 1e6:.2f}"
        if self.lossless and ours.lost():
            yield f"{100 * ours.lost():.3g} % lost"

    @staticmethod
    def _against_peers(
        unit: Unit,
        cells: Mapping[str, Cell],
        client: str,
        wanted: float | None,
        rivals: tuple[str, ...],
    ) -> Iterator[str]:
        mine = cells[client].median(unit)
        if wanted is None or mine is None:
            return
        for rival in rivals:
            theirs = cells[rival].median(unit)
            if theirs is not None and better(unit, mine, theirs) < wanted:
                ratio = better(unit, mine, theirs)
                yield f"{client}: {ratio:.2f} times as good as {rival}; wanted {wanted:g}"


def better(unit: Unit, mine: float, other: float) -> float:
    """Return how many times better `mine` is; more than 1 is better."""
    good, bad = (mine, other) if unit.high_is_good else (other, mine)
    return good / bad if bad else float("inf")
