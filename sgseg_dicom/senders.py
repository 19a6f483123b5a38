"""[[sender]]: who may send images, from where, and how many associations at a time."""

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sgseg_dicom.destinations import AETitle
from sgseg_dicom.toml_table import Section


def _network(value: str) -> str:
    return str(ipaddress.ip_network(value))


Network = Annotated[str, AfterValidator(_network)]


class Sender(Section):
    """[[sender]]: peers that may come in. One comes in by an entry if both its network and its AE title fit."""

    name: Annotated[
        str,
        Field(pattern=r"^[\w .-]{1,64}$", description="be 1 to 64 letters, digits, spaces, dots or dashes"),
    ]
    networks: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description='be a list of networks or addresses, "10.1.2.0/24" or "10.1.2.7" for example, '
        "without bits behind the prefix",
    )
    calling_ae_titles: tuple[AETitle, ...] = Field(
        default=(), strict=False, description="be a list of AE titles, 1 to 16 ASCII characters each"
    )
    max_associations: Annotated[int, Field(ge=1, le=1000, description="lie between 1 and 1000")] = 1000
    priority: Literal["as-sent", "high", "medium", "low"] = Field(
        default="as-sent", description='be "as-sent", "high", "medium" or "low"'
    )
