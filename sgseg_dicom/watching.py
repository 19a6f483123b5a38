"""[watch] and [notify]: when the node counts as degraded, and who is told what goes wrong."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from sgseg_dicom.destinations import Host, OptionalFile, Port, conflict
from sgseg_dicom.toml_table import Section

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class Watch(Section):
    """[watch]: when the node counts as degraded, though it takes images."""

    waiting_minutes: float = Field(default=15.0, ge=0.01, le=10080, description="lie between 0.01 and 10080")


class Trouble(StrEnum):
    """What somebody may be told of. The words stand in messages and settings."""

    NOT_READY = "not-ready"
    DESTINATION_DOWN = "destination-down"
    WAITING = "waiting"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    DISK = "disk"
    CERTIFICATE = "certificate"


def _address(value: str) -> str:
    if not re.fullmatch(r"[^\s@<>,;\"\\]{1,64}@[\w.-]{1,255}", value, flags=re.ASCII):
        raise ValueError
    return value


def _url(value: str) -> str:
    url = urlsplit(value)
    # `port` raises ValueError where it is none.
    if value and (
        url.scheme not in ("http", "https") or not url.hostname or url.port == 0 or "@" in url.netloc
    ):
        raise ValueError
    if not re.fullmatch(r"[!-~]*", value):
        raise ValueError
    return value


def _each_once(troubles: tuple[Trouble, ...]) -> tuple[Trouble, ...]:
    if len(set(troubles)) < len(troubles):
        raise ValueError
    return troubles


Address = Annotated[str, AfterValidator(_address)]
_Trouble = Annotated[Trouble, Field(strict=False)]


class Notify(Section):
    """[notify]: a webhook and a mailbox, and what they are told."""

    events: Annotated[tuple[_Trouble, ...], AfterValidator(_each_once)] = Field(
        default=tuple(Trouble),
        strict=False,
        description=f"be a list of some of {[one.value for one in Trouble]}, each once",
    )
    after_minutes: float = Field(default=5.0, ge=0, le=10080, description="lie between 0 and 10080")
    repeat_minutes: float = Field(default=60.0, ge=0.01, le=10080, description="lie between 0.01 and 10080")
    webhook_url: Annotated[str, AfterValidator(_url)] = Field(
        default="", description="be an http or https address without user and password"
    )
    webhook_secret_file: OptionalFile = None
    webhook_ca_file: OptionalFile = None
    email_to: tuple[Address, ...] = Field(
        default=(), strict=False, description='be a list of addresses, "it@hospital.example" for example'
    )
    email_from: Address | None = Field(default=None, description="be one address")
    smtp_host: Host = "localhost"
    smtp_port: Port = 587
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description='be "starttls", "tls" or "none"'
    )
    smtp_username: str | None = Field(default=None, description="be a user's name")
    smtp_password_file: OptionalFile = None
    smtp_ca_file: OptionalFile = None

    @model_validator(mode="after")
    def _keys_go_together(self) -> "Notify":
        if self.webhook_secret_file and not self.webhook_url:
            raise conflict("a webhook_secret_file and no webhook_url; set both, or take it out")
        if self.webhook_ca_file and not self.webhook_url.startswith("https:"):
            raise conflict("a webhook_ca_file, and a webhook_url without TLS; make it https, or take it out")
        if self.email_to and self.email_from is None:
            raise conflict("email_to and no email_from; set both")
        if (self.smtp_username is None) != (self.smtp_password_file is None):
            raise conflict("one of smtp_username and smtp_password_file; set both, or neither")
        if self.smtp_username and self.smtp_security == "none" and self.smtp_host not in _THIS_MACHINE:
            raise conflict('a password and smtp_security = "none", which would show it to the network')
        return self

    def anchored(self, folder: Path) -> "Notify":
        """Make the names of files relative to *folder*."""
        names = ("webhook_secret_file", "webhook_ca_file", "smtp_password_file", "smtp_ca_file")
        files = {key: getattr(self, key) for key in names}
        return self.model_copy(update={key: folder / file for key, file in files.items() if file})
