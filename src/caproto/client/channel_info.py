"""What is known about a connected channel."""

from __future__ import annotations

from dataclasses import dataclass

from .._protocol.enums import AccessRights, ChannelType
from .pv import PVCore
from .search import Address

__all__ = ["ChannelInfo", "channel_info"]


@dataclass(frozen=True)
class ChannelInfo:
    """What is known about a connected channel; shown as EPICS's ``cainfo`` shows it.

    Parameters
    ----------
    name : str
    address : (host, port)
        Of the server's TCP circuit.
    data_type : ChannelType
        The native type.
    data_count : int
        The largest number of elements.
    access_rights : AccessRights
    priority : int
        Of the circuit, 0 to 99.
    version : int
        Minor version of Channel Access that the server speaks.
    """

    name: str
    address: Address
    data_type: ChannelType
    data_count: int
    access_rights: AccessRights
    priority: int
    version: int

    def _repr_html_(self) -> str:
        from .._html import fields_table

        fields: list[tuple[str, object]] = [
            ("server", "{}:{}".format(*self.address)),
            ("type", self.data_type.name),
            ("elements", self.data_count),
            ("access", self._access),
            ("priority", self.priority),
            ("version", f"4.{self.version}"),
        ]
        return fields_table(self.name, fields)

    @property
    def _access(self) -> str:
        """What may be done, in words."""
        rights = self.access_rights
        return ", ".join(
            ("" if rights & right else "no ") + word
            for right, word in ((AccessRights.READ, "read"), (AccessRights.WRITE, "write"))
        )

    def __str__(self) -> str:
        return "\n".join(
            [
                self.name,
                "    State:            connected",
                "    Host:             {}:{}".format(*self.address),
                f"    Access:           {self._access}",
                f"    Native data type: DBF_{self.data_type.name}",
                f"    Request type:     DBR_{self.data_type.name}",
                f"    Element count:    {self.data_count}",
            ]
        )


def channel_info(pv: PVCore) -> ChannelInfo:
    """Describe the channel of a connected PV."""
    channel, circuit = pv.open_channel, pv.circuit
    assert circuit is not None
    native = channel.native_data_type
    assert native is not None
    return ChannelInfo(
        pv.name,
        circuit.address,
        ChannelType(native),
        channel.native_data_count or 0,
        pv.access_rights or AccessRights.NO_ACCESS,
        pv.priority,
        circuit.protocol.protocol_version,
    )
