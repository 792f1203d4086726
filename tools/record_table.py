"""Derive the table of record fields from the ``.dbd`` files that epicscorelibs ships.

Usage: ``python tools/record_table.py > src/caproto/server/records/base.txt``
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([\w.:+\-\[\]<>;/]+)|([(){},])|[#%].*')

HEADER = """\
# Menus and record fields of EPICS base, written by tools/record_table.py from the .dbd files of epicscorelibs.
#
# menu NAME CHOICE|CHOICE|...
# device RECORD CHOICE|CHOICE|...            the choices of DTYP
# FIELD attribute TYPE[:size or menu] [=initial value] [ro] [LETTERS] : RECORDS
#
# With LETTERS the line stands for one field per letter, put in the place of each star. "all" is every record type.
"""

_ATTRIBUTES = {
    "ACKS": "alarm_acknowledge_severity",
    "ACKT": "alarm_acknowledge_transient",
    "DESC": "description",
    "DISS": "disable_alarm_severity",
    "FLNK": "forward_link",
    "INX": "compressed_array_inx",
    "ONVH": "num_elements_in_ovlh",
    "PROC": "process_record",
    "SCAN": "scan_rate",
    "SEVR": "current_alarm_severity",
    "UDFS": "undefined_alarm_severity",
}
"""Names of attributes that are not simply the prompt of the field."""
_PROMPTS = {
    "Desired Output Link": "desired_output_loc",
    "High Operating Rng": "high_operating_range",
}


class Field(NamedTuple):
    """One field of one record type, without the letter that tells it from its sisters."""

    name: str
    attribute: str
    kind: str
    initial: str
    read_only: bool

    def line(self, letters: str, records: str) -> str:
        """Return the line of the table."""
        words = [self.name, self.attribute, self.kind]
        if self.initial:
            words.append(f"={self.initial}")
        if self.read_only:
            words.append("ro")
        if letters:
            words.append(letters)
        return f"{' '.join(words)} : {records}"


def _tokens(path: Path) -> Iterator[str]:
    """Read a file and those that it includes."""
    words: list[str] = []
    for line in path.read_text().splitlines():
        if line.lstrip().startswith("%"):
            continue
        for match in _TOKEN.finditer(line):
            text, word, mark = match.groups()
            if text is None and word is None and mark is None:
                break
            words.append(text if text is not None else word or mark)
    position = 0
    while position < len(words):
        if words[position] == "include":
            yield from _tokens(path.parent / words[position + 1])
            position += 2
        else:
            yield words[position]
            position += 1


def _statements(words: list[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Split ``keyword(arguments) {body}``."""
    position = 0
    while position < len(words):
        keyword = words[position]
        end = words.index(")", position)
        arguments = [word for word in words[position + 2 : end] if word != ","]
        position = end + 1
        body: list[str] = []
        if position < len(words) and words[position] == "{":
            depth, start = 0, position + 1
            while True:
                depth += {"{": 1, "}": -1}.get(words[position], 0)
                position += 1
                if not depth:
                    break
            body = words[start : position - 1]
        yield keyword, arguments, body


def _attribute(record: str, name: str, prompt: str) -> str:
    """Return the Python name of a field: its prompt, unless another one is usual."""
    if name in _ATTRIBUTES:
        return _ATTRIBUTES[name]
    if (record, name) == ("lso", "DOL"):
        return "desired_output_link"
    return _PROMPTS.get(prompt) or re.sub(r"\W+", "_", prompt.lower()).strip("_")


def _field(record: str, name: str, body: list[str]) -> Field:
    """Return what matters of the definition of a field."""
    facts: dict[str, Any] = {key: arguments[0] for key, arguments, _ in _statements(body)}
    kind = facts["type"].removeprefix("DBF_")
    extra = facts.get("menu") or (facts.get("size") if kind == "STRING" else None)
    return Field(
        name,
        _attribute(record, name, facts.get("prompt", "")),
        f"{kind}:{extra}" if extra else kind,
        facts.get("initial", "").replace(" ", "_"),
        facts.get("special") == "SPC_NOMOD",
    )


def _is_served(body: list[str]) -> bool:
    """Tell whether clients can see a field: pointers of the C code they cannot."""
    facts = {key: arguments[0] for key, arguments, _ in _statements(body)}
    return facts["type"] != "DBF_NOACCESS" or facts.get("special") == "SPC_DBADDR"


def read_dbd(
    folder: Path,
) -> tuple[dict[str, list[str]], dict[str, list[str]], dict[Field, list[str]]]:
    """Return menus, choices of DTYP, and for each field the record types that have it."""
    menus: dict[str, list[str]] = {}
    devices: dict[str, list[str]] = {}
    fields: dict[Field, list[str]] = {}
    for keyword, arguments, body in _statements(list(_tokens(folder / "base.dbd"))):
        if keyword == "menu":
            menus[arguments[0]] = [choice[1] for _, choice, _ in _statements(body)]
        elif keyword == "device":
            devices.setdefault(arguments[0], []).append(arguments[3])
        elif keyword == "recordtype":
            for inner, (name, kind), rest in (s for s in _statements(body) if s[0] == "field"):
                rest = ["type", "(", kind, ")", *rest]
                if inner == "field" and _is_served(rest):
                    fields.setdefault(_field(arguments[0], name, rest), []).append(arguments[0])
    return menus, devices, fields


def field_names(folder: Path) -> dict[str, list[str]]:
    """Return the names of all fields of each record type, served or not."""
    return {
        arguments[0]: [inner[0] for word, inner, _ in _statements(body) if word == "field"]
        for keyword, arguments, body in _statements(list(_tokens(folder / "base.dbd")))
        if keyword == "recordtype"
    }


def _templates(field: Field) -> Iterator[tuple[str, Field]]:
    """Return the letters that may tell a field from its sisters, and the field without them."""
    for place, letter in enumerate(field.name):
        for match in re.finditer(re.escape(letter.lower()), field.attribute):
            name = f"{field.name[:place]}*{field.name[place + 1 :]}"
            attribute = f"{field.attribute[: match.start()]}*{field.attribute[match.end() :]}"
            yield letter, field._replace(name=name, attribute=attribute)


def _families(
    fields: dict[Field, list[str]],
) -> dict[tuple[Field, tuple[str, ...]], list[Field | None]]:
    """Find the fields that differ by one letter, three at least; the largest families first."""
    found: dict[tuple[Field, tuple[str, ...]], dict[str, Field]] = {}
    for field, records in fields.items():
        for letter, template in _templates(field):
            found.setdefault((template, tuple(records)), {})[letter] = field
    chosen: dict[tuple[Field, tuple[str, ...]], list[Field | None]] = {}
    taken: set[Field] = set()
    for key, family in sorted(found.items(), key=lambda item: -len(item[1])):
        free = [field for field in family.values() if field not in taken]
        if len(free) > 2:
            chosen[key] = list(free)
            taken.update(free)
    return chosen


def _range(letters: list[str]) -> str:
    """Write ``A-EX`` for ABCDEX."""
    text = ""
    numbered = sorted(enumerate(sorted(letters)), key=lambda item: item[1])
    for _, run in groupby(numbered, key=lambda item: ord(item[1]) - item[0]):
        members = [letter for _, letter in run]
        text += f"{members[0]}-{members[-1]}" if len(members) > 2 else "".join(members)
    return text


def table(folder: Path) -> str:
    """Return the text of the table."""
    menus, devices, fields = read_dbd(folder)
    every = {record for records in fields.values() for record in records}
    families = _families(fields)
    family_of = {
        field: key for key, members in families.items() for field in members if field is not None
    }
    lines = [f"menu {name} {'|'.join(choices)}" for name, choices in menus.items()]
    lines += [f"device {record} {'|'.join(choices)}" for record, choices in devices.items()]
    written = set()
    for field, records in fields.items():
        key = family_of.get(field)
        if key in written:
            continue
        where = "all" if set(records) == every else " ".join(records)
        if key is None:
            lines.append(field.line("", where))
            continue
        written.add(key)
        template = key[0]
        place = template.name.index("*")
        letters = [member.name[place] for member in families[key] if member is not None]
        lines.append(template.line(_range(letters), where))
    return HEADER + "\n".join(lines) + "\n"


def main() -> None:
    """Print the table."""
    import epicscorelibs

    sys.stdout.write(table(Path(epicscorelibs.__file__).parent / "dbd"))


if __name__ == "__main__":
    main()
