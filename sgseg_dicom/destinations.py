"""[[destination]]: who stores the results, how they travel there, and what is wanted of them."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from sgseg_dicom.result_kinds import Kind, Segmentation, SrClass, Wanted
from sgseg_dicom.toml_table import Section


def _ae_title(value: str) -> str:
    title = value.strip(" ")
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", title):
        raise ValueError
    return title


def _port(value: int, info: ValidationInfo) -> int:
    if value == 0 and not (info.context or {}).get("free_ports"):
        raise ValueError
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[\w.:-]+", value):
        raise ValueError
    return value


def _base_url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname or url.port == 0:
        raise ValueError
    if "@" in url.netloc or url.query or url.fragment or not re.fullmatch(r"[!-~]+", value):
        raise ValueError
    return value.rstrip("/")


# Each description ends the sentence "<key> is <value>; it must ...".
AETitle = Annotated[
    str,
    AfterValidator(_ae_title),
    Field(description="be 1 to 16 ASCII characters, not all spaces, without backslash (PS3.5 6.2, AE)"),
]
Host = Annotated[str, AfterValidator(_host), Field(description="be a host name or an IP address")]
Port = Annotated[int, AfterValidator(_port), Field(ge=0, le=65535, description="lie between 1 and 65535")]
BaseUrl = Annotated[
    str,
    AfterValidator(_base_url),
    Field(description="be an http or https address of a DICOMweb service, without user, password, ? and #"),
]
_PROTOCOL = Field(description='be "dimse" or "dicomweb"')  # the keys of DESTINATIONS
OptionalFile = Annotated[Path | None, Field(strict=False, description="be a file's name")]


_Kind = Annotated[Kind, Field(strict=False)]


def _each_once(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    if not kinds or len(set(kinds)) < len(kinds):
        raise ValueError
    return kinds


class _Recipient(Section):
    """What every [[destination]] has, however results travel to it."""

    name: Annotated[
        str,
        Field(pattern=r"^[\w .-]{1,64}$", description="be 1 to 64 letters, digits, spaces, dots or dashes"),
    ]
    results: Annotated[tuple[_Kind, ...], AfterValidator(_each_once)] = Field(
        default=Wanted().results,
        strict=False,
        description=f"be a list of one or more of {[kind.value for kind in Kind]}, each once",
    )
    segmentation: Segmentation = Field(
        default="auto", description='be "auto", "binary", "fractional" or "labelmap"'
    )
    sr_class: SrClass = Field(
        default="comprehensive-3d", description='be "comprehensive-3d" or "comprehensive"'
    )
    sr_without_regions: bool = Field(default=False, description="be true or false")
    not_judged: bool = Field(default=False, description="be true or false")

    @property
    def wanted(self) -> Wanted:
        """What it gets of an image."""
        return Wanted(
            results=self.results,
            segmentation=self.segmentation,
            sr_class=self.sr_class,
            sr_without_regions=self.sr_without_regions,
        )


class Destination(_Recipient):
    """[[destination]] with protocol "dimse": a peer that takes results by C-STORE."""

    protocol: Annotated[Literal["dimse"], _PROTOCOL] = "dimse"
    ae_title: AETitle
    host: Host
    port: Port
    tls: bool = Field(default=False, description="be true or false")
    ca_file: OptionalFile = None
    certificate_file: OptionalFile = None
    key_file: OptionalFile = None
    tls_host_name: str | None = Field(
        default=None, description='be the name in its certificate, or "" for no check of the name'
    )
    storage_commitment: bool = Field(default=False, description="be true or false")
    commitment_seconds: float = Field(
        default=3600.0, ge=1, le=604800, description="be a number between 1 and 604800"
    )

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        return f"{self.ae_title} at {self.host}:{self.port}"

    @model_validator(mode="after")
    def _files_belong_to_tls(self) -> "Destination":
        given = [key for key in (*_TLS_FILES, "tls_host_name") if getattr(self, key) is not None]
        if given and not self.tls:
            raise conflict(f"{', '.join(given)} and no TLS; set tls = true, or take them out")
        if self.key_file and not self.certificate_file:
            raise conflict("a key_file and no certificate_file; set both, or neither")
        return self

    def anchored(self, folder: Path) -> "Destination":
        """Make the names of files relative to *folder*."""
        files = {key: getattr(self, key) for key in _TLS_FILES}
        return self.model_copy(update={key: folder / file for key, file in files.items() if file})


_TLS_FILES = ("ca_file", "certificate_file", "key_file")


class WebDestination(_Recipient):
    """[[destination]] with protocol "dicomweb": a service that takes results by STOW-RS."""

    protocol: Annotated[Literal["dicomweb"], _PROTOCOL]
    url: BaseUrl
    username: Annotated[str, Field(pattern=r"^[^:\x00-\x1f]+$")] | None = Field(
        default=None, description="be a user's name without colon (RFC 7617)"
    )
    password_file: OptionalFile = None
    token_file: OptionalFile = None
    ca_file: OptionalFile = None

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        return self.url

    def anchored(self, folder: Path) -> "WebDestination":
        """Make the names of files relative to *folder*."""
        files = {key: getattr(self, key) for key in ("password_file", "token_file", "ca_file")}
        return self.model_copy(update={key: folder / file for key, file in files.items() if file})

    @model_validator(mode="after")
    def _one_secret_under_tls(self) -> "WebDestination":
        if (self.username is None) != (self.password_file is None):
            raise conflict("one of username and password_file; set both, or neither")
        if self.username and self.token_file:
            raise conflict("both username and token_file; take out one of them")
        if self.url.startswith("https:"):
            return self
        if self.ca_file:
            raise conflict("a ca_file, and a url without TLS; make it https, or take out ca_file")
        if (self.username or self.token_file) and urlsplit(self.url).hostname not in _THIS_MACHINE:
            raise conflict("a secret, and a url without TLS that would show it to the network; make it https")
        return self


_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
DESTINATIONS: dict[str, type[Destination | WebDestination]] = {
    "dimse": Destination,
    "dicomweb": WebDestination,
}


def conflict(what: str) -> PydanticCustomError:
    """Keys that are each right and do not go together; the message ends "[[destination]] number 1 has ..."."""
    return PydanticCustomError("conflict", "{what}", {"what": what})


def _protocol(value: Any) -> str:
    """Give the protocol that a destination names. Where it names none or an unknown one, it is read as "dimse"."""
    protocol = value.get("protocol") if isinstance(value, dict) else getattr(value, "protocol", None)
    return str(protocol) if protocol in DESTINATIONS else "dimse"


AnyDestination = Annotated[
    Annotated[Destination, Tag("dimse")] | Annotated[WebDestination, Tag("dicomweb")],
    Discriminator(_protocol),
]
