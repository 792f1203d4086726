"""Values that survive a restart: which, in what file, and what happens to a damaged one."""

from __future__ import annotations

import asyncio
import enum
import json
import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from caproto import ChannelType
from caproto.server import PVGroup, PvpropertyDouble, SubGroup, pvproperty
from caproto.server.autosave import (
    AutosaveHelper,
    RotatingFileManager,
    autosaved,
    get_autosave_fields,
)
from tests.asyncio.raw_client import serving

# --- which values ---------------------------------------------------------------------------------


class Mode(enum.IntEnum):
    OFF = 0
    ON = 1


class Inner(PVGroup):
    z = autosaved(pvproperty(value=1))
    unsaved = pvproperty(value=1)


class AllTypes(PVGroup):
    helper = SubGroup(AutosaveHelper)
    integer = autosaved(pvproperty(value=1))
    number = autosaved(pvproperty(value=1.5, units="V"))
    array = autosaved(pvproperty(value=[1.0, 2.0], max_length=5))
    text = autosaved(pvproperty(value="long", dtype=str, max_length=30))
    string = autosaved(pvproperty(value="short", dtype=ChannelType.STRING))
    strings = autosaved(pvproperty(value=["a", "b"], dtype=ChannelType.STRING, max_length=4))
    raw = autosaved(pvproperty(value=b"\x00\xff", max_length=10))
    switch = autosaved(pvproperty(value=False))
    mode = autosaved(pvproperty(value=Mode.OFF, dtype=Mode))
    state = autosaved(
        pvproperty(value="moving", enum_strings=["moving", "done"], dtype=ChannelType.ENUM)
    )
    readback = autosaved(pvproperty(value=3, read_only=True))
    inner = SubGroup(Inner)
    unsaved = pvproperty(value=7)


NEW_VALUES: dict[str, Any] = {
    "integer": -5,
    "number": 2.25,
    "array": [4.0, 5.0, 6.0],
    "text": "much longer \u00e9",
    "string": "other",
    "strings": ["x", "y", "z"],
    "raw": b"\x00\x01\x80",
    "switch": "On",
    "mode": "ON",
    "state": "done",
    "readback": 4,
    "inner.z": 9,
}


def values_of(group: PVGroup, names: Any) -> dict[str, Any]:
    """Return values as they can be compared."""
    found = {name: group.attr_pvdb[name].value for name in names}
    return {name: v.tolist() if hasattr(v, "tolist") else v for name, v in found.items()}


async def test_values_of_all_types_come_back_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    before = AllTypes("p:")
    for name, value in NEW_VALUES.items():
        await before.attr_pvdb[name].write(value)
    file.write_text(json.dumps(before.helper.prepare_data()))
    after = AllTypes("p:")
    assert await after.helper.restore_from_file(file) is True
    assert values_of(after, NEW_VALUES) == NEW_VALUES


def test_only_what_is_marked_is_saved_but_in_subgroups_too() -> None:
    group = AllTypes("p:")
    expected = {data.pvname for name, data in group.attr_pvdb.items() if name in NEW_VALUES}
    assert set(group.helper.prepare_data()) == expected
    marked = dict(group.helper.find_autosave_properties())
    assert marked[Inner.z] is group.inner.z


def test_the_file_has_values_and_fields_by_pv_name() -> None:
    data = AllTypes("p:").helper.prepare_data()
    assert data["p:number"] == {"value": 1.5, "fields": {}}
    assert data["p:mode"] == {"value": "OFF", "fields": {}}
    assert data["p:raw"] == {"value": {"base64": "AP8="}, "fields": {}}


def test_the_helper_has_the_pv_that_the_original_has() -> None:
    group = AllTypes("p:")
    assert list(group.helper.pvdb) == ["p:helper::__autosave_hook__"]
    assert group.helper.filename == Path("autosave.json")
    assert group.helper.period == 30


class WithPutter(PVGroup):
    helper = SubGroup(AutosaveHelper)
    seen: list[float]

    @autosaved(pvproperty(value=1.0)).putter
    async def setpoint(self, instance: Any, value: float) -> None:
        if value > 100:
            raise ValueError("too hot")
        self.seen.append(value)

    other = autosaved(pvproperty(value=1.0))


async def test_restoring_calls_the_putter() -> None:
    group = WithPutter("p:")
    group.seen = []
    await group.helper.restore_values({"p:setpoint": {"value": 5.0, "fields": {}}})
    assert group.seen == [5.0]
    assert group.setpoint.value == 5.0


async def test_one_value_that_cannot_be_restored_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    group = WithPutter("p:")
    await group.helper.restore_values(
        {
            "p:gone": {"value": 1.0, "fields": {}},
            "p:setpoint": {"value": 500.0, "fields": {}},
            "p:helper::__autosave_hook__": 3,
            "p:other": {"value": 5.0, "fields": {"DESC": "x"}},
        }
    )
    assert group.other.value == 5.0
    assert group.setpoint.value == 1.0
    assert "p:gone" in caplog.text
    assert "Cannot restore p:setpoint to 500.0: too hot" in caplog.text
    assert "p:other has no field DESC, since it is not declared with a record type" in caplog.text


class FakeFields(PVGroup):
    """Fields of a record by their descriptive names."""

    description = pvproperty(value="", name=".DESC", dtype=str, max_length=40)
    display_precision = pvproperty(value=0, name=".PREC")


class FakeRecord(PvpropertyDouble):
    """A record with two fields."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._fake = FakeFields(self.pvname)

    @property
    def field_inst(self) -> Any:
        return self._fake

    def get_field(self, field: str) -> Any:
        return self._fake.pvdb[f"{self.pvname}.{field}"]


class WithFields(PVGroup):
    helper = SubGroup(AutosaveHelper)
    plain = autosaved(pvproperty(value=1.0), fields=["PREC"])
    record = autosaved(
        pvproperty(value=1.0, dtype=FakeRecord, record="ai"), fields=["description", "PREC", "NOT"]
    )


async def test_record_fields_are_saved_by_either_name_and_restored() -> None:
    before, after = WithFields("p:"), WithFields("p:")
    await before.record.get_field("DESC").write("flux")
    await before.record.get_field("PREC").write(3)
    data = before.helper.prepare_data()
    assert data["p:record"] == {"value": 1.0, "fields": {"description": "flux", "PREC": 3}}
    await after.helper.restore_values(data)
    assert after.record.get_field("DESC").value == "flux"
    assert after.record.get_field("PREC").value == 3
    assert list(get_autosave_fields(WithFields.record, after.record)) == [
        ("description", "flux"),
        ("PREC", 3),
    ]


# --- files ----------------------------------------------------------------------------------------


def older_name(manager: RotatingFileManager, time: datetime) -> Path:
    return manager.directory / time.strftime(f"{manager.filename.stem}_%Y%m%d-%H%M%S.json")


def rotate_in(manager: RotatingFileManager, text: str) -> set[Path]:
    new = manager.directory / "new"
    new.write_text(text)
    return manager.rotate_in_file(new)


def test_a_new_file_takes_the_place_of_the_current_one_which_is_kept(tmp_path: Path) -> None:
    manager = RotatingFileManager(tmp_path / "x.json")
    assert rotate_in(manager, "1") == set()
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    rotate_in(manager, "2")
    assert manager.filename.read_text() == "2"
    (older,) = manager.files
    assert older.read_text() == "1"
    ((age, path),) = manager.files_by_age.items()
    assert 0 <= age < 1
    assert path == older


def test_old_versions_go_by_age_and_by_number_of_each_day(tmp_path: Path) -> None:
    manager = RotatingFileManager(tmp_path / "x.json", max_files_per_day=2, max_file_age=3)
    noon = datetime.now().replace(hour=12, minute=0, second=0)  # noqa: DTZ005
    for days in (1, 2, 5):
        for minutes in range(3):
            time = noon - timedelta(days=days, minutes=minutes)
            older_name(manager, time).write_text("old")
    (tmp_path / "x_abc.json").write_text("something else")
    removed = manager.prune_files()
    expected = [(1, 2), (2, 2), (5, 0), (5, 1), (5, 2)]
    assert removed == {
        older_name(manager, noon - timedelta(days=days, minutes=minutes))
        for days, minutes in expected
    }
    assert len(manager.files) == 4
    assert (tmp_path / "x_abc.json").exists()


def test_without_hard_links_the_current_file_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*args: object) -> None:
        raise OSError("not on this file system")

    monkeypatch.setattr("os.link", no_links)
    manager = RotatingFileManager(tmp_path / "x.json")
    rotate_in(manager, "1")
    rotate_in(manager, "2")
    assert [path.read_text() for path in manager.files] == ["1"]


def test_what_cannot_be_moved_leaves_the_current_file(tmp_path: Path) -> None:
    manager = RotatingFileManager(tmp_path / "x.json")
    rotate_in(manager, "1")
    with pytest.raises(OSError, match="missing"):
        manager.rotate_in_file(tmp_path / "missing")
    assert manager.filename.read_text() == "1"


def test_percent_signs_in_the_name_are_no_dates(tmp_path: Path) -> None:
    manager = RotatingFileManager(tmp_path / "50%d.json")
    rotate_in(manager, "1")
    rotate_in(manager, "2")
    assert len(manager.files) == 1


# --- a running IOC --------------------------------------------------------------------------------


class FastHelper(AutosaveHelper):
    period = 0.01


class Saved(PVGroup):
    x = autosaved(pvproperty(value=1.0))
    user = autosaved(pvproperty(value="nobody", dtype=str, max_length=20))


def saved_group(file: Path, helper: type[AutosaveHelper] = FastHelper) -> Any:
    """Return a group that saves to a file."""
    manager = RotatingFileManager(file)

    class Group(Saved):
        autosave_helper = SubGroup(helper, file_manager=manager)

    return Group("p:")


async def run_until_restored(file: Path) -> Any:
    """Run an IOC that seldom saves, until it has restored; return its group."""
    group = saved_group(file, AutosaveHelper)
    async with serving(group.pvdb):
        await group.autosave_helper.restored.wait()
        return group.x.value


async def saved_x(file: Path, value: float) -> None:
    """Wait until the file says that x has this value."""

    def says_so() -> bool:
        return file.exists() and json.loads(file.read_text())["p:x"]["value"] == value

    while not says_so():  # noqa: ASYNC110 -- a file has no event
        await asyncio.sleep(0.005)


async def test_values_are_saved_while_the_ioc_runs_and_restored_by_the_next(
    tmp_path: Path,
) -> None:
    file = tmp_path / "values.json"
    group = saved_group(file)
    async with serving(group.pvdb):
        await group.x.write(2.0)
        await saved_x(file, 2.0)
        await group.x.write(3.0)
        await saved_x(file, 3.0)
    assert await run_until_restored(file) == 3.0


async def test_what_changed_last_is_saved_when_the_ioc_ends(tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    group = saved_group(file, AutosaveHelper)
    async with serving(group.pvdb):
        await group.autosave_helper.restored.wait()
        await group.x.write(4.0)
    assert await run_until_restored(file) == 4.0


async def test_nothing_is_written_while_nothing_changes(tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    group = saved_group(file)
    writes: list[str] = []
    group.autosave_helper._write = writes.append
    prepared = 0
    prepare = group.autosave_helper.prepare_data
    enough = asyncio.Event()

    def count() -> Any:
        nonlocal prepared
        prepared += 1
        if prepared > 5:
            enough.set()
        return prepare()

    group.autosave_helper.prepare_data = count
    async with serving(group.pvdb):
        await enough.wait()
    assert len(writes) == 1


@pytest.mark.parametrize("damage", ["", '{"p:x": {"val', "[1, 2]", "\x00" * 20])
async def test_a_damaged_file_is_replaced_by_the_version_before(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "values.json"
    manager = RotatingFileManager(file)
    good = {"p:x": {"value": 6.0, "fields": {}}}
    day = datetime.now() - timedelta(days=1)  # noqa: DTZ005
    older_name(manager, day).write_text(json.dumps(good))
    older_name(manager, day + timedelta(minutes=1)).write_text(damage)
    file.write_text(damage)
    assert await run_until_restored(file) == 6.0
    assert f"Cannot use the saved values in {file}" in caplog.text
    assert "Used the older version" in caplog.text
    assert json.loads(file.read_text())["p:x"]["value"] == 6.0


async def test_with_nothing_but_damaged_files_the_ioc_starts_with_its_defaults(
    tmp_path: Path,
) -> None:
    file = tmp_path / "values.json"
    file.write_text("{")
    assert await run_until_restored(file) == 1.0


async def test_a_file_that_somebody_removed_is_not_replaced_by_older_ones(tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    good = {"p:x": {"value": 6.0, "fields": {}}}
    older_name(RotatingFileManager(file), datetime.now()).write_text(json.dumps(good))  # noqa: DTZ005
    assert await run_until_restored(file) == 1.0


async def test_a_disk_that_cannot_be_written_is_complained_about_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "later"
    group = saved_group(folder / "values.json")
    attempts = 0
    enough = asyncio.Event()
    write = group.autosave_helper._write

    def count(text: str) -> None:
        nonlocal attempts
        attempts += 1
        if attempts > 4:
            loop.call_soon_threadsafe(enough.set)
        write(text)

    loop = asyncio.get_running_loop()
    group.autosave_helper._write = count
    async with serving(group.pvdb):
        await enough.wait()
        assert caplog.text.count("Cannot save the values to") == 1
        folder.mkdir()
        await saved_x(folder / "values.json", 1.0)
    assert "can be saved to" in caplog.text


async def test_a_file_is_never_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "values.json"
    group = saved_group(file)
    await group.autosave_helper.save()
    before = file.read_text()

    def power_failure(descriptor: int) -> None:
        raise OSError("the power has failed")

    monkeypatch.setattr("os.fsync", power_failure)
    await group.x.write(9.0)
    with pytest.raises(OSError, match="power"):
        await group.autosave_helper.save()
    assert file.read_text() == before


async def test_the_end_of_the_ioc_waits_for_a_save_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "values.json"
    group = saved_group(file)
    helper = group.autosave_helper
    order: list[str] = []
    write = helper._write
    loop = asyncio.get_running_loop()
    begun = asyncio.Event()

    def slow(text: str) -> None:
        value = json.loads(text)["p:x"]["value"]
        loop.call_soon_threadsafe(begun.set)
        order.append(f"begin {value}")
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), loop).result()
        write(text)
        order.append(f"end {value}")

    helper._write = slow
    async with serving(group.pvdb):
        await begun.wait()
        await group.x.write(8.0)
    assert order == ["begin 1.0", "end 1.0", "begin 8.0", "end 8.0"]
    assert json.loads(file.read_text())["p:x"]["value"] == 8.0
