"""Draw what the tables of the protocol say: ``make pictures``.

`channel-states.svg` and `circuit-states.svg` are the tables of `caproto._protocol.states`, `conversation.svg` is a
conversation that was played through them, and ``docs/reference/status-codes.md`` has the table of `CAStatus`. A test
compares the files with what is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import caproto as ca
from caproto._protocol import states as tables
from caproto._protocol.states import CHANNEL_RULES, CIRCUIT_RULES, CLIENT, SERVER, Role, States

HERE = Path(__file__).resolve().parent
STATUS_PAGE = HERE.parent / "reference" / "status-codes.md"
MARK = "<!-- made by docs/pictures/states.py -->"

COLOURS = {CLIENT: "#2a6fb0", SERVER: "#3a7d44"}
TEXT, FAINT = "#202428", "#5b6570"
WIDTH, GAP, LINE, PAGE = 238, 58, 14, 760
Moves: TypeAlias = dict[States, dict[type[ca.Message], States]]


# --- svg --------------------------------------------------------------------------------------------------------------


def svg(width: float, height: float, parts: Iterable[str]) -> str:
    """Return a picture on white, which is readable on a dark page, too."""
    markers = "".join(
        f'<marker id="arrow-{role.value}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
        for role, colour in COLOURS.items()
    )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="Helvetica, Arial, sans-serif">\n<defs>{markers}</defs>\n'
        f'<rect width="100%" height="100%" rx="8" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def text(
    x: float, y: float, words: str, *, size: int = 12, colour: str = TEXT, more: str = ""
) -> str:
    """Return a line of text."""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" {more}>{words}</text>'


def arrow(points: Sequence[tuple[float, float]], role: Role, *, more: str = "") -> str:
    """Return an arrow along some points."""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{COLOURS[role]}" stroke-width="1.5" '
        f'marker-end="url(#arrow-{role.value})" {more}/>'
    )


# --- the states of one role -------------------------------------------------------------------------------------------


@dataclass
class Box:
    """A state in the picture."""

    state: States
    rank: int
    stays: list[str]
    x: float = 0.0
    y: float = 0.0
    exits: int = field(default=0)
    beside: float = 0.0  # height of the box to the right

    @property
    def height(self) -> float:
        """How high it is: the name, and the messages that change nothing."""
        return 34.0 + LINE * len(self.stays) + (6 if self.stays else 0)


def words_for(messages: Iterable[type[ca.Message]]) -> list[str]:
    """Name messages, and all requests or all responses of a circuit by one word."""
    left = list(messages)
    words = []
    for group, name in ((tables._REQUESTS, "any request"), (tables._RESPONSES, "any response")):
        if set(group) <= set(left):
            words.append(name)
            left = [message for message in left if message not in group]
    return words + [message.__name__ for message in left]


def in_lines(words: list[str], limit: int = 40) -> list[str]:
    """Join words to lines."""
    lines = [""]
    for word in words:
        longer = f"{lines[-1]}, {word}" if lines[-1] else word
        if len(longer) > limit:
            lines.append(word)
        else:
            lines[-1] = longer
    return [line for line in lines if line]


def ranks_of(moves: Moves) -> dict[States, int]:
    """Say for each state how many steps lead to it at most."""
    ranks = dict.fromkeys(moves, 0)
    for _ in moves:
        for state, messages in moves.items():
            for following in messages.values():
                if following is not state:
                    ranks[following] = max(ranks[following], ranks[state] + 1)
    _, *others = moves
    last = max(ranks.values())
    for state in others:
        if ranks[state] == 0:  # no message leads there: the connection was lost
            ranks[state] = last + 1
    return ranks


def place(moves: Moves, left: float, top: float) -> dict[States, Box]:
    """Say where each state stands: a step below the other, ends of the same length side by side."""
    ranks = ranks_of(moves)
    boxes = {
        state: Box(
            state,
            ranks[state],
            in_lines(words_for(m for m, following in messages.items() if following is state)),
        )
        for state, messages in moves.items()
    }
    y = top
    for rank in range(max(ranks.values()) + 1):
        row = [box for box in boxes.values() if box.rank == rank]
        for column, box in enumerate(row):
            box.x, box.y = left + column * (WIDTH + 40), y
            box.beside = max((other.height for other in row[column + 1 :]), default=0.0)
        y += max((box.height for box in row), default=0.0) + GAP
    return boxes


def draw_box(box: Box, role: Role) -> Iterator[str]:
    """Draw a state."""
    yield (
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{WIDTH}" height="{box.height:g}" rx="7" fill="#f5f7f9" '
        f'stroke="{COLOURS[role]}" stroke-width="1.5"/>'
    )
    yield text(box.x + 12, box.y + 21, box.state.name, more='font-weight="bold"')
    for number, line in enumerate(box.stays):
        yield text(
            box.x + 12,
            box.y + 38 + LINE * number,
            line,
            size=10 if len(line) < 42 else 9,
            colour=FAINT,
        )


def draw_move(start: Box, end: Box, words: list[str], role: Role, gutter: float) -> Iterator[str]:
    """Draw what leads from one state to another."""
    label = in_lines(words, 36)
    if end.rank == start.rank + 1 and start.x == end.x:
        x, y = start.x + 40, start.y + start.height
        yield arrow([(x, y), (x, end.y)], role)
        for number, line in enumerate(label):
            above = (end.y + y - 4) / 2 + LINE * (number - len(label) / 2 + 0.8)
            yield text(x + 10, above, line, size=11)
        return
    y = start.y + start.beside + 16 + 16 * start.exits
    start.exits += 1
    if start.x != end.x:
        x = end.x + WIDTH / 2
        yield arrow([(start.x + WIDTH, y), (x, y), (x, end.y)], role)
        yield text(start.x + WIDTH + 8, y - 5, ", ".join(words), size=11)
        return
    goal = end.y + 12 + 10 * end.exits
    end.exits += 1
    yield arrow([(start.x + WIDTH, y), (gutter, y), (gutter, goal), (end.x + WIDTH, goal)], role)
    yield text(start.x + WIDTH + 8, y + 14, ", ".join(words), size=11)


def draw_role(moves: Moves, role: Role, left: float, top: float) -> tuple[list[str], float, float]:
    """Draw the states of one role; return the parts, and how far they reach to the right and down."""
    boxes = place(moves, left, top + 52)
    parts = [
        text(
            left,
            top + 30,
            f"The {role.value}",
            size=16,
            colour=COLOURS[role],
            more='font-weight="bold"',
        )
    ]
    right = max(box.x for box in boxes.values()) + WIDTH
    for box in boxes.values():
        parts += draw_box(box, role)
    gutter = right + 16
    for state, messages in moves.items():
        for following in dict.fromkeys(messages.values()):
            if following is state:
                continue
            words = words_for(m for m, to in messages.items() if to is following)
            skips = boxes[following].rank > boxes[state].rank + 1
            if skips:
                gutter = max(gutter, boxes[state].x + WIDTH + 20 + 6.5 * len(", ".join(words)))
            parts += draw_move(boxes[state], boxes[following], words, role, gutter)
            gutter += 16 if skips and boxes[state].x == boxes[following].x else 0
    return parts, gutter, max(box.y + box.height for box in boxes.values())


def diagram(rules: tables.Rules) -> str:
    """Draw the tables of both roles: beside each other, or, where that gets too wide for a page, one below the other."""
    client, right, bottom = draw_role(rules[CLIENT], CLIENT, 24, 0)
    server, far_right, far_bottom = draw_role(rules[SERVER], SERVER, right + 30, 0)
    if far_right > PAGE:
        server, far_right, far_bottom = draw_role(rules[SERVER], SERVER, 24, bottom + 20)
    return svg(max(right, far_right) + 14, max(bottom, far_bottom) + 20, client + server)


# --- a conversation ---------------------------------------------------------------------------------------------------

TALK: list[tuple[str, type[ca.Message] | None]] = [
    ("by UDP: who has this PV?", None),
    ("search", ca.SearchRequest),
    ("search", ca.SearchResponse),
    ("by TCP: one circuit for all channels", None),
    ("circuit", ca.VersionRequest),
    ("circuit", ca.ClientNameRequest),
    ("circuit", ca.HostNameRequest),
    ("circuit", ca.VersionResponse),
    ("the channel", None),
    ("channel", ca.CreateChanRequest),
    ("channel", ca.AccessRightsResponse),
    ("channel", ca.CreateChanResponse),
    ("what it is for", None),
    ("channel", ca.ReadNotifyRequest),
    ("channel", ca.ReadNotifyResponse),
    ("channel", ca.WriteNotifyRequest),
    ("channel", ca.WriteNotifyResponse),
    ("channel", ca.EventAddRequest),
    ("channel", ca.EventAddResponse),
    ("again at each change", ca.EventAddResponse),
    ("channel", ca.EventCancelRequest),
    ("channel", ca.EventCancelResponse),
    ("the end", None),
    ("channel", ca.ClearChannelRequest),
    ("channel", ca.ClearChannelResponse),
]


def conversation() -> str:
    """Play a conversation through the tables, and draw it with the states that it leads to."""
    circuit = tables.StatePair(tables.SEND_VERSION_REQUEST, tables.IDLE)
    channel = tables.StatePair(tables.SEND_CREATE_CHAN_REQUEST, tables.IDLE)
    client_x, server_x, y = 232, 522, 56.0
    parts: list[str] = []
    for about, message in TALK:
        y += 30
        if message is None:
            parts.append(
                text(
                    (client_x + server_x) / 2,
                    y,
                    about,
                    colour=FAINT,
                    more='text-anchor="middle" font-style="italic"',
                )
            )
            continue
        sender = CLIENT if message in tables._REQUESTS else SERVER
        ends = [(client_x, y), (server_x, y)]
        parts.append(arrow(ends if sender is CLIENT else ends[::-1], sender))
        name = message.__name__ + (f" ({about})" if " " in about else "")
        parts.append(text((client_x + server_x) / 2, y - 6, name, more='text-anchor="middle"'))
        if about == "search":
            continue
        before = {"circuit": circuit, "channel": channel}
        circuit = tables.advance(CIRCUIT_RULES, circuit, message)
        if about != "circuit":
            channel = tables.advance(CHANNEL_RULES, channel, message)
        for kind, now in (("circuit", circuit), ("channel", channel)):
            for role, x, anchor in (
                (CLIENT, client_x - 12, "end"),
                (SERVER, server_x + 12, "start"),
            ):
                if now[role] is not before.get(kind, now)[role]:
                    words = f"{kind}: {now[role].name}"
                    offset = 4 if kind == "circuit" else 10
                    parts.append(
                        text(
                            x,
                            y + offset,
                            words,
                            size=10,
                            colour=COLOURS[role],
                            more=f'text-anchor="{anchor}"',
                        )
                    )
    bottom = y + 20
    for role, x in ((CLIENT, client_x), (SERVER, server_x)):
        parts.append(
            f'<line x1="{x}" y1="44" x2="{x}" y2="{bottom:g}" stroke="{COLOURS[role]}" stroke-width="2"/>'
        )
        parts.append(
            text(
                x,
                32,
                role.value,
                size=16,
                colour=COLOURS[role],
                more='text-anchor="middle" font-weight="bold"',
            )
        )
    return svg(754, bottom + 16, parts)


# --- statuses ---------------------------------------------------------------------------------------------------------


def status_table() -> str:
    """Return the table of all statuses in Markdown."""
    rows = [
        "| name | number | on the wire | severity | meaning |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    for status in ca.CAStatus:
        code = status.value
        meaning = code.description + (" (no longer sent)" if code.defunct else "")
        rows.append(
            f"| `{code.name}` | {code.code} | {code.code_with_severity} | {code.severity.name} | {meaning} |"
        )
    return "\n".join(rows) + "\n"


def files() -> dict[Path, str]:
    """Return what the files should contain."""
    page = STATUS_PAGE.read_text().split(MARK)[0]
    return {
        HERE / "channel-states.svg": diagram(CHANNEL_RULES),
        HERE / "circuit-states.svg": diagram(CIRCUIT_RULES),
        HERE / "conversation.svg": conversation(),
        STATUS_PAGE: f"{page}{MARK}\n\n{status_table()}",
    }


if __name__ == "__main__":
    for path, content in files().items():
        path.write_text(content)
