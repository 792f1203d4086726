"""The ECA status table (CA protocol specification, "Return codes"; ``caerr.h`` of EPICS base)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from .enums import CASeverity

__all__ = ["CAStatus", "CAStatusCode", "eca_value_to_status", "status_from_code"]


class CAStatusCode(NamedTuple):
    """One ECA status.

    Attributes
    ----------
    name : str
        As in ``caerr.h``, for example ``'ECA_NORMAL'``.
    code : int
        The message number, without the severity.
    code_with_severity : int
        What travels on the wire: ``code << 3 | severity``.
    severity : CASeverity
    success : int
        1 if the operation went well.
    defunct : bool
        Whether current servers no longer send it.
    description : str
    """

    name: str
    code: int
    code_with_severity: int
    severity: CASeverity
    success: int
    defunct: bool
    description: str


def _code(name: str, value: int, description: str, *, defunct: bool = False) -> CAStatusCode:
    """Make the status that travels as `value`."""
    return CAStatusCode(
        name, value >> 3, value, CASeverity(value & 7), value & 1, defunct, description
    )


class CAStatus(Enum):
    """Every ECA status by name; the values are `CAStatusCode`."""

    ECA_NORMAL = _code("ECA_NORMAL", 1, "Normal successful completion")
    ECA_MAXIOC = _code("ECA_MAXIOC", 10, "Too many simultaneous server connections", defunct=True)
    ECA_UKNHOST = _code("ECA_UKNHOST", 18, "The host name is not known", defunct=True)
    ECA_UKNSERV = _code("ECA_UKNSERV", 26, "The service is not known", defunct=True)
    ECA_SOCK = _code("ECA_SOCK", 34, "A socket could not be created", defunct=True)
    ECA_CONN = _code("ECA_CONN", 40, "The connection could not be made yet", defunct=True)
    ECA_ALLOCMEM = _code("ECA_ALLOCMEM", 48, "Out of memory for this request")
    ECA_UKNCHAN = _code("ECA_UKNCHAN", 56, "The channel is not known", defunct=True)
    ECA_UKNFIELD = _code("ECA_UKNFIELD", 64, "The record field is not known", defunct=True)
    ECA_TOLARGE = _code("ECA_TOLARGE", 72, "The data do not fit into the memory or buffer there is")
    ECA_TIMEOUT = _code("ECA_TIMEOUT", 80, "The operation did not end in time")
    ECA_NOSUPPORT = _code(
        "ECA_NOSUPPORT", 88, "Not supported; planned for a later version", defunct=True
    )
    ECA_STRTOBIG = _code("ECA_STRTOBIG", 96, "The string is too long", defunct=True)
    ECA_DISCONNCHID = _code("ECA_DISCONNCHID", 106, "The channel is not connected", defunct=True)
    ECA_BADTYPE = _code("ECA_BADTYPE", 114, "The data type is not valid")
    ECA_CHIDNOTFND = _code("ECA_CHIDNOTFND", 123, "The remote channel was not found", defunct=True)
    ECA_CHIDRETRY = _code("ECA_CHIDRETRY", 131, "Not all channels could be located", defunct=True)
    ECA_INTERNAL = _code("ECA_INTERNAL", 142, "The peer met an internal failure")
    ECA_DBLCLFAIL = _code("ECA_DBLCLFAIL", 144, "The local database request failed", defunct=True)
    ECA_GETFAIL = _code("ECA_GETFAIL", 152, "The value could not be read")
    ECA_PUTFAIL = _code("ECA_PUTFAIL", 160, "The value could not be written")
    ECA_ADDFAIL = _code("ECA_ADDFAIL", 168, "The subscription could not be added", defunct=True)
    ECA_BADCOUNT = _code("ECA_BADCOUNT", 176, "The number of elements is not valid")
    ECA_BADSTR = _code("ECA_BADSTR", 186, "The string is not valid")
    ECA_DISCONN = _code("ECA_DISCONN", 192, "The circuit was lost")
    ECA_DBLCHNL = _code("ECA_DBLCHNL", 200, "The same name was found on several servers")
    ECA_EVDISALLOW = _code("ECA_EVDISALLOW", 210, "Not allowed from within a subscription callback")
    ECA_BUILDGET = _code(
        "ECA_BUILDGET", 216, "The value that came with the search is lost", defunct=True
    )
    ECA_NEEDSFP = _code(
        "ECA_NEEDSFP", 224, "Not initialised for vxWorks floating point", defunct=True
    )
    ECA_OVEVFAIL = _code("ECA_OVEVFAIL", 232, "Updates were lost in an overflow", defunct=True)
    ECA_BADMONID = _code("ECA_BADMONID", 242, "The subscription id is not valid")
    ECA_NEWADDR = _code("ECA_NEWADDR", 248, "The channel has a new address", defunct=True)
    ECA_NEWCONN = _code("ECA_NEWCONN", 259, "New or resumed network connection", defunct=True)
    ECA_NOCACTX = _code("ECA_NOCACTX", 264, "The task is not in a client context", defunct=True)
    ECA_DEFUNCT = _code("ECA_DEFUNCT", 278, "The feature is no longer supported", defunct=True)
    ECA_EMPTYSTR = _code("ECA_EMPTYSTR", 280, "The string is empty", defunct=True)
    ECA_NOREPEATER = _code(
        "ECA_NOREPEATER", 288, "There is no repeater to register with", defunct=True
    )
    ECA_NOCHANMSG = _code("ECA_NOCHANMSG", 296, "No channel goes with this message", defunct=True)
    ECA_DLCKREST = _code(
        "ECA_DLCKREST", 304, "The connection was reset to break a deadlock", defunct=True
    )
    ECA_SERVBEHIND = _code("ECA_SERVBEHIND", 312, "The server has fallen behind", defunct=True)
    ECA_NOCAST = _code("ECA_NOCAST", 320, "There is no interface that can broadcast", defunct=True)
    ECA_BADMASK = _code("ECA_BADMASK", 330, "The subscription mask is not valid")
    ECA_IODONE = _code("ECA_IODONE", 339, "The operation has completed")
    ECA_IOINPROGRESS = _code("ECA_IOINPROGRESS", 347, "The operation is still in progress")
    ECA_BADSYNCGRP = _code("ECA_BADSYNCGRP", 354, "The synchronous group id is not valid")
    ECA_PUTCBINPROG = _code(
        "ECA_PUTCBINPROG", 362, "An earlier confirmed write is still in progress"
    )
    ECA_NORDACCESS = _code("ECA_NORDACCESS", 368, "Reading is not permitted")
    ECA_NOWTACCESS = _code("ECA_NOWTACCESS", 376, "Writing is not permitted")
    ECA_ANACHRONISM = _code("ECA_ANACHRONISM", 386, "The feature is gone")
    ECA_NOSEARCHADDR = _code("ECA_NOSEARCHADDR", 392, "The list of search addresses is empty")
    ECA_NOCONVERT = _code("ECA_NOCONVERT", 400, "There is no conversion between these data types")
    ECA_BADCHID = _code("ECA_BADCHID", 410, "The channel id is not valid")
    ECA_BADFUNCPTR = _code("ECA_BADFUNCPTR", 418, "The function pointer is not valid")
    ECA_ISATTACHED = _code("ECA_ISATTACHED", 424, "The thread belongs to a client context already")
    ECA_UNAVAILINSERV = _code(
        "ECA_UNAVAILINSERV", 432, "The service is not available in this server"
    )
    ECA_CHANDESTROY = _code("ECA_CHANDESTROY", 440, "The channel was destroyed")
    ECA_BADPRIORITY = _code("ECA_BADPRIORITY", 450, "The priority is not valid")
    ECA_NOTTHREADED = _code("ECA_NOTTHREADED", 458, "Preemptive callbacks are off in this context")
    ECA_16KARRAYCLIENT = _code(
        "ECA_16KARRAYCLIENT", 464, "The client's version cannot take large arrays"
    )
    ECA_CONNSEQTMO = _code("ECA_CONNSEQTMO", 472, "The connection sequence did not end in time")
    ECA_UNRESPTMO = _code("ECA_UNRESPTMO", 480, "The circuit does not respond")

    def __int__(self) -> int:
        code: CAStatusCode = self.value
        return code.code_with_severity


eca_value_to_status: dict[int, CAStatusCode] = {
    status.value.code_with_severity: status.value for status in CAStatus
}


def status_from_code(value: int) -> CAStatusCode:
    """Return the status that travels as `value`; a number nobody has defined is described, not refused."""
    try:
        return eca_value_to_status[value]
    except KeyError:
        try:
            severity = CASeverity(value & 7)
        except ValueError:
            severity = CASeverity.ERROR
        text = f"A status that is not in the table ({value})"
        return CAStatusCode("ECA_UNKNOWN", value >> 3, value, severity, value & 1, False, text)
