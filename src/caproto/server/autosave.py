"""Values that survive a restart of the IOC.

Mark PVs by `autosaved`, and give their group, or one around it, a helper::

    class MyIoc(PVGroup):
        autosave_helper = SubGroup(AutosaveHelper, file_manager=RotatingFileManager("my_ioc.json"))
        setpoint = autosaved(pvproperty(value=1.0))

The file is JSON: ``{pvname: {"value": value, "fields": {name: value}}}``. Raw bytes are ``{"base64": text}`` in it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from .data import ChannelData
from .group import PVGroup
from .properties import PvpropertyData, PvpropertyIntegerRO
from .pvproperty import pvproperty
from .rotating_files import RotatingFileManager, write_durably
from .typing import AsyncLibraryLayer

__all__ = ["AutosaveHelper", "RotatingFileManager", "autosaved", "get_autosave_fields"]

MODULE_LOGGER = logging.getLogger(__name__)
_DEFAULT_FIELDS = frozenset({"description"})
_Declaration = TypeVar("_Declaration")


def autosaved(pvprop: _Declaration, fields: Iterable[str] | None = None) -> _Declaration:
    """Mark a PV to be saved by the `AutosaveHelper`.

    Parameters
    ----------
    pvprop : pvproperty
    fields : list of str, optional
        Record fields to save too, as ``'description'`` or ``'DESC'``. By default the description, if it is a record.

    Returns
    -------
    pvproperty
        The same.

    Examples
    --------
    >>> value = autosaved(pvproperty(value=1.0))
    """
    chosen = set(_DEFAULT_FIELDS) if fields is None else list(fields)
    pvprop.autosave = {"fields": chosen}  # type: ignore[attr-defined]
    return pvprop


def get_autosave_fields(
    pvprop: pvproperty[Any, Any], channeldata: PvpropertyData
) -> Iterator[tuple[str, Any]]:
    """Go through the record fields to be saved of a PV.

    Parameters
    ----------
    pvprop : pvproperty
        What was marked by `autosaved`.
    channeldata : PvpropertyData
        Its data.

    Yields
    ------
    name : str
    value : object
    """
    for name in _chosen_fields(pvprop):
        with contextlib.suppress(LookupError):  # which the helper says on start
            yield name, _field(channeldata, name).value


def _chosen_fields(pvprop: pvproperty[Any, Any]) -> Collection[str]:
    """Return the names of the record fields that are to be saved, if there are such."""
    names: Collection[str] = getattr(pvprop, "autosave", {}).get("fields") or ()
    return names


def _field(channeldata: PvpropertyData, name: str) -> ChannelData:
    """Find a record field by the name of its attribute or by its own."""
    if channeldata.record_type is None:
        raise LookupError(
            f"{channeldata.pvname} has no field {name}, since it is not declared with a record type;"
            " say pvproperty(..., record='ai') or the like"
        )
    field = getattr(getattr(channeldata, "field_inst", None), name, None)
    if isinstance(field, ChannelData):
        return field
    try:
        return channeldata.get_field(name)
    except (AttributeError, KeyError):
        raise LookupError(
            f"{channeldata.pvname}, a record of type {channeldata.record_type}, has no field {name}"
        ) from None


def _to_json_data(value: Any) -> Any:
    """Return what stands for a value in the file."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "tolist"):  # a numpy array, an element of one, an array.array
        return _to_json_data(value.tolist())
    if isinstance(value, list | tuple):
        return [_to_json_data(element) for element in value]
    return value


def _from_json_data(value: Any) -> Any:
    """Return the value that stands in the file."""
    if isinstance(value, dict):
        return base64.b64decode(value["base64"])
    if isinstance(value, list):
        return [_from_json_data(element) for element in value]
    return value


class AutosaveHelper(PVGroup):
    """Saves the values of the marked PVs of the group that it is part of, and restores them on start.

    They are saved every `period` seconds if any has changed, and when the IOC ends. Restoring calls the putters, as if
    the values were written.

    Parameters
    ----------
    file_manager : RotatingFileManager, optional
        By default one for `filename`.
    **kwargs
        As for `PVGroup`.

    Attributes
    ----------
    filename : str or pathlib.Path
        A subclass may set another one; relative to the working directory of the IOC.
    period : float
        In seconds; a subclass may set another one.
    file_manager : RotatingFileManager
    restored : asyncio.Event
        Set once the values have been restored, or there were none.
    """

    filename: str | os.PathLike[str] = "autosave.json"
    period: float = 30

    def __init__(
        self, *args: Any, file_manager: RotatingFileManager | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.file_manager: RotatingFileManager = file_manager or RotatingFileManager(self.filename)
        self.filename = self.file_manager.filename
        self.restored: asyncio.Event = asyncio.Event()
        self._saved: str | None = None
        self._saving: asyncio.Future[None] | None = None
        self._complaint: str | None = None

    autosave_hook: pvproperty[PvpropertyIntegerRO, Any] = pvproperty(
        name=":__autosave_hook__", dtype=int, read_only=True, doc="Saves and restores the others"
    )

    @autosave_hook.startup
    async def _restore_then_save(self, instance: Any, async_lib: AsyncLibraryLayer) -> None:
        """Restore, then save from time to time."""
        self._check_fields()
        await self._restore()
        while True:
            await async_lib.library.sleep(self.period)
            await self._save_if_changed()

    @autosave_hook.shutdown
    async def _save_at_the_end(self, instance: Any, async_lib: AsyncLibraryLayer) -> None:
        """Save what changed last; but never before the file was read."""
        if self.restored.is_set():
            await self._save_if_changed()

    # --- which PVs ---

    def find_autosave_properties(self) -> Iterator[tuple[pvproperty[Any, Any], PvpropertyData]]:
        """Go through the marked PVs.

        Yields
        ------
        pvprop : pvproperty
        channeldata : PvpropertyData
        """
        yield from _marked(self._root)

    def _check_fields(self) -> None:
        """Say which record fields cannot be saved."""
        for pvprop, channeldata in self.find_autosave_properties():
            names = _chosen_fields(pvprop)
            for name in () if names == _DEFAULT_FIELDS else names:
                try:
                    _field(channeldata, name)
                except LookupError as error:
                    self.log.error("Cannot save a field: %s", error)

    @property
    def _root(self) -> PVGroup:
        """The group whose PVs are saved."""
        return self if self.parent is None else self.parent

    # --- saving ---

    def prepare_data(self) -> dict[str, dict[str, Any]]:
        """Return what is to be saved now.

        Returns
        -------
        dict
            As in the file: ``{pvname: {'value': value, 'fields': {name: value}}}``.
        """
        return {
            channeldata.pvname: {
                "value": _to_json_data(channeldata.value),
                "fields": {
                    name: _to_json_data(value)
                    for name, value in get_autosave_fields(pvprop, channeldata)
                },
            }
            for pvprop, channeldata in self.find_autosave_properties()
        }

    async def save(self, data: Mapping[str, Any] | None = None) -> None:
        """Save.

        It is written in a thread, so that a slow disk does not hold up the IOC.

        Parameters
        ----------
        data : dict, optional
            As `prepare_data` returns it, which is the default.

        Raises
        ------
        OSError
            If the file cannot be written; the one before is still there then.
        """
        await self._save_text(_as_text(self.prepare_data() if data is None else data))

    async def _save_text(self, text: str) -> None:
        """Write the file, after the one that may be being written."""
        while self._saving is not None and not self._saving.done():
            await asyncio.wait([self._saving])
        self._saving = asyncio.get_running_loop().run_in_executor(None, self._write, text)
        # A hook that is cancelled meanwhile does not interrupt it: the shutdown hook waits for it, above.
        await asyncio.shield(self._saving)
        self._saved = text

    def _write(self, text: str) -> None:
        """Replace the file."""
        manager = self.file_manager
        temporary = manager.directory / f"{manager.filename.name}.tmp"
        write_durably(temporary, text)
        manager.rotate_in_file(temporary)

    async def _save_if_changed(self) -> None:
        """Save unless the file is the same already; complain once about what goes wrong."""
        try:
            text = _as_text(self.prepare_data())
            if text != self._saved:
                await self._save_text(text)
        except Exception as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                self.log.exception("Cannot save the values to %s", self.filename)
        else:
            if self._complaint is not None:
                self._complaint = None
                self.log.info("The values can be saved to %s again", self.filename)

    # --- restoring ---

    async def _restore(self) -> None:
        """Restore from the file or, if it is damaged, from the latest version before that is not."""
        try:
            if not await self.restore_from_file(self.filename):
                await self._restore_older()
        except Exception:
            self.log.exception("Cannot restore the values from %s", self.filename)
        self.restored.set()

    async def _restore_older(self) -> None:
        """Restore from the latest older version that is not damaged, unless somebody removed the file."""
        if not os.path.exists(self.filename):  # noqa: ASYNC240 -- nothing is served before it is known
            return
        for older in self.file_manager.files:
            if await self.restore_from_file(older):
                self.log.warning("Used the older version %s instead", older)
                return

    async def restore_from_file(self, filename: str | os.PathLike[str]) -> bool:
        """Restore what was saved in a file.

        Parameters
        ----------
        filename : str or pathlib.Path

        Returns
        -------
        bool
            False if the file is not there, or damaged, which is logged.
        """
        data = self._read(filename)
        if data is None:
            return False
        await self.restore_values(data)
        return True

    def _read(self, filename: str | os.PathLike[str]) -> dict[str, Any] | None:
        """Return what was saved in a file, if it can be used."""
        try:
            data = json.loads(Path(filename).read_text(encoding="utf-8"))
        except FileNotFoundError:
            self.log.info("There are no saved values yet: no file %s", filename)
            return None
        except (OSError, ValueError) as error:
            self.log.error("Cannot use the saved values in %s: %s", filename, error)
            return None
        if isinstance(data, dict):
            return data
        self.log.error("Cannot use the saved values in %s: there are no PV names", filename)
        return None

    async def restore_values(self, data: Mapping[str, Any]) -> None:
        """Write saved values to their PVs; what cannot be written is logged, and the rest is.

        Parameters
        ----------
        data : dict
            As `prepare_data` returns it.
        """
        pvdb = self._root.pvdb
        for pvname, saved in data.items():
            if pvname not in pvdb:
                self.log.warning("Saved values of a PV that is no more: %s", pvname)
                continue
            if not isinstance(saved, dict):
                self.log.error("Cannot restore %s: it says %r", pvname, saved)
                continue
            channeldata = pvdb[pvname]
            if "value" in saved:
                await self._restore_one(pvname, channeldata, saved["value"])
            for name, value in (saved.get("fields") or {}).items():
                try:
                    field = _field(channeldata, name)
                except LookupError as error:
                    self.log.error("Cannot restore a field: %s", error)
                else:
                    await self._restore_one(f"{pvname} {name}", field, value)

    async def _restore_one(self, what: str, channeldata: ChannelData, value: Any) -> None:
        """Write one saved value."""
        try:
            await channeldata.write(_from_json_data(value))
        except Exception as error:
            self.log.error("Cannot restore %s to %r: %s", what, value, error)


def _as_text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=1)


def _marked(group: PVGroup) -> Iterator[tuple[pvproperty[Any, Any], PvpropertyData]]:
    """Go through the marked PVs of a group and its subgroups."""
    for attr, pvprop in type(group)._pvs_.items():
        # Programs also enter PVs of other groups there.
        if hasattr(pvprop, "autosave") and attr in group.attr_pvdb:
            yield pvprop, group.attr_pvdb[attr]
    for subgroup in group.groups.values():
        yield from _marked(subgroup)
