"""The ECA status table."""

from __future__ import annotations

import pytest

from caproto import CASeverity, CAStatus, CAStatusCode
from caproto._status import eca_value_to_status, status_from_code

# caerr.h of EPICS base: number << 3 | severity
NUMBERS = {
    "ECA_NORMAL": 1,
    "ECA_ALLOCMEM": 48,
    "ECA_TOLARGE": 72,
    "ECA_TIMEOUT": 80,
    "ECA_BADTYPE": 114,
    "ECA_INTERNAL": 142,
    "ECA_GETFAIL": 152,
    "ECA_PUTFAIL": 160,
    "ECA_ADDFAIL": 168,
    "ECA_BADCOUNT": 176,
    "ECA_BADSTR": 186,
    "ECA_DISCONN": 192,
    "ECA_DBLCHNL": 200,
    "ECA_EVDISALLOW": 210,
    "ECA_BADMONID": 242,
    "ECA_DEFUNCT": 278,
    "ECA_BADMASK": 330,
    "ECA_IODONE": 339,
    "ECA_PUTCBINPROG": 362,
    "ECA_NORDACCESS": 368,
    "ECA_NOWTACCESS": 376,
    "ECA_NOSEARCHADDR": 392,
    "ECA_NOCONVERT": 400,
    "ECA_BADCHID": 410,
    "ECA_ISATTACHED": 424,
    "ECA_UNAVAILINSERV": 432,
    "ECA_CHANDESTROY": 440,
    "ECA_BADPRIORITY": 450,
    "ECA_16KARRAYCLIENT": 464,
    "ECA_CONNSEQTMO": 472,
    "ECA_UNRESPTMO": 480,
}


@pytest.mark.parametrize(("name", "number"), NUMBERS.items())
def test_number_of_a_status(name: str, number: int) -> None:
    status = CAStatus[name]
    assert int(status) == status.value.code_with_severity == number
    assert status.value.code == number >> 3
    assert status.value.severity == number & 7
    assert status_from_code(number) is status.value


def test_every_status_says_what_it_is() -> None:
    assert len(CAStatus) == len(eca_value_to_status) == 61
    for status in CAStatus:
        code = status.value
        assert isinstance(code, CAStatusCode)
        assert code.name == status.name
        assert code.code == code.code_with_severity >> 3
        assert code.success == (code.severity in (CASeverity.SUCCESS, CASeverity.INFO))
        assert code.description
    assert CAStatus.ECA_CONN.value.defunct
    assert not CAStatus.ECA_NORMAL.value.defunct


@pytest.mark.parametrize("number", [0, 5, 7, 999, 0xFFFFFFFF])
def test_status_that_is_not_in_the_table_is_described(number: int) -> None:
    status = status_from_code(number)
    assert status.name == "ECA_UNKNOWN"
    assert status.code_with_severity == number
    assert str(number) in status.description
    assert isinstance(status.severity, CASeverity)
