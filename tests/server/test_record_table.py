"""The table of record fields is what the .dbd files of EPICS base say, and is read as it is meant."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import epicscorelibs
import pytest

import caproto.server.records as records_module
from caproto.server import PVGroup
from caproto.server.records import RecordFieldGroup, records
from caproto.server.records.registry import class_name
from caproto.server.records.table import COMMON, FieldFacts, read_table, table
from tools import record_table

DBD = Path(epicscorelibs.__file__).parent / "dbd"


def test_the_table_is_what_is_derived_from_the_dbd_files() -> None:
    kept = (files("caproto.server.records") / "base.txt").read_text("ascii")
    assert record_table.table(DBD) == kept, "run tools/record_table.py"


def test_the_table_is_compact() -> None:
    folder = files("caproto.server.records")
    lines = sum(
        len((folder / name).read_text("ascii").splitlines()) for name in ("base.txt", "extra.txt")
    )
    fields = sum(len(facts) for facts in table().fields.values())
    assert lines < 750 < 2 * fields / 3


def test_the_record_types_are_those_of_epics_base_and_two_more() -> None:
    assert {*record_table.field_names(DBD), "motor", "asyn"} == set(table().record_types)


def test_every_field_of_the_dbd_files_that_is_served_is_in_the_table() -> None:
    _, _, fields = record_table.read_dbd(DBD)
    wanted = {(record, field) for field, names in fields.items() for record in names}
    every = table().fields
    for record, field in wanted:
        facts = {fact.name: fact for fact in (*every[COMMON], *every[record])}[field.name]
        assert facts.attribute == field.attribute
        assert f"{facts.kind}:{facts.extra}".rstrip(":") == field.kind
        assert facts.read_only == field.read_only


def test_lines_stand_for_menus_devices_and_fields() -> None:
    found = read_table(
        "# a comment\n\n"
        "menu menuX One|Two words\n"
        "device ai Soft Channel|Raw\n"
        "DESC description STRING:41 : all\n"
        "X* x_of_* MENU:menuX =Two_words ro A-CF : ai ao\n"
    )
    assert found.menus == {"menuX": ("One", "Two words")}
    assert found.devices == {"ai": ("Soft Channel", "Raw")}
    assert found.fields["all"] == (FieldFacts("DESC", "description", "STRING", "41", "", False),)
    assert [facts.name for facts in found.fields["ai"]] == ["XA", "XB", "XC", "XF"]
    assert found.fields["ai"] == found.fields["ao"]
    assert found.fields["ao"][3] == FieldFacts("XF", "x_of_f", "MENU", "menuX", "Two words", True)
    assert found.record_types == ("ai", "ao")


@pytest.mark.parametrize("record_type", table().record_types)
def test_each_record_type_has_a_class_whose_attributes_are_free(record_type: str) -> None:
    cls = records[record_type]
    assert cls is getattr(records_module, class_name(record_type))
    assert issubclass(cls, RecordFieldGroup)
    assert cls._record_type == record_type
    own = {*dir(PVGroup("")), *vars(RecordFieldGroup), "parent"} - set(RecordFieldGroup._pvs_)
    assert not own & set(cls._pvs_)
    assert all(attribute.isidentifier() for attribute in cls._pvs_)
    assert len(cls._attribute_of_) == len(cls._pvs_)
    assert set(RecordFieldGroup._pvs_) <= set(cls._pvs_)


def test_the_classes_that_type_checkers_are_told_of_are_those_that_are_made() -> None:
    source = (files("caproto.server.records") / "__init__.py").read_text()
    told = {line.split()[1].split("(")[0] for line in source.splitlines() if "Fields(Rec" in line}
    made = {class_name(name) for name in table().record_types}
    assert told == made
    assert made <= set(dir(records_module))


def test_a_class_that_does_not_exist_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="NonsenseFields"):
        _ = records_module.NonsenseFields
    with pytest.raises(AttributeError, match="AiFields has no field"):
        _ = records["ai"].nonsense
