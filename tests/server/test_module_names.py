"""Modules that programs import from, beside `caproto.server`."""

from __future__ import annotations

import importlib
import inspect

import pytest

import caproto.asyncio.server
import caproto.server

NAMES = {
    "caproto.server": """
        AsyncLibraryLayer NestedPvproperty PVGroup PVSpec PvpropertyBoolEnum PvpropertyBoolEnumRO PvpropertyByte
        PvpropertyByteRO PvpropertyChar PvpropertyCharRO PvpropertyData PvpropertyDouble PvpropertyDoubleRO
        PvpropertyEnum PvpropertyEnumRO PvpropertyFloat PvpropertyFloatRO PvpropertyInteger PvpropertyIntegerRO
        PvpropertyReadOnlyData PvpropertyShort PvpropertyShortRO PvpropertyString PvpropertyStringRO SubGroup
        channeldata_from_pvspec data_class_from_pvspec expand_macros get_pv_pair_wrapper ioc_arg_parser pvfunction
        pvproperty run scan_wrapper template_arg_parser""",
    "caproto.server.server": """
        PVGroup PVGroupMeta PVSpec PvpropertyData SubGroup pvfunction pvproperty ioc_arg_parser run scan_wrapper
        template_arg_parser AinitHook Getter Putter Scan Shutdown Startup check_signature pvspec_type_map
        pvspec_type_map_read_only get_pv_pair_wrapper expand_macros AsyncLibraryLayer FieldProxy FieldSpec
        FieldSpecItems T_Data T_PVGroup T_RecordFields T_SubGroup T_pvproperty ChannelType AlarmSeverity ChannelData""",
    "caproto.server.records": "RecordFieldGroup MotorFields pvproperty register_record",
    "caproto.ioc_examples.random_walk": "RandomWalkIOC",
    "caproto.server.common": "Context VirtualCircuit LoopExit DisconnectedCircuit MAX_UDP_RECV",
    "caproto.server.typing": "AinitHook AsyncLibraryLayer Getter Putter Scan Shutdown Startup",
    "caproto.asyncio.server": """
        AsyncLibraryLayer AsyncioAsyncLayer AsyncioEvent AsyncioQueue Context Event ServerExit VirtualCircuit run start_server""",
}


@pytest.mark.parametrize("module", NAMES)
def test_names_can_be_imported(module: str) -> None:
    loaded = importlib.import_module(module)
    assert [name for name in NAMES[module].split() if not hasattr(loaded, name)] == []


def test_they_are_the_same_objects() -> None:
    server = importlib.import_module("caproto.server.server")
    common = importlib.import_module("caproto.server.common")
    assert server.PVGroup is caproto.server.PVGroup
    assert common.Context is caproto.asyncio.server.Context
    with pytest.raises(AttributeError, match="nothing"):
        _ = common.nothing


# As `inspect` prints them for the original: names and order of the parameters.
SIGNATURES = {
    "PVGroup": "prefix macros parent name",
    "PVSpec": "get put startup shutdown attr name dtype value max_length alarm_group read_only doc fields scan "
    "record cls_kwargs",
    "SubGroup": "group prefix macros attr_separator doc base init_kwargs",
    "pvproperty": "get put startup shutdown scan name dtype value max_length alarm_group doc read_only field_spec "
    "fields record cls_kwargs",
    "NestedPvproperty": "get put startup shutdown scan name dtype value max_length alarm_group doc read_only "
    "field_spec fields record cls_kwargs",
    "pvfunction": "func default names alarm_group prefix macros attr_separator doc",
    "get_pv_pair_wrapper": "setpoint_suffix readback_suffix",
    "ioc_arg_parser": "desc default_prefix argv macros supported_async_libs",
    "template_arg_parser": "desc default_prefix argv macros supported_async_libs",
    "run": "pvdb module_name interfaces log_pv_names startup_hook",
    "scan_wrapper": "scan_function period subtract_elapsed stop_on_error failure_severity use_scan_field",
    "expand_macros": "pv macros",
    "channeldata_from_pvspec": "group pvspec",
    "PvpropertyDouble": "pvname group pvspec doc record logger kwargs",
}


# What ours take beside them: by keyword only, and nobody needs it.
MORE = {"run": "access limits"}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_of_the_original(name: str) -> None:
    parameters = inspect.signature(getattr(caproto.server, name)).parameters
    more = MORE.get(name, "").split()
    assert " ".join(each for each in parameters if each not in more) == SIGNATURES[name]
    for each in more:
        assert parameters[each].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[each].default is None
