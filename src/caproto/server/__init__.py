"""The IOC toolkit: declare PVs, give them handlers, and serve them."""

from ._engine.limits import ClientLimits
from .access import AccessRules
from .arguments import ioc_arg_parser, template_arg_parser
from .group import PVGroup
from .macros import expand_macros
from .pairs import get_pv_pair_wrapper
from .properties import (
    PvpropertyBoolEnum,
    PvpropertyBoolEnumRO,
    PvpropertyByte,
    PvpropertyByteRO,
    PvpropertyChar,
    PvpropertyCharRO,
    PvpropertyData,
    PvpropertyDouble,
    PvpropertyDoubleRO,
    PvpropertyEnum,
    PvpropertyEnumRO,
    PvpropertyFloat,
    PvpropertyFloatRO,
    PvpropertyInteger,
    PvpropertyIntegerRO,
    PvpropertyReadOnlyData,
    PvpropertyShort,
    PvpropertyShortRO,
    PvpropertyString,
    PvpropertyStringRO,
)
from .pvfunction import pvfunction
from .pvproperty import pvproperty
from .pvspec import PVSpec, channeldata_from_pvspec, data_class_from_pvspec
from .running import run
from .scan import scan_wrapper
from .subgroup import NestedPvproperty, SubGroup
from .typing import AsyncLibraryLayer

__all__ = [
    # declaring PVs
    "PVGroup",
    "PVSpec",
    "SubGroup",
    "NestedPvproperty",
    "pvproperty",
    "pvfunction",
    "get_pv_pair_wrapper",
    "expand_macros",
    "scan_wrapper",
    "channeldata_from_pvspec",
    "data_class_from_pvspec",
    # their data
    "PvpropertyData",
    "PvpropertyReadOnlyData",
    "PvpropertyBoolEnum",
    "PvpropertyBoolEnumRO",
    "PvpropertyByte",
    "PvpropertyByteRO",
    "PvpropertyChar",
    "PvpropertyCharRO",
    "PvpropertyDouble",
    "PvpropertyDoubleRO",
    "PvpropertyEnum",
    "PvpropertyEnumRO",
    "PvpropertyFloat",
    "PvpropertyFloatRO",
    "PvpropertyInteger",
    "PvpropertyIntegerRO",
    "PvpropertyShort",
    "PvpropertyShortRO",
    "PvpropertyString",
    "PvpropertyStringRO",
    # running
    "AccessRules",
    "AsyncLibraryLayer",
    "ClientLimits",
    "ioc_arg_parser",
    "run",
    "template_arg_parser",
]
