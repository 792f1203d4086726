"""ECA statuses, by the name under which the documentation has them."""

from ._protocol.enums import (
    CASeverity,
)
from ._protocol.status import (
    CAStatus,
    CAStatusCode,
    eca_value_to_status,
    status_from_code,
)

__all__ = [
    "CASeverity",
    "CAStatus",
    "CAStatusCode",
    "eca_value_to_status",
    "status_from_code",
]
